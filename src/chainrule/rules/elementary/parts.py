"""Parts of numbers: integer and fractional; conjugates, scaling by powers of two, cumulative functions."""

from typing import Any

import numpy as np

from chainrule.core.kinds import Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.traces.capturing import known, plain
from chainrule.rules.arrays.cumulative import cumprod, cumsum
from chainrule.rules.arrays.join import concatenate
from chainrule.rules.arrays.reduce import arrayed, refuse
from chainrule.rules.arrays.shape import astype

from .complex_parts import Conjugate, is_complex
from .powers import absolute, positive
from .rounding import Round, floor_divide, fmod, remainder, round, trunc

SHIFTS = np.array([1, -2, 0])


class Ldexp(Linear):
    r"""y = a 2^b

    The exponents b are integers.
    """

    is_pointwise = True
    differentiable = ("a",)
    cases = (case((3,), SHIFTS), case((2, 3), SHIFTS), case((), SHIFTS), case((2, 1), SHIFTS), case((0, 3), SHIFTS))

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.ldexp(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar a = \bar y 2^b"""
        return Ldexp.apply(y_bar, b)


ldexp = implements(np.ldexp)(Ldexp.apply)


@implements(np.frexp)
def frexp(x: Array) -> tuple[Array, Array]:
    """Return m and e with x = m 2ᵉ and 0.5 ≤ |m| < 1. The exponent is constant, so the derivative of m is 2⁻ᵉ.

    >>> [float(part) for part in frexp(np.array(6.0))]
    [0.75, 3.0]
    """
    exponent = plain(lambda x: np.frexp(x)[1], x)
    return ldexp(x, -exponent), exponent


@implements(np.around)
def around(a: Array, decimals: int = 0, out: Array = None) -> Array:
    """Return `round(a, decimals)`, under its other name."""
    refuse("around", out=out)
    return round(a, decimals)


@implements(np.divmod)
def divmod(a: Array, b: Array) -> tuple[Array, Array]:
    """Return the integer quotient, which is constant, and the remainder.

    >>> divmod(np.array([7.0]), 3.0)
    (array([2.]), array([1.]))
    """
    return floor_divide(a, b), remainder(a, b)


def _floating(ufunc: Any, x: Array) -> Array:
    """Return whole numbers and conditions in the floating dtype that a function of NumPy's takes them as."""
    x = arrayed(x)
    if x.dtype.kind not in "iub":
        return x
    return astype(x, ufunc.resolve_dtypes((x.dtype, *[None] * ufunc.nout))[0])


@implements(np.fabs)
def fabs(x: Array) -> Array:
    """Return the absolute value, a floating-point number also of a whole one.

    >>> fabs(np.array([-1, 2]))
    array([1., 2.])
    """
    return absolute(_floating(np.fabs, x))


@implements(np.rint)
def rint(x: Array) -> Array:
    """Return the nearest whole number as a floating-point number; halves go to the even neighbour."""
    return Round.apply(_floating(np.rint, x))


@implements(np.modf)
def modf(x: Array) -> tuple[Array, Array]:
    """Return the fractional part, and the integer part, which is constant; both have the sign of `x`.

    >>> modf(np.array([2.5, -0.25]))
    (array([ 0.5 , -0.25]), array([ 2., -0.]))
    """
    x = _floating(np.modf, x)
    return fmod(np.where(np.isinf(known(x)), 0, x), 1), trunc(x)


@implements(np.conjugate)
def conjugate(x: Array) -> Array:
    """Return the complex conjugate; of real numbers it is a copy."""
    x = arrayed(x)
    if is_complex(x):
        return Conjugate.apply(x)
    return positive(astype(x, np.int8) if x.dtype == np.bool_ else x)  # NumPy's own dtype for it


def _cumulative(name: str, function: Any, first: float, x: Array, axis: int | None, include_initial: bool) -> Array:
    x = arrayed(x)
    if axis is None and x.ndim > 1:
        raise ValueError(f"{name}: got shape {x.shape} and no axis, expected an axis where there are several")
    axis = 0 if axis is None else axis
    y = function(x, axis=axis)
    if not include_initial:
        return y
    edge = tuple(1 if k == axis % x.ndim else n for k, n in enumerate(x.shape))
    return concatenate([np.full(edge, first, y.dtype), y], axis=axis)


def cumulative_sum(
    x: Array, *, axis: int | None = None, dtype: Any = None, out: Array = None, include_initial: bool = False
) -> Array:
    """Return `cumsum(x, axis)`; with `include_initial`, preceded by a zero."""
    refuse("cumulative_sum", dtype=dtype, out=out)
    return _cumulative("cumulative_sum", cumsum, 0, x, axis, include_initial)


def cumulative_prod(
    x: Array, *, axis: int | None = None, dtype: Any = None, out: Array = None, include_initial: bool = False
) -> Array:
    """Return `cumprod(x, axis)`; with `include_initial`, preceded by a one."""
    refuse("cumulative_prod", dtype=dtype, out=out)
    return _cumulative("cumulative_prod", cumprod, 1, x, axis, include_initial)


if hasattr(np, "cumulative_sum"):  # NumPy 2.1
    implements(np.cumulative_sum)(cumulative_sum)
    implements(np.cumulative_prod)(cumulative_prod)
