"""The error function and its complement, to about one unit in the last place, in NumPy alone.

The rational approximations and their coefficients are W. J. Cody's: "Rational Chebyshev approximations for the error
function", Mathematics of Computation 23 (1969), 631-637, as in his program CALERF (netlib, specfun/erf).
"""

import math

import numpy as np

from chainrule.core.facts import Flat
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from . import proofs as proofs_of
from .exponential import exp

SMALL, LARGE = 0.46875, 4.0
"""Where one approximation takes over from the next."""

Coefficients = tuple[tuple[float, ...], tuple[float, ...]]
"""Of a numerator and a denominator, the highest power first."""

# erf(x) / x as a ratio in x², for |x| ≤ 0.46875.
NEAR_ZERO: Coefficients = (
    (
        *(1.85777706184603153e-1, 3.16112374387056560e00, 1.13864154151050156e02),
        *(3.77485237685302021e02, 3.20937758913846947e03),
    ),
    (1.0, 2.36012909523441209e01, 2.44024637934444173e02, 1.28261652607737228e03, 2.84423683343917062e03),
)
# exp(x²) erfc(x) as a ratio in x, for 0.46875 ≤ x ≤ 4.
MIDDLE: Coefficients = (
    (
        *(2.15311535474403846e-8, 5.64188496988670089e-1, 8.88314979438837594e00, 6.61191906371416295e01),
        *(2.98635138197400131e02, 8.81952221241769090e02, 1.71204761263407058e03, 2.05107837782607147e03),
        1.23033935479799725e03,
    ),
    (
        *(1.0, 1.57449261107098347e01, 1.17693950891312499e02, 5.37181101862009858e02),
        *(1.62138957456669019e03, 3.29079923573345963e03, 4.36261909014324716e03, 3.43936767414372164e03),
        1.23033935480374942e03,
    ),
)
# x² (1/√π − x exp(x²) erfc(x)) as a ratio in 1/x², for x ≥ 4.
TAIL: Coefficients = (
    (
        *(1.63153871373020978e-2, 3.05326634961232344e-1, 3.60344899949804439e-1),
        *(1.25781726111229246e-1, 1.60837851487422766e-2, 6.58749161529837803e-4),
    ),
    (
        *(1.0, 2.56852019228982242e00, 1.87295284992346725e00),
        *(5.27905102951428412e-1, 6.05183413124413191e-2, 2.33520497626869185e-3),
    ),
)
UNDERFLOW = 30.0
"""erfc is 0 in double precision from 27.3 on; larger arguments would only overflow when squared."""
BLOCK = 1 << 14
"""Elements processed at a time: the temporaries stay in cache."""


def _horner(coefficients: tuple[float, ...], x: Array) -> Array:
    total = coefficients[0] * x
    for c in coefficients[1:-1]:
        total += c
        total *= x
    total += coefficients[-1]
    return total


def _ratio(coefficients: Coefficients, x: Array) -> Array:
    numerator = _horner(coefficients[0], x)
    numerator /= _horner(coefficients[1], x)
    return numerator


def _erf_near_zero(x: Array) -> Array:
    x = np.clip(x, -SMALL, SMALL)
    return x * _ratio(NEAR_ZERO, x * x)


def _erfc_away_from_zero(x: Array) -> Array:
    """Return erfc(x) for x ≥ 0.46875; smaller x are raised to that."""
    # All elements go through the middle range, where most lie: cheaper than selecting those that belong there.
    scaled = _ratio(MIDDLE, np.clip(x, SMALL, LARGE))
    in_tail = x > LARGE
    if in_tail.any():
        scaled[in_tail] = _scaled_tail(np.minimum(x[in_tail], UNDERFLOW))
    # The square of x is rounded, and exp would turn that into a relative error of x² units in the last place. The
    # square of x rounded to sixteenths is exact.
    x = np.clip(x, SMALL, UNDERFLOW)
    rounded = np.trunc(16 * x) / 16
    scaled *= np.exp(-rounded * rounded)
    scaled *= np.exp((rounded - x) * (rounded + x))
    return scaled


def _scaled_tail(x: Array) -> Array:
    z = 1 / (x * x)
    return (1 / math.sqrt(math.pi) - z * _ratio(TAIL, z)) / x


def _erf_block(x: Array) -> Array:
    size = np.abs(x)
    away = np.copysign(1 - _erfc_away_from_zero(size), x)
    return np.where(size <= SMALL, _erf_near_zero(x), away)


def _erfc_block(x: Array) -> Array:
    size = np.abs(x)
    away = _erfc_away_from_zero(size)
    near = 1 - _erf_near_zero(x)
    return np.where(size <= SMALL, near, np.where(x < 0, 2 - away, away))


def _in_blocks(function: Array, x: Array) -> Array:
    """Apply a function of one axis to an array of any shape; integers become float64, float16 uses float32."""
    x = np.asarray(x)
    if x.dtype.kind == "c":
        raise TypeError("expected real numbers")
    dtype = x.dtype if x.dtype.kind == "f" else np.dtype(np.float64)
    flat = x.ravel().astype(np.promote_types(dtype, np.float32), copy=False)
    y = np.empty(flat.shape, dtype)
    for start in range(0, flat.size, BLOCK):
        y[start : start + BLOCK] = function(flat[start : start + BLOCK])
    return y.reshape(x.shape)[()]


class Erf(Elementwise):
    r"""y = \operatorname{erf}(x)"""

    proofs = {"x": proofs_of.ERF}
    flat = Flat.BOTH
    bounds = (-1.0, 1.0)

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import erf as by_instructions

        return by_instructions(x)

    @staticmethod
    def primal(x: Array) -> Array:
        return _in_blocks(_erf_block, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{2}{\sqrt{\pi}} \exp(-x^2)"""
        return 2 / math.sqrt(math.pi) * exp(-(x * x))


class Erfc(Elementwise):
    r"""y = \operatorname{erfc}(x)"""

    proofs = {"x": proofs_of.ERFC}
    flat = Flat.BOTH
    bounds = (0.0, 2.0)
    cost = 20

    @staticmethod
    def primal(x: Array) -> Array:
        return _in_blocks(_erfc_block, x)

    @staticmethod
    def element(x: Array) -> Array:
        from chainrule.kernels.functions import normal_cdf

        return normal_cdf(x * -math.sqrt(2)) * 2

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -\frac{2}{\sqrt{\pi}} \exp(-x^2)"""
        return -2 / math.sqrt(math.pi) * exp(-(x * x))


def erf(x: Array) -> Array:
    r"""Return the error function, $\frac{2}{\sqrt\pi} \int_0^x e^{-t^2} dt$, of each element.

    >>> erf(np.array([0.0, 1.0]))
    array([0.        , 0.84270079])
    """
    return Erf.apply(x)


def erfc(x: Array) -> Array:
    """Return 1 - erf(x) of each element, with full relative precision even if that is small.

    >>> print(f"{erfc(10.0):.6e}")
    2.088488e-45
    """
    return Erfc.apply(x)
