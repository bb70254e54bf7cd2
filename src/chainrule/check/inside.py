"""What is wrong with the operations inside a function, before any number is compared."""

from dataclasses import replace

import numpy as np

from chainrule.core.custom import Custom

from .functions import subject_of
from .measure import random_direction
from .preliminary import preliminary
from .report import Finding
from .shapes import explained_shape
from .subject import Subject

ENGINES = frozenset({"dtype", "overlapping-memory"})
"""What the engine puts right on its own: gradients get the dtype of their argument, and operations may share inputs."""


def inside(subject: Subject, seed: int) -> list[Finding]:
    """Return what is wrong with the behaviour of the first `custom` operation of a run of which anything is."""
    with np.errstate(all="ignore"):
        try:
            operations = subject.operations({name: np.array(x) for name, x in subject.arguments.items()})
        except Exception:  # code that takes no boxes of ours: the check goes on without
            return []
        for recorded in operations:
            if not isinstance(recorded.op, Custom) or "vjp" not in recorded.op.rules:
                continue
            one = subject_of(recorded.op, recorded.inputs, None, None, recorded.settings)
            y = np.asarray(one.forward({name: np.array(x) for name, x in one.arguments.items()}))
            bar = random_direction(np.random.default_rng(seed), y.shape).astype(y.dtype)
            found = [f for f in preliminary(one, bar) if f.verdict not in ENGINES]
            if found:
                found = [explained_shape(f, one, bar) for f in found]
                return [replace(f, operation=one.name, source=recorded.source) for f in found]
    return []


def merged(outer: list[Finding], inner: list[Finding]) -> list[Finding]:
    """Return the findings on a function and on an operation inside it; the latter say the same more precisely."""
    known = {finding.verdict for finding in inner}
    raised = {"shape", "signature", "missing"} if known & {"shape", "signature"} else set()
    return [*inner, *(finding for finding in outer if finding.verdict not in known | raised)]
