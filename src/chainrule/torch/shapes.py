"""The same elements in another shape or order: views where PyTorch has views."""

import inspect
import itertools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.rules.arrays import join
from chainrule.rules.arrays import shape as moved
from chainrule.rules.arrays.shape import broadcast_to

from .dtypes import numpy_dtype, promoted
from .face import faced
from .reductions import axes


def sizes(given: tuple[Any, ...]) -> tuple[int, ...]:
    """Return a shape given as integers or as one sequence."""
    if len(given) == 1 and isinstance(given[0], tuple | list):
        given = tuple(given[0])
    return tuple(int(n) for n in given)


@faced
def reshape(input: Any, *shape: Any) -> Any:
    """Return the elements in another shape; one length may be -1."""
    if not shape and input.size != 1:
        raise TypeError("reshape: expected a shape")
    wanted = sizes(shape)
    if any(isinstance(n, bool) for n in wanted) or (-1 not in wanted and math.prod(wanted) != math.prod(input.shape)):
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {math.prod(input.shape)}")
    try:
        return moved.reshape(input, wanted)
    except ValueError:
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {math.prod(input.shape)}") from None


@faced
def view(input: Any, *shape: Any) -> Any:
    """Return the elements in another shape, or with another dtype's meaning of the same memory."""
    if len(shape) == 1 and not isinstance(shape[0], int | tuple | list) and not hasattr(shape[0], "shape"):
        return np.asarray(value_of(input)).view(numpy_dtype(shape[0]))
    wanted = sizes(shape)
    try:
        return moved.reshape(input, wanted)
    except ValueError:
        raise RuntimeError(f"shape '{list(wanted)}' is invalid for input of size {math.prod(input.shape)}") from None


@faced
def view_as(input: Any, other: Any) -> Any:
    """Return the elements in the shape of another tensor."""
    return moved.reshape(input, other.shape)


reshape_as = view_as


@faced
def flatten(input: Any, start_dim: int = 0, end_dim: int = -1) -> Any:
    """Return the axes from one to another as a single axis."""
    if input.ndim == 0:
        return moved.reshape(input, (1,))
    first, last = start_dim % input.ndim, end_dim % input.ndim
    if first > last:
        raise RuntimeError("flatten() has invalid args: start_dim cannot come after end_dim")
    if first == last:
        return input
    shape = input.shape
    return moved.reshape(input, (*shape[:first], math.prod(shape[first : last + 1]), *shape[last + 1 :]))


@faced
def ravel(input: Any) -> Any:
    """Return all elements on one axis."""
    return moved.reshape(input, (-1,))


@faced
def unflatten(input: Any, dim: int, sizes: Any) -> Any:
    """Return one axis as several."""
    k = dim % input.ndim
    wanted = (sizes,) if isinstance(sizes, int) else tuple(sizes)
    if -1 in wanted:
        known = -math.prod(wanted)
        wanted = tuple(input.shape[k] // known if n == -1 else n for n in wanted)
    return moved.reshape(input, (*input.shape[:k], *wanted, *input.shape[k + 1 :]))


@faced
def squeeze(input: Any, dim: Any = None) -> Any:
    """Return the tensor without axes of length 1: all of them, or those of `dim` that are."""
    n = input.ndim
    axes(input, dim)
    wanted = range(n) if dim is None else [d % max(n, 1) for d in (dim if isinstance(dim, tuple | list) else (dim,))]
    dropped = {k for k in wanted if k < n and input.shape[k] == 1}
    return moved.reshape(input, tuple(m for k, m in enumerate(input.shape) if k not in dropped)) if dropped else input


@faced
def unsqueeze(input: Any, dim: int) -> Any:
    """Return the tensor with an axis of length 1 inserted."""
    if not -input.ndim - 1 <= dim <= input.ndim:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{-input.ndim - 1}, {input.ndim}], but got {dim})"
        )
    return moved.expand_dims(input, dim)


@faced
def permute(input: Any, *dims: Any) -> Any:
    """Return the axes in another order."""
    return moved.transpose(input, sizes(dims))


@faced
def transpose(input: Any, dim0: int, dim1: int) -> Any:
    """Return two axes exchanged."""
    return moved.swapaxes(input, dim0, dim1) if input.ndim else input


swapaxes = swapdims = transpose


@faced
def t(input: Any) -> Any:
    """Return the transpose of a matrix; a vector unchanged."""
    if input.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {input.ndim}D")
    return moved.transpose(input) if input.ndim == 2 else input


@faced
def movedim(input: Any, source: Any, destination: Any) -> Any:
    """Return axes moved to other places."""
    return moved.moveaxis(input, source, destination) if input.ndim else input


moveaxis = movedim


