"""Pooling in one pass over an image: the maximum or sum of each window, and their adjoints.

`windows` writes the loops. The functions take and return the same plain arrays as their references of the same names in
`chainrule.rules.network.pooling`: float32 or float64, windows over one to three axes. The tasks write into arrays that
are there, all in C order.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.convolution.flat import Geometry, Ints
from chainrule.kernels.native.tasks import Task, address, parts_of, released
from chainrule.kernels.pool import split

from .windows import Sizes, gathering, scattering

Array = np.ndarray[Any, np.dtype[Any]]
WORK = 4
"""How many operations of a product one element of a window takes as long as."""


def _sizes(size: Ints, out: Ints, geometry: Geometry) -> Sizes:
    return Sizes((1,) * (3 - len(size)) + tuple(size), (1,) * (3 - len(out)) + tuple(out), geometry)


def _task(text: str, arrays: list[Array], planes: int, work: float) -> Task:
    return Task(text, arrays, begin=0, end=planes, parts=parts_of(WORK * work, planes))


def _run(task: Task) -> None:
    """Run a task here and now, with the pool's threads."""
    call, table = released(task.at), address(task.table)
    split(lambda begin, end: call(table, begin, end), task.end, float(WORK * sum(a.size for a in task.arrays)))


def gathered(x: Array, geometry: Geometry, axes: int, y: Array, winner: Array | None = None) -> Task:
    """Return the task `y, winner ← max x`, or `y ← sum x` without a winner, over windows of the last axes."""
    text = gathering(x.dtype, _sizes(x.shape[-axes:], y.shape[-axes:], geometry), winner is not None)
    arrays = [x, y] if winner is None else [x, y, winner]
    return _task(text, arrays, math.prod(x.shape[:-axes]), y.size * math.prod(geometry.kernel))


def scattered(z: Array, geometry: Geometry, axes: int, x_bar: Array, winner: Array | None = None) -> Task:
    """Return the task that adds each element of z to the winner of its window, or to the whole window, in zeros."""
    text = scattering(z.dtype, _sizes(x_bar.shape[-axes:], z.shape[-axes:], geometry), winner is not None)
    arrays = [z, x_bar] if winner is None else [z, winner, x_bar]
    each = 1 if winner is not None else math.prod(geometry.kernel)
    return _task(text, arrays, math.prod(z.shape[:-axes]), x_bar.size + z.size * each)


def largest(x: Array, geometry: Geometry, axes: int) -> tuple[Array, Array]:
    """Return the maximum of each window over the last axes, and its place in the kernel, as the reference does.

    A place is one byte, so a kernel has at most 255 elements.
    """
    shape = _pooled(x, geometry, axes)
    y, winner = outputs.empty(shape, x.dtype), outputs.empty(shape, np.uint8)
    _run(gathered(np.ascontiguousarray(x), geometry, axes, y, winner))
    return y, winner


def unpool(z: Array, winner: Array, geometry: Geometry, x_shape: Ints, axes: int) -> Array:
    """Return zeros `x_shape` with each element of z added to the winner of its window."""
    x_bar: Array = outputs.empty(x_shape, z.dtype)
    _run(scattered(np.ascontiguousarray(z), geometry, axes, x_bar, np.ascontiguousarray(winner)))
    return x_bar


def total(x: Array, geometry: Geometry, axes: int) -> Array:
    """Return the sum of each window over the last axes, as the reference does."""
    y: Array = outputs.empty(_pooled(x, geometry, axes), x.dtype)
    _run(gathered(np.ascontiguousarray(x), geometry, axes, y))
    return y


def spread(z: Array, geometry: Geometry, size: Ints) -> Array:
    """Return zeros `[…, size]` with each element of z added to its whole window, as the reference does."""
    y: Array = outputs.empty((*z.shape[: z.ndim - len(size)], *size), z.dtype)
    _run(scattered(np.ascontiguousarray(z), geometry, len(size), y))
    return y


def _pooled(x: Array, geometry: Geometry, axes: int) -> Ints:
    full = geometry.count((1,) * (3 - axes) + x.shape[x.ndim - axes :])
    return (*x.shape[: x.ndim - axes], *full[3 - axes :])
