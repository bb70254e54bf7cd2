"""What lies at numbered places of an array, sums at such places, and numbers in range, as tasks.

The numbers are places along the first axes: `table[i]` takes rows, `table[i, j]` elements of a matrix. A number counts
from the end where it is negative, as an index of NumPy does.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .native.copies import SIZES, cleared
from .native.symbol import LONG, Symbol
from .native.tasks import ADDITION, Function, Task, parts_of

Array = Any
NARROW = 64
"""The fewest columns in a part of a sum of rows, which is cut along columns: each row is added to in its order."""


def fits(table: Array, index: Sequence[Array], rows: Array) -> bool:
    """Whether there is code for what lies at such numbers along the first axes of a table, or is added there.

    The arrays of numbers, one for each of these axes, may have gaps and are broadcast with each other.
    """
    if not (table.flags.c_contiguous and rows.flags.c_contiguous) or not all(x.size for x in (table, rows, *index)):
        return False
    if any(x.dtype.kind not in "iu" or any(s % x.itemsize for s in x.strides) for x in index):
        return False
    is_known = table.dtype.itemsize in SIZES and table.dtype.kind in "biuf" and len(index) <= table.ndim
    shape = np.broadcast_shapes(*(x.shape for x in index))
    return is_known and table.dtype == rows.dtype and rows.shape == shape + table.shape[len(index) :]


def taken(table: Array, index: Sequence[Array], out: Array) -> Task:
    """Return the task `out ← table[index]`; it fails at a number out of range."""
    walk = _Walk.over(index, table, out)
    task = Task(walk.text(table.dtype, "take"), [table, *index, out], walk.numbers, 0, walk.lengths[0])
    task.parts = parts_of(ADDITION * 2 * out.size, walk.lengths[0])
    task.rescue = functools.partial(_refused, table, tuple(index))
    return task


def added(rows: Array, index: Sequence[Array], out: Array) -> list[Task]:
    """Return the tasks that make `out` zeros with the rows added at their numbers, in their order."""
    walk = _Walk.over(index, out, rows)
    task = Task(walk.text(rows.dtype, "add"), [rows, *index, out], [*walk.numbers, walk.lengths[0]], 0, walk.length)
    task.parts = parts_of(ADDITION * 2 * rows.size, max(walk.length // NARROW, 1))
    task.rescue = functools.partial(_refused, out, tuple(index))
    return [cleared(out), task]


@dataclass(frozen=True)
class _Walk:
    """Through arrays of numbers that are broadcast with each other, and what they pick of a table."""

    kinds: tuple[Any, ...]
    """Their dtypes."""
    lengths: tuple[int, ...]
    """Of the axes that are walked, the first one outermost; axes that lie behind each other in all arrays are one."""
    steps: tuple[tuple[int, ...], ...]
    """For each array, how far apart its elements are along these axes."""
    counts: tuple[int, ...]
    """The lengths of the table's axes that the numbers are places on."""
    length: int
    """How many elements lie at each place."""

    @classmethod
    def over(cls, index: Sequence[Array], table: Array, rows: Array) -> "_Walk":
        """Return the walk that goes through rows in their order."""
        shape = rows.shape[: rows.ndim - (table.ndim - len(index))]
        steps = [[s // x.itemsize for s in np.broadcast_to(x, shape).strides] for x in index]
        axes: list[tuple[int, tuple[int, ...]]] = []
        for n, *each in zip(shape, *steps, strict=True):
            if axes and all(before == n * step for before, step in zip(axes[-1][1], each, strict=True)):
                axes[-1] = axes[-1][0] * n, tuple(each)
            else:
                axes.append((n, tuple(each)))
        axes = axes or [(1, (0,) * len(index))]
        counts, length = table.shape[: len(index)], math.prod(table.shape[len(index) :])
        apart = tuple(zip(*(each for _, each in axes), strict=True))
        return cls(tuple(x.dtype for x in index), tuple(n for n, _ in axes), apart, counts, length)

    @property
    def numbers(self) -> list[int]:
        """What the code has to be given: the inner lengths, the steps, the counts, the elements at each place."""
        return [*self.lengths[1:], *(s for each in self.steps for s in each), *self.counts, self.length]

    def text(self, dtype: Any, does: str) -> str:
        """Return the code that takes, or adds."""
        kind = np.dtype(f"uint{8 * dtype.itemsize}") if does == "take" else dtype
        return _text(does, kind, self.kinds, len(self.lengths))


def _refused(table: Array, index: tuple[Array, ...]) -> None:
    table[index]  # NumPy's error
    raise AssertionError("a number was out of range, and is not any more")


@functools.cache
def _text(does: str, dtype: Any, kinds: tuple[Any, ...], axes: int) -> str:
    several = len(kinds)
    function = Function([dtype, *kinds, dtype], axes - 1 + several * (axes + 1) + 1 + (does == "add"))
    (source, *index, out), code = function.places, function.code
    numbers = iter(function.numbers)
    inner = [next(numbers) for _ in range(axes - 1)]
    steps = [[next(numbers) for _ in range(axes)] for _ in range(several)]
    counts, length = [next(numbers) for _ in range(several)], next(numbers)
    begin, end = (function.begin, function.end) if does == "take" else (code.index(0), next(numbers))
    columns = (0, length) if does == "take" else (function.begin, function.end)

    def place(at: Sequence[Symbol], row: Symbol) -> Symbol:
        """Return where in the table lies what numbers at some places of their arrays pick."""
        found = code.index(0)
        for x, k, count in zip(index, at, counts, strict=True):
            number = x[k].astype(LONG)
            code.leave_if((number < -count) | (number >= count), row)
            found = found * count + code.chosen(number < 0, number + count, number)
        return found * length

    def walk(axis: int, at: Sequence[Symbol], row: Any) -> None:
        if axis == axes:
            there, here = place(at, row), row * length
            with code.loop(*columns) as c:
                if does == "take":
                    out[here + c] = source[there + c]
                else:
                    out[there + c] = out[there + c] + source[here + c]
            return
        with code.loop(*((begin, end) if axis == 0 else (0, inner[axis - 1]))) as i:
            further = [k + i * each[axis] for k, each in zip(at, steps, strict=True)]
            walk(axis + 1, further, i if axis == 0 else row * inner[axis - 1] + i)

    walk(0, [code.index(0)] * several, 0)
    return function.text()


def in_range(index: Array, count: int) -> Task:
    """Return the task that fails at a number that is not in 0 … count − 1; it says nothing about which."""
    return Task(_check(index.dtype), [index], [count], 0, index.size)


@functools.cache
def _check(of_index: Any) -> str:
    function = Function([of_index], 1)
    (index,), (count,) = function.places, function.numbers
    with function.code.loop(function.begin, function.end) as i:
        number = index[i].astype(LONG)
        function.code.leave_if((number < 0) | (number >= count), i)
    return function.text()
