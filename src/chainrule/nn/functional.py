"""The functions behind the modules, by PyTorch's names.

An axis is the second argument and called `axis`, as in NumPy; PyTorch's `dim` is accepted as well. Losses compute in
the dtype of the prediction: a float64 target beside float32 predictions is converted.
"""

import functools
from typing import Any, cast

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.rules import attention, loss, norm
from chainrule.rules import softmax as softmax_rules
from chainrule.rules.activation import (
    celu,
    elu,
    gelu,
    glu,
    leaky_relu,
    logsigmoid,
    mish,
    prelu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    softsign,
)
from chainrule.rules.gather import take
from chainrule.rules.linear import linear
from chainrule.rules.shape import moveaxis, reshape
from chainrule.rules.trigonometric import tanh

from .dropout import dropout
from .init import Generator
from .inputs import F, accepts_dim, in_dtype_of

__all__ = [
    "batch_norm",
    "binary_cross_entropy_with_logits",
    "celu",
    "cross_entropy",
    "dropout",
    "elu",
    "embedding",
    "gelu",
    "glu",
    "group_norm",
    "huber_loss",
    "kl_div",
    "l1_loss",
    "layer_norm",
    "leaky_relu",
    "linear",
    "log_softmax",
    "logsigmoid",
    "logsumexp",
    "mish",
    "mse_loss",
    "nll_loss",
    "prelu",
    "relu",
    "rms_norm",
    "scaled_dot_product_attention",
    "selu",
    "sigmoid",
    "silu",
    "smooth_l1_loss",
    "softmax",
    "softplus",
    "softsign",
    "tanh",
]

glu = accepts_dim(glu)
softmax = accepts_dim(softmax_rules.softmax)
log_softmax = accepts_dim(softmax_rules.log_softmax)
logsumexp = accepts_dim(softmax_rules.logsumexp)


def _compared(rule: F) -> F:
    """Let a loss compute in the dtype of its prediction; class indices stay integers."""
    takes_classes = rule in (loss.cross_entropy, loss.nll_loss)

    @functools.wraps(rule)
    def compared(prediction: Any, target: Any, *args: Any, **settings: Any) -> Any:
        prediction, target = (x if isinstance(x, Tensor) else np.asarray(x) for x in (prediction, target))
        classes = takes_classes and target.dtype.kind != "f"
        if prediction.dtype.kind == "f" and not classes:
            target = in_dtype_of(prediction, target, f"{rule.__name__}: target")
        return rule(prediction, target, *args, **settings)

    return cast(F, compared)


cross_entropy = _compared(loss.cross_entropy)
nll_loss = _compared(loss.nll_loss)
binary_cross_entropy_with_logits = _compared(loss.binary_cross_entropy_with_logits)
mse_loss = _compared(loss.mse_loss)
l1_loss = _compared(loss.l1_loss)
huber_loss = _compared(loss.huber_loss)
smooth_l1_loss = _compared(loss.smooth_l1_loss)


def kl_div(log_prediction: Any, target: Any, reduction: Any = "mean") -> Any:
    r"""Return the Kullback-Leibler divergence, $t (\log t - \log p)$ for each element, reduced; 0 where t is 0.

    `log_prediction` and the probabilities `target` are `[B, …, K]`. "mean" divides by the number of elements, as
    PyTorch does; "batchmean", which divides by B, is the mathematical mean.

    >>> float(kl_div(np.log([[0.5, 0.5]]), np.array([[1.0, 0.0]]), "batchmean")) == float(np.log(2))
    True
    """
    return _kl_div(log_prediction, target, reduction)


_kl_div = _compared(loss.kl_div)


def layer_norm(x: Any, normalized_shape: Any, weight: Any = None, bias: Any = None, eps: float = norm.EPS) -> Any:
    """Return `x` with mean 0 and variance 1 over its last axes, which have `normalized_shape`, then scaled and shifted.

    >>> layer_norm(np.array([[1.0, 3.0]]), 2, eps=0.0)
    array([[-1.,  1.]])
    """
    return norm.layer_norm(x, weight, bias, eps, normalized_shape)


def rms_norm(x: Any, normalized_shape: Any, weight: Any = None, eps: float = norm.EPS) -> Any:
    """Return `x` with mean square 1 over its last axes, which have `normalized_shape`, then scaled.

    >>> rms_norm(np.array([3.0, 3.0]), 2, eps=0.0)
    array([1., 1.])
    """
    return norm.rms_norm(x, weight, eps, normalized_shape)


