"""A group's loop as a call: compiled, bound to the buffers, on several cores where it is large."""

from functools import partial
from typing import Any

import numpy as np

from chainrule.compile.program.program import Value
from chainrule.kernels.native.tasks import over_ranges, run_all

from .loops import CUT, Loop
from .steps import Buffer, Run

SEVERAL = 2**21
"""How much work is worth a second core."""


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
    run = _bound(loop, arrays)
    if not copies:
        return run

    def run_on_copies() -> None:
        for copy in copies:
            copy()
        run()

    return run_on_copies


def _bound(loop: Loop, arrays: dict[Value, Any]) -> Run:
    """Return the loop's function bound to its arrays."""
    task = loop.task(arrays)
    work = work_of(loop)
    if loop.cut() is None or work < SEVERAL or loop.group.size < CUT:
        return run_all([task], work)
    from chainrule.kernels.threads import split

    return partial(split, over_ranges(task), task.end, work)


def work_of(loop: Loop) -> int:
    """Return how much a loop has to do, as sums."""
    return loop.group.size * sum(int(i.op.cost) for i in loop.group.members)
