r"""A bias and an activation function on a product [R, n], in place, and their backward pass.

Forward, $y_{ij} = f(z_{ij} + b_j)$: an array that holds z comes to hold y. Backward,
$\bar z_{ij} = \bar y_{ij} f'$ and $\bar b_j = \sum_i \bar z_{ij}$: an array that holds $\bar y$ comes to hold $\bar z$,
and the sums of its columns are formed in the same pass.

The slope of relu, tanh and sigmoid follows from y. That of gelu, gelu_tanh and silu does not: their `KEEPING` kernel
writes it beside y, from the same exponential, and the backward pass is a product. Every array is of one dtype, float32
or float64, in C order; nothing checks this.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from . import functions as f
from .jit import kernel

Array = Any
Kernel = Callable[..., None]


# Forward


@kernel
def bias_identity(y: Array, bias: Array) -> None:
    """Set y ← y + bias."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] += bias[j]


@kernel
def bias_relu(y: Array, bias: Array) -> None:
    """Set y ← max(y + bias, 0); NaN stays NaN."""
    zero = y.dtype.type(0)
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z = y[i, j] + bias[j]
            y[i, j] = zero if z < zero else z


@kernel
def bias_tanh(y: Array, bias: Array) -> None:
    """Set y ← tanh(y + bias)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = f.tanh(y[i, j] + bias[j])


@kernel
def bias_sigmoid(y: Array, bias: Array) -> None:
    """Set y ← σ(y + bias)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = f.sigmoid(y[i, j] + bias[j])


@kernel
def bias_gelu(y: Array, bias: Array) -> None:
    """Set y ← gelu(y + bias)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = f.gelu(y[i, j] + bias[j])


@kernel
def bias_gelu_tanh(y: Array, bias: Array) -> None:
    """Set y ← gelu_tanh(y + bias)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = f.gelu_tanh(y[i, j] + bias[j])


@kernel
def bias_silu(y: Array, bias: Array) -> None:
    """Set y ← silu(y + bias)."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            y[i, j] = f.silu(y[i, j] + bias[j])


@kernel
def keeping_gelu(y: Array, bias: Array, slope: Array) -> None:
    """Set y ← gelu(y + bias), and `slope` to the derivative there."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z = y[i, j] + bias[j]
            y[i, j] = f.gelu(z)
            slope[i, j] = f.gelu_slope(z)


@kernel
def keeping_gelu_tanh(y: Array, bias: Array, slope: Array) -> None:
    """Set y ← gelu_tanh(y + bias), and `slope` to the derivative there."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z = y[i, j] + bias[j]
            y[i, j] = f.gelu_tanh(z)
            slope[i, j] = f.gelu_tanh_slope(z)


@kernel
def keeping_silu(y: Array, bias: Array, slope: Array) -> None:
    """Set y ← silu(y + bias), and `slope` to the derivative there."""
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z = y[i, j] + bias[j]
            y[i, j] = f.silu(z)
            slope[i, j] = f.silu_slope(z)


# Backward. The bias gradient is added up row by row, as NumPy does along the first axis.


@kernel
def identity_backward(y_bar: Array, bias_bar: Array) -> None:
    """Set `bias_bar` to the sums of the columns."""
    bias_bar[:] = 0
    for i in range(y_bar.shape[0]):
        for j in range(y_bar.shape[1]):
            bias_bar[j] += y_bar[i, j]


@kernel
def relu_backward(y_bar: Array, y: Array, bias_bar: Array) -> None:
    """Set y_bar ← y_bar where y > 0, else 0, whatever y_bar is there; `bias_bar` to its columns' sums."""
    zero = y.dtype.type(0)
    bias_bar[:] = 0
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z_bar = y_bar[i, j] if y[i, j] > zero else zero
            y_bar[i, j] = z_bar
            bias_bar[j] += z_bar


@kernel
def tanh_backward(y_bar: Array, y: Array, bias_bar: Array) -> None:
    """Set y_bar ← y_bar (1 − y²), and `bias_bar` to its columns' sums."""
    one = y.dtype.type(1)
    bias_bar[:] = 0
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z_bar = y_bar[i, j] * (one - y[i, j] * y[i, j])
            y_bar[i, j] = z_bar
            bias_bar[j] += z_bar


@kernel
def sigmoid_backward(y_bar: Array, y: Array, bias_bar: Array) -> None:
    """Set y_bar ← y_bar y (1 − y), and `bias_bar` to its columns' sums."""
    one = y.dtype.type(1)
    bias_bar[:] = 0
    for i in range(y.shape[0]):
        for j in range(y.shape[1]):
            z_bar = y_bar[i, j] * (y[i, j] * (one - y[i, j]))
            y_bar[i, j] = z_bar
            bias_bar[j] += z_bar


