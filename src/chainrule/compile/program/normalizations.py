"""Batch normalisation of large arrays as moments of channels and operations on elements, which fuse with others."""

from typing import Any

import numpy as np

from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.elementary.arithmetic import Add, Divide, Multiply, Subtract
from chainrule.rules.elementary.powers import Sqrt
from chainrule.rules.network.batch_norm import BatchNorm, channel_moments

from .program import Instruction, Program, Value, applied


def split_batch_norm(program: Program) -> None:
    """Split batch normalisation into the moments of its channels and a scale and shift by them.

    Running averages follow these moments then, instead of reading the whole array again.
    """
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    moments: dict[Value, Instruction] = {}
    for i in program.instructions:
        if i.kind == "op" and i.op is BatchNorm:
            instructions += _split(program, i, new, moments)
        else:
            instructions.append(_following(i, moments))
    program.instructions = instructions
    program.substitute(new)


def _split(
    program: Program, i: Instruction, new: dict[Value, Value], moments: dict[Value, Instruction]
) -> list[Instruction]:
    made: list[Instruction] = []

    def value(op: Any, *args: Any, **settings: Any) -> Value:
        made.append(applied(program, op, args, settings))
        return made[-1].outputs[0]

    x, gamma, beta = i.args
    found = Instruction("moments", "op", channel_moments, (x,), {}, [], (0, 1))
    with np.errstate(all="ignore"):
        found.outputs = [program.value("result", one, found) for one in channel_moments(x.array)]
    moments[x] = found
    made.append(found)
    mean, variance = found.outputs
    sigma = value(Sqrt, value(Add, variance, x.dtype.type(i.settings["eps"])))
    by_channel = (-1, *[1] * (x.ndim - 2))
    shift, scale, offset = (value(Reshape, one, shape=by_channel) for one in (mean, value(Divide, gamma, sigma), beta))
    y = value(Add, value(Multiply, value(Subtract, x, shift), scale), offset)
    new.update(zip(i.outputs, (y, mean, sigma), strict=False))
    for step in made:
        step.source = i.source
    return made


def _following(i: Instruction, moments: dict[Value, Instruction]) -> Instruction:
    """Return an effect that moves running averages towards moments which are known, or any other as it is."""
    given = getattr(i.function, "of_channels", None) if i.kind == "effect" else None
    if given is None or not isinstance(x := i.args[-1], Value) or x not in moments:
        return i
    function = given(x.size // x.shape[1])
    made = Instruction(i.name, "effect", function, (*i.args[:-1], *moments[x].outputs), {}, [], writes=i.writes)
    made.source = i.source
    return made
