"""Activation functions, dropout and attention, with PyTorch's names and arguments."""

import math
import warnings
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import as_array
from chainrule.nn import functional
from chainrule.nn.dropout import DropoutMask

from ... import elementwise
from ...dtypes import cast, floating
from ...face import Tensor, faced, unwrapped, wrapped
from ...random import rng_of
from ...writing import assign

tanh, sigmoid = elementwise.tanh, elementwise.sigmoid


def _switched(function: Any, text: str) -> Any:
    """Return an activation of one tensor that also takes `inplace`."""

    def activation(input: Any, inplace: bool = False) -> Any:
        found = function(input)
        if inplace:
            assign(input, activation.__name__, unwrapped(found))
            return input
        return found

    activation.__name__ = activation.__qualname__ = function.__name__
    activation.__doc__ = text
    return activation


@faced
def _relu(input: Any) -> Any:
    return functional.relu(input) if input.dtype.kind == "f" else np.maximum(input, 0)


@faced
def _relu6(input: Any) -> Any:
    return functional.relu6(input) if input.dtype.kind == "f" else np.clip(input, 0, 6)


@faced
def _selu(input: Any) -> Any:
    return functional.selu(input)


@faced
def _silu(input: Any) -> Any:
    return functional.silu(input)


@faced
def _mish(input: Any) -> Any:
    return functional.mish(input)


@faced
def _hardswish(input: Any) -> Any:
    return functional.hardswish(input)


@faced
def _hardsigmoid(input: Any) -> Any:
    return functional.hardsigmoid(input)


relu, relu6 = _switched(_relu, "Return max(x, 0)."), _switched(_relu6, "Return x limited to [0, 6].")
selu, silu = _switched(_selu, "Return SELU of x."), _switched(_silu, "Return x times its sigmoid.")
mish = _switched(_mish, "Return x tanh(softplus(x)).")
hardswish = _switched(_hardswish, "Return x times its hard sigmoid.")
hardsigmoid = _switched(_hardsigmoid, "Return x / 6 + 1 / 2, limited to [0, 1].")


def relu_(input: Tensor) -> Any:
    """Set the tensor to max(x, 0), in place."""
    return relu(input, inplace=True)


def _into(input: Any, found: Any, inplace: bool) -> Any:
    return assign(input, "inplace=True", unwrapped(found)) if inplace else found


@faced
def _leaky_relu(input: Any, negative_slope: float) -> Any:
    return functional.leaky_relu(input, negative_slope)


def leaky_relu(input: Any, negative_slope: float = 0.01, inplace: bool = False) -> Any:
    """Return x, scaled by a slope where it is negative."""
    return _into(input, _leaky_relu(input, negative_slope), inplace)


@faced
def _elu(input: Any, alpha: float) -> Any:
    return functional.elu(input, alpha)


def elu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where it is positive, else α (exp(x) - 1)."""
    return _into(input, _elu(input, alpha), inplace)


@faced
def _celu(input: Any, alpha: float) -> Any:
    return functional.celu(input, alpha)


def celu(input: Any, alpha: float = 1.0, inplace: bool = False) -> Any:
    """Return x where it is positive, else α (exp(x / α) - 1)."""
    return _into(input, _celu(input, alpha), inplace)


@faced
def _hardtanh(input: Any, low: float, high: float) -> Any:
    if input.dtype.kind == "f" and low != high:
        return functional.hardtanh(input, low, high)
    return np.clip(input, cast(low, input.dtype), cast(high, input.dtype))


def hardtanh(input: Any, min_val: float = -1.0, max_val: float = 1.0, inplace: bool = False) -> Any:
    """Return x limited to [min_val, max_val]."""
    return _into(input, _hardtanh(input, min_val, max_val), inplace)


@faced
def _threshold(input: Any, limit: float, value: float) -> Any:
    if input.dtype.kind == "f":
        return functional.threshold(input, limit, value)
    return np.where(input > limit, input, cast(value, input.dtype))


def threshold(input: Any, threshold: float, value: float, inplace: bool = False) -> Any:
    """Return x where it is greater than a threshold, else `value`."""
    return _into(input, _threshold(input, threshold, value), inplace)


@faced
def gelu(input: Any, approximate: str = "none") -> Any:
    """Return x Φ(x), or its approximation by tanh."""
    return functional.gelu(input, approximate)


@faced
def softplus(input: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    """Return log(1 + exp(β x)) / β; x itself beyond the threshold."""
    smooth = functional.softplus(input, beta)
    return np.where(np.greater(input * beta, threshold), input, smooth)


@faced
def logsigmoid(input: Any) -> Any:
    """Return log of the sigmoid."""
    return functional.logsigmoid(input)


@faced
def softsign(input: Any) -> Any:
    """Return x / (1 + |x|)."""
    return functional.softsign(floating(input))


@faced
def tanhshrink(input: Any) -> Any:
    """Return x - tanh(x)."""
    return functional.tanhshrink(floating(input))


@faced
def hardshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return x, or 0 within [-λ, λ]."""
    return functional.hardshrink(input, lambd)


