"""The one pool of threads: tasks of machine code go to it without the interpreter, functions of Python through it.

There are as many threads as cores, the caller's among them, made when they are first needed. `crew` is what lists of
machine code are given (`chainrule.kernels.native.tasks`); `split` and `run_all` are for kernels that Python calls,
which let go of the interpreter's lock. While something runs in parts, BLAS has to keep to one thread (`one_thread` of
`chainrule.kernels.openblas`): its own threads would want the same cores, and look for work on them long after.

No result depends on how many threads there are: what is cut is cut in the same places for any number of them.
"""

import atexit
import ctypes
import functools
import os
import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from itertools import pairwise
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

from chainrule.base.processors import processors
from chainrule.base.threads import OwnThread

Task = TypeVar("Task")

LEAST = 2**21
"""How many multiplications a part must have to be worth a thread: waking one takes tens of microseconds."""


@functools.cache
def threads() -> int:
    """Return how many threads a kernel may use: `NUMBA_NUM_THREADS`, or else as many as there are cores.

    It is Numba's variable, for its kernels and for those that do without it.
    """
    try:
        return max(int(os.environ["NUMBA_NUM_THREADS"]), 1)
    except (KeyError, ValueError):
        return processors()


class Crew:
    """The threads besides the caller's, which serve machine code and functions of Python alike."""

    def __init__(self) -> None:
        self.address = ctypes.c_void_p(None)
        """What a list of machine code is given: the memory of the crew, or nothing before there is one."""
        self._lock = threading.Lock()
        self._threads: list[OwnThread] = []
        self._queue: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._memory: Any = None
        self._call: Any = None
        self._wait: Any = None
        self._ends = False

    def gather(self) -> None:
        """Start the threads, where that has not been done and there is more than one core."""
        if self._threads or threads() == 1:
            return
        with self._lock:
            if not self._threads:
                self._start()

    def give(self, job: Callable[[], None]) -> None:
        """Let one of the threads call a function."""
        self._queue.put(job)
        self._call(self.address)

    def wait(self, done: Any, count: int) -> None:
        """Look, without the interpreter's lock, at a number that goes up to `count`: for a while, before sleeping."""
        if self._wait is not None:
            self._wait(done, count)

    def _start(self) -> None:
        from .native import crew
        from .native.machine import GLUE, address_of

        self._memory = crew.shared(threads())
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(self._memory))  # a thread may look at it until the process ends
        kinds = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p), ctypes.c_int64, ctypes.c_void_p
        self._call = kinds[0](address_of(crew.call(), GLUE))
        self._wait = ctypes.CFUNCTYPE(kinds[1], kinds[2], kinds[1])(address_of(crew.wait(), GLUE))
        serve = ctypes.CFUNCTYPE(kinds[1], kinds[2], kinds[2])(address_of(crew.serve(), GLUE))
        shared = ctypes.c_void_p(ctypes.addressof(self._memory))
        for k in range(threads() - 1):
            name = f"chainrule-{k + 1}"
            self._threads.append(OwnThread(target=self._serve, args=(serve, shared, k + 1), name=name, daemon=True))
            self._threads[-1].start()
        self.address.value = shared.value

    def _serve(self, serve: Any, shared: Any, number: int) -> None:
        mine = (ctypes.c_int64 * 3)(0, 0, number)
        while not self._ends:
            serve(shared, ctypes.addressof(mine))
            with suppress(Empty):
                while True:
                    self._queue.get_nowait()()

    def dismiss(self) -> None:
        """End the threads: the code that they run is taken away when the interpreter ends."""
        if self._threads:
            self._ends = True
            self.address.value = None
            self._call(ctypes.c_void_p(ctypes.addressof(self._memory)))
            for thread in self._threads:
                thread.join(1.0)

    def forget(self) -> None:
        """Start over in a forked process: it has the memory but none of the threads."""
        self.address.value = None  # lists that are there already have this very object
        self.__dict__.update({**Crew().__dict__, "address": self.address})


crew = Crew()
atexit.register(crew.dismiss)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=crew.forget)


class _Job:
    """A function that a thread is given: once `done` can be acquired, `error` is what it raised.

    `ended` counts those that are done, for who looks at it without the interpreter's lock.
    """

    def __init__(self, call: Callable[[], object], ended: Any) -> None:
        self._call, self._ended = call, ended
        self._begun, self.done = threading.Lock(), threading.Lock()
        self.done.acquire()
        self.error: BaseException | None = None

    def __call__(self) -> None:
        if not self._begun.acquire(blocking=False):
            return  # somebody else has it
        try:
            self._call()
        except BaseException as error:  # it is raised in the thread that waits
            self.error = error
        finally:
            self._ended[0] += 1
            self.done.release()


def _together(calls: list[Callable[[], object]]) -> None:
    """Call all of these at the same time, the first in this thread, and return when all have ended.

    Whatever no thread has started by then runs in this one: the others may be busy for another caller. Raises what
    the first of them to fail raised.
    """
    ended = (ctypes.c_int64 * 1)()
    others = [_Job(call, ended) for call in calls[1:]]
    if others:
        crew.gather()
    for job in others:
        crew.give(job)
    try:
        calls[0]()
    finally:
        for job in others:
            job()
        if others:  # who sleeps until the last part is done wakes up long after that
            crew.wait(ctypes.byref(ended), len(others))
        for job in others:
            job.done.acquire()
    for job in others:
        if job.error is not None:
            raise job.error


def split(run: Callable[[int, int], object], count: int, work: float) -> None:
    """Call `run(begin, end)` for parts of `range(count)`, at the same time where the `work` is enough.

    What a part raises is raised here, after all have ended.
    """
    parts = max(min(threads(), count, int(work / LEAST)), 1)
    edges = [count * k // parts for k in range(parts + 1)]
    _together([functools.partial(run, *pair) for pair in pairwise(edges)])


def run_all(work: Callable[[Task], object], tasks: Iterable[Task]) -> None:
    """Call `work` with every task, in this thread and in others, and return when all are done.

    Each thread takes the next one when it is done with the last. They begin in the order given, so put the longest
    first. What one raises is raised here, once all threads have stopped; tasks that had not begun are left. As long as
    no two tasks write to the same memory, results do not depend on the number of threads.

    >>> found = [0] * 4
    >>> run_all(lambda k: found.__setitem__(k, k * k), range(4))
    >>> found
    [0, 1, 4, 9]
    """
    waiting = list(tasks)[::-1]

    def take() -> None:
        while True:
            try:
                task = waiting.pop()
            except IndexError:
                return
            try:
                work(task)
            except BaseException:
                waiting.clear()
                raise

    if waiting:
        _together([take] * min(threads(), len(waiting)))
