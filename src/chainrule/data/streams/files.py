"""The files behind a stream: one, or several with the same columns, found by a pattern."""

import glob
import re
from collections.abc import Callable, Iterator, Sequence
from os import PathLike, fspath
from pathlib import Path

from chainrule.data import faults
from chainrule.data.checks import DataError
from chainrule.data.csv_file import ragged_fault
from chainrule.data.idx_file import is_idx
from chainrule.data.schema import Schema, check_left_out, shortened
from chainrule.data.streams.arrays import hdf5_source, idx_source, npy_source, npz_source
from chainrule.data.streams.arrow_file import ArrowSource
from chainrule.data.streams.blocks import Block, Content, Source, Stamp
from chainrule.data.streams.csv_blocks import CsvSource
from chainrule.data.streams.parquet import ParquetSource
from chainrule.data.streams.together import ALONE, Together
from chainrule.data.streams.turns import Turns

_TEXT = (".csv", ".tsv", ".txt", ".data")
STREAMED = re.compile(r"\.(parquet|pq|arrow|feather|ipc|csv|tsv|txt|data|npy|npz|h5|hdf5)$|idx\d?(-ubyte)?(\.gz)?$")
"""The names of files that can be read in blocks."""
FORMS = "Parquet, Arrow, CSV, TSV, NPY, NPZ, HDF5 or IDX"

Paths = str | PathLike[str] | Sequence[str | PathLike[str]]


def is_pattern(given: str | PathLike[str]) -> bool:
    """Whether a name is a pattern such as "part-*.parquet", and not that of a file."""
    return glob.has_magic(fspath(given)) and not Path(given).exists()


def matches_of(pattern: str | PathLike[str]) -> list[Path]:
    """What matches a pattern, in order."""
    # Path.glob takes no absolute pattern.
    return sorted(Path(match) for match in glob.glob(fspath(pattern), recursive=True))  # noqa: PTH207


def paths_of(given: Paths) -> list[Path]:
    """The files that are meant: a path, the matches of a pattern such as "part-*.parquet" in order, or a list of those.

    Raises :class:`DataError` if there are none, and for a folder.
    """
    found: list[Path] = []
    for one in [given] if isinstance(given, str | PathLike) else given:
        if not is_pattern(one):
            found.append(Path(one))
            continue
        matches = matches_of(one)
        if not matches:
            raise DataError(f"{one}: no file matches this pattern; expected at least one {FORMS} file")
        found += [match for match in matches if match.is_file()]
    if not found:
        raise DataError(f"stream: expected at least one {FORMS} file, got none")
    for path in found:
        if not path.is_file():
            what = "a folder, not a file; name its files by a pattern such as" if path.is_dir() else "no such file; try"
            raise DataError(f"{path}: {what} {path / '*.parquet' if path.is_dir() else 'another path'}")
        if path.stat().st_size == 0:
            raise DataError(f"{path.name}: the file is empty")
    return found


def opened(
    path: Path,
    target: str | None,
    block_bytes: int,
    schema: Schema | None,
    needs_target: bool,
    encoding: str | None,
) -> Source:
    """The source of one file, by its name; with a schema, of one that a network is to predict for."""
    ending = path.suffix.lower()
    if is_idx(path):
        return idx_source(path, block_bytes)
    if ending in (".parquet", ".pq"):
        return ParquetSource(path, block_bytes)
    if ending in (".arrow", ".feather", ".ipc"):
        return ArrowSource(path, block_bytes)
    if ending in _TEXT:
        return CsvSource(path, block_bytes, schema, encoding)
    if ending == ".npy":
        return npy_source(path, block_bytes)
    if ending == ".npz":
        return npz_source(path, target, block_bytes, needs_target)
    if ending in (".h5", ".hdf5"):
        return hdf5_source(path, target, block_bytes, needs_target)
    raise DataError(f"{path.name}: what the file holds cannot be told from its name; expected {FORMS}")


