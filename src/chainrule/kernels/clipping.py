"""Changes of all gradients before a step as tasks: their norm, clipping and scaling, over flat arrays."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .native.symbol import DOUBLE
from .native.tasks import ADDITION, Function, Task, parts_of
from .numbers import in_type_of

Array = Any
BLOCK = 2**14
"""How many elements are summed in a row: sums of blocks are added up in their order, however many threads there are."""
FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def fits(arrays: Sequence[Array]) -> bool:
    """Whether there are tasks for changes of these arrays in place."""
    return bool(arrays) and all(a.dtype in FLOATS and a.flags.c_contiguous and a.flags.writeable for a in arrays)


def clipped_norm(arrays: Sequence[Array], max_norm: float, eps: float, norm: Array, factor: Array) -> list[Task]:
    """Return the tasks that scale arrays to a joint norm of at most `max_norm`, and write the norm before to `norm`.

    The task that computes the factor fails where the norm is not finite, and leaves everything as it is.
    """
    counts = [-(-a.size // BLOCK) for a in arrays]
    sums, limits = np.zeros(sum(counts)), np.array([max_norm, eps])
    tasks, start = [], 0
    for array, count in zip(arrays, counts, strict=True):
        own = Task(_squares(array.dtype), [array, sums[start : start + count]], [array.size], 0, count)
        own.parts = parts_of(ADDITION * array.size, count)
        tasks.append(own)
        start += count
    tasks.append(Task(_factor(), [sums, limits, norm, factor], [], 0, len(sums)))
    tasks[-1].kept = (sums, limits)
    return tasks + [_each(_limited(a.dtype), a, factor) for a in arrays]


def clipped(arrays: Sequence[Array], limit: float) -> list[Task]:
    """Return the tasks that clip every element to [−limit, limit]; a NaN stays NaN."""
    number = np.array([limit])
    return [_each(_within(a.dtype), a, number) for a in arrays]


def scaled(arrays: Sequence[Array], factor: float) -> list[Task]:
    """Return the tasks that multiply every element by a factor."""
    number = np.array([factor])
    return [_each(_multiplied(a.dtype), a, number) for a in arrays]


def finite(array: Array) -> Task:
    """Return the task that fails where a number, an array of one element, is not finite."""
    return Task(_finite(array.dtype), [array])


def _each(text: str, array: Array, number: Array) -> Task:
    task = Task(text, [array, number], [], 0, array.size, parts=parts_of(ADDITION * array.size, array.size // BLOCK))
    task.kept = (number,)
    return task


@functools.cache
def _squares(dtype: Any) -> str:
    function = Function([dtype, DOUBLE], 1)
    (x, sums), (size,), code = function.places, function.numbers, function.code
    with code.loop(function.begin, function.end) as block:
        total = code.variable(DOUBLE, 0)
        start = block * BLOCK
        end: Any = np.minimum(start + BLOCK, size)
        with code.loop(start, end) as i:
            element = x[i].astype(DOUBLE)
            total.add(element * element)
        sums[block] = total.get()
    return function.text()


@functools.cache
def _factor() -> str:
    function = Function([DOUBLE] * 4)
    (sums, limits, norm, factor), code = function.places, function.code
    total = code.variable(DOUBLE, 0)
    with code.loop(function.begin, function.end) as block:
        total.set(total.get() + sums[block])
    found: Any = np.sqrt(total.get())
    code.leave_if(~np.isfinite(found), code.index(0))
    norm[0] = found
    factor[0] = limits[0] / (found + limits[1])
    return function.text()


def _changing(change: Callable[[Any, Any], Any], only: Callable[[Any], Any] | None = None) -> Callable[[Any], str]:
    """Return what writes the function that changes each element, by a number, where that is as it has to be."""

    @functools.cache
    def text(dtype: Any) -> str:
        function = Function([dtype, DOUBLE])
        (x, given), code = function.places, function.code
        number = given[0]
        if only is not None:
            code.leave_if(~only(number), code.index(-1))
        with code.loop(function.begin, function.end) as i:
            element = x[i]
            x[i] = change(element, in_type_of(element, number))
        return function.text()

    return text


_limited = _changing(lambda x, factor: x * factor, lambda factor: factor < 1)
_multiplied = _changing(lambda x, factor: x * factor)
_within = _changing(lambda x, limit: np.minimum(np.maximum(x, -limit), limit))


@functools.cache
def _finite(dtype: Any) -> str:
    function = Function([dtype])
    code = function.code
    number: Any = function.places[0][0]
    code.leave_if(~np.isfinite(number), code.index(0))
    return function.text()
