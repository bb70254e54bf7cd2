"""Which arrays were changed in place, and when.

A tape keeps references to the values its rules need. After a write to one of them the backward pass would silently give
a wrong gradient, so writes are recorded here, and `reverse` checks before it uses what an older node saved.
"""

import itertools
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

tick = itertools.count(1).__next__
"""The one clock of all tapes. It numbers nodes, and in-place changes between them, in order."""

Bounds = tuple[int, int] | None
"""The addresses of an array's first byte and of the byte after its last; None for all of the owner's memory."""


class Loan:
    """An array as the owner of the views that were handed out; NumPy lets every view of a view keep it alive."""

    __slots__ = ("__array_interface__", "__weakref__", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


class _Changes:
    """The changes of all arrays. Each is filed under the array that owns the memory, and dropped with it."""

    __slots__ = ("_owners", "last", "replaced", "settings")

    def __init__(self) -> None:
        self.last = 0
        """When any array was last changed. A node made later than that needs no further check."""
        self.replaced = 0
        """How often a tensor got another array, or a module another setting, after which compiled programs check
        again."""
        self.settings = 0
        """How often a module under another library's names got another setting."""
        self._owners: dict[int, tuple[weakref.ref[Any], dict[Bounds, int]]] = {}

    def mark(self, array: Any) -> int:
        """Record that an array was changed in place; return when."""
        self.last = now = tick()
        owner = owner_of(array)
        entry = self._owners.get(id(owner))
        if entry is None:
            # The callback holds only the dictionary and the key, so it keeps nothing else alive.
            forget, key = self._owners.pop, id(owner)
            entry = self._owners[key] = (weakref.ref(owner, lambda _: forget(key, None)), {})
        entry[1][_bounds(array)] = now
        return now

    def marker(self, array: Any) -> Callable[[], int]:
        """Return `mark` for one array, for whoever changes it at every step, and keeps it alive."""
        times, place = self.place(array)

        def mark() -> int:
            self.last = times[place] = now = tick()
            return now

        return mark

    def place(self, array: Any) -> tuple[dict[Bounds, int], Bounds]:
        """Mark an array, and return the dict and the key in it under which it is marked, while it is kept alive."""
        self.mark(array)
        return self._owners[id(owner_of(array))][1], _bounds(array)

    def since(self, order: int, array: Any) -> bool:
        """Return whether any of an array's memory was changed after the time `order`."""
        return self._changed(order, array, _overlap)

    def all_since(self, order: int, array: Any) -> bool:
        """Return whether all of an array's memory counts as changed by one write after the time `order`."""
        return self._changed(order, array, _within)

    def _changed(self, order: int, array: Any, touches: Callable[[Bounds, Bounds], bool]) -> bool:
        entry = self._owners.get(id(owner_of(array)))
        here = _bounds(array) if entry else None
        return any(when > order and touches(here, there) for there, when in list(entry[1].items())) if entry else False


def base_of(array: Any) -> Any:
    """Return the array that this one is a view of, even through a memoryview or a loan; None if there is none."""
    base = array.base
    while type(base) is memoryview or isinstance(base, Loan):
        base = base.obj if type(base) is memoryview else base.array
    return base if isinstance(base, np.ndarray) else None


def owner_of(array: Any) -> Any:
    """Return the array that owns the memory of this one."""
    while (base := base_of(array)) is not None:
        array = base
    return array


def _bounds(array: Any) -> Bounds:
    if array.base is None:
        return None
    if array.flags.c_contiguous:
        start = array.__array_interface__["data"][0]
        return start, start + array.nbytes
    return np.lib.array_utils.byte_bounds(array)


def _overlap(a: Bounds, b: Bounds) -> bool:
    return a is None or b is None or (a[0] < b[1] and b[0] < a[1])


def _within(a: Bounds, b: Bounds) -> bool:
    return b is None or (a is not None and b[0] <= a[0] and a[1] <= b[1])


changes = _Changes()
