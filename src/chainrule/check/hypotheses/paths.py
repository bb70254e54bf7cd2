"""The gradient takes several paths through the function: on one of them it is cut off, scaled, or not multiplied by the
slope.

The function is run on chainrule's own tape, where the gradient of each path is known. So a reason can name the
operation, and the line of the function, whose derivative the pass under check has wrong.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.check.subjects.trace import Trace, Use, expression_of, is_standard
from chainrule.check.why.context import Array, Context, norm

from .candidate import Candidate, fits
from .factors import called

MOST_WORK = 60_000
"""The most operations that are pulled back to try all paths."""
SAME = 1e-7
"""How close to a factor a measured one must be to be that factor."""
VALUE = "the value of "


@dataclass(frozen=True)
class _Found:
    """A way in which one use explains the gradient."""

    use: Use
    how: str
    weight: float
    predicted: Array


def along_paths(context: Context) -> Iterator[Candidate]:
    """Propose which path is cut off, has a wrong factor, or lacks a slope."""
    trace = context.trace
    if trace is None or not context.same_shape:
        return
    name, n = context.argument, context.expected
    whole = trace.gradient(name, context.y_bar)
    if whole is None or whole.shape != n.shape or not fits(whole, n, context):
        return
    yield from _ignored(trace, whole, context)
    uses = list(trace.uses())
    if len(uses) * len(trace.entries) > MOST_WORK:
        return
    found = [one for use in uses for one in _of(use, trace, whole, context)]
    for group in _alike(found, context):
        yield _candidate(group, context)


def _ignored(trace: Trace, whole: Array, context: Context) -> Iterator[Candidate]:
    """Propose that what arrives at one of several outputs is ignored."""
    sizes = [y.size for y in trace.values]
    if len(sizes) < 2:
        return
    for k, end in enumerate(np.cumsum(sizes)):
        bar = np.array(context.y_bar)
        bar.reshape(-1)[end - sizes[k] : end] = 0
        without = np.asarray(trace.gradient(context.argument, bar))
        if norm(whole - without) > context.noise and fits(without, context.analytic, context):
            text = f"the gradient that arrives at output {k} is ignored"
            yield Candidate("detached", text, 2.75, predicted=without, detail={"term": f"output {k}"})


def _of(use: Use, trace: Trace, whole: Array, context: Context) -> Iterator[_Found]:
    """Yield how a use explains the analytic gradient."""
    name, bar, g = context.argument, context.y_bar, context.analytic

    def through(change: Any) -> Array:
        return np.asarray(trace.gradient(name, bar, use, change))

    cut = through(lambda x_bar, _: np.zeros_like(x_bar))
    part = whole - cut
    if norm(part) <= context.noise or norm(cut) <= context.noise:  # nothing goes this way, or everything
        pass
    elif fits(cut, g, context):
        yield _Found(use, "cut", 0.0, cut)
    else:
        weight = float(np.vdot(part, g - cut) / np.vdot(part, part))
        scaled = through(lambda x_bar, _: weight * x_bar)
        if abs(weight - 1) > SAME and fits(scaled, g, context):
            yield _Found(use, "scaled", weight, scaled)
    if norm(part) > context.noise and use.alone and use.user.op.kind == "elementwise":
        passed = through(lambda x_bar, y_bar: y_bar if np.shape(y_bar) == np.shape(x_bar) else x_bar)
        c = float(np.vdot(whole, passed) / np.vdot(whole, whole)) if np.any(whole) else 0.0
        if fits(passed, g, context) and not fits(c * whole, passed, context):  # else it is a plain factor
            yield _Found(use, "passed", 0.0, passed)


def _alike(found: list[_Found], context: Context) -> list[_Found]:
    """Return one of those that say the same of one another: all uses along a path that does not branch."""
    kept: list[_Found] = []
    if any(one.how == "cut" for one in found):  # then what passes without its slope is nothing, and says nothing
        found = [one for one in found if one.how != "passed"]
    for one in found:
        same = next((k for k, other in enumerate(kept) if _is_same(one, other, context)), None)
        if same is None:
            kept.append(one)
        elif _rank(one) > _rank(kept[same]):
            kept[same] = one
    return kept


def _is_same(a: _Found, b: _Found, context: Context) -> bool:
    close = norm(a.predicted - b.predicted) <= context.noise
    return a.how == b.how and close and abs(a.weight - b.weight) <= SAME * max(1.0, abs(a.weight))


def _rank(one: _Found) -> bool:
    """Whether a use tells the reader more than plain arithmetic: the value of a function of one thing, used once."""
    op = one.use.producer.op
    return op is not None and len(op.arguments) == 1 and not one.use.shared


def _candidate(one: _Found, context: Context) -> Candidate:
    use, user, producer = one.use, one.use.user, one.use.producer
    name = producer.name if producer.op is None else _called(producer)
    what = f"{name} in {_called(user)}" if producer.op is None or use.shared else name
    detail: dict[str, Any] = {"term": _called(user) if one.how == "passed" else what}
    if user.source is not None and not is_standard(user.source.file):
        detail["forward_line"] = user.source.line
    if one.how == "passed":
        function = _called(user).removeprefix(VALUE)
        text = f"the slope of {function} is left out: the gradient passes as if it were the identity"
        return Candidate("missing-term", text, 2.75, predicted=one.predicted, detail=detail)
    if one.how == "cut":
        text = f"{what} is treated as a constant: the gradient through it is cut off"
        return Candidate("detached", text, 3.88, predicted=one.predicted, detail=detail)
    detail["factor"] = one.weight
    if abs(one.weight + 1) <= SAME:
        text = f"the gradient through {what} has the wrong sign"
        return Candidate("sign", text, 3.9, predicted=one.predicted, detail=detail)
    if abs(one.weight - 2) <= SAME:
        text = f"the gradient through {what} is counted twice"
        return Candidate("accumulated-twice", text, 3.92, predicted=one.predicted, detail=detail)
    factor, meaning, known = called(one.weight, context)
    text = f"the gradient through {what} is {factor} times what it should be" + (f": {meaning}" if meaning else "")
    return Candidate("factor", text, 3.95 if known else 5.0, predicted=one.predicted, detail=detail)


def _called(entry: Any) -> str:
    """Return what a value is called: the expression that made it, or its operation."""
    text = expression_of(entry)
    return f"`{text}`" if text else f"{VALUE}{entry.op.name}"
