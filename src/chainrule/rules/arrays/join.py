"""Joining and splitting arrays."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.core.facts import Complex
from chainrule.core.kinds import Linear
from chainrule.core.memory.alias import connect
from chainrule.core.operands.foreign import joined
from chainrule.core.operands.keywords import explained
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.core.transforms.batch import Call, Mine, Settings, Values, along_axis, everywhere, past_leading
from chainrule.core.tree import flatten

from .index import GetItem
from .shape import astype, atleast_1d, atleast_2d, atleast_3d, axis_of, expand_dims, ravel, shaped, transpose


def _along(axis: int, ndim: int, part: Any) -> tuple[Any, ...]:
    """Return the index that takes `part` of one axis and everything of the others."""
    index: list[Any] = [slice(None)] * ndim
    index[axis] = part
    return tuple(index)


class Concatenate(Linear):
    r"""y = \operatorname{concatenate}(x)

    One after the other along an existing axis.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (
        case((2, 3), (2, 1), axis=1),
        case((2, 3), (1, 3), (2, 3)),
        case((2, 3), (2, 0), axis=-1),
        case((0, 2), (0, 2)),
        case((4,)),
    )

    @staticmethod
    def primal(*xs: Array, axis: int = 0) -> Array:
        return np.concatenate(xs, axis=axis)

    @staticmethod
    def adjoint(y_bar: Array, xs_shape: Sequence[tuple[int, ...]], *, axis: int) -> Array:
        r"""\bar x = \operatorname{split}(\bar y)"""
        ends = list(accumulate([shape[axis] for shape in xs_shape], initial=0))
        return tuple(y_bar[_along(axis, y_bar.ndim, slice(*pair))] for pair in pairwise(ends))

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call:
        size = next(x.shape[0] for x, own in zip(values, mine, strict=True) if own)
        stacks = [x if own else np.stack([x] * size) for x, own in zip(values, mine, strict=True)]
        return stacks, {"axis": past_leading((settings["axis"],), stacks[0].ndim - 1)[0]}


def _stack_rows(values: Values, mine: Mine, settings: Settings) -> Call:
    stacks = everywhere(values, mine)
    return stacks, {"axis": past_leading((settings["axis"],), stacks[0].ndim)[0]}


