"""Scalar functions of float32 and float64 for use inside kernels, which LLVM vectorises.

`math.exp` in a loop costs a call per element. The functions here are straight-line scalar arithmetic: range reduction,
a polynomial, and a power of two assembled from its bits. In a kernel's loop, they become vectors. One source serves
generated loops (`chainrule.kernels.native` calls the functions with symbols, which emit instructions) and NumPy's
scalars and arrays.

They are compiled without permission to reorder sums: reordering would cancel terms that the range reduction adds.
Products may be fused with sums; the bounds hold either way. There are no branches: both sides are computed and one is
selected. NaN gives NaN, and an infinity gives the limit.

A bound in ulp is the largest error found on dense samples of the whole range, rounded up; an ulp is the spacing of
floats at the exact value. The tests check each function against its bound.

Sources: Cody & Waite, "Software Manual for the Elementary Functions" (1980), chapter 6 (range reduction of exp);
Shepherd & Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc(x) in 0 ≤ x < ∞", Mathematics of Computation
36 (1981), 249-253 (the change of variable for the tail of the normal distribution).
"""

import math
from fractions import Fraction
from typing import Any

import numpy as np

from .numbers import bits32, bits64, by_type, constant, double, int32, single, where

Real = Any
"""A float32 or a float64, an array of them or a symbol; the results have the type of the argument."""


# Constants, each in its type.

LN2 = sum((Fraction(1, k << k) for k in range(1, 100)), Fraction(0))
"""log 2 to more digits than a float has, as Σ 1 / (k 2ᵏ)."""


def _two_parts(bits: int) -> tuple[float, float]:
    """Return log 2 rounded to a number of binary places, and the remainder."""
    high = Fraction(round(LN2 * 2**bits), 2**bits)
    return float(high), float(LN2 - high)


def _singles(numbers: tuple[float, ...]) -> tuple[Real, ...]:
    return tuple(np.float32(c) for c in numbers)


# n log 2 is exact in the high part for every exponent n: |n| < 2⁸ and 16 binary places, |n| < 2¹¹ and 41.
HIGH32, LOW32 = _singles(_two_parts(16))
HIGH64, LOW64 = _two_parts(41)
PER_LN2_32, PER_LN2_64 = np.float32(1 / LN2), float(1 / LN2)
# Adding 1.5 · 2ᵖ⁻¹ (p the precision) rounds to an integer, which is then in the low bits.
ROUND32, ROUND64 = np.float32(1.5 * 2**23), 1.5 * 2**52
ROUND_BITS32, ROUND_BITS64 = int(ROUND32.view(np.int32)), int(np.float64(ROUND64).view(np.int64))
# The exponential is 0 below the first, even after the factor that some functions apply before the powers of two; it is
# infinite above the second.
LEAST32, MOST32 = np.float32(-150), np.float32(89)
LEAST64, MOST64 = -800.0, 710.0

