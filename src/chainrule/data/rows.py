"""A loader's epoch in numbers of rows, for training that gathers the rows itself."""

from collections.abc import Sequence
from typing import Any, TypeAlias

from chainrule.data.dataset import Array
from chainrule.data.streams.passage import WindowPassage

Batch: TypeAlias = tuple[Array, ...]


class Rows:
    """An epoch of a loader in numbers of rows: batch k has the rows ``order[k * size : (k + 1) * size]`` of ``arrays``.

    ``batch`` is the next one; the loader's position is kept as by an iteration.
    """

    def __init__(self, loader: Any, arrays: Sequence[Array]) -> None:
        self.loader, self.size, self._arrays = loader, loader.batch_size, arrays
        self._here = loader._begin()
        self._order: Array = loader._order(self._here.epoch)[: len(loader) * self.size]

    @property
    def arrays(self) -> Sequence[Array]:
        """What the rows are gathered from."""
        return self._arrays

    @property
    def order(self) -> Array:
        """The rows of the epoch's batches, one after the other."""
        return self._order

    @property
    def batch(self) -> int:
        """The number of the next batch."""
        return int(self._here.batch)

    @property
    def left(self) -> int:
        """How many batches are left, a smaller one at the end included."""
        return len(self.loader) - int(self._here.batch)

    @property
    def longest(self) -> int:
        """How many rows ``order`` has at most."""
        return len(self.order)

    def ready(self) -> None:
        """Wait until the next batch is in memory."""

    def fetch(self) -> Batch:
        """Return the next batch."""
        start = self._here.batch * self.size
        batch: Batch = self.loader._fetch(self.order[start : start + self.size])
        self.passed(1)
        return batch

    def passed(self, count: int) -> None:
        """Go on behind so many batches."""
        self._here.batch += count

    def close(self) -> None:
        """End the epoch, if no batch is left."""
        if not self.left:
            self.loader._end(self._here)


class StreamedRows(Rows):
    """An epoch of a stream in numbers of rows of the buffer: ``batch`` counts within the window that is in it."""

    def __init__(self, loader: Any, here: Any) -> None:
        self.loader, self.size, self._here = loader, loader.batch_size, here
        passage = loader._opened(here)
        assert isinstance(passage, WindowPassage)
        self._passage = passage

    @property
    def arrays(self) -> Sequence[Array]:
        """The buffer."""
        return self._passage.arrays

    @property
    def order(self) -> Array:
        """The rows of the buffer that the window's batches have."""
        return self._passage.order

    @property
    def batch(self) -> int:
        """The number of the next batch, within the window."""
        return self._passage.at

    @property
    def longest(self) -> int:
        """How many rows ``order`` has at most."""
        return self._passage.longest

    def ready(self) -> None:
        """Wait until the next batch is in memory."""
        self._passage.ready()

    def fetch(self) -> Batch:
        """Return the next batch."""
        self._here.batch += 1
        batch = self._passage.fetch()
        assert batch is not None
        return batch

    def passed(self, count: int) -> None:
        """Go on behind so many batches."""
        self._here.batch += count
        self._passage.passed(count)

    def close(self) -> None:
        """End the thread, and the epoch, if no batch is left."""
        self._passage.close()
        super().close()
