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
    least = LARGE if kernel in FEW_PASSES else LARGE_STEP
    if not suitable(least, *arrays) or not arrays[0].flags.writeable:
        return False
    if len({array.shape for array in arrays}) > 1:  # a kernel checks no bounds
        return False
    from chainrule.kernels import optimizers

    getattr(optimizers, kernel)(*[array.reshape(-1) for array in arrays], *settings, 1.0)
    return True
