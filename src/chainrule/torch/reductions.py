"""Reductions and scans: sums, moments, extremes with their indices, norms."""

import math
import operator
from typing import Any, NamedTuple

import numpy as np

from chainrule.core.errors import VmapError
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import is_captured, may_hold
from chainrule.core.traces.capturing import plain as by_sample
from chainrule.nn import functional
from chainrule.rules.arrays.gather import take_along_axis
from chainrule.rules.arrays.index import GetItem
from chainrule.rules.elementary.compare import stop_gradient

from .dtypes import cast, floating, numpy_dtype, promoted
from .face import faced
from .values import is_mapped


class _Found(NamedTuple):
    values: Any
    indices: Any


def _kind(name: str) -> Any:
    """Return the class of a result: a named tuple `torch.return_types.NAME`."""
    return type(name, (_Found,), {"__module__": "torch.return_types", "__slots__": ()})


MAX, MIN, MEDIAN, NANMEDIAN, MODE = map(_kind, ("max", "min", "median", "nanmedian", "mode"))
SORT, TOPK, KTHVALUE, CUMMAX, CUMMIN = map(_kind, ("sort", "topk", "kthvalue", "cummax", "cummin"))


class AMinMax(NamedTuple):
    """What `aminmax` returns."""

    min: Any
    max: Any


def plain(x: Any) -> Any:
    """Return the values of an engine's tensor as an array."""
    return np.asarray(value_of(x)) if isinstance(x, Engine) else np.asarray(x)


def indices_of(x: Any) -> Any:
    """Return indices as an array, or as they are where each row of a `vmap` or each call of a program has its own."""
    if is_captured(x):
        return x
    try:
        return plain(x)
    except VmapError:
        return x


def axes(x: Any, dim: Any) -> Any:
    """Return `dim` as NumPy's axis: an empty one means all, and an element without axes has one."""
    if dim is None or (isinstance(dim, tuple | list) and not dim):
        return None
    if x.ndim == 0:
        for one in dim if isinstance(dim, tuple | list) else (dim,):
            if one not in (0, -1):
                raise IndexError(f"Dimension out of range (expected to be in range of [-1, 0], but got {one})")
        return None
    found = tuple(map(operator.index, dim)) if isinstance(dim, tuple | list) else operator.index(dim)
    for one in found if isinstance(found, tuple) else (found,):
        if not -x.ndim <= one < x.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [{-x.ndim}, {x.ndim - 1}], but got {one})"
            )
    return found


def _summable(x: Any, dtype: Any) -> Any:
    if dtype is not None:
        return cast(x, numpy_dtype(dtype))
    return cast(x, np.int64) if x.dtype.kind in "biu" else x


@faced
def sum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum of all elements, or along axes."""
    x = _summable(input, dtype)
    return np.sum(x, axis=axes(x, dim), keepdims=keepdim)


@faced
def nansum(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the sum of the elements that are not NaN."""
    x = _summable(input, dtype)
    return np.sum(_without_nan(x), axis=axes(x, dim), keepdims=keepdim)


def _without_nan(x: Any) -> Any:
    return np.where(np.isnan(x), np.zeros((), x.dtype), x) if x.dtype.kind == "f" else x


@faced
def mean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the mean of all elements, or along axes."""
    x = cast(input, numpy_dtype(dtype))
    if x.dtype.kind not in "fc":
        raise RuntimeError(
            "mean(): could not infer output dtype. Input dtype must be either a floating point or complex dtype; "
            "convert it with .float()"
        )
    return _mean(x, axes(x, dim), keepdim)


def _mean(x: Any, axis: Any, keepdim: bool) -> Any:
    if x.size:
        return np.mean(x, axis=axis, keepdims=keepdim)
    return np.sum(x, axis=axis, keepdims=keepdim) / np.asarray(_count(x, axis), x.dtype)


def _count(x: Any, axis: Any) -> int:
    if axis is None:
        return int(np.prod(x.shape, dtype=int))
    return int(np.prod([x.shape[k] for k in (axis if isinstance(axis, tuple) else (axis,))], dtype=int))


@faced
def nanmean(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the mean of the elements that are not NaN."""
    x = cast(input, numpy_dtype(dtype))
    axis = axes(x, dim)
    count = by_sample(lambda x: np.sum(~np.isnan(x), axis=axis, keepdims=keepdim, dtype=x.dtype), x)
    return np.sum(_without_nan(x), axis=axis, keepdims=keepdim) / count


