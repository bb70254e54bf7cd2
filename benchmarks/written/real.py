"""How a user of NumPy and SciPy writes the operators that PyTorch has for real numbers only."""

from collections.abc import Callable
from typing import Any

import numpy as np

import chainrule as cr
import chainrule.numpy as cnp
import chainrule.scipy as csp

sp = csp.special


def extreme(over: Any, pair: Any, where: Any) -> Any:
    """Return `max` or `min` with PyTorch's three meanings: of all, along an axis with places, of two arrays."""

    def of(x: Any, other: Any = None, keepdim: bool = False, *, dim: Any = None) -> Any:
        if hasattr(other, "shape"):
            return pair(x, other)
        dim = other if dim is None else dim
        if dim is None:
            return over(x)
        place = where(cr.stop_gradient(x), axis=dim, keepdims=True) if x.ndim else np.zeros((), int)
        y = np.take_along_axis(x, place, dim) if x.ndim else x * 1
        return (y, place) if keepdim or not x.ndim else (np.squeeze(y, dim), np.squeeze(place, dim))

    return of


def ranked(x: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the k-th smallest element along an axis, and where it is."""
    if not x.ndim:
        return x * 1, np.zeros((), int)
    place = np.take(np.argsort(cr.stop_gradient(x), axis=dim, kind="stable"), [k - 1], axis=dim)
    y = np.take_along_axis(x, place, dim)
    return (y, place) if keepdim else (np.squeeze(y, dim), np.squeeze(place, dim))


def in_order(x: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:  # noqa: ARG001
    """Return the elements in order, and where they were."""
    if not x.ndim:
        return x * 1, np.zeros((), int)
    key = cr.stop_gradient(x)
    place = np.argsort(-key if descending else key, axis=dim, kind="stable")
    return np.take_along_axis(x, place, dim), place


def quantile(function: Any) -> Any:
    def of(x: Any, q: Any, dim: Any = None, keepdim: bool = False, interpolation: str = "linear") -> Any:
        return function(x, q, axis=dim if x.ndim else None, keepdims=keepdim and x.ndim > 0, method=interpolation)

    return of


def over_axes(function: Any) -> Any:
    """Return a reduction whose empty tuple of axes means all."""

    def of(x: Any, dim: Any = None, keepdim: bool = False, **_: Any) -> Any:
        axis = tuple(dim) or None if isinstance(dim, list | tuple) else dim
        return function(x, axis=axis if x.ndim else None, keepdims=keepdim and x.ndim > 0)

    return of


def reduced(loss: Callable[..., Any]) -> Any:
    """Return a loss with PyTorch's `reduction`."""

    def of(*args: Any, reduction: str = "mean", **settings: Any) -> Any:
        y = loss(*args, **settings)
        return np.mean(y) if reduction == "mean" else np.sum(y) if reduction == "sum" else y

    return of


def logits_loss(z: Any, t: Any, weight: Any = 1.0, pos_weight: Any = 1.0) -> Any:
    return weight * ((1 - t) * z + (1 + (pos_weight - 1) * t) * np.logaddexp(0, -z))


def binary_loss(p: Any, t: Any, weight: Any = 1.0) -> Any:
    return -weight * (t * np.maximum(np.log(p), -100) + (1 - t) * np.maximum(np.log1p(-p), -100))


def huber(x: Any, t: Any, delta: float = 1.0) -> Any:
    d = np.abs(x - t)
    return np.where(d <= delta, 0.5 * d**2, delta * (d - 0.5 * delta))


def smooth_l1(x: Any, t: Any, beta: float = 1.0) -> Any:
    d = np.abs(x - t)
    return np.where(d < beta, 0.5 * d**2 / beta, d - 0.5 * beta) if beta else d


def divergence(x: Any, t: Any, log_target: bool = False) -> Any:
    return np.exp(t) * (t - x) if log_target else sp.xlogy(t, t) - t * x


def poisson(x: Any, t: Any, log_input: bool = True, full: bool = False, eps: float = 1e-8) -> Any:
    y = np.exp(x) - t * x if log_input else x - t * np.log(x + eps)
    if not full:
        return y
    large = np.where(t > 1, t, 1.0)
    return y + np.where(t > 1, large * np.log(large) - large + 0.5 * np.log(2 * np.pi * large), 0.0)


def gaussian(x: Any, t: Any, var: Any, full: bool = False, eps: float = 1e-6) -> Any:
    var = np.broadcast_to(var if np.ndim(var) in (0, x.ndim) else var[..., None], x.shape)
    var = np.maximum(var, eps)
    return 0.5 * (np.log(var) + (x - t) ** 2 / var) + (0.5 * np.log(2 * np.pi) if full else 0.0)


def layer_norm(x: Any, shape: Any, weight: Any = None, bias: Any = None, eps: float = 1e-5) -> Any:
    axes = tuple(range(-len(shape), 0))
    y = (x - np.mean(x, axes, keepdims=True)) / np.sqrt(np.var(x, axes, keepdims=True) + eps)
    y = y if weight is None else y * weight
    return y if bias is None else y + bias


def cosine(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    a, b = np.broadcast_arrays(a, b)
    lengths = (cnp.linalg.vector_norm(x, axis=dim, keepdims=True) for x in (a, b))
    u, v = (x / np.maximum(n, eps) for x, n in zip((a, b), lengths, strict=True))
    return np.sum(u * v, axis=dim)


def distances(a: Any, b: Any, p: float = 2.0, *_: Any, **__: Any) -> Any:
    d = a[..., :, None, :] - b[..., None, :, :]
    return cnp.linalg.vector_norm(d, ord=p, axis=-1)


def pairs(x: Any, p: float = 2.0) -> Any:
    first, second = np.triu_indices(len(x), 1)
    return cnp.linalg.vector_norm(x[first] - x[second], ord=p, axis=-1)


def bilinear(a: Any, b: Any, w: Any, bias: Any = None) -> Any:
    y = np.einsum("...i,oij,...j->...o", a, w, b)
    return y if bias is None else y + bias


def gated(x: Any, dim: int = -1) -> Any:
    a, b = np.split(x, 2, axis=dim)
    return a / (1 + np.exp(-b))


def gelu(x: Any, approximate: str = "none") -> Any:
    if approximate == "tanh":
        return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))
    return 0.5 * x * (1 + sp.erf(x / np.sqrt(2)))


