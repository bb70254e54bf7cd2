"""Scalar functions for use inside kernels, of float32 and float64, which LLVM vectorises.

`math.exp` in a loop is a call for each element. These are straight-line arithmetic on one number: range reduction, a
polynomial, and a power of two put together from its bits. Called in a kernel's loop they are merged into it, and the
loop runs on vectors. With the compiler off (`NUMBA_DISABLE_JIT=1`) they are plain Python on NumPy scalars.

They are compiled without leave to reorder sums, whatever the kernel around them may do: the range reduction adds terms
that reordering would cancel. Products may be fused with sums; the bounds hold either way. No branch is taken: both
sides are computed and one is selected. NaN gives NaN, and an infinity the limit.

A bound in ulp is the largest error found on dense samples of the whole range, rounded up; an ulp is the spacing of
floats at the exact value. The tests hold each function to its bound.

Sources: Cody & Waite, "Software Manual for the Elementary Functions" (1980), chapter 6 (range reduction of exp);
Shepherd & Laframboise, "Chebyshev approximation of (1 + 2x) exp(x²) erfc(x) in 0 ≤ x < ∞", Mathematics of Computation
36 (1981), 249-253 (the change of variable for the tail of the normal distribution).
"""

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numba.extending import overload

F = TypeVar("F", bound=Callable[..., Any])
Real = Any
"""A float32 or a float64; the results have the type of the argument."""


def merged(f: F) -> F:
    """Compile a function that is merged into the kernels calling it; see the module for why not with their flags."""
    return cast(F, numba.njit(f, error_model="numpy", fastmath={"contract"}, forceinline=True))


# Constants. A Python number times a float32 is a float64 in Numba: each constant has its type.

LN2 = sum((Fraction(1, k << k) for k in range(1, 100)), Fraction(0))
"""log 2 to more digits than a float has, as Σ 1 / (k 2ᵏ)."""


def _two_parts(bits: int) -> tuple[float, float]:
    """Return log 2 rounded to a number of binary places, and what is missing."""
    high = Fraction(round(LN2 * 2**bits), 2**bits)
    return float(high), float(LN2 - high)


def _singles(numbers: tuple[float, ...]) -> tuple[Real, ...]:
    return tuple(np.float32(c) for c in numbers)


# n log 2 is exact in the high part for every exponent n: |n| < 2⁸ and 16 binary places, |n| < 2¹¹ and 41.
HIGH32, LOW32 = _singles(_two_parts(16))
HIGH64, LOW64 = _two_parts(41)
PER_LN2_32, PER_LN2_64 = np.float32(1 / LN2), float(1 / LN2)
# Adding 1.5 · 2ᵖ⁻¹ (p the precision) rounds to an integer, which then stands in the low bits.
ROUND32, ROUND64 = np.float32(1.5 * 2**23), 1.5 * 2**52
ROUND_BITS32, ROUND_BITS64 = int(ROUND32.view(np.int32)), int(np.float64(ROUND64).view(np.int64))
# The exponential is 0 below the first, and so is its product with what a function multiplies it by before the powers of
# two; it is infinite above the second.
LEAST32, MOST32 = np.float32(-150), np.float32(89)
LEAST64, MOST64 = -800.0, 710.0

# (eʳ − 1 − r) / r² for |r| ≤ log(2) / 2: Taylor's series as far as it matters, the highest power first.
EXP64 = tuple(1 / math.factorial(k) for k in range(13, 1, -1))
EXP32 = _singles(EXP64[6:])
# (2 artanh(d / 2) / d − 1) / d² in d², for d² ≤ 4/9: Taylor's series.
LOG64 = tuple(1 / ((2 * k + 1) * 4.0**k) for k in range(15, 0, -1))
LOG32 = _singles(LOG64[8:])
# erf(x) / x in x², for |x| ≤ 1/2: Taylor's series.
ERF64 = tuple(2 / math.sqrt(math.pi) * (-1) ** k / (math.factorial(k) * (2 * k + 1)) for k in range(11, -1, -1))
ERF32 = _singles(ERF64[5:])
# Φ(−z) exp(z²/2) / t with t = 4 / (4 + z), in t − T: interpolated at Chebyshev's nodes in 50 digits and expanded about
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


# What depends on the type


