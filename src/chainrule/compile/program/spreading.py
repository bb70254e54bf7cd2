"""Operands that an operation on elements repeats along a middle axis, as arrays in full, so that it runs in a loop.

A loop goes over rows and columns: it repeats a number, a row, a column, or one number for each channel. A mask of keys
[B, 1, 1, N] over heads [B, H, N, N], or the gradient of a mean over tokens [B, 1, d], is none of these. Nor can it
repeat a row of [H, N] and one number for each row of [B, H, 1] at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .elements import is_known
from .groups import LOADABLE, layout
from .program import Instruction, Program, Value


def spread(x: Any, *, shape: tuple[int, ...]) -> Any:
    """Return an array repeated to a shape, as an array of its own.

    >>> spread(np.array([[1.0], [2.0]]), shape=(2, 3)).tolist()
    [[1.0, 1.0, 1.0], [2.0, 2.0, 2.0]]
    """
    return np.array(np.broadcast_to(x, shape))


def spread_operands(program: Program) -> None:
    """Repeat such operands before the operations that read them."""
    instructions: list[Instruction] = []
    made: dict[tuple[Value, tuple[int, ...]], Value] = {}
    for i in program.instructions:
        shape = i.outputs[0].shape if i.kind == "op" and len(i.outputs) == 1 and i.outputs[0].size else None
        if shape is not None and i.outputs[0].dtype in LOADABLE and is_known(i):
            for value in _unfit(i.inputs, shape):
                if value.dtype in LOADABLE and value.ndim <= len(shape):
                    if (value, shape) not in made:
                        step = Instruction("spread", "op", spread, (value,), {"shape": shape}, [])
                        step.outputs = [program.value("result", np.broadcast_to(value.array, shape), step)]
                        step.source = i.source
                        instructions.append(step)
                        made[value, shape] = step.outputs[0]
                    i.substitute({value: made[value, shape]})
        instructions.append(i)
    program.instructions = instructions


def _unfit(values: Sequence[Value], shape: tuple[int, ...]) -> list[Value]:
    """Return the values that a loop over a shape cannot repeat: by themselves, or in as many columns as the others."""
    found = {value: layout(value, shape) for value in values}
    columns = [each[1] for each in found.values() if each is not None and each[1] is not None]
    common = max(columns, key=lambda n: (columns.count(n), n), default=None)
    return [value for value, each in found.items() if each is None or each[1] not in (None, common)]