@kernel
def kept_backward(y_bar: Array, slope: Array, bias_bar: Array) -> None:
    """Set y_bar ← y_bar · slope, and `bias_bar` to its columns' sums."""
    bias_bar[:] = 0
    for i in range(slope.shape[0]):
        for j in range(slope.shape[1]):
            z_bar = y_bar[i, j] * slope[i, j]
            y_bar[i, j] = z_bar
            bias_bar[j] += z_bar


FORWARD: Mapping[str, Kernel] = MappingProxyType(
    {
        "identity": bias_identity,
        "relu": bias_relu,
        "tanh": bias_tanh,
        "sigmoid": bias_sigmoid,
        "gelu": bias_gelu,
        "gelu_tanh": bias_gelu_tanh,
        "silu": bias_silu,
    }
)
"""`(y, bias)`, by the name of the activation."""
KEEPING: Mapping[str, Kernel] = MappingProxyType(
    {"gelu": keeping_gelu, "gelu_tanh": keeping_gelu_tanh, "silu": keeping_silu}
)
"""`(y, bias, slope)`, for the activations whose slope does not follow from y."""
BACKWARD: Mapping[str, Kernel] = MappingProxyType(
    {
        "identity": identity_backward,
        "relu": relu_backward,
        "tanh": tanh_backward,
        "sigmoid": sigmoid_backward,
        "gelu": kept_backward,
        "gelu_tanh": kept_backward,
        "silu": kept_backward,
    }
)
"""`(y_bar, y, bias_bar)`, or `slope` for y where there is a `KEEPING` kernel; identity takes `(y_bar, bias_bar)`."""


# The references


def normal_cdf_reference(z: Array) -> Array:
    """Return Φ(z)."""
    return np.vectorize(lambda x: 0.5 * math.erfc(-x / math.sqrt(2)), otypes=[z.dtype])(z)


def _sigmoid(z: Array) -> Array:
    return np.exp(np.minimum(z, 0)) / (1 + np.exp(-np.abs(z)))


def _gelu_inner(z: Array) -> Array:
    return 2 * math.sqrt(2 / math.pi) * (z + f.CUBIC * (z * z * z))


def _gelu_tanh_slope(z: Array) -> Array:
    u = _gelu_inner(z)
    return _sigmoid(u) + z * _sigmoid(u) * _sigmoid(-u) * (2 * math.sqrt(2 / math.pi) * (1 + 3 * f.CUBIC * (z * z)))


def _silu_slope(z: Array) -> Array:
    return _sigmoid(z) + z * _sigmoid(z) * _sigmoid(-z)


VALUES: Mapping[str, Callable[[Array], Array]] = {
    "identity": lambda z: z,
    "relu": lambda z: np.maximum(z, 0),
    "tanh": np.tanh,
    "sigmoid": _sigmoid,
    "gelu": lambda z: z * normal_cdf_reference(z),
    "gelu_tanh": lambda z: z * _sigmoid(_gelu_inner(z)),
    "silu": lambda z: z * _sigmoid(z),
}
SLOPES: Mapping[str, Callable[[Array], Array]] = {
    "gelu": lambda z: normal_cdf_reference(z) + z * np.exp(-0.5 * (z * z)) * (1 / math.sqrt(2 * math.pi)),
    "gelu_tanh": _gelu_tanh_slope,
    "silu": _silu_slope,
}
SLOPES_OF_VALUE: Mapping[str, Callable[[Array], Array]] = {
    "identity": np.ones_like,
    "relu": lambda y: y > 0,
    "tanh": lambda y: 1 - y * y,
    "sigmoid": lambda y: y * (1 - y),
}


def forward_reference(name: str, y: Array, bias: Array) -> tuple[Array, Array]:
    """Return what `FORWARD` and `KEEPING` write: the activation of y + bias, and what the backward pass takes."""
    z = y + bias
    value = VALUES[name](z)
    return value, SLOPES[name](z) if name in SLOPES else value


def backward_reference(name: str, y_bar: Array, kept: Array) -> tuple[Array, Array]:
    """Return what `BACKWARD` writes: the product with the slope, and the sums of its columns."""
    z_bar = y_bar * (kept if name in SLOPES else SLOPES_OF_VALUE[name](kept))
    return z_bar, z_bar.sum(axis=0)
