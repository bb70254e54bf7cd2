"""ONNX's elementwise operators, in terms of chainrule's."""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.interop.onnx.call import Call, reads
from chainrule.nn import functional
from chainrule.rules.arrays.shape import reshape
from chainrule.rules.elementary.error_function import erf

ELEMENT_TYPES = {
    **{1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64", 9: "bool"},
    **{10: "float16", 11: "float64", 12: "uint32", 13: "uint64"},
}
"""ONNX's codes of the dtypes that NumPy has."""

ONE: dict[str, Callable[..., Any]] = {
    **{"Abs": np.abs, "Neg": np.negative, "Exp": np.exp, "Log": np.log, "Sqrt": np.sqrt, "Reciprocal": np.reciprocal},
    **{"Sin": np.sin, "Cos": np.cos, "Tan": np.tan, "Asin": np.arcsin, "Acos": np.arccos, "Atan": np.arctan},
    **{"Sinh": np.sinh, "Cosh": np.cosh, "Tanh": np.tanh, "Asinh": np.arcsinh, "Acosh": np.arccosh},
    **{"Atanh": np.arctanh, "Erf": erf, "Sign": np.sign, "Floor": np.floor, "Ceil": np.ceil, "Round": np.round},
    **{"IsNaN": np.isnan, "Not": np.logical_not, "Relu": functional.relu, "Sigmoid": functional.sigmoid},
    **{"Softplus": functional.softplus, "Softsign": functional.softsign, "HardSwish": functional.hardswish},
    **{"Mish": functional.mish},
}
TWO: dict[str, Callable[..., Any]] = {
    **{"Add": np.add, "Sub": np.subtract, "Mul": np.multiply, "Equal": np.equal, "Less": np.less},
    **{"LessOrEqual": np.less_equal, "Greater": np.greater, "GreaterOrEqual": np.greater_equal},
    **{"And": np.logical_and, "Or": np.logical_or, "Xor": np.logical_xor},
}


def _of_one(function: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, x: Any) -> Any:  # noqa: ARG001
        return function(x)

    return carry_out


def _of_two(function: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, a: Any, b: Any) -> Any:  # noqa: ARG001
        return function(a, b)

    return carry_out


for _name, _function in ONE.items():
    reads(_name)(_of_one(_function))
for _name, _function in TWO.items():
    reads(_name)(_of_two(_function))


@reads("Identity")
def identity(call: Call, x: Any) -> Any:  # noqa: ARG001
    """Return x."""
    return x


def dtype_of(x: Any) -> Any:
    """Return the dtype of an array or tensor."""
    return x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype


@reads("Div")
def div(call: Call, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return a quotient; integers are rounded towards zero."""
    if dtype_of(a).kind == "f":
        return a / b
    a, b = np.asarray(value_of(a)), np.asarray(value_of(b))
    return (np.sign(a) * np.sign(b) * (np.abs(a) // np.abs(b))).astype(a.dtype)


@reads("Mod", attributes="fmod")
def mod(call: Call, a: Any, b: Any) -> Any:
    """Return the remainder of a division."""
    return np.fmod(a, b) if call.get("fmod", 0) else np.mod(a, b)


@reads("Pow")
def power(call: Call, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Return a power in the dtype of its base; a plain number as exponent keeps derivatives exact at 0."""
    b = value_of(b) if not getattr(b, "requires_grad", False) else b
    if type(b) is np.ndarray and b.ndim == 0:  # a traced exponent keeps its gradient
        b = float(b) if dtype_of(a).kind == "f" else int(b)
    y = a**b
    return y if dtype_of(y) == dtype_of(a) else y.astype(dtype_of(a))


@reads("Max", "Min", "Sum", "Mean")
def of_many(call: Call, *xs: Any) -> Any:
    """Return the largest, the smallest, the sum or the mean of several arrays, element by element."""
    function = {"Max": np.maximum, "Min": np.minimum}.get(call.kind, np.add)
    y = functools.reduce(function, xs)
    return y / len(xs) if call.kind == "Mean" else y


@reads("IsInf", attributes="detect_negative detect_positive")
def isinf(call: Call, x: Any) -> Any:
    """Return where x is infinite."""
    below, above = bool(call.get("detect_negative", 1)), bool(call.get("detect_positive", 1))
    if below and above:
        return np.isinf(x)
    return np.logical_and(np.isinf(x), x > 0 if above else np.logical_and(x < 0, below))


@reads("Where")
def where(call: Call, condition: Any, a: Any, b: Any) -> Any:  # noqa: ARG001
    """Choose elementwise between two."""
    return np.where(condition, a, b)


@reads("Clip", attributes="min max")
def clip(call: Call, x: Any, low: Any = None, high: Any = None) -> Any:
    """Return x within bounds."""
    low = call.get("min") if low is None else low
    high = call.get("max") if high is None else high
    dtype = dtype_of(x)
    low, high = (b if b is None or isinstance(b, Tensor) else np.asarray(b, dtype) for b in (low, high))
    return x if low is None and high is None else np.clip(x, low, high)


@reads("Cast", attributes="to saturate round_mode")
def cast(call: Call, x: Any) -> Any:
    """Return x in another dtype."""
    if call.get("to") not in ELEMENT_TYPES:
        call.refuse(f"to: there is no dtype in NumPy for ONNX's element type {call.get('to')}")
    dtype = np.dtype(ELEMENT_TYPES[call.get("to")])
    first = getattr(call.module, "dtype_now", None)
    if first is not None and first[0] == dtype:  # the model was converted with .to(dtype)
        dtype = first[1]
    return x if dtype_of(x) == dtype else x.astype(dtype)


@reads("CastLike", attributes="saturate round_mode")
def cast_like(call: Call, x: Any, like: Any) -> Any:  # noqa: ARG001
    """Return x in the dtype of another array."""
    return x if dtype_of(x) == dtype_of(like) else x.astype(dtype_of(like))


# Activations with settings


@reads("LeakyRelu", attributes="alpha")
def leaky_relu(call: Call, x: Any) -> Any:
    """Return a leaky ReLU."""
    return functional.leaky_relu(x, call.get("alpha", 0.01))


@reads("PRelu")
def prelu(call: Call, x: Any, slope: Any) -> Any:  # noqa: ARG001
    """Return a leaky ReLU whose slope is an input."""
    return np.where(x > 0, x, slope * x)


@reads("ThresholdedRelu", attributes="alpha")
def thresholded_relu(call: Call, x: Any) -> Any:
    """Return x where it is above a number, else 0."""
    return functional.threshold(x, call.get("alpha", 1.0), 0.0)


@reads("Elu", "Celu", attributes="alpha")
def elu(call: Call, x: Any) -> Any:
    """Return an exponential linear unit."""
    return {"Elu": functional.elu, "Celu": functional.celu}[call.kind](x, call.get("alpha", 1.0))


@reads("Selu", attributes="alpha gamma")
def selu(call: Call, x: Any) -> Any:
    """Return a scaled exponential linear unit."""
    return call.get("gamma", 1.0507009873554805) * functional.elu(x, call.get("alpha", 1.6732632423543772))


@reads("HardSigmoid", attributes="alpha beta")
def hard_sigmoid(call: Call, x: Any) -> Any:
    """Return a line from 0 to 1."""
    return np.clip(call.get("alpha", 0.2) * x + call.get("beta", 0.5), 0, 1)


@reads("Gelu", attributes="approximate")
def gelu(call: Call, x: Any) -> Any:
    """Return x Φ(x)."""
    return functional.gelu(x, approximate=call.get("approximate", "none"))


@reads("Swish", attributes="alpha")
def swish(call: Call, x: Any) -> Any:
    """Return x σ(αx)."""
    return x * functional.sigmoid(call.get("alpha", 1.0) * x)


@reads("Shrink", attributes="bias lambd")
def shrink(call: Call, x: Any) -> Any:
    """Return zero between −λ and λ, and x shrunk towards zero elsewhere."""
    bias, limit = call.get("bias", 0.0), call.get("lambd", 0.5)
    return np.where(x < -limit, x + bias, np.where(x > limit, x - bias, x * 0))


@reads("Softmax", "LogSoftmax", attributes="axis")
def softmax(call: Call, x: Any) -> Any:
    """Return softmax or log-softmax; before opset 13, over all axes from `axis` on."""
    function = {"Softmax": functional.softmax, "LogSoftmax": functional.log_softmax}[call.kind]
    if call.opset >= 13:
        return function(x, axis=call.get("axis", -1))
    axis = call.get("axis", 1) % max(1, x.ndim)
    rows = reshape(x, (int(np.prod(x.shape[:axis])), -1))
    return reshape(function(rows, axis=-1), x.shape)


@reads("Dropout", attributes="ratio seed is_test")
def dropout(call: Call, x: Any, ratio: Any = None, training: Any = None) -> Any:  # noqa: ARG001
    """Return x; in training mode with dropout."""
    if len(call.outputs) > 1 and call.outputs[1]:
        call.refuse("the mask is used as an output, and there is none here")
    p = float(call.get("ratio", 0.5) if ratio is None else value_of(ratio))
    return functional.dropout(x, p, call.module.training) if p else x
