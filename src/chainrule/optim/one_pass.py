"""Optimiser steps of large parameters, by compiled kernels."""

from typing import Any

from chainrule.kernels.suitable import LARGE, LARGE_STEP, suitable

FEW_PASSES = ("sgd", "sgd_momentum")
"""Kernels whose step takes NumPy only two to four passes, which is as fast while everything is in the cache."""


def in_one_pass(kernel: str, arrays: list[Any], *settings: float) -> bool:
    """If the arrays are large enough, take a step with a kernel of `chainrule.kernels.optimizers` and return True.

    `arrays` are the value, the gradient to descend, and the states; the settings are the kernel's numbers in its order,
    without the sign. If it returns False, nothing was done.
    """
    if not _fits(arrays, _least(kernel)):
        return False
    from chainrule.kernels import optimizers

    getattr(optimizers, kernel)(*[array.reshape(-1) for array in arrays], *settings, 1.0)
    return True


def all_in_one_pass(kernel: str, rows: list[list[Any]], numbers: tuple[float, ...], sign: float) -> bool:
    """As `in_one_pass` for several parameters, which are large enough together: `rows` has the arrays of each."""
    if sum(row[0].size for row in rows) < _least(kernel) or any(row[0].dtype != rows[0][0].dtype for row in rows):
        return False
    if not all(_fits(row, 0) for row in rows):
        return False
    from chainrule.kernels import optimizers

    getattr(optimizers, kernel).together(rows, *numbers, sign)
    return True


def _least(kernel: str) -> int:
    return LARGE if kernel in FEW_PASSES else LARGE_STEP


def _fits(arrays: list[Any], least: int) -> bool:
    """Whether arrays are large enough and of one shape, since a kernel checks no bounds."""
    first = arrays[0]
    if not suitable(least, *arrays) or not first.flags.writeable:
        return False
    return all(array.shape == first.shape for array in arrays)