def _by_type(single: F, double: F) -> F:
    """Return a function that is one of two, by the type of its first argument."""

    def choose(x, y):  # type: ignore[no-untyped-def]
        return single(x, y) if isinstance(x, np.float32) else double(x, y)

    # Numba compares the parameters of these, annotations and all: lambdas have none.
    versions = {numba.types.float32: lambda x, y: single(x, y), numba.types.float64: lambda x, y: double(x, y)}
    choice = overload(choose, jit_options={"forceinline": True, "fastmath": {"contract"}})
    choice(lambda x, y: versions.get(x))  # noqa: ARG005
    return cast(F, choose)


@merged
def _horner(coefficients: tuple[Real, ...], x: Real) -> Real:
    total = coefficients[0]
    for c in coefficients[1:]:
        total = total * x + c
    return total


@merged
def _power32(x: Real, more: Real) -> Any:
    x = MOST32 if x > MOST32 else x
    x = LEAST32 if x < LEAST32 else x
    shifted = x * PER_LN2_32 + ROUND32
    n = shifted - ROUND32
    r = (x - n * HIGH32) - n * LOW32 + more
    rest = r + r * r * _horner(EXP32, r)
    # 2ⁿ as a product of two, for it may itself be infinite or subnormal where the result is neither.
    count = np.int32(np.float32(shifted).view(np.int32) - ROUND_BITS32)
    half = np.int32(count >> 1)
    first = np.int32((half + 127) << 23).view(np.float32)
    second = np.int32((count - half + 127) << 23).view(np.float32)
    return rest, first, second


@merged
def _power64(x: Real, more: Real) -> Any:
    x = MOST64 if x > MOST64 else x
    x = LEAST64 if x < LEAST64 else x
    shifted = x * PER_LN2_64 + ROUND64
    n = shifted - ROUND64
    r = (x - n * HIGH64) - n * LOW64 + more
    rest = r + r * r * _horner(EXP64, r)
    count = np.int64(np.float64(shifted).view(np.int64) - ROUND_BITS64)
    half = np.int64(count >> 1)
    first = np.int64((half + 1023) << 52).view(np.float64)
    second = np.int64((count - half + 1023) << 52).view(np.float64)
    return rest, first, second


@merged
def _expm1_below32(x: Real, least: Real) -> Real:
    x = least if x < least else x
    shifted = x * PER_LN2_32 + ROUND32
    n = shifted - ROUND32
    r = (x - n * HIGH32) - n * LOW32
    # n is in the low bits of `shifted`; what else is there is shifted out.
    power = np.int32((np.float32(shifted).view(np.int32) << 23) + (127 << 23)).view(np.float32)
    return (r + r * r * _horner(EXP32, r)) * power + (power - np.float32(1))


@merged
def _expm1_below64(x: Real, least: Real) -> Real:
    x = least if x < least else x
    shifted = x * PER_LN2_64 + ROUND64
    n = shifted - ROUND64
    r = (x - n * HIGH64) - n * LOW64
    power = np.int64((np.float64(shifted).view(np.int64) << 52) + (1023 << 52)).view(np.float64)
    return (r + r * r * _horner(EXP64, r)) * power + (power - 1.0)


@merged
def _tail32(z: Real, four: Real) -> Any:
    inverse = np.float32(1) / (four + z)
    # t − T is S − (1 − t), and 1 − t = z / (4 + z) is more precise near 0 than t.
    v = S32 - z * inverse
    high = np.int32(np.float32(z).view(np.int32) & -4096).view(np.float32)
    return four * inverse * _horner(TAIL32, v), high


@merged
def _tail64(z: Real, four: Real) -> Any:
    inverse = 1.0 / (four + z)
    v = S64 - z * inverse
    # In two halves: LLVM unrolls, and so vectorises, no loop of 23 terms.
    square = v * v
    high = np.int64(np.float64(z).view(np.int64) & -(1 << 27)).view(np.float64)
    return four * inverse * (_horner(TAIL64_EVEN, square) + v * _horner(TAIL64_ODD, square)), high


@merged
def _ordered32(x: Real, zero: Real) -> Any:  # noqa: ARG001
    bits = np.float32(x).view(np.int32)
    return np.int32(bits ^ ((bits >> 31) & 0x7FFFFFFF))


@merged
def _ordered64(x: Real, zero: Real) -> Any:  # noqa: ARG001
    bits = np.float64(x).view(np.int64)
    return np.int64(bits ^ ((bits >> 63) & 0x7FFFFFFFFFFFFFFF))