def _moments(input: Any, dim: Any, unbiased: Any, correction: Any, keepdim: bool) -> tuple[Any, Any]:
    if input.dtype.kind not in "fc":
        raise RuntimeError("std and var only support floating point and complex dtypes; convert it with .float()")
    if isinstance(dim, bool):
        dim, unbiased = None, dim
    less = correction if correction is not None else 1 if unbiased is None or unbiased else 0
    axis = axes(input, dim)
    mean = _mean(input, axis, True)
    difference = input - mean
    count = max_of(_count(input, axis) - less, 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        variance = np.sum(difference * difference, axis=axis, keepdims=keepdim) / np.asarray(count, input.dtype)
    if not keepdim:
        mean = mean.reshape(variance.shape)
    return variance, mean


def max_of(a: Any, b: Any) -> Any:
    """Return the larger of two Python numbers."""
    return a if a > b else b


@faced
def var(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """Return the variance, divided by n - 1, or by n - `correction`."""
    return _moments(input, dim, unbiased, correction, keepdim)[0]


@faced
def std(input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None) -> Any:
    """Return the standard deviation, divided by n - 1, or by n - `correction`."""
    return _root(_moments(input, dim, unbiased, correction, keepdim)[0])


def _root(variance: Any) -> Any:
    return np.sqrt(variance)


@faced
def var_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Return variance and mean."""
    return _moments(input, dim, unbiased, correction, keepdim)


@faced
def std_mean(
    input: Any, dim: Any = None, unbiased: Any = None, keepdim: bool = False, *, correction: Any = None
) -> Any:
    """Return standard deviation and mean."""
    variance, mean = _moments(input, dim, unbiased, correction, keepdim)
    return _root(variance), mean


@faced
def prod(input: Any, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the product of all elements, or along an axis."""
    x = _summable(input, dtype)
    return np.prod(x, axis=axes(x, dim), keepdims=keepdim)


def picked(x: Any, places: Any, dim: int, keepdim: bool) -> tuple[Any, Any]:
    """Return the elements at `places`, which has one element along `dim`, and the places."""
    axis = dim % x.ndim
    shape = tuple(x.shape[:axis]) + tuple(x.shape[axis + 1 :])
    if not (is_mapped(x) or is_captured(x)):  # plain places, each of another element: an index says so at once
        places = np.asarray(value_of(places))
        places = places if keepdim else places.reshape(shape)
        lengths = (*x.shape[:axis], 1, *x.shape[axis + 1 :]) if keepdim else shape
        grid = [_along(n, k, len(lengths)) for k, n in enumerate(lengths)]
        index = (*grid[:axis], places, *grid[axis + keepdim :])
        return GetItem.apply(x, index=index, unique=True), places
    values = take_along_axis(x, places, dim)
    return (values, places) if keepdim else (values.reshape(shape), places.reshape(shape))


def _along(n: int, axis: int, ndim: int) -> Any:
    """Return the numbers below n, along one of the axes of an array."""
    return np.arange(n).reshape((1,) * axis + (n,) + (1,) * (ndim - 1 - axis))


def _extreme(kind: Any, find: Any, x: Any, dim: int, keepdim: bool) -> Any:
    axis = axes(x, dim)
    if axis is None:
        return kind(x.copy(), np.zeros((), np.int64))
    return kind(*picked(x, find(x, axis=axis, keepdims=True), axis, keepdim))


@faced
def max(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the largest element; along an axis `(values, indices)`; of two tensors the larger elements."""
    if other is not None or hasattr(dim, "dtype"):
        return np.maximum(*promoted(input, dim if other is None else other))
    if dim is None:
        return np.max(input)
    return _extreme(MAX, np.argmax, input, dim, keepdim)


@faced
def min(input: Any, dim: Any = None, keepdim: bool = False, *, other: Any = None) -> Any:
    """Return the smallest element; along an axis `(values, indices)`; of two tensors the smaller elements."""
    if other is not None or hasattr(dim, "dtype"):
        return np.minimum(*promoted(input, dim if other is None else other))
    if dim is None:
        return np.min(input)
    return _extreme(MIN, np.argmin, input, dim, keepdim)


@faced
def amax(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the maximum along axes; ties share the gradient."""
    return np.max(input, axis=axes(input, dim), keepdims=keepdim)


@faced
def amin(input: Any, dim: Any = (), keepdim: bool = False) -> Any:
    """Return the minimum along axes; ties share the gradient."""
    return np.min(input, axis=axes(input, dim), keepdims=keepdim)


@faced
def aminmax(input: Any, *, dim: Any = None, keepdim: bool = False) -> Any:
    """Return minimum and maximum, `(min, max)`."""
    axis = axes(input, dim)
    return AMinMax(np.min(input, axis=axis, keepdims=keepdim), np.max(input, axis=axis, keepdims=keepdim))


def _place(find: Any, x: Any, dim: Any, keepdim: bool) -> Any:
    axis = axes(x, dim)
    if x.dtype.kind == "b":
        raise RuntimeError("argmax: a tensor of booleans has no order; convert it with .int()")
    return find(x, axis=axis, keepdims=keepdim)


@faced
def argmax(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the index of the largest element."""
    return _place(np.argmax, input, dim, keepdim)


@faced
def argmin(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the index of the smallest element."""
    return _place(np.argmin, input, dim, keepdim)


@faced
def all(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether all elements are nonzero."""
    return np.all(input, axis=axes(input, dim), keepdims=keepdim)


@faced
def any(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return whether any element is nonzero."""
    return np.any(input, axis=axes(input, dim), keepdims=keepdim)


@faced
def count_nonzero(input: Any, dim: Any = None) -> Any:
    """Return how many elements are not zero."""
    if is_mapped(input) or is_captured(input):
        return np.count_nonzero(input, axis=axes(input, dim))
    return np.asarray(np.count_nonzero(plain(input), axis=axes(input, dim)))


@faced
def logsumexp(input: Any, dim: Any, keepdim: bool = False) -> Any:
    """Return log(sum(exp(x))) along axes."""
    x = floating(input)
    axis = axes(x, dim)
    if axis is None and x.ndim:
        axis = tuple(range(x.ndim))
    if x.ndim == 0:
        return x * 1
    return functional.logsumexp(x, axis, keepdim)


def _lower_middle(x: Any, axis: int, skip_nan: bool) -> Any:
    order = np.argsort(x, axis=axis, kind="stable")
    count = np.sum(~np.isnan(x), axis=axis, keepdims=True) if x.dtype.kind == "f" else None
    n = x.shape[axis]
    if count is None:
        middle = np.full([*x.shape[:axis], 1, *x.shape[axis + 1 :]], (n - 1) // 2)
    elif skip_nan:
        middle = np.maximum(count - 1, 0) // 2
    else:  # a NaN, which sorts last, is the median of what contains one
        middle = np.where(count < n, count, (n - 1) // 2)
    return np.take_along_axis(order, middle, axis)


def _median(kind: Any, x: Any, dim: Any, keepdim: bool, skip_nan: bool) -> Any:
    if dim is None:
        flat = x.reshape(-1)
        if not flat.size:
            return np.full((), np.nan, x.dtype)
        return picked(flat, _lower_middle(flat, 0, skip_nan), 0, False)[0]
    axis = axes(x, dim)
    if axis is None:
        return kind(x.copy(), np.zeros((), np.int64))
    return kind(*picked(x, _lower_middle(x, axis % x.ndim, skip_nan), axis, keepdim))


@faced
def median(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median, the lower one of two; along an axis `(values, indices)`."""
    return _median(MEDIAN, input, dim, keepdim, False)


@faced
def nanmedian(input: Any, dim: Any = None, keepdim: bool = False) -> Any:
    """Return the median of the elements that are not NaN."""
    return _median(NANMEDIAN, input, dim, keepdim, True)


@faced
def mode(input: Any, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the most frequent value along an axis, the smallest of several, and the index of its last occurrence."""
    axis = axes(input, dim)
    if axis is None:
        return MODE(input.copy(), np.zeros((), np.int64))

    def of_row(row: Any) -> int:
        values, counts = np.unique(row, return_counts=True)
        return int(np.flatnonzero(row == values[np.argmax(counts)])[-1])

    places = by_sample(lambda x: np.expand_dims(np.apply_along_axis(of_row, axis, x), axis), input)
    return MODE(*picked(input, places, axis, keepdim))


@faced
def norm(input: Any, p: Any = "fro", dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    """Return the p-norm of all elements, or along axes; "fro" is the 2-norm, "nuc" the sum of singular values."""
    x = cast(input, numpy_dtype(dtype))
    axis = axes(x, dim)
    if p == "nuc":
        matrices = x if axis is None else np.moveaxis(x, axis, (-2, -1))
        found = np.sum(np.linalg.svd(matrices, compute_uv=False), axis=-1)
        return found if not keepdim else np.expand_dims(found, axis if axis is not None else (0, 1))
    return vector_norm_of(x, 2 if p in ("fro", None) else p, axis, keepdim)


def vector_norm_of(x: Any, p: Any, axis: Any, keepdim: bool) -> Any:
    """Return the p-norm along axes, with a gradient of zero where it is zero."""
    if x.dtype == np.float16 and p not in (0, 1):  # squares overflow
        return cast(vector_norm_of(cast(x, np.float32), p, axis, keepdim), x.dtype)
    p = float(p)
    size = np.absolute(x)
    if p == math.inf:
        return np.max(size, axis=axis, keepdims=keepdim)
    if p == -math.inf:
        return np.min(size, axis=axis, keepdims=keepdim)
    if p == 0:
        return stop_gradient(np.sum(cast(np.not_equal(x, 0), x.dtype), axis=axis, keepdims=keepdim))
    if p == 1:
        return np.sum(size, axis=axis, keepdims=keepdim)
    if p == 2:
        total = np.sum(x * x, axis=axis, keepdims=keepdim)
        return _rooted(total, 0.5)
    return _rooted(np.sum(np.power(_shifted(size, p), p), axis=axis, keepdims=keepdim), 1 / p)


def _shifted(size: Any, p: float) -> Any:
    """Return sizes whose zeros are constants if the derivative of the power is infinite there."""
    return np.where(np.equal(size, 0), stop_gradient(size), size) if p < 1 else size


def _rooted(total: Any, power: float) -> Any:
    zero = np.equal(total, 0)
    if power < 0 or not may_hold(zero):
        return np.sqrt(total) if power == 0.5 else np.power(total, power)
    safe = np.where(zero, np.ones((), total.dtype), total)
    return np.where(zero, np.zeros((), total.dtype), np.sqrt(safe) if power == 0.5 else np.power(safe, power))


@faced
def dist(input: Any, other: Any, p: float = 2) -> Any:
    """Return the p-norm of the difference of two tensors."""
    a, b = promoted(input, other)
    return vector_norm_of(a - b, p, None, False)


@faced
def renorm(input: Any, p: float, dim: int, maxnorm: float) -> Any:
    """Return each slice along an axis scaled down to a norm of at most `maxnorm`."""
    rest = tuple(k for k in range(input.ndim) if k != dim % input.ndim)
    size = vector_norm_of(input, p, rest, True)
    small = np.less_equal(size, maxnorm)
    factor = np.where(small, np.ones((), input.dtype), maxnorm / (np.where(small, maxnorm, size) + 1e-7))
    return input * factor


# Scans


@faced
def cumsum(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the running sum along an axis."""
    x = _summable(input, dtype)
    return np.cumsum(x, axis=dim) if x.ndim else x * 1


@faced
def cumprod(input: Any, dim: int, *, dtype: Any = None) -> Any:
    """Return the running product along an axis."""
    x = _summable(input, dtype)
    return np.cumprod(x, axis=dim) if x.ndim else x * 1


@faced
def logcumsumexp(input: Any, dim: int) -> Any:
    """Return log(cumsum(exp(x))) along an axis."""
    x = floating(input)
    if x.ndim == 0 or x.shape[dim] == 0:
        return x * 1
    rows = np.moveaxis(x, dim, -1)
    n = rows.shape[-1]
    below = np.tril(np.ones((n, n), bool))
    table = np.where(below, np.expand_dims(rows, -2), np.asarray(-math.inf, x.dtype))
    return np.moveaxis(functional.logsumexp(table, -1, False), -1, dim)


def _running(kind: Any, x: Any, dim: int, better: Any) -> Any:
    if x.ndim == 0:
        return kind(x.copy(), np.zeros((), np.int64))
    places = by_sample(lambda values: _running_places(values, dim, better), x)
    return kind(take_along_axis(x, places, dim), places)


def _running_places(values: Any, dim: int, better: Any) -> Any:
    values = np.moveaxis(values, dim, 0)
    places = np.zeros(values.shape, np.int64)
    for k in range(1, len(values)):
        best = np.take_along_axis(values, places[k - 1 : k], 0)[0]
        places[k] = np.where(better(values[k], best) | np.isnan(values[k]), k, places[k - 1])
    return np.moveaxis(places, 0, dim)


@faced
def cummax(input: Any, dim: int) -> Any:
    """Return the running maximum along an axis, and its indices."""
    return _running(CUMMAX, input, dim, np.greater_equal)


@faced
def cummin(input: Any, dim: int) -> Any:
    """Return the running minimum along an axis, and its indices."""
    return _running(CUMMIN, input, dim, np.less_equal)


@faced
def diff(input: Any, n: int = 1, dim: int = -1, prepend: Any = None, append: Any = None) -> Any:
    """Return the n-th difference of neighbours along an axis."""
    if n == 0:
        return input * 1 if input.dtype.kind != "b" else input.copy()
    parts = [part for part in (prepend, input, append) if part is not None]
    x = parts[0] if len(parts) == 1 else np.concatenate(parts, axis=dim)
    for _ in range(n if x.shape[dim] > n else max_of(0, x.shape[dim])):
        ahead = (slice(None),) * (dim % x.ndim)
        x = (
            x[(*ahead, slice(1, None))] - x[(*ahead, slice(None, -1))]
            if x.dtype.kind != "b"
            else np.not_equal(x[(*ahead, slice(1, None))], x[(*ahead, slice(None, -1))])
        )
    return x


def _areas(y: Any, x: Any, dx: Any, dim: int) -> Any:
    ahead = (slice(None),) * (dim % y.ndim)
    later, earlier = (*ahead, slice(1, None)), (*ahead, slice(None, -1))
    if x is None:
        return floating(y[later] + y[earlier]) * (0.5 * dx)
    if x.ndim == 1:
        width = (x[1:] - x[:-1]).reshape([-1 if k == dim % y.ndim else 1 for k in range(y.ndim)])
    else:
        places = (slice(None),) * (dim % x.ndim)
        width = x[(*places, slice(1, None))] - x[(*places, slice(None, -1))]
    heights, width = promoted(y[later] + y[earlier], width)
    return floating(heights * width) / 2


@faced
def trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """Return the integral along an axis by the trapezoidal rule."""
    return np.sum(_areas(y, x, dx, dim), axis=dim)


@faced
def trapz(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """Return the integral along an axis by the trapezoidal rule."""
    return np.sum(_areas(y, x, dx, dim), axis=dim)


@faced
def cumulative_trapezoid(y: Any, x: Any = None, *, dx: Any = 1, dim: int = -1) -> Any:
    """Return the running integral along an axis by the trapezoidal rule."""
    return np.cumsum(_areas(y, x, dx, dim), axis=dim)


@faced
def cov(input: Any, *, correction: int = 1, fweights: Any = None, aweights: Any = None) -> Any:
    """Return the covariance of the rows."""
    x = floating(input)
    x = x.reshape(1, -1) if x.ndim < 2 else x
    counts, shares = fweights, aweights
    weights = shares if counts is None else counts if shares is None else cast(counts, shares.dtype) * shares
    if weights is None:
        total = np.asarray(x.shape[1], x.dtype)
        centered = x - np.sum(x, axis=1, keepdims=True) / total
        product = centered @ centered.T
        less: Any = correction
    else:
        weights = cast(weights, x.dtype)
        total = np.sum(weights, dtype=weights.dtype)
        centered = x - np.sum(x * weights, axis=1, keepdims=True) / total
        product = (centered * weights) @ centered.T
        less = correction if aweights is None else correction * np.sum(weights * aweights) / total
    with np.errstate(invalid="ignore", divide="ignore"):
        found = product / cast(np.maximum(total - less, 0), x.dtype)
    return found.reshape(()) if found.size == 1 else found


@faced
def corrcoef(input: Any) -> Any:
    """Return the correlation coefficients of the rows."""
    x = floating(input)
    x = x.reshape(1, -1) if x.ndim < 2 else x
    centered = x - np.mean(x, axis=1, keepdims=True)
    product = centered @ centered.T
    size = np.sqrt(np.diagonal(product))
    with np.errstate(invalid="ignore", divide="ignore"):
        found = product / size[:, None] / size[None, :]
    found = np.clip(found, -1, 1)
    return found.reshape(()) if found.size == 1 else found
