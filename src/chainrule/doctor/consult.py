"""`doctor`: examine, train briefly, judge, and try remedies."""

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from inspect import Parameter, signature
from typing import Any

import numpy as np

from chainrule.core.operands.faces import behind, function_behind, is_face

from .budget import Budget
from .diagnosis import Diagnosis
from .examine.case import MOST, Case, collected, train, untouched
from .examine.chance import chance_level, is_summed
from .examine.exam import Exam, as_given, examine
from .examine.findings import Findings
from .found import CODES, Verdict
from .remedies.clinic import Clinic
from .verdicts import flow as rules_flow
from .verdicts import structure as rules_structure
from .verdicts import training as rules_training
from .verdicts.flow import flow_range
from .verdicts.thresholds import chosen

SEEDS = 3
"""The number of seeds that a remedy is measured over."""
MOSTLY = 0.9
"""The share of dead units above which a vanishing gradient is put down to them."""
LITTLE = 0.02
"""A loss that falls by less than this fraction has hardly fallen."""
OPEN = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
"""The kinds of parameters that may be left empty: `*args` and `**kwargs`."""


@dataclass(frozen=True)
class Effort:
    """The length of a training run, how often it is examined, and over how many batches at its end."""

    steps: int
    moments: int
    last: int


SMALL, LARGE = Effort(60, 6, MOST), Effort(20, 3, 6)


def doctor(
    model: Any,
    loss: Any,
    batches: Any,
    optimizer: Any = None,
    try_remedies: bool = True,
    steps: int | None = None,
    seed: int = 0,
    thresholds: Mapping[str, float] | None = None,
    budget: float = 60.0,
) -> Diagnosis:
    """Say whether gradients flow through a model, what is wrong if they do not, and which remedy helps.

    - `loss(output, y)` returns a scalar. `batches` is a list or a DataLoader of `(x, y)`, or `(x1, x2, …, y)` for a
      model with several inputs; the first 8 are used. Several are needed to detect dead units and noise.
    - `optimizer` is the one you train with; without it, the learning rate cannot be judged and trials use Adam.
    - A copy is trained for `steps` steps (by default 60, or 20 for more than 200,000 parameters) to see how the
      gradient flow develops. With `try_remedies`, further copies with one change each are trained from the same three
      seeds on the same batches and compared with copies without it.
    - `budget` is the approximate time limit in seconds, of which those that other programs take of the machine do not
      count. If it is too short, the training is cut and remedies are left out; the report says so.
    - `thresholds` overrides limits by name; `chainrule.doctor.DEFAULTS` lists all of them with their sources.

    Verdicts rest on ratios rather than on absolute values, which depend on the scale of the loss: the norm of ∂L/∂z in
    a layer relative to that in the last one, the size of a step relative to that of the weights.

    Nothing of yours is changed: not the parameters and gradients, nor modes, buffers, hooks, the optimiser's state or
    the default generators.

    A `torch.nn.Module` is examined the same way, with a loss, an optimiser and batches from PyTorch; remedies are then
    tried and shown in PyTorch.

    Raises TypeError or ValueError for an invalid model, batches or optimiser, for a model that cannot be copied or
    watched, and for an optimiser whose step requires a closure, and whatever the model itself raises.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> rng = np.random.default_rng(0)
    >>> x = rng.normal(size=(64, 8))
    >>> batches = [(x[i : i + 16], (x[i : i + 16, 0] > 0).astype(int)) for i in range(0, 64, 16)]
    >>> layers = [layer for _ in range(10) for layer in (nn.Linear(8, 8, init="xavier", generator=rng), nn.Sigmoid())]
    >>> diagnosis = doctor(nn.Sequential(*layers, nn.Linear(8, 2)), nn.CrossEntropyLoss(), batches, try_remedies=False)
    >>> diagnosis.verdicts[0].code, diagnosis.verdicts[0].layer
    ('vanishing', '0')
    """
    if steps is not None and steps < 1:
        raise ValueError(f"doctor: steps: expected at least 1, got {steps}")
    if not budget > 0:
        raise ValueError(f"doctor: budget: expected a number of seconds above 0, got {budget}")
    limits = chosen(thresholds)
    if is_face(model):
        loss, batches = function_behind(loss, model), [behind(batch) for batch in itertools.islice(batches, MOST)]
        model, optimizer = behind(model), behind(optimizer)
    _check_step(optimizer)
    clock = Budget(budget)
    with untouched(model, seed, batches) as engine:
        case = Case(engine.unwrapped(model), loss, collected(batches, engine.plain), optimizer)
        effort = SMALL if case.is_small else LARGE
        if steps is not None:
            effort = replace(effort, steps=steps)
        findings, history = _findings(case, limits, effort, seed, clock)
        verdicts = judge(findings)
        if try_remedies:
            clinic = Clinic(findings, SEEDS, clock)
            verdicts = [clinic.treat(v) for v in verdicts]
    return replace(_diagnosis(findings, verdicts, history), cut=clock.said())


def _check_step(optimizer: Any) -> None:
    """Raise TypeError for something other than an optimiser, or for one whose step takes required arguments."""
    step = getattr(optimizer, "step", None)
    if optimizer is None:
        return
    if step is None or not hasattr(optimizer, "param_groups"):
        problem = f"got {type(optimizer).__name__}, expected an optimiser with param_groups and step()"
    else:
        asked = [p.name for p in signature(step).parameters.values() if p.default is p.empty and p.kind not in OPEN]
        if not asked:
            return
        problem = f"step of {type(optimizer).__name__} asks for {', '.join(asked)}"
    raise TypeError(f"doctor: optimizer: {problem}; leave it out, and trials use Adam")


