"""What scalar arithmetic needs besides operators, so that one source serves numbers, arrays and symbols.

The functions of `chainrule.kernels.functions` are written with these. On NumPy's scalars and arrays they compute; on
symbols (`chainrule.kernels.native`) they write instructions.
"""

import math
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from .native.symbol import Symbol

F = TypeVar("F", bound=Callable[..., Any])
Real = Any


def by_type(single: F, double: F) -> F:
    """Return a function of two arguments that is one of two, by whether its first is a float32."""

    def choose(x: Real, y: Real) -> Any:
        return single(x, y) if getattr(x, "dtype", None) == np.float32 else double(x, y)

    return cast(F, choose)


def constant(x: Real, number: float) -> Real:
    """Return a number in the type of x.

    >>> constant(np.float32(2), 0.1)
    np.float32(0.1)
    """
    if isinstance(x, Symbol):
        return x.code.constant(number, x.dtype)
    return x.dtype.type(number) if hasattr(x, "dtype") else float(number)


def in_type_of(x: Real, number: Real) -> Real:
    """Return a number, which may be a symbol itself, converted to the type of x."""
    if isinstance(number, Symbol):
        return number.astype(x.dtype)
    return constant(x, number)


def where(condition: Any, a: Real, b: Real) -> Real:
    """Return a where the condition holds, else b; both are there already.

    >>> where(3 > 2, 1.0, 2.0), where(np.array([True, False]), 1.0, 2.0)
    (1.0, array([1., 2.]))
    """
    if isinstance(condition, Symbol | np.ndarray):
        return np.where(condition, a, b)
    return a if condition else b


def square_root(x: Real) -> Real:
    """Return √x, rounded once, in the type of x; NaN below 0."""
    if isinstance(x, Symbol | np.ndarray):
        return np.sqrt(x)
    return constant(x, math.sqrt(x) if x >= 0 else math.nan)


def power(x: Real, n: Any) -> Real:
    """Return xⁿ for a float64 or a Python float, with the same bits for either.

    >>> power(0.5, 3)
    0.125
    """
    return x.code.library("pow", x, n) if isinstance(x, Symbol) else x**n


def bits32(x: Real) -> Any:
    """Return the int32 with the bits of a float32."""
    return x.view(np.int32) if isinstance(x, Symbol | np.ndarray) else np.float32(x).view(np.int32)


def bits64(x: Real) -> Any:
    """Return the int64 with the bits of a float64."""
    return x.view(np.int64) if isinstance(x, Symbol | np.ndarray) else np.float64(x).view(np.int64)


def single(bits: Any) -> Real:
    """Return the float32 with the bits of an int32."""
    return bits.view(np.float32) if isinstance(bits, Symbol | np.ndarray) else np.int32(bits).view(np.float32)


def double(bits: Any) -> Real:
    """Return the float64 with the bits of an int64."""
    return bits.view(np.float64) if isinstance(bits, Symbol | np.ndarray) else np.int64(bits).view(np.float64)


def int32(n: Any) -> Any:
    """Return an integer as an int32."""
    return n if isinstance(n, Symbol | np.ndarray) else np.int32(n)
