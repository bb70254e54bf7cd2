"""Elements selected by indices, conditions and diagonals: all are cases of `x[index]`."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.inplace import viewed
from chainrule.core.kinds import Constant
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import as_array, is_captured, known, mapped_in

from .index import DiagonalIndex, GetItem, Scatter, getitem
from .join import stack
from .shape import Copy, axis_of, broadcast_arrays, moveaxis, ravel, shaped

DIAGONAL = "it is a diagonal of another array; write with np.fill_diagonal, or into a copy of it"
"""Why a diagonal cannot be written to."""
SPARSE = np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]])


class Nonzero(Constant):
    r"""y = \operatorname{nonzero}(x)

    One array of indices for each axis.
    """

    on_complex = Complex.HOLOMORPHIC
    is_shaped_by_values = True
    several = True
    cases = (case((2, 3)), case(SPARSE), case((0,)))

    @staticmethod
    def primal(x: Array) -> tuple[Array, ...]:
        return np.nonzero(x)


class Argwhere(Constant):
    r"""y = \operatorname{argwhere}(x)

    One row of indices for each element that is not zero.
    """

    on_complex = Complex.HOLOMORPHIC
    is_shaped_by_values = True
    cases = (case((2, 3)), case(SPARSE), case((0,)))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.argwhere(x)


class Flatnonzero(Constant):
    r"""y = \operatorname{flatnonzero}(x)"""

    on_complex = Complex.HOLOMORPHIC
    is_shaped_by_values = True
    cases = (case((2, 3)), case(SPARSE), case((0,)))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.flatnonzero(x)


nonzero = implements(np.nonzero)(Nonzero.apply)
argwhere = implements(np.argwhere)(Argwhere.apply)
flatnonzero = implements(np.flatnonzero)(Flatnonzero.apply)


@implements(np.take)
def take(x: Array, indices: Array, axis: int | None = None, mode: str = "raise") -> Array:
    """Return the elements at `indices` along `axis`, or of the flattened array without it.

    `mode` says what an index out of range does: "raise" an IndexError, "wrap" around, or "clip" to the ends.
    """
    x = shaped(x)
    if axis is None or x.ndim == 0:
        x, axis = ravel(x), axis or 0
    axis = axis_of("take", axis, x.ndim)
    indices = known(indices)
    indices = indices if is_captured(indices) else as_array(indices)
    if mode == "wrap":
        indices = indices % x.shape[axis]
    elif mode == "clip":
        indices = np.clip(indices, 0, x.shape[axis] - 1)
    elif mode != "raise":
        raise ValueError(f"take: got mode={mode!r}, expected 'raise', 'wrap' or 'clip'")
    y = getitem(x, (slice(None),) * axis + (indices,))
    return (
        Copy.apply(y, order="C") if isinstance(y, Tensor) and y.shape and indices.ndim == 0 else y
    )  # NumPy's is not a view


def along_axis(function: str, shape: tuple[int, ...], indices: Any, axis: int) -> tuple[Array, ...]:
    """Return the index that takes `indices` along `axis`, paired with their own positions along the other axes."""
    indices = known(indices)
    indices = indices if is_captured(indices) else as_array(indices)
    if indices.ndim != len(shape):
        raise ValueError(f"{function}: expected indices with {len(shape)} axes, got shape {indices.shape}")
    if not np.issubdtype(indices.dtype, np.integer):
        raise IndexError(f"{function}: expected indices that are integers, got {indices.dtype}")
    grid = np.ogrid[tuple(slice(n) for n in shape)]
    return (*grid[:axis], indices, *grid[axis + 1 :])


@implements(np.take_along_axis)
def take_along_axis(x: Array, indices: Array, axis: int | None = -1) -> Array:
    """Return the elements at `indices`, which has as many axes as `x`, along `axis`.

    >>> take_along_axis(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[1], [0]]), axis=1)
    array([[2.],
           [3.]])
    """
    x = shaped(x)
    if axis is None:
        x, axis = ravel(x), 0
    axis = axis_of("take_along_axis", axis, x.ndim)
    return getitem(x, along_axis("take_along_axis", x.shape, indices, axis))


@implements(np.put_along_axis)
def put_along_axis(x: Array, indices: Array, values: Array, axis: int) -> None:
    """Write `values` at `indices` along `axis`, as `x[index] = values` does."""
    axis = axis_of("put_along_axis", axis, x.ndim)
    x[along_axis("put_along_axis", x.shape, indices, axis)] = values


@implements(np.choose)
def choose(which: Array, choices: Sequence[Array], mode: str = "raise") -> Array:
    """Return, elementwise, the element of the array in `choices` whose number is in `which`.

    `mode` says what a number out of range does: "raise" an IndexError, "wrap" around, or "clip" to the ends.
    """
    number, *arrays = broadcast_arrays(known(which), *choices)
    if mode == "wrap":
        number = number % len(arrays)
    elif mode == "clip":
        number = np.clip(number, 0, len(arrays) - 1)
    elif mode != "raise":
        raise ValueError(f"choose: got mode={mode!r}, expected 'raise', 'wrap' or 'clip'")
    return getitem(stack(arrays), (number, *np.indices(number.shape)))


@implements(np.compress)
def compress(condition: Array, x: Array, axis: int | None = None) -> Array:
    """Return the slices of `x` along `axis` where the vector `condition` holds."""
    return take(x, _where_true(condition), axis)


@implements(np.extract)
def extract(condition: Array, x: Array) -> Array:
    """Return the elements of `x`, flattened, where `condition` holds."""
    return take(x, _where_true(condition))


def _on_diagonal(rows: int, columns: int, offset: int) -> tuple[Array, Array]:
    """Return the rows and columns of a diagonal."""
    along = np.arange(max(0, min(rows + min(offset, 0), columns - max(offset, 0))))
    return along - min(offset, 0), along + max(offset, 0)


@implements(np.diagonal)
def diagonal(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return a diagonal of the matrices in two axes, as the last axis; a positive `offset` lies above the main one."""
    x = shaped(x)
    if x.ndim < 2:
        raise ValueError(f"diagonal: expected two axes or more, got shape {x.shape}")
    return diagonal_view(x, axis1, axis2, offset, DIAGONAL)


