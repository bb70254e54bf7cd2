"""Batches of a data set, in an order that is fixed by a seed and can be restored from a state."""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import islice
from operator import index
from time import perf_counter
from typing import Any, Protocol, TypeAlias, TypeVar, cast

import numpy as np

from chainrule.base.overlapping import Overlapping
from chainrule.core.random import default_generator
from chainrule.data.dataset import Array, ArrayDataset, Data
from chainrule.data.rows import Rows as Rows
from chainrule.data.rows import StreamedRows
from chainrule.data.sampler import Sampler
from chainrule.data.shares import share as share
from chainrule.data.streams.iterable import IterableStream
from chainrule.data.streams.stream import Stream
from chainrule.data.streams.streamed import Exchange, Passage, Reading, Streamed


class Dataset(Protocol):
    """Anything with a length whose item ``i`` is one sample: an array or a tuple of arrays."""

    def __len__(self) -> int: ...
    def __getitem__(self, index: Any, /) -> Any: ...


Batch: TypeAlias = tuple[Array, ...]
Source: TypeAlias = Dataset | Data | Streamed | Iterable[Any] | tuple[Any, ...]
Item = TypeVar("Item")


@dataclass
class _Position:
    """An epoch and how many of its batches have been yielded."""

    epoch: int = 0
    batch: int = 0