class Stack(Linear):
    r"""y = \operatorname{stack}(x)

    One after the other along a new axis.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((2, 3), (2, 3), axis=1), case((2,), (2,), axis=-1), case((), (), ()), case((2, 0), (2, 0)))
    stacked = staticmethod(_stack_rows)

    @staticmethod
    def primal(*xs: Array, axis: int = 0) -> Array:
        return np.stack(xs, axis=axis)

    @staticmethod
    def adjoint(y_bar: Array, *, axis: int) -> Array:
        r"""\bar x = \operatorname{unstack}(\bar y)"""
        return tuple(y_bar[_along(axis, y_bar.ndim, k)] for k in range(y_bar.shape[axis]))


class Split(Linear):
    r"""y = \operatorname{split}(x)

    Cut along an axis before each of the indices `cuts`.
    """

    on_complex = Complex.HOLOMORPHIC
    several = True
    cases = (case((5, 2), cuts=(1, 3)), case((2, 4), cuts=(2, 2), axis=-1), case((3,)), case((0, 2), cuts=(0,)))
    stacked = staticmethod(along_axis)

    @staticmethod
    def primal(x: Array, *, cuts: tuple[int, ...] = (), axis: int = 0) -> tuple[Array, ...]:
        # As `np.split`, which takes as long as five operations on a small array.
        axis = normalize_axis_index(axis, x.ndim)
        return tuple(x[_along(axis, x.ndim, slice(*pair))] for pair in pairwise((0, *cuts, x.shape[axis])))

    @staticmethod
    def adjoint(y_bar: tuple[Array, ...], *, axis: int) -> Array:
        r"""\bar x = \operatorname{concatenate}(\bar y)"""
        return Concatenate.apply(*y_bar, axis=axis)


def _as(dtype: Any, casting: str, arrays: Sequence[Array]) -> Sequence[Array]:
    """Return arrays in the dtype that a joint array is to have; None leaves them as they are."""
    if dtype is None:
        return arrays
    found = [shaped(x) for x in arrays]
    for x in found:
        if not np.can_cast(x.dtype, dtype, casting):  # type: ignore[arg-type]
            raise TypeError(f"got dtype {x.dtype}, which the rule casting={casting!r} does not convert to {dtype}")
    return [astype(x, dtype) for x in found]


@explained
@implements(np.concatenate)
def concatenate(
    arrays: Sequence[Array], axis: int | None = 0, *, dtype: Any = None, casting: str = "same_kind"
) -> Array:
    """Return the arrays joined along `axis`; with None, flattened and joined. `dtype` and `casting` are NumPy's.

    >>> concatenate([np.zeros((2, 1)), np.ones((2, 2))], axis=1)
    array([[0., 1., 1.],
           [0., 1., 1.]])
    """
    arrays = tuple(_as(dtype, casting, tuple(arrays)))
    if not arrays:
        raise ValueError("concatenate: got no arrays, expected one or more")
    if axis is None:
        return Concatenate.apply(*map(ravel, arrays))
    arrays = tuple(map(shaped, arrays))
    return Concatenate.apply(*arrays, axis=axis_of("concatenate", axis, arrays[0].ndim))


@explained
@implements(np.stack)
def stack(arrays: Sequence[Array], axis: int = 0, *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return arrays of one shape joined along a new axis, at position `axis` of the result.

    >>> stack([np.zeros(2), np.ones(2)], axis=-1)
    array([[0., 1.],
           [0., 1.]])
    """
    arrays = tuple(map(shaped, _as(dtype, casting, tuple(arrays))))
    if not arrays:
        raise ValueError("stack: got no arrays, expected one or more")
    return Stack.apply(*arrays, axis=axis_of("stack", axis, arrays[0].ndim + 1))


