"""Products and transposes of matrices, however they are written, so that later passes recognise all of them."""

from typing import Any

import numpy as np

from chainrule.rules.arrays.shape import Astype, Reshape, Transpose
from chainrule.rules.elementary.arithmetic import Multiply
from chainrule.rules.linalg.einsum import Einsum
from chainrule.rules.linalg.matmul import Matmul

from .program import Instruction, Program, Value, applied


def write_as_products(program: Program) -> None:
    """Replace each einsum that is a product of two matrices by that product, transposing factors where needed.

    One that sums nothing is a product of elements.
    """
    instructions: list[Instruction] = []
    new: dict[Value, Value] = {}
    for i in program.instructions:
        steps = _steps(program, i) if i.kind == "op" and i.op is Einsum else []
        for step in steps:
            step.source = i.source
        instructions += steps or [i]
        if steps:
            new[i.outputs[0]] = steps[-1].outputs[0]
    program.instructions = instructions
    program.substitute(new)


def convert_factors(program: Program) -> None:
    """Convert a factor of another floating type before a product of matrices, as NumPy does inside of it.

    A number of NumPy's that an array of float32 is divided by, such as `np.sqrt(64)`, makes one of float64.
    """
    instructions: list[Instruction] = []
    made: dict[tuple[Value, Any], Value] = {}
    for i in program.instructions:
        if i.kind == "op" and i.op in (Matmul, Einsum) and i.outputs[0].dtype in (np.float32, np.float64):
            kind = i.outputs[0].dtype
            for x in i.inputs:
                if x.dtype != kind and x.dtype in (np.float32, np.float64):
                    if (x, kind) not in made:
                        instructions.append(applied(program, Astype, (x,), {"dtype": kind}))
                        instructions[-1].source = i.source
                        made[x, kind] = instructions[-1].outputs[0]
                    i.substitute({x: made[x, kind]})
        instructions.append(i)
    program.instructions = instructions


def transposed_by(i: Instruction) -> Value | None:
    """Return the matrix that an instruction transposes, or None: one with axes (0, 1) leaves it as it is."""
    if i.kind != "op" or i.op is not Transpose or not isinstance(i.args[0], Value) or i.args[0].ndim != 2:
        return None
    axes = i.settings["axes"]
    return i.args[0] if axes is None or axes[0] % 2 == 1 else None


def _steps(program: Program, i: Instruction) -> list[Instruction]:
    """Return the instructions that an einsum is, or nothing where it is no product of two matrices."""
    inputs, out = i.settings["subscripts"].split("->")
    letters = inputs.split(",")
    summed = {*inputs} - {*out, ","}
    if not summed:
        return _outer(program, i, letters, out)
    if len(letters) != 2 or len(summed) != 1 or any(len(some) != 2 or len({*some}) != 2 for some in (*letters, out)):
        return []
    if {*letters[0]} & {*letters[1]} != summed or not all(isinstance(x, Value) for x in i.args):
        return []
    lengths = {x.shape[some.index(letter)] for x, some in zip(i.args, letters, strict=True) for letter in summed}
    if len({x.dtype for x in i.args}) > 1 or i.outputs[0].dtype not in (np.float32, np.float64) or len(lengths) > 1:
        return []
    factors = dict(zip(letters, i.args, strict=True))
    rows, columns = out
    steps: list[Instruction] = []
    ordered = []
    for free, place in ((rows, 0), (columns, 1)):
        some = next((s for s in letters if free in s), "")
        x = factors[some]
        if some[place] != free:
            steps.append(applied(program, Transpose, (x,), {"axes": None}))
            x = steps[-1].outputs[0]
        ordered.append(x)
    return [*steps, applied(program, Matmul, tuple(ordered), {})]


def _outer(program: Program, i: Instruction, letters: list[str], out: str) -> list[Instruction]:
    """Return the instructions that an einsum is which sums nothing: a product of arrays with axes of length 1."""
    if len(letters) != 2 or not all(isinstance(x, Value) for x in i.args) or len({x.dtype for x in i.args}) > 1:
        return []
    steps: list[Instruction] = []

    def step(op: Any, x: Value, **settings: Any) -> Value:
        steps.append(applied(program, op, (x,), settings))
        return steps[-1].outputs[0]

    def factor(x: Value, some: str) -> Value:
        order = tuple(some.index(letter) for letter in out if letter in some)
        shape = tuple(x.shape[some.index(letter)] if letter in some else 1 for letter in out)
        x = x if order == tuple(range(x.ndim)) else step(Transpose, x, axes=order)
        return x if x.shape == shape else step(Reshape, x, shape=shape)

    factors = tuple(factor(x, some) for x, some in zip(i.args, letters, strict=True))
    return [*steps, applied(program, Multiply, factors, {})]