# (eʳ − 1 − r) / r² for |r| ≤ log(2) / 2: Taylor series to working precision, highest power first.
EXP64 = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
EXP32 = _singles(EXP64[6:])
# (2 artanh(d / 2) / d − 1) / d² in d², for d² ≤ 4/9: Taylor series.
LOG64 = tuple(1 / ((2 * k + 1) * 4.0**k) for k in range(15, 0, -1))
LOG32 = _singles(LOG64[8:])
# erf(x) / x in x², for |x| ≤ 1/2: Taylor series.
ERF64 = tuple(2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(11, -1, -1))
ERF32 = _singles(ERF64[5:])
# Φ(−z) exp(z²/2) / t with t = 4 / (4 + z), in t − T: interpolated at Chebyshev nodes in 50 digits and expanded about
# T, for 0 ≤ z ≤ 40 in double precision (T = 1/2; relative error 4e-17 before the coefficients are rounded) and
# 0 ≤ z ≤ 15 in single (T = 5/8; 3e-9). S is 1 − T.
S32, S64 = np.float32(0.375), 0.5
TAIL64 = (
    *(-0.0010475928719220567, 5.323073612150829e-06, 0.003663862996913572, -0.0019454217516156642),
    *(-0.00500348540907755, 0.005066577736899599, 0.004317890242262541, -0.008356424411192087),
    *(-0.002559961905303464, 0.012122139005243482, 0.0007320891725289883, -0.017993838063747995),
    *(-0.0004884079119167669, 0.029580137491196295, 0.008534031986149394, -0.05218619015937884),
    *(-0.055675077788864956, 0.06032151172500014, 0.2415862995627066, 0.3730437159193868),
    *(0.38713740074221936, 0.3039483209859459, 0.18882128260393788),
)
TAIL64_EVEN, TAIL64_ODD = TAIL64[::2], TAIL64[1::2]
TAIL32 = _singles(
    (
        *(-0.0131984879, 0.013172121, 0.035046318, -0.0281034131, -0.0929145957, 0.00322412372),
        *(0.262923223, 0.500665988, 0.550619803, 0.420168577, 0.233653031),
    )
)
FAR = 40.0
"""Φ(−z) and its products with powers of z are 0 from here on, in either precision."""
CUBIC = 0.044715
"""The coefficient of the cubic term: Hendrycks & Gimpel, "Gaussian Error Linear Units" (2016), section 2."""
GELU_INNER = 2 * math.sqrt(2 / math.pi)


# Type-dependent parts


def _horner(coefficients: tuple[Real, ...], x: Real) -> Real:
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


def _power32(x: Real, more: Real) -> Any:
    x = where(x > MOST32, MOST32, x)
    x = where(x < LEAST32, LEAST32, x)
    shifted = x * PER_LN2_32 + ROUND32
    n = shifted - ROUND32
    r = (x - n * HIGH32) - n * LOW32 + more
    rest = r + r * r * _horner(EXP32, r)
    # 2ⁿ as a product of two, since it may itself be infinite or subnormal where the result is neither.
    count = int32(bits32(shifted) - ROUND_BITS32)
    half = int32(count >> 1)
    first = single((half + 127) << 23)
    second = single((count - half + 127) << 23)
    return rest, first, second


def _power64(x: Real, more: Real) -> Any:
    x = where(x > MOST64, MOST64, x)
    x = where(x < LEAST64, LEAST64, x)
    shifted = x * PER_LN2_64 + ROUND64
    n = shifted - ROUND64
    r = (x - n * HIGH64) - n * LOW64 + more
    rest = r + r * r * _horner(EXP64, r)
    count = bits64(shifted) - ROUND_BITS64
    half = count >> 1
    first = double((half + 1023) << 52)
    second = double((count - half + 1023) << 52)
    return rest, first, second


def _expm1_below32(x: Real, least: Real) -> Real:
    x = where(x < least, least, x)
    shifted = x * PER_LN2_32 + ROUND32
    n = shifted - ROUND32
    r = (x - n * HIGH32) - n * LOW32
    # n is in the low bits of `shifted`; all other bits are shifted out.
    power = single((bits32(shifted) << 23) + (127 << 23))
    return (r + r * r * _horner(EXP32, r)) * power + (power - np.float32(1))


def _expm1_below64(x: Real, least: Real) -> Real:
    x = where(x < least, least, x)
    shifted = x * PER_LN2_64 + ROUND64
    n = shifted - ROUND64
    r = (x - n * HIGH64) - n * LOW64
    power = double((bits64(shifted) << 52) + (1023 << 52))
    return (r + r * r * _horner(EXP64, r)) * power + (power - 1.0)


def _tail32(z: Real, four: Real) -> Any:
    inverse = np.float32(1) / (four + z)
    # t − T is S − (1 − t), and 1 − t = z / (4 + z) is more precise near 0 than t.
    v = S32 - z * inverse
    high = single(bits32(z) & -4096)
    return four * inverse * _horner(TAIL32, v), high