def diagonal_view(x: Array, axis1: int, axis2: int, offset: int = 0, frozen: str | None = None) -> Array:
    """Return a diagonal as a view, like NumPy's; `frozen` says why it cannot be written to."""
    if x.ndim > 2 or (axis1, axis2) != (0, 1):
        x = moveaxis(x, (axis1, axis2), (-2, -1))
    index = DiagonalIndex((..., *_on_diagonal(x.shape[-2], x.shape[-1], offset)))
    return viewed(GetItem, x, {"index": index, "unique": True}, frozen)


@implements(np.trace)
def trace(x: Array, offset: int = 0, axis1: int = 0, axis2: int = 1, dtype: Any = None) -> Array:
    """Return the sum of a diagonal, in `dtype` if one is given."""
    return diagonal(x, offset, axis1, axis2).sum(axis=-1, dtype=dtype)


@implements(np.diag)
def diag(x: Array, k: int = 0) -> Array:
    """Return a diagonal of a matrix, or the square matrix with a vector on a diagonal and zeros elsewhere.

    >>> diag(np.array([1.0, 2.0]))
    array([[1., 0.],
           [0., 2.]])
    """
    x = shaped(x)
    if x.ndim == 2:
        return diagonal(x, k)
    if x.ndim != 1:
        raise ValueError(f"diag: expected a vector or a matrix, got shape {x.shape}")
    n = x.shape[0] + abs(k)
    return Scatter.apply(x, shape=(n, n), index=DiagonalIndex((..., *_on_diagonal(n, n, k))), unique=True)


@implements(np.diagflat)
def diagflat(x: Array, k: int = 0) -> Array:
    """Return the square matrix with the elements of `x` on a diagonal."""
    return diag(ravel(x), k)


def _where_true(condition: Array) -> Array:
    """Return the places where a condition holds; in a capture and in `vmap` their number is refused by name."""
    varies = is_captured(condition) or mapped_in(condition) is not None
    return flatnonzero(condition) if varies else np.flatnonzero(value_of(condition))
