"""Blocks that put something in place of what was there, and may end in any order.

Each remembers what it found. Blocks that end in the order of a stack put that back. One that ends while a later one is
open leaves what it found to that one, to be put back then: tasks of asyncio take turns, and generators are closed when
somebody finds them.
"""

import threading
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OpenBlock(Generic[T]):
    """One open block, and what it found."""

    __slots__ = ("before",)

    def __init__(self, before: T) -> None:
        self.before = before


class Overlapping(Generic[T]):
    """The open blocks that change one thing, the earliest first."""

    def __init__(self) -> None:
        self._open: list[OpenBlock[T]] = []
        self._lock = threading.Lock()

    def __len__(self) -> int:
        return len(self._open)

    def __reduce__(self) -> Any:
        return Overlapping, ()  # a copy is in no block

    def enter(self, before: T) -> OpenBlock[T]:
        """Note a block that begins, and what it found."""
        entry = OpenBlock(before)
        with self._lock:
            self._open.append(entry)
        return entry

    def leave(self, entry: OpenBlock[T]) -> tuple[T, ...]:
        """Note that a block ends; return what to put back, or nothing where that is left to a later block."""
        with self._lock:
            place = self._open.index(entry)
            self._open.remove(entry)
            if place == len(self._open):
                return (entry.before,)
            self._open[place].before = entry.before
            return ()
