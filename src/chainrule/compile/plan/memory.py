"""The memory of a plan: buffers that are reused once nothing reads them any more."""

import bisect
import itertools
from typing import Any

import numpy as np

ALIGNMENT = 64
"""In bytes: a cache line, and the longest vector."""


class Pool:
    """Gives out buffers and takes them back."""

    def __init__(self) -> None:
        self.total = 0
        """All bytes that were ever allocated."""
        self._free: list[tuple[int, int, Any]] = []
        """What is free, the smallest first: its size, a number that tells equal sizes apart, and the bytes."""
        self._count = itertools.count()
        self._pieces: dict[int, Any] = {}
        """The bytes that were allocated, by the object that owns them."""
        self._apart: set[int] = set()
        """The owners of what is used for one array only."""

    def take(self, shape: tuple[int, ...], dtype: Any, apart: bool = False) -> Any:
        """Return an uninitialised array that nothing else uses; if it is to be `apart`, nothing ever has or will."""
        if np.dtype(dtype).hasobject:  # something a user's operation keeps, which no buffer can hold
            return np.empty(shape, dtype)
        nbytes = _bytes(shape, dtype)
        place = len(self._free) if apart else bisect.bisect_left(self._free, (nbytes, -1))
        if place < len(self._free) and self._free[place][0] <= 2 * nbytes + 4096:
            raw = self._free.pop(place)[2]
        else:
            raw = aligned(nbytes)
            self._pieces[id(raw.base)] = raw
            self.total += raw.size
            if apart:
                self._apart.add(id(raw.base))
        return raw[:nbytes].view(dtype).reshape(shape)

    def is_apart(self, array: Any) -> bool:
        """Whether the memory of an array was taken apart."""
        return id(array.base) in self._apart

    def give_back(self, array: Any) -> None:
        """Release the memory of an array allocated here for reuse."""
        if array.dtype.hasobject:
            return
        while isinstance(array.base, np.ndarray):
            array = array.base
        raw = self._pieces[id(array)]
        bisect.insort(self._free, (raw.size, next(self._count), raw))


def _bytes(shape: tuple[int, ...], dtype: Any) -> int:
    return int(np.prod(shape, dtype=np.int64)) * int(np.dtype(dtype).itemsize)


def aligned(nbytes: int) -> Any:
    """Return zeroed bytes that begin at a multiple of `ALIGNMENT`."""
    raw = np.zeros(nbytes + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    return raw[start : start + nbytes]
