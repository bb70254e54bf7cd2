"""Where the path from a value to the loss is cut: at a constant, at an index, at an array that left the tape."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.memory.changes import base_of
from chainrule.explain.derive.subject import Recording
from chainrule.observe.entry import Entry


def where_cut(recording: Recording, entry: Entry) -> tuple[Entry | None, bool]:
    """Return the first node that blocks the gradient on a path from an entry to the loss.

    None if there is no path at all. The second result is whether the node used an array that had left the tape.
    """
    ways = _Ways(recording)
    stack, seen = [entry], {entry}
    while stack:
        for user, left_tape in ways.users(stack.pop()):
            if user in seen:
                continue
            if left_tape or not user.tracked:
                return user, left_tape
            seen.add(user)
            stack.append(user)
    return None, False


class _Ways:
    """The users of each value that lead to the loss, both on and off the tape."""

    def __init__(self, recording: Recording) -> None:
        self._owners = {id(a): e for e in recording.entries for a in _memory(e.value)}
        self._integers = [e for e in recording.entries if not e.tracked and getattr(e.value, "dtype", None) == np.intp]
        self._users: dict[Entry, list[tuple[Entry, bool]]] = {}
        sources = {e: list(self._sources(e)) for e in recording.entries}
        leading, stack = {recording.loss}, [recording.loss]
        while stack:
            user = stack.pop()
            for source, left_tape in sources[user]:
                self._users.setdefault(source, []).append((user, left_tape))
                if source not in leading:
                    leading.add(source)
                    stack.append(source)

    def users(self, entry: Entry) -> list[tuple[Entry, bool]]:
        """Return the users of an entry on a path to the loss."""
        return self._users.get(entry, [])

    def _sources(self, entry: Entry) -> Iterator[tuple[Entry, bool]]:
        for x in entry.inputs:
            if isinstance(x, Entry):
                yield x, False
            else:
                yield from self._by_memory(x, entry)
        for x in _arrays(entry.settings.get("index")):
            # An index is often copied along the way, so equal integers count as the same index.
            yield from ((e, False) for e in self._integers if np.array_equal(e.value, x))

    def _by_memory(self, x: Any, entry: Entry) -> Iterator[tuple[Entry, bool]]:
        for a in _memory(x):
            owner = self._owners.get(id(a))
            if owner is not None and owner is not entry:
                yield owner, True
                return


def _memory(x: Any) -> Iterator[Any]:
    """Yield an array and its bases."""
    while isinstance(x, np.ndarray):
        yield x
        x = base_of(x)


def _arrays(index: Any) -> Iterator[Any]:
    for part in index if isinstance(index, tuple) else (index,):
        if isinstance(part, np.ndarray):
            yield part
