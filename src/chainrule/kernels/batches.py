"""What a training step takes from a whole epoch, and leaves for it, as tasks: rows of a batch, numbers, hits.

Each reads from memory which step it is: `step` is an int64.
"""

import functools
from typing import Any

import numpy as np

from .native.copies import SIZES
from .native.symbol import DOUBLE, LLVM, LONG
from .native.tasks import ADDITION, Function, Task, parts_of

Array = Any


def can_gather(source: Array, batch: Array) -> bool:
    """Whether there is code that copies rows of an array into a batch of the same or another float type."""
    if not (source.flags.c_contiguous and batch.flags.c_contiguous and batch.size and source.ndim == batch.ndim):
        return False
    if source.shape[1:] != batch.shape[1:]:
        return False
    if source.dtype == batch.dtype:
        return source.dtype.itemsize in SIZES and not source.dtype.hasobject
    return all(a.dtype in LLVM and a.dtype.kind == "f" for a in (source, batch))


def gathered(source: Array, order: Array, batch: Array, step: Array) -> Task:
    """Return the task that fills a batch of B rows: row r is number `order[step · B + r]` of the source's."""
    rows, length = len(batch), batch.size // len(batch)
    types = source.dtype, batch.dtype
    if types[0] == types[1]:
        types = (np.dtype(f"uint{8 * source.dtype.itemsize}"),) * 2
    task = Task(_gather(*types), [source, batch, order, step], [rows, length], 0, rows)
    task.parts = parts_of(ADDITION * 2 * batch.size, rows)
    return task


@functools.cache
def _gather(source: Any, batch: Any) -> str:
    function = Function([source, batch, LONG, LONG], 2)
    (given, made, order, step), (rows, length), code = function.places, function.numbers, function.code
    first = step[0] * rows
    with code.loop(function.begin, function.end) as r:
        start, target = order[first + r] * length, r * length
        with code.loop(0, length) as c:
            made[target + c] = given[start + c]
    return function.text()


def noted(number: Array, numbers: Array, step: Array) -> Task:
    """Return the task that writes a number, an array of one element, to place `step` of an array of float64."""
    return Task(_note(number.dtype), [number, numbers, step])


@functools.cache
def _note(dtype: Any) -> str:
    function = Function([dtype, DOUBLE, LONG])
    number, numbers, step = function.places
    numbers[step[0]] = number[0]
    return function.text()


def hits(output: Array, classes: Array, ignored: int | None, counts: Array, step: Array) -> Task:
    """Return the task that counts the rows of an output [R, K] whose largest element is that of their class.

    As `argmax` does, the first of equal ones counts, and a NaN as the largest. A class that is ignored counts nowhere.
    `counts` are int64, one for each step.
    """
    rows, width = output.reshape(-1, output.shape[-1]).shape
    text = _hits(output.dtype, classes.dtype, ignored is not None)
    return Task(text, [output, classes, counts, step], [rows, width, 0 if ignored is None else ignored])


@functools.cache
def _hits(dtype: Any, of_classes: Any, ignores: bool) -> str:
    function = Function([dtype, of_classes, LONG, LONG], 3)
    (z, y, counts, step), (rows, width, ignored), code = function.places, function.numbers, function.code
    total, best, place = code.variable(LONG, 0), code.variable(dtype, 0), code.variable(LONG, 0)
    with code.loop(0, rows) as r:
        start = r * width
        best.set(z[start])
        place.set(0)
        with code.loop(1, width) as c:
            x, top = z[start + c], best.get()
            better = (top == top) & ((x > top) | (x != x))
            best.set(code.chosen(better, x, top))
            place.set(code.chosen(better, c, place.get()))
        label = y[r].astype(LONG)
        right = label == place.get()
        if ignores:
            right = right & (label != ignored)
        total.set(total.get() + right.astype(LONG))
    counts[step[0]] = total.get()
    return function.text()