def _tail64(z: Real, four: Real) -> Any:
    inverse = 1.0 / (four + z)
    v = S64 - z * inverse
    # In two halves: LLVM does not unroll a loop of 23 terms, and so would not vectorise.
    square = v * v
    high = double(bits64(z) & -(1 << 27))
    return four * inverse * (_horner(TAIL64_EVEN, square) + v * _horner(TAIL64_ODD, square)), high


def _ordered32(x: Real, zero: Real) -> Any:  # noqa: ARG001
    bits = bits32(x)
    return int32(bits ^ ((bits >> 31) & 0x7FFFFFFF))


def _ordered64(x: Real, zero: Real) -> Any:  # noqa: ARG001
    bits = bits64(x)
    return bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF)


def _unordered32(like: Real, order: Any) -> Real:  # noqa: ARG001
    return single(order ^ ((order >> 31) & 0x7FFFFFFF))


def _unordered64(like: Real, order: Any) -> Real:  # noqa: ARG001
    return double(order ^ ((order >> 63) & 0x7FFFFFFFFFFFFFFF))


def _log32(d: Real, square: Real) -> Real:
    return d + d * square * _horner(LOG32, square)


def _log64(d: Real, square: Real) -> Real:
    return d + d * square * _horner(LOG64, square)


def _erf32(x: Real, square: Real) -> Real:
    return x * _horner(ERF32, square)


def _erf64(x: Real, square: Real) -> Real:
    return x * _horner(ERF64, square)


_power = by_type(_power32, _power64)
"""Of x and a small `more`: r, a, b such that exp(x + more) = (1 + r) a b, where a and b are powers of two."""
_expm1_below = by_type(_expm1_below32, _expm1_below64)
"""Of x ≤ 0 and −50: eˣ − 1. The power of two is one number, since an x below −50 counts as that."""
_tail = by_type(_tail32, _tail64)
"""Of z ≥ 0 and 4: Φ(−z) exp(z²/2), and z without the lower half of its digits."""
_log_of_sum = by_type(_log32, _log64)
"""Of d and d²: log((2 + d) / (2 − d)) for 0 ≤ d ≤ 2/3."""
_erf_near_zero = by_type(_erf32, _erf64)
"""Of x and x²: erf(x) for |x| ≤ 1/2."""


ordered = by_type(_ordered32, _ordered64)
"""Of x and 0: an integer that is the larger, the larger x is. The maximum of integers vectorises; that of floats does
not, unless NaN may be ignored. A NaN without a sign is above +∞, one with a sign below −∞."""
unordered = by_type(_unordered32, _unordered64)
"""Of any number of the type and an integer of `ordered`: the number that this is the order of."""


# The functions. `constant(x, c)` is a constant in the type of x.


def exp(x: Real) -> Real:
    """Return eˣ: within 1 ulp."""
    one = constant(x, 1)
    rest, first, second = _power(x, constant(x, 0))
    return (one + rest) * first * second


def expm1(x: Real) -> Real:
    """Return eˣ − 1, with full relative precision near 0: within 2 ulp."""
    zero, one = constant(x, 0), constant(x, 1)
    rest, first, second = _power(x, zero)
    return where(x == zero, x, (rest * first + (first - one / second)) * second)


def log1p_exp(x: Real) -> Real:
    """Return log(1 + eˣ), softplus: within 3 ulp."""
    zero, one, half = constant(x, 0), constant(x, 1), constant(x, 0.5)
    e = exp(-abs(x))
    # log(1 + e) = 2 artanh(e / (2 + e)), a series in d = 2e / (2 + e).
    d = e / (one + half * e)
    top = where(x > zero, x, zero)
    return top + _log_of_sum(d, d * d)


def tanh(x: Real) -> Real:
    """Return the hyperbolic tangent, with full relative precision near 0: within 3 ulp."""
    zero, two = constant(x, 0), constant(x, 2)
    e = _expm1_below(-two * abs(x), constant(x, -50))
    y = (zero - e) / (two + e)
    return where(x < zero, -y, where(x == zero, x, y))  # −0 keeps its sign


