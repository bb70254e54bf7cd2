"""A group's loop as a call: compiled, bound to the buffers, on several cores if it is large."""

from functools import partial
from typing import Any

import numpy as np

from chainrule.compile.program.program import Value
from chainrule.kernels.native.tasks import ADDITION, Task, parts_of, run_all

from .loops import CUT, Loop
from .steps import Buffer, Run

COLUMNS = 64
"""The fewest columns in a part of a loop that is cut along columns: a few vectors."""


def loop_call(loop: Loop, buffer: Buffer) -> Run:
    """Return the call that runs a loop on its buffers."""
    arrays: dict[Value, Any] = {}
    copies: list[Run] = []
    for value in (*loop.loaded, *loop.stored):
        array = buffer(value)
        if not array.flags.c_contiguous:
            made = np.empty(array.shape, array.dtype)
            copies.append(partial(np.copyto, made, array))
            array = made
        arrays[value] = array.reshape(-1)
    run = run_all([task_of_loop(loop, arrays)], work_of(loop))
    if not copies:
        return run

    def run_on_copies() -> None:
        for copy in copies:
            copy()
        run()

    return run_on_copies


def task_of_loop(loop: Loop, arrays: dict[Value, Any]) -> Task:
    """Return a loop over flat arrays as a task, in parts if it is large and may be cut."""
    task = loop.task(arrays)
    cut = loop.cut()
    if cut is not None and loop.group.size >= CUT:
        task.parts = parts_of(ADDITION * work_of(loop), task.end // COLUMNS if cut == "columns" else task.end)
    return task


def work_of(loop: Loop) -> int:
    """Return the work of a loop, counted in additions."""
    return loop.group.size * sum(int(i.op.cost) for i in loop.group.members)
