"""Logarithms, hyperbolic and inverse trigonometric functions, and distances, for generated loops.

They are written like those of `chainrule.kernels.functions`: branch-free scalar arithmetic, with selects instead of
branches so that loops vectorise; a bound in ulp is the largest error found, rounded up. NaN gives NaN, and the
endpoints of a domain give what NumPy returns there.

Sources: the intervals and the polynomial of the arctangent are from Sun's fdlibm (`s_atan.c`, 1993); the logarithm
decomposes a number as fdlibm's `e_log.c` does.
"""

import math
from typing import Any

import numpy as np

from .functions import (
    HIGH32,
    HIGH64,
    LN2,
    LOG32,
    LOG64,
    LOW32,
    LOW64,
    ROUND32,
    ROUND64,
    ROUND_BITS32,
    ROUND_BITS64,
    exp,
    expm1,
    log1p_exp,
)  # fmt: skip
from .numbers import bits32, bits64, constant, double, single, square_root, where

Real = Any

TURNS = (0.4375, 0.6875, 1.1875, 2.4375)
"""Where one interval of the arctangent ends and the next begins."""
ARCTAN = (
    *(1.62858201153657823623e-02, -3.65315727442169155270e-02, 4.97687799461593236017e-02, -5.83357013379057348645e-02),
    *(6.66107313738753120669e-02, -7.69187620504482999495e-02, 9.09088713343650656196e-02, -1.11111104054623557880e-01),
    *(1.42857142725034663711e-01, -1.99999999998764832476e-01, 3.33333333333329318027e-01),
)
"""(x − arctan x) / x³ in x² for |x| ≤ 7/16, the highest power first."""
ARCSIN = tuple(math.comb(2 * k, k) / (4**k * (2 * k + 1)) for k in range(25, 0, -1))
"""(arcsin(x) / x − 1) / x² in x², for x² ≤ 1/4: Taylor's series."""
CBRT = (0.056626, -0.285318, 0.734513, 0.494240)
"""The cube root for √½ ≤ x < √2 to within 3e-4, the highest power first."""
MANY = 22
"""From here on sinh and cosh are half of eˣ."""


def _is_single(x: Real) -> bool:
    return bool(getattr(x, "dtype", None) == np.float32)


def _horner(coefficients: tuple[Any, ...], x: Real) -> Real:
    total = constant(x, coefficients[0])
    for c in coefficients[1:]:
        total = total * x + constant(x, c)
    return total


def _mantissa(x: Real) -> tuple[Real, Real]:
    """Return k and m for a positive x = 2ᵏ m with √½ ≤ m < √2."""
    if _is_single(x):
        is_small = x < constant(x, 2.0**-126)
        bits = bits32(where(is_small, x * constant(x, 2.0**24), x)) + (0x3F800000 - 0x3F3504F3)
        shift, m = 24, single((bits & 0x007FFFFF) + 0x3F3504F3)
        k = single((bits >> 23) + (ROUND_BITS32 - 127)) - constant(x, float(ROUND32))
    else:
        is_small = x < constant(x, 2.0**-1022)
        root = int(np.float64(math.sqrt(0.5)).view(np.int64))
        bits = bits64(where(is_small, x * constant(x, 2.0**54), x)) + (0x3FF0000000000000 - root)
        shift, m = 54, double((bits & 0x000FFFFFFFFFFFFF) + root)
        k = double((bits >> 52) + (ROUND_BITS64 - 1023)) - constant(x, ROUND64)
    return where(is_small, k - constant(x, shift), k), m


def _power_of_two(n: Real) -> Real:
    """Return 2ⁿ for an integer n within the exponent range."""
    if _is_single(n):
        return single((bits32(n + constant(n, float(ROUND32))) - (ROUND_BITS32 - 127)) << 23)
    return double((bits64(n + constant(n, ROUND64)) - (ROUND_BITS64 - 1023)) << 52)


def _taken_apart(x: Real) -> tuple[Real, Real]:
    """Return k and log m for a positive x = 2ᵏ m with √½ ≤ m < √2."""
    one, half = constant(x, 1), constant(x, 0.5)
    k, m = _mantissa(x)
    series = LOG32 if _is_single(x) else LOG64
    d = (m - one) / (half * (m + one))
    square = d * d
    return k, d + d * square * _horner(series, square)


def _at_the_ends(x: Real, y: Real) -> Real:
    """Return y, a logarithm of x, corrected where x is zero, infinite, NaN or negative."""
    infinity = constant(x, math.inf)
    y = where(x == constant(x, 0), -infinity, where(x == infinity, infinity, y))
    return where(x >= constant(x, 0), y, constant(x, math.nan))


