"""Why a gradient is wrong, and where: hypotheses fitted to it, and the first operation whose own gradient is wrong."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.base.budget import Budget, within
from chainrule.check.hypotheses import ENOUGH, Hypothesis
from chainrule.check.hypotheses import explain as hypotheses_on
from chainrule.check.hypotheses.candidate import WRITTEN, Detail
from chainrule.check.measuring.directional import accurate
from chainrule.check.measuring.measure import Measurement, Probe, numeric_gradient, random_direction, unit
from chainrule.check.repairs import repaired
from chainrule.check.report.found import Finding
from chainrule.check.subjects.subject import Subject

from .context import Context
from .designed import APPROXIMATE, approximate, by_design, roughly
from .evidence import holding
from .locate import SEARCHING, Located, flipped, locate, verdict_on
from .numbers import with_numbers
from .reproduce import smallest, text_of

STEP_OVER = 1e-6
"""The step, relative to each argument's size, for finding branches that flip exactly at the point."""
EVALUATIONS = 8
"""The approximate number of evaluations per derivative."""
SECONDS = 5.0
"""The time limit for measuring one whole gradient, in seconds."""
AT_LEAST = 0.5
"""The seconds that there are for this even where no time is left."""
PATIENCE = 8.0
"""Seconds of the processor's time in which reasons for one wrong gradient are sought."""
BRIEFLY = 2.0
"""The same for a gradient that is right to a few digits."""
RETIMED = 6
"""How often a function that seems slow is retimed."""
FEW = 3
"""The most single wrong elements of a large argument that are searched for."""
TOWARDS = 30.0
"""How many times as far off, relative to itself, one element of an approximate gradient may be."""
REMAINING = 1e-3
"""The share of the disagreement that may remain once they are corrected; more means that other elements are wrong."""
OBSERVED = ("partial", "wrong-point")
"""Reasons that only name places or points: they rank below a certain change of the code."""
LACKING = ("missing-term", "detached")
"""Reasons that say what a gradient lacks, not what is in its place."""
UPDATED = "updated"
"""The meaning of a point that is one step of training away."""
FAR_FETCHED = 4.5
"""The cost beyond which a fitted reason does not stand before a certain change of the code."""
VAGUE = 4.9
"""The cost beyond which it does not stand before any change of the code."""
SMALL = 2000
"""The most elements of a gradient that is always measured element by element."""


def diagnose(finding: Finding, native: Subject, probe: Probe, seed: int, explain: bool) -> Finding:
    """Add to a finding where and, if wanted, why and how to reproduce it; or make it a kink if it is one."""
    name = finding.argument
    if explain:  # before the search, which may use up the time
        nearly(finding, probe)
    place = _place(probe, seed, finding.verdict == "missing")
    if place is None or place.kind == "kink":
        shown = _branch_at(probe, finding, seed)
        if shown is not None:
            return shown
    if place is not None and place.kind != "kink":
        finding = replace(finding, operation=place.operation, source=place.source)
    if not explain:
        return finding
    culprit: Subject = place.subject if place is not None and place.subject is not None else native
    if culprit is not native and (known := probe.blamed.get(culprit.name)) is not None:
        return _like(known, finding, probe)
    wrong = culprit.arguments if culprit is not native else [name]
    wrong = [n for n in wrong if culprit is native or verdict_on(culprit, seed, n) == "wrong"]
    small = smallest(culprit, wrong[0], seed) if wrong else culprit
    finding = replace(finding, reproduction=text_of(small, seed))
    near: Hypothesis | None = None
    if affordable(probe, name):
        numeric = measured(probe, name)
        finding = mapped(finding, probe, numeric)
        context = context_of(probe, name, numeric)
        near = approximate(context)
        if (designed := by_design(context)) is not None:
            return replace(finding, code=designed.code, detail=designed.detail, explained=1.0, hypotheses=(designed,))
        if culprit is native:
            found = explained(finding, probe, name, numeric, seed)
            return found if place is None or place.kind != "cut" else _cut_at(place, found)
    elif culprit is native and (numeric := few_wrong(probe, name, seed)) is not None:
        return mapped(_in_few(finding, probe.gradients[name] != numeric), probe, numeric)
    elif culprit is native and (near := roughly(finding, probe, seed)) is not None:
        return _near(finding, with_numbers(near, culprit))
    # If one operation is to blame, reasons are sought there: seen through others, its mistake is hard to recognise.
    why = reasons(culprit, wrong[0], seed, probe) or reasons(small, wrong[0], seed, probe) if wrong else None
    if why is not None:
        probe.blamed[culprit.name] = found = explained(finding, *why, seed)
        return found
    return replace(finding, code="unexplained") if near is None else _near(finding, with_numbers(near, culprit))


