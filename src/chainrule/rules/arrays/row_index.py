"""Indices that differ from row to row of a `vmap`, such as the class of a sample: `x[i]` with a mapped `i`.

An index is a setting of `GetItem`, and the same for all rows. Here the flat positions of the elements are an argument,
so that any trace may hold them.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.facts import Moves
from chainrule.core.kinds import Linear
from chainrule.core.operation import Array, case
from chainrule.core.traces.capturing import constant_of, mapped_in, plain
from chainrule.core.transforms.batch import Call, Done, Mine, Settings, Values, everywhere
from chainrule.core.transforms.mapped import is_mapped
from chainrule.rules.elementary.selection import where

PLACES = np.array([[2, 0], [2, 4]])


class TakeAt(Linear):
    r"""y = \operatorname{take}(x, i)

    The elements of a vector at positions, which may differ from row to row.
    """

    moves = Moves.PICKED
    picks = True
    cases = (case((5,), PLACES), case((3,), np.array(1)), case((2,), np.zeros((0, 2), np.int64)))

    @staticmethod
    def primal(x: Array, i: Array) -> Array:
        return x[i]

    @staticmethod
    def adjoint_x(y_bar: Array, i: Array, x_shape: tuple[int, ...]) -> Array:
        r"""\bar x = \operatorname{scatter}(\bar y, i)

        Zeros with the cotangents added at their positions.
        """
        return AddAt.apply(y_bar, i, size=x_shape[0])

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Call | Done:
        x, i = values
        if not mine[0]:
            return values, settings
        if not mine[1]:
            return Done(x[:, i])
        return [x.reshape((-1,)), _in_rows(i, x.shape[1])], settings


class AddAt(Linear):
    r"""y = \operatorname{scatter}(x, i)

    Zeros of a length, with each element of x added at its position.
    """

    cases = (case((2, 2), PLACES, size=5), case((), np.array(1), size=3), case((0, 2), np.zeros((0, 2), int), size=2))

    @staticmethod
    def primal(x: Array, i: Array, *, size: int) -> Array:
        y = np.zeros(size, x.dtype)
        np.add.at(y, np.ravel(i), np.ravel(x))
        return y

    @staticmethod
    def adjoint_x(y_bar: Array, i: Array) -> Array:
        r"""\bar x = \operatorname{take}(\bar y, i)"""
        return TakeAt.apply(y_bar, i)

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:
        x, i = everywhere(values, mine)
        rows, size = x.shape[0], settings["size"]
        return Done(AddAt.apply(x, _in_rows(i, size), size=rows * size).reshape((rows, size)))


def _in_rows(i: Array, length: int) -> Array:
    """Return the positions in each row of a stack as positions in the whole stack."""
    starts = length * np.arange(i.shape[0]).reshape((-1, *(1,) * (i.ndim - 1)))
    return plain(lambda i: np.where(i < 0, i + length, i) + starts, i)


def row_part(part: Any) -> Any:
    """Return one part of an index if it differs from row to row, as integers; None if it does not."""
    if isinstance(part, list | tuple) and mapped_in(part) is not None:
        part = np.stack(part)
    if not is_mapped(part):
        return None
    if part.dtype == np.bool_:
        mapped_in(part).refuse("a mask selects another number of elements in each row, as in x[mask]")
    return constant_of(part)


def positions(shape: tuple[int, ...], index: tuple[Any, ...]) -> Array:
    """Return the flat positions, in an array of `shape`, that an index takes in each row."""
    parts = [one for part in index for one in (np.nonzero(part) if _is_mask(part) else (part,))]
    mapped = [k for k, part in enumerate(parts) if is_mapped(part)]
    arrays = [k for k, part in enumerate(parts) if not isinstance(part, slice) and part is not None and part is not ...]
    inner = max(np.ndim(parts[k]) for k in arrays)
    first = _first(parts, arrays, len(shape))
    every = np.arange(math.prod(shape)).reshape(shape)

    def found(*rows: Array) -> Array:
        whole = list(parts)
        for k, row in zip(mapped, rows, strict=True):
            whole[k] = row
        taken = every[tuple(whole)]
        more = max(np.ndim(whole[k]) for k in arrays) - inner
        return np.moveaxis(taken, range(first, first + more), range(more))

    return plain(found, *(parts[k] for k in mapped), stacks=True)


def _is_mask(part: Any) -> bool:
    return isinstance(part, np.ndarray) and part.dtype == np.bool_


def _first(parts: list[Any], arrays: list[int], ndim: int) -> int:
    """Return the axis of the result at which NumPy puts the axes of the index arrays."""
    if arrays != list(range(arrays[0], arrays[-1] + 1)):
        return 0
    before = parts[: arrays[0]]
    used = sum(part is not None and part is not ... for part in parts)
    return sum(ndim - used if part is ... else 1 for part in before)


def take_rows(x: Array, index: tuple[Any, ...]) -> Array:
    """Return `x[index]` for an index that differs from row to row."""
    return TakeAt.apply(x.reshape((-1,)), positions(x.shape, index))


def set_rows(x: Array, index: tuple[Any, ...], value: Array) -> Array:
    """Return `x` with `value` at an index that differs from row to row; a later value wins."""
    places = positions(x.shape, index)
    value = np.broadcast_to(value, places.shape).reshape((-1,))
    writer = plain(lambda places: _writers(math.prod(x.shape), places), places)
    written = TakeAt.apply(value, plain(lambda k: np.maximum(k, 0), writer, stacks=True))
    y = where(writer >= 0, written, x.reshape((-1,))).reshape(x.shape)
    return y if y.dtype == x.dtype else y.astype(x.dtype)


def add_rows(x: Array, index: tuple[Any, ...], value: Array) -> Array:
    """Return `x` with `value` added at an index that differs from row to row."""
    places = positions(x.shape, index)
    return x + AddAt.apply(np.broadcast_to(value, places.shape), places, size=math.prod(x.shape)).reshape(x.shape)


def _writers(size: int, places: Array) -> Array:
    """Return, for each position, the number of the last element written there; -1 if there is none."""
    writer = np.full(size, -1)
    writer[places.reshape(-1)] = np.arange(places.size)
    return writer