def prelu(x: Any, weight: Any) -> Any:
    w = weight.reshape((-1,) + (1,) * max(x.ndim - 2, 0)) if np.size(weight) > 1 and x.ndim > 1 else weight
    return np.where(x > 0, x, (w if np.ndim(w) <= x.ndim else w.reshape(())) * x)


def softplus(x: Any, beta: float = 1.0, threshold: float = 20.0) -> Any:
    return np.where(beta * x > threshold, x, np.logaddexp(0, beta * x) / beta)


SPECIAL = {
    **{"digamma": "digamma", "lgamma": "gammaln", "erf": "erf", "erfc": "erfc", "erfinv": "erfinv", "i0": "i0"},
    **{"igamma": "gammainc", "igammac": "gammaincc", "xlogy": "xlogy"},
    **{
        f"special.{n}": n for n in ("erfcx", "i0e", "i1", "i1e", "log_ndtr", "ndtr", "ndtri", "xlog1py", "zeta", "entr")
    },
}

ALIKE = {
    *("ceil", "copysign", "deg2rad", "rad2deg", "floor", "fmax", "fmin", "fmod", "hypot", "isneginf", "isposinf"),
    *("logaddexp2", "maximum", "minimum", "nan_to_num", "sign", "signbit", "trunc", "heaviside"),
    *("frexp", "isin", "floor_divide", "remainder"),
}

