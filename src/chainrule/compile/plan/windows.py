"""Pooling as tasks on the buffers of a plan."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction, Value
from chainrule.kernels.native.tasks import Task
from chainrule.rules.arrays.windows import Windows, geometry
from chainrule.rules.network.pooling import MaxPool, SumPool, SumUnpool, UnpoolAt

Buffer = Callable[[Value], Any]
BYTE = np.dtype(np.uint8)


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


TASKS: Mapping[Any, Callable[[Instruction, Buffer], Task | None]] = {
    MaxPool: _largest,
    SumPool: _total,
    SumUnpool: _spread,
    UnpoolAt: _spread,
    (MaxPool, "adjoint_x"): _of_largest,
}
"""By what the instruction does, as in `natives`."""
