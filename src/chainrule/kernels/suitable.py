"""Which arrays a kernel is for; all else is left to NumPy. This file does not import Numba."""

import functools
import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import numpy as np

HAS_COMPILER = all(find_spec(name) is not None for name in ("llvmlite", "numba"))
"""Whether there is something to compile kernels with: the extra `fast`. Without it everything is done by NumPy."""
LARGE = 1 << 15
"""Elements from which on an operation of a few passes goes to its kernel.

The kernels are faster from a few hundred elements on, but the first call in a process loads Numba's compiler: half a
second, which work on small arrays would never win back.
"""
LARGE_STEP = 1 << 13
"""The same for a step of an optimiser: NumPy takes up to twenty passes for it, a kernel one."""


def suitable(size: int, x: Any, *others: Any) -> bool:
    """Whether arrays are in C order and of one dtype, float32 or float64, and the first has `size` elements or more.

    Their shapes are not looked at. Instances of subclasses are left to NumPy.

    >>> suitable(4, np.ones(4), np.ones((2, 2))), suitable(4, np.ones(4), np.ones(4, np.float32))
    (True, False)
    """
    if not HAS_COMPILER or type(x) is not np.ndarray or x.size < size or x.dtype not in (np.float32, np.float64):
        return False
    arrays = (x, *others)
    return all(type(a) is np.ndarray and a.dtype == x.dtype and a.flags.c_contiguous for a in arrays)


def errors_are_raised() -> bool:
    """Whether NumPy is to raise an error where numbers overflow or become NaN: then it has to compute them itself.

    >>> with np.errstate(invalid="raise"):
    ...     errors_are_raised()
    True
    """
    return "raise" in np.geterr().values()


def numba_is_off() -> bool:
    """Whether `NUMBA_DISABLE_JIT` is set: what stays in Numba then runs as Python, and rounds otherwise."""
    return os.environ.get("NUMBA_DISABLE_JIT", "0") not in ("", "0")


@functools.cache
def has_own_products() -> bool:
    """Whether large products are code of ours, which takes vectors of 256 bits or more.

    NumPy's own test says so: asking LLVM takes 0.1 s the first time, so it is asked only about a named processor.
    """
    if os.environ.get("CHAINRULE_CPU"):
        from .native.vectors import register_bytes

        return register_bytes() >= 32
    features = getattr(import_module("numpy._core._multiarray_umath"), "__cpu_features__", {})
    return bool(features.get("AVX512F") or features.get("AVX2"))
