"""An epoch of a stream in several processes: each reads its own part of every window, and hands over the rows."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.shares import share
from chainrule.data.streams.ahead import Ahead
from chainrule.data.streams.passage import ReadBlock
from chainrule.data.streams.streamed import Batch, Passage, Reading
from chainrule.data.streams.windows import Window, from_row, order_within

Parts = list[NDArray[Any]]


class SharedPassage(Passage):
    """Reads the blocks ``rank``, ``rank`` + ``size``, … of each window, and yields this rank's share of each batch.

    The batches are those of :class:`WindowPassage`, row for row: all ranks know the order of a window, so each knows
    which rank reads a row and which one needs it. ``exchange`` takes what is for each rank and returns what is from
    each, as MPI's all-to-all does. An error while reading is raised in all ranks.
    """

    def __init__(self, read: ReadBlock, counts: NDArray[np.int64], found: list[Window], reading: Reading) -> None:
        self._read, self._counts, self._reading = read, counts, reading
        self._rank, self._size = reading.shard
        self._total = sum(window.rows for window in found)
        batches = self._total // reading.batch_size if reading.drop_last else -(-self._total // reading.batch_size)
        self._total = min(self._total, batches * reading.batch_size)
        self._batches, self._next = batches, reading.first
        self._covered = reading.first * reading.batch_size
        """The rows of the epoch that have been handed over so far."""
        self._rows: Parts = []
        self._of_batch = np.zeros(0, np.int64)
        """The batch that each row of ours belongs to."""
        here = [*from_row(found, self._covered)] if self.has_more else []
        self._ahead: Ahead[Window, tuple[Window, Parts | None]] | None = Ahead(self._fill, here) if here else None

    @property
    def has_more(self) -> bool:
        """Whether another batch follows."""
        return self._next < self._batches

    def fetch(self) -> Batch | None:
        """Return this rank's share of the next batch, or None at the end."""
        if not self.has_more:
            return None
        end = min((self._next + 1) * self._reading.batch_size, self._total)
        while self._covered < end:
            self._advance()
        self._next += 1
        cut = int(np.searchsorted(self._of_batch, self._next))
        batch = tuple(part[:cut] for part in self._rows)
        self._rows, self._of_batch = [part[cut:] for part in self._rows], self._of_batch[cut:]
        return batch

    def close(self) -> None:
        """End the thread."""
        if self._ahead is not None:
            self._ahead.close()
            self.waited = self._ahead.waited
            self._ahead = None

    def _mine(self, window: Window) -> tuple[int, ...]:
        return window.blocks[self._rank :: self._size]

    def _fill(self, window: Window, _half: int) -> tuple[Window, Parts | None]:
        """Read this rank's blocks of a window."""
        read = [self._read(k) for k in self._mine(window)]
        return window, [np.concatenate(parts) for parts in zip(*read, strict=True)] if read else None

    def _advance(self) -> None:
        """Take the next window, hand over the rows that others need, and keep our own."""
        window, parts = self._taken()
        reader = np.concatenate(
            [np.full(self._counts[k], j % self._size) for j, k in enumerate(window.blocks)] or [np.zeros(0, np.int64)]
        )
        order = order_within(window, self._reading.seed, self._reading.epoch, self._reading.shuffle)
        order = order[max(0, self._covered - window.start) :][: self._total - self._covered]
        places = self._covered + np.arange(len(order))
        needed_by, read_by = self._owners(places), reader[order]
        index = np.zeros(window.rows, np.int64)  # of a row among those that its reader has read
        for rank in range(self._size):
            index[reader == rank] = np.arange(int((reader == rank).sum()))
        given = [
            None
            if parts is None
            else [part[index[order[(needed_by == rank) & (read_by == self._rank)]]] for part in parts]
            for rank in range(self._size)
        ]
        came = self._exchanged(given)
        mine = needed_by == self._rank
        self._keep(came, read_by[mine], places[mine])
        self._covered += len(order)

    def _taken(self) -> tuple[Window, Parts | None]:
        """Wait for the window that the thread reads; if any rank could not, raise its error in all."""
        assert self._ahead is not None
        error, found = None, None
        try:
            found = self._ahead.next()
        except (DataError, ValueError, OSError) as problem:
            error = problem
        self.waited = self._ahead.waited
        said = self._exchanged([str(error) if error is not None else None] * self._size)
        if error is not None:
            raise error
        problems = [text for text in said if text is not None]
        if problems:
            raise DataError(problems[0])
        if found is None:
            raise DataError("stream: the data end before the epoch does; the files were changed while they were read")
        return found

    def _exchanged(self, given: Sequence[Any]) -> list[Any]:
        assert self._reading.exchange is not None
        return self._reading.exchange(given)

    def _owners(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rank that needs each row, by its place in the epoch."""
        size = self._reading.batch_size
        found = np.zeros(len(places), np.int64)
        last = self._total // size * size
        for chosen, count in ((places < last, size), (places >= last, self._total - last)):
            begins = [share(count, rank, self._size).start for rank in range(1, self._size)]
            found[chosen] = np.searchsorted(begins, places[chosen] % size, side="right")
        return found

    def _keep(self, came: list[Any], read_by: NDArray[np.int64], places: NDArray[np.int64]) -> None:
        """Put the rows that came from each rank in their order behind those that are left."""
        model = next(parts for parts in came if parts is not None)
        rows = [np.empty((len(places), *part.shape[1:]), part.dtype) for part in model]
        for rank, parts in enumerate(came):
            for array, part in zip(rows, parts or [], strict=parts is not None):
                array[read_by == rank] = part
        self._rows = [np.concatenate(pair) for pair in zip(self._rows, rows, strict=True)] if self._rows else rows
        self._of_batch = np.concatenate([self._of_batch, places // self._reading.batch_size])
