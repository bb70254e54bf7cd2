"""Elementwise functions: PyTorch's names and promotion, NumPy's and the engine's operations."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule import special
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import is_captured
from chainrule.nn import functional
from chainrule.rules.elementary.compare import stop_gradient

from .dtypes import cast, floating, numpy_dtype, promoted, result_numpy
from .face import faced
from .values import is_mapped

Face = Callable[..., Any]


def _named(function: Any, name: str, text: str) -> Face:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = text
    made: Face = faced(function)
    return made


def _of_floats(name: str, operation: Face) -> Face:
    """Return an elementwise function that computes integers in the default floating dtype."""

    def function(input: Any) -> Any:
        return operation(floating(input))

    return _named(function, name, f"Return {name} of each element.")


def _of_any(name: str, operation: Face) -> Face:
    def function(input: Any) -> Any:
        return operation(input)

    return _named(function, name, f"Return {name} of each element.")


def _rounding(name: str, operation: Face) -> Face:
    """Return a rounding function, which leaves integers as they are."""

    def function(input: Any) -> Any:
        return operation(input) if input.dtype.kind == "f" else input.copy()

    return _named(function, name, f"Return {name} of each element; its gradient is zero.")


def _of_two(name: str, operation: Face) -> Face:
    def function(input: Any, other: Any) -> Any:
        return operation(*pair(input, other))

    return _named(function, name, f"Return {name} of the elements of two tensors.")


def _of_two_floats(name: str, operation: Face) -> Face:
    def function(input: Any, other: Any) -> Any:
        a, b = pair(input, other)
        return operation(a, b) if _kind(a, b) in "fc" else operation(floating(a), floating(b))

    return _named(function, name, f"Return {name} of the elements of two tensors.")


def _kind(a: Any, b: Any) -> str:
    return str(result_numpy(a, b).kind)


def pair(a: Any, b: Any) -> list[Any]:
    """Return two operands in the dtype that PyTorch promotes them to; Python numbers stay where NumPy agrees."""
    for x, y in ((a, b), (b, a)):
        if hasattr(x, "dtype") and (
            (y.__class__ in (int, float) and x.dtype.kind == "f") or (y.__class__ is int and x.dtype.kind == "i")
        ):
            return [a, b]
    return promoted(a, b)


def scaled(x: Any, factor: Any) -> Any:
    """Return a multiple; a factor of 1 costs nothing."""
    return x if type(factor) in (int, float) and factor == 1 else x * factor


exp, exp2, expm1 = _of_floats("exp", np.exp), _of_floats("exp2", np.exp2), _of_floats("expm1", np.expm1)
log, log2, log10 = _of_floats("log", np.log), _of_floats("log2", np.log2), _of_floats("log10", np.log10)
log1p, sqrt = _of_floats("log1p", np.log1p), _of_floats("sqrt", np.sqrt)
sin, cos, tan = _of_floats("sin", np.sin), _of_floats("cos", np.cos), _of_floats("tan", np.tan)
asin, acos, atan = _of_floats("asin", np.arcsin), _of_floats("acos", np.arccos), _of_floats("atan", np.arctan)
sinh, cosh, tanh = _of_floats("sinh", np.sinh), _of_floats("cosh", np.cosh), _of_floats("tanh", np.tanh)
asinh, acosh = _of_floats("asinh", np.arcsinh), _of_floats("acosh", np.arccosh)
atanh, sinc = _of_floats("atanh", np.arctanh), _of_floats("sinc", np.sinc)
sigmoid, reciprocal = _of_floats("sigmoid", functional.sigmoid), _of_floats("reciprocal", np.reciprocal)
rsqrt = _of_floats("rsqrt", lambda x: 1 / np.sqrt(x))
deg2rad, rad2deg = _of_floats("deg2rad", np.deg2rad), _of_floats("rad2deg", np.rad2deg)
erf, erfc, erfinv = (
    _of_floats("erf", special.erf),
    _of_floats("erfc", special.erfc),
    _of_floats("erfinv", special.erfinv),
)
lgamma, digamma = _of_floats("lgamma", special.gammaln), _of_floats("digamma", special.digamma)
i0 = _of_floats("i0", special.i0)
floor, ceil = _rounding("floor", np.floor), _rounding("ceil", np.ceil)
trunc = _rounding("trunc", np.trunc)
neg, positive = _of_any("neg", np.negative), _of_any("positive", np.positive)
square = _of_any("square", lambda x: x * x if x.dtype.kind != "b" else x.astype(np.int64))
sign, sgn = (_of_any(name, lambda x: np.sign(x) if x.dtype.kind != "b" else x.copy()) for name in ("sign", "sgn"))
signbit = _of_any("signbit", np.signbit)
isnan, isinf, isfinite = _of_any("isnan", np.isnan), _of_any("isinf", np.isinf), _of_any("isfinite", np.isfinite)
isposinf = _of_any("isposinf", lambda x: np.equal(x, np.inf))
isneginf = _of_any("isneginf", lambda x: np.equal(x, -np.inf))
isreal = _of_any("isreal", lambda x: np.ones(np.shape(x), bool) if x.dtype.kind != "c" else np.equal(np.imag(x), 0))
logical_not = _of_any("logical_not", np.logical_not)
frac = _of_floats("frac", lambda x: x - np.trunc(x))
arcsin, arccos, arctan, arcsinh, arccosh, arctanh = asin, acos, atan, asinh, acosh, atanh
negative, fix = neg, trunc


def _plain(x: Any) -> Any:
    return np.asarray(value_of(x)) if isinstance(x, Engine) and not is_captured(x) else x


mul, multiply = (_of_two("mul", np.multiply),) * 2
maximum, minimum = _of_two("maximum", np.maximum), _of_two("minimum", np.minimum)
fmax, fmin = _of_two("fmax", np.fmax), _of_two("fmin", np.fmin)
remainder = _of_two("remainder", np.remainder)
fmod = _of_two("fmod", np.fmod)
floor_divide = _of_two("floor_divide", np.floor_divide)
eq, ne = _of_two("eq", np.equal), _of_two("ne", np.not_equal)
lt, le = _of_two("lt", np.less), _of_two("le", np.less_equal)
gt, ge = _of_two("gt", np.greater), _of_two("ge", np.greater_equal)
less, less_equal, greater, greater_equal, not_equal = lt, le, gt, ge, ne
logical_and, logical_or = _of_two("logical_and", np.logical_and), _of_two("logical_or", np.logical_or)
logical_xor = _of_two("logical_xor", np.logical_xor)
atan2, arctan2 = (_of_two_floats("atan2", np.arctan2),) * 2
hypot = _of_two("hypot", np.hypot)
logaddexp, logaddexp2 = _of_two("logaddexp", np.logaddexp), _of_two("logaddexp2", np.logaddexp2)
copysign = _of_two_floats("copysign", np.copysign)
nextafter = _of_two("nextafter", lambda a, b: a + (np.nextafter(_plain(a), _plain(b)) - _plain(a)))
heaviside = _of_two("heaviside", lambda a, b: cast(np.heaviside(a, b), result_numpy(a, b)))
gcd, lcm = _of_two("gcd", np.gcd), _of_two("lcm", np.lcm)
xlogy = _of_two_floats("xlogy", special.xlogy)
bitwise_and = _of_two("bitwise_and", lambda a, b: np.bitwise_and(_plain(a), _plain(b)))
bitwise_or = _of_two("bitwise_or", lambda a, b: np.bitwise_or(_plain(a), _plain(b)))
bitwise_xor = _of_two("bitwise_xor", lambda a, b: np.bitwise_xor(_plain(a), _plain(b)))
bitwise_left_shift = _of_two("bitwise_left_shift", lambda a, b: np.left_shift(_plain(a), _plain(b)))
bitwise_right_shift = _of_two("bitwise_right_shift", lambda a, b: np.right_shift(_plain(a), _plain(b)))
bitwise_not = _of_any("bitwise_not", lambda x: np.invert(_plain(x)))


@faced
def abs(input: Any) -> Any:
    """Return the absolute value of each element."""
    return np.absolute(input)


absolute = abs


@faced
def add(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return `input + alpha * other`."""
    a, b = pair(input, other)
    return np.add(a, scaled(b, alpha))