def measured(probe: Probe, name: str) -> Any:
    """Return a gradient measured element by element, once."""
    if name not in probe.numeric:
        probe.numeric[name] = numeric_gradient(probe, name)
    return probe.numeric[name]


def nearly(finding: Finding, probe: Probe) -> None:
    """Note the reason `approximate` for a gradient that is right to a few digits, which stands if none is found."""
    name = finding.argument
    if name not in probe.near and 0 < finding.relative_error <= APPROXIMATE * TOWARDS and affordable(probe, name):
        near = approximate(context_of(probe, name, measured(probe, name)))
        if near is not None:
            probe.near[name] = with_numbers(near, probe.subject)


def _like(known: Finding, finding: Finding, probe: Probe) -> Finding:
    """Return a finding with the cause, in an operation, that another one has."""
    if affordable(probe, finding.argument):
        finding = mapped(finding, probe, measured(probe, finding.argument))
    return replace(
        finding,
        code=known.code,
        detail=known.detail,
        explained=known.explained,
        hypotheses=known.hypotheses,
        reproduction=known.reproduction,
    )


def not_sought(finding: Finding, probe: Probe, seconds: float | None) -> Finding:
    """Return a finding whose cause is not sought, as those of others have taken so many seconds; or, if none, was not
    found in the time that was left. A gradient that is right to a few digits is approximate then.
    """
    if finding.verdict not in ("wrong", "missing"):
        return finding
    nearly(finding, probe)
    if (near := probe.near.get(finding.argument)) is not None:
        return _near(finding, near)
    text = "no cause was found in the time that was left; a larger budget gives it more"
    if seconds is not None:
        text = f"no cause was sought: those of the gradients above took {seconds:g} s; check this argument alone"
    why = Hypothesis("unexplained", Detail(text=text), 0.0)
    return replace(finding, code=why.code, detail=why.detail, hypotheses=(why,))


def _place(probe: Probe, seed: int, missing: bool) -> Located | None:
    """Return the first operation to blame, which is the same for each of a function's gradients."""
    if missing not in probe.places:
        place: Located | None = None
        seconds = min(SEARCHING * probe.patience, probe.left)
        with within(Budget(seconds)):
            place = locate(probe.subject, probe.at, seed, missing, seconds)
        probe.places[missing] = place
    found: Located | None = probe.places[missing]
    return found


def affordable(probe: Probe, name: str) -> bool:
    """Whether a whole gradient can be measured element by element in reasonable time."""
    size, allowed = probe.at[name].size, max(min(SECONDS * probe.patience, probe.left), AT_LEAST)
    for _ in range(RETIMED):
        if size > SMALL or EVALUATIONS * size * probe.seconds <= allowed:
            break
        probe.retimed()
    return size <= SMALL and EVALUATIONS * size * probe.seconds <= allowed


