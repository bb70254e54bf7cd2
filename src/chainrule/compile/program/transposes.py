"""Transposes that many small products have as their second factor, as copies, which BLAS packs in less time."""

from typing import Any

import numpy as np

from chainrule.rules.linalg.matmul import Matmul

from .matrices import transposed_by
from .program import Instruction, Program

MANY = 8
"""The fewest products that are worth a copy: it takes as long as five of them save."""
FEW_ROWS = 128
"""Up to so many rows of the first factor packing the second one matters."""


def transposed(x: Any) -> Any:
    """Return the transpose of a matrix as an array of its own."""
    return np.ascontiguousarray(x.T)


def copy_transposes(program: Program) -> None:
    """Copy each transpose that enough products read, once, instead of taking a view."""
    users = program.users()
    for i in program.instructions:
        if (x := transposed_by(i)) is not None and x.size:
            products = [u for u in users.get(i.outputs[0], ()) if _has_second(u, i)]
            if len(products) >= MANY and i.outputs[0] not in program.outputs:
                i.name, i.function, i.op, i.settings = "transposed copy", transposed, None, {}


def _has_second(user: Instruction, i: Instruction) -> bool:
    """Whether a product of few rows has a transpose as its second factor."""
    if user.kind != "op" or user.op is not Matmul or user.args[1] is not i.outputs[0]:
        return False
    a = user.args[0]
    return a is not i.outputs[0] and len(a.shape) == 2 and a.shape[0] <= FEW_ROWS
