"""The search: every change is tried against the measured gradient, and those that repair it are tried elsewhere."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from types import CodeType, FunctionType
from typing import Any

import numpy as np

from chainrule.base.budget import look
from chainrule.check.hypotheses.candidate import Detail, Hypothesis, fits
from chainrule.check.measuring.coverage import cover
from chainrule.check.measuring.measure import Probe, random_direction
from chainrule.check.subjects.editing import with_helpers
from chainrule.check.subjects.subject import Subject
from chainrule.check.why.context import Context, norm
from chainrule.check.why.evidence import elsewhere

from .edits import edits
from .ending import ending, watched
from .intermediate import first_wrong
from .kept import unread_attributes
from .program import FunctionSource, Program
from .raising import extra_cost, lines_raising
from .reach import Reach, forward_codes, less_likely
from .sites import Edit
from .solved import solutions
from .tried import Gradients, Tried, arrays

Rebuilt = Callable[[Any], Subject | None]
Change = tuple[Edit, Program, Rebuilt]
"""One change, the function that it changes, and what makes the subject with the changed function."""
SECONDS = 2.0
"""The usual share of `Subject.effort` and `Subject.longest`: for 1.0, half of each is spent."""
POINTS = 3
"""At how many other points a repaired gradient must be right."""
SURE = 1.3
"""The cost below which a change identifies the mistake; of costlier ones, which insert or remove, several may work."""
MOST = 3
"""How many repairs are named."""
NEAR = 0.3
"""How much costlier a second repair may be to be named along with the first."""
FARTHER = 1.0
"""How much costlier it may be where the first leaves another gradient wrong: one change may still repair both."""
ROUNDED = 1e-6
"""How far, relative to its size, a repaired gradient may be from the measured one."""
SHARE = 0.01
"""The share of the error that may be left then."""
SOLVED = 10
"""How many expressions with the value that is needed are tried at other points."""
LARGEST = 2000
"""The most elements for which a gradient is measured to repair a pass that does not run."""


@dataclass
class Limit:
    """The cost above which no further change is worth trying, as far as the search knows by now."""

    cost: float = float("inf")
    cut_short: tuple[int, int] | None = None
    """How many changes were tried, and of how many, if time ended the search."""

    def lower(self, cost: float) -> None:
        """Lower the limit, if the cost is below it."""
        self.cost = min(self.cost, cost)


@dataclass
class Repair:
    """A change that makes a gradient right here, with the subject that has it."""

    edit: Edit
    program: Program
    subject: Subject
    function: Callable[..., Any]


def repaired(probe: Probe, context: Context, seed: int, solve: bool = True) -> list[Hypothesis]:
    """Return the single changes to the backward pass under check that make the gradient right, most likely first.

    Each was also tried at other points and cotangents, so a change that repairs the gradient at one point only is not
    named. Returns None if there is no source, or no single change repairs it. A change that repaired another argument's
    gradient is tried first. `solve`: expressions with the value that is needed are sought where no usual change helps.
    """
    found: list[tuple[int, Repair]] = []
    # Where the gradient must be 0, many a value does that happens to be 0: only what is surely a mistake is tried.
    limit = Limit() if np.any(np.abs(context.expected) > context.noise) else Limit(SURE)
    if probe.changes is None:
        probe.changes, probe.tried = list(_changes(probe.subject)), Tried()
    seconds = SECONDS * min(probe.patience / (1 + probe.fruitless) ** 2, probe.left / probe.subject.effort)
    programs = dict.fromkeys(program for _, program, _ in probe.changes)
    with np.errstate(all="ignore"), ending(programs, probe.subject, _copied(context), np.array(context.y_bar)):
        # Where nothing made all gradients right for another argument, less is spent: most likely nothing will.
        for repair in _repairs(probe.subject, probe.changes, context, probe.repairs, limit, seconds, probe.tried):
            wrong = _wrong_elsewhere(repair.subject, probe.subject, context, seed)
            if wrong is not None:
                found.append((wrong, repair))
                found.sort(key=lambda pair: (pair[0], pair[1].edit.cost))  # first what makes all gradients right
                limit.lower(repair.edit.cost + (FARTHER if wrong else NEAR))
                if not wrong and repair.edit.key in probe.repairs:  # what was wrong for another argument is wrong here
                    break
            if len(found) >= MOST and not found[0][0]:
                break
        if solve and not found:
            found += _solved(probe.subject, context, seed, seconds)
    if limit.cut_short is not None and not found:
        probe.cut_short.append(limit.cut_short)
    named = _apart([repair for _, repair in found[:MOST]])
    probe.fruitless += not found or bool(found[0][0])
    probe.repairs += [repair.edit.key for repair in named[:1]]
    return [_hypothesis(repair, probe.subject, context) for repair in named]


def _solved(subject: Subject, context: Context, seed: int, seconds: float) -> Iterator[tuple[int, Repair]]:
    """Yield the first repair that gives an expression the value it must have, with the count of what stays wrong."""
    if not np.any(np.abs(context.expected) > context.noise):
        return
    until = time.thread_time() + seconds / SECONDS * min(subject.effort, SECONDS)
    for function, rebuilt in reversed(list(subject.editable())):
        try:
            program = FunctionSource(function)
        except (ValueError, AttributeError):  # no source; or it runs elsewhere
            continue
        for edit in sorted(solutions(program, rebuilt, context, until), key=lambda e: e.cost)[:SOLVED]:
            changed, other = _changed(edit, program, rebuilt)
            if changed is None or other is None or not _fits(other, context):
                continue
            wrong = _wrong_elsewhere(other, subject, context, seed)
            if wrong is not None:
                yield wrong, Repair(edit, program, other, changed)
                return


def _apart(repairs: list[Repair]) -> list[Repair]:
    """Return the first of those that say the same of one line, as `g * m * d` and `g * d * m` do."""
    kept: dict[tuple[int, str], Repair] = {}
    for one in repairs:
        kept.setdefault((one.edit.line, one.edit.what), one)
    return list(kept.values())


def runs_again(subject: Subject, y_bar: Any, name: str, seed: int, seconds: float = SECONDS) -> list[Hypothesis]:
    """Return the single changes that repair a backward pass that raises, or returns an array of the wrong shape.

    `seconds` is how long they are searched for.
    """
    with np.errstate(all="ignore"):
        try:
            output = np.asarray(subject.forward({n: np.array(x) for n, x in subject.arguments.items()}))
        except Exception:
            return []
        name = name or min(subject.arguments, key=lambda n: subject.arguments[n].size)
        arguments = {n: np.array(x) for n, x in subject.arguments.items()}
        if arguments[name].size > LARGEST:
            return []
        nothing = {name: np.zeros(arguments[name].shape)}
        context = Context(np.asarray(y_bar), output, arguments, name, subject.forward, nothing, {})
        lines = lines_raising(subject, arguments, np.array(y_bar))
        changes = _likeliest(_changes(subject), lines)
        with ending(dict.fromkeys(p for _, p, _ in changes), subject, _copied(context), np.array(y_bar)):
            for repair in _repairs(subject, changes, context, [], Limit(), seconds, Tried()):
                if repair.edit.what.endswith("does not belong there"):  # what is left out does not raise
                    continue
                if _wrong_elsewhere(repair.subject, subject, context, seed) == 0:
                    return [_hypothesis(repair, subject, context)]
            for wrong, repair in _solved(subject, context, seed, seconds):
                if wrong == 0:
                    return [_hypothesis(repair, subject, context)]
    return []


def _copied(context: Context) -> dict[str, Any]:
    return {name: np.array(x) for name, x in context.arguments.items()}


def _likeliest(changes: Iterable[Change], lines: Mapping[CodeType, int]) -> list[Change]:
    """Return the changes that can help a pass that raises at these lines, the likelier ones at a lower cost."""
    found = []
    for edit, program, rebuilt in changes:
        extra = extra_cost(edit, program, lines)
        if extra is not None:
            found.append((replace(edit, cost=edit.cost + extra), program, rebuilt))
    return found


def _hypothesis(repair: Repair, before: Subject, context: Context) -> Hypothesis:
    edit = repair.edit
    text = f"{edit.what}: line {edit.line} has `{edit.written}`, and `{edit.wanted}` makes the gradient right"
    detail = Detail(
        text=text,
        line=edit.line,
        file=repair.program.file,
        function=repair.program.name,
        written=edit.written,
        wanted=edit.wanted,
        what=edit.what,
        sure=edit.cost < SURE,
    )
    if isinstance(repair.program, FunctionSource) and isinstance(repair.function, FunctionType):
        original = (before, repair.program.function.__code__)
        changed = (repair.subject, repair.function.__code__)
        wrong = first_wrong(repair.program.tree, original, changed, context.arguments, context.y_bar)
        if wrong is not None:
            detail["first_wrong"], detail["first_wrong_line"] = wrong
    return Hypothesis(edit.code, detail, 1.0)


def _repairs(
    subject: Subject,
    changes: Sequence[Change],
    context: Context,
    known: Sequence[Any],
    limit: Limit,
    seconds: float,
    before: Tried,
) -> Iterator[Repair]:
    """Yield the changes that make the gradient right at the point of the check, cheapest first."""
    tried = sorted(changes, key=lambda t: (not known or t[0].key not in known, t[0].cost))
    share = seconds / SECONDS
    end, latest = time.thread_time() + share * subject.effort, time.perf_counter() + share * subject.longest
    reach = Reach(context.analytic)
    for k, edit, program, rebuilt, function, changed in _made(tried, subject.at_once, reach, before):
        if time.thread_time() > end or time.perf_counter() > latest:
            limit.cut_short = k, len(tried)
            return
        if edit.cost > limit.cost:
            if edit.key in known:
                continue
            return
        gradients = before.gradients(edit)
        if gradients is None:
            gradients = {} if function is None or changed is None else _gradients(changed, context)
            before.note(edit, gradients)
        found = gradients.get(context.argument)
        reach.noted(edit, program, found)
        if found is None or not _comes_close(found, context):
            continue
        if function is None or changed is None:  # it ran for another argument
            function, changed = _changed(edit, program, rebuilt)
        if function is None or changed is None:
            continue
        # Where another value does as well, what was wrong is not the sign: the value no longer counts at all.
        apart = edit.changed(2.5, 1.7) if edit.code == "sign" else None
        other = None if apart is None else _changed(apart, program, rebuilt)[1]
        if other is not None and _fits(other, context):
            continue
        yield Repair(edit, program, changed, function)


def _made(
    tried: Sequence[Change], at_once: int, reach: Reach, before: Tried
) -> Iterator[tuple[int, Edit, Program, Rebuilt, Callable[..., Any] | None, Subject | None]]:
    """Yield each change that can matter, its number first, with the function and the subject that have it, so many
    made at once; without them where it was tried before.
    """
    for k in range(0, len(tried), at_once):
        matter = [(k + j, *one) for j, one in enumerate(tried[k : k + at_once]) if not reach.is_out_of(*one[:2])]
        nothing = None, None
        yield from [(*one, *(_changed(*one[1:]) if before.gradients(one[1]) is None else nothing)) for one in matter]


def _changed(edit: Edit, program: Program, rebuilt: Rebuilt) -> tuple[Callable[..., Any] | None, Subject | None]:
    """Return the function with a change made, and the subject that has it; None where that is no function."""
    undo = edit.apply()
    function = program.compiled()
    undo.apply()
    return function, None if function is None else rebuilt(function)


def _changes(subject: Subject) -> Iterator[Change]:
    """Yield every change to the functions that make up a backward pass: itself, and those of the user that it calls."""
    small = _small_numbers(subject)
    holder = getattr(subject, "layer", getattr(subject, "f", None))
    shared = forward_codes(subject)
    # Of two changes that cost the same, the one further inside comes first: outside, one passes things on.
    for function, rebuilt in reversed(list(subject.editable())):
        try:
            program = function if isinstance(function, Program) else FunctionSource(function)
        except ValueError:
            continue
        kept = unread_attributes(program.function, holder) if isinstance(program, FunctionSource) else []
        weighed = less_likely(program, shared)
        yield from ((weighed(edit), program, rebuilt) for edit in edits(program.tree, small, program.space, kept))


def _small_numbers(subject: Subject) -> tuple[float, ...]:
    """Return the numbers below 1 in the source of a forward pass: what its backward pass may have left out."""
    held = getattr(subject, "layer", getattr(subject, "called", None))
    forward = getattr(held, "forward", held)
    found: list[float] = []
    for function, _ in with_helpers(forward, lambda f: f):
        defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
        found += [c for c in (*function.__code__.co_consts, *defaults) if isinstance(c, float) and 0 < c < 1]
    return tuple(dict.fromkeys(found))


def _fits(subject: Subject, context: Context) -> bool:
    found = _gradients(subject, context).get(context.argument)
    return found is not None and _comes_close(found, context)


def _gradients(subject: Subject, context: Context) -> Gradients:
    """Return the gradients that a changed pass gives; none where it does not run."""
    look()
    watched()
    try:
        return arrays(subject.backward(_copied(context), np.array(context.y_bar)))
    except Exception:
        return {}


def _comes_close(gradient: Any, context: Context) -> bool:
    """Whether a gradient fits, up to the rounding of code that is partly in float32; other points decide then."""
    if fits(gradient, context.expected, context):
        return True
    if gradient.shape != context.expected.shape or not context.same_shape:
        return False
    left = norm(gradient - context.expected)
    return left <= min(ROUNDED * norm(context.expected), SHARE * norm(context.error))


def _wrong_elsewhere(subject: Subject, before: Subject, context: Context, seed: int) -> int | None:
    """Return how many of the other arguments' gradients are wrong; None if the change is not a repair.

    It is one if the gradient is right at other points, too, and no other gradient that was right is wrong now.
    """
    rng, name = np.random.default_rng(seed + 1), context.argument
    seen, wrong = 0, 0
    for _ in range(2 * POINTS):
        look()
        watched()
        at = {n: elsewhere(x, rng) for n, x in context.arguments.items()}
        try:
            y = np.asarray(subject.forward({n: np.array(x) for n, x in at.items()}))
            if y.shape != context.output.shape or not np.all(np.isfinite(y)):
                continue
            there = Probe(subject, random_direction(rng, y.shape).astype(y.dtype), at)
            if name not in there.gradients or cover([there], name, rng, False).verdict not in ("right", "kink"):
                return None
            others = [other for other in at if other != name]
            if any(_breaks(before, there, other, rng) for other in others):
                return None
            if not seen:
                wrong = sum(_is_wrong(there, other, rng) for other in others)
        except Exception:
            return None
        seen += 1
        if seen == POINTS:
            break
    return wrong if seen else None


def _is_wrong(probe: Probe, name: str, rng: np.random.Generator) -> bool:
    return name not in probe.gradients or cover([probe], name, rng, False).verdict == "wrong"


def _breaks(subject: Subject, there: Probe, other: str, rng: np.random.Generator) -> bool:
    """Whether another argument's gradient was right at this point before the change, and is not now."""
    try:
        before = Probe(subject, there.y_bar, there.at)
    except Exception:  # it did not run at all
        return False
    if other not in before.gradients:
        return False
    if other in there.gradients and np.array_equal(before.gradients[other], there.gradients[other]):
        return False
    return _is_wrong(there, other, rng) and not _is_wrong(before, other, rng)