@implements(np.vstack)
def vstack(arrays: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return the arrays one below the other; vectors are rows."""
    return concatenate([atleast_2d(x) for x in arrays], dtype=dtype, casting=casting)


row_stack = vstack


@implements(np.hstack)
def hstack(arrays: Sequence[Array], *, dtype: Any = None, casting: str = "same_kind") -> Array:
    """Return the arrays side by side: along axis 1, vectors along their only axis."""
    arrays = [atleast_1d(x) for x in arrays]
    return concatenate(arrays, axis=0 if arrays and arrays[0].ndim == 1 else 1, dtype=dtype, casting=casting)


@implements(np.dstack)
def dstack(arrays: Sequence[Array]) -> Array:
    """Return the arrays one behind the other, along axis 2."""
    return concatenate([atleast_3d(x) for x in arrays], axis=2)


@implements(np.column_stack)
def column_stack(arrays: Sequence[Array]) -> Array:
    """Return the arrays side by side; vectors are columns."""
    columns = [x if x.ndim >= 2 else transpose(atleast_2d(x)) for x in map(shaped, arrays)]
    return concatenate(columns, axis=1)


@implements(np.append)
def append(x: Array, values: Array, axis: int | None = None) -> Array:
    """Return `x` with `values` after it; without an axis, both flattened."""
    return concatenate([x, values], axis)


@implements(np.block)
def block(arrays: Any) -> Array:
    """Return an array assembled from blocks: nested lists, the innermost along the last axis."""
    depth = _depth(arrays)
    blocks = _leaves(arrays)
    ndim = max([depth, *(np.ndim(x) for x in blocks)])
    return _block(arrays, ndim, ndim - depth)


def _depth(arrays: Any) -> int:
    if not isinstance(arrays, list):
        return 0
    depths = {_depth(x) for x in arrays}
    if len(depths) != 1:
        raise ValueError("block: got lists that are empty or of different depths, expected blocks at one depth")
    return 1 + depths.pop()


def _leaves(arrays: Any) -> list[Any]:
    return [leaf for x in arrays for leaf in _leaves(x)] if isinstance(arrays, list) else [arrays]


def _block(arrays: Any, ndim: int, axis: int) -> Array:
    if isinstance(arrays, list):
        return concatenate([_block(x, ndim, axis + 1) for x in arrays], axis=axis)
    x = shaped(arrays)
    return expand_dims(x, tuple(range(ndim - x.ndim)))


@implements(np.array_split)
def array_split(x: Array, parts: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Return `x` cut into `parts` pieces, the first ones longer by one if the division is uneven.

    `parts` may also list the indices before which to cut.
    """
    x = shaped(x)
    axis = axis_of("array_split", axis, x.ndim)
    return _pieces(x, _cuts("array_split", parts, x.shape[axis]), axis)


@implements(np.split)
def split(x: Array, parts: int | Sequence[int], axis: int = 0) -> list[Array]:
    """Return `x` cut into `parts` pieces of equal length, or before each of the listed indices.

    >>> [piece.tolist() for piece in split(np.arange(6), [2, 3])]
    [[0, 1], [2], [3, 4, 5]]
    """
    x = shaped(x)
    axis = axis_of("split", axis, x.ndim)
    return _pieces(x, _cuts("split", parts, x.shape[axis], even=True), axis)


def _pieces(x: Array, cuts: tuple[int, ...], axis: int) -> list[Array]:
    """Return the pieces of `x` between the places of cuts along an axis, as views of it."""
    pieces = list(Split.apply(x, cuts=cuts, axis=axis))
    if isinstance(x, Tensor):
        for piece, first, end in zip(pieces, (None, *cuts), (*cuts, None), strict=True):
            index = _along(axis, x.ndim, slice(first, end))
            connect(piece, x, GetItem, {"index": index, "unique": True})
    return pieces


def _cuts(function: str, parts: Any, length: int, even: bool = False) -> tuple[int, ...]:
    """Return the indices before which to cut an axis, given those or a number of pieces."""
    if np.ndim(parts):
        return tuple(int(place) for place in parts)
    count = int(parts)
    if count < 1:
        raise ValueError(f"{function}: got {count} pieces, expected 1 or more")
    short, longer = divmod(length, count)
    if even and longer:
        raise ValueError(
            f"{function}: an axis of length {length} does not divide into {count} equal pieces; array_split makes "
            f"pieces of different lengths"
        )
    return tuple(k * short + min(k, longer) for k in range(1, count))


@implements(np.vsplit)
def vsplit(x: Array, parts: int | Sequence[int]) -> list[Array]:
    """Return `x` cut along axis 0."""
    _at_least("vsplit", x, 2)
    return split(x, parts, axis=0)


@implements(np.hsplit)
def hsplit(x: Array, parts: int | Sequence[int]) -> list[Array]:
    """Return `x` cut along axis 1, a vector along its only axis."""
    _at_least("hsplit", x, 1)
    return split(x, parts, axis=0 if np.ndim(x) == 1 else 1)


@implements(np.dsplit)
def dsplit(x: Array, parts: int | Sequence[int]) -> list[Array]:
    """Return `x` cut along axis 2."""
    _at_least("dsplit", x, 3)
    return split(x, parts, axis=2)


def _at_least(function: str, x: Array, ndim: int) -> None:
    if np.ndim(x) < ndim:
        raise ValueError(f"{function}: expected {ndim} axes or more, got shape {np.shape(x)}")


def unstack(x: Array, axis: int = 0) -> tuple[Array, ...]:
    """Return the slices of `x` along `axis`, without that axis."""
    x = shaped(x)
    axis = axis_of("unstack", axis, x.ndim)
    return tuple(x[_along(axis, x.ndim, k)] for k in range(x.shape[axis]))


if hasattr(np, "unstack"):  # NumPy 2.1
    implements(np.unstack)(unstack)


def nested(values: Any) -> Array:
    """Return nested lists of numbers, arrays and tensors as one array; a tensor if one is among them."""
    if isinstance(values, Tensor):
        return values
    if isinstance(values, list | tuple) and any(isinstance(x, Tensor) for x in flatten(values)[0]):
        return stack([nested(x) for x in values])
    return np.array(values)


joined.append(nested)