class DataLoader:
    """Iterate over a data set in batches; each is a tuple of arrays [B, …].

    ``dataset`` is an :class:`ArrayDataset`, a :class:`Data`, a tuple of arrays ``(x, y)``, any object with ``__len__``
    and ``__getitem__``, whose samples are stacked (one that has ``stacked(indices)`` is asked for a batch at once), a
    :func:`stream` of data larger than memory, or an :class:`IterableDataset`. The last batch may be smaller, unless
    ``drop_last``. With ``shuffle`` every epoch has an order of its own, drawn from the generator of (seed,
    epoch): a seed fixes them all. Without a seed, one is drawn from the global generator, which ``cr.seed`` seeds.

    ``sampler`` draws the order instead of ``shuffle``, also from (seed, epoch): see :class:`WeightedSampler` and
    :class:`StratifiedSampler`. With ``prefetch``, a thread fetches that many batches ahead while the current one is
    used; the batches and the loader's position are the same. This pays off if fetching waits for files or computes
    outside the GIL; a data set that draws random numbers should then derive them from the index alone. A stream is read
    ahead in any case, window by window.

    Each iteration is one epoch; leaving it early and iterating again starts the next. A loader restored by
    :meth:`load_state_dict` first continues the interrupted epoch, batch for batch.

    Raises ``TypeError`` or ``ValueError`` for arguments that cannot work.

    >>> loader = DataLoader((np.arange(10), np.arange(10) % 2), batch_size=4)
    >>> [x.tolist() for x, y in loader]
    [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    >>> len(DataLoader(np.arange(10), batch_size=4, drop_last=True))
    2
    """

    def __init__(
        self,
        dataset: Source,
        batch_size: int = 32,
        shuffle: bool = False,
        drop_last: bool = False,
        seed: int | None = None,
        sampler: Sampler | None = None,
        prefetch: int = 0,
    ) -> None:
        self.dataset = _as_dataset(dataset)
        self.batch_size = _whole("batch_size", batch_size, least=1)
        self.shuffle = _flag("shuffle", shuffle)
        self.drop_last = _flag("drop_last", drop_last)
        self.sampler = self._checked(sampler)
        self.prefetch = _whole("prefetch", prefetch, least=0)
        self.seed = _fresh_seed() if seed is None else _whole("seed", seed, least=0)
        self._now = self._next = _Position()
        self._shard = (0, 1)
        self._exchange: Exchange | None = None
        self._shards: Overlapping[tuple[tuple[int, int], Exchange | None]] = Overlapping()
        self._passage: Passage | None = None
        self._note: Any = None
        self._waited = 0.0
        if self._samples() is not None and len(self) == 0:
            raise ValueError(
                f"DataLoader: there would be no batches from {self._samples()} samples with "
                f"batch_size={self.batch_size}, drop_last={self.drop_last}"
            )

    def __repr__(self) -> str:
        order = self.sampler if self.sampler is not None else f"shuffle={self.shuffle}"
        return f"DataLoader({self.dataset!r}, batch_size={self.batch_size}, {order}, seed={self.seed})"

    def __len__(self) -> int:
        """The number of batches in an epoch; a TypeError for an iterable that does not say how many samples it has."""
        samples = self._samples()
        if samples is None:
            raise TypeError("DataLoader: the number of batches is unknown; give the IterableDataset a __len__")
        return samples // self.batch_size if self.drop_last else -(-samples // self.batch_size)

    def _samples(self) -> int | None:
        """How many samples an epoch yields; None if only the end of it will tell."""
        if isinstance(self.dataset, Streamed):
            return self.dataset.samples()
        return len(self._indexed) if self.sampler is None else len(self.sampler)

    @property
    def _indexed(self) -> Dataset:
        """The data set, which is not a stream."""
        assert not isinstance(self.dataset, Streamed)
        return self.dataset

    def _checked(self, sampler: Sampler | None) -> Sampler | None:
        if sampler is not None and self.shuffle:
            raise ValueError("DataLoader: a sampler draws the order already; leave shuffle=True out")
        if sampler is not None and isinstance(self.dataset, Streamed):
            raise ValueError("DataLoader: a stream is read in an order of its own; leave the sampler out")
        if sampler is not None and sampler.population != len(self._indexed):
            raise ValueError(
                f"DataLoader: the sampler draws from {sampler.population} samples, the data set has "
                f"{len(self._indexed)}"
            )
        return sampler

    def rows(self) -> Rows | None:
        """Begin an epoch for a caller that gathers the rows itself; ``None`` if they are not simply in memory."""
        if type(self) is DataLoader and isinstance(self.dataset, Stream) and self._shard == (0, 1):
            return StreamedRows(self, self._begin())
        plain = type(self) is DataLoader and type(self.dataset) is ArrayDataset and self._shard == (0, 1)
        return Rows(self, self.dataset.arrays) if plain and isinstance(self.dataset, ArrayDataset) else None

    def __iter__(self) -> Iterator[Batch]:
        here = self._begin()
        if isinstance(self.dataset, Streamed):
            with closing(self._opened(here)) as passage:
                while (batch := passage.fetch()) is not None:
                    here.batch += 1
                    yield batch
            self._end(here)
            return
        with closing(self._fetched(self._order(here.epoch), here.batch)) as fetched:
            while (batch := self._next_of(fetched)) is not None:
                here.batch += 1
                yield batch
        self._end(here)

    def _next_of(self, fetched: Iterator[Batch]) -> Batch | None:
        """Return the next batch, and note how long that took; None at the end."""
        began = perf_counter()
        batch = next(fetched, None)
        self._waited += perf_counter() - began
        return batch

    def _begin(self) -> _Position:
        here = self._now = self._next
        self._next = _Position(here.epoch + 1)
        return here

    @property
    def waited(self) -> float:
        """Seconds spent waiting for batches, in all epochs so far."""
        return self._waited + (0.0 if self._passage is None else self._passage.waited)

    def _opened(self, here: _Position) -> Passage:
        """Begin to read an epoch of a stream."""
        assert isinstance(self.dataset, Streamed)
        self._waited = self.waited
        settings = self.batch_size, self.shuffle, self.drop_last, self._shard, self._exchange
        note, self._note = self._note, None
        self._passage = self.dataset.passage(Reading(self.seed, here.epoch, here.batch, *settings), note)
        return self._passage

    def _end(self, here: _Position) -> None:
        if self._now is here:
            self._now = self._next

    @property
    def first_batch(self) -> int:
        """The batch of its epoch at which the next iteration begins: 0, or where a restored loader goes on."""
        return self._next.batch

    @property
    def batches_left(self) -> int:
        """How many batches of the current epoch have not been yielded yet; where that is unknown, whether any."""
        if self._samples() is None:
            return self._passage is None or self._passage.has_more
        return len(self) - self._now.batch

    @contextmanager
    def sharded(self, rank: int, size: int, exchange: Exchange | None = None) -> Iterator[None]:
        """For the duration of the block, yield only the share of each batch that belongs to ``rank`` of ``size``.

        The shares of a batch, concatenated, are the batch; the loader's position is the same for all ranks. A share may
        be empty if a batch has fewer samples than there are ranks. With ``exchange``, an all-to-all of the ranks, each
        reads a part of a stream, and hands over what others need; otherwise each reads all of it.

        >>> loader = DataLoader(np.arange(5), batch_size=3)
        >>> with loader.sharded(1, 2):
        ...     [x.tolist() for x, in loader]
        [[2], [4]]
        """
        entry = self._shards.enter((self._shard, self._exchange))
        try:
            self._shard, self._exchange = (rank, size), exchange
            yield
        finally:
            for before in self._shards.leave(entry):
                self._shard, self._exchange = before

    def state_dict(self) -> dict[str, Any]:
        """The loader's position, in plain integers for JSON.

        >>> loader = DataLoader(np.arange(6), batch_size=2, shuffle=True, seed=7)
        >>> first = next(iter(loader))
        >>> state = loader.state_dict()
        >>> state["epoch"], state["batch"]
        (0, 1)
        >>> restored = DataLoader(np.arange(6), batch_size=2, shuffle=True)
        >>> restored.load_state_dict(state)
        >>> len(list(restored)), len(list(restored))
        (2, 3)
        """
        state = {**self._layout(), "seed": self.seed, "epoch": self._now.epoch, "batch": self._now.batch}
        if isinstance(self.dataset, IterableStream):
            state["source"] = self._note if self._passage is None else self._passage.note()
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the position of ``state``: the next iteration yields the rest of that epoch.

        Raises ``ValueError`` if the state has other keys or belongs to another number of samples, batch size or order;
        the loader is then unchanged.
        """
        mine = self.state_dict()
        if set(state) != set(mine):
            raise ValueError(f"DataLoader: expected a state with {sorted(mine)}, got {sorted(state)}")
        for key, value in self._layout().items():
            if state[key] != value:
                raise ValueError(
                    f"DataLoader: {key} is {value} here and {state[key]} in the state; "
                    "make the loader as it was when the state was saved"
                )
        seed, epoch, batch = (_whole(key, state[key], least=0) for key in ("seed", "epoch", "batch"))
        if self._samples() is not None and batch > len(self):
            raise ValueError(f"DataLoader: the state is at batch {batch} of {len(self)}")
        self.seed = seed
        self._now = self._next = _Position(epoch, batch)
        self._passage, self._note = None, state.get("source")

    def _layout(self) -> dict[str, Any]:
        """What must agree for a position to mean the same batches."""
        return {
            "samples": self._samples(),
            "batch_size": self.batch_size,
            "shuffle": self.shuffle,
            "drop_last": self.drop_last,
        }

    def _order(self, epoch: int) -> Array:
        rng = np.random.default_rng((self.seed, epoch))
        if self.sampler is not None:
            return self.sampler.order(rng)
        return rng.permutation(len(self._indexed)) if self.shuffle else np.arange(len(self._indexed))

    def _fetched(self, order: Array, first: int) -> Generator[Batch, None, None]:
        """Yield an epoch's batches from `first` on."""
        starts = range(first * self.batch_size, len(self) * self.batch_size, self.batch_size)
        parts = (order[start : start + self.batch_size] for start in starts)
        if self.prefetch:
            yield from ahead(self._fetch, parts, self.prefetch)
        else:
            yield from map(self._fetch, parts)

    def _fetch(self, indices: Array) -> Batch:
        mine = indices[share(len(indices), *self._shard)]
        if len(mine) or isinstance(self.dataset, ArrayDataset):
            return self._fetch_all(mine)
        return tuple(field[:0] for field in self._fetch_all(indices[:1]))  # no samples, in the shapes they have

    def _fetch_all(self, indices: Array) -> Batch:
        if isinstance(self.dataset, ArrayDataset):
            return self.dataset[indices]
        stacked = getattr(self.dataset, "stacked", None)
        if stacked is not None:
            return tuple(stacked(indices))
        samples = [self._indexed[int(i)] for i in indices]
        fields = zip(*samples, strict=True) if isinstance(samples[0], tuple) else [samples]
        try:
            return tuple(np.stack(field) for field in fields)
        except ValueError as error:
            raise ValueError(f"DataLoader: samples {indices.tolist()} do not stack into one batch: {error}") from error