def few_wrong(probe: Probe, name: str, seed: int) -> Any:
    """Return the measured gradient of a large argument if only a few of its elements are wrong, or None.

    Each is found by bisection: of two halves of a random direction, the one that disagrees more contains it. If the
    gradient with these elements corrected agrees along a random direction, all other elements are right too.
    """
    rng = np.random.default_rng(seed)
    x, mended = probe.at[name], probe.gradients[name].copy()
    if x.size <= 10 * FEW:  # too small for `FEW` to be few
        return None
    direction = probe.scale(name) * random_direction(rng, x.shape).ravel()
    enough = 0.0

    def gap(low: int, high: int) -> float:
        """Return the numeric minus the analytic derivative along a slice of the direction."""
        part = np.zeros(x.shape)
        part.reshape(-1)[low:high] = direction[low:high]
        found = probe.slope({name: part}, rows=8, settled=lambda e: accurate(e) or e.error <= enough)
        return found.value - float(np.sum(mended * part))

    whole = gap(0, x.size)
    enough, rest = 0.01 * abs(whole), whole
    for _ in range(FEW):
        low, high, inside = 0, x.size, rest
        while high - low > 1 and probe.left:
            middle = (low + high) // 2
            left = gap(low, middle)
            if abs(left) >= abs(inside - left):
                high, inside = middle, left
            else:
                low, inside = middle, inside - left
        if not probe.left:
            return None
        enough, before = 0.0, rest
        mended.flat[low] += gap(low, high) / direction[low]
        enough, rest = 0.01 * abs(whole), gap(0, x.size)
        if abs(rest) <= REMAINING * abs(whole):
            direction = probe.scale(name) * random_direction(rng, x.shape).ravel()  # one may agree by chance, not two
            return mended if abs(gap(0, x.size)) <= 10 * REMAINING * abs(whole) else None
        if abs(rest) > 0.7 * abs(before):
            return None
    return None


def _in_few(finding: Finding, wrong: Any) -> Finding:
    entries = [[int(i) for i in index] for index in np.argwhere(wrong)]
    count = "one element" if len(entries) == 1 else f"{len(entries)} elements"
    text = f"the gradient is wrong in {count} of {wrong.size}: {', '.join(map(str, entries))}"
    hypothesis = Hypothesis("partial", Detail(text=text, entries=entries), 1.0)
    return replace(
        finding, message=text, code="partial", detail=hypothesis.detail, explained=1.0, hypotheses=(hypothesis,)
    )


def reasons(subject: Subject, name: str, seed: int, outer: Probe) -> tuple[Probe, str, Any] | None:
    """Return the hypotheses' inputs for a subject other than the one checked, or None if it is too large.

    Its causes are sought in the time that is left for those of the one checked, `outer`.
    """
    rng = np.random.default_rng(seed)
    y = np.asarray(subject.forward({n: np.array(x) for n, x in subject.arguments.items()}))
    probe = Probe(subject, random_direction(rng, y.shape).astype(y.dtype), clock=outer.clock)
    probe.until, probe.cut_short = outer.until, outer.cut_short
    if name not in probe.gradients or not affordable(probe, name):
        return None
    return probe, name, numeric_gradient(probe, name)


def explained(finding: Finding, probe: Probe, name: str, numeric: Any, seed: int = 0) -> Finding:
    """Add the hypotheses on a gradient: the argument's own, or that of the operation to blame."""
    context = context_of(probe, name, numeric)
    if (designed := by_design(context)) is not None:
        return replace(finding, code=designed.code, detail=designed.detail, explained=1.0, hypotheses=(designed,))
    near = approximate(context)
    if near is not None and probe.approximate:  # for the same reason as another one, most likely
        return _near(finding, with_numbers(near, probe.subject))
    if near is not None:  # little can be the reason for so little
        context = replace(context, until=time.process_time() + min(BRIEFLY, probe.left))
    fitted = holding(hypotheses_on(context), context, seed)
    repairs = repaired(probe, context, seed, solve=not _says_which(fitted))
    if not repairs and near is not None:
        probe.approximate = True
        return _near(finding, with_numbers(near, probe.subject))
    hypotheses = ranked(repairs, fitted)
    best = hypotheses[0] if hypotheses else None
    return replace(
        finding,
        code=best.code if best else "unexplained",
        detail=_with_formula(best.detail if best else {}, probe.subject.formula(name)),
        explained=best.explained if best else float("nan"),
        hypotheses=hypotheses,
    )


def _says_which(fitted: Sequence[Hypothesis]) -> bool:
    """Whether a reason names the very factor that is missing, or the path, so that no place need be solved for."""
    text = str(fitted[0].detail.get("text")) if fitted and fitted[0].explained == 1 else ""
    return text.startswith(("the factor", "the division")) or (fitted[0].code == "detached" if text else False)