def log(x: Real) -> Real:
    """Return the natural logarithm: within 2 ulp."""
    high, low = (HIGH32, LOW32) if _is_single(x) else (HIGH64, LOW64)
    k, rest = _taken_apart(x)
    return _at_the_ends(x, k * constant(x, high) + (rest + k * constant(x, low)))


def log2(x: Real) -> Real:
    """Return the base-2 logarithm, exact for powers of two: within 3 ulp."""
    k, rest = _taken_apart(x)
    return _at_the_ends(x, k + rest * constant(x, 1 / math.log(2)))


def log10(x: Real) -> Real:
    """Return the base-10 logarithm: within 5 ulp."""
    k, rest = _taken_apart(x)
    return _at_the_ends(x, rest * constant(x, 1 / math.log(10)) + k * constant(x, math.log10(2)))


def log1p(x: Real) -> Real:
    """Return log(1 + x), with full relative precision near 0: within 3 ulp."""
    one, infinity = constant(x, 1), constant(x, math.inf)
    u = one + x
    is_finite = where(u > constant(x, 0), u, one) < infinity
    missing = (x - (u - one)) / where(u > constant(x, 0), u, one)
    y = log(u) + where(is_finite, missing, constant(x, 0))
    return where(x == constant(x, 0), x, y)


def exp2(x: Real) -> Real:
    """Return 2ˣ, exact for integers: within 2 ulp."""
    most, least = (130.0, -160.0) if _is_single(x) else (1030.0, -1080.0)
    at = where(x > constant(x, most), constant(x, most), x)
    at = where(at < constant(x, least), constant(x, least), at)
    n = np.rint(at)
    half = np.floor(n * constant(x, 0.5))
    # As a product of two, since 2ⁿ itself may be infinite or subnormal where the result is neither.
    return exp((at - n) * constant(x, float(LN2))) * _power_of_two(half) * _power_of_two(n - half)


def sinh(x: Real) -> Real:
    """Return the hyperbolic sine: within 3 ulp."""
    one, half, many = constant(x, 1), constant(x, 0.5), constant(x, MANY)
    size = abs(x)
    t = expm1(where(size < many, size, many))
    root = exp(half * size)
    y = where(size < many, half * (t + t / (t + one)), half * root * root)
    return where(x < constant(x, 0), -y, where(x == constant(x, 0), x, y))


def cosh(x: Real) -> Real:
    """Return the hyperbolic cosine: within 3 ulp."""
    one, half, many = constant(x, 1), constant(x, 0.5), constant(x, MANY)
    size = abs(x)
    e, root = exp(where(size < many, size, many)), exp(half * size)
    return where(size < many, half * (e + one / e), half * root * root)


def arcsinh(x: Real) -> Real:
    """Return the inverse hyperbolic sine: within 4 ulp."""
    one, zero, far = constant(x, 1), constant(x, 0), constant(x, 1e4 if _is_single(x) else 1e8)
    size = abs(x)
    near = where(size < far, size, one)
    square = near * near
    y = where(size < far, log1p(near + square / (one + square_root(one + square))), log(size) + constant(x, float(LN2)))
    return where(x < zero, -y, where(x == zero, x, y))


def arccosh(x: Real) -> Real:
    """Return the inverse hyperbolic cosine: within 4 ulp; NaN below 1."""
    one, far = constant(x, 1), constant(x, 1e4 if _is_single(x) else 1e8)
    t = where(x < far, x, one) - one
    y = where(x < far, log1p(t + square_root(t * (t + constant(x, 2)))), log(x) + constant(x, float(LN2)))
    return where(x >= one, y, constant(x, math.nan))


def arctanh(x: Real) -> Real:
    """Return the inverse hyperbolic tangent: within 4 ulp; NaN where |x| > 1."""
    one, zero, half = constant(x, 1), constant(x, 0), constant(x, 0.5)
    size = abs(x)
    y = half * log1p((size + size) / (one - size))
    return where(x < zero, -y, where(x == zero, x, y))


def arctan(x: Real) -> Real:
    """Return the arctangent: within 2 ulp."""
    one, two = constant(x, 1), constant(x, 2)
    size, end = abs(x), constant(x, 1.5)
    # arctan x = arctan c + arctan((x − c) / (1 + c x)), with c = 0, 1/2, 1, 3/2 or infinity.
    parts = ((size, one), (two * size - one, two + size), (size - one, size + one), (size - end, one + end * size))
    points = (0.0, math.atan(0.5), math.pi / 4, math.atan(1.5))
    rests: tuple[float, ...] = (0.0, 2.26987774529616870924e-17, 3.06161699786838301793e-17, 1.39033110312309984516e-17)
    above, below = -one, size
    high, low = constant(x, math.pi / 2), constant(x, 6.12323399573676603587e-17)
    if _is_single(x):
        rests = tuple(point - float(np.float32(point)) for point in points)
        low = constant(x, math.pi / 2 - float(np.float32(math.pi / 2)))
    for turn, (a, b), point, rest in reversed(list(zip(TURNS, parts, points, rests, strict=True))):
        here = size < constant(x, turn)
        above, below = where(here, a, above), where(here, b, below)
        high, low = where(here, constant(x, point), high), where(here, constant(x, rest), low)
    z = above / below
    square = z * z
    y = high - ((z * square * _horner(ARCTAN, square) - low) - z)
    return where(_is_below(x), -y, y)