@faced
def adjoint(input: Any) -> Any:
    """Return matrices transposed."""
    return moved.swapaxes(input, -2, -1)


@faced
def expand(input: Any, *sizes_: Any) -> Any:
    """Return the tensor repeated along axes of length 1, without a copy; -1 keeps a length."""
    wanted = sizes(sizes_)
    extra = len(wanted) - input.ndim
    shape = tuple(input.shape[k - extra] if n == -1 and k >= extra else n for k, n in enumerate(wanted))
    try:
        return broadcast_to(input, shape)
    except ValueError:
        raise RuntimeError(
            f"The expanded size {list(wanted)} must match the existing size {list(input.shape)} at axes longer than 1"
        ) from None


@faced
def expand_as(input: Any, other: Any) -> Any:
    """Return the tensor expanded to the shape of another one."""
    return broadcast_to(input, other.shape)


@faced
def broadcast_to_(input: Any, size: Any) -> Any:
    """Return the tensor expanded to a shape."""
    extra = len(size) - input.ndim
    return broadcast_to(input, tuple(input.shape[k - extra] if n == -1 else n for k, n in enumerate(size)))


@faced
def broadcast_tensors(*tensors: Any) -> Any:
    """Return tensors expanded to their common shape."""
    shape = np.broadcast_shapes(*(x.shape for x in tensors))
    return tuple(broadcast_to(x, shape) for x in tensors)


def broadcast_shapes(*shapes: Any) -> Any:
    """Return the shape that shapes have together."""
    from_ints = [(s,) if isinstance(s, int) else tuple(s) for s in shapes]
    return np.broadcast_shapes(*from_ints)


@faced
def repeat(input: Any, *repeats: Any) -> Any:
    """Return copies of the tensor along each axis."""
    times = sizes(repeats)
    if len(times) < input.ndim:
        raise RuntimeError("Number of dimensions of repeat dims can not be smaller than number of dimensions of tensor")
    return np.tile(input, times) if times else input.copy()


@faced
def tile(input: Any, *dims: Any) -> Any:
    """Return copies of the tensor along each axis, the last ones if `dims` is shorter."""
    times = sizes(dims)
    return np.tile(input, times) if times else input.copy()


@faced
def repeat_interleave(input: Any, repeats: Any = None, dim: int | None = None, *, output_size: Any = None) -> Any:
    """Return each element, or each slice along an axis, repeated; given only counts, each index repeated."""
    if repeats is None:
        return np.repeat(np.arange(len(input)), np.asarray(input))
    counts = np.asarray(value_of(repeats))
    x, axis = (np.reshape(input, (-1,)), 0) if dim is None else (input, dim)
    if x.ndim == 0:
        x = x.reshape(1)
    return np.repeat(x, int(counts.reshape(())) if counts.size == 1 else counts, axis=axis)


@faced
def flip(input: Any, *axes_: Any, dims: Any = None) -> Any:
    """Return the order of elements reversed along axes."""
    axes = sizes(axes_ if dims is None else (dims,))
    return np.flip(input, axes).copy() if axes and input.ndim else input.copy()


@faced
def fliplr(input: Any) -> Any:
    """Return the columns in reverse order."""
    return np.flip(input, 1).copy()


@faced
def flipud(input: Any) -> Any:
    """Return the rows in reverse order."""
    return np.flip(input, 0).copy()


@faced
def rot90(input: Any, k: int = 1, dims: Sequence[int] = (0, 1)) -> Any:
    """Return the tensor rotated by 90 degrees, k times."""
    return np.rot90(input, k, (dims[0], dims[1])).copy()


@faced
def roll(input: Any, shifts: Any, dims: Any = None) -> Any:
    """Return elements rolled along axes."""
    if dims is None or (isinstance(dims, tuple | list) and not dims):
        return np.reshape(np.roll(np.reshape(input, (-1,)), shifts), input.shape)
    if input.ndim == 0:
        return input.copy()
    counts = [len(x) if isinstance(x, tuple | list) else 1 for x in (shifts, dims)]
    if counts[0] != counts[1]:
        raise RuntimeError(f"shifts and dimensions must align. shifts: {counts[0]}, dims: {counts[1]}")
    return np.roll(input, shifts, dims)


@faced
def narrow(input: Any, dim: int, start: Any, length: int) -> Any:
    """Return a slice of an axis from its start and length."""
    first = int(start) % (input.shape[dim] + (int(start) == input.shape[dim]))
    if first + length > input.shape[dim]:
        raise RuntimeError(f"start ({first}) + length ({length}) exceeds dimension size ({input.shape[dim]}).")
    return input[(*(slice(None),) * (dim % input.ndim), slice(first, first + length))]