@faced
def softshrink(input: Any, lambd: float = 0.5) -> Any:
    """Return x moved towards 0 by λ."""
    return functional.softshrink(input, lambd)


@faced
def prelu(input: Any, weight: Any) -> Any:
    """Return x, scaled where it is negative by a slope for each channel."""
    if weight.size == 1:
        weight = np.reshape(weight, ())
    elif input.ndim > 1:
        weight = np.reshape(weight, (-1, *[1] * (input.ndim - 2)))
    return np.where(np.greater(input, 0), input, weight * input)


@faced
def glu(input: Any, dim: int = -1) -> Any:
    """Return one half of an axis times the sigmoid of the other."""
    return functional.glu(input, dim)


def rrelu(input: Any, lower: float = 1 / 8, upper: float = 1 / 3, training: bool = False, inplace: bool = False) -> Any:
    """Return x, scaled where it is negative by a random slope, or by the mean slope in evaluation."""
    slope: Any = (lower + upper) / 2
    if training:
        slope = as_array(rng_of(None).uniform(lower, upper, tuple(input.shape))).astype(input._x.dtype)
    return _into(input, _scaled_below(input, slope), inplace)


@faced
def _scaled_below(input: Any, slope: Any) -> Any:
    return np.where(np.greater_equal(input, 0), input, input * slope)


def _axis(name: str, dim: Any, ndim: int) -> int:
    if dim is not None:
        return int(dim)
    warnings.warn(f"Implicit dimension choice for {name} has been deprecated; pass dim=", UserWarning, stacklevel=3)
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return exp(x) divided by its sum along an axis."""
    return elementwise.softmax(input, _axis("softmax", dim, input.ndim), dtype)


def log_softmax(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return the logarithm of softmax."""
    return elementwise.log_softmax(input, _axis("log_softmax", dim, input.ndim), dtype)


def softmin(input: Any, dim: Any = None, _stacklevel: int = 3, dtype: Any = None) -> Any:
    """Return softmax of -x."""
    return elementwise.softmax(-input, _axis("softmin", dim, input.ndim), dtype)


