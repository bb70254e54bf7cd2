"""Pooling along a row as vector instructions: comparisons, and gathers and scatters for 2 × 2 windows.

One comparison selects in two arrays, of numbers and of bytes, and a window spans two rows: auto-vectorisers handle
neither reliably. A row's last vector may overlap the one before, since both operations are idempotent. With Numba's
compiler off, the functions are their Python definitions.

In all of them `rows` is the number of positions in a vector, as a literal.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils
from numba.extending import intrinsic

from chainrule.kernels.convolution.tiles import Emitter, tile
from chainrule.kernels.jit import inline

BYTE = ir.IntType(8)


class _Row:
    """Vectors of numbers, and vectors of as many bytes."""

    def __init__(self, emit: Emitter, builder: Any, count: int) -> None:
        self.emit, self.build, self.count = emit, builder, count
        self.numbers = ir.VectorType(emit.element, count)
        self.bytes = ir.VectorType(BYTE, count)

    def at(self, array: str, start: Any) -> Any:
        return self.emit.pointer(array, start)

    def load(self, pointer: Any, kind: Any) -> Any:
        align = 1 if kind is self.bytes else self.emit.itemsize
        return self.build.load(self.build.bitcast(pointer, kind.as_pointer()), align=align)

    def store(self, value: Any, pointer: Any) -> None:
        align = 1 if value.type.element == BYTE else self.emit.itemsize
        self.build.store(value, self.build.bitcast(pointer, value.type.as_pointer()), align=align)

    def shuffled(self, places: list[int], a: Any, b: Any) -> Any:
        return self.build.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(places)), places))

    def pairs(self, pointer: Any) -> list[Any]:
        """Return the first and the second elements of a vector of pairs."""
        both = [self.load(self.emit.at(pointer, start), self.numbers) for start in (0, self.count)]
        return [self.shuffled(list(range(side, 2 * self.count, 2)), *both) for side in (0, 1)]

    def every_second(self, pointer: Any) -> Any:
        """Return the first element of each pair, without reading past the last of them."""
        halves = [self.load(self.emit.at(pointer, start), self.numbers) for start in (0, self.count - 1)]
        return self.shuffled([*range(0, self.count, 2), *range(self.count + 1, 2 * self.count, 2)], *halves)

    def byte(self, value: int) -> Any:
        return ir.Constant(self.bytes, [value] * self.count)

    def larger(self, value: Any, place: Any, best: Any, winner: Any) -> tuple[Any, Any]:
        """Return the larger value and its place; a NaN beats any number and is kept."""
        more = self.build.fcmp_unordered(">", value, best)
        takes = self.build.and_(more, self.build.fcmp_ordered("ord", best, best))
        return self.build.select(takes, value, best), self.build.select(takes, place, winner)


def _emit_max_pairs(emit: Emitter, builder: Any, rows: int, _: int) -> None:
    row, given = _Row(emit, builder, rows), emit.values
    top, low = (row.pairs(row.at("x", given[name])) for name in ("top", "low"))
    best, winner = top[0], row.byte(0)
    for place, value in enumerate((top[1], *low), 1):
        best, winner = row.larger(value, row.byte(place), best, winner)
    row.store(best, row.at("y", given["y0"]))
    row.store(winner, row.at("winner", given["y0"]))


def _emit_unmax_pairs(emit: Emitter, builder: Any, rows: int, _: int) -> None:
    row, given = _Row(emit, builder, rows), emit.values
    z, winner = row.load(row.at("x", given["x0"]), row.numbers), row.load(row.at("winner", given["x0"]), row.bytes)
    zero = ir.Constant(row.numbers, None)
    chosen = [builder.select(builder.icmp_unsigned("==", winner, row.byte(k)), z, zero) for k in range(4)]
    turns = [place for i in range(rows) for place in (i, rows + i)]
    row.store(row.shuffled(turns, *chosen[:2]), row.at("y", given["top"]))
    row.store(row.shuffled(turns, *chosen[2:]), row.at("y", given["low"]))


def _emit_max_window(emit: Emitter, builder: Any, rows: int, columns: int) -> None:
    row, given = _Row(emit, builder, rows), emit.values
    x, offsets, places = row.at("x", given["x0"]), row.at("offsets", 0), row.at("places", 0)
    lowest = ir.Constant(row.numbers, [ir.Constant(emit.element, float("-inf"))] * rows)
    y, winner = (cgutils.alloca_once(builder, kind) for kind in (row.numbers, row.bytes))
    builder.store(lowest, y)
    builder.store(row.byte(0), winner)
    undefined = ir.Constant(row.bytes, ir.Undefined)
    with cgutils.for_range(builder, given["count"]) as loop:
        under = emit.at(x, builder.load(emit.at(offsets, loop.index)))
        number = builder.load(emit.at(places, loop.index))
        place = builder.insert_element(undefined, number, ir.Constant(ir.IntType(32), 0))
        value = row.load(under, row.numbers) if columns == 1 else row.every_second(under)
        place = row.shuffled([0] * rows, place, undefined)
        best, chosen = row.larger(value, place, builder.load(y), builder.load(winner))
        builder.store(best, y)
        builder.store(chosen, winner)
    row.store(builder.load(y), row.at("y", given["y0"]))
    row.store(builder.load(winner), row.at("winner", given["y0"]))


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _max_pairs_compiled(_: Any, rows: Any, x: Any, top: Any, low: Any, y: Any, winner: Any, y0: Any) -> Any:
    kinds = {"rows": rows, "x": x, "top": top, "low": low, "y": y, "winner": winner, "y0": y0}
    return tile(_emit_max_pairs, kinds)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _unmax_pairs_compiled(_: Any, rows: Any, x: Any, winner: Any, x0: Any, y: Any, top: Any, low: Any) -> Any:
    kinds = {"rows": rows, "x": x, "winner": winner, "x0": x0, "y": y, "top": top, "low": low}
    return tile(_emit_unmax_pairs, kinds)


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def _max_window_compiled(
    _: Any,
    rows: Any,
    columns: Any,
    x: Any,
    x0: Any,
    offsets: Any,
    places: Any,
    count: Any,
    y: Any,
    winner: Any,
    y0: Any,
) -> Any:
    kinds = {"rows": rows, "columns": columns, "x": x, "x0": x0, "offsets": offsets, "places": places, "count": count}
    return tile(_emit_max_window, {**kinds, "y": y, "winner": winner, "y0": y0})


def _max_pairs_by_definition(rows: int, x: Any, top: int, low: int, y: Any, winner: Any, y0: int) -> None:
    values = np.concatenate([x[at : at + 2 * rows].reshape(rows, 2) for at in (top, low)], axis=1)
    place = np.where(np.isnan(values).any(axis=1), np.isnan(values).argmax(axis=1), values.argmax(axis=1))
    y[y0 : y0 + rows], winner[y0 : y0 + rows] = values[np.arange(rows), place], place


def _unmax_pairs_by_definition(rows: int, x: Any, winner: Any, x0: int, y: Any, top: int, low: int) -> None:
    z, places = x[x0 : x0 + rows, None], winner[x0 : x0 + rows, None]
    for at, first in ((top, 0), (low, 2)):
        y[at : at + 2 * rows] = np.where(places == (first, first + 1), z, 0).reshape(-1)


def _max_window_by_definition(
    rows: int,
    columns: int,
    x: Any,
    x0: int,
    offsets: Any,
    places: Any,
    count: int,
    y: Any,
    winner: Any,
    y0: int,
) -> None:
    row = slice(y0, y0 + rows)
    y[row], winner[row] = -np.inf, 0
    for offset, place in zip(offsets[:count], places[:count], strict=True):
        value = x[x0 + offset : x0 + offset + columns * (rows - 1) + 1 : columns]
        takes = ~(value <= y[row]) & (y[row] == y[row])
        y[row], winner[row] = np.where(takes, value, y[row]), np.where(takes, place, winner[row])


_off = numba.config.DISABLE_JIT
max_pairs: Any = _max_pairs_by_definition if _off else _max_pairs_compiled
"""Set y and `winner`, from `y0` on, to the largest of 2 × 2 elements of x and its place; rows begin at `top`, `low`."""
unmax_pairs: Any = _unmax_pairs_by_definition if _off else _unmax_pairs_compiled
"""Set 2 × 2 elements of y to the one of x, from `x0` on, at the place of the winner, and to zero."""
max_window: Any = _max_window_by_definition if _off else _max_window_compiled
"""Set y and `winner` to the largest of `count` elements of x, each at an offset, and the first one's place.

