"""Blocks that replace something and restore it, and may end in any order.

Each remembers what it replaced. Blocks that end in stack order restore it. One that ends while a later one is open
hands what it replaced over to that one, to be restored then: asyncio tasks take turns, and generators are closed
whenever they are collected.
"""

import threading
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class OpenBlock(Generic[T]):
    """One open block, and what it replaced."""

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
        """Record a block that begins, and what it replaced."""
        entry = OpenBlock(before)
        with self._lock:
            self._open.append(entry)
        return entry

    def leave(self, entry: OpenBlock[T]) -> tuple[T, ...]:
        """Record that a block ends; return what to restore, or nothing if that is left to a later block."""
        with self._lock:
            place = self._open.index(entry)
            self._open.remove(entry)
            if place == len(self._open):
                return (entry.before,)
            self._open[place].before = entry.before
            return ()
