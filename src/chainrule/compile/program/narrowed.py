"""Products of which only some rows or columns are read, as the products that make these alone.

Where an input and a state are joined before they meet one weight, the gradient of the state is such a part: that of
the input is computed next to it, and often nobody wants it.
"""

from itertools import pairwise
from typing import Any

from chainrule.rules.arrays.index import GetItem
from chainrule.rules.arrays.join import Split
from chainrule.rules.arrays.shape import Transpose
from chainrule.rules.linalg.matmul import Matmul

from .matrices import transposed_by
from .program import Instruction, Program, Value, applied

WHOLE = slice(None)
Block = tuple[slice, slice]


def narrow_products(program: Program) -> bool:
    """Compute only the block of a product that is read, where that is one; return whether there was any."""
    users, outputs = program.users(), set(program.outputs)
    instead: dict[Instruction, list[Instruction]] = {}
    new: dict[Value, Value] = {}
    for i in program.instructions:
        if i.kind != "op" or i.op is not Matmul or not all(isinstance(x, Value) and x.ndim == 2 for x in i.args):
            continue
        readers = users.get(i.outputs[0], ())
        if len(readers) != 1 or i.outputs[0] in outputs:
            continue
        read = [(y, block) for y, block in _blocks_of(readers[0]) if y in outputs or users.get(y)]
        if len(read) != 1 or read[0][0].size in (0, i.outputs[0].size):
            continue
        ((y, block),) = read
        instead[i], instead[readers[0]] = [], _narrowed(program, i, block)
        new[y] = instead[readers[0]][-1].outputs[0]
    program.instructions = [j for i in program.instructions for j in instead.get(i, (i,))]
    program.substitute(new)
    return bool(new)


def _blocks_of(i: Instruction) -> list[tuple[Value, Block]]:
    """Return the blocks that an instruction takes of a matrix, each with its rows and columns, or nothing."""
    if i.kind != "op" or i.op not in (GetItem, Split):
        return []
    if i.op is Split:
        axis = i.settings.get("axis", 0) % 2
        edges = (0, *i.settings.get("cuts", ()), i.inputs[0].shape[axis])
        lines = [slice(*pair) for pair in pairwise(edges)]
        return [(y, (WHOLE, part) if axis else (part, WHOLE)) for y, part in zip(i.outputs, lines, strict=True)]
    index = i.settings["index"]
    parts = index if isinstance(index, tuple) else (index,)
    if len(parts) > 2 or not all(isinstance(part, slice) and part.step in (None, 1) for part in parts):
        return []
    rows, columns = (*parts, *[WHOLE] * (2 - len(parts)))
    return [(i.outputs[0], (rows, columns))]


def _narrowed(program: Program, i: Instruction, block: Block) -> list[Instruction]:
    """Return the instructions that compute a block of a product."""
    made: list[Instruction] = []

    def run(op: Any, *args: Value, **settings: Any) -> Value:
        made.append(applied(program, op, args, settings))
        made[-1].source = i.source
        return made[-1].outputs[0]

    def part(x: Value, index: Block) -> Value:
        return x if index == (WHOLE, WHOLE) else run(GetItem, x, index=index, unique=True)

    rows, columns = block
    a, b = i.args
    source = transposed_by(b.maker) if b.maker is not None and columns != WHOLE else None
    left = part(a, (rows, WHOLE))
    # A slice of a transpose as a transpose of a slice, which later passes recognise.
    right = part(b, (WHOLE, columns)) if source is None else run(Transpose, part(source, (columns, WHOLE)), axes=None)
    run(Matmul, left, right)
    return made
