"""The search: every change is tried on the gradient that was measured, and what repairs it is tried elsewhere."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType
from typing import Any

import numpy as np

from chainrule.check.context import Context
from chainrule.check.coverage import cover
from chainrule.check.evidence import elsewhere
from chainrule.check.hypotheses.candidate import Detail, Hypothesis, fits
from chainrule.check.measure import Probe, random_direction
from chainrule.check.subject import Subject

from .edits import Edit, edits
from .program import Program

SECONDS = 3.0
"""How long changes are tried."""
POINTS = 3
"""At how many other points a repaired gradient must be right."""
SURE = 1.3
"""Costs below which a change says what the mistake is; of dearer ones, which put in or take out, several may do."""
MOST = 3
"""How many repairs are named."""


@dataclass
class Repair:
    """A change that makes a gradient right here, with the subject that has it."""

    edit: Edit
    program: Program
    subject: Subject


def repaired(probe: Probe, context: Context, seed: int) -> list[Hypothesis]:
    """Return what single changes of the backward pass under check make the gradient right, the likeliest first.

    Each was tried at other points and cotangents as well: what repairs the gradient at one point only is not named.
    None where there is no source, or no one change repairs it.
    """
    found: list[Hypothesis] = []
    with np.errstate(all="ignore"):
        cheapest = np.inf
        for repair in _repairs(probe.subject, context):
            if repair.edit.cost > cheapest + 0.3:
                break
            if not _holds(repair.subject, probe, context.argument, seed):
                continue
            cheapest = min(cheapest, repair.edit.cost)
            found.append(_hypothesis(repair))
            if len(found) == MOST:
                break
    return found


def _hypothesis(repair: Repair) -> Hypothesis:
    edit = repair.edit
    text = f"{edit.what}: line {edit.line} has `{edit.written}`, and `{edit.wanted}` makes the gradient right"
    detail = Detail(
        text=text,
        line=edit.line,
        file=repair.program.file,
        function=repair.program.function.__name__,
        written=edit.written,
        wanted=edit.wanted,
        what=edit.what,
        sure=edit.cost < SURE,
    )
    return Hypothesis(edit.code, detail, 1.0)


def _repairs(subject: Subject, context: Context) -> Iterator[Repair]:
    """Yield the changes that make the gradient right at the point of the check, cheapest first."""
    programs = list(_programs(subject))
    tried = [(edit, program, rebuilt) for program, rebuilt, all_edits in programs for edit in all_edits]
    tried.sort(key=lambda t: t[0].cost)
    end = time.perf_counter() + SECONDS
    for edit, program, rebuilt in tried:
        if time.perf_counter() > end:
            return
        undo = edit.apply()
        function = program.compiled()
        undo.apply()
        changed = None if function is None else rebuilt(function)
        if changed is not None and _fits(changed, context):
            yield Repair(edit, program, changed)


def _programs(subject: Subject) -> Iterator[tuple[Program, Callable[[FunctionType], Subject | None], list[Edit]]]:
    """Yield the functions that a backward pass is made of: itself, and those of the user's that it calls."""
    for function, rebuilt in subject.editable():
        try:
            program = Program(function)
        except ValueError:
            continue
        yield program, rebuilt, edits(program.tree)


def _fits(subject: Subject, context: Context) -> bool:
    try:
        arguments = {name: np.array(x) for name, x in context.arguments.items()}
        gradient = subject.backward(arguments, np.array(context.y_bar)).get(context.argument)
    except Exception:
        return False
    return gradient is not None and fits(np.asarray(gradient), context.expected, context)


def _holds(subject: Subject, probe: Probe, name: str, seed: int) -> bool:
    """Whether the gradient is right at other points too, and no other gradient that was right is wrong now."""
    rng = np.random.default_rng(seed + 1)
    seen = 0
    for _ in range(2 * POINTS):
        at = {n: elsewhere(x, rng) for n, x in probe.at.items()}
        try:
            y = np.asarray(subject.forward({n: np.array(x) for n, x in at.items()}))
            if y.shape != probe.output.shape or not np.all(np.isfinite(y)):
                continue
            there = Probe(subject, random_direction(rng, y.shape).astype(y.dtype), at)
            if name not in there.gradients or cover([there], name, rng, False).verdict not in ("right", "kink"):
                return False
            if any(_breaks(probe, there, other, rng) for other in there.gradients if other != name):
                return False
        except Exception:
            return False
        seen += 1
        if seen == POINTS:
            return True
    return seen > 0


def _breaks(probe: Probe, there: Probe, other: str, rng: np.random.Generator) -> bool:
    """Whether another argument's gradient was right at this point before the change, and is not now."""
    before = Probe(probe.subject, there.y_bar, there.at)
    if other not in before.gradients or np.array_equal(before.gradients[other], there.gradients[other]):
        return False
    wrong_now = cover([there], other, rng, False).verdict == "wrong"
    return wrong_now and cover([before], other, rng, False).verdict == "right"