def _findings(case: Case, limits: Any, effort: Effort, seed: int, clock: Budget) -> tuple[Findings, list[Any]]:
    start = examine(case, case.batches, clock=clock)
    start.as_given = as_given(case)
    history: list[Any] = []
    steps = clock.steps(effort.steps, max(len(start.losses), 1))
    if start.error is not None or start.not_finite is not None:
        return Findings(case, start, None, None, math.nan, False, limits, steps, seed), history
    looks = effort.moments if steps == effort.steps else min(effort.moments, max(steps // 3, 2))
    moments = {round(k * (steps - 1) / (looks - 1)) for k in range(looks)}

    def watch(step: int, own: Case) -> None:
        if step in moments:
            seen = examine(own, own.batches[:1], weighed=False)
            if seen.error is None:
                history.append((step, seen.loss, tuple(row.gradient for row in seen.flow)))

    trial = train(case, steps, seed, watch)
    end = examine(trial.case, case.batches[: effort.last]) if trial.finite and trial.case is not None else None
    if end is not None and (end.error is not None or end.not_finite is not None):
        end = None
    for row in start.layers:
        row.update_ratio = trial.update_of(row.name)
    engine = case.engine
    engine.reseed(seed)
    own = engine.copied(case.loss)[0]

    def loss_of(output: Any, y: Any) -> float:
        return engine.loss_of(own, np.moveaxis(output, -1, 1) if start.moved else output, y)

    is_asked = limits["chance"].value < math.inf
    chance = chance_level(loss_of, start.outputs) if is_asked else math.nan
    summed = is_summed(loss_of, start.outputs)
    return Findings(case, start, end, trial, chance, summed, limits, steps, seed), history


def judge(f: Findings) -> list[Verdict]:
    """Return all verdicts, worst first. The training is judged only if nothing else explains its course."""
    for rule in (*rules_structure.RULES, *rules_flow.RULES):
        verdict = rule(f)
        if verdict is not None:
            f.verdicts.append(verdict)
            if f.start.error is not None or f.start.not_finite is not None:
                return f.verdicts
    f.verdicts = without_consequences(f.verdicts)
    if not f.verdicts:
        for rule in rules_training.RULES:
            verdict = rule(f)
            if verdict is not None:
                f.verdicts.append(verdict)
                break
    elif all(v.code == "saturated" for v in f.verdicts) and f.trial is not None and not f.trial.finite:
        verdict = rules_training.too_high(f)  # steps that end in NaN, and smaller ones that do not
        if verdict is not None:
            return [verdict, *f.verdicts]
    if not f.verdicts and f.trial is not None and not f.trial.finite:
        f.verdicts.append(f.verdict("not-finite", "", "not finite", "not-finite later", steps=len(f.trial.losses)))
    if not f.verdicts:
        f.verdicts.append(_healthy(f))
    return sorted(f.verdicts, key=lambda v: CODES.index(v.code))


def without_consequences(verdicts: list[Verdict]) -> list[Verdict]:
    """Drop verdicts that merely follow from another.

    If most units are dead, or an embedding drives all of them to their flat parts, no gradient reaches earlier layers;
    and what mixes branches gets none where it gives one of them all the weight.
    """
    dead = max((v.values["dead"] for v in verdicts if v.code == "dead-units"), default=0.0)
    mixed = any(v.key.startswith("dead-units branch") for v in verdicts)
    embedded = any(v.key == "bad-initialisation embedding" for v in verdicts)
    return [
        v
        for v in verdicts
        if not (v.code in ("vanishing", "saturated") and embedded)
        and not (v.code == "vanishing" and mixed)
        and not (v.code == "vanishing" and dead > MOSTLY)
    ]


def _healthy(f: Findings) -> Verdict:
    flow, loss = flow_range(f.start)[0], f.start.loss
    values: dict[str, Any] = {"loss": loss, "final": f.final, "steps": f.steps}
    later = flow_range(f.end)[0] if f.end is not None and flow == 0 else 0.0
    if later > 0:  # a head that starts at zero passes nothing on in the first step
        silent = [row.name for row in f.start.flow if row.largest == 0]
        head = silent[-1] if silent else f.start.flow[-1].name
        return f.verdict("healthy", "", "vanishing", "healthy zero", flow=later, head=head, **values)
    left_out = f.case.left_out
    if left_out:
        names = ", ".join(left_out[:4]) + (f", … ({len(left_out)})" if len(left_out) > 4 else "")
        return f.verdict("healthy", "", "vanishing", "healthy left out", flow=flow, names=names, **values)
    if f.level > f.limit("chance"):  # it has been judged, by a longer training
        longer = {"chance": f.chance, "longer": f.longer_steps, "later": f.longer_final}
        return f.verdict("healthy", "", "vanishing", "healthy slow", flow=flow, **longer, **values)
    if math.isnan(f.chance) and f.trial is not None and not f.final < (1 - LITTLE) * loss and loss > 0:
        return f.verdict("healthy", "", "vanishing", "healthy still", flow=flow, **values)
    return f.verdict("healthy", "", "vanishing", flow=flow, **values)


def _diagnosis(f: Findings, verdicts: list[Verdict], history: list[Any]) -> Diagnosis:
    start: Exam = f.start
    return Diagnosis(
        type(f.case.model).__name__,
        tuple(verdicts),
        tuple(start.layers),
        start.loss,
        f.chance,
        start.noise.scale(),
        start.noise.batch,
        f.steps,
        f.final,
        tuple(history),
        parameters=f.case.parameters,
    )