The positions are `columns` elements of x, 1 or 2, from each other.
"""


@inline
def max_pairs_of_row(x: Any, top: int, low: int, y: Any, winner: Any, y0: int, count: int) -> None:
    """Run `max_pairs` over `count` positions."""
    if count >= 16:
        for i in range(0, count - 15, 16):
            max_pairs(16, x, top + 2 * i, low + 2 * i, y, winner, y0 + i)
        i = count - 16
        max_pairs(16, x, top + 2 * i, low + 2 * i, y, winner, y0 + i)
    elif count >= 4:
        for i in range(0, count - 3, 4):
            max_pairs(4, x, top + 2 * i, low + 2 * i, y, winner, y0 + i)
        i = count - 4
        max_pairs(4, x, top + 2 * i, low + 2 * i, y, winner, y0 + i)
    else:
        for i in range(count):
            max_pairs(1, x, top + 2 * i, low + 2 * i, y, winner, y0 + i)


@inline
def unmax_pairs_of_row(z: Any, winner: Any, z0: int, y: Any, top: int, low: int, count: int) -> None:
    """Run `unmax_pairs` over `count` positions."""
    if count >= 16:
        for i in range(0, count - 15, 16):
            unmax_pairs(16, z, winner, z0 + i, y, top + 2 * i, low + 2 * i)
        i = count - 16
        unmax_pairs(16, z, winner, z0 + i, y, top + 2 * i, low + 2 * i)
    elif count >= 4:
        for i in range(0, count - 3, 4):
            unmax_pairs(4, z, winner, z0 + i, y, top + 2 * i, low + 2 * i)
        i = count - 4
        unmax_pairs(4, z, winner, z0 + i, y, top + 2 * i, low + 2 * i)
    else:
        for i in range(count):
            unmax_pairs(1, z, winner, z0 + i, y, top + 2 * i, low + 2 * i)


def _of_stride(columns: int) -> Any:
    @inline
    def row(x: Any, x0: int, offsets: Any, places: Any, count: int, y: Any, winner: Any, y0: int, length: int) -> None:
        if length >= 16:
            for i in range(0, length - 15, 16):
                max_window(16, columns, x, x0 + i * columns, offsets, places, count, y, winner, y0 + i)
            i = length - 16
            max_window(16, columns, x, x0 + i * columns, offsets, places, count, y, winner, y0 + i)
        elif length >= 4:
            for i in range(0, length - 3, 4):
                max_window(4, columns, x, x0 + i * columns, offsets, places, count, y, winner, y0 + i)
            i = length - 4
            max_window(4, columns, x, x0 + i * columns, offsets, places, count, y, winner, y0 + i)
        else:
            for i in range(length):
                max_window(1, 1, x, x0 + i * columns, offsets, places, count, y, winner, y0 + i)

    return row


max_of_row, max_of_every_second = _of_stride(1), _of_stride(2)
