"""Kernels on several cores: a range cut into parts, each in a thread of its own.

Kernels let go of the interpreter's lock, so plain threads are enough, and nothing starts the pool of threads that
Numba's parallel loops have beside BLAS's own.
"""

import functools
import os
import threading
from collections.abc import Callable
from itertools import pairwise
from queue import SimpleQueue
from typing import Any

LEAST = 2**21
"""How many multiplications a part must have to be worth its thread: waking one takes tens of microseconds."""


@functools.cache
def threads() -> int:
    """Return how many threads a kernel may use: `NUMBA_NUM_THREADS`, or else as many as there are cores.

    It is Numba's variable, for its kernels and for those that do without it.
    """
    try:
        return max(int(os.environ["NUMBA_NUM_THREADS"]), 1)
    except (KeyError, ValueError):
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Part:
    """One part of the work: what to call, and once `done` can be acquired, what it raised."""

    def __init__(self, run: Callable[[int, int], object], begin: int, end: int) -> None:
        self._call = (run, begin, end)
        self.done = threading.Lock()
        self.done.acquire()
        self.error: BaseException | None = None

    def __call__(self) -> None:
        run, begin, end = self._call
        try:
            run(begin, end)
        except BaseException as error:  # it is raised in the thread that waits
            self.error = error
        finally:
            self.done.release()


class _Helpers:
    """Threads beside the caller's, made when first needed, and anew in a process that was forked."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._queue: SimpleQueue[_Part] | None = None

    def give(self, part: _Part) -> None:
        with self._lock:
            if self._queue is None:
                self._queue = SimpleQueue()
                for _ in range(threads() - 1):
                    threading.Thread(target=_work, args=(self._queue,), name="chainrule-kernel", daemon=True).start()
        self._queue.put(part)


def _work(queue: Any) -> None:
    while True:
        queue.get()()


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.__init__)  # type: ignore[misc]


def split(run: Callable[[int, int], object], count: int, work: float) -> None:
    """Call `run(begin, end)` for parts of `range(count)`, at the same time where the `work` is enough.

    What a part raises is raised here, after all have ended.
    """
    parts = max(min(threads(), count, int(work / LEAST)), 1)
    edges = [count * k // parts for k in range(parts + 1)]
    others = [_Part(run, *pair) for pair in pairwise(edges[1:])]
    for part in others:
        _helpers.give(part)
    try:
        run(edges[0], edges[1])
    finally:
        for part in others:
            part.done.acquire()
    for part in others:
        if part.error is not None:
            raise part.error
