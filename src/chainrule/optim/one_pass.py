"""Steps of large parameters, by the kernels."""

from typing import Any

from chainrule.kernels.suitable import LARGE, LARGE_STEP, suitable

FEW_PASSES = ("sgd", "sgd_momentum")
"""The kernels of steps that NumPy takes in two to four passes: as fast, while all is in the cache."""


def in_one_pass(kernel: str, arrays: list[Any], *settings: float) -> bool:
    """Take a step by a kernel of `chainrule.kernels.optimizers`, and return True, where the arrays are large enough.

    `arrays` are the value, the gradient as it is to be followed down, and the states; all else is the kernel's, in its
    order, but the sign. With False nothing was done.
    """
    least = LARGE if kernel in FEW_PASSES else LARGE_STEP
    if not suitable(least, *arrays) or not arrays[0].flags.writeable:
        return False
    if len({array.shape for array in arrays}) > 1:  # a kernel checks no bounds
        return False
    from chainrule.kernels import optimizers

    getattr(optimizers, kernel)(*[array.reshape(-1) for array in arrays], *settings, 1.0)
    return True
