"""Verdicts on values and gradients in the layers: bad initialisation, exploding, vanishing, dead, saturated."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from chainrule.doctor.examine.branches import branch_name
from chainrule.doctor.examine.exam import Exam
from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.examine.measure import Layer
from chainrule.doctor.found import Verdict
from chainrule.doctor.report.words import Phrase

FAR = 0.1
"""The share of the first loss under which a short training has brought it far."""
LUCK = 2.0
"""How many standard deviations the units that are off may outnumber those that are on by chance."""


def bad_initialisation(f: Findings) -> Verdict | None:
    """Units that are copies of each other, or weights whose wrong size shows in values or gradients."""
    rows = [row for row in f.start.flow if row.use == 0]
    for row in rows:
        if row.symmetric < f.limit("symmetric"):
            return f.verdict(
                "bad-initialisation",
                row.name,
                "symmetric",
                "bad-initialisation symmetric",
                units=_units(row),
                symmetric=row.symmetric,
            )
    limit = f.limit("gain")
    sized = (row for row in rows if not row.normalised and not row.gate and row.gain > 0)  # a gate's size is bounded
    odd = [row for row in sized if not 1 / limit <= row.gain <= limit]
    for large in (True, False):
        wrong = [row for row in odd if (row.gain > 1) == large]
        effect = _effect(f, large) if wrong else None
        if effect is not None:
            return _wrong_size(f, wrong, effect)
    return _large_embedding(f)


def _large_embedding(f: Findings) -> Verdict | None:
    """Return the verdict on an embedding whose values are far too large for what they feed, and do harm."""
    tables = [row for row in f.start.layers if row.kind == "embedding" and row.size > f.limit("input size")]
    if not tables or any(row.normalised for row in f.start.flow):
        return None
    smallest, largest = flow_range(_at_work(f))
    effect = _effect(f, True)
    if smallest < f.limit("vanishing"):
        effect = Phrase("effect flow", {"smallest": smallest, "largest": largest})
    if effect is None:
        return None
    worst = max(tables, key=lambda row: row.size)
    key = "bad-initialisation embedding"
    return f.verdict("bad-initialisation", worst.name, "input size", key, size=worst.size, effect=effect)


def _wrong_size(f: Findings, wrong: Sequence[Layer], effect: Phrase) -> Verdict:
    """Return the verdict on the first layer that is about as bad as the worst."""
    most = max(abs(math.log(row.gain)) for row in wrong)
    worst = next(row for row in wrong if abs(math.log(row.gain)) > most / 2)
    return f.verdict(
        "bad-initialisation",
        worst.name,
        "gain",
        f"bad-initialisation {'large' if worst.gain > 1 else 'small'}",
        gain=worst.gain,
        largest=worst.largest,
        function=worst.function or Phrase("linear"),
        effect=effect,
    )


def _effect(f: Findings, large: bool) -> Phrase | None:
    """Return the effect of weights that are too large or too small; None if they do no harm."""
    flow = f.start.flow
    smallest, largest = flow_range(_at_work(f))
    growth = _growth(flow)
    saturated = [row for row in flow[:-1] if row.saturated > f.limit("saturated")]
    if large and saturated:
        return Phrase("effect saturated", {"share": saturated[0].saturated, "layer": saturated[0].name})
    if (largest > f.limit("exploding")) if large else (smallest < f.limit("vanishing")):
        return Phrase("effect flow", {"smallest": smallest, "largest": largest})
    if (growth > f.limit("activation growth")) if large else (growth < 1 / f.limit("activation growth")):
        return Phrase("effect growth", {"growth": growth})
    if large and f.chance > 0 and f.start.loss > 3 * f.chance:
        return Phrase("effect loss", {"loss": f.start.loss, "chance": f.chance})
    return None


def exploding(f: Findings) -> Verdict | None:
    """Gradients or values that grow from layer to layer."""
    flow = f.start.flow
    if len(flow) < 2:
        return None
    _, largest = flow_range(f.start)
    if largest > f.limit("exploding"):
        k = int(np.argmax([row.gradient for row in flow]))
        return _flow_verdict(f, "exploding", culprit(flow, k, growing=True), flow[k], k)
    growth = _growth(flow)
    if growth > f.limit("activation growth") and not any(row.normalised for row in flow):
        k = max(range(len(flow) - 1), key=lambda i: flow[i].size)
        row = flow[_outlier([0.0, *_logs([r.size for r in flow[: k + 1]])])]
        step = growth ** (1 / max(k, 1))
        key = "exploding forward"
        return f.verdict(
            "exploding",
            row.name,
            "activation growth",
            key,
            ratio=growth,
            last=flow[k].name,
            step=step,
            largest=row.largest,
        )
    return None


def vanishing(f: Findings) -> Verdict | None:
    """Gradients that hardly reach the layers near the input, both at first and after a short training."""
    flow = f.start.flow
    if len(flow) < 2 or flow[-1].gradient == 0:
        return None
    smallest, _ = flow_range(_at_work(f))
    if not smallest < f.limit("vanishing"):
        return None
    if f.end is not None and f.end.flow and f.trial and f.trial.finite:
        later, _ = flow_range(f.end)
        recovered = later >= 30 * f.limit("vanishing") or smallest == 0.0 < later
        if recovered and f.level < 0.9:
            return None
    k = max(_reach(flow, f.limit("vanishing")) - 1, 0)
    return _flow_verdict(f, "vanishing", culprit(flow, 0, growing=False), flow[0], k)


def _at_work(f: Findings) -> Exam | None:
    """Return the pass that shows the flow: the first, or the last where a layer that starts at zero let nothing pass.

    None if nothing was trained, so that it is not known what such a layer lets through.
    """
    silent = flow_range(f.start)[0] == 0 and any(row.largest == 0 for row in f.start.flow)
    return f.end if silent else f.start


def flow_range(exam: Exam | None) -> tuple[float, float]:
    """Return the smallest flow that reaches a start of the network, and the largest anywhere.

    Both are relative to the last layer's. A branch with little gradient parallel to one with much, such as queries and
    keys next to values, is not vanishing: what counts is the largest among all layers up to each.
    """
    flow = [] if exam is None else exam.flow
    if exam is None or len(flow) < 2 or flow[-1].gradient == 0:
        return math.nan, math.nan
    embedded = max((row.gradient for row in exam.layers if row.kind == "embedding"), default=0.0)
    shares = [max(row.gradient, embedded) / flow[-1].gradient for row in flow]
    return shares[0] if len(shares) < 3 else max(shares[0], min(shares[:2])), max(shares)


def _reach(flow: Sequence[Layer], limit: float) -> int:
    return next((k for k, row in enumerate(flow) if row.gradient >= limit * flow[-1].gradient), len(flow))


def through_time(exam: Exam) -> tuple[Layer, float, int] | None:
    """Return a recurrent weight, the norm at its first use over that at its last, and the number of its uses."""
    found = None
    for row in exam.flow:
        uses = [other.gradient for other in exam.flow if other.name == row.name] if row.recurrent else []
        if len(uses) > 2 and uses[-1] > 0 and (found is None or uses[0] / uses[-1] < found[1]):
            found = row, uses[0] / uses[-1], len(uses)
    return found


def culprit(flow: Sequence[Layer], first: int, growing: bool) -> Layer:
    """Return the layer that contributes more than half of it, if there is one; else a recurrent layer, or the first."""
    sign = 1.0 if growing else -1.0
    shares = [0.0] * len(flow)
    for k in range(first, len(flow)):
        row = flow[k]
        if k > first and row.weight_factor > 0:
            shares[k] += sign * math.log(row.weight_factor)
        if row.activation_factor > 0 and k < len(flow) - 1:
            shares[k] += sign * math.log(row.activation_factor)
    recurrent = next((row for row in flow if row.recurrent), None)
    if recurrent is not None and sum(row.name == recurrent.name for row in flow) > 2:
        return recurrent
    k = int(np.argmax(shares))
    positive = sum(s for s in shares if s > 0)
    return flow[k] if positive > 0 and shares[k] > 0.5 * positive else flow[first]


def _flow_verdict(f: Findings, code: str, named: Layer, row: Layer, k: int) -> Verdict:
    flow = f.start.flow
    ratio = row.gradient / flow[-1].gradient
    between = max(len(flow) - 1 - flow.index(row), 1)
    middle = flow[flow.index(row) :]
    return f.verdict(
        code,
        named.name,
        code,
        ratio=ratio,
        last=flow[-1].name,
        step=ratio ** (1 / between),
        activation=_typical([r.activation_factor for r in middle]),
        weight=_typical([r.weight_factor for r in middle]),
        largest=named.largest,
        layers=k + 1,
    )


def dead_units(f: Findings) -> Verdict | None:
    """Units that are flat for every sample.

    Deep in a network all samples look alike, and a healthy layer has about as many units that are always on as are
    always off. So what counts is the excess of those that are off, where it is more than chance makes of it and where
    a short training leaves them off.
    """
    if f.learned:
        return None
    limit = f.limit("dead units")
    later = {(row.name, row.use): row.dead for row in f.end.layers} if f.end is not None else {}
    found = [
        row
        for row in f.start.layers
        if row.dead > limit
        and row.dead - row.always_on > 0.75 * limit
        and later.get((row.name, row.use), row.dead) > limit
        and (row is f.start.layers[0] or not _by_luck(row))
    ]
    if not found:
        return None
    row = found[0]
    return f.verdict(
        "dead-units",
        row.name,
        "dead units",
        dead=row.dead,
        units=_units(row),
        function=row.function,
        batches=len(f.case.batches),
    )


def _by_luck(row: Layer) -> bool:
    """Whether as many units would be off where each that does not change is on or off by the toss of a coin."""
    units = _units(row)
    return (row.dead - row.always_on) * units < LUCK * math.sqrt((row.dead + row.always_on) * units)


def starved(f: Findings) -> Verdict | None:
    """Branches side by side, such as experts, of which some get no gradient, both at first and after training."""
    limit = f.limit("starved branch")
    late = f.end is not None and bool(f.end.branches)
    found = (f.end if late and f.end is not None else f.start).starved(limit)
    if not found or f.learned:
        return None
    if late and f.trial is not None and not f.trial.finite:
        return None
    groups = f.start.branches
    group = max((g for g in groups if set(g) & set(found)), key=lambda g: len(set(g) & set(found)), default=())
    idle = [name for name in group if name in found]
    if not idle:
        return None
    shown = [branch_name(name, group) for name in idle]
    names = ", ".join(shown[:4]) + (", …" if len(idle) > 4 else "")
    key = "dead-units branch" if set(idle) <= set(f.start.starved(limit)) else "dead-units branch later"
    values = {"names": names, "count": len(idle), "total": len(group), "steps": f.steps}
    ratio = max(found[name] for name in idle)
    return f.verdict("dead-units", shown[0], "starved branch", key, dead=0.0, ratio=ratio, **values)


def saturated(f: Findings) -> Verdict | None:
    """Values on the flat part of their activation, or attention to a single position."""
    if f.learned or _falls_far(f):
        return None
    rows = [row for row in f.start.flow[:-1] if row.saturated > f.limit("saturated")]
    if rows:
        row = rows[0]
        return f.verdict(
            "saturated",
            row.name,
            "saturated",
            saturated=row.saturated,
            function=row.function,
            factor=row.activation_factor,
        )
    for a in f.start.attention:
        if a.spread > f.limit("score spread"):
            scale = "" if math.isnan(a.scale) or a.scale < 1.01 else f", {a.scale:.3g} × 1/√d"
            return f.verdict(
                "saturated",
                a.path,
                "score spread",
                "saturated attention",
                peaked=a.peaked,
                spread=a.spread,
                scale=scale,
            )
    return None


def _falls_far(f: Findings) -> bool:
    """Whether a loss whose level at chance is not known falls to a small part of what it was, so that units do move."""
    return math.isnan(f.chance) and f.trial is not None and f.trial.finite and 0 < FAR * f.start.loss > f.final


def _growth(flow: Sequence[Layer]) -> float:
    """Return the largest or smallest hidden layer's size over the first's."""
    sizes = [row.size for row in flow[:-1] if row.size > 0 and math.isfinite(row.size)]
    if len(sizes) < 2:
        return 1.0
    high, low = max(sizes) / sizes[0], min(sizes) / sizes[0]
    return high if high > 1 / low else low


def _logs(values: Sequence[float]) -> list[float]:
    return [math.log(b / a) if a > 0 and b > 0 else 0.0 for a, b in pairwise(values)]


def _outlier(logs: Sequence[float]) -> int:
    """Return the index of the step that makes up more than half of all growth, or 0."""
    k, total = int(np.argmax(logs)), sum(x for x in logs if x > 0)
    return k if total > 0 and logs[k] > 0.5 * total else 0


def _typical(factors: Sequence[float]) -> float:
    usable = [math.log(x) for x in factors if x > 0 and math.isfinite(x)]
    return math.exp(sum(usable) / len(usable)) if usable else math.nan


def _units(row: Layer) -> int:
    return row.shape[0] if row.kind == "convolution" else row.shape[-1]


RULES = (bad_initialisation, exploding, vanishing, dead_units, starved, saturated)