def group_norm(x: Any, num_groups: int, weight: Any = None, bias: Any = None, eps: float = norm.EPS) -> Any:
    """Return `x [B, C, …]` with mean 0 and variance 1 over each sample's groups of C / `num_groups` channels.

    `weight` and `bias` are `[C]`. Source: Wu & He, "Group Normalization" (2018), equation 7.

    >>> group_norm(np.array([[1.0, 3.0, 5.0, 5.0]]), 2, eps=1e-12)
    array([[-1.,  1.,  0.,  0.]])
    """
    _check_channels("group_norm", x)
    if num_groups < 1 or x.shape[1] % num_groups:
        raise ValueError(f"group_norm: expected a number of groups that divides {x.shape[1]}, got {num_groups}")
    y = norm.layer_norm(reshape(x, (x.shape[0], num_groups, -1)), eps=eps)
    return _affine(reshape(y, x.shape), weight, bias)


def batch_norm(
    x: Any,
    running_mean: Any,
    running_var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = norm.EPS,
) -> Any:
    """Return `x [B, C, …]` with mean 0 and variance 1 in each channel over all else, then scaled and shifted.

    In training these are the batch's moments, and the arrays `running_mean` and `running_var`, `[C]`, move towards
    them by the share `momentum` (the variance with n − 1 in its denominator, as in PyTorch); otherwise these arrays
    take their place.

    Raises ValueError in training where a channel has fewer than two values.

    Source: Ioffe & Szegedy, "Batch Normalization" (2015), algorithms 1 and 2.

    >>> mean, variance = np.zeros(1), np.ones(1)
    >>> batch_norm(np.array([[1.0], [3.0]]), mean, variance, training=True, eps=1e-12)
    array([[-1.], [ 1.]])
    >>> mean, variance
    (array([0.2]), array([1.1]))
    """
    _check_channels("batch_norm", x)
    if not training:
        y = (x - _by_channel(running_mean, x)) / _by_channel(np.sqrt(running_var + eps), x)
        return _affine(y, weight, bias)
    channels = moveaxis(x, 1, 0)
    flat = reshape(channels, (channels.shape[0], -1))
    if flat.shape[1] < 2:
        raise ValueError(f"batch_norm: expected more than one value in each channel in training, got {list(x.shape)}")
    y = moveaxis(reshape(norm.layer_norm(flat, eps=eps), channels.shape), 0, 1)
    values = np.asarray(value_of(flat))
    for running, moment in ((running_mean, values.mean(axis=1)), (running_var, values.var(axis=1, ddof=1))):
        running += momentum * (moment - running)
    return _affine(y, weight, bias)


def _check_channels(name: str, x: Any) -> None:
    if x.ndim < 2:
        raise ValueError(f"{name}: expected [batch, channels, …], got {list(x.shape)}")


def _by_channel(parameter: Any, x: Any) -> Any:
    return reshape(parameter, (-1, *[1] * (x.ndim - 2)))


def _affine(y: Any, weight: Any, bias: Any) -> Any:
    y = y if weight is None else y * _by_channel(weight, y)
    return y if bias is None else y + _by_channel(bias, y)


def embedding(indices: Any, weight: Any) -> Any:
    """Return the rows of `weight [n, d]` that integers `[...]` from 0 to n − 1 pick, `[..., d]`.

    Raises TypeError for indices that are no integers and IndexError, with its place, for one out of range.

    >>> embedding(np.array([1, 1, 0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.], [3., 4.], [1., 2.]])
    """
    indices = np.asarray(value_of(indices))
    if indices.dtype.kind not in "iu":
        raise TypeError(f"embedding: expected integers as indices, got {indices.dtype}; convert with .astype(np.int64)")
    outside = (indices < 0) | (indices >= weight.shape[0])
    if outside.any():
        place = tuple(int(i) for i in np.argwhere(outside)[0])
        raise IndexError(
            f"embedding: indices[{', '.join(map(str, place))}] is {indices[place]}, expected 0 to {weight.shape[0] - 1}"
        )
    return take(weight, indices, axis=0)


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    generator: Generator = None,
) -> Any:
    r"""Return $\operatorname{softmax}(\alpha\,Q K^\top)\,V$, `[..., N, e]`, with $\alpha = 1/\sqrt d$ or `scale`.

    `q [..., N, d]`, `k [..., M, d]`, `v [..., M, e]`. `mask` broadcasts to `[..., N, M]`: booleans (True: may attend),
    or floats that are added to the scores. With `causal`, row i attends to j ≤ i. `dropout` is the probability with
    which each weight is zero, drawn from `generator`; pass 0 in evaluation.

    Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1.

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.zeros((2, 2)), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    attend = functools.partial(attention.scaled_dot_product_attention, mask=mask, causal=causal, scale=scale)
    if dropout == 0:
        return attend(q, k, v)
    weights = attend(q, k, np.eye(k.shape[-2], dtype=k.dtype))
    return _dropout(weights, dropout, generator=generator) @ v


_dropout = dropout
