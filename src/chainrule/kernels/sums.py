"""Sums of large arrays in eager code: over the rows of a matrix, and of two arrays, as loops on several cores."""

import functools
import math
from itertools import pairwise
from typing import Any

import numpy as np

from .pointwise import apply, code_of
from .suitable import LARGE, errors_are_raised, suitable

Array = Any
EACH = 64
"""How many of a product's operations one addition takes as long as, where the numbers come from memory."""
NARROW = 64
"""How many elements that are summed lie side by side at least: with fewer NumPy is as fast."""
KNOWN = 64
"""Up to so many elements a sum for each of some blocks is code for just so many, which keeps them in registers."""
LARGE_PAIR = 2**18
"""Elements from which on the sum of two arrays goes to its loop: with fewer it would be one part."""


def of_rows(x: Array) -> Array:
    """Return the sum over every axis but the last: of a large array by a loop, of others by NumPy.

    >>> of_rows(np.ones((2, 3, 4)))
    array([6., 6., 6., 6.])
    """
    if x.ndim < 2 or not suitable(LARGE, x):
        wide = {"dtype": np.float32} if x.dtype == np.float16 else {}
        return x.sum(axis=tuple(range(x.ndim - 1)), **wide).astype(x.dtype, copy=False)
    n = x.shape[-1]
    total = np.empty(n, x.dtype)
    _call(x.size // n, n, x.dtype)([x, total])
    return total


@functools.lru_cache(1024)
def _call(rows: int, n: int, dtype: Any) -> Any:
    """Return the sum of so many rows as a function of them and the total."""
    from .native.tasks import Call

    x, total = np.empty(0, dtype), np.empty(0, dtype)
    return Call(tasks_of_rows(x, total, rows, n), [x, total])


def tasks_of_rows(x: Array, total: Array, rows: int, n: int) -> list[Any]:
    """Return the tasks that set `total` to the sum of so many rows: of blocks of them, which are then added up.

    How many blocks depends on the size alone, so that no result depends on the number of threads.
    """
    from .native.tasks import Task, parts_of

    blocks, text = parts_of(EACH * rows * n, rows), _summed(x.dtype)
    if blocks == 1:
        return [Task(text, [x, total], [n, rows, rows], 0, 1)]
    parts = np.empty((blocks, n), x.dtype)
    first = Task(text, [x, parts], [n, rows, -(-rows // blocks)], 0, blocks, parts=blocks)
    return [first, Task(text, [parts, total], [n, blocks, blocks], 0, 1)]


def tasks_of_blocks(x: Array, total: Array, axes: tuple[int, ...], is_mean: bool) -> list[Any] | None:
    """Return the tasks that set `total` to the sums, or means, over axes in a row with others before and behind them.

    None where the axes are others, such as the last ones, or the arrays are not in C order.
    """
    from .native.tasks import Task, parts_of

    first, last = min(axes, default=0), max(axes, default=-1)
    behind = math.prod(x.shape[last + 1 :])
    if sorted(axes) != list(range(first, last + 1)) or not first or last + 1 == x.ndim or x.dtype not in FLOATS:
        return None
    if (
        total.dtype != x.dtype
        or not total.size
        or not x.size
        or not (x.flags.c_contiguous and total.flags.c_contiguous)
    ):
        return None
    blocks, count = math.prod(x.shape[:first]), math.prod(x.shape[first : last + 1])
    parts = parts_of(EACH * x.size, blocks)
    text = _summed(x.dtype, behind if behind <= KNOWN else None)
    task = Task(text, [x, total], [behind, blocks * count, count], 0, blocks, parts=parts)
    return [task, Task(_divided(x.dtype), [total], [count], 0, total.size)] if is_mean else [task]


FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


@functools.cache
def _divided(dtype: Any) -> str:
    """Return the function that divides numbers by a count."""
    from .native.tasks import Function

    function = Function([dtype], 1)
    (total,), (count,), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as i:
        total[i] = total[i] / count.astype(dtype)
    return function.text()


@functools.cache
def _summed(dtype: Any, known: int | None = None) -> str:
    """Return the function that sums the rows of each of a range of blocks, for rows of any length or of a known one."""
    from .native.tasks import Function

    function = Function([dtype, dtype], 3)
    (x, total), (length, count, size), code = function.places, function.numbers, function.code
    n = length if known is None else known
    with code.loop(function.begin, function.end) as block:
        begin, end = (code.chosen(i < count, i, count) for i in (block * size, (block + 1) * size))
        to = block * n
        with code.loop(0, n) as j:
            total[to + j] = code.constant(0, dtype)
        with code.loop(begin, end) as i, code.loop(0, n) as j:
            total[to + j] = total[to + j] + x[i * n + j]
    return function.text()


def over(x: Array, axes: tuple[int, ...]) -> Array:
    """Return the sum over some axes, as `x.sum(axis=axes)`; of a large array whose kept axes lie together by a loop.

    >>> over(np.ones((2, 3, 4)), (0, 2))
    array([8., 8., 8.])
    """
    kept = [axis for axis in range(x.ndim) if axis not in axes]
    if not kept or not axes or x.size < LARGE:
        return x.sum(axis=axes)
    order = sorted(range(x.ndim), key=lambda axis: -x.strides[axis])
    there = [order.index(axis) for axis in kept]
    if there != [*range(there[0], there[0] + len(kept))] or not suitable(LARGE, laid := x.transpose(order)):
        return x.sum(axis=axes)
    ends = (0, there[0], there[-1] + 1, x.ndim)
    outer, count, inner = (math.prod(laid.shape[begin:end]) for begin, end in pairwise(ends))
    if inner < NARROW:
        return x.sum(axis=axes)
    total = np.empty([x.shape[axis] for axis in kept], x.dtype)
    _call_over(outer, count, inner, x.dtype)([laid, total])
    return total


@functools.lru_cache(1024)
def _call_over(outer: int, count: int, inner: int, dtype: Any) -> Any:
    """Return the sums over the first and the last axis of [outer, count, inner] as a function of it and the result."""
    from .native.tasks import Call, Task, parts_of

    arrays = [np.empty(0, dtype), np.empty(0, dtype)]
    parts = parts_of(EACH * outer * count * inner, count)
    return Call([Task(_summed_over(dtype), arrays, [outer, count, inner], 0, count, parts=parts)], arrays)


@functools.cache
def _summed_over(dtype: Any) -> str:
    """Return the function that sums for a range of the middle axis, in float64: it may be a channel of many images."""
    from .native.symbol import DOUBLE
    from .native.tasks import Function

    function = Function([dtype, dtype], 3)
    (x, total), (outer, count, inner), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as k:
        found = code.variable(DOUBLE, 0)
        with code.loop(0, outer) as i:
            start = (i * count + k) * inner
            with code.loop(0, inner) as j:
                found.add(x[start + j].astype(DOUBLE))
        total[k] = found.get().astype(dtype)
    return function.text()


_sum_of_two = code_of(lambda a, b: a + b, 2)


def of_two(a: Array, b: Array) -> Array | None:
    """Return `a + b` of two large arrays of one shape; None for others, which are left to NumPy. The bits are NumPy's.

    >>> of_two(np.ones(3), np.ones(3)) is None
    True
    """
    if a.shape != getattr(b, "shape", None) or not suitable(LARGE_PAIR, a, b) or errors_are_raised():
        return None
    return apply(_sum_of_two, (a, b))


def add_to(total: Array, x: Array) -> None:
    """Set `total ← total + x` in place, for arrays of one shape and dtype that share no memory."""
    if total.size < LARGE_PAIR or not suitable(LARGE_PAIR, total, x):
        total += x
    else:
        _added(total.size, total.dtype)([total, x])


@functools.lru_cache(1024)
def _added(size: int, dtype: Any) -> Any:
    from .native.tasks import Call, Function, Task, parts_of

    function = Function([dtype, dtype])
    total, x = function.places
    with function.code.loop(function.begin, function.end) as i:
        total[i] = total[i] + x[i]
    arrays = [np.empty(0, dtype), np.empty(0, dtype)]
    return Call([Task(function.text(), arrays, (), 0, size, parts=parts_of(EACH * size, size))], arrays)
