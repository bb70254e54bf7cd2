"""What is wrong with the operations inside a function, before any number is compared."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from chainrule.base.provenance import Source
from chainrule.check.report.found import Finding
from chainrule.check.subjects.functions import subject_of
from chainrule.check.subjects.in_parts import in_parts
from chainrule.check.subjects.subject import Subject
from chainrule.core.custom import Custom

from .measure import random_direction
from .preliminary import preliminary
from .shapes import explained_shape, square_only

ENGINES = frozenset({"dtype", "overlapping-memory"})
"""What the engine corrects by itself: gradients get the dtype of their argument, and operations may share inputs."""


def inside(subject: Subject, seed: int) -> list[Finding]:
    """Return what is wrong with the first misbehaving `custom` operation of a run."""
    for one, source in _custom_operations(subject):
        with np.errstate(all="ignore"):
            y = np.asarray(one.forward({name: np.array(x) for name, x in one.arguments.items()}))
            bar = random_direction(np.random.default_rng(seed), y.shape).astype(y.dtype)
            found = [explained_shape(f, one, bar) for f in preliminary(one, bar) if f.verdict not in ENGINES]
        if found:
            return [replace(f, operation=one.name, source=source) for f in found]
    return []


def square_inside(subject: Subject, seed: int) -> Finding | None:
    """Return the findings of `square_only` on the subject, or else on the first `custom` operation in it."""
    found = square_only(subject, seed)
    for one, source in _custom_operations(subject):
        if found is not None:
            break
        found = square_only(one, seed)
        found = None if found is None else replace(found, operation=one.name, source=source)
    return found


def _custom_operations(subject: Subject) -> Iterator[tuple[Subject, Source | None]]:
    """Yield each `custom` operation of a run, as a pair of functions at its inputs in the run, with its line."""
    with np.errstate(all="ignore"):
        try:
            operations = subject.operations({name: np.array(x) for name, x in subject.arguments.items()})
        except Exception:  # code that does not accept our boxes: the check continues without them
            return
    for recorded in operations:
        if isinstance(recorded.op, Custom) and "vjp" in recorded.op.rules:
            yield in_parts(subject_of(recorded.op, recorded.inputs, None, None, recorded.settings)), recorded.source


def merged(outer: list[Finding], inner: list[Finding]) -> list[Finding]:
    """Return the findings on a function and on an operation inside it, of which the latter are more precise."""
    known = {finding.verdict for finding in inner}
    raised = {"shape", "signature", "missing"} if known & {"shape", "signature"} else set()
    return [*inner, *(finding for finding in outer if finding.verdict not in known | raised)]