REAL: dict[str, Callable[..., Any]] = {
    **{name: getattr(cnp, name) for name in ALIKE},
    **{name: getattr(sp, short) for name, short in SPECIAL.items() if hasattr(sp, short)},
    "amax": over_axes(np.max),
    "amin": over_axes(np.min),
    "aminmax": lambda x, dim=None, keepdim=False: (
        over_axes(np.min)(x, dim, keepdim),
        over_axes(np.max)(x, dim, keepdim),
    ),
    "nansum": over_axes(np.nansum),
    "nanmean": over_axes(np.nanmean),
    "argmax": lambda x, dim=None, keepdim=False: np.argmax(x, axis=dim, keepdims=keepdim) if x.ndim else np.argmax(x),
    "argmin": lambda x, dim=None, keepdim=False: np.argmin(x, axis=dim, keepdims=keepdim) if x.ndim else np.argmin(x),
    "max": extreme(np.max, np.maximum, np.argmax),
    "min": extreme(np.min, np.minimum, np.argmin),
    "kthvalue": ranked,
    "sort": in_order,
    "msort": lambda x: np.sort(x, axis=0),
    "topk": lambda x, k, dim=-1, largest=True, sorted=True: tuple(  # noqa: ARG005
        y[(slice(None),) * (dim % x.ndim) + (slice(k),)] if x.ndim else y for y in in_order(x, dim, largest)
    ),
    "quantile": quantile(np.quantile),
    "nanquantile": quantile(np.nanquantile),
    "atan2": np.arctan2,
    "clamp": lambda x, min=None, max=None: np.clip(x, min, max),
    "clamp_max": np.minimum,
    "clamp_min": np.maximum,
    "complex": lambda a, b: a + 1j * b,
    "polar": lambda r, angle: r * np.exp(1j * angle),
    "view_as_complex": lambda x: x[..., 0] + 1j * x[..., 1],
    "frac": lambda x: x - np.trunc(x),
    "ge": np.greater_equal,
    "gt": np.greater,
    "le": np.less_equal,
    "lt": np.less,
    "mT": lambda x: np.swapaxes(x, -1, -2),
    "mvlgamma": lambda x, p: mvlgamma(x, p),
    "logit": lambda x, eps=None: sp.logit(x if eps is None else np.clip(x, eps, 1 - eps)),
    "__rmod__": lambda a, b: b % a,
    "round": lambda x, decimals=0: np.round(x, decimals),
    "unique": lambda x, sorted=True, return_inverse=False, return_counts=False, dim=None: np.unique(  # noqa: ARG005
        x, return_inverse=return_inverse, return_counts=return_counts, axis=dim
    ),
    "cdist": distances,
    "nn.functional.pdist": pairs,
    "nn.functional.cosine_similarity": cosine,
    "nn.functional.bilinear": bilinear,
    "nn.functional.layer_norm": layer_norm,
    "nn.functional.embedding": lambda w, index, **_: w[index],
    "nn.functional.glu": gated,
    "nn.functional.gelu": gelu,
    "nn.functional.prelu": prelu,
    "nn.functional.relu": lambda x, inplace=False: np.maximum(x, 0),  # noqa: ARG005
    "nn.functional.relu6": lambda x, inplace=False: np.clip(x, 0, 6),  # noqa: ARG005
    "nn.functional.hardtanh": lambda x, min_val=-1.0, max_val=1.0: np.clip(x, min_val, max_val),
    "nn.functional.hardsigmoid": lambda x: np.clip(x + 3, 0, 6) / 6,
    "nn.functional.hardswish": lambda x: x * np.clip(x + 3, 0, 6) / 6,
    "nn.functional.leaky_relu": lambda x, negative_slope=0.01: np.where(x > 0, x, negative_slope * x),
    "nn.functional.threshold": lambda x, threshold, value: np.where(x > threshold, x, value),
    "nn.functional.softplus": softplus,
    "nn.functional.logsigmoid": lambda x: -np.logaddexp(0, -x),
    "nn.functional.mish": lambda x: x * np.tanh(np.logaddexp(0, x)),
    "nn.functional.elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0))),
    "nn.functional.celu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0) / alpha)),
    "nn.functional.selu": lambda x, inplace=False: (  # noqa: ARG005
        1.0507009873554804934193349852946 * np.where(x > 0, x, 1.6732632423543772848 * np.expm1(np.minimum(x, 0)))
    ),
    "nn.functional.softshrink": lambda x, lambd=0.5: np.where(
        x > lambd, x - lambd, np.where(x < -lambd, x + lambd, 0.0 * x)
    ),
    "nn.functional.hardshrink": lambda x, lambd=0.5: np.where((x > lambd) | (x < -lambd), x, 0.0),
    "nn.functional.mse_loss": reduced(lambda x, t, weight=1.0: weight * (x - t) ** 2),
    "nn.functional.huber_loss": reduced(huber),
    "nn.functional.smooth_l1_loss": reduced(smooth_l1),
    "nn.functional.binary_cross_entropy": reduced(binary_loss),
    "nn.functional.binary_cross_entropy_with_logits": reduced(logits_loss),
    "nn.functional.soft_margin_loss": reduced(lambda x, t: np.log1p(np.exp(-t * x))),
    "nn.functional.margin_ranking_loss": reduced(lambda a, b, t, margin=0.0: np.maximum(0, -t * (a - b) + margin)),
    "nn.functional.hinge_embedding_loss": reduced(
        lambda x, t, margin=1.0: np.where(t != 1, np.maximum(0, margin - x), 0.0) + np.where(t != -1, x, 0.0)
    ),
    "nn.functional.poisson_nll_loss": reduced(poisson),
    "nn.functional.gaussian_nll_loss": reduced(gaussian),
}
"""How a user of NumPy writes an operator of real numbers."""


def mvlgamma(x: Any, p: int) -> Any:
    shifts = 0.5 * np.arange(p)
    return 0.25 * p * (p - 1) * np.log(np.pi) + np.sum(sp.gammaln(x[..., None] - shifts), axis=-1)