def ahead(function: Callable[[Item], Batch], items: Iterable[Item], count: int) -> Iterator[Batch]:
    """Yield a function's results for the items, in order, with `count` calls made ahead in a thread.

    An error is raised where its result would have been yielded. When the iteration is left, the thread ends.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1, thread_name_prefix="DataLoader") as thread:
        stream = iter(items)
        waiting = deque(thread.submit(function, item) for item in islice(stream, count))
        try:
            while waiting:
                batch = waiting.popleft().result()
                waiting.extend(thread.submit(function, item) for item in islice(stream, 1))
                yield batch
        finally:
            thread.shutdown(cancel_futures=True)


def _as_dataset(source: Source) -> Dataset | Streamed:
    if isinstance(source, np.ndarray):
        return ArrayDataset(source)
    if isinstance(source, Data):
        return ArrayDataset(source.x, source.y)
    if isinstance(source, tuple):
        return ArrayDataset(*source)
    if isinstance(source, Streamed):
        return source
    if not hasattr(source, "__getitem__") and isinstance(source, Iterable):
        return IterableStream(source)
    if not (hasattr(source, "__len__") and hasattr(source, "__getitem__")):
        raise TypeError(
            "DataLoader: expected an ArrayDataset, a Data, a tuple of arrays such as (x, y), a stream, an iterable, or "
            f"an object with __len__ and __getitem__, got {type(source).__name__}"
        )
    return cast(Dataset, source)


def _whole(name: str, value: Any, least: int) -> int:
    if isinstance(value, bool | np.bool_) or not hasattr(value, "__index__"):
        raise TypeError(f"DataLoader: {name} must be an integer, got {value!r}")
    if index(value) < least:
        raise ValueError(f"DataLoader: {name} must be at least {least}, got {value!r}")
    return index(value)


def _flag(name: str, value: Any) -> bool:
    if not isinstance(value, bool | np.bool_):
        raise TypeError(f"DataLoader: {name} must be True or False, got {value!r}")
    return bool(value)


def _fresh_seed() -> int:
    return int(default_generator().integers(2**63))
