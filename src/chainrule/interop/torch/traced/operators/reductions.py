"""ATen's reductions and running sums, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

import math
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.interop.torch.traced.call import Call, carries, cast, kind_of
from chainrule.rules.arrays.gather import take_along_axis
from chainrule.rules.arrays.shape import moveaxis, reshape
from chainrule.rules.linalg.vector_norms import norm as normed
from chainrule.rules.network.softmax import logsumexp as log_sum_exp


def axes_of(dim: Any) -> Any:
    """Return PyTorch's dim as NumPy's axis; an empty dim means all axes."""
    if dim is None or isinstance(dim, int):
        return dim
    return tuple(dim) or None


def _summed(call: Call, x: Any) -> Any:
    """Return x in the dtype in which it is summed: the requested one, or integers for booleans."""
    return cast(x, call.dtype) if kind_of(x) != call.dtype.kind or x.dtype.itemsize < call.dtype.itemsize else x


@carries("sum")
def sum_(call: Call, x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a sum."""
    return np.sum(_summed(call, x), axis=axes_of(dim), keepdims=keepdim)


@carries("mean")
def mean(call: Call, x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a mean."""
    return np.mean(_summed(call, x), axis=axes_of(dim), keepdims=keepdim)


@carries("prod")
def prod(call: Call, x: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a product."""
    return np.prod(_summed(call, x), axis=axes_of(dim), keepdims=keepdim)


@carries("amax")
def amax(call: Call, x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the maximum; ties share the gradient."""
    return np.max(x, axis=axes_of(dim), keepdims=keepdim)


@carries("amin")
def amin(call: Call, x: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the minimum; ties share the gradient."""
    return np.min(x, axis=axes_of(dim), keepdims=keepdim)


@carries("aminmax")
def aminmax(call: Call, x: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum and the maximum."""
    return np.min(x, axis=dim, keepdims=keepdim), np.max(x, axis=dim, keepdims=keepdim)


def _extreme(call: Call, x: Any, dim: Any, keepdim: bool, largest: bool) -> Any:
    if dim is None:
        return (np.max if largest else np.min)(x)
    if hasattr(dim, "shape"):
        return (np.maximum if largest else np.minimum)(x, dim)
    if x.ndim == 0:
        return x, np.zeros((), np.int64)
    places = np.expand_dims((np.argmax if largest else np.argmin)(x, axis=dim), dim)
    values = take_along_axis(x, places, dim)
    if keepdim:
        return values, places
    shape = tuple(n for k, n in enumerate(values.shape) if k != dim % x.ndim)
    return reshape(values, shape), reshape(places, shape)


@carries("max")
def max_(call: Call, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the maximum; along an axis also its index, and only that element receives the gradient."""
    return _extreme(call, x, dim, keepdim, largest=True)


@carries("min")
def min_(call: Call, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the minimum; along an axis also its index, and only that element receives the gradient."""
    return _extreme(call, x, dim, keepdim, largest=False)


def _place(find: Any) -> Any:
    def carry_out(call: Call, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
        if dim is None:
            found = find(reshape(x, (-1,)), axis=0)
            return reshape(found, (1,) * x.ndim) if keepdim else found
        found = find(x, axis=dim)
        return np.expand_dims(found, dim) if keepdim else found

    return carry_out


carries("argmax")(_place(np.argmax))
carries("argmin")(_place(np.argmin))


@carries("any")
def any_(call: Call, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether any element is nonzero."""
    return np.any(x, axis=axes_of(dim), keepdims=keepdim)


@carries("all")
def all_(call: Call, x: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether all elements are nonzero."""
    return np.all(x, axis=axes_of(dim), keepdims=keepdim)


@carries("count_nonzero")
def count_nonzero(call: Call, x: Any, dim: Any = None) -> Any:
    """Return the number of nonzero elements."""
    return np.count_nonzero(x, axis=axes_of(dim))


@carries("logsumexp", "special_logsumexp")
def logsumexp(call: Call, x: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return the logarithm of a sum of exponentials."""
    return log_sum_exp(x, axis=axes_of(dim), keepdims=keepdim)


# Moments


def _freedom(dim: Any, unbiased: Any, correction: Any) -> tuple[Any, float]:
    """Return the axes and the correction to the count; `var(x, unbiased)` has a flag in place of the axes."""
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    if correction is None:
        correction = 1 if unbiased is None else int(unbiased)
    return axes_of(dim), correction


@carries("var")
def var(
    call: Call, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Return a variance."""
    axes, ddof = _freedom(dim, unbiased, correction)
    return np.var(x, axis=axes, ddof=ddof, keepdims=keepdim)


@carries("std")
def std(
    call: Call, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Return a standard deviation."""
    axes, ddof = _freedom(dim, unbiased, correction)
    return np.std(x, axis=axes, ddof=ddof, keepdims=keepdim)


@carries("var_mean")
def var_mean(call: Call, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, **given: Any) -> Any:
    """Return a variance and a mean."""
    axes, _ = _freedom(dim, unbiased, None)
    return var(call, x, dim, unbiased, keepdim, **given), np.mean(x, axis=axes, keepdims=keepdim)


@carries("std_mean")
def std_mean(call: Call, x: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, **given: Any) -> Any:
    """Return a standard deviation and a mean."""
    axes, _ = _freedom(dim, unbiased, None)
    return std(call, x, dim, unbiased, keepdim, **given), np.mean(x, axis=axes, keepdims=keepdim)


@carries("linalg_vector_norm")
def vector_norm(
    call: Call, x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None
) -> Any:
    """Return the norm of vectors; several axes are flattened into one first, if the order needs that."""
    x = _summed(call, x)
    axes = tuple(range(x.ndim)) if axes_of(dim) is None else axes_of(dim)
    axes = tuple(axis % x.ndim for axis in ((axes,) if isinstance(axes, int) else axes))
    if axes and (ord == 2 or len(axes) == 1):
        return normed(x, None if ord == 2 else ord, axes if ord == 2 else axes[0], keepdim)
    last = moveaxis(x, axes, tuple(range(-len(axes), 0))) if axes else x
    lead = last.shape[: x.ndim - len(axes)]
    y = normed(reshape(last, (*lead, math.prod(last.shape[len(lead) :]))), ord, -1)
    return reshape(y, tuple(1 if k in axes else n for k, n in enumerate(x.shape))) if keepdim else y


@carries("norm")
def norm(call: Call, x: Any, p: Any = 2, dim: Any = None, keepdim: bool = False, **given: Any) -> Any:
    """Return the norm of vectors."""
    return vector_norm(call, x, 2 if p is None else p, dim, keepdim, **given)


# Running sums


@carries("cumsum")
def cumsum(call: Call, x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return running sums."""
    return x if x.ndim == 0 else np.cumsum(_summed(call, x), axis=dim)


@carries("cumprod")
def cumprod(call: Call, x: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return running products."""
    return x if x.ndim == 0 else np.cumprod(_summed(call, x), axis=dim)


@carries("cummax")
def cummax(call: Call, x: Any, dim: int) -> Any:
    """Return running maxima and their indices, the last one on a tie, as in PyTorch."""
    return _running(x, dim, np.maximum)


@carries("cummin")
def cummin(call: Call, x: Any, dim: int) -> Any:
    """Return running minima and their indices, the last one on a tie, as in PyTorch."""
    return _running(x, dim, np.minimum)


def _running(x: Any, dim: int, extreme: Any) -> Any:
    def found(values: Any) -> Any:
        values = np.asarray(values)
        reached = extreme.accumulate(values, axis=dim)
        count = np.arange(values.shape[dim]).reshape([-1 if k == dim % values.ndim else 1 for k in range(values.ndim)])
        return np.maximum.accumulate(np.where(values == reached, count, 0), axis=dim)

    places = plain(found, x)
    return take_along_axis(x, places, dim), places


@carries("logcumsumexp")
def logcumsumexp(call: Call, x: Any, dim: int) -> Any:
    """Return the logarithms of running sums of exponentials."""
    top = plain(lambda values: np.max(values, axis=dim, keepdims=True), x)
    return np.log(np.cumsum(np.exp(x - top), axis=dim)) + top
