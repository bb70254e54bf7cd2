"""Reading and writing elements at indices, sorting and searching."""

import math
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.inplace import viewed
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.traces.capturing import plain as by_sample
from chainrule.rules.arrays.gather import along_axis, take_along_axis
from chainrule.rules.arrays.index import At, GetItem, IndexAdd
from chainrule.rules.arrays.shape import broadcast_to

from .dtypes import cast
from .elementwise import scaled
from .face import faced
from .histograms import in_any_order, unsorted
from .reductions import KTHVALUE, SORT, TOPK, axes, indices_of, picked, plain
from .values import index_parts


@faced
def getitem(self: Any, index: Any) -> Any:
    """Return `x[index]`: a view for integers and slices, a copy for tensors and lists."""
    numbers = (index,) if type(index) is int else index if type(index) is tuple else (None,)
    if isinstance(self, Engine) and _INTS.issuperset(map(type, numbers)):  # most indices: nothing has to be asked
        return viewed(GetItem, self, {"index": (*numbers, ...), "unique": True})
    return self[index_parts(index)]


_INTS = frozenset({int})


def _ahead(x: Any, dim: int, index: Any) -> tuple[Any, ...]:
    return (*(slice(None),) * (dim % max(x.ndim, 1)), index)


@faced
def index_select(input: Any, dim: int, index: Any) -> Any:
    """Return slices along an axis."""
    if input.ndim == 0:
        return input[None][np.reshape(index, (-1,))].reshape(())
    return np.take(input, np.reshape(indices_of(index), (-1,)), axis=dim)


@faced
def take(input: Any, index: Any) -> Any:
    """Return elements at flat indices."""
    return np.reshape(input, (-1,))[indices_of(index)]


