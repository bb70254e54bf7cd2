"""ATen's activations and softmax, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from typing import Any

import numpy as np

from chainrule.interop.torch.traced.call import Call, carries, cast, kind_of
from chainrule.nn import functional
from chainrule.rules.arrays.shape import reshape

from .elements import floating

PLAIN = {
    "relu": functional.relu,
    "sigmoid": functional.sigmoid,
    "silu": functional.silu,
    "mish": functional.mish,
    "relu6": functional.relu6,
    "hardsigmoid": functional.hardsigmoid,
    "hardswish": functional.hardswish,
    "selu": functional.selu,
    "log_sigmoid": functional.logsigmoid,
}


def _plain(function: Any) -> Any:
    def carry_out(call: Call, x: Any) -> Any:
        return function(floating(call, x) if call.dtype.kind == "f" else x)

    return carry_out


for _name, _function in PLAIN.items():
    carries(_name)(_plain(_function))


@carries("log_sigmoid_forward")
def log_sigmoid_forward(call: Call, x: Any) -> Any:
    """Return log σ(x), and a placeholder for what only PyTorch's backward pass needs."""
    return functional.logsigmoid(x), None


@carries("gelu")
def gelu(call: Call, x: Any, *, approximate: str = "none") -> Any:
    """Return x Φ(x), or its tanh approximation."""
    return functional.gelu(x, approximate=approximate)


@carries("leaky_relu")
def leaky_relu(call: Call, x: Any, negative_slope: float = 0.01) -> Any:
    """Return the leaky ReLU of x."""
    return functional.leaky_relu(x, negative_slope)


@carries("elu")
def elu(call: Call, x: Any, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> Any:
    """Return s x where x is positive, else s α (exp(i x) − 1)."""
    if input_scale == 1:
        y = functional.elu(x, alpha)
    else:
        y = np.where(x > 0, x, alpha * np.expm1(input_scale * np.minimum(x, 0)))
    return y if scale == 1 else y * scale


@carries("celu")
def celu(call: Call, x: Any, alpha: float = 1.0) -> Any:
    """Return the continuously differentiable exponential linear unit of x."""
    return functional.celu(x, alpha)


@carries("prelu", "_prelu_kernel")
def prelu(call: Call, x: Any, weight: Any) -> Any:
    """Return the leaky ReLU with learned slopes, one for all channels or one per channel."""
    if call.step.kind.startswith("prelu") and weight.size > 1 and x.ndim > 1:
        weight = reshape(weight, (-1, *[1] * (x.ndim - 2)))
    return np.where(x > 0, x, weight * x)


@carries("softplus")
def softplus(call: Call, x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + exp(βx)) / β, and x itself beyond the threshold."""
    y = functional.softplus(x) if beta == 1 else functional.softplus(x * beta) / beta
    return np.where(x * beta > threshold, x, y)


@carries("hardtanh")
def hardtanh(call: Call, x: Any, min_val: float = -1.0, max_val: float = 1.0) -> Any:
    """Return x clamped to bounds."""
    return functional.hardtanh(x, min_val, max_val)


@carries("threshold")
def threshold(call: Call, x: Any, threshold: float, value: float) -> Any:
    """Return x where it exceeds the threshold, else the value."""
    return functional.threshold(x, threshold, value)


@carries("hardshrink")
def hardshrink(call: Call, x: Any, lambd: float = 0.5) -> Any:
    """Return x outside [−λ, λ], else 0."""
    return functional.hardshrink(x, lambd)


@carries("softshrink")
def softshrink(call: Call, x: Any, lambd: float = 0.5) -> Any:
    """Return x shrunk towards 0 by λ, and 0 within [−λ, λ]."""
    return functional.softshrink(x, lambd)


@carries("glu")
def glu(call: Call, x: Any, dim: int = -1) -> Any:
    """Return the first half of x times the sigmoid of the second."""
    return functional.glu(x, axis=dim)


@carries("softmax", "_softmax", "special_softmax", "_safe_softmax")
def softmax(call: Call, x: Any, dim: int, dtype: Any = None) -> Any:
    """Return the softmax of x along an axis."""
    y = functional.softmax(_wide(call, x, dtype), axis=dim)
    if not call.step.kind.startswith("_safe"):
        return y
    return np.where(np.all(np.equal(x, -np.inf), axis=dim, keepdims=True), 0.0, y)


@carries("log_softmax", "_log_softmax", "special_log_softmax")
def log_softmax(call: Call, x: Any, dim: int, dtype: Any = None) -> Any:
    """Return the logarithm of the softmax of x along an axis."""
    return functional.log_softmax(_wide(call, x, dtype), axis=dim)


def _wide(call: Call, x: Any, dtype: Any) -> Any:
    """Return x in the dtype requested for the softmax; `_softmax` passes a half-precision flag there."""
    if dtype is not None and not isinstance(dtype, bool):
        return cast(x, call.now(dtype))
    return x if kind_of(x) == "f" else cast(x, call.dtype)
