"""Whole epochs: many steps in one call of machine code, where nobody asks for a single one."""

from collections.abc import Iterable
from operator import index
from typing import Any

import numpy as np

from chainrule.compile.compiled import Compiled
from chainrule.compile.walk import Walk
from chainrule.data.loader import DataLoader, Rows

from .alone import Alone
from .batches import are_classes, setting
from .callbacks import Callback, Run
from .evaluation import Norms, Score

INTEGERS = tuple(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64))


def is_possible(run: Run, callbacks: list[Callback], parallel: Alone) -> bool:
    """Whether the data lie in memory, in this process alone, and no callback asks for every step."""
    return type(parallel) is Alone and isinstance(run.loader, DataLoader) and not any(map(_asks_for_all, callbacks))


def _asks_for_all(callback: Any) -> bool:
    """Whether a callback does not say which steps it needs, or said so before `on_batch_end` was overridden."""
    says, acts = (_distance(callback, name) for name in ("next_step", "on_batch_end"))
    return says is None or (acts is not None and acts < says)


def _distance(callback: Any, name: str) -> int | None:
    """Return how far up its classes a method of a callback is defined: 0 for the object itself; None for nowhere."""
    places = [getattr(callback, "__dict__", {}), *map(vars, type(callback).__mro__)]
    return next((i for i, place in enumerate(places) if name in place), None)


def free_steps(run: Run, callbacks: Iterable[Callback]) -> int | None:
    """Return how many steps come before the next one that a callback needs; None if none is needed so far.

    Raises TypeError for a `next_step` that is neither an integer nor None.
    """
    wanted = [step for callback in callbacks if (step := _next_step(callback, run)) is not None]
    return max(0, min(wanted) - run.step - 1) if wanted else None


def _next_step(callback: Callback, run: Run) -> int | None:
    step: Any = callback.next_step(run)
    if step is None:
        return None
    try:
        return index(step)
    except TypeError:
        raise TypeError(
            f"fit: {type(callback).__name__}.next_step returned {step!r}; expected the number of a step, such as "
            f"run.step + 10, or None"
        ) from None


class Noted:
    """A walk with what it notes at each step: losses, norms of gradients, and hits if the targets are classes."""

    def __init__(self, walk: Walk, value: Any, norm: Any, output: Any, ignored: int | None) -> None:
        self.walk, self.ignored = walk, ignored
        self.losses, self.norms = walk.numbers(value), walk.numbers(norm)
        y = walk.replay.input_buffers[1][1]
        self.labels = y.size if are_classes(y, output) else 0
        self.hits = walk.hits(output, 1, ignored) if self.labels else None


def noted(walk: Walk, loss: Any) -> Noted | None:
    """Return a walk of a training step with what is noted, or None if something of it cannot be."""
    results, ignored = walk.results(), setting(loss, "ignore_index")
    if len(results) != 3 or not all(isinstance(a, np.ndarray) for a in results):
        return None
    value, output, norm = results
    y = walk.replay.input_buffers[1][1]
    floats = (np.float32, np.float64)
    if any(a.dtype not in floats or not a.flags.c_contiguous for a in results) or value.size != 1 or norm.size != 1:
        return None
    if are_classes(y, output) and (y.dtype not in INTEGERS or not isinstance(ignored, int | None)):
        return None
    return Noted(walk, value, norm, output, ignored)


class Slices:
    """Takes the steps of epochs in slices."""

    def __init__(self, run: Run, compiled: Compiled) -> None:
        self.run, self.compiled = run, compiled
        self.has_failed = False
        """Whether the step behind those taken last has failed as a compiled one."""
        self._known: tuple[Walk, Noted | None] | None = None

    def take(self, rows: Rows, score: Score, norms: Norms, most: int | None) -> int:
        """Take some steps, at `most` so many, and count them; return how many were taken, which may be none."""
        self.has_failed = False
        if most == 0 or (rows.batch + 1) * rows.size > len(rows.order):  # a smaller last batch
            return 0
        walk = self.compiled.walk(rows.arrays, rows.size, rows.longest)
        found = None if walk is None else self._noted(walk)
        if found is None:
            return 0
        order = rows.order if most is None else rows.order[: (rows.batch + most) * rows.size]
        taken = found.walk.take(order, rows.batch)
        self.has_failed = found.walk.failure is not None
        if taken:
            self._count(found, rows, taken, score, norms)
        return taken

    def _noted(self, walk: Walk) -> Noted | None:
        if self._known is None or self._known[0] is not walk:
            self._known = (walk, noted(walk, self.run.loss))
        return self._known[1]

    def _count(self, found: Noted, rows: Rows, taken: int, score: Score, norms: Norms) -> None:
        run, those = self.run, slice(rows.batch, rows.batch + taken)
        losses = found.losses[those].tolist()
        of_steps = found.norms[those].tolist()
        norms.extend(of_steps)
        right = 0 if found.hits is None else int(found.hits[those].sum())
        labels = found.labels * taken
        if labels and found.ignored is not None:
            y = rows.arrays[1][rows.order[those.start * rows.size : those.stop * rows.size]]
            labels = int(np.sum(y != found.ignored))
        score.add_steps(losses, rows.size, labels, right)
        rows.passed(taken)
        run.batch += taken
        run.step += taken
        run.batch_loss, run.grad_norm = losses[-1], of_steps[-1]
