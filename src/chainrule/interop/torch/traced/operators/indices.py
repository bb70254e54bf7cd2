"""ATen's operators that read or write elements at indices, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import plain, state
from chainrule.interop.extrema import extremum_along
from chainrule.interop.torch.traced.call import Call, arrayed, carries, cast
from chainrule.nn import functional
from chainrule.rules.arrays.gather import along_axis, take, take_along_axis
from chainrule.rules.arrays.index import At, getitem
from chainrule.rules.arrays.shape import broadcast_to, moveaxis, reshape
from chainrule.rules.elementary.selection import where

from .shapes import along


@carries("select.int", "select_copy.int")
def select(call: Call, x: Any, dim: int, index: int) -> Any:
    """Return one slice along an axis."""
    return along(x, dim, index)


def _sliced(x: Any, dim: int, start: Any, end: Any, step: int) -> slice:
    """Return a slice within the axis; PyTorch writes 2⁶³ − 1 for the end of the axis."""
    n = x.shape[dim]
    return slice(0 if start is None else min(start, n), n if end is None else min(end, n), step)


@carries("slice.Tensor", "slice_copy.Tensor")
def slice_(call: Call, x: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """Return a slice of an axis."""
    part = _sliced(x, dim, start, end, step)
    return x if part == slice(0, x.shape[dim], 1) else along(x, dim, part)


@carries("narrow")
def narrow(call: Call, x: Any, dim: int, start: int, length: int) -> Any:
    """Return a slice of an axis, given its start and length."""
    return along(x, dim, slice(start, start + length))


@carries("index.Tensor", "_unsafe_index.Tensor")
def index(call: Call, x: Any, indices: Sequence[Any]) -> Any:
    """Return the elements selected by index arrays; None selects a whole axis."""
    return getitem(x, tuple(slice(None) if part is None else part for part in indices))


@carries("index_select")
def index_select(call: Call, x: Any, dim: int, index: Any) -> Any:
    """Return slices along an axis."""
    return take(x, index, axis=dim)


@carries("take")
def take_flat(call: Call, x: Any, index: Any) -> Any:
    """Return elements of x at flat indices."""
    return take(reshape(x, (-1,)), index, axis=0)


@carries("gather")
def gather(call: Call, x: Any, dim: int, index: Any, *, sparse_grad: bool = False) -> Any:
    """Return one element for each index, at the same position along the other axes."""
    if x.ndim == 0:
        return broadcast_to(x, index.shape)
    return take_along_axis(_cut(x, dim, index.shape), index, dim)


def _cut(x: Any, dim: int, shape: tuple[int, ...]) -> Any:
    """Return the part of x that an index array of this shape can reach: its axes may be shorter than those of x."""
    axis = dim % x.ndim
    return x[tuple(slice(None) if k == axis else slice(n) for k, n in enumerate(shape))]


@carries("embedding")
def embedding(
    call: Call, weight: Any, indices: Any, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Any:
    """Return rows of a table; the padding row gets no gradient."""
    if scale_grad_by_freq:
        call.refuse("scale_grad_by_freq: expected False; chainrule adds the gradients of a row up")
    return functional.embedding(indices, weight, None if padding_idx < 0 else padding_idx)


@carries("_embedding_bag", "_embedding_bag_forward_only")
def embedding_bag(
    call: Call, weight: Any, indices: Any, offsets: Any, scale_grad_by_freq: bool = False, mode: int = 0,
    sparse: bool = False, per_sample_weights: Any = None, include_last_offset: bool = False, padding_idx: int = -1,
) -> tuple[Any, None, None, None]:  # fmt: skip
    """Return the sum (mode 0), the mean (1) or the maximum (2) of each bag's rows; an empty bag gives zeros."""
    if scale_grad_by_freq:
        call.refuse("scale_grad_by_freq: expected False; chainrule adds the gradients of a row up")
    inside = plain(
        lambda i, first: (
            (np.searchsorted(first, np.arange(i.size), "right") - 1 == np.arange(first.size)[:, None])
            & (i != padding_idx)
        ),
        indices,
        offsets[:-1] if include_last_offset else offsets,
    )
    rows = take(weight, indices, axis=0)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights[:, None]
    if mode == 2:
        most = np.max(where(inside[:, :, None], rows, -np.inf), axis=1)
        return where(plain(lambda x: x.any(1, keepdims=True), inside), most, 0.0), None, None, None
    share = plain(lambda x: x / (np.maximum(x.sum(1, keepdims=True), 1) if mode == 1 else 1), inside)
    return cast(share, rows.dtype) @ rows, None, None, None


