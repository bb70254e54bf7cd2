"""Loops run by NumPy, one operation after the other, without compiling machine code for a plan.

For tests that run thousands of small programs: captures, the order of steps, memory and side effects are the same,
while compiling one loop takes a second.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.compile.program.program import Value
from chainrule.core.traces.capturing import replaced
from chainrule.kernels.suitable import HAS_COMPILER

from .loops import Loop
from .steps import Buffer, Run

_blocks = 0


@contextmanager
def loops_by_numpy() -> Iterator[None]:
    """Make plans built in the block run their loops in NumPy."""
    global _blocks
    _blocks += 1
    try:
        yield
    finally:
        _blocks -= 1


def is_wanted() -> bool:
    """Whether a block of `loops_by_numpy` is open, or there is no compiler."""
    return _blocks > 0 or not HAS_COMPILER


def numpy_call(loop: Loop, buffer: Buffer) -> Run:
    """Return the call that runs a loop on its buffers: everything is read before anything is written."""
    given = {value: buffer(value) for value in loop.loaded}
    places = [(value, buffer(value)) for value in loop.stored]

    def run() -> None:
        values: dict[Value, Any] = dict(given)
        with np.errstate(all="ignore"):
            for i in loop.group.members:
                args, settings = replaced((i.args, i.settings), lambda x: values[x] if isinstance(x, Value) else x)
                values[i.outputs[0]] = np.array(i.function(*args, **settings))
        for value, place in places:
            place[...] = values[value]

    return run
