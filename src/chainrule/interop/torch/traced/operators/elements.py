"""ATen's elementwise operators, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import plain
from chainrule.interop.torch.traced.call import Call, arrayed, carries, cast, kind_of
from chainrule.rules.elementary.bessel import i0
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.special_functions import digamma, erfinv, gammaln, logit, xlogy

ONE: dict[str, Callable[..., Any]] = {
    **{"abs": np.abs, "neg": np.negative, "exp": np.exp, "exp2": np.exp2, "expm1": np.expm1, "log": np.log},
    **{"log2": np.log2, "log10": np.log10, "log1p": np.log1p, "sqrt": np.sqrt, "square": np.square},
    **{"sin": np.sin, "cos": np.cos, "tan": np.tan, "asin": np.arcsin, "acos": np.arccos, "atan": np.arctan},
    **{"sinh": np.sinh, "cosh": np.cosh, "tanh": np.tanh, "asinh": np.arcsinh, "acosh": np.arccosh},
    **{"atanh": np.arctanh, "erf": erf, "erfc": erfc, "lgamma": gammaln, "digamma": digamma, "erfinv": erfinv},
    **{"special_i0": i0, "sign": np.sign, "sgn": np.sign, "floor": np.floor, "ceil": np.ceil, "trunc": np.trunc},
    **{"isnan": np.isnan, "isinf": np.isinf, "isfinite": np.isfinite, "signbit": np.signbit},
    **{"logical_not": np.logical_not, "positive": np.positive, "reciprocal": np.reciprocal},
    **{"deg2rad": np.deg2rad, "rad2deg": np.rad2deg, "sinc": np.sinc},
}
TWO: dict[str, Callable[..., Any]] = {
    **{"mul": np.multiply, "maximum": np.maximum, "minimum": np.minimum, "fmax": np.fmax, "fmin": np.fmin},
    **{"eq": np.equal, "ne": np.not_equal, "lt": np.less, "le": np.less_equal, "gt": np.greater},
    **{"ge": np.greater_equal, "logical_and": np.logical_and, "logical_or": np.logical_or},
    **{"logical_xor": np.logical_xor, "atan2": np.arctan2, "hypot": np.hypot},
    **{"xlogy": xlogy, "logaddexp": np.logaddexp, "logaddexp2": np.logaddexp2, "heaviside": np.heaviside},
}
FLOATING = frozenset(
    [
        *("exp", "exp2", "expm1", "log", "log2", "log10", "log1p", "sqrt", "sin", "cos", "tan", "asin", "acos", "atan"),
        *("sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf", "erfc", "lgamma", "digamma", "reciprocal", "sinc"),
        *("deg2rad", "rad2deg", "erfinv", "special_i0"),
    ]
)
"""Operators that take integers, and compute in floats."""


def floating(call: Call, x: Any) -> Any:
    """Convert integers and booleans to the dtype of the result, as PyTorch does before computing."""
    return cast(x, call.dtype) if kind_of(x) not in "fc" else x


def _of_one(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, x: Any) -> Any:
        return function(floating(call, x) if name in FLOATING else x)

    return carry_out


def _of_two(function: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, a: Any, b: Any) -> Any:
        return function(a, b)

    return carry_out


for _name, _function in ONE.items():
    carries(_name)(_of_one(_name, _function))
for _name, _function in TWO.items():
    carries(_name)(_of_two(_function))


@carries(
    "alias", "clone", "lift_fresh_copy", "lift_fresh", "contiguous", "lift", "view_as", "resolve_conj", "resolve_neg"
)
def same(call: Call, x: Any, *_: Any, **__: Any) -> Any:
    """Return x."""
    return x


@carries("stop_gradient", "detach")
def stopped(call: Call, x: Any) -> Any:
    """Return x as a constant, as `detach`, `data` and `no_grad` do in PyTorch."""
    return stop_gradient(arrayed(x))


@carries("_to_copy")
def to_copy(call: Call, x: Any, *_: Any, **__: Any) -> Any:
    """Return x in another dtype; device and layout do not apply here."""
    return cast(x, call.dtype)


@carries("prims.convert_element_type")
def convert_element_type(call: Call, x: Any, dtype: Any) -> Any:
    """Return x in another dtype."""
    return cast(x, call.now(dtype))


@carries("copy")
def copy(call: Call, x: Any, source: Any, non_blocking: bool = False) -> Any:
    """Return the source in the shape and dtype of x, which it overwrites."""
    return cast(np.broadcast_to(arrayed(source), x.shape), x.dtype)


@carries("fill")
def fill(call: Call, x: Any, value: Any) -> Any:
    """Return one value in the shape of x."""
    return np.broadcast_to(cast(arrayed(value), call.dtype), x.shape)


# Arithmetic


def _times(alpha: Any, x: Any) -> Any:
    return x if alpha == 1 else x * alpha


@carries("add")
def add(call: Call, a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """Return a + α b."""
    return np.add(a, _times(alpha, b))


@carries("sub")
def sub(call: Call, a: Any, b: Any, *, alpha: Any = 1) -> Any:
    """Return a − α b."""
    return np.subtract(a, _times(alpha, b))


@carries("rsub")
def rsub(call: Call, a: Any, b: Any, alpha: Any = 1) -> Any:
    """Return b − α a."""
    a = cast(a, call.dtype) if kind_of(a) == "b" else a
    return np.subtract(b, _times(alpha, a))


@carries("div", "true_divide", "divide")
def div(call: Call, a: Any, b: Any, *, rounding_mode: str | None = None) -> Any:
    """Return a quotient, rounded down or towards zero if requested."""
    if rounding_mode == "floor":
        return np.floor_divide(a, b)
    if rounding_mode == "trunc":
        if call.dtype.kind == "f":
            return np.trunc(np.divide(a, b))
        return plain(lambda a, b: np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b)), a, b)
    return np.divide(floating(call, arrayed(a)), b if not hasattr(b, "dtype") else floating(call, b))


@carries("floor_divide")
def floor_divide(call: Call, a: Any, b: Any) -> Any:
    """Return a quotient rounded down."""
    return np.floor_divide(a, b)


@carries("remainder")
def remainder(call: Call, a: Any, b: Any) -> Any:
    """Return the remainder of a division, with the sign of the divisor."""
    return np.remainder(a, b)


@carries("fmod")
def fmod(call: Call, a: Any, b: Any) -> Any:
    """Return the remainder of a division, with the sign of the dividend."""
    return np.fmod(a, b)


@carries("pow")
def power(call: Call, a: Any, b: Any) -> Any:
    """Return a power; a plain number as exponent keeps the derivatives at 0 exact."""
    if call.dtype.kind == "f":
        a = floating(call, a) if hasattr(a, "dtype") else a
        b = floating(call, b) if hasattr(b, "dtype") else b
    return a**b


@carries("rsqrt")
def rsqrt(call: Call, x: Any) -> Any:
    """Return 1 / √x."""
    return 1.0 / np.sqrt(floating(call, x))


@carries("round")
def round_(call: Call, x: Any, *, decimals: int = 0) -> Any:
    """Return x rounded to integers or to a number of decimals, ties to even."""
    return np.round(x, decimals)


@carries("copysign")
def copysign(call: Call, a: Any, b: Any) -> Any:
    """Return |a| with the sign of b, which has no gradient."""
    return np.copysign(a, arrayed(b))


@carries("frac")
def frac(call: Call, x: Any) -> Any:
    """Return the fractional part of x."""
    return x - np.trunc(x)


@carries("lerp")
def lerp(call: Call, a: Any, b: Any, weight: Any) -> Any:
    """Return a + w (b − a)."""
    return a + weight * (b - a)


@carries("addcmul")
def addcmul(call: Call, x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    """Return x + v a b."""
    return x + _times(value, a * b)


@carries("addcdiv")
def addcdiv(call: Call, x: Any, a: Any, b: Any, *, value: Any = 1) -> Any:
    """Return x + v a / b."""
    return x + _times(value, a / b)


@carries("logit")
def logits(call: Call, x: Any, eps: float | None = None) -> Any:
    """Return log(x / (1 − x)), with x clamped to [eps, 1 − eps]."""
    return logit(x if eps is None else np.clip(x, eps, 1 - eps))


# Selection


@carries("where")
def where(call: Call, condition: Any, a: Any, b: Any) -> Any:
    """Return a where the condition holds, else b, both in the dtype of the result."""
    return np.where(condition, cast(arrayed(a), call.dtype), cast(arrayed(b), call.dtype))


@carries("masked_fill")
def masked_fill(call: Call, x: Any, mask: Any, value: Any) -> Any:
    """Return x with the value where the mask is true."""
    return np.where(mask, cast(arrayed(value), call.dtype), x)


@carries("clamp", "clip")
def clamp(call: Call, x: Any, min: Any = None, max: Any = None) -> Any:
    """Return x clamped to bounds."""
    x = cast(x, call.dtype)
    low, high = (bound if bound is None else _bound(call, bound) for bound in (min, max))
    return x if low is None and high is None else np.clip(x, low, high)


def _bound(call: Call, bound: Any) -> Any:
    if hasattr(bound, "dtype"):
        return cast(bound, call.dtype)
    if call.dtype.kind == "f" or math.isinf(bound):
        return np.asarray(bound, call.dtype if call.dtype.kind == "f" else None)
    return np.asarray(bound).astype(call.dtype)


@carries("clamp_min")
def clamp_min(call: Call, x: Any, min: Any) -> Any:
    """Return x clamped from below."""
    return clamp(call, x, min)


@carries("clamp_max")
def clamp_max(call: Call, x: Any, max: Any) -> Any:
    """Return x clamped from above."""
    return clamp(call, x, None, max)


@carries("nan_to_num")
def nan_to_num(call: Call, x: Any, nan: Any = None, posinf: Any = None, neginf: Any = None) -> Any:
    """Return x with NaN and the infinities replaced by numbers."""
    return np.nan_to_num(x, nan=0.0 if nan is None else nan, posinf=posinf, neginf=neginf)


# Bits


def _bits(name: str, logical: Callable[..., Any], bitwise: Callable[..., Any]) -> None:
    def carry_out(call: Call, *xs: Any) -> Any:
        if call.dtype.kind == "b":
            return logical(*xs)
        return plain(bitwise, *xs)

    carries(name)(carry_out)


_bits("bitwise_and", np.logical_and, np.bitwise_and)
_bits("bitwise_or", np.logical_or, np.bitwise_or)
_bits("bitwise_xor", np.logical_xor, np.bitwise_xor)
_bits("bitwise_not", np.logical_not, np.invert)
_bits("bitwise_left_shift", np.left_shift, np.left_shift)
_bits("bitwise_right_shift", np.right_shift, np.right_shift)
_bits("__and__", np.logical_and, np.bitwise_and)
_bits("__or__", np.logical_or, np.bitwise_or)
_bits("__xor__", np.logical_xor, np.bitwise_xor)


@carries("_local_scalar_dense", "item")
def item(call: Call, x: Any) -> Any:
    """Refuse to pass a number to Python code, whose path was traced for another value."""
    if hasattr(x, "_trace") and not isinstance(x, np.ndarray):
        call.refuse("a value of the model decides what Python code does; compute with the tensor instead of .item()")
    return value_of(x).item()