@merged
def _unordered32(like: Real, order: int) -> Real:  # noqa: ARG001
    return np.int32(order ^ ((order >> 31) & 0x7FFFFFFF)).view(np.float32)


@merged
def _unordered64(like: Real, order: int) -> Real:  # noqa: ARG001
    return np.int64(order ^ ((order >> 63) & 0x7FFFFFFFFFFFFFFF)).view(np.float64)


@merged
def _log32(d: Real, square: Real) -> Real:
    return d + d * square * _horner(LOG32, square)


@merged
def _log64(d: Real, square: Real) -> Real:
    return d + d * square * _horner(LOG64, square)


@merged
def _erf32(x: Real, square: Real) -> Real:
    return x * _horner(ERF32, square)


@merged
def _erf64(x: Real, square: Real) -> Real:
    return x * _horner(ERF64, square)


_power = _by_type(_power32, _power64)
"""Of x and a small `more`: r, a, b such that exp(x + more) = (1 + r) a b, where a and b are powers of two."""
_expm1_below = _by_type(_expm1_below32, _expm1_below64)
"""Of x ≤ 0 and −50: eˣ − 1. The power of two is one number, since an x below −50 counts as that."""
_tail = _by_type(_tail32, _tail64)
"""Of z ≥ 0 and 4: Φ(−z) exp(z²/2), and z without the lower half of its digits."""
_log_of_sum = _by_type(_log32, _log64)
"""Of d and d²: log((2 + d) / (2 − d)) for 0 ≤ d ≤ 2/3."""
_erf_near_zero = _by_type(_erf32, _erf64)
"""Of x and x²: erf(x) for |x| ≤ 1/2."""


@merged
def divide(a: Real, b: Real) -> Real:
    """Return a / b, rounded once.

    Under the flags of `kernel` LLVM may take a float32 quotient a / √b for a product with an approximate inverse root,
    whose refinement gives NaN where b is 0 or infinite.
    """
    return a / b


@merged
def root(x: Real) -> Real:
    """Return √x, rounded once; see `divide`."""
    return type(x)(math.sqrt(x))


ordered = _by_type(_ordered32, _ordered64)
"""Of x and 0: an integer that is the larger, the larger x is. The maximum of integers vectorises; that of floats does
not, unless NaN may be ignored. A NaN without a sign is above +∞, one with a sign below −∞."""
unordered = _by_type(_unordered32, _unordered64)
"""Of any number of the type and an integer of `ordered`: the number that this is the order of."""


# The functions. `type(x)(c)` is a constant in the type of x.


@merged
def exp(x: Real) -> Real:
    """Return eˣ: within 1 ulp."""
    one = type(x)(1)
    rest, first, second = _power(x, type(x)(0))
    return (one + rest) * first * second


@merged
def expm1(x: Real) -> Real:
    """Return eˣ − 1, with full relative precision near 0: within 2 ulp."""
    one = type(x)(1)
    rest, first, second = _power(x, type(x)(0))
    return (rest * first + (first - one / second)) * second


@merged
def log1p_exp(x: Real) -> Real:
    """Return log(1 + eˣ), softplus: within 3 ulp."""
    zero, one, half = type(x)(0), type(x)(1), type(x)(0.5)
    e = exp(-abs(x))
    # log(1 + e) = 2 artanh(e / (2 + e)), a series in d = 2e / (2 + e).
    d = e / (one + half * e)
    top = x if x > zero else zero
    return top + _log_of_sum(d, d * d)


@merged
def tanh(x: Real) -> Real:
    """Return the hyperbolic tangent, with full relative precision near 0: within 3 ulp."""
    zero, two = type(x)(0), type(x)(2)
    e = _expm1_below(-two * abs(x), type(x)(-50))
    y = -e / (two + e)
    return -y if x < zero else y


@merged
def sigmoid(x: Real) -> Real:
    """Return 1 / (1 + e⁻ˣ), with full relative precision on both sides: within 3 ulp."""
    zero, one = type(x)(0), type(x)(1)
    e = exp(-abs(x))
    return (e if x < zero else one) / (one + e)


@merged
def _normal(z: Real) -> Any:
    """Return p, a, b, g for z ≥ 0 with exp(−z²/2) = p a b, a and b powers of two, and Φ(−z) = g p a b."""
    half = type(z)(0.5)
    # The square of z rounds, and exp would make of that a relative error of z²/2 ulp. `high` has an exact square.
    g, high = _tail(z, type(z)(4))
    rest, first, second = _power(-half * high * high, -half * ((z - high) * (z + high)))
    return type(z)(1) + rest, first, second, g