class Files:
    """Files with the same columns, read as one: the rows of the first, then those of the second, and so on.

    Raises :class:`DataError` if another file lacks a column of the first or has one more, and while reading, if a
    file is not what it was when the stream was opened.
    """

    def __init__(
        self,
        given: Paths,
        target: str | None,
        block_bytes: int,
        schema: Schema | None = None,
        needs_target: bool = True,
        without: Sequence[str] = (),
        encoding: str | None = None,
    ) -> None:
        self.paths = paths_of(given)
        self.stamps = [Stamp.of(path) for path in self.paths]
        self.sources = [opened(path, target, block_bytes, schema, needs_target, encoding) for path in self.paths]
        first = self.sources[0]
        self.default_target, self.shape = first.default_target, first.shape
        for source in self.sources[1:]:
            _check_same(first, source)
        check_left_out(self.paths[0].name, first.names, without)
        self.all_names = first.names
        """The columns, with those that are left out."""
        self.names = tuple(name for name in first.names if name not in set(without))
        self.name = (
            self.paths[0].name if len(self.paths) == 1 else f"{self.paths[0].name} and {len(self.paths) - 1} more"
        )

    @property
    def are_guessed(self) -> bool:
        """Whether the types of columns are what their cells look like."""
        return isinstance(self.sources[0], CsvSource)

    @property
    def nbytes(self) -> int:
        """The size of all files."""
        return sum(stamp.size for stamp in self.stamps)

    def scanned(self, texts: frozenset[str]) -> Iterator[tuple[Block, Content]]:
        """Yield all blocks with their contents; rows and groups count on from file to file."""
        turns = self.in_turns(texts)
        for found in turns:
            if found is not None:
                block, content = found
                if content.ragged:
                    rows = [(before, f"line {line}", cells) for before, line, cells in content.ragged]
                    faults.check(self.name, [ragged_fault(rows, len(self.all_names))])
                if block.rows:
                    yield block, content
        self.check_filled(turns.rows)

    def in_turns(self, texts: frozenset[str], together: Together = ALONE) -> Turns:
        """One pass over all blocks, in which each process reads its own (:class:`Turns`)."""
        names = frozenset(self.names)

        def read(number: int, is_mine: Callable[[], bool]) -> Iterator[tuple[Block, Content | None]]:
            for block, content in self.sources[number].scanned(texts, names, is_mine):
                yield block, None if content is None else self._named(number, content)
            self.stamps[number].check(self.paths[number])

        return Turns(len(self.sources), read, together)

    def check_filled(self, rows_of: Sequence[int]) -> None:
        """Refuse a text file in which a pass has found no rows."""
        for source, rows in zip(self.sources, rows_of, strict=True):
            if isinstance(source, CsvSource) and not rows:
                raise DataError(f"{source.path.name}: has a header but no rows of data")

    def place(self, block: Block, row: int) -> str:
        """Where a row of a block is."""
        number, inner = block.at
        where = self.sources[number].place(inner, row)
        return where if len(self.paths) == 1 else f"{where} of {self.paths[number].name}"

    def read(self, block: Block, columns: frozenset[str], texts: frozenset[str]) -> Content:
        """Read some columns of a block."""
        number, inner = block.at
        self.stamps[number].check(self.paths[number])
        return self._named(number, self.sources[number].read(inner, columns, texts))

    def _named(self, number: int, content: Content) -> Content:
        if len(self.paths) == 1:
            return content
        return content._replace(place=lambda row: f"{content.place(row)} of {self.paths[number].name}")


def _check_same(first: Source, other: Source) -> None:
    missing = [name for name in first.names if name not in set(other.names)]
    more = [name for name in other.names if name not in set(first.names)]
    if missing or more:
        said = [f"has no column {shortened(missing)}"] if missing else []
        said += [f"has {shortened(more)} besides"] if more else []
        raise DataError(
            f"{other.path.name}: {' and '.join(said)}, unlike {first.path.name}; the files of a stream need the same "
            "columns"
        )