def _is_below(x: Real) -> Any:
    """Whether the sign bit of x is set, including for −0."""
    return (bits32(x) if _is_single(x) else bits64(x)) < 0


def arctan2(a: Real, b: Real) -> Real:
    """Return the angle of the point with x coordinate b and y coordinate a: within 3 ulp."""
    one, zero, infinity = constant(a, 1), constant(a, 0), constant(a, math.inf)
    rise, run = abs(a), abs(b)
    is_steep = rise > run
    large, small = where(is_steep, rise, run), where(is_steep, run, rise)
    is_corner = small == infinity  # both are infinite
    ratio = where(is_corner, one, small / where(large == zero, one, where(is_corner, one, large)))
    t = arctan(ratio)
    y = where(is_steep, constant(a, math.pi / 2) - t, t)
    y = where(_is_below(b), constant(a, math.pi) - y, y)
    y = where(_is_below(a), -y, y)
    return where(a == a, where(b == b, y, b), a)


def _arcsin_of(size: Real) -> tuple[Real, Real]:
    """Return whether 0 ≤ size exceeds 1/2, and arcsin(size), or arcsin √((1 − size) / 2) where it does."""
    one, half = constant(size, 1), constant(size, 0.5)
    is_far = size > half
    square = where(is_far, half * (one - size), size * size)
    root = where(is_far, square_root(square), size)
    return is_far, root + root * square * _horner(ARCSIN[-11:] if _is_single(size) else ARCSIN, square)


def arcsin(x: Real) -> Real:
    """Return the arcsine: within 3 ulp; NaN where |x| > 1."""
    is_far, y = _arcsin_of(abs(x))
    y = where(is_far, constant(x, math.pi / 2) - (y + y), y)
    return where(_is_below(x), -y, y)


def arccos(x: Real) -> Real:
    """Return the arccosine: within 2 ulp; NaN where |x| > 1."""
    is_far, y = _arcsin_of(abs(x))
    y = where(is_far, y + y, constant(x, math.pi / 2) - y)
    return where(_is_below(x), constant(x, math.pi) - y, y)


def hypot(a: Real, b: Real) -> Real:
    """Return √(a² + b²) without overflow: within 2 ulp."""
    one, zero, infinity = constant(a, 1), constant(a, 0), constant(a, math.inf)
    a, b = abs(a), abs(b)
    large, small = where(a > b, a, b), where(a > b, b, a)
    ratio = small / where(large == zero, one, where(large == infinity, one, large))
    y = large * square_root(one + ratio * ratio)
    return where(a == infinity, infinity, where(b == infinity, infinity, y))


def cbrt(x: Real) -> Real:
    """Return the cube root: within 5 ulp."""
    one, two, zero, infinity = constant(x, 1), constant(x, 2), constant(x, 0), constant(x, math.inf)
    size = abs(x)
    size = where(size == zero, one, where(size == infinity, one, size))
    k, m = _mantissa(size)
    third = np.rint(k * constant(x, 1 / 3))
    rest = k - constant(x, 3) * third
    y = _horner(CBRT, m)
    for _ in range(1 if _is_single(x) else 2):  # Halley's step triples the correct digits
        cube = y * y * y
        y = y * ((cube + two * m) / (two * cube + m))
    y = y * where(rest > zero, constant(x, 2 ** (1 / 3)), where(rest < zero, constant(x, 2 ** (-1 / 3)), one))
    y = y * _power_of_two(third)
    y = where(x < zero, -y, y)
    y = where(x == zero, x, where(abs(x) == infinity, x, y))
    return where(x == x, y, x)


def logaddexp(a: Real, b: Real) -> Real:
    """Return log(eᵃ + eᵇ): within 4 ulp of the larger of the result and the arguments."""
    large = where(a > b, a, b)
    y = large + log1p_exp(-abs(a - b))
    y = where(a == b, a + constant(a, float(LN2)), y)
    return where(a == a, where(b == b, y, b), a)


def logaddexp2(a: Real, b: Real) -> Real:
    """Return log₂(2ᵃ + 2ᵇ): within 4 ulp of the larger of the result and the arguments."""
    one = constant(a, 1)
    large = where(a > b, a, b)
    y = large + log1p(exp2(-abs(a - b))) * constant(a, 1 / math.log(2))
    y = where(a == b, a + one, y)
    return where(a == a, where(b == b, y, b), a)
