"""Any Python iterable as a data set: samples come in its own order, and as many as it gives."""

from collections.abc import Generator, Iterable, Iterator, Sized
from contextlib import suppress
from itertools import islice
from typing import Any

import numpy as np

from chainrule.data.shares import share
from chainrule.data.streams.streamed import Batch, Passage, Reading, Streamed


class IterableDataset:
    """The base of a data set that is iterated over: define ``__iter__``, which yields an epoch's samples one by one.

    A sample is an array or a number, or a tuple of them. Optional:

    - ``__len__``, if the number of samples is known.
    - ``state_dict`` and ``load_state_dict``, for values that JSON can hold: an iteration that begins after
      ``load_state_dict`` goes on behind the samples that had been yielded at ``state_dict``. A loader then resumes
      without reading the epoch from its beginning.

    ``buffer`` is how many samples are shuffled together with ``shuffle=True``: each such run of samples is permuted.

    >>> from chainrule.data import DataLoader
    >>> class Squares(IterableDataset):
    ...     def __iter__(self):
    ...         return ((float(i), float(i * i)) for i in range(5))
    >>> [y.tolist() for x, y in DataLoader(Squares(), batch_size=2)]
    [[0.0, 1.0], [4.0, 9.0], [16.0]]
    """

    buffer: int = 10_000

    def __iter__(self) -> Iterator[Any]:
        raise TypeError(f"{type(self).__name__}: an IterableDataset needs a method __iter__ that yields its samples")


class IterableStream(Streamed):
    """An iterable as a :class:`DataLoader` reads it; each epoch iterates over it anew."""

    def __init__(self, source: Iterable[Any], buffer: int | None = None) -> None:
        self.source = source
        self.buffer = getattr(source, "buffer", IterableDataset.buffer) if buffer is None else buffer
        if self.buffer < 1:
            raise ValueError(f"stream: buffer must be at least 1 sample, got {self.buffer}")
        if isinstance(source, Iterator):
            raise TypeError(
                f"stream: a {type(source).__name__} can be read only once; pass what it is made from, such as a list "
                "or an IterableDataset whose __iter__ makes it anew"
            )

    def samples(self) -> int | None:
        """How many samples there are, if the source says so."""
        with suppress(TypeError):  # as PyTorch's data sets of unknown length raise
            return len(self.source) if isinstance(self.source, Sized) else None
        return None

    def passage(self, reading: Reading, note: Any = None) -> "IterablePassage":
        """Begin to read an epoch."""
        return IterablePassage(self, reading, note)


class IterablePassage(Passage):
    """An epoch of an iterable, in runs of ``buffer`` samples that are permuted if the loader shuffles."""

    def __init__(self, stream: IterableStream, reading: Reading, note: Any) -> None:
        self._reading, self._buffer = reading, stream.buffer
        self._resumable = _resumable(stream.source)
        self._run = 0
        """The number of the next run of samples."""
        self._note: dict[str, Any] | None = None
        skipped = reading.first * reading.batch_size
        if note is not None and self._resumable is not None:
            self._resumable.load_state_dict(note["state"])
            self._run, skipped = note["run"], note["skipped"]
        self._samples = self._ordered(iter(stream.source), skipped)
        self._next = self._gathered()

    def _ordered(self, samples: Iterator[Any], skipped: int) -> Generator[tuple[Any, Any], None, None]:
        """Yield samples in the loader's order, each with the note that leads back to it."""
        size = self._buffer if self._reading.shuffle else 1
        source = self._resumable
        if not self._reading.shuffle and source is None:
            for sample in islice(samples, skipped, None):
                yield sample, None
            return
        while True:
            state = None if source is None else source.state_dict()
            run = [*islice(samples, size)]
            if not run:
                return
            order = np.arange(len(run))
            if self._reading.shuffle:
                order = np.random.default_rng((self._reading.seed, self._reading.epoch, self._run)).permutation(
                    len(run)
                )
            for place, k in enumerate(order):
                if skipped:
                    skipped -= 1
                else:
                    yield run[k], None if source is None else {"state": state, "run": self._run, "skipped": place}
            self._run += 1

    def _gathered(self) -> list[Any]:
        found = [*islice(self._samples, self._reading.batch_size)]
        if self._reading.drop_last and len(found) < self._reading.batch_size:
            found = []
        if found:
            self._note = found[0][1]
        return found

    @property
    def has_more(self) -> bool:
        """Whether another batch follows."""
        return bool(self._next)

    def fetch(self) -> Batch | None:
        """Return this rank's share of the next batch, or None at the end."""
        if not self._next:
            return None
        samples = [sample for sample, _ in self._next]
        self._next = self._gathered()
        mine = samples[share(len(samples), *self._reading.shard)]
        batch = _stacked(mine or samples[:1])
        return batch if mine else tuple(part[:0] for part in batch)

    def close(self) -> None:
        """Close the iterator, if it is a generator."""
        self._samples.close()

    def note(self) -> Any:
        """The source's state before the run of samples that the next batch begins in, and how many of it are used."""
        return self._note if self._next else None


def _resumable(source: Any) -> Any:
    """The iterable, if it can say where it is and go on from there; else None."""
    return source if hasattr(source, "state_dict") and hasattr(source, "load_state_dict") else None


def _stacked(samples: list[Any]) -> Batch:
    fields = [*zip(*samples, strict=True)] if isinstance(samples[0], tuple | list) else [samples]
    try:
        return tuple(np.stack([np.asarray(value) for value in field]) for field in fields)
    except ValueError as error:
        raise ValueError(f"DataLoader: samples of the iterable do not stack into one batch: {error}") from error