# Writing


def _at(x: Any, place: tuple[Any, ...]) -> Any:
    """Return a place in x as an `At`; it works in a capture too, where an index may not be known yet."""
    return At(x if isinstance(x, Tensor) else state(x))[place]


@carries("select_scatter")
def select_scatter(call: Call, x: Any, src: Any, dim: int, index: int) -> Any:
    """Return x with one slice overwritten."""
    return _at(x, (slice(None),) * (dim % x.ndim) + (index,)).set(cast(arrayed(src), x.dtype))


@carries("slice_scatter")
def slice_scatter(call: Call, x: Any, src: Any, dim: int = 0, start: Any = None, end: Any = None, step: int = 1) -> Any:
    """Return x with part of an axis overwritten."""
    part = _sliced(x, dim, start, end, step)
    return _at(x, (slice(None),) * (dim % x.ndim) + (part,)).set(cast(arrayed(src), x.dtype))


@carries("index_put", "_unsafe_index_put", "_index_put_impl")
def index_put(
    call: Call, x: Any, indices: Sequence[Any], values: Any, accumulate: bool = False, unsafe: bool = False
) -> Any:
    """Return x with values written or added at the places given by index arrays."""
    place = _at(x, tuple(slice(None) if part is None else part for part in indices))
    values = cast(arrayed(values), x.dtype)
    return place.add(values) if accumulate else place.set(values)


@carries("index_add")
def index_add(call: Call, x: Any, dim: int, index: Any, source: Any, *, alpha: Any = 1) -> Any:
    """Return x with slices added."""
    return _at(x, (slice(None),) * (dim % x.ndim) + (index,)).add(source if alpha == 1 else source * alpha)


@carries("index_copy")
def index_copy(call: Call, x: Any, dim: int, index: Any, source: Any) -> Any:
    """Return x with slices overwritten."""
    return _at(x, (slice(None),) * (dim % x.ndim) + (index,)).set(source)


@carries("index_fill")
def index_fill(call: Call, x: Any, dim: int, index: Any, value: Any) -> Any:
    """Return x with slices filled with one value."""
    return _at(x, (slice(None),) * (dim % x.ndim) + (index,)).set(cast(arrayed(value), x.dtype))


@carries("scatter.src", "scatter.value", "scatter.reduce", "scatter.value_reduce")
def scatter(call: Call, x: Any, dim: int, index: Any, src: Any, *, reduce: str | None = None) -> Any:
    """Return x with one element written or added per index, at the same position along the other axes."""
    src = cast(arrayed(src), x.dtype)
    values = broadcast_to(src, index.shape) if src.ndim == 0 else src[tuple(map(slice, index.shape))]
    place = _at(x, along_axis("scatter", index.shape, index, dim % x.ndim))
    if reduce not in (None, "add"):
        call.refuse(f"reduce: expected 'add' or none, got {reduce!r}; write the product with torch.where")
    return place.add(values) if reduce == "add" else place.set(values)


@carries("scatter_add")
def scatter_add(call: Call, x: Any, dim: int, index: Any, src: Any) -> Any:
    """Return x with one element added per index."""
    return scatter(call, x, dim, index, src, reduce="add")


@carries("scatter_reduce.two")
def scatter_reduce(
    call: Call, x: Any, dim: int, index: Any, src: Any, reduce: str, *, include_self: bool = True
) -> Any:
    """Return x with the sum, the mean or the extremum of the elements for each index."""
    if reduce in ("amax", "amin"):
        values, largest = src[tuple(map(slice, index.shape))], reduce == "amax"
        return extremum_along(
            "scatter_reduce", x, dim % x.ndim, index, values, largest=largest, include_self=include_self
        )
    if reduce not in ("sum", "mean"):
        call.refuse(f"reduce: expected 'sum', 'mean', 'amax' or 'amin', got {reduce!r}; chainrule has no rule for it")
    ones = np.ones(index.shape, x.dtype)
    zeros = np.zeros(x.shape, x.dtype)
    hits = scatter(call, zeros, dim, index, ones, reduce="add")
    start = x if include_self else np.where(np.equal(hits, 0), x, 0.0)
    total = scatter(call, start, dim, index, src, reduce="add")
    if reduce == "sum":
        return total
    return total / np.maximum(hits + 1 if include_self else hits, 1)


