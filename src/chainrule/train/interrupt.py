"""Ctrl-C between steps, never inside one."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


class WholeSteps:
    """Lets a Ctrl-C take effect only where training can be resumed: at `safe_point()`.

    Python raises KeyboardInterrupt at any line, and so between the updates of two parameters, or between a batch that
    the loader has counted and the step that learns from it. Inside `watching()` the first Ctrl-C waits for a safe
    point or the end of the block; a second one acts at once, for a step that never ends. Only the main thread receives
    signals: in others, and where the program has no handler of its own in Python, nothing changes.
    """

    def __init__(self) -> None:
        self._waiting: tuple[int, FrameType | None] | None = None
        self._handler: Any = None

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Intercept Ctrl-C ahead of the program's own handler inside the block."""
        handler = signal.getsignal(signal.SIGINT)
        if threading.current_thread() is not threading.main_thread() or not callable(handler):
            yield
            return
        self._handler = handler
        signal.signal(signal.SIGINT, self._receive)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, handler)
        self.safe_point()

    @property
    def is_waiting(self) -> bool:
        """Whether a Ctrl-C is pending."""
        return self._waiting is not None

    def safe_point(self) -> None:
        """Let a pending Ctrl-C take effect."""
        if self._waiting is not None:
            waiting, self._waiting = self._waiting, None
            self._handler(*waiting)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._waiting is None:
            self._waiting = number, frame
        else:
            self._waiting = None
            self._handler(number, frame)
