"""A group's loop as a call: compiled, bound to the buffers, on several cores if it is large."""

from typing import Any

import numpy as np

from chainrule.compile.program.program import Value
from chainrule.kernels.native.copies import copied, is_movable
from chainrule.kernels.native.tasks import ADDITION, Task, parts_of, run_all

from . import loops
from .by_numpy import numpy_call
from .loops import Loop
from .steps import Buffer, Run

CUT = 2**14
"""From this many elements on a loop may be split for several cores."""


def loop_call(loop: Loop, buffer: Buffer) -> Run:
    """Return the call that runs a loop on its buffers."""
    arrays, before, behind = _walked(loop, buffer)
    run = run_all([_task_of_loop(loop, arrays)], work_of(loop))
    if not before and not behind:
        return run

    def run_on_copies() -> None:
        for array, made in before:
            np.copyto(made, array)
        run()
        for array, made in behind:
            np.copyto(array, made)

    return run_on_copies


def tasks_of_loop(loop: Loop, buffer: Buffer) -> list[Task] | None:
    """Return a loop on its buffers as tasks, or None if it has to be called from Python.

    What the loop cannot walk through is copied before, or behind it.
    """
    arrays, before, behind = _walked(loop, buffer)
    if not all(is_movable(array) for array, _ in (*before, *behind)):
        return None
    task = _task_of_loop(loop, arrays)
    return [*(copied(array, made) for array, made in before), task, *(copied(made, array) for array, made in behind)]


Copies = list[tuple[Any, Any]]


def _walked(loop: Loop, buffer: Buffer) -> tuple[dict[Value, Any], Copies, Copies]:
    """Return the arrays that a loop walks through, and those with a copy that it reads, or writes, in their place."""
    arrays: dict[Value, Any] = {}
    before: Copies = []
    behind: Copies = []
    for value in (*loop.loaded, *loop.stored):
        array = buffer(value)
        if not loop.can_walk(value, array):
            made = np.empty(array.shape, array.dtype)
            (behind if value in loop.stored else before).append((array, made))
            array = made
        arrays[value] = array.reshape(-1) if array.flags.c_contiguous else array
    return arrays, before, behind


def _task_of_loop(loop: Loop, arrays: dict[Value, Any]) -> Task:
    """Return a loop over arrays as a task, in parts if it is large and may be cut."""
    task = loop.task(arrays)
    if loop.can_fail():
        task.rescue = numpy_call(loop, lambda value: arrays[value].reshape(value.shape))
    cut = loop.cut()
    if cut is not None and loop.group.size >= CUT:
        task.parts = parts_of(ADDITION * work_of(loop), task.end // loops.COLUMNS if cut == "columns" else task.end)
    return task


def work_of(loop: Loop) -> int:
    """Return the work of a loop, counted in additions."""
    return loop.group.size * sum(1 if i.op is None else int(i.op.cost) for i in loop.group.members)
