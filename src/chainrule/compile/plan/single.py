"""A run of small steps as one call.

In a small network a call from Python costs more than the work that it does. Where a run of steps consists of loops,
matrix products and cross-entropy alone, and is small, it becomes a list of tasks that machine code goes through.
"""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.compile.program.program import Value
from chainrule.kernels.native.tasks import Task, run_all

from .emit import work_of
from .natives import has_task, task_of
from .steps import Run

MOST = 2**22
"""Floating-point operations: above, the calls from Python do not matter, and some steps are worth several cores."""

Buffer = Callable[[Value], Any]


def can_be_single(step: Any) -> bool:
    """Whether a step may become a part of a run: it is small, and a loop or an instruction that has a task."""
    return step.flops <= MOST and (step.loop is not None or has_task(step.node))


def single(steps: Sequence[Any], buffer: Buffer) -> Run | None:
    """Return one call for all of these steps, or None where one of them cannot be in it."""
    tasks: list[Task] = []
    for step in steps:
        task = _loop(step.loop, buffer) if step.loop is not None else task_of(step.node, buffer)
        if task is None:
            return None
        tasks.append(task)
    return run_all(tasks, sum(map(_work, steps)))


def _work(step: Any) -> int:
    """Return about how many operations a step is."""
    if step.loop is not None:
        return work_of(step.loop)
    return int(step.flops) or 16 * sum(value.size for value in step.outputs)


def _loop(loop: Any, buffer: Buffer) -> Task | None:
    arrays = {value: buffer(value) for value in (*loop.loaded, *loop.stored)}
    if not all(a.flags.c_contiguous for a in arrays.values()):
        return None
    task: Task = loop.task({value: a.reshape(-1) for value, a in arrays.items()})
    return task
