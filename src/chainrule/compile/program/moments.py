"""Variances and standard deviations as means and operations on elements, which fuse with others.

The deviation from the mean is what a normalisation written by hand needs as well, and what the gradient reads: it is
shared with both.
"""

from collections.abc import Mapping

import numpy as np

from chainrule.rules.arrays.moments import Std, Var
from chainrule.rules.arrays.reduce import Mean, Sum, count
from chainrule.rules.elementary.arithmetic import Divide, Multiply, Subtract
from chainrule.rules.elementary.powers import Sqrt

from .program import Instruction, Program, Value
from .writing import Writer


def split_moments(program: Program) -> None:
    """Split variances and standard deviations of floats."""
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    for i in program.instructions:
        writer = Writer(program, i)
        if (freedom := _freedom(i)) is None:
            instructions.append(i)
            continue
        (x,), settings = i.args, i.settings
        centred = writer(Subtract, x, writer(Mean, x, axis=settings["axis"], keepdims=True))
        kept = {"axis": settings["axis"], "keepdims": settings["keepdims"]}
        found = writer(Divide, writer(Sum, writer(Multiply, centred, centred), **kept), x.dtype.type(freedom))
        new[i.outputs[0]] = writer(Sqrt, found) if i.op is Std else found
        instructions += writer.made
    program.instructions = instructions
    program.substitute(new)


def _freedom(i: Instruction) -> float | None:
    """Return what the sum of squares is divided by, or None if an instruction is no such moment."""
    if i.kind != "op" or i.op not in (Var, Std) or not isinstance(x := i.args[0], Value):
        return None
    if x.dtype not in (np.float32, np.float64) or not x.size:
        return None
    found = count(x.shape, i.settings["axis"]) - _given(i.settings)
    return found if found > 0 else None


def _given(settings: Mapping[str, object]) -> float:
    ddof = settings["ddof"]
    return ddof if isinstance(ddof, int | float) else np.inf
