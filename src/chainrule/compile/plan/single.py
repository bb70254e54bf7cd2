"""Runs of steps as one call each.

In a small network a call from Python costs more than its work. Loops, matrix products, norms and cross-entropy become a
list of tasks that machine code runs; it splits large ones into parts for all cores.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from chainrule.compile.program.passes import CheckRange
from chainrule.compile.program.program import Value
from chainrule.kernels.native.copies import copied, is_movable
from chainrule.kernels.native.tasks import Task, TaskList
from chainrule.kernels.suitable import HAS_COMPILER

from .emit import tasks_of_loop, work_of
from .natives import tasks_of
from .steps import Run

Buffer = Callable[[Value], Any]
Part = tuple[Any, list[Task]]
"""A step with its tasks."""

NO_LOCK = contextlib.nullcontext()
ELEMENT = 8
"""About how many operations an optimiser's step or clipping takes for an element."""


def runs_of(steps: Iterable[Any], buffer: Buffer) -> Iterable[list[Part]]:
    """Yield the steps in order, each with its tasks: those that become one call together, and each other by itself."""
    together: list[Part] = []
    for step in steps:
        made = tasks_of_step(step, buffer)
        if made is not None:
            together.append((step, made))
            continue
        if together:
            yield together
            together = []
        yield [(step, [])]
    if together:
        yield together


def tasks_of_step(step: Any, buffer: Buffer) -> list[Task] | None:
    """Return a step as tasks, or None if it has to be called from Python."""
    if step.loop is not None:
        return tasks_of_loop(step.loop, buffer)
    if step.node.kind in ("effect", "change") or isinstance(step.node.function, CheckRange):
        return _own_tasks(step, buffer)
    if step.node.kind == "draw":
        return _drawn(step.node, buffer)
    if step.joins:
        is_possible = HAS_COMPILER and all(is_movable(*pair) for pair in step.copies)
        return [copied(*pair) for pair in step.copies] if is_possible else None
    return tasks_of(step.node, buffer)


def _own_tasks(step: Any, buffer: Buffer) -> list[Task] | None:
    """Return the tasks that an effect or a change offers, with the copies of what it changes in place."""
    i = step.node
    if not HAS_COMPILER or not hasattr(i.function, "tasks") or not all(isinstance(x, Value) for x in i.args):
        return None
    if not all(is_movable(*pair) for pair in step.copies):
        return None
    changes = i.kind == "change"
    arrays = [buffer(v) for v in (i.outputs[: len(i.args)] if changes else i.args)]
    result = buffer(i.outputs[-1]) if changes and i.structure is not None else None
    made: list[Task] | None = i.function.tasks(arrays, result) if changes else i.function.tasks(arrays)
    return None if made is None else [*(copied(*pair) for pair in step.copies), *made]


def _drawn(i: Any, buffer: Buffer) -> list[Task] | None:
    """Return the task that draws what an instruction draws, if its record says how."""
    drawing = getattr(i.op, "drawing", None) if HAS_COMPILER and len(i.outputs) == 1 else None
    made = None if drawing is None else drawing(buffer(i.outputs[0]), **i.settings)
    return None if made is None else [made.task]


class Together:
    """Steps in a row as one call.

    Where effects are among them, these say before whether their tasks may run, and note afterwards that they have. If
    one says no, its Python code runs in its place, between the tasks of the others.
    """

    def __init__(self, plan: Any, parts: Sequence[Part]) -> None:
        self.plan, self.parts = plan, parts
        self.tasks: list[Task] = []
        self.effects: list[tuple[int, int, Any]] = []
        """Where the tasks of each effect begin and end, and the effect."""
        for step, tasks in parts:
            begin = len(self.tasks)
            self.tasks += tasks
            if step.is_effect:
                self.effects.append((begin, len(self.tasks), step.node.function))
        self.drawings = [task.asks for task in self.tasks if task.asks is not None]
        self.asked = [*(f for _, _, f in self.effects if hasattr(f, "ready")), *self.drawings]
        self.list = TaskList(self.tasks, sum(_work(step) for step, _ in parts))
        self._apart: list[Run] | None = None

    def run(self) -> None:
        """Run all of them."""
        for effect in self.asked:
            if not effect.ready():
                return self._run_apart()
        with self.locked() if self.drawings else NO_LOCK:
            bad = self.list.call()
            if bad >= 0:
                self._go_on(bad)
        return self._done()

    def _done(self) -> None:
        if self.effects:
            self.plan.has_acted = True
        for effect in self.asked:
            effect.done()

    def failed(self, bad: int) -> None:
        """Go on after a run by somebody else in which the task at a place has failed."""
        self.plan.has_acted = False
        with self.locked() if self.drawings else NO_LOCK:
            self._go_on(bad)
        self._done()

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """Let nobody else draw from the generators that the tasks draw from."""
        with contextlib.ExitStack() as stack:
            for lock in {id(drawing.bits): drawing.lock for drawing in self.drawings}.values():
                stack.enter_context(lock)
            yield

    def _go_on(self, bad: int) -> None:
        """Do what the task that has failed says, and run the rest."""
        while bad >= 0:
            self.plan.has_acted |= any(begin < bad for begin, _, _ in self.effects)
            try:
                self.tasks[bad].failed()
            except BaseException:
                for _, end, effect in self.effects:
                    if end <= bad and hasattr(effect, "done"):
                        effect.done()
                raise
            bad = self.list.behind(bad)

    def _run_apart(self) -> None:
        if self._apart is None:
            self._apart = self._calls_apart()
        for call in self._apart:
            call()

    def _calls_apart(self) -> list[Run]:
        """Return the calls, with effects that have to be asked called from Python."""
        calls: list[Run] = []
        others: list[Part] = []
        for step, tasks in self.parts:
            is_asked = step.is_effect and hasattr(step.node.function, "ready")
            if is_asked or any(task.asks is not None for task in tasks):
                calls += [Together(self.plan, others).run] if others else []
                calls.append(acting(self.plan, step.run) if step.is_effect else step.run)
                others = []
            else:
                others.append((step, tasks))
        return calls + ([Together(self.plan, others).run] if others else [])


def acting(plan: Any, run: Run) -> Run:
    """Return the call of an effect, which notes that the replay has acted."""

    def act() -> None:
        plan.has_acted = True
        run()

    return act


def _work(step: Any) -> int:
    """Return about how many operations a step is."""
    if step.loop is not None:
        return work_of(step.loop)
    if step.node.kind in ("effect", "change"):
        return ELEMENT * int(sum(v.size for v in step.inputs))
    return int(step.flops) or 16 * sum(value.size for value in step.outputs)
