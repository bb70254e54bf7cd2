"""Runs of steps as one call each.

In a small network a call from Python costs more than its work. Loops, matrix products, norms and cross-entropy become a
list of tasks that machine code runs; it splits large ones into parts for all cores.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from chainrule.compile.program.program import Value
from chainrule.kernels.native.tasks import Task, run_all

from .emit import tasks_of_loop, work_of
from .natives import tasks_of
from .steps import Run

Buffer = Callable[[Value], Any]


def runs_of(steps: Iterable[Any], buffer: Buffer) -> Iterable[tuple[Sequence[Any], list[Task]]]:
    """Yield the steps in order: those that become one call together, with their tasks, and each other by itself."""
    together: list[Any] = []
    tasks: list[Task] = []
    for step in steps:
        made = tasks_of_step(step, buffer)
        if made is not None:
            together.append(step)
            tasks += made
            continue
        if together:
            yield together, tasks
            together, tasks = [], []
        yield [step], []
    if together:
        yield together, tasks


def tasks_of_step(step: Any, buffer: Buffer) -> list[Task] | None:
    """Return a step as tasks, or None if it has to be called from Python."""
    return tasks_of_loop(step.loop, buffer) if step.loop is not None else tasks_of(step.node, buffer)


def one_call(steps: Sequence[Any], tasks: list[Task]) -> Run:
    """Return the call of some steps' tasks."""
    return run_all(tasks, sum(map(_work, steps)))


def _work(step: Any) -> int:
    """Return about how many operations a step is."""
    if step.loop is not None:
        return work_of(step.loop)
    return int(step.flops) or 16 * sum(value.size for value in step.outputs)
