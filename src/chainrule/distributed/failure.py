"""Ending the job when one rank ends, so that no other waits for messages that will never come."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Any, NoReturn

GRACE = 3.0
"""How many seconds a failing rank waits for all others to fail, too, before it ends the job."""
FAILED, INTERRUPTED = 1, 130


class SharedFate:
    """Ends all processes of a communicator when one of them fails.

    An error that occurs in every rank, such as one about the data, is raised in each of them as it is. An error in one
    rank ends the job with its traceback. The job also ends when a rank has waited for the others for more than
    `timeout` seconds, because one of them hangs or is gone and the launcher has not noticed.
    """

    def __init__(self, comm: Any, timeout: float) -> None:
        self._comm, self.timeout = comm, timeout
        self._waits: tuple[float, str] | None = None
        if comm.size > 1:
            _abort_on_uncaught(self._end)
            threading.Thread(target=self._watch, name="chainrule-watchdog", daemon=True).start()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Leave the block together: all ranks with a result, or all with an error; otherwise the job ends."""
        if self._comm.size == 1:
            yield
            return
        try:
            yield
        except BaseException as error:
            if not self._all_came():
                self._fail(error)
            raise
        with self.waiting("the end"):
            self._comm.Ibarrier().Wait()

    @contextmanager
    def waiting(self, where: str) -> Iterator[None]:
        """Tell the watchdog that the block waits for the other ranks."""
        self._waits = time.monotonic(), where
        try:
            yield
        finally:
            self._waits = None

    def _all_came(self) -> bool:
        """Whether every rank leaves the block now, too."""
        request, until = self._comm.Ibarrier(), time.monotonic() + GRACE
        while not request.Test():
            if time.monotonic() > until:
                return False
            time.sleep(0.005)
        return True

    def _fail(self, error: BaseException) -> NoReturn:
        sys.stdout.flush()
        text = "".join(traceback.format_exception(error))
        self._end(f"{text}chainrule: rank {self._comm.rank} of {self._comm.size} failed, and the job ends", error)

    def _end(self, text: str, error: BaseException | None = None) -> NoReturn:
        print(text, file=sys.stderr, flush=True)
        self._comm.Abort(INTERRUPTED if isinstance(error, KeyboardInterrupt) else FAILED)
        os._exit(FAILED)  # if the abort returns, the launcher sees a process that exited by itself

    def _watch(self) -> None:
        while True:
            time.sleep(min(1.0, self.timeout / 4))
            waits = self._waits
            if waits is not None and time.monotonic() - waits[0] > self.timeout:
                self._end(
                    f"chainrule: rank {self._comm.rank} of {self._comm.size} has waited for the others for "
                    f"{self.timeout:g} s at {waits[1]}: one of them hangs or is gone, and the job ends. If they just "
                    f"need longer, raise DataParallel(timeout=...)"
                )


def _abort_on_uncaught(end: Callable[[str, BaseException | None], NoReturn]) -> None:
    """Make an uncaught error end the job, after printing its traceback."""
    before = sys.excepthook
    if getattr(before, "ends_the_job", False):
        return

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stdout.flush()
        before(kind, error, trace)
        end("chainrule: an error in one rank was not caught, and the job ends", error)

    hook.ends_the_job = True  # type: ignore[attr-defined]
    sys.excepthook = hook