@faced
def select(input: Any, dim: int, index: Any) -> Any:
    """Return one slice along an axis."""
    return input[(*(slice(None),) * (dim % input.ndim), int(index), Ellipsis)]


@faced
def unfold(input: Any, dimension: int, size: int, step: int) -> Any:
    """Return all windows of a size along an axis, on a new last axis."""
    if input.ndim == 0:
        return np.reshape(input, (1,))[:size]
    starts = np.arange(0, input.shape[dimension] - size + 1, step)
    windows = np.take(input, starts[:, None] + np.arange(size), axis=dimension)
    return np.moveaxis(windows, dimension % input.ndim + 1, -1)


@faced
def as_strided(input: Any, size: Any, stride: Any, storage_offset: int | None = None) -> Any:
    """Return elements at steps through the memory, counted in elements."""
    places = np.asarray(storage_offset or 0)
    for n, step in zip(size, stride, strict=True):
        places = places[..., None] + np.arange(n) * step
    flat = np.reshape(input, (-1,))
    return flat[places]


def _unbound(x: Any, dim: int) -> tuple[Any, ...]:
    ahead = (slice(None),) * (dim % x.ndim)
    return tuple(x[(*ahead, k, Ellipsis)] for k in range(x.shape[dim]))


@faced
def unbind(input: Any, dim: int = 0) -> Any:
    """Return the slices along an axis."""
    return _unbound(input, dim)


def _cut(x: Any, lengths: Sequence[int], dim: int) -> tuple[Any, ...]:
    ahead, start, parts = (slice(None),) * (dim % x.ndim), 0, []
    for length in lengths:
        parts.append(x[(*ahead, slice(start, start + length))])
        start += length
    return tuple(parts)


@faced
def split(tensor: Any, split_size_or_sections: Any, dim: int = 0) -> Any:
    """Return pieces of a length, the last one shorter, or of several lengths."""
    n = tensor.shape[dim]
    if isinstance(split_size_or_sections, int):
        size = split_size_or_sections
        if size == 0:
            return (tensor,)
        lengths = [min(size, n - k) for k in range(0, n, size)] or [0]
    else:
        lengths = [int(k) for k in split_size_or_sections]
        if sum(lengths) != n:
            raise RuntimeError(f"split_with_sizes expects split_sizes to sum exactly to {n}, but got {lengths}")
    return _cut(tensor, lengths, dim)


@faced
def split_with_sizes(input: Any, split_sizes: Any, dim: int = 0) -> Any:
    """Return pieces of several lengths."""
    return _cut(input, split_sizes, dim)


