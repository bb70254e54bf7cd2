"""Sine, cosine and tangent for generated loops.

They are written like the functions of `chainrule.kernels.functions`: branch-free scalar arithmetic that vectorises,
with bounds in ulp. The argument is reduced to one between −π/4 and π/4 by the nearest multiple of π/2, which holds up
to `REACH`. Beyond it a loop doubts (`Code.doubt`): what it has computed is computed again by NumPy.

Sources: the reduction, the polynomials for float64 and π/2 in parts of 33 bits are those of Sun's fdlibm
(`e_rem_pio2.c`, `k_sin.c`, `k_cos.c`, 1993); the polynomials for float32 are those of Moshier's Cephes (`sinf.c`,
1992).
"""

import math
from typing import Any

import numpy as np

from .functions import ROUND64
from .native.symbol import Symbol
from .numbers import bits64, constant, where

Real = Any

REACH = 1e6
"""Up to this size the multiple of π/2 has 20 bits, and its products with parts of 33 bits are exact."""
HALF_PI = (
    1.57079632673412561417e00,
    6.07710050630396597660e-11,
    2.02226624871116645580e-21,
    8.47842766036889956997e-32,
)
"""π/2: three parts of 33 bits, and the rest."""
SINE = (
    *(1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06),
    *(-1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01),
)
"""(sin x − x) / x³ in x², the highest power first."""
COSINE = (
    *(-1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07),
    *(2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02),
)
"""(cos x − 1 + x²/2) / x⁴ in x², the highest power first."""
SINE32 = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COSINE32 = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def sin(x: Real) -> Real:
    """Return the sine: within 2 ulp."""
    return _turned(x, 0)


def cos(x: Real) -> Real:
    """Return the cosine: within 2 ulp."""
    return _turned(x, 1)


def tan(x: Real) -> Real:
    """Return the tangent: within 4 ulp."""
    return sin(x) / cos(x)


def _turned(x: Real, quarters: int) -> Real:
    """Return the sine of x and so many quarters of a turn."""
    if isinstance(x, Symbol):
        x.code.doubt(abs(x) > constant(x, REACH))
    is_single = x.dtype == np.float32
    wide = x.astype(np.float64)
    shifted = wide * constant(wide, 2 / math.pi) + constant(wide, ROUND64)
    turns = bits64(shifted) + quarters
    rest, beyond = _reduced(wide, shifted - constant(wide, ROUND64))
    if is_single:
        rest = rest.astype(np.float32)
    sine, cosine = _sine(rest, beyond), _cosine(rest, beyond)
    found = where((turns & 1) == 0, sine, cosine)
    found = where((turns & 2) == 0, found, -found)
    return found if quarters else where(x == constant(x, 0), x, found)  # −0 keeps its sign


def _reduced(x: Real, k: Real) -> tuple[Real, Real]:
    """Return x − k π/2 as the nearest float64 and what it is too small by."""
    first, second, third, fourth = (constant(x, part) for part in HALF_PI)
    high = x - k * first  # exact: the two agree in their leading bits
    product = k * second
    middle = high - product
    lost = (high - middle) - product
    product = k * third
    low = middle - product
    lost = lost + ((middle - low) - product) - k * fourth
    rest = low + lost
    return rest, (low - rest) + lost


def _sine(x: Real, beyond: Real) -> Real:
    square = x * x
    if x.dtype == np.float32:
        return x + x * square * _horner(SINE32, square)
    *others, last = SINE
    cube, half = square * x, constant(x, 0.5)
    higher = _horner(tuple(others), square)
    return x - ((square * (half * beyond - cube * higher) - beyond) - cube * constant(x, last))


def _cosine(x: Real, beyond: Real) -> Real:
    square, one = x * x, constant(x, 1)
    half = constant(x, 0.5) * square
    top = one - half
    if x.dtype == np.float32:
        return top + square * square * _horner(COSINE32, square)
    return top + (((one - top) - half) + (square * square * _horner(COSINE, square) - x * beyond))


def _horner(coefficients: tuple[float, ...], x: Real) -> Real:
    total = constant(x, coefficients[0])
    for c in coefficients[1:]:
        total = total * x + constant(x, c)
    return total