def _cut_at(place: Located, finding: Finding) -> Finding:
    """Return a finding whose cause is the one place that lets no gradient through, as every operation is right."""
    if finding.code == "detached":
        return finding
    text = f"the result of {place.operation} is treated as a constant: the gradient through it is cut off"
    why = Hypothesis("detached", Detail(text=text, operation=place.operation), 1.0)
    known = tuple(h for h in finding.hypotheses if h.code != "unexplained")
    return replace(finding, code=why.code, detail=why.detail, explained=1.0, hypotheses=(why, *known))


def _near(finding: Finding, near: Hypothesis) -> Finding:
    return replace(finding, code=near.code, detail=near.detail, explained=1.0, hypotheses=(near,))


def _with_formula(detail: Mapping[str, Any], formula: str) -> Mapping[str, Any]:
    return Detail({**detail, "formula": formula}) if formula and detail else detail


def ranked(repairs: Sequence[Hypothesis], fitted: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Rank the hypotheses, the most informative first.

    A fitted reason says what is wrong with the mathematics, a change of the code says where that is written; if there
    are both, the first hypothesis combines them. A mask or a stride is named by the code alone.
    """
    known = [h for h in fitted if h.code != "unexplained"]
    if not repairs:
        return tuple(fitted) if not known or known[0] is not fitted[0] else _without_cause(fitted)
    first = repairs[0]
    if known and _tells_more(known[0], first):
        return (_with_change(known[0], first), *repairs[1:], *known[1:])
    named = first.code in WRITTEN and not first.detail["what"].endswith("does not belong there")
    if named or not known or known[0].explained < ENOUGH:
        return (*repairs, *known)
    same = known[0].code == first.code and not known[0].detail.get("meaning")
    if same or known[0].detail.get("observed") or (first.detail["sure"] and _observed(known[0])):
        return (*repairs, *known[1:])
    if known[0].code == "other-argument":  # where that was meant, the change would have been to the other's gradient
        return (*repairs, *known)
    if known[0].code == "detached" and known[0].detail.get("factor") == 0 and first.code not in LACKING:
        return (*repairs, *known)  # it is 0 for the reason that the change names
    if first.code == "other-argument" and known[0].code in LACKING:  # which the wrong variable brings about
        return (*repairs, *known)
    if known[0].cost > (FAR_FETCHED if first.detail["sure"] else VAGUE):  # another way to say it, which only confuses
        return (*repairs, *known)
    return (_with_change(known[0], first), *repairs[1:], *known[1:])


def _with_change(reason: Hypothesis, change: Hypothesis) -> Hypothesis:
    """Return a reason together with the change of the code that says where it is written."""
    detail = Detail({**reason.detail, **{k: v for k, v in change.detail.items() if k != "text"}})
    detail["text"] = f"{reason.detail['text']}; {change.detail['text']}"
    return Hypothesis(reason.code, detail, 1.0)


def _tells_more(fitted: Hypothesis, change: Hypothesis) -> bool:
    """Whether a fitted reason says what happens, of which a certain change says only by what."""
    what, in_rows = change.detail["what"], fitted.detail.get("rows") or fitted.detail.get("entries")
    if fitted.code == "other-argument":
        return change.code == "shifted"  # the place in what a call returns
    if fitted.detail.get("meaning") == UPDATED:
        return True
    if fitted.code == "accumulated-twice":
        return change.code == "mask" and bool(in_rows)
    if fitted.code == "partial":
        return bool(in_rows) and fitted.detail.get("factor") == 0 and what.startswith("the factor")
    return fitted.code == "wrong-point" and fitted.detail.get("moved") is True and change.code in ("factor", "sign")


def _without_cause(fitted: Sequence[Hypothesis]) -> tuple[Hypothesis, ...]:
    """Rank a reason that only says what is seen below `unexplained`, and say both."""
    first = fitted[0]
    if not first.detail.get("observed"):
        return tuple(fitted)
    cause = next((h for h in fitted if not h.detail.get("observed")), None)
    if cause is not None:
        return (cause, *(h for h in fitted if h is not cause))
    detail = Detail({**first.detail, "text": f"no known mistake explains the error; {first.detail['text']}"})
    return (Hypothesis("unexplained", detail, 0.0), *fitted[1:])


def _observed(fitted: Hypothesis) -> bool:
    """Whether a reason says only in which places, or at which point, the gradient is wrong, and by how much."""
    return fitted.code in OBSERVED or (fitted.code == "factor" and bool(fitted.detail.get("axes")))


def mapped(finding: Finding, probe: Probe, numeric: Any) -> Finding:
    """Add the worst element and the map of relative errors."""
    analytic = probe.gradients[finding.argument]
    error = np.abs(analytic - numeric)
    relative = error / np.maximum(np.maximum(np.abs(analytic), np.abs(numeric)), 1e-300)
    index = tuple(int(i) for i in np.unravel_index(int(np.argmax(error)), error.shape))
    return replace(
        finding,
        index=index,
        analytic=float(analytic[index]),
        numeric=float(numeric[index]),
        relative_error=float(relative[index]),
        error_map=relative,
    )


def context_of(probe: Probe, name: str, numeric: Any) -> Context:
    """Return the context that the hypotheses are tested on."""

    def backward(y_bar: Any, arguments: Any) -> Any:
        return probe.subject.backward(arguments, y_bar)

    return Context(
        y_bar=probe.weights,
        output=probe.output,
        arguments=probe.fresh(),
        argument=name,
        forward=probe.subject.forward,
        gradients=dict(probe.gradients),
        numeric={name: numeric},
        backward=backward,
        follow=probe.subject.trace,
        until=time.process_time() + min(PATIENCE * probe.patience, probe.left),
    )


def _branch_at(probe: Probe, finding: Finding, seed: int) -> Finding | None:
    """Return the finding as a kink if a branch on our own tape flips exactly here and every operation is right."""
    rng = np.random.default_rng(seed)
    for _ in range(4):
        moves = {n: STEP_OVER * probe.scale(n) * random_direction(rng, x.shape) for n, x in probe.at.items()}
        left, right = ({n: x + s * moves[n] for n, x in probe.at.items()} for s in (-1, 1))
        found = flipped(probe.subject, left, right) or flipped(probe.subject, probe.at, right)
        if found is not None:
            recorded, index = found
            name, source = str(recorded.op.name), recorded.source
            text = f"a kink: {name} changes its branch at element {list(index)}, and the gradient is one side's"
            detail = {"text": text, "operation": name, "element": list(index)}
            return replace(
                finding, verdict="kink", message=text, code="kink", detail=detail, operation=name, source=source
            )
    return None


def branches(finding: Finding, probe: Probe, worst: Measurement) -> Finding:
    """Describe a kink: the function's slopes and, on our own tape, which operation's branch flips at which element."""
    name, x = finding.argument, probe.at[finding.argument]
    if worst.index is None:
        return finding
    step = worst.estimate.step
    direction = unit(x.shape, worst.index, worst.scale)
    moved = {side: {**probe.fresh(), name: x + side * step * direction} for side in (-1, 1)}
    ends = [np.asarray(probe.subject.forward(moved[side]), np.float64) for side in (-1, 1)]
    slopes = [(probe.output - ends[0]) / (step * worst.scale), (ends[1] - probe.output) / (step * worst.scale)]
    k = int(np.argmax(np.abs(slopes[1] - slopes[0])))
    left, right = (float(np.ravel(slope)[k]) for slope in slopes)
    where = f" of output {_index(k, probe.output.shape)}" if probe.output.size > 1 else ""
    text = f"a kink: the slope{where} is {left:.6g} on the left and {right:.6g} on the right"
    found = flipped(probe.subject, moved[-1], moved[1])
    if found is None:
        return replace(finding, message=text, detail={"text": text, "left": left, "right": right})
    recorded, index = found
    text += f"; {recorded.op.name} changes its branch at element {list(index)} of its input"
    detail = {"text": text, "left": left, "right": right, "operation": str(recorded.op.name), "element": list(index)}
    return replace(finding, message=text, detail=detail, operation=str(recorded.op.name), source=recorded.source)


def _index(k: int, shape: tuple[int, ...]) -> list[int]:
    return [int(i) for i in np.unravel_index(k, shape)]