def sigmoid(x: Real) -> Real:
    """Return 1 / (1 + e⁻ˣ), with full relative precision on both sides: within 3 ulp."""
    zero, one = constant(x, 0), constant(x, 1)
    e = exp(-abs(x))
    return where(x < zero, e, one) / (one + e)


def _normal(z: Real) -> Any:
    """Return p, a, b, g for z ≥ 0 with exp(−z²/2) = p a b, a and b powers of two, and Φ(−z) = g p a b."""
    half = constant(z, 0.5)
    # Rounding z² would become a relative error of z²/2 ulp in exp. `high` has an exact square.
    g, high = _tail(z, constant(z, 4))
    rest, first, second = _power(-half * high * high, -half * ((z - high) * (z + high)))
    return constant(z, 1) + rest, first, second, g


def erf(x: Real) -> Real:
    """Return the error function, with full relative precision near 0: within 3 ulp."""
    zero, one, two, half, far = constant(x, 0), constant(x, 1), constant(x, 2), constant(x, 0.5), constant(x, FAR)
    size = abs(x)
    z = size * constant(x, math.sqrt(2))
    p, first, second, g = _normal(where(z > far, far, z))
    away = one - two * (p * g * first * second)
    away = where(x < zero, -away, away)
    near = _erf_near_zero(x, x * x)
    return where(size < half, near, away)


def normal_cdf(x: Real) -> Real:
    """Return Φ(x), the distribution function of the standard normal distribution: within 6 ulp.

    The precision is relative on both sides.
    """
    zero, one, far = constant(x, 0), constant(x, 1), constant(x, FAR)
    z = abs(x)
    p, first, second, g = _normal(where(z > far, far, z))
    below = p * g * first * second
    return where(x > zero, one - below, below)


def gelu(x: Real) -> Real:
    """Return x Φ(x), with full relative precision on both sides: within 6 ulp. At −∞ it is 0, the limit."""
    zero, far = constant(x, 0), constant(x, FAR)
    z = abs(x)
    z = where(z > far, far, z)
    p, first, second, g = _normal(z)
    top = where(x > zero, x, zero)
    return top - p * g * z * first * second


def gelu_slope(x: Real) -> Real:
    """Return Φ(x) + x φ(x), the derivative of `gelu`: within 6 ulp of the larger of the result and its two terms.

    What it needs is what `gelu` needs, so that a loop with both computes it once.
    """
    zero, one, far = constant(x, 0), constant(x, 1), constant(x, FAR)
    z = abs(x)
    z = where(z > far, far, z)
    p, first, second, g = _normal(z)
    # Φ(−z) − z φ(z), which is the slope at −z and 1 less that at z.
    below = p * (g - z * constant(z, 1 / math.sqrt(2 * math.pi))) * first * second
    return where(x > zero, one - below, below)


def _gelu_inner(z: Real) -> Real:
    """Return 2 √(2/π) (z + 0.044715 z³): `gelu_tanh` is x times the sigmoid of this."""
    return constant(z, GELU_INNER) * (z + constant(z, CUBIC) * (z * z * z))


def gelu_tanh(x: Real) -> Real:
    """Return x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2: within 4 ulp for x > −1, and within 4 (1 + |x|³) ulp below.

    At −∞ it is 0, the limit.
    """
    zero, one, far = constant(x, 0), constant(x, 1), constant(x, FAR)
    z = abs(x)
    z = where(z > far, far, z)
    rest, first, second = _power(-_gelu_inner(z), zero)
    p = one + rest
    total = one + p * first * second
    return where(x > zero, x / total, -z * p / total * first * second)


def silu(x: Real) -> Real:
    """Return x σ(x), with full relative precision on both sides: within 3 ulp. At −∞ it is 0, the limit."""
    zero, one, far = constant(x, 0), constant(x, 1), constant(x, 1000)
    z = abs(x)
    z = where(z > far, far, z)
    rest, first, second = _power(-z, zero)
    p = one + rest
    total = one + p * first * second
    return where(x > zero, x / total, -z * p / total * first * second)
