"""Running sums and products along the last axis, of views in any order, as tasks.

Where the elements of another axis lie next to each other, each step along the last axis is a step of all of them.
"""

import functools
from typing import Any

import numpy as np

from .native import ufuncs as ufuncs  # arithmetic on symbols
from .native.copies import axes_of
from .native.tasks import ADDITION, Function, Task, parts_of

Array = Any
STEP = 4
"""How many additions a step of a chain takes as long as: each waits for the one before."""


def fits(x: Array, out: Array) -> bool:
    """Whether there is code for such an array and result."""
    are_floats = x.dtype == out.dtype and x.dtype in (np.float32, np.float64)
    return bool(are_floats and x.ndim and x.size and not any(s % x.itemsize for s in (*x.strides, *out.strides)))


def running(name: str, x: Array, out: Array) -> Task:
    """Return the task `out ← np.add.accumulate(x, -1)`, or that of another function of two numbers."""
    steps = [view.strides[-1] // view.itemsize for view in (x, out)]
    axes = axes_of(out[..., 0], x[..., 0])
    lengths, apart = [n for n, *_ in axes], [each for _, *each in axes]
    is_across = len(axes) > 1 and apart[-1] == [1, 1] and lengths[-1] > 1
    text = _text(name, x.dtype, len(axes), is_across)
    numbers = [x.shape[-1], *steps, *lengths[1:], *(step for each in apart for step in each)]
    return Task(text, [out, x], numbers, 0, lengths[0], parts=parts_of(ADDITION * STEP * x.size, lengths[0]))


@functools.cache
def _text(name: str, dtype: Any, axes: int, is_across: bool) -> str:
    function = Function([dtype, dtype], 3 + axes - 1 + 2 * axes)
    (out, x), code, (count, of_x, of_out, *rest) = function.places, function.code, function.numbers
    inner, pairs = rest[: axes - 1], rest[axes - 1 :]
    apply = getattr(np, name)

    def walk(axis: int, to: Any, at: Any) -> None:
        if axis == axes - is_across:
            (across if is_across else along)(to, at)
            return
        bounds = (function.begin, function.end) if axis == 0 else (0, inner[axis - 1])
        with code.loop(*bounds) as i:
            walk(axis + 1, to + i * pairs[2 * axis], at + i * pairs[2 * axis + 1])

    def along(to: Any, at: Any) -> None:
        total = code.variable(dtype, x[at])
        out[to] = total.get()
        with code.loop(1, count) as k:
            total.set(apply(total.get(), x[at + k * of_x]))
            out[to + k * of_out] = total.get()

    def across(to: Any, at: Any) -> None:
        with code.loop(0, inner[-1]) as j:
            out[to + j] = x[at + j]
        with code.loop(1, count) as k, code.loop(0, inner[-1]) as j:
            out[to + k * of_out + j] = apply(out[to + (k - 1) * of_out + j], x[at + k * of_x + j])

    walk(0, code.index(0), code.index(0))
    return function.text()