def _reach(x: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Return the part of x that an index of a shape reaches: its other axes may be shorter."""
    axis = dim % x.ndim
    return x[tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(shape))]


@faced
def gather(input: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Return one element for each index, at the same place along the other axes."""
    index = indices_of(index)
    if input.ndim == 0 or index.ndim == 0:
        flat = np.reshape(input, (-1,))[np.reshape(index, (-1,))]
        return np.reshape(flat, index.shape)
    if not index.size:
        none = np.zeros(index.shape, input.dtype)
        return none + np.sum(input) * 0 if input.dtype.kind in "fc" else none
    return take_along_axis(_reach(input, dim, index.shape), index, dim)


@faced
def take_along_dim(input: Any, indices: Any, dim: Any = None) -> Any:
    """Return one element for each index; the other axes are broadcast."""
    indices = indices_of(indices)
    if dim is None:
        return np.reshape(input, (-1,))[np.reshape(indices, (-1,))]
    axis = dim % input.ndim
    shape = np.broadcast_shapes(
        tuple(1 if k == axis else n for k, n in enumerate(input.shape)),
        tuple(1 if k == axis else n for k, n in enumerate(indices.shape)),
    )
    x = broadcast_to(input, (*shape[:axis], input.shape[axis], *shape[axis + 1 :]))
    places = broadcast_to(indices, (*shape[:axis], indices.shape[axis], *shape[axis + 1 :]))
    return take_along_axis(x, places, axis)


def _copy_of(x: Any) -> Any:
    return x.copy()


def _set(x: Any, index: Any, value: Any) -> Any:
    if isinstance(x, np.ndarray) and not isinstance(value, Engine):
        made = x.copy()
        made[index] = value
        return made
    return At(x)[index].set(cast(value, x.dtype) if hasattr(value, "dtype") else np.asarray(value, x.dtype))


def _add(x: Any, index: Any, value: Any) -> Any:
    if isinstance(x, np.ndarray) and not isinstance(value, Engine):
        return IndexAdd.primal(x, value, index=index if isinstance(index, tuple) else (index,))
    return At(x)[index].add(cast(value, x.dtype))


def _rows(index: Any) -> Any:
    return np.reshape(indices_of(index), (-1,))


def _lifted(function: Any) -> Any:
    """Return a function along an axis that treats an element without axes as one with a single one."""

    def called(input: Any, dim: int, index: Any, *args: Any, **settings: Any) -> Any:
        if input.ndim:
            return function(input, dim, index, *args, **settings)
        rest = [np.reshape(x, (1,)) if hasattr(x, "ndim") and x.ndim == 0 else x for x in args]
        found = function(np.reshape(input, (1,)), 0, np.reshape(index, (-1,)), *rest, **settings)
        return np.reshape(found, ())

    called.__name__, called.__doc__ = function.__name__, function.__doc__
    return faced(called)


@_lifted
def index_add(input: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Return the tensor with slices of `source` added at indices along an axis."""
    source = np.reshape(source, (1,)) if source.ndim == 0 else source
    axis = dim % input.ndim
    if [n for k, n in enumerate(input.shape) if k != axis] != [n for k, n in enumerate(source.shape) if k != axis]:
        raise RuntimeError(
            f"index_add: source tensor shape must match self tensor shape, excluding dimension {dim}. Got "
            f"{list(input.shape)} and {list(source.shape)}"
        )
    return _add(input, _ahead(input, dim, _rows(index)), scaled(source, alpha))


@_lifted
def index_copy(input: Any, dim: int, index: Any, source: Any) -> Any:
    """Return the tensor with slices replaced by those of `source` at indices along an axis."""
    return _set(input, _ahead(input, dim, _rows(index)), source)


@_lifted
def index_fill(input: Any, dim: int, index: Any, value: Any) -> Any:
    """Return the tensor with slices along an axis filled with one value."""
    value = np.reshape(value, ()) if hasattr(value, "shape") else value
    return _set(input, _ahead(input, dim, _rows(index)), value)


@faced
def index_put(input: Any, indices: Any, values: Any, accumulate: bool = False) -> Any:
    """Return the tensor with values written, or added, at index tensors."""
    place = index_parts(tuple(slice(None) if one is None else one for one in indices))
    return _add(input, place, values) if accumulate else _set(input, place, values)


def _places(x: Any, dim: int, index: Any) -> Any:
    return along_axis("scatter", index.shape, index, dim % x.ndim)


def _rows_of(x: Any, index: Any) -> Any:
    """Return the number of each row where an index says for all its elements the same, by `expand` for example."""
    if not isinstance(index, np.ndarray) or index.ndim < 2 or index.shape[1:] != x.shape[1:] or not index.size:
        return None
    rows = index.reshape(len(index), -1)[:, 0]
    is_one = not any(index.strides[1:]) or (index == rows.reshape(-1, *[1] * (index.ndim - 1))).all()
    return rows if is_one else None


def _scattered(x: Any, dim: int, index: Any, src: Any, reduce: str | None) -> Any:
    if not index.size:
        return x.copy()
    if getattr(src, "dtype", x.dtype) != x.dtype and src.ndim:
        raise RuntimeError(f"scatter(): Expected self.dtype to be equal to src.dtype, got {x.dtype} and {src.dtype}")
    src = src if hasattr(src, "shape") else np.asarray(src, x.dtype)
    values = broadcast_to(src, index.shape) if src.ndim == 0 else src[tuple(map(slice, index.shape))]
    if reduce == "add" and dim % x.ndim == 0 and (rows := _rows_of(x, index)) is not None:
        return _add(x, rows, values)
    place = _places(x, dim, index)
    if reduce is None:
        return _set(x, place, values)
    if reduce == "add":
        return _add(x, place, values)
    return _reduced(x, dim, index, values, "prod", True)


@faced
def scatter(input: Any, dim: int, index: Any, src: Any = None, *, value: Any = None, reduce: str | None = None) -> Any:
    """Return the tensor with one element written for each index, at the same place along the other axes.

    With `reduce` it is added ("add") or multiplied ("multiply") to what is there.
    """
    src = value if src is None else src
    index = indices_of(index)
    if input.ndim == 0:
        flat = src if not hasattr(src, "ndim") else np.reshape(src, (-1,))
        return np.reshape(_scattered(np.reshape(input, (1,)), 0, np.reshape(index, (-1,)), flat, reduce), ())
    if index.ndim == 0:
        index, src = np.reshape(index, (1,)), np.reshape(src, (1,)) if hasattr(src, "ndim") else src
    return _scattered(input, dim, index, src, reduce)


@faced
def scatter_add(input: Any, dim: int, index: Any, src: Any) -> Any:
    """Return the tensor with one element added for each index."""
    index = indices_of(index)
    if input.ndim == 0 or index.ndim == 0:
        src = np.reshape(src, (-1,))
        flat = np.reshape(input, (-1,))
        return np.reshape(_scattered(flat, 0, np.reshape(index, (-1,)), src, "add"), input.shape)
    return _scattered(input, dim, index, src, "add")


def _hits(shape: tuple[int, ...], *place: Any) -> Any:
    """Return how often each element of an array of a shape is at one of the places."""
    hits = np.zeros(shape, np.int64)
    np.add.at(hits, place, 1)
    return hits


def _reduced(x: Any, dim: int, index: Any, values: Any, reduce: str, include_self: bool) -> Any:
    """Return x with values combined at indices: each place reduces a row of all values that reach it."""
    place = _places(x, dim, index)
    hits = by_sample(partial(_hits, x.shape), *place)
    if reduce in ("sum", "mean"):
        start = x if include_self else np.where(hits == 0, x, np.zeros((), x.dtype))
        total = _add(start, place, values)
        if reduce == "sum":
            return total
        count = np.maximum(hits + 1 if include_self else hits, 1)
        return total / count.astype(x.dtype) if x.dtype.kind == "f" else total // count
    place = tuple(map(plain, place))
    flat = np.ravel_multi_index(tuple(np.broadcast_arrays(*place)), x.shape).ravel()
    order = np.argsort(flat, kind="stable")
    rank = np.zeros(flat.size, np.int64)
    starts = np.flatnonzero(np.r_[True, np.diff(flat[order]) != 0])
    rank[order] = np.arange(flat.size) - np.repeat(starts, np.diff(np.r_[starts, flat.size]))
    depth = int(rank.max()) + 1
    neutral = {"prod": 1, "amax": -math.inf, "amin": math.inf}[reduce]
    if x.dtype.kind in "iu" and reduce != "prod":
        neutral = getattr(np.iinfo(x.dtype), "min" if reduce == "amax" else "max")
    table = _set(np.full((depth, x.size), neutral, x.dtype), (rank, flat), np.reshape(values, (-1,)))
    own = x if include_self else np.where(hits == 0, x, np.asarray(neutral, x.dtype))
    rows = np.concatenate([np.reshape(own, (1, x.size)), table])
    combine: Any = {"prod": np.prod, "amax": np.max, "amin": np.min}[reduce]
    found = combine(rows, axis=0)
    return np.reshape(found, x.shape)


@faced
def scatter_reduce(input: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True) -> Any:
    """Return the tensor with the values for each place combined: "sum", "mean", "prod", "amax" or "amin"."""
    index = indices_of(index)
    if input.dtype.kind == "b":
        if reduce == "mean":
            raise RuntimeError("scatter_reduce: the mean of booleans is not defined; convert them with .float()")
        # A sum is true where one is, a product where all are.
        kind = {"sum": "amax", "prod": "amin"}.get(reduce, reduce)
        return cast(_combined(cast(input, np.uint8), dim, index, cast(src, np.uint8), kind, include_self), bool)
    return _combined(input, dim, index, src, reduce, include_self)


def _combined(input: Any, dim: int, index: Any, src: Any, reduce: str, include_self: bool) -> Any:
    if input.ndim == 0 or index.ndim == 0:
        flat, index, src = np.reshape(input, (-1,)), np.reshape(index, (-1,)), np.reshape(src, (-1,))
        return np.reshape(_reduced(flat, 0, index, src[: len(index)], reduce, include_self), input.shape)
    if not index.size:
        return input.copy()
    return _reduced(input, dim, index, src[tuple(map(slice, index.shape))], reduce, include_self)


@faced
def select_scatter(input: Any, src: Any, dim: int, index: int) -> Any:
    """Return the tensor with one slice along an axis replaced."""
    return _set(input, _ahead(input, dim, index), src)


@faced
def slice_scatter(input: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """Return the tensor with a slice of an axis replaced."""
    return _set(input, _ahead(input, dim, slice(start, end, step)), src)


@faced
def diagonal_scatter(input: Any, src: Any, offset: int = 0, dim1: int = 0, dim2: int = 1) -> Any:
    """Return the tensor with a diagonal replaced."""
    places = np.diagonal(np.arange(input.size).reshape(input.shape), offset, dim1, dim2)
    flat = _set(np.reshape(input, (-1,)), (places.reshape(-1),), np.reshape(src, (-1,)))
    return np.reshape(flat, input.shape)


@faced
def masked_fill(input: Any, mask: Any, value: Any) -> Any:
    """Return the tensor with one value where the mask is true."""
    if mask.dtype.kind != "b":
        raise RuntimeError(f"masked_fill: only supports boolean masks, got {mask.dtype}; convert it with .bool()")
    value = np.reshape(cast(value, input.dtype), ()) if hasattr(value, "dtype") else np.asarray(value, input.dtype)
    return np.where(cast(mask, bool), value, input)


@faced
def masked_select(input: Any, mask: Any) -> Any:
    """Return the elements where the mask is true, on one axis."""
    mask = plain(mask)
    shape = np.broadcast_shapes(input.shape, mask.shape)
    x = input if input.shape == shape else broadcast_to(input, shape)
    return np.reshape(x[np.broadcast_to(mask, shape)], (-1,))


@faced
def masked_scatter(input: Any, mask: Any, source: Any) -> Any:
    """Return the tensor with the places where the mask is true filled from `source` in order."""
    mask = np.broadcast_to(plain(mask), np.broadcast_shapes(plain(mask).shape, input.shape))
    if not mask.any():
        return broadcast_to(input, mask.shape) + np.zeros((), input.dtype)
    order = np.maximum(np.cumsum(mask.ravel()) - 1, 0).reshape(mask.shape)
    flat = np.reshape(source, (-1,))
    return np.where(mask, flat[np.where(mask, order, 0)], input)


@faced
def put(input: Any, index: Any, source: Any, accumulate: bool = False) -> Any:
    """Return the tensor with values written, or added, at flat indices."""
    flat = np.reshape(input, (-1,))
    place = (_rows(index),)
    values = np.reshape(source, (-1,))
    return np.reshape(_add(flat, place, values) if accumulate else _set(flat, place, values), input.shape)


@faced
def nonzero(input: Any, *, as_tuple: bool = False) -> Any:
    """Return the indices of nonzero elements, one row each, or one tensor for each axis."""
    values = plain(input)
    if as_tuple:
        return tuple(np.nonzero(np.atleast_1d(values)))
    return np.argwhere(values)


argwhere = nonzero


# Order


def order_of(x: Any, dim: int, descending: bool) -> Any:
    """Return the indices that sort an axis, stable; NaN is the largest."""
    if not descending:
        return np.argsort(x, axis=dim, kind="stable")
    order = np.flip(np.argsort(np.flip(x, dim), axis=dim, kind="stable"), dim)
    return x.shape[dim] - 1 - order


@faced
def sort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the elements in order along an axis, and their indices: `(values, indices)`."""
    if input.ndim == 0:
        return SORT(input.copy(), np.zeros((), np.int64))
    places = order_of(input, dim, descending)
    return SORT(take_along_axis(input, places, dim), places)


@faced
def argsort(input: Any, dim: int = -1, descending: bool = False, stable: bool = False) -> Any:
    """Return the indices that put an axis in order."""
    return order_of(input, dim, descending) if input.ndim else np.zeros((), np.int64)


@faced
def msort(input: Any) -> Any:
    """Return the elements in order along the first axis."""
    return take_along_axis(input, order_of(input, 0, False), 0) if input.ndim else input.copy()


@faced
def topk(input: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the k largest or smallest elements along an axis, and their indices."""
    if input.ndim == 0:
        return TOPK(input.copy(), np.zeros((), np.int64))
    if k > input.shape[dim]:
        raise RuntimeError("selected index k out of range")
    places = order_of(input, dim, largest)[_ahead(input, dim, slice(k))]
    return TOPK(take_along_axis(input, places, dim), places)


@faced
def kthvalue(input: Any, k: int, dim: int = -1, keepdim: bool = False) -> Any:
    """Return the k-th smallest element along an axis, and its index."""
    if axes(input, dim) is None:
        return KTHVALUE(input.copy(), np.zeros((), np.int64))
    places = order_of(input, dim, False)[_ahead(input, dim, slice(k - 1, k))]
    return KTHVALUE(*picked(input, places, dim, keepdim))


@faced
def unique(
    input: Any, sorted: bool = True, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the distinct elements in order, and on request where each came from and how often it occurs."""
    found = np.unique(plain(input), return_inverse=True, return_counts=True, axis=dim)
    values, inverse, counts = found
    inverse = inverse.reshape(input.shape if dim is None else (-1,))
    rest = [one for one, wanted in ((inverse, return_inverse), (counts, return_counts)) if wanted]
    return (values, *rest) if rest else values


@faced
def unique_consecutive(
    input: Any, return_inverse: bool = False, return_counts: bool = False, dim: int | None = None
) -> Any:
    """Return the elements without immediate repetitions."""
    x = plain(input)
    rows = x.reshape(-1) if dim is None else np.moveaxis(x, dim, 0)
    differs = np.any((rows[1:] != rows[:-1]).reshape(max(len(rows) - 1, 0), math.prod(rows.shape[1:])), axis=1)
    first = np.r_[np.ones(min(len(rows), 1), bool), differs]
    values = rows[first]
    inverse = np.cumsum(first) - 1
    counts = np.bincount(inverse) if len(rows) else np.zeros(0, np.int64)
    values = values if dim is None else np.moveaxis(values, 0, dim)
    inverse = inverse.reshape(x.shape) if dim is None else inverse
    rest = [one for one, wanted in ((inverse, return_inverse), (counts, return_counts)) if wanted]
    return (values, *rest) if rest else values


@faced
def bincount(input: Any, weights: Any = None, minlength: int = 0) -> Any:
    """Return how often each integer occurs, or the sum of its weights."""
    return np.bincount(plain(input), None if weights is None else plain(weights), minlength)


@faced
def histc(input: Any, bins: int = 100, min: float = 0, max: float = 0) -> Any:
    """Return how many elements fall into each of equal bins between two limits; by default the extremes."""
    x = plain(input)
    low, high = (min, max) if min != max else (x.min(), x.max()) if x.size else (0.0, 1.0)
    if low == high:
        low, high = low - 1, high + 1
    return np.histogram(x, bins, (low, high))[0].astype(x.dtype)


@faced
def histogram(input: Any, bins: Any = 100, *, range: Any = None, weight: Any = None, density: bool = False) -> Any:
    """Return how many elements fall into each bin, and the edges of the bins: `(hist, bin_edges)`."""
    x = plain(input).reshape(-1)
    bins = plain(bins) if hasattr(bins, "shape") else bins
    weights = None if weight is None else plain(weight).reshape(-1)
    if unsorted([bins]):
        counts, edges = in_any_order(x[:, None], [bins], density, weights), bins
    else:
        counts, edges = np.histogram(x, bins, range, density=density, weights=weights)
    return HISTOGRAM(counts.astype(x.dtype), edges.astype(x.dtype))


class _Histogram(SORT):  # type: ignore[misc]
    __slots__ = ()

    @property
    def hist(self) -> Any:
        """The counts."""
        return self[0]

    @property
    def bin_edges(self) -> Any:
        """The edges of the bins."""
        return self[1]


HISTOGRAM = _Histogram


@faced
def searchsorted(
    sorted_sequence: Any,
    input: Any,
    *,
    out_int32: bool = False,
    right: bool = False,
    side: str | None = None,
    sorter: Any = None,
) -> Any:
    """Return where each element has its place in a sorted row."""
    where = "right" if right or side == "right" else "left"
    kind = np.int32 if out_int32 else np.int64
    if sorter is not None:
        sorted_sequence = by_sample(lambda rows, order: np.take_along_axis(rows, order, -1), sorted_sequence, sorter)
    return by_sample(lambda rows, values: _places_in(rows, values, where).astype(kind), sorted_sequence, input)


def _places_in(rows: Any, values: Any, where: Any) -> Any:
    """Return where values have their places in a sorted vector, or those of each row in a sorted row."""
    rows, values = np.asarray(rows), np.asarray(values)
    if rows.ndim == 1:
        return np.asarray(np.searchsorted(rows, values, where))
    flat, wanted = rows.reshape(-1, rows.shape[-1]), values.reshape(-1, values.shape[-1])
    found = [np.searchsorted(a, b, where) for a, b in zip(flat, wanted, strict=True)]
    return np.array(found).reshape(values.shape)


@faced
def bucketize(input: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Return the index of the bucket that each element falls into."""
    side, kind = "right" if right else "left", np.int32 if out_int32 else np.int64
    return by_sample(lambda edges, x: _places_in(edges, x, side).astype(kind), boundaries, input)


@faced
def one_hot(tensor: Any, num_classes: int = -1) -> Any:
    """Return a row of zeros with a one for each class."""
    if tensor.dtype.kind not in "iu":
        raise RuntimeError(f"one_hot: expected integers, got {tensor.dtype}; convert them with .long()")
    classes = indices_of(tensor)
    if num_classes >= 0 and (isinstance(classes, Engine) or not isinstance(classes, np.ndarray)):
        return np.equal(classes[..., None], np.arange(num_classes)).astype(np.int64)
    classes = plain(tensor)
    n = num_classes if num_classes >= 0 else int(classes.max()) + 1
    if classes.size and (classes.min() < 0 or classes.max() >= n):
        raise RuntimeError("one_hot: Class values must be non-negative and smaller than num_classes.")
    return (classes[..., None] == np.arange(n)).astype(np.int64)
