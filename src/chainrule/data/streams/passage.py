"""An epoch of a stream: windows of shuffled rows, the next one being read while one is used."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.shares import share
from chainrule.data.streams.ahead import Ahead
from chainrule.data.streams.streamed import Batch, Passage, Reading
from chainrule.data.streams.windows import Window, from_row, order_within

Buffers = list[NDArray[Any]]
ReadBlock = Callable[[int], Batch]


class WindowPassage(Passage):
    """Reads the windows of an epoch, in one half of a buffer while the other is used.

    The buffer holds 2 · ``capacity`` rows and, behind them, the few rows of a window that did not fill a batch. Batches
    are consecutive in the order of the windows' rows, so that a batch may begin in one window and end in the next.
    ``arrays`` is the buffer, and ``order`` the rows of it that are next; ``at`` is the number of the next batch in it.
    """

    def __init__(
        self, read: ReadBlock, found: list[Window], capacity: int, reading: Reading, spare: list[Buffers], is_own: bool
    ) -> None:
        self._read, self._capacity, self._reading = read, capacity, reading
        self.size = reading.batch_size
        total = sum(window.rows for window in found)
        self.batches = total // self.size if reading.drop_last else -(-total // self.size)
        self.number = reading.first
        """The number of the next batch in the epoch."""
        self._spare = spare
        """Buffers that no passage uses: the next epoch takes the same memory, and with it the same compiled steps."""
        self.arrays: Buffers = self._spare.pop() if self._spare else []
        if self.arrays and len(self.arrays[0]) != 2 * capacity + self.size:
            self.arrays = []
        self.order, self.at = np.zeros(0, np.int64), 0
        self._rest = self.order
        row = reading.first * self.size
        here = [*from_row(found, row)] if self.has_more else []
        self._skipped = row - here[0].start if here else 0
        self._ahead: Ahead[tuple[Window, int], tuple[Window, int]] | None = None
        self._last = here[-1].number if here else -1
        if here:
            self._ahead = Ahead(self._fill, ((window, window.number) for window in here), is_own)

    @property
    def longest(self) -> int:
        """How many rows ``order`` has at most."""
        return self._capacity + self.size

    @property
    def has_more(self) -> bool:
        """Whether another batch follows."""
        return self.number < self.batches

    def ready(self) -> None:
        """Wait until the next batch is in memory, if there is one."""
        while self.has_more and self.at * self.size >= len(self.order):
            self._advance()

    def fetch(self) -> Batch | None:
        """Return this rank's share of the next batch, or None at the end."""
        if not self.has_more:
            return None
        self.ready()
        rows = self.order[self.at * self.size : (self.at + 1) * self.size]
        mine = rows[share(len(rows), *self._reading.shard)]
        batch = tuple(array[mine] for array in self.arrays)
        self.passed(1)
        return batch

    def passed(self, count: int) -> None:
        """Go on behind so many batches, which are all in memory."""
        self.at += count
        self.number += count

    def close(self) -> None:
        """End the thread."""
        if self._ahead is not None:
            self._ahead.close()
            self.waited = self._ahead.waited
            self._ahead = None
        if self.arrays:
            self._spare[:] = [self.arrays]
            self.arrays = []

    def _advance(self) -> None:
        """Go on to the next window, with the rows that are left of this one before its own."""
        assert self._ahead is not None
        kept = len(self._rest)
        behind = np.arange(2 * self._capacity, 2 * self._capacity + kept)
        if kept:
            for array in self.arrays:
                array[behind] = array[self._rest]  # the right side is a copy, so they may overlap
        found = self._ahead.next()
        self.waited = self._ahead.waited
        if found is None:
            raise DataError("stream: the data end before the epoch does; the files were changed while they were read")
        window, half = found
        rows = order_within(window, self._reading.seed, self._reading.epoch, self._reading.shuffle)
        whole = np.concatenate([behind, half * self._capacity + rows[self._skipped :]])
        self._skipped = 0
        cut = len(whole) if window.number == self._last else len(whole) // self.size * self.size
        self.order, self._rest, self.at = whole[:cut], whole[cut:], 0

    def _fill(self, item: tuple[Window, int], half: int) -> tuple[Window, int]:
        """Read a window into one half of the buffer."""
        window, _ = item
        at = half * self._capacity
        for k in window.blocks:
            parts = self._read(k)
            if not self.arrays:
                rows = 2 * self._capacity + self.size
                self.arrays += [np.empty((rows, *part.shape[1:]), part.dtype) for part in parts]
            for array, part in zip(self.arrays, parts, strict=True):
                array[at : at + len(part)] = part
            at += len(parts[0])
        return window, half