@carries("masked_scatter")
def masked_scatter(call: Call, x: Any, mask: Any, source: Any) -> Any:
    """Return x with the places where the mask is true filled from the source in order."""
    mask = np.broadcast_to(mask, x.shape)
    order = plain(lambda mask: np.maximum(np.cumsum(np.asarray(mask).ravel()) - 1, 0).reshape(mask.shape), mask)
    return np.where(mask, getitem(reshape(source, (-1,)), (order,)), x)


# Sorting and searching


@carries("topk")
def topk(call: Call, x: Any, k: int, dim: int = -1, largest: bool = True, sorted: bool = True) -> Any:
    """Return the k largest or smallest elements along an axis, and their indices."""
    order = np.argsort(-x if largest else x, axis=dim, kind="stable")
    places = along(order, dim, slice(k))
    return take_along_axis(x, places, dim), places


@carries("sort", "sort.stable")
def sort(call: Call, x: Any, dim: int = -1, descending: bool = False, *, stable: Any = None) -> Any:
    """Return the elements sorted along an axis, and their original indices."""
    places = np.argsort(-x if descending else x, axis=dim, kind="stable")
    return take_along_axis(x, places, dim), places


@carries("argsort", "argsort.stable")
def argsort(call: Call, x: Any, dim: int = -1, descending: bool = False, *, stable: Any = None) -> Any:
    """Return the indices that sort the elements along an axis."""
    return np.argsort(-x if descending else x, axis=dim, kind="stable")


@carries("nonzero")
def nonzero(call: Call, x: Any) -> Any:
    """Return the indices of the nonzero elements."""
    return plain(lambda values: np.argwhere(values), x)


@carries("masked_select")
def masked_select(call: Call, x: Any, mask: Any) -> Any:
    """Return the elements where the mask is true, flattened."""
    shape = np.broadcast_shapes(x.shape, mask.shape)
    return getitem(broadcast_to(x, shape), (np.broadcast_to(mask, shape),))


@carries("one_hot")
def one_hot(call: Call, x: Any, num_classes: int = -1) -> Any:
    """Return 1 at the place of each index, else 0."""
    if num_classes < 0:
        call.refuse("num_classes: expected a number; how many there are must not depend on the values")
    return np.equal(np.expand_dims(x, -1), np.arange(num_classes))


@carries("bucketize.Tensor")
def bucketize(call: Call, x: Any, boundaries: Any, *, out_int32: bool = False, right: bool = False) -> Any:
    """Return the index of the bucket that each element falls into."""
    return _between(boundaries, x, right)


@carries("searchsorted.Tensor")
def searchsorted(call: Call, sorted_sequence: Any, x: Any, **settings: Any) -> Any:
    """Return the index at which each element would be inserted into a sorted sequence."""
    if sorted_sequence.ndim != 1:
        call.refuse(f"expected one sequence in order, got shape {list(sorted_sequence.shape)}")
    right = settings.get("right", False) or settings.get("side") == "right"
    return _between(sorted_sequence, x, right)


def _between(line: Any, x: Any, right: bool) -> Any:
    side: Literal["left", "right"] = "right" if right else "left"
    return plain(lambda line, x: np.searchsorted(line, x, side=side), line, x)


@carries("unfold")
def unfold(call: Call, x: Any, dimension: int, size: int, step: int) -> Any:
    """Return the windows along an axis, as a new last axis."""
    axis = dimension % x.ndim
    count = (x.shape[axis] - size) // step + 1
    places = np.arange(count)[:, None] * step + np.arange(size)
    return moveaxis(take(x, places, axis=axis), axis + 1, -1)
