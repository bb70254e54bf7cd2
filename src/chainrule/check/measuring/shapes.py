"""Gradients of the wrong shape, and gradients that are right for square shapes only."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from chainrule.check.hypotheses import explain
from chainrule.check.hypotheses.candidate import Detail, Hypothesis
from chainrule.check.repairs import runs_again
from chainrule.check.report.found import Finding
from chainrule.check.subjects.subject import Array, Subject
from chainrule.check.why.diagnosis import affordable, context_of, ranked
from chainrule.check.why.locate import verdict_on

from .measure import Probe, numeric_gradient

BRIEFLY = 0.5
"""For how many seconds the line is searched for where the reason is known."""
TRIALS = 40
"""How many other shapes are tried."""


def explained_shape(finding: Finding, subject: Subject, y_bar: Array) -> Finding:
    """Add the reason to a finding on the shape of a gradient."""
    if finding.verdict in ("signature", "raises", "not-finite"):
        return _mended(finding, subject, y_bar)
    if finding.verdict != "shape" or finding.argument not in subject.arguments:
        return _mended(finding, subject, y_bar) if finding.verdict == "shape" else finding
    probe = Probe(subject, y_bar)
    if not affordable(probe, finding.argument):
        return finding
    raw = np.asarray(subject.backward(probe.fresh(), np.array(y_bar))[finding.argument])
    context = context_of(probe, finding.argument, numeric_gradient(probe, finding.argument))
    context.gradients[finding.argument] = raw
    hypotheses = tuple(h for h in explain(context) if h.code != "unexplained")
    if not hypotheses:
        return _mended(finding, subject, y_bar)
    hypotheses = ranked(runs_again(subject, y_bar, finding.argument, 0, BRIEFLY), hypotheses)
    best = hypotheses[0]
    return replace(finding, code=best.code, detail=best.detail, explained=best.explained, hypotheses=hypotheses)


def _mended(finding: Finding, subject: Subject, y_bar: Array) -> Finding:
    """Return the finding with the code change that makes the pass run and its gradient right."""
    name = finding.argument if finding.argument in subject.arguments else ""
    hypotheses = tuple(runs_again(subject, y_bar, name, 0))
    if not hypotheses:
        return finding
    best = hypotheses[0]
    return replace(finding, code=best.code, detail=best.detail, explained=1.0, hypotheses=hypotheses)


def square_only(subject: Subject, seed: int) -> Finding | None:
    """Return a finding if a gradient that is right at these shapes is wrong once two equal axes differ.

    Axes of equal length are shortened by one, singly or in pairs, as long as the function still runs. If all of them
    are, a rule that confuses two stays right: one that is wrong then has the length written into it, as a number or a
    mask of this size, which is no confusion.
    """
    fixed: dict[int, bool] = {}
    for number, (length, cuts) in enumerate(_cuts(subject)):
        if number == TRIALS:
            break
        other = None if fixed.get(length) else _recut(subject, cuts)
        name = None if other is None else _wrong(other, seed)
        if other is None or name is None or _leaves_out(subject, other):
            continue
        if length not in fixed:
            together = _recut(subject, _of_length(subject, length))
            fixed[length] = together is not None and _wrong(together, seed) is not None
        if not fixed[length]:
            return _square_finding(subject, other, name)
    return None


def _recut(subject: Subject, cuts: Mapping[str, tuple[int, ...]]) -> Subject | None:
    """Return the subject with some axes of its arguments shortened by one, or None if it does not run so."""
    try:
        other = subject.recut(cuts)
        with np.errstate(all="ignore"):
            return other if other is not None and np.size(other.forward(dict(other.arguments))) > 0 else None
    except Exception:
        return None


def _wrong(subject: Subject, seed: int) -> str | None:
    """Return the first argument whose gradient is wrong, or raises."""
    return next((n for n in subject.arguments if verdict_on(subject, seed, n) in ("wrong", "raises")), None)


def _of_length(subject: Subject, length: int) -> dict[str, tuple[int, ...]]:
    """Return the axes of every argument that have a length."""
    return {name: tuple(k for k, n in enumerate(x.shape) if n == length) for name, x in subject.arguments.items()}


def _leaves_out(subject: Subject, other: Subject) -> bool:
    """Whether a function runs at other shapes only because it leaves out an end of an argument that it uses here.

    So do loops over as many filters as there are biases: such shapes are none that the function is for.
    """
    return any(
        _uses_end(subject, name, axis) and not _uses_end(other, name, axis)
        for name, x in other.arguments.items()
        for axis in range(x.ndim)
    )


def _uses_end(subject: Subject, name: str, axis: int) -> bool:
    """Whether the output depends on the last elements along an axis of an argument."""
    arguments = {n: np.array(x) for n, x in subject.arguments.items()}
    before = np.array(subject.forward(arguments))
    moved = {n: np.array(x) for n, x in subject.arguments.items()}
    end = np.moveaxis(moved[name], axis, 0)[-1:]
    end += 1 + np.abs(end)
    return not np.array_equal(before, subject.forward(moved), equal_nan=True)


def _square_finding(subject: Subject, other: Subject, name: str) -> Finding:
    shapes = ", ".join(f"{n} {list(x.shape)}" for n, x in other.arguments.items())
    text = f"the gradient is right here, where axes have equal lengths, and wrong with {shapes}: it confuses two axes"
    detail = Detail(text=text, shapes={n: list(x.shape) for n, x in other.arguments.items()})
    return Finding(
        "wrong",
        name,
        text,
        "square-only",
        operation=subject.backward_name,
        source=subject.source,
        explained=1.0,
        hypotheses=(Hypothesis("square-only", detail, 1.0),),
        detail=detail,
    )


def _cuts(subject: Subject) -> Iterator[tuple[int, Mapping[str, tuple[int, ...]]]]:
    """Yield lengths that an argument has twice, and which axes of which arguments to cut by one."""
    arguments = subject.arguments
    lengths = {n for x in arguments.values() for n in x.shape if n > 2 and x.shape.count(n) > 1}
    for length in sorted(lengths):
        axes = [(name, k) for name, found in _of_length(subject, length).items() for k in found]
        for count in (1, 2, 3):
            for chosen in combinations(axes, count):
                if count < len(axes):
                    yield length, {name: tuple(k for other, k in chosen if other == name) for name, _ in chosen}
