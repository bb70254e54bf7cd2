"""Tasks of unequal length on several cores: each thread takes the next one when it is done with the last.

`chainrule.kernels.threads` cuts a range into equal parts instead.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from .threads import threads

Task = TypeVar("Task")


class _Helpers:
    """The threads beside the one that calls: made when first used, and anew in a process that was forked."""

    def __init__(self) -> None:
        self.executor: ThreadPoolExecutor | None = None

    def pool(self) -> ThreadPoolExecutor:
        if self.executor is None:
            self.executor = ThreadPoolExecutor(max(threads() - 1, 1), thread_name_prefix="chainrule-task")
        return self.executor

    def forget(self) -> None:
        self.executor = None


_helpers = _Helpers()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_helpers.forget)


def run_all(work: Callable[[Task], object], tasks: Iterable[Task]) -> None:
    """Call `work` with every task, in this thread and in others beside it, and return when all are done.

    They begin in the order given, so put the longest first. What one raises is raised here, once all threads have
    stopped; tasks that had not begun are left. As long as no two tasks write to the same place, results do not depend
    on how many threads there are.

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

    helpers = [_helpers.pool().submit(take) for _ in range(min(threads(), len(waiting)) - 1)]
    try:
        take()
    finally:
        # A helper that has not begun finds nothing left: the pool may be busy with the tasks of another caller.
        begun = [helper for helper in helpers if not helper.cancel()]
        for helper in begun:
            helper.exception()
    for helper in begun:
        helper.result()
