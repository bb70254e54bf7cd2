"""`stream`: a data set that is larger than memory, read in blocks from its files."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property
from os import PathLike, fspath
from typing import Any, Self, TypeGuard

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.reading import Reading as CellReading
from chainrule.data.schema import Schema
from chainrule.data.standardizer import Standardizer
from chainrule.data.streams.encode import Encoder, holes_in
from chainrule.data.streams.files import Files, Paths
from chainrule.data.streams.held_out import is_held_out
from chainrule.data.streams.iterable import IterableStream
from chainrule.data.streams.passage import WindowPassage
from chainrule.data.streams.scan import Facts, scan
from chainrule.data.streams.shared import SharedPassage
from chainrule.data.streams.streamed import Batch, Passage, Reading, Streamed
from chainrule.data.streams.together import Parallel, Together
from chainrule.data.streams.windows import windows

MEMORY = 256 << 20
"""Bytes of buffers unless said otherwise."""
_LEAST = 1 << 16
Function = Callable[[NDArray[Any], NDArray[Any]], tuple[NDArray[Any], ...]]


def stream(
    source: Paths | Iterable[Any],
    target: str | int | None = None,
    task: str = "auto",
    *,
    held_out: float = 0.0,
    seed: int = 0,
    missing: str = "error",
    unknown: str = "error",
    without: Sequence[str] = (),
    encoding: str | None = None,
    memory: int = MEMORY,
    buffer: int | None = None,
    parallel: Parallel | None = None,
) -> "Stream | IterableStream":
    r"""Open a data set that need not fit into memory, to be read by a :class:`DataLoader`.

    ``source`` is a file, a pattern such as "part-\*.parquet", or a list of files with the same columns: Parquet, Arrow
    and Feather (with pyarrow), CSV and TSV, .npy [N, n], .npz with ``x`` and ``y`` that are not compressed, HDF5 with
    ``x`` and ``y`` (with h5py), and IDX. It may also be any iterable of samples; then only ``buffer`` applies, see
    :class:`IterableDataset`.

    ``target`` and ``task`` mean what they do in :func:`load`. The files are read once here: that finds the classes and
    categories, the moments of all columns, and what cannot be used. Of the rows, the fraction ``held_out`` is set aside
    as :attr:`Stream.held_out`, by a hash of (``seed``, row number); they count in no statistics.

    ``missing``, ``unknown``, ``without`` and ``encoding`` mean what they do in :func:`load`. The median of a column is
    exact while the values of all columns fit into a quarter of the memory; beyond, :attr:`Stream.inferred` says how
    many places it may be from the middle. Text in UTF-16 is not read in blocks.

    ``memory`` bounds the bytes of all buffers, whatever the size of the files. With ``parallel``, such as
    :class:`chainrule.distributed.DataParallel`, all of its processes call this and each reads its part of the blocks.

    A loader with ``shuffle=True`` reads the parts of the files (row groups; blocks of CSV) in random order, and
    permutes the rows of each window of them, which takes a quarter of the memory. A Parquet row group that is larger
    than a block, 1/16 of the memory, is read from its start to its end.

    Raises :class:`DataError` for no files, damaged files, files with other columns, and what a table would be refused
    for, with its place; ``ImportError``, with the command to run, if a library is missing; ``ValueError`` for settings
    out of range.

    >>> from tempfile import TemporaryDirectory
    >>> from pathlib import Path
    >>> from chainrule.data import DataLoader
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "line.csv")
    ...     _ = path.write_text("a,y\n" + "".join(f"{i},{i / 2}\n" for i in range(100)))
    ...     data = stream(path, target="y", held_out=0.2)
    ...     print(data)
    ...     sum(len(x) for x, y in DataLoader(data, batch_size=32, shuffle=True, seed=0))
    Stream(line.csv: 81 rows, 19 held out, 1 features, regression)
    81
    """
    if isinstance(source, str | PathLike) or _are_paths(source):
        paths: Paths = source
    else:
        if target is not None or held_out:
            raise ValueError("stream: target and held_out are for files; an iterable yields the samples themselves")
        return IterableStream(source, buffer)
    if not 0 <= held_out < 1:
        raise ValueError(f"stream: held_out must be a fraction from 0 to below 1, got {held_out!r}")
    if memory < _LEAST:
        raise ValueError(f"stream: memory must be at least {_LEAST:,} bytes, got {memory!r}")
    reading = CellReading(missing, unknown, tuple(without), encoding=encoding)
    block_bytes, named = memory // 16, None if target is None else str(target)
    for _ in range(3):
        files = Files(paths, named, block_bytes, without=without, encoding=encoding)
        facts = scan(files, target, task, held_out, seed, reading, Together.of(parallel), memory // 4)
        encoder = Encoder(files.name, facts.schema, fill=facts.fill)
        found = Stream(files, facts, encoder, (held_out, seed), memory)
        largest = max(block.rows for block in facts.blocks)
        if largest <= found.capacity:
            return found
        block_bytes = block_bytes * found.capacity // (2 * largest)  # categories make a row wider than its columns
    raise DataError(f"{files.name}: a row becomes {len(facts.schema.features):,} numbers; raise memory={memory:,}")


def _are_paths(source: Any) -> TypeGuard[Sequence[str | PathLike[str]]]:
    return isinstance(source, list | tuple) and bool(source) and all(isinstance(p, str | PathLike) for p in source)


class Stream(Streamed):
    """Rows of files, which are read as a loader asks for them: made by :func:`stream`.

    - ``schema``, ``task``, ``feature_names``, ``class_names``, ``image_shape``, ``inferred``: as of :class:`Data`.
    - ``moments`` of the features, and ``counts`` of the classes, of the rows that are not held out.
    - ``held_out``: the stream of the rows that are, or None.
    - ``digest``: a hash of the content of all rows.
    """

    def __init__(self, files: Files, facts: Facts, encoder: Encoder, split: tuple[float, int], memory: int) -> None:
        self.files, self.facts, self.memory = files, facts, memory
        self.schema: Schema = facts.schema
        self.name, self.task, self.digest = files.name, facts.schema.task, facts.digest
        self.image_shape, self.inferred, self.counts = files.shape, facts.inferred, facts.counts
        self.moments, self.target_moments = facts.moments, facts.target_moments
        self._encoder, self._split, self._is_held = encoder, split, False
        self._function: Function | None = None
        self._buffers: list[list[NDArray[Any]]] = []

    @property
    def source(self) -> str:
        """What to cite."""
        count = len(self.files.paths)
        return f"file {self.name}" if count == 1 else f"{count} files from {self.files.paths[0].name} on"

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The names of the features."""
        return self.schema.feature_names

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the classes; none for a regression."""
        return self.schema.class_names

    @cached_property
    def _counts(self) -> NDArray[np.int64]:
        """How many rows of each block are of this part."""
        return self.facts.held if self._is_held else self.facts.kept

    def __len__(self) -> int:
        return int(self._counts.sum())

    @cached_property
    def held_out(self) -> "Stream | None":
        """The rows that are set aside, encoded in the same way."""
        if self._is_held or not self._split[0]:
            return None
        found = self._copy()
        found._is_held = True
        return found

    def _copy(self) -> Self:
        found = copy(self)
        for name in ("_counts", "held_out"):
            found.__dict__.pop(name, None)
        found._buffers = []
        return found

    def standardizer(self) -> Standardizer:
        """The scaling of the features, by the rows that are not held out; pixels of images are scaled jointly."""
        if self.image_shape is None:
            return self.moments.standardizer()
        whole, count = self.moments.jointly().standardizer(), len(self.feature_names)
        return Standardizer(np.full(count, whole.mean[0]), np.full(count, whole.scale[0]))

    def target_standardizer(self) -> Standardizer | None:
        """The scaling of a regression's target; None for classes."""
        if self.target_moments is None:
            return None
        found = self.target_moments.standardizer()
        return Standardizer(found.mean[0], found.scale[0])

    def standardized(self, dtype: Any = np.float32) -> "Stream":
        """The stream with standardised features, and a regression's target standardised as [N, 1], of ``dtype``."""
        return self.scaled(self.standardizer(), self.target_standardizer(), dtype)

    def scaled(self, scaling: Standardizer, target_scaling: Standardizer | None, dtype: Any = np.float32) -> "Stream":
        """The stream as a network takes it, by scalings that are given."""
        found = self._copy()
        found._encoder = Encoder(self.name, self.schema, dtype, scaling, target_scaling, self.facts.fill)
        return found

    def mapped(self, function: Function) -> "Stream":
        """The stream with ``function(x, y)`` of each block's rows: a tuple of arrays, with one row for each.

        It is called in the loader's thread. It should be a function of the rows alone: blocks are read again in each
        epoch.

        >>> stream([[1.0], [2.0]]).samples()
        2
        """
        found, before = self._copy(), self._function
        found._function = function if before is None else lambda x, y: function(*before(x, y))
        return found

    @property
    def is_checked(self) -> bool:
        """Whether all values are known to be finite and all labels in range."""
        return self._function is None

    # Reading

    @property
    def capacity(self) -> int:
        """How many rows a window has at most."""
        encoder = self._encoder
        row = int(encoder.dtype.itemsize) * len(self.schema.features) + 8
        return max(1, self.memory // (4 * row))

    def samples(self) -> int:
        """How many rows an epoch has."""
        return len(self)

    def passage(self, reading: Reading, note: Any = None) -> Passage:  # noqa: ARG002 - `reading` says it all
        """Begin to read an epoch."""
        rng = np.random.default_rng((reading.seed, reading.epoch)) if reading.shuffle else None
        capacity = min(self.capacity, max(len(self), int(self._counts.max())))
        found = windows(self.facts.blocks, self._counts, capacity, rng)
        if reading.exchange is not None and reading.shard[1] > 1:
            return SharedPassage(self._read, self._counts, found, reading)
        return WindowPassage(self._read, found, capacity, reading, self._buffers, self._function is None)

    def _read(self, k: int) -> Batch:
        """The rows of this part in block k, encoded."""
        block = self.facts.blocks[k]
        encoder = self._encoder
        wanted = encoder.columns | {str(self.schema.target)}
        content = self.files.read(block, wanted, encoder.texts)
        chosen: Any = slice(None)
        if self._counts[k] < block.rows:
            mine = is_held_out(block.start, block.rows, *self._split) == self._is_held
            if self.schema.reading.missing == "drop":
                # What is only in rows that are left out is no fault: it counted nowhere.
                content, chosen = content.taken(np.flatnonzero(mine & ~holes_in(content, wanted))), slice(None)
            else:
                chosen = np.flatnonzero(mine)
        with np.errstate(over="ignore"):
            x, y = encoder.features(content, chosen), encoder.target(content, chosen)
        if self._function is None:
            return x, y
        parts = self._function(x, y)
        if not isinstance(parts, tuple) or any(len(part) != len(x) for part in parts):
            raise ValueError(
                f"Stream.mapped: the function must return a tuple of arrays with {len(x)} rows each, as it was given"
            )
        return tuple(np.asarray(part) for part in parts)

    def blocks(self) -> Iterator[Batch]:
        """Yield the blocks in the files' order, encoded.

        A block has at least one row.
        """
        return (self._read(k) for k in range(len(self.facts.blocks)) if self._counts[k])

    def first(self, count: int) -> Batch:
        """The first rows, at most so many."""
        return self._joined((k for k in range(len(self.facts.blocks)) if self._counts[k]), count)

    def some(self, count: int) -> Batch:
        """At most so many rows, from blocks that are spread over the files; all rows if there are no more."""
        with_rows = np.flatnonzero(self._counts)
        wanted = -(-len(with_rows) * count // max(len(self), 1))
        chosen = with_rows[
            np.unique(np.linspace(0, len(with_rows) - 1, max(1, min(wanted, len(with_rows)))).astype(int))
        ]
        return self._joined(map(int, chosen), count)

    def _joined(self, blocks: Iterable[int], count: int) -> Batch:
        found: list[Batch] = []
        for k in blocks:
            found.append(self._read(k))
            if sum(len(part[0]) for part in found) >= count:
                break
        return tuple(np.concatenate(parts)[:count] for parts in zip(*found, strict=True))

    def __repr__(self) -> str:
        total = int(self.facts.held.sum())
        held = f", {total} held out" if total and not self._is_held else ""
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        features = f"{len(self.feature_names)} features"
        return f"Stream({fspath(self.name)}: {len(self)} rows{held}, {features}, {self.task}{classes})"
