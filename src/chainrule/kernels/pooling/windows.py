"""Loops over windows as machine code, written for the sizes at hand: the largest element or the sum of each, and back.

A range is of planes. Along a row of positions a vector of them is taken at a time; the last vector of a row overlaps
the one before it, since whatever is written twice is the same. Elements outside are skipped: there is no padding.
"""

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels.convolution.flat import Geometry, Ints
from chainrule.kernels.native import ufuncs as ufuncs  # comparisons of symbols
from chainrule.kernels.native.code import Code, Place
from chainrule.kernels.native.symbol import LONG, Symbol
from chainrule.kernels.native.tasks import Function
from chainrule.kernels.native.vectors import Vector, Vectors, register_bytes

BYTE = np.dtype(np.uint8)
MOST = 64
"""Elements of a window up to which there is an instruction for each."""
Index = Symbol | int


@dataclass(frozen=True)
class Sizes:
    """A plane's size, its number of positions, and the windows, along three axes."""

    size: Ints
    out: Ints
    where: Geometry

    @property
    def are_pairs(self) -> bool:
        """Whether the windows are 2 × 2, and side by side."""
        one, two = (1, 1, 1), (1, 2, 2)
        return (
            self.where.kernel == self.where.stride == two and self.where.dilation == one and not any(self.where.before)
        )

    @property
    def are_covering(self) -> bool:
        """Whether such windows cover every element."""
        return self.are_pairs and not (self.size[1] % 2 or self.size[2] % 2)

    def inside(self, axis: int, tap: int) -> tuple[int, int]:
        """Return the first position, and the one behind the last, at which a tap lies over an element of a plane."""
        shift, stride, length = self._shift(axis, tap), self.where.stride[axis], self.out[axis]
        first = max(-(shift // stride), 0)
        return min(first, length), max(min((self.size[axis] - 1 - shift) // stride + 1, length), min(first, length))

    def is_inside(self, axis: int, tap: int) -> bool:
        """Whether a tap lies over an element at all positions."""
        return self.inside(axis, tap) == (0, self.out[axis])

    @property
    def middle(self) -> tuple[int, int]:
        """The positions along a row at which a whole window lies inside: the first, and the one behind the last."""
        ends = [self.inside(2, k) for k in range(self.where.kernel[2])]
        low, high = max(low for low, _ in ends), min(high for _, high in ends)
        return (low, high) if low < high else (0, 0)

    def _shift(self, axis: int, tap: int) -> int:
        return tap * self.where.dilation[axis] - self.where.before[axis]

    def at(self, axis: int, position: Index, tap: Index) -> Index:
        """Return the element under a tap at a position: outside of the plane, if it is negative or too large."""
        moved = position * self.where.stride[axis] + tap * self.where.dilation[axis]
        return moved - self.where.before[axis] if self.where.before[axis] else moved


class _Walk:
    """A function of planes under construction, the loops over its rows, and vectors along them."""

    def __init__(self, dtype: Any, sizes: Sizes, dtypes: Sequence[Any]) -> None:
        self.function, self.sizes, self.dtype = Function(dtypes), sizes, np.dtype(dtype)
        self.code: Code = self.function.code
        self.most = register_bytes() // self.dtype.itemsize

    @contextmanager
    def planes(self) -> Iterator[tuple[Symbol, Symbol]]:
        """Repeat what is written inside for each plane; yield where it begins, and where its results do."""
        with self.code.loop(self.function.begin, self.function.end) as n:
            yield n * math.prod(self.sizes.size), n * math.prod(self.sizes.out)

    @contextmanager
    def rows(self) -> Iterator[tuple[Symbol, Symbol, Symbol]]:
        """Repeat what is written inside for each row of positions; yield its place, and where it begins in a plane."""
        out = self.sizes.out
        with self.code.loop(0, out[0]) as d, self.code.loop(0, out[1]) as h:
            yield d, h, (d * out[1] + h) * out[2]

    def along(self, low: int, high: int, write: Callable[[Vectors, Symbol], None]) -> None:
        """Call `write(vectors, position)` so that vectors, as long as fit, cover the positions from low to high."""
        length = high - low
        if length <= 0:
            return
        lanes = min(self.most, 1 << (length.bit_length() - 1))
        vectors = Vectors(self.code, self.dtype, lanes)
        with self.code.loop(0, length // lanes) as k:
            write(vectors, k * lanes + low)
        if length % lanes:
            write(vectors, self.code.index(high - lanes))

    def is_within(self, places: Sequence[tuple[int, Index]]) -> Symbol | None:
        """Return the condition that places along some axes are inside; None if there are none to look at."""
        found: Any = None
        for axis, place in places:
            for test in (np.greater_equal(place, 0), np.less(place, self.sizes.size[axis])):
                found = test if found is None else np.logical_and(found, test)
        return found  # type: ignore[no-any-return]


class _Largest:
    """The largest element of a window and its place: the first of equals, or the first NaN."""

    start = -math.inf

    def __init__(self, walk: _Walk) -> None:
        self.x, self.y, self.winner = walk.function.places
        self.walk = walk

    def vector(self, v: Vectors, at: Symbol, taps: Sequence[tuple[Vector, int]]) -> None:
        (best, _), *others = taps  # the first is place 0, which wins where nothing is inside as well
        winner = f"{v.wholes} zeroinitializer"
        for value, place in others:
            more = v.made(f"fcmp ugt {v.kind} {value}, {best}")
            known = v.made(f"fcmp ord {v.kind} {best}, {best}")
            takes = v.made(f"and {v.mask} {more}, {known}")
            chosen = v.made(f"select {v.mask} {takes}, {v.wholes} {_repeated(v, place)}, {winner}")
            winner = f"{v.wholes} {chosen}"
            best = v.made(f"select {v.mask} {takes}, {v.kind} {value}, {v.kind} {best}")
        v.store(best, self.y, at)
        bytes_ = v.made(f"trunc {winner} to <{v.lanes} x i8>")
        self.walk.code.write(f"store <{v.lanes} x i8> {bytes_}, ptr {self.winner.behind(at).name}, align 1")

    @contextmanager
    def number(self, at: Symbol) -> Iterator[Callable[[Symbol, Symbol], None]]:
        code, dtype = self.walk.code, self.walk.dtype
        best, winner = code.variable(dtype, -math.inf), code.variable(LONG, 0)

        def fold(value: Any, place: Any) -> None:
            before: Any = best.get()
            more = np.logical_or(np.greater(value, before), np.not_equal(value, value))
            takes = np.logical_and(more, np.equal(before, before))
            chosen: Any = np.where(takes, value, before), np.where(takes, place, winner.get())
            best.set(chosen[0])
            winner.set(chosen[1])

        yield fold
        self.y[at], self.winner[at] = best.get(), winner.get()


class _Total:
    """The sum of a window."""

    start = 0.0

    def __init__(self, walk: _Walk) -> None:
        self.x, self.y = walk.function.places
        self.walk = walk

    def vector(self, v: Vectors, at: Symbol, taps: Sequence[tuple[Vector, int]]) -> None:
        v.store(functools.reduce(lambda total, x: total + x, (value for value, _ in taps)), self.y, at)

    @contextmanager
    def number(self, at: Symbol) -> Iterator[Callable[[Symbol, Symbol], None]]:
        total = self.walk.code.variable(self.walk.dtype, 0)
        yield lambda value, _: total.set(total.get() + value)
        self.y[at] = total.get()


def _repeated(v: Vectors, number: int) -> str:
    return f"<{', '.join([f'{v.whole} {number}'] * v.lanes)}>"


def _strided(v: Vectors, x: Place, at: Symbol, stride: int) -> Vector:
    """Load elements that are 1 or 2 apart, none behind the last of them."""
    first = v.load(x, at)
    if stride == 1 or v.lanes == 1:
        return first
    second = v.load(x, at + (v.lanes - 1))
    places = [*range(0, v.lanes, 2), *range(v.lanes + 1, 2 * v.lanes, 2)]
    mask = ", ".join(f"i32 {p}" for p in places)
    return v.made(f"shufflevector {v.kind} {first}, {v.kind} {second}, <{v.lanes} x i32> <{mask}>")


@functools.lru_cache(256)
def gathering(dtype: Any, sizes: Sizes, largest: bool) -> str:
    """Return the code of `y, winner ← max x`, or `y ← sum x`, over windows."""
    walk = _Walk(dtype, sizes, [dtype, dtype, BYTE] if largest else [dtype, dtype])
    fold: Any = _Largest(walk) if largest else _Total(walk)
    kernel, stride = sizes.where.kernel, sizes.where.stride
    low, high = sizes.middle if math.prod(kernel) <= MOST and stride[2] <= 2 else (0, 0)
    with walk.planes() as (plane, result), walk.rows() as (d, h, row):
        if low < high:
            rows = _rows_under(walk, plane, d, h)

            def write(v: Vectors, i: Symbol) -> None:
                taps = []
                for begin, is_inside, place in rows:
                    for k in range(kernel[2]):
                        value = _strided(v, fold.x, begin + sizes.at(2, i, k), stride[2])
                        if is_inside is not None:
                            outside = v.constant(fold.start)
                            value = v.made(f"select i1 {is_inside}, {v.kind} {value}, {v.kind} {outside}")
                        taps.append((value, place + k))
                fold.vector(v, result + row + i, taps)

            walk.along(low, high, write)
        for begin, end in ((0, low), (high, sizes.out[2])):
            if begin < end:
                with walk.code.loop(begin, end) as i:
                    _one_by_one(walk, fold, plane, (d, h, i), result + row + i)
    return walk.function.text()


def _rows_under(walk: _Walk, plane: Symbol, d: Symbol, h: Symbol) -> list[tuple[Any, Any, int]]:
    """Return for each row of a window where it lies, whether it is inside if it may not be, and its first place."""
    sizes, found = walk.sizes, []
    for a in range(sizes.where.kernel[0]):
        for b in range(sizes.where.kernel[1]):
            places = [sizes.at(0, d, a), sizes.at(1, h, b)]
            looked = [(axis, places[axis]) for axis, tap in ((0, a), (1, b)) if not sizes.is_inside(axis, tap)]
            is_inside = walk.is_within(looked)
            begin: Any = (places[0] * sizes.size[1] + places[1]) * sizes.size[2]
            if is_inside is not None:
                begin = walk.code.chosen(is_inside, begin, walk.code.index(0))
            found.append((plane + begin, is_inside, (a * sizes.where.kernel[1] + b) * sizes.where.kernel[2]))
    return found


def _one_by_one(walk: _Walk, fold: Any, plane: Symbol, at: tuple[Symbol, ...], result: Symbol) -> None:
    """Fold a window one element at a time, those that are inside."""
    with fold.number(result) as take, _taps(walk, plane, at) as (under, place):
        take(fold.x[under], place)


@contextmanager
def _taps(walk: _Walk, plane: Symbol, at: tuple[Symbol, ...]) -> Iterator[tuple[Symbol, Symbol]]:
    """Repeat what is written inside for each tap that is inside; yield the element under it, and its place."""
    code, sizes = walk.code, walk.sizes
    _, rows, columns = sizes.where.kernel
    with code.loop(0, sizes.where.kernel[0]) as a, code.loop(0, rows) as b, code.loop(0, columns) as c:
        under, places = _under(walk, plane, at, (a, b, c))
        with _when(code, walk.is_within(places)):
            yield under, (a * rows + b) * columns + c


def _under(walk: _Walk, plane: Symbol, at: Sequence[Index], taps: Sequence[Index]) -> tuple[Symbol, list[Any]]:
    """Return the element under a tap, and the places along the axes where it may be outside."""
    sizes = walk.sizes
    d, h, w = (sizes.at(axis, *pair) for axis, pair in enumerate(zip(at, taps, strict=True)))
    open_ = [not all(sizes.is_inside(axis, k) for k in range(sizes.where.kernel[axis])) for axis in range(3)]
    under = plane + (d * sizes.size[1] + h) * sizes.size[2] + w
    return under, [(axis, place) for axis, place in enumerate((d, h, w)) if open_[axis]]


@contextmanager
def _when(code: Code, condition: Symbol | None) -> Iterator[None]:
    if condition is None:
        yield
    else:
        with code.when(condition):
            yield


@functools.lru_cache(256)
def scattering(dtype: Any, sizes: Sizes, by_winner: bool) -> str:
    """Return the code that adds each element of z to the winner of its window, or to the whole window, in zeros."""
    walk = _Walk(dtype, sizes, [dtype, BYTE, dtype] if by_winner else [dtype, dtype])
    z, *winner, y = walk.function.places
    code, out = walk.code, sizes.out
    with walk.planes() as (plane, start):
        if not sizes.are_covering:
            with code.loop(0, math.prod(sizes.size)) as i:
                y[plane + i] = code.constant(0, walk.dtype)
        with walk.rows() as (d, h, row):
            if sizes.are_pairs:
                top = plane + (d * sizes.size[1] + h * 2) * sizes.size[2]
                rows = top, top + sizes.size[2]
                walk.along(0, out[2], functools.partial(_write_pairs, z, winner, y, start + row, rows))
            else:
                with code.loop(0, out[2]) as i:
                    if by_winner:
                        _add_to_winner(walk, z, winner[0], y, plane, (d, h, i), start + row + i)
                    else:
                        with _taps(walk, plane, (d, h, i)) as (under, _):
                            y[under] = y[under] + z[start + row + i]
    return walk.function.text()


def _add_to_winner(
    walk: _Walk, z: Place, winner: Place, y: Place, plane: Symbol, at: tuple[Symbol, ...], source: Symbol
) -> None:
    code, (_, rows, columns) = walk.code, walk.sizes.where.kernel
    place = winner[source].astype(LONG)
    line = code.made(LONG, f"udiv i64 {place}, {columns}")
    taps = code.made(LONG, f"udiv i64 {line}, {rows}"), code.remainder(line, rows), code.remainder(place, columns)
    under, places = _under(walk, plane, at, taps)
    with _when(code, walk.is_within(places)):
        y[under] = y[under] + z[source]


def _write_pairs(
    z: Place, winner: Sequence[Place], y: Place, start: Symbol, rows: Sequence[Symbol], v: Vectors, i: Symbol
) -> None:
    """Write the windows of a vector of positions: two rows of pairs."""
    value = v.load(z, start + i)
    chosen = [value] * 4
    if winner:
        kind = f"<{v.lanes} x i8>"
        won = v.made(f"load {kind}, ptr {winner[0].behind(start + i).name}, align 1")
        wide = v.made(f"zext {kind} {won} to {v.wholes}")
        chosen = []
        for k in range(4):
            test = v.made(f"icmp eq {v.wholes} {wide}, {_repeated(v, k)}")
            chosen.append(v.made(f"select {v.mask} {test}, {v.kind} {value}, {v.kind} zeroinitializer"))
    turns = ", ".join(f"i32 {place}" for k in range(v.lanes) for place in (k, v.lanes + k))
    for row, (left, right) in zip(rows, (chosen[:2], chosen[2:]), strict=True):
        mask = f"<{2 * v.lanes} x i32> <{turns}>"
        both = v.made(f"shufflevector {v.kind} {left}, {v.kind} {right}, {mask}")
        at = y.behind(row + i * 2).name
        v.code.write(f"store <{2 * v.lanes} x {v.element}> {both}, ptr {at}, align {v.dtype.itemsize}")