def gumbel_softmax(logits: Any, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Any:
    """Return a sample of the Gumbel-softmax distribution; with `hard` a one-hot row with its gradient."""
    noise = -np.log(rng_of(None).standard_exponential(tuple(logits.shape))).astype(logits._x.dtype)
    soft = elementwise.softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    places = soft.argmax(dim, keepdim=True)
    one = soft.detach() * 0
    return one.scatter(dim, places, 1.0) - soft.detach() + soft


# Dropout


def _dropped(input: Any, p: float, training: bool, inplace: bool, shape: Any) -> Any:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    if p == 1:
        return _into(input, input * 0, inplace)
    # In the shape of the input the mask is machine code's, in compiled steps, too.
    like = unwrapped(input) if shape == tuple(input.shape) else np.zeros(shape, input._x.dtype)
    return _into(input, input * wrapped(DropoutMask.apply(like, p=float(p))), inplace)


def dropout(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return the tensor with elements set to zero with probability p, and the others scaled by 1 / (1 - p)."""
    return _dropped(input, p, training, inplace, tuple(input.shape))


def _by_channel(name: str, input: Any) -> tuple[int, ...]:
    shape = tuple(input.shape)
    if len(shape) < 2:
        raise RuntimeError(f"{name}: Feature dropout requires at least 2 dimensions in the input, got {list(shape)}")
    return (*shape[:2], *[1] * (len(shape) - 2))


def dropout1d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return the tensor `[N, C, L]` or `[C, L]` with whole channels set to zero."""
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that dropout1d exists to "
            "provide channel-wise dropout on inputs with 1 spatial dimension, a channel dimension, and an optional "
            "batch dimension (i.e. 2D or 3D inputs)."
        )
    shape = (len(input), 1) if input.ndim == 2 else _by_channel("dropout1d", input)
    return _dropped(input, p, training, inplace, shape)


def dropout2d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return the tensor `[N, C, H, W]` with whole channels set to zero; other inputs are `[N, C, ...]` as well."""
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D dropout behavior is desired "
            "- input is interpreted as shape (N, C, L). For an unbatched input (C, H, W) add an axis by unsqueeze(0).",
            UserWarning,
            stacklevel=2,
        )
    elif input.ndim != 4:
        _warn_of_axes("dropout2d", input.ndim)
    return _dropped(input, p, training, inplace, _by_channel("dropout2d", input))


def dropout3d(input: Any, p: float = 0.5, training: bool = True, inplace: bool = False) -> Any:
    """Return the tensor `[N, C, D, H, W]` or `[C, D, H, W]` with whole channels set to zero."""
    if input.ndim not in (4, 5):
        _warn_of_axes("dropout3d", input.ndim)
    shape = _by_channel("dropout3d", input) if input.ndim == 5 else (len(input), *[1] * (input.ndim - 1))
    return _dropped(input, p, training, inplace, shape)


def _warn_of_axes(name: str, ndim: int) -> None:
    warnings.warn(
        f"{name}: Received a {ndim}-D input to {name}, which is deprecated and will result in an error in a future "
        "release. To retain the behavior and silence this warning, please use dropout instead.",
        UserWarning,
        stacklevel=3,
    )


def alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Return dropout that keeps mean and variance of SELU's outputs."""
    return _alpha(input, p, training, inplace, tuple(input.shape))


def feature_alpha_dropout(input: Any, p: float = 0.5, training: bool = False, inplace: bool = False) -> Any:
    """Return alpha dropout of whole channels."""
    shape = _by_channel("feature_alpha_dropout", input) if training and p else ()
    return _alpha(input, p, training, inplace, shape)


def _alpha(input: Any, p: float, training: bool, inplace: bool, shape: Any) -> Any:
    if not 0 <= p <= 1:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    if not training or p == 0:
        return input
    low = -1.7580993408473766
    if p == 1:
        return input * 0
    a = 1 / math.sqrt((1 - p) * (1 + p * low**2))
    kept = (rng_of(None).random(shape) >= p).astype(input._x.dtype)
    return _into(
        input, input * (kept * a).astype(kept.dtype) + (a * low * (1 - kept) - a * low * p).astype(kept.dtype), inplace
    )


# Attention


def scaled_dot_product_attention(
    query: Any,
    key: Any,
    value: Any,
    attn_mask: Any = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Any:
    """Return softmax(q kᵀ / √d + mask) v. A boolean mask is true where a query may attend."""
    if attn_mask is not None and is_causal:
        raise RuntimeError("scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if dropout_p > 0:
        if enable_gqa:
            key, value = (_one_for_each_head(query, x) for x in (key, value))
        return _with_dropout(query, key, value, attn_mask, dropout_p, is_causal, scale)
    return _attention(query, key, value, attn_mask, is_causal, scale, enable_gqa)


@faced
def _attention(query: Any, key: Any, value: Any, mask: Any, causal: bool, scale: Any, enable_gqa: bool) -> Any:
    return functional.scaled_dot_product_attention(
        query, key, value, mask=mask, causal=causal, scale=scale, enable_gqa=enable_gqa
    )


def _one_for_each_head(q: Any, x: Any) -> Any:
    """Return keys or values `[..., G, M, d]` with each head repeated for its queries in q `[..., H, N, d]`."""
    heads, groups = (each.shape[-3] if each.ndim > 2 else 0 for each in (q, x))
    if groups == 0 or heads % groups:
        raise RuntimeError(
            f"scaled_dot_product_attention: enable_gqa: expected query [..., H, N, d] and key and value [..., G, M, d] "
            f"with G a divisor of H, got {list(q.shape)} and {list(x.shape)}"
        )
    return x.repeat_interleave(heads // groups, -3)


def _with_dropout(q: Any, k: Any, v: Any, mask: Any, p: float, causal: bool, scale: Any) -> Any:
    scores = (q @ k.transpose(-2, -1)) * (1 / math.sqrt(q.shape[-1]) if scale is None else scale)
    if causal:
        below = np.tril(np.ones(tuple(scores.shape[-2:]), bool))
        scores = scores.masked_fill(Tensor(~below).bool(), -math.inf)
    elif mask is not None:
        scores = scores.masked_fill(~mask, -math.inf) if not mask.is_floating_point() else scores + mask
    return dropout(elementwise.softmax(scores, -1), p) @ v