@faced
def sub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return `input - alpha * other`."""
    a, b = pair(input, other)
    if _kind(a, b) == "b":
        raise RuntimeError("Subtraction, the `-` operator, with two bool tensors is not supported. Use ^ instead.")
    return np.subtract(a, scaled(b, alpha))


subtract = sub


@faced
def rsub(input: Any, other: Any, *, alpha: Any = 1) -> Any:
    """Return `other - alpha * input`."""
    a, b = pair(input, other)
    return np.subtract(b, scaled(a, alpha))


@faced
def div(input: Any, other: Any, *, rounding_mode: str | None = None) -> Any:
    """Return a quotient, rounded towards zero with `rounding_mode="trunc"`, down with "floor"."""
    a, b = pair(input, other)
    if rounding_mode == "floor":
        return np.floor_divide(a, b)
    if _kind(a, b) not in "fc":
        quotient = np.divide(floating(a), floating(b))
        return cast(np.trunc(quotient), result_numpy(a, b)) if rounding_mode == "trunc" else quotient
    if rounding_mode not in (None, "trunc"):
        raise RuntimeError(
            f"div expected rounding_mode to be one of None, 'trunc', or 'floor' but found {rounding_mode!r}"
        )
    return np.divide(a, b) if rounding_mode is None else np.trunc(np.divide(a, b))


divide = div


@faced
def true_divide(input: Any, other: Any) -> Any:
    """Return a quotient."""
    a, b = pair(input, other)
    return np.divide(a, b) if _kind(a, b) in "fc" else np.divide(floating(a), floating(b))


@faced
def pow(input: Any, exponent: Any) -> Any:
    """Return each element raised to a power."""
    a, b = pair(input, exponent)
    if _kind(a, b) in "iub" and hasattr(b, "shape"):
        return _whole_power(*promoted(a, b))
    if _kind(a, b) in "iu" and b < 0:
        raise RuntimeError("Integers to negative integer powers are not allowed.")
    return np.power(a, b)


def _whole_power(a: Any, b: Any) -> Any:
    """Return a power of integers, whose fractions are cut off: of 1 and -1 nothing is, of other numbers all."""
    if a.dtype.kind == "b":
        return np.logical_or(a, np.logical_not(b))
    inverse = np.where(np.absolute(a) == 1, np.power(a, np.absolute(b)), np.zeros((), a.dtype))
    return np.where(b < 0, inverse, np.power(a, np.maximum(b, 0)))


@faced
def float_power(input: Any, exponent: Any) -> Any:
    """Return each element raised to a power, in float64."""
    return np.power(cast(input, np.float64), cast(exponent, np.float64))


@faced
def round(input: Any, *, decimals: int = 0) -> Any:
    """Return each element rounded to the nearest integer, or to a number of decimals."""
    return np.round(input, decimals) if input.dtype.kind == "f" else input.copy()


@faced
def clamp(input: Any, min: Any = None, max: Any = None) -> Any:
    """Return each element limited to `[min, max]`; within the limits the gradient is 1."""
    if min is None and max is None:
        raise RuntimeError("torch.clamp: At least one of 'min' or 'max' must not be None")
    numpy = result_numpy(*(x for x in (input, min, max) if x is not None))
    x = cast(input, numpy)
    if hasattr(min, "shape") or hasattr(max, "shape"):
        x = x if min is None else _limited(x, cast(min, numpy), np.less)
        return x if max is None else _limited(x, cast(max, numpy), np.greater)
    if min is not None and max is not None and min > max:
        return np.zeros_like(x) + cast(max, numpy) if not isinstance(x, Engine) else x * 0 + max
    return np.clip(x, min, max)


def _limited(x: Any, limit: Any, beyond: Any) -> Any:
    """Return x, or the limit where x is beyond it; at the limit the gradient is that of x."""
    return np.where(np.logical_and(beyond(x, limit), np.logical_not(np.isnan(x))), limit, x)


clip = clamp


@faced
def clamp_min(input: Any, min: Any) -> Any:
    """Return each element, at least `min`."""
    a, b = pair(input, min)
    return _limited(a, b, np.less)


@faced
def clamp_max(input: Any, max: Any) -> Any:
    """Return each element, at most `max`."""
    a, b = pair(input, max)
    return _limited(a, b, np.greater)


@faced
def where(condition: Any, input: Any = None, other: Any = None) -> Any:
    """Return `input` where the condition holds and `other` elsewhere; without them the indices of true elements."""
    if input is None:
        return tuple(np.nonzero(condition))
    if condition.dtype.kind not in "b" and condition.dtype != np.uint8:
        raise RuntimeError(f"where: expected a condition of booleans, got {condition.dtype}; compare, or use .bool()")
    a, b = promoted(input, other)
    return np.where(cast(condition, bool), a, b)


@faced
def lerp(input: Any, end: Any, weight: Any) -> Any:
    """Return `input + weight * (end - input)`."""
    if hasattr(weight, "shape"):
        start, end, weight = promoted(input, end, weight)
        return start + weight * (end - start)
    return input + weight * (end - input)


@faced
def addcmul(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return `input + value * tensor1 * tensor2`."""
    a, b, c = promoted(input, tensor1, tensor2)
    return a + scaled(b * c, value)


