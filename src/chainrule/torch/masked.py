"""`torch.masked`: reductions and normalisations of the elements where `mask` is true; without a mask, of all.

A left-out element counts as nothing: as 0 in a sum, 1 in a product, -inf in a maximum. What no element is left for is
that neutral number; of a mean, NaN.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from . import elementwise, reductions, shapes
from .face import values_of, wrapped
from .missing import lacking as _lacking
from .nn.functional import softmin as _softmin


def _filled(input: Any, mask: Any, neutral: float, dtype: Any = None) -> Any:
    """Return the input in a dtype, with left-out elements replaced by a neutral one."""
    x = input if dtype is None else input.to(dtype)
    if mask is None:
        return x
    kept, x = shapes.broadcast_tensors(mask, x)
    limits = np.iinfo if x._x.dtype.kind in "iu" else np.finfo if x._x.dtype.kind == "f" else None
    if abs(neutral) == np.inf and limits is np.iinfo:
        neutral = np.iinfo(x._x.dtype).max if neutral > 0 else np.iinfo(x._x.dtype).min
    return x.masked_fill(~kept, neutral)


def _axes(x: Any, dim: Any) -> tuple[int, ...]:
    """Return the axes of a reduction: all of them for None."""
    axes = range(x.ndim) if dim is None else (dim,) if isinstance(dim, int) else dim
    return tuple(k % x.ndim for k in axes) if x.ndim else ()


def _count(input: Any, dim: Any, keepdim: bool, mask: Any) -> Any:
    """Return how many elements are reduced, as a constant."""
    kept = np.ones(tuple(input.shape), bool)
    if mask is not None:
        kept = np.broadcast_to(values_of(mask), np.broadcast_shapes(mask.shape, input.shape))
    return wrapped(kept.sum(_axes(input, dim), keepdims=keepdim).astype(input._x.dtype))


def _reduction(name: str, neutral: float, function: Callable[..., Any]) -> Any:
    def reduced(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
        x = _filled(input, mask, neutral, dtype)
        return function(x, _axes(x, dim), bool(keepdim)) if x.ndim else function(x.reshape(1), (0,), False)

    reduced.__name__ = reduced.__qualname__ = name
    reduced.__doc__ = f"Return `{name}` over axes of the elements where `mask` is true."
    return reduced


def _product(x: Any, dim: tuple[int, ...], keepdim: bool) -> Any:
    for k in sorted(dim, reverse=True):
        x = reductions.prod(x, k, keepdim)
    return x


sum = _reduction("sum", 0, reductions.sum)
prod = _reduction("prod", 1, _product)
amax = _reduction("amax", -np.inf, reductions.amax)
amin = _reduction("amin", np.inf, reductions.amin)
logsumexp = _reduction("logsumexp", -np.inf, lambda x, *where: reductions.logsumexp(x, *where).to(x.dtype))


def _place(name: str, neutral: float, function: Callable[..., Any]) -> Any:
    def found(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
        x = _filled(input, mask, neutral, dtype)
        return function(x, dim, bool(keepdim)).to(x.dtype)  # as in PyTorch, also if that is a float's

    found.__name__ = found.__qualname__ = name
    found.__doc__ = f"Return `{name}` of the elements where `mask` is true: an index."
    return found


argmax = _place("argmax", -np.inf, reductions.argmax)
argmin = _place("argmin", np.inf, reductions.argmin)


def _along(name: str, neutral: float, function: Callable[..., Any]) -> Any:
    def applied(input: Any, dim: int, *, dtype: Any = None, mask: Any = None) -> Any:
        return function(_filled(input, mask, neutral, dtype), dim)

    applied.__name__ = applied.__qualname__ = name
    applied.__doc__ = f"Return `{name}` along an axis of the elements where `mask` is true."
    return applied


cumsum, cumprod = _along("cumsum", 0, reductions.cumsum), _along("cumprod", 1, reductions.cumprod)
softmax = _along("softmax", -np.inf, elementwise.softmax)
log_softmax = _along("log_softmax", -np.inf, elementwise.log_softmax)
softmin = _along("softmin", np.inf, _softmin)


def mean(input: Any, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """Return the mean of the elements where `mask` is true."""
    x = input if dtype is None else input.to(dtype)
    return sum(x, dim, keepdim=keepdim, mask=mask) / _count(x, dim, bool(keepdim), mask)


def median(input: Any, dim: int = -1, *, keepdim: Any = False, dtype: Any = None, mask: Any = None) -> Any:
    """Return the lower median along an axis of the elements where `mask` is true; NaN if there are none."""
    x = _filled(input, mask, np.nan, dtype)
    return reductions.nanmedian(x, dim, bool(keepdim)).values


def norm(
    input: Any, ord: Any = 2.0, dim: Any = None, *, keepdim: Any = False, dtype: Any = None, mask: Any = None
) -> Any:
    """Return the norm of the vectors of elements where `mask` is true."""
    from .linalg import vector_norm

    order = 2.0 if ord is None else float(ord)
    x = _filled(input, mask, np.inf if order < 0 else 0.0, dtype)
    return vector_norm(x, order, _axes(x, dim) if x.ndim else None, bool(keepdim))


def var(
    input: Any,
    dim: Any = None,
    unbiased: bool | None = None,
    *,
    correction: float | None = None,
    keepdim: Any = False,
    dtype: Any = None,
    mask: Any = None,
) -> Any:
    """Return the variance of the elements where `mask` is true."""
    x = input if dtype is None else input.to(dtype)
    x = x if x.is_floating_point() or x.is_complex() else x.float()
    less = correction if correction is not None else 0 if unbiased is False else 1
    apart = x - mean(x, dim, keepdim=True, mask=mask) if x.ndim else x - x
    total = sum(elementwise.square(apart), dim, keepdim=keepdim, mask=mask)
    return total / (_count(x, dim, bool(keepdim), mask) - less).clamp(min=0)


def std(input: Any, dim: Any = None, unbiased: bool | None = None, **settings: Any) -> Any:
    """Return the standard deviation of the elements where `mask` is true; the settings are those of `var`."""
    return var(input, dim, unbiased, **settings).sqrt()


def normalize(input: Any, ord: Any, dim: int, *, eps: float = 1e-12, dtype: Any = None, mask: Any = None) -> Any:
    """Return the elements divided by the norm of those where `mask` is true."""
    x = _filled(input, mask, 0.0, dtype)
    return x / norm(input, ord, dim, keepdim=True, dtype=dtype, mask=mask).clamp(min=eps)


def logaddexp(input: Any, other: Any, *, dtype: Any = None, input_mask: Any = None, other_mask: Any = None) -> Any:
    """Return log(exp(a) + exp(b)) where each of the two counts only where its mask is true."""
    a, b = _filled(input, input_mask, -np.inf, dtype), _filled(other, other_mask, -np.inf, dtype)
    return elementwise.logaddexp(a, b)


__all__ = [
    *("amax", "amin", "argmax", "argmin", "cumprod", "cumsum", "log_softmax", "logaddexp", "logsumexp", "mean"),
    *("median", "norm", "normalize", "prod", "softmax", "softmin", "std", "sum", "var"),
]

__getattr__ = _lacking(__name__)
