"""A thread that fills one half of a buffer while the other is used."""

import queue
import threading
import time
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from chainrule.base.threads import OwnThread

T = TypeVar("T")
U = TypeVar("U")


class Ahead(Generic[T, U]):
    """Calls ``fill(item, half)`` for each item in a thread, at most one item ahead of the one that is used.

    :meth:`next` waits for a result, and gives the half behind the one before free for the next item. An error is raised
    there. :meth:`close` ends the thread, also in the middle of the items; it waits for a call that is running. With
    ``is_own`` no code of the user's runs in it.
    """

    def __init__(self, fill: Callable[[T, int], U], items: Iterable[T], is_own: bool = False) -> None:
        self._fill, self._items = fill, iter(items)
        self._ready: queue.Queue[tuple[U | None, BaseException | None]] = queue.Queue()
        self._free = threading.Semaphore(1)
        self._stops = False
        self.waited = 0.0
        """Seconds spent waiting so far."""
        kind = OwnThread if is_own else threading.Thread
        self._thread = kind(target=self._run, name="chainrule-stream", daemon=True)
        self._thread.start()

    def next(self) -> U | None:
        """Return the next result, or None at the end. The half of the result before last may be filled from now on."""
        began = time.perf_counter()
        result, error = self._ready.get()
        self.waited += time.perf_counter() - began
        if error is not None:
            self.close()
            raise error
        self._free.release()
        return result

    def close(self) -> None:
        """End the thread."""
        self._stops = True
        self._free.release()
        if self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        half = 0
        try:
            for item in self._items:
                self._free.acquire()
                if self._stops:
                    return
                self._ready.put((self._fill(item, half), None))
                half = 1 - half
            self._ready.put((None, None))
        except BaseException as error:  # whatever it is, it is for the one who waits
            self._ready.put((None, error))