@faced
def addcdiv(input: Any, tensor1: Any, tensor2: Any, *, value: Any = 1) -> Any:
    """Return `input + value * tensor1 / tensor2`."""
    a, b, c = promoted(input, tensor1, tensor2)
    return a + scaled(b / c, value)


@faced
def nan_to_num(input: Any, nan: float | None = None, posinf: float | None = None, neginf: float | None = None) -> Any:
    """Return NaN and infinities replaced by numbers."""
    if input.dtype.kind != "f":
        return input.copy()
    return np.nan_to_num(input, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


@faced
def logit(input: Any, eps: float | None = None) -> Any:
    """Return log(x / (1 - x)), with x limited to `[eps, 1 - eps]`."""
    x = floating(input)
    return special.logit(x if eps is None else np.clip(x, eps, 1 - eps))


@faced
def isclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return where two tensors are nearly equal."""
    if not (is_mapped(input) or is_mapped(other)):
        input, other = _plain(input), _plain(other)
    return np.isclose(input, other, rtol=rtol, atol=atol, equal_nan=equal_nan)


@faced
def allclose(input: Any, other: Any, rtol: float = 1e-5, atol: float = 1e-8, equal_nan: bool = False) -> Any:
    """Return whether two tensors are nearly equal."""
    return bool(np.all(np.isclose(_plain(input), _plain(other), rtol=rtol, atol=atol, equal_nan=equal_nan)))


@faced
def equal(input: Any, other: Any) -> Any:
    """Return whether two tensors have the same shape and the same elements."""
    return bool(np.array_equal(_plain(input), _plain(other)))


@faced
def polygamma(n: int, input: Any) -> Any:
    """Return the n-th derivative of digamma."""
    return special.polygamma(n, floating(input))


@faced
def mvlgamma(input: Any, p: int) -> Any:
    """Return the logarithm of the multivariate gamma function of dimension p."""
    x = floating(input)
    total = p * (p - 1) / 4 * math.log(math.pi)
    for j in range(p):
        total = total + special.gammaln(x - j / 2)
    return total


@faced
def ldexp(input: Any, other: Any) -> Any:
    """Return `input * 2**other`."""
    a, b = promoted(floating(input), other)
    return a * np.power(cast(2.0, a.dtype), b)


@faced
def frexp(input: Any) -> Any:
    """Return mantissa and exponent of each element."""
    mantissa, exponent = np.frexp(_plain(input))
    if not isinstance(input, Engine):
        return mantissa, exponent
    return input * np.power(cast(2.0, input.dtype), cast(-exponent, input.dtype)), exponent


@faced
def real(input: Any) -> Any:
    """Return the real part."""
    return np.real(input) if input.dtype.kind == "c" else input


@faced
def angle(input: Any) -> Any:
    """Return the angle in the complex plane: 0 or π for real numbers."""
    if input.dtype.kind == "c":
        return np.angle(input)
    x = floating(input)
    plain = _plain(x)
    return np.where(np.isnan(plain), x, stop_gradient(np.where(plain < 0, math.pi, 0.0).astype(x.dtype)))


@faced
def conj(input: Any) -> Any:
    """Return the complex conjugate."""
    return np.conjugate(input) if input.dtype.kind == "c" else input


def resolve_conj(input: Any) -> Any:
    """Return the tensor: conjugates and negatives are computed at once here."""
    return input


resolve_neg = resolve_conj


@faced
def conj_physical(input: Any) -> Any:
    """Return the complex conjugate, computed."""
    return np.conjugate(input) if input.dtype.kind == "c" else input.copy()


@faced
def isin(elements: Any, test_elements: Any, *, assume_unique: bool = False, invert: bool = False) -> Any:
    """Return which elements occur in another tensor."""
    return np.isin(_plain(elements), _plain(test_elements), assume_unique=assume_unique, invert=invert)


@faced
def softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """Return exp(x) divided by its sum along an axis."""
    x = cast(input, numpy_dtype(dtype))
    return functional.softmax(x, dim) if x.ndim else x * 0 + 1


@faced
def log_softmax(input: Any, dim: int, dtype: Any = None) -> Any:
    """Return the logarithm of softmax along an axis."""
    x = cast(input, numpy_dtype(dtype))
    return functional.log_softmax(x, dim) if x.ndim else x * 0


@faced
def relu(input: Any) -> Any:
    """Return max(x, 0)."""
    return functional.relu(input) if input.dtype.kind == "f" else np.maximum(input, 0)
