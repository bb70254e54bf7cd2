"""Rows taken from an array by their numbers, rows added to those of another, and numbers in range, as tasks.

A number counts from the end where it is negative, as an index of NumPy does.
"""

import functools
import math
from typing import Any

import numpy as np

from .native.copies import SIZES, cleared
from .native.symbol import LONG, Symbol
from .native.tasks import ADDITION, Function, Task, parts_of

Array = Any
NARROW = 64
"""The fewest columns in a part of a sum of rows, which is cut along columns: each row is added to in its order."""


def fits(table: Array, index: Array, rows: Array) -> bool:
    """Whether there is code for rows of a table, those with such numbers, or rows that are added to it."""
    if not all(x.flags.c_contiguous and x.size for x in (table, index, rows)) or index.dtype.kind not in "iu":
        return False
    is_known = table.dtype.itemsize in SIZES and table.dtype.kind in "biuf"
    return is_known and table.dtype == rows.dtype and rows.shape == index.shape + table.shape[1:]


def taken(table: Array, index: Array, out: Array) -> Task:
    """Return the task `out ← table[index]`; it fails at a number out of range."""
    length = math.prod(table.shape[1:])
    task = Task(_take(table.dtype.itemsize, index.dtype), [table, index, out], [len(table), length], 0, index.size)
    task.parts = parts_of(ADDITION * 2 * out.size, index.size)
    task.rescue = functools.partial(_refused, table, index)
    return task


def added(rows: Array, index: Array, out: Array) -> list[Task]:
    """Return the tasks that make `out` zeros with the rows added at their numbers, in their order."""
    length = math.prod(out.shape[1:])
    numbers = [len(out), length, index.size]
    task = Task(_add(rows.dtype, index.dtype), [rows, index, out], numbers, 0, length)
    task.parts = parts_of(ADDITION * 2 * rows.size, max(length // NARROW, 1))
    task.rescue = functools.partial(_refused, out, index)
    return [cleared(out), task]


def in_range(index: Array, count: int) -> Task:
    """Return the task that fails at a number that is not in 0 … count − 1; it says nothing about which."""
    return Task(_check(index.dtype), [index], [count], 0, index.size)


def _refused(table: Array, index: Array) -> None:
    table[index]  # NumPy's error
    raise AssertionError("a number was out of range, and is not any more")


def _place(function: Function, number: Symbol, count: Symbol) -> Symbol:
    return function.code.chosen(number < 0, number + count, number)


def _leave_outside(function: Function, number: Symbol, count: Symbol, i: Symbol) -> None:
    function.code.leave_if((number < -count) | (number >= count), i)


@functools.cache
def _take(itemsize: int, of_index: Any) -> str:
    unsigned = np.dtype(f"uint{8 * itemsize}")
    function = Function([unsigned, of_index, unsigned], 2)
    (table, index, out), (count, length), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as r:
        number = index[r].astype(LONG)
        _leave_outside(function, number, count, r)
        start, target = _place(function, number, count) * length, r * length
        with code.loop(0, length) as c:
            out[target + c] = table[start + c]
    return function.text()


@functools.cache
def _add(dtype: Any, of_index: Any) -> str:
    function = Function([dtype, of_index, dtype], 3)
    (rows, index, out), (count, length, several), code = function.places, function.numbers, function.code
    with code.loop(0, several) as r:
        number = index[r].astype(LONG)
        _leave_outside(function, number, count, r)
        target, start = _place(function, number, count) * length, r * length
        with code.loop(function.begin, function.end) as c:
            out[target + c] = out[target + c] + rows[start + c]
    return function.text()


@functools.cache
def _check(of_index: Any) -> str:
    function = Function([of_index], 1)
    (index,), (count,) = function.places, function.numbers
    with function.code.loop(function.begin, function.end) as i:
        number = index[i].astype(LONG)
        function.code.leave_if((number < 0) | (number >= count), i)
    return function.text()
