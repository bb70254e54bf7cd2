"""Many replays in a row without Python between them, over the rows of arrays that lie in memory."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels import batches
from chainrule.kernels.native.tasks import Task, TaskList

from .plan.single import Together

Array = Any
SLICE = 0.05
"""Seconds that one call takes about: so long a Ctrl-C waits."""
FIRST = 8
"""How many steps the first call takes, which measures them."""


class Walk:
    """A plan over batches of rows of arrays, which it takes from them in a given order.

    `numbers` and `hits` let it note something at each step, `take` takes steps. The longest order has `longest` rows.
    """

    def __init__(self, replay: Any, together: Together, arrays: Sequence[Array], longest: int) -> None:
        self.replay, self.together, self.arrays = replay, together, list(arrays)
        self.count = np.zeros(2, np.int64)
        self.order = np.zeros(longest, np.int64)
        buffers = [buffer for _, buffer in replay.input_buffers]
        self.size = len(buffers[0])
        self.steps = longest // self.size
        self.before = [
            batches.gathered(array, self.order, buffer, self.count)
            for array, buffer in zip(self.arrays, buffers, strict=True)
        ]
        self.behind: list[Task] = []
        self._list: TaskList | None = None
        self._call: Any = None
        self.failure: Exception | None = None
        """Why the step behind those that were taken has failed, before it had changed anything."""
        self._seconds = SLICE / FIRST
        """Of one step."""

    def results(self) -> list[Array]:
        """Return where each result of a step is after it."""
        return [source for source, _, _ in self.replay.sources]

    def numbers(self, array: Array) -> Array:
        """Note a result of one number at each step; return where, as float64."""
        made = np.zeros(self.steps)
        self.behind.append(batches.noted(array, made, self.count))
        return made

    def hits(self, output: Array, classes: int, ignored: int | None) -> Array:
        """Count at each step where the largest element of an output is that of a class; return where.

        The classes are those of an argument, given by its number.
        """
        made = np.zeros(self.steps, np.int64)
        y = self.replay.input_buffers[classes][1]
        self.behind.append(batches.hits(output, y, ignored, made, self.count))
        return made

    def take(self, order: Array, first: int) -> int:
        """Take steps from number `first` on of an order of rows, for about `SLICE` seconds; return how many.

        Fewer are taken where one cannot be, or fails before it has changed anything: `failure` says so.
        """
        replay, effects = self.replay, self.together.asked
        self.failure = None
        if len(order) and (order.min() < 0 or order.max() >= len(self.arrays[0])):
            return 0
        if not replay.guards.hold() or not all(effect.ready() for effect in effects):
            return 0
        self.order[: len(order)] = order
        self.count[:] = first, min(first + max(1, int(SLICE / self._seconds)), len(order) // self.size)
        call, began = self._bound(), time.perf_counter()
        with self.together.locked(), replay.plan.one_pool():
            bad = call()
            if bad >= 0:
                self._go_on(bad)
        taken = int(self.count[0]) - first
        if taken:
            self._seconds = max((time.perf_counter() - began) / taken, 1e-7)
            for effect in effects:
                effect.done()
            replay.leave_grads()
        return taken

    def _go_on(self, bad: int) -> None:
        """Let the task that has failed say what to do, and finish its step if it says nothing against it."""
        assert self._list is not None
        try:
            while bad >= 0:
                self._list.tasks[bad].failed()
                bad = self._list.behind(bad)
        except Exception as error:  # the caller takes the step in another way, which says the same
            self.failure = error
        else:
            self.count[0] += 1

    def _bound(self) -> Any:
        if self._list is None:
            self._list = TaskList([*self.before, *self.together.tasks, *self.behind])
        if self._call is None or self._list.is_stale:
            self._call = self._list.repeated(self.count)
        return self._call


def walk_of(replay: Any, arrays: Sequence[Array], longest: int) -> Walk | None:
    """Return the walk of a replay over arrays, or None where a replay needs Python, or rows cannot be gathered."""
    calls, given = replay.plan.calls, replay.input_buffers
    together = getattr(calls[0], "__self__", None) if len(calls) == 1 else None
    if not isinstance(together, Together) or replay.pullback is not None or replay.entry:
        return None
    if replay.capture.numbers.are_used or not replay.is_flat:  # Python's arithmetic and draws, before each step
        return None
    if replay.layouts:  # gathered rows lie in their own way
        return None
    if not len(given) == len(replay.opening.leaves) == len(arrays) or len({len(a) for a in arrays}) != 1:
        return None
    if not all(batches.can_gather(a, b) for a, (_, b) in zip(arrays, given, strict=True)):
        return None
    acts = min(
        (begin for begin, _, effect in together.effects if effect in together.asked), default=len(together.tasks)
    )
    if any(task.rescue is not None or task.error for task in together.tasks[acts:]):
        return None  # after a failure the step would be taken again
    return Walk(replay, together, arrays, longest)
