"""Pooling and convolution as tasks on the buffers of a plan."""

import functools
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value
from chainrule.kernels.native.tasks import Task
from chainrule.kernels.native.vectors import has_memory
from chainrule.rules.arrays.windows import Windows, geometry
from chainrule.rules.network import convolution
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose
from chainrule.rules.network.pooling import MaxPool, SumPool, SumUnpool, UnpoolAt

Buffer = Callable[[Value], Any]
BYTE = np.dtype(np.uint8)
CONVOLVED_FROM = 2**14
"""From this many multiplications on a convolution is a task: fewer take less time than to compile it is worth."""


USEFUL = 0.3
"""The fraction of a task's work that must be useful: a call from Python instead would cut the list of tasks in two."""


def _pools(windows: Windows, x: Any, y: Any, winner: Any = None) -> bool:
    """Whether there is code for these windows over x, of which y are the results."""
    arrays = (x, y) if winner is None else (x, y, winner)
    is_plain = x.dtype in (np.float32, np.float64) and y.dtype == x.dtype and all(_is_whole(a) for a in arrays)
    axes = windows.axes
    return (
        is_plain
        and axes <= 3
        and y.shape == (*x.shape[: x.ndim - axes], *windows.count(x.shape[x.ndim - axes :]))
        and (winner is None or (winner.dtype == BYTE and winner.shape == y.shape))
    )


def _is_whole(array: Any) -> bool:
    return bool(array.size and array.flags.c_contiguous)


def _largest(i: Instruction, buffer: Buffer) -> Task | None:
    windows: Windows = i.settings["windows"]
    x, y = buffer(i.args[0]), buffer(i.outputs[0])
    winner = buffer(i.outputs[1]) if len(i.outputs) > 1 else np.empty(y.shape, BYTE)
    if windows.places > np.iinfo(BYTE).max or not _pools(windows, x, y, winner):
        return None
    from chainrule.kernels.pooling import passes

    return passes.gathered(x, geometry(windows), windows.axes, y, winner)


def _total(i: Instruction, buffer: Buffer) -> Task | None:
    windows: Windows = i.settings["windows"]
    x, y = buffer(i.args[0]), buffer(i.outputs[0])
    if not _pools(windows, x, y):
        return None
    from chainrule.kernels.pooling import passes

    return passes.gathered(x, geometry(windows), windows.axes, y)


def _spread(i: Instruction, buffer: Buffer) -> Task | None:
    return _scattered(i.settings["windows"], *(buffer(v) for v in (i.args[0], i.outputs[0], *i.args[1:])))


def _of_largest(i: Instruction, buffer: Buffer) -> Task | None:
    """Return the adjoint of `MaxPool`, which has its winners from the forward pass."""
    y_bar, (winner, _), settings = i.args
    return _scattered(settings["windows"], *(buffer(v) for v in (y_bar, i.outputs[0], winner)))


def _scattered(windows: Windows, z: Any, x_bar: Any, *winner: Any) -> Task | None:
    if not _pools(windows, x_bar, z, *winner):
        return None
    from chainrule.kernels.pooling import passes

    return passes.scattered(z, geometry(windows), windows.axes, x_bar, *winner)


def _way(i: Instruction, x: Any, w: Any, z: Any, y: Any) -> Any:
    """Return the module with tasks for images, kernels and what lies on the positions, if they are faster than NumPy.

    y is the one of them that is written to.
    """
    windows, groups = i.settings["windows"], i.settings["groups"]
    if not all(a.size and a.dtype == x.dtype for a in (x, w, z)) or not (w.flags.c_contiguous and y.flags.c_contiguous):
        return None
    from chainrule.kernels.convolution import passes, points, whole

    where = geometry(windows)
    if x.dtype in (np.float32, np.float64) and whole.is_whole(where, x.shape[2:], groups):
        return whole
    if not convolution.pays(CONVOLVED_FROM, x.dtype, len(x), x.shape[2:], w.shape, windows, groups, USEFUL):
        return None
    if not (passes.are_planes(x) and passes.are_planes(z) and has_memory()):
        return None
    way = passes.without_tiles(where, w.shape, groups, x.shape[2:], len(x))
    if way is points:
        pays = points.pays(where, w.shape, math.prod(z.shape[2:]), groups, adds_up=y is w)
        return points if pays else passes
    return way or passes


def _correlated(i: Instruction, buffer: Buffer) -> list[Task] | None:
    x, w, y = (*map(buffer, i.args), buffer(i.outputs[0]))
    if (way := _way(i, x, w, y, y)) is None:
        return None
    tasks: list[Task] = way.correlated(x, w, geometry(i.settings["windows"]), i.settings["groups"], y)
    return [*tasks, _looked(i, y, (x, w), y)] if way.SPREADS else tasks


def _spread_out(i: Instruction, buffer: Buffer) -> list[Task] | None:
    z, w, y = (*map(buffer, i.args), buffer(i.outputs[0]))
    if (way := _way(i, y, w, z, y)) is None:
        return None
    tasks = way.spread_out(z, w, geometry(i.settings["windows"]), i.settings["groups"], y)
    return [*tasks, _looked(i, y if way.SPREADS else w, (z, w), y)]


def _weighed(i: Instruction, buffer: Buffer) -> list[Task] | None:
    x, z, y = (*map(buffer, i.args), buffer(i.outputs[0]))
    if (way := _way(i, x, y, z, y)) is None:
        return None
    tasks = way.weighed(x, z, geometry(i.settings["windows"]), i.settings["groups"], y)
    return [*tasks, _looked(i, y, (x, z), y)]


def _looked(i: Instruction, array: Any, given: tuple[Any, Any], y: Any) -> Task:
    """Return the task that does the work again, without products with zeros, where an array is not finite."""
    from chainrule.kernels.convolution.passes import finite

    task = finite(array)
    task.rescue = functools.partial(_again, i.function, given, i.settings, y)
    return task


def _again(function: Callable[..., Any], given: tuple[Any, Any], settings: Mapping[str, Any], y: Any) -> None:
    y[...] = function(*given, **settings)


TASKS: Mapping[Any, Callable[[Instruction, Buffer], Task | list[Task] | None]] = {
    MaxPool: _largest,
    SumPool: _total,
    SumUnpool: _spread,
    UnpoolAt: _spread,
    (MaxPool, "adjoint_x"): _of_largest,
    Convolution: _correlated,
    ConvolutionTranspose: _spread_out,
    ConvolutionKernel: _weighed,
}
"""By what the instruction does, as in `natives`."""