@faced
def chunk(input: Any, chunks: int, dim: int = 0) -> Any:
    """Return at most `chunks` pieces of the same length, the last one shorter."""
    if chunks <= 0:
        raise RuntimeError(f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    n = input.shape[dim]
    size = max(-(-n // chunks), 1)
    return _cut(input, [min(size, n - k) for k in range(0, n, size)] or [0] * chunks, dim)


unsafe_split, unsafe_chunk = split, chunk


@faced
def tensor_split(
    input: Any, indices_or_sections: Any, dim: int = 0, *, indices: Any = None, sections: Any = None
) -> Any:
    """Return pieces, cut at indices or into a number of nearly equal ones."""
    where = indices if indices is not None else sections if sections is not None else indices_or_sections
    where = np.asarray(value_of(where)).tolist() if hasattr(where, "shape") else where
    n = input.shape[dim]
    if isinstance(where, int):
        lengths = [n // where + (k < n % where) for k in range(where)]
        return _cut(input, lengths, dim)
    ahead = (slice(None),) * (dim % input.ndim)
    bounds = [0, *where, n]
    return tuple(input[(*ahead, slice(a, b))] for a, b in itertools.pairwise(bounds))


def _split_along(x: Any, where: Any, dim: int) -> Any:
    return inspect.unwrap(tensor_split)(x, where, dim)


@faced
def hsplit(input: Any, indices_or_sections: Any) -> Any:
    """Return pieces along the second axis, or the only one."""
    return _split_along(input, indices_or_sections, 1 if input.ndim > 1 else 0)


@faced
def vsplit(input: Any, indices_or_sections: Any) -> Any:
    """Return pieces along the first axis."""
    return _split_along(input, indices_or_sections, 0)


@faced
def dsplit(input: Any, indices_or_sections: Any) -> Any:
    """Return pieces along the third axis."""
    return _split_along(input, indices_or_sections, 2)


# Joining


def _alike(tensors: Any) -> list[Any]:
    parts = list(tensors)
    return promoted(*parts) if parts else parts


@faced
def cat(tensors: Any, dim: int = 0) -> Any:
    """Return tensors one after the other along an existing axis."""
    parts = _alike(tensors)
    if not parts:
        raise RuntimeError("torch.cat(): expected a non-empty list of Tensors")
    kept = [x for x in parts if x.shape != (0,)] or parts
    try:
        return join.concatenate(kept, axis=dim)
    except ValueError as error:
        raise RuntimeError(f"torch.cat(): {error}") from None


concat = concatenate = cat


@faced
def stack(tensors: Any, dim: int = 0) -> Any:
    """Return tensors along a new axis."""
    parts = _alike(tensors)
    if len({x.shape for x in parts}) > 1:
        raise RuntimeError(f"stack expects each tensor to be equal size, but got {[list(x.shape) for x in parts]}")
    return join.stack(parts, axis=dim)


@faced
def hstack(tensors: Any) -> Any:
    """Return tensors one after the other along the second axis, or the only one."""
    parts = [np.reshape(x, (1,)) if x.ndim == 0 else x for x in _alike(tensors)]
    return np.concatenate(parts, axis=0 if parts[0].ndim == 1 else 1)


@faced
def vstack(tensors: Any) -> Any:
    """Return tensors one below the other."""
    return np.vstack(_alike(tensors))


row_stack = vstack


@faced
def dstack(tensors: Any) -> Any:
    """Return tensors one behind the other."""
    return np.dstack(_alike(tensors))


@faced
def column_stack(tensors: Any) -> Any:
    """Return vectors as columns, next to one another."""
    parts = [np.reshape(x, (x.size, 1)) if x.ndim <= 1 else x for x in _alike(tensors)]
    return np.concatenate(parts, axis=1)


@faced
def block_diag(*tensors: Any) -> Any:
    """Return a matrix with the given ones on its diagonal."""
    parts = [np.reshape(x, (1, -1)) if x.ndim < 2 else x for x in _alike(tensors)]
    width, rows, left = sum(x.shape[1] for x in parts), [], 0
    for x in parts:
        right = width - left - x.shape[1]
        rows.append(
            np.concatenate([np.zeros((x.shape[0], left), x.dtype), x, np.zeros((x.shape[0], right), x.dtype)], 1)
        )
        left += x.shape[1]
    return np.concatenate(rows, 0)


def _at_least(n: int, x: Any) -> Any:
    if isinstance(x, tuple | list):
        return tuple(_at_least(n, one) for one in x)
    if x.ndim >= n:
        return x
    if n < 3 or x.ndim == 0:
        return np.reshape(x, (1,) * (n - x.ndim) + x.shape)
    return np.reshape(x, (1, *x.shape, 1) if x.ndim == 1 else (*x.shape, 1))


@faced
def atleast_1d(*tensors: Any) -> Any:
    """Return tensors with at least one axis."""
    found = [_at_least(1, x) for x in tensors]
    return found[0] if len(found) == 1 else tuple(found)


@faced
def atleast_2d(*tensors: Any) -> Any:
    """Return tensors with at least two axes."""
    found = [_at_least(2, x) for x in tensors]
    return found[0] if len(found) == 1 else tuple(found)


@faced
def atleast_3d(*tensors: Any) -> Any:
    """Return tensors with at least three axes."""
    found = [_at_least(3, x) for x in tensors]
    return found[0] if len(found) == 1 else tuple(found)


@faced
def meshgrid(*tensors: Any, indexing: str = "ij") -> Any:
    """Return coordinates for each point of a grid."""
    parts = list(tensors[0]) if len(tensors) == 1 and isinstance(tensors[0], tuple | list) else list(tensors)
    parts = [np.reshape(x, (1,)) if x.ndim == 0 else x for x in parts]
    if indexing == "xy" and len(parts) > 1:
        parts[:2] = [parts[1], parts[0]]
    shape = tuple(len(x) for x in parts)
    grids = [
        broadcast_to(np.reshape(x, tuple(-1 if j == k else 1 for j in range(len(parts)))), shape)
        for k, x in enumerate(parts)
    ]
    if indexing == "xy" and len(parts) > 1:
        grids[:2] = [grids[1], grids[0]]
    return tuple(grids)


@faced
def cartesian_prod(*tensors: Any) -> Any:
    """Return all combinations of elements of vectors, as rows."""
    if len(tensors) == 1:
        return tensors[0]
    shape = tuple(len(x) for x in tensors)
    places = np.indices(shape).reshape(len(tensors), -1)
    return np.stack([x[index] for x, index in zip(tensors, places, strict=True)], axis=1)


@faced
def combinations(input: Any, r: int = 2, with_replacement: bool = False) -> Any:
    """Return all combinations of r elements, as rows."""
    choose = itertools.combinations_with_replacement if with_replacement else itertools.combinations
    places = np.array(list(choose(range(len(input)), r)), dtype=np.int64).reshape(-1, r)
    return input[places] if r else input[:0]
