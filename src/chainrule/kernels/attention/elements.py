"""Elementwise helpers of the attention kernels: powers of two, and random numbers for dropout."""

from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
from numba.extending import overload

from chainrule.kernels.jit import inline

Array: TypeAlias = Any
"""A number of float32 or float64, or an unsigned one of 64 bits."""

LOG2_E = 1.4426950408889634

# ln(2)^k / k!: the Taylor series of 2^x. On [-1/2, 1/2] what is left out is below 1.3e-7 from the 7th power on, and
# below 1.7e-16 from the 13th: about the spacing of float32, of float64 at 1.
C1, C2, C3 = 0.6931471805599453, 0.24022650695910072, 0.05550410866482158
C4, C5, C6 = 0.009618129107628477, 0.0013333558146428443, 0.00015403530393381608
C7, C8, C9 = 1.525273380405984e-05, 1.3215486790144307e-06, 1.01780860092396e-07
C10, C11, C12 = 7.054911620801123e-09, 4.4455382718708116e-10, 2.5678435993488205e-11


def exp2(x: Any) -> Any:
    """Return 2^x for x ≤ 0, and 0 where that is below the smallest normal number; NaN for NaN.

    Compiled, it is within two units in the last place; no branch is taken, so that a loop of it runs on vectors. It is
    half the work of an exponential for any x: x ≤ 0 rounds by cutting off, and nothing overflows.
    """
    return np.exp2(x)


@overload(exp2, inline="never", jit_options={"error_model": "numpy", "fastmath": {"contract", "nsz"}})  # type: ignore[untyped-decorator]
def _exp2(x: Any) -> Callable[..., Any] | None:
    if x == numba.types.float32:

        def single(x: Any) -> Any:
            y = np.float32(-126.0) if x < np.float32(-126.0) else x
            n = np.int32(y - np.float32(0.5))
            f = y - np.float32(n)
            p = np.float32(C6) * f + np.float32(C5)
            p = p * f + np.float32(C4)
            p = p * f + np.float32(C3)
            p = p * f + np.float32(C2)
            p = p * f + np.float32(C1)
            p = p * f + np.float32(1.0)
            power = np.int32((n + np.int32(127)) << np.int32(23)).view(np.float32)
            return np.float32(0.0) if x < np.float32(-126.0) else p * power

        return single
    if x == numba.types.float64:

        def double(x: Any) -> Any:
            y = -1022.0 if x < -1022.0 else x
            n = np.int64(y - 0.5)
            f = y - np.float64(n)
            p = C12 * f + C11
            p = p * f + C10
            p = p * f + C9
            p = p * f + C8
            p = p * f + C7
            p = p * f + C6
            p = p * f + C5
            p = p * f + C4
            p = p * f + C3
            p = p * f + C2
            p = p * f + C1
            p = p * f + 1.0
            power = np.int64((n + 1023) << 52).view(np.float64)
            return 0.0 if x < -1022.0 else p * power

        return double
    return None


LARGEST32, LARGEST64 = np.int32(2**31 - 1), np.int64(2**63 - 1)

# Floats in the order of whole numbers: a largest whole number is found with vectors, a largest float, where NaN has to
# be minded, one element at a time. Negative floats grow as their bits fall, so those are turned over; NaN ends on top.


def ordered(x: Any) -> Any:
    """Return a whole number that grows as `x` does; inside kernels only."""
    return x


def unordered(n: Any) -> Any:
    """Return the float that `ordered` gave this number for; inside kernels only."""
    return n


@overload(ordered, inline="never")  # type: ignore[untyped-decorator]
def _ordered(x: Any) -> Callable[..., Any] | None:
    if x == numba.types.float32:

        def single(x: Any) -> Any:
            bits = np.float32(x).view(np.int32)
            return np.int32(bits ^ ((bits >> np.int32(31)) & LARGEST32))

        return single
    if x == numba.types.float64:

        def double(x: Any) -> Any:
            bits = np.float64(x).view(np.int64)
            return np.int64(bits ^ ((bits >> np.int64(63)) & LARGEST64))

        return double
    return None


@overload(unordered, inline="never")  # type: ignore[untyped-decorator]
def _unordered(n: Any) -> Callable[..., Any] | None:
    if n == numba.types.int32:

        def single(n: Any) -> Any:
            return np.int32(n ^ ((n >> np.int32(31)) & LARGEST32)).view(np.float32)

        return single
    if n == numba.types.int64:

        def double(n: Any) -> Any:
            return np.int64(n ^ ((n >> np.int64(63)) & LARGEST64)).view(np.float64)

        return double
    return None


MASK_32 = np.uint64(0xFFFFFFFF)
PHILOX_MULTIPLIER, PHILOX_WEYL, ROUNDS = np.uint64(0xD256D193), np.uint64(0x9E3779B9), 7


@inline
def draw(key: Array, row: int, column: int) -> Array:
    """Return 32 random bits that depend only on key, row and column.

    Philox2x32 with seven rounds, of whose two words this is the first: Salmon, Moraes, Dror & Shaw, "Parallel random
    numbers: as easy as 1, 2, 3" (2011).
    """
    left, right = np.uint64(column), np.uint64(row)
    for _ in range(ROUNDS):
        product = left * PHILOX_MULTIPLIER
        left = (product >> np.uint64(32)) ^ key ^ right
        right = product & MASK_32
        key = (key + PHILOX_WEYL) & MASK_32
    return left


@inline
def threshold_of(p: float) -> Array:
    """Return the draw from which on an element is kept, where it is dropped with probability `p`."""
    return np.uint64(p * 4294967296.0)
