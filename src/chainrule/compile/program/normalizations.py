"""Batch normalisation as moments of channels and operations on elements, which fuse with others.

The moments of large arrays [B, C, …] are one task; those of [B, C] are sums of columns, which fuse as well, and so is
its backward pass.
"""

import numpy as np

from chainrule.rules.arrays.shape import Reshape
from chainrule.rules.elementary.arithmetic import Add, Divide, Multiply, Subtract
from chainrule.rules.elementary.powers import Sqrt
from chainrule.rules.network.batch_norm import BatchNorm, channel_moments

from .program import Instruction, Program, Value
from .writing import Writer


def split_batch_norm(program: Program) -> None:
    """Split batch normalisation into the moments of its channels and a scale and shift by them.

    Running averages follow these moments then, instead of reading the whole array again.
    """
    new: dict[Value, Value] = {}
    moments: dict[Value, tuple[Value, Value]] = {}
    instructions: list[Instruction] = []
    for i in program.instructions:
        writer = Writer(program, i)
        if i.kind == "op" and i.op is BatchNorm:
            y, mean, variance, sigma = _normalized(writer)
            moments[i.args[0]] = mean, variance
            new.update(zip(i.outputs, (y, mean, sigma), strict=False))
        elif (rule := _rule_of_rows(i)) is not None:
            new[i.outputs[0]] = _gradient(writer, rule)
        else:
            writer.made.append(_following(i, moments))
        instructions += writer.made
    program.instructions = instructions
    program.substitute(new)


def _normalized(write: Writer) -> tuple[Value, Value, Value, Value]:
    """Write the normalisation; return its result, mean, variance and deviation."""
    (x, gamma, beta), eps = write.instruction.args, write.instruction.settings["eps"]
    number = x.dtype.type
    if x.ndim == 2:
        mean = write(Divide, write.total(x), number(x.shape[0]))
        centred = write(Subtract, x, mean)
        variance = write(Divide, write.total(write(Multiply, centred, centred)), number(x.shape[0]))
    else:
        found = Instruction("moments", "op", channel_moments, (x,), {}, [], (0, 1))
        with np.errstate(all="ignore"):
            found.outputs = [write.program.value("result", one, found) for one in channel_moments(x.array)]
        mean, variance = write.add(found)
        centred = write(Subtract, x, _by_channel(write, mean, x))
    sigma = write(Sqrt, write(Add, variance, number(eps)))
    scale, offset = (_by_channel(write, one, x) for one in (write(Divide, gamma, sigma), beta))
    return write(Add, write(Multiply, centred, scale), offset), mean, variance, sigma


def _by_channel(write: Writer, parameter: Value, x: Value) -> Value:
    return parameter if x.ndim == 2 else write(Reshape, parameter, shape=(-1, *[1] * (x.ndim - 2)))


def _rule_of_rows(i: Instruction) -> str | None:
    """Return which gradient of the normalisation of [B, C] an instruction computes, or None."""
    if i.rule is None or i.rule[0] is not BatchNorm or not isinstance(i.args[0], Value) or i.args[0].ndim != 2:
        return None
    return i.rule[1] if i.rule[1] in ("adjoint_x", "adjoint_gamma", "adjoint_beta") else None


def _gradient(write: Writer, rule: str) -> Value:
    """Write a gradient by the record's formula; sums that several of them need are shared later."""
    y_bar, saved, *_ = write.instruction.args
    total = write.total(y_bar)
    if rule == "adjoint_beta":
        return total
    x, gamma, mean, sigma = saved[:4]
    x_hat = write(Divide, write(Subtract, x, mean), sigma)
    product = write.total(write(Multiply, y_bar, x_hat))
    if rule == "adjoint_gamma":
        return product
    number = y_bar.dtype.type(y_bar.shape[0])
    rest = write(Subtract, y_bar, write(Divide, total, number))
    rest = write(Subtract, rest, write(Multiply, x_hat, write(Divide, product, number)))
    return write(Multiply, rest, write(Divide, gamma, sigma))


def _following(i: Instruction, moments: dict[Value, tuple[Value, Value]]) -> Instruction:
    """Return an effect that moves running averages towards moments which are known, or any other as it is."""
    given = getattr(i.function, "of_channels", None) if i.kind == "effect" else None
    if given is None or not isinstance(x := i.args[-1], Value) or x not in moments:
        return i
    function = given(x.size // x.shape[1])
    made = Instruction(i.name, "effect", function, (*i.args[:-1], *moments[x]), {}, [], writes=i.writes)
    made.source = i.source
    return made