@merged
def erf(x: Real) -> Real:
    """Return the error function, with full relative precision near 0: within 3 ulp."""
    zero, one, two, half, far = type(x)(0), type(x)(1), type(x)(2), type(x)(0.5), type(x)(FAR)
    size = abs(x)
    z = size * type(x)(math.sqrt(2))
    p, first, second, g = _normal(far if z > far else z)
    away = one - two * (p * g * first * second)
    away = -away if x < zero else away
    near = _erf_near_zero(x, x * x)
    return near if size < half else away


@merged
def normal_cdf(x: Real) -> Real:
    """Return Φ(x), the distribution function of the standard normal distribution: within 6 ulp.

    The precision is relative on both sides.
    """
    zero, one, far = type(x)(0), type(x)(1), type(x)(FAR)
    z = abs(x)
    p, first, second, g = _normal(far if z > far else z)
    below = p * g * first * second
    return one - below if x > zero else below


@merged
def gelu(x: Real) -> Real:
    """Return x Φ(x), with full relative precision on both sides: within 6 ulp. At −∞ it is 0, the limit."""
    zero, far = type(x)(0), type(x)(FAR)
    z = abs(x)
    z = far if z > far else z
    p, first, second, g = _normal(z)
    top = x if x > zero else zero
    return top - p * g * z * first * second


@merged
def gelu_slope(x: Real) -> Real:
    """Return Φ(x) + x φ(x), the derivative of `gelu`: within 2 ulp of 1.

    The error is absolute: the slope is 0 at −0.7518.
    """
    zero, one, far = type(x)(0), type(x)(1), type(x)(FAR)
    z = abs(x)
    z = far if z > far else z
    p, first, second, g = _normal(z)
    below = p * (g - z * type(x)(1 / math.sqrt(2 * math.pi))) * first * second
    return one - below if x > zero else below


@merged
def _gelu_inner(z: Real) -> Real:
    """Return 2 √(2/π) (z + 0.044715 z³): `gelu_tanh` is x times the sigmoid of this."""
    return type(z)(GELU_INNER) * (z + type(z)(CUBIC) * (z * z * z))


@merged
def gelu_tanh(x: Real) -> Real:
    """Return x (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2: within 4 ulp for x > −1, and within 4 (1 + |x|³) ulp below.

    At −∞ it is 0, the limit.
    """
    zero, one, far = type(x)(0), type(x)(1), type(x)(FAR)
    z = abs(x)
    z = far if z > far else z
    rest, first, second = _power(-_gelu_inner(z), zero)
    p = one + rest
    total = one + p * first * second
    return x / total if x > zero else -z * p / total * first * second


@merged
def gelu_tanh_slope(x: Real) -> Real:
    """Return the derivative of `gelu_tanh`: within 2 ulp of 1. The error is absolute, as the slope has a root."""
    zero, one, far = type(x)(0), type(x)(1), type(x)(FAR)
    z = abs(x)
    z = far if z > far else z
    e = exp(-_gelu_inner(z))
    inner_slope = type(x)(GELU_INNER) * (one + type(x)(3 * CUBIC) * (z * z))
    share = e / (one + e)
    # The slope at −z; that at z is 1 less this.
    below = share - z * inner_slope * share / (one + e)
    return one - below if x > zero else below


@merged
def silu(x: Real) -> Real:
    """Return x σ(x), with full relative precision on both sides: within 3 ulp. At −∞ it is 0, the limit."""
    zero, one, far = type(x)(0), type(x)(1), type(x)(1000)
    z = abs(x)
    z = far if z > far else z
    rest, first, second = _power(-z, zero)
    p = one + rest
    total = one + p * first * second
    return x / total if x > zero else -z * p / total * first * second


@merged
def silu_slope(x: Real) -> Real:
    """Return σ(x) (1 + x (1 − σ(x))), the derivative of `silu`: within 2 ulp of 1.

    The error is absolute: the slope is 0 at −1.2785.
    """
    zero, one, far = type(x)(0), type(x)(1), type(x)(1000)
    z = abs(x)
    z = far if z > far else z
    e = exp(-z)
    share = e / (one + e)
    below = share - z * share / (one + e)
    return one - below if x > zero else below
