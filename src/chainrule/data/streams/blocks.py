"""What a file that is read in blocks gives: blocks, their content, and the interface of a source."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError


class Words(NamedTuple):
    """A column of text: row i has ``words[codes[i]]``. The words are distinct, and each occurs; None is a hole."""

    codes: NDArray[Any]
    words: tuple[str | None, ...]


def first_row(column: Words, code: int) -> int:
    """The first row that has a word."""
    return int(np.flatnonzero(column.codes == code)[0])


def distinct_words(codes: np.ndarray[Any, Any], words: list[str | None]) -> Words:
    """Number words, with None for a hole, by the first of their kind; those that no row has are left out.

    >>> distinct_words(np.array([0, 3, 2]), ["a", "never", "a", "b"])
    Words(codes=array([0, 1, 0]), words=('a', 'b'))
    """
    known: dict[str | None, int] = {}
    numbers = np.zeros(len(words), np.int64)
    for code in np.flatnonzero(np.bincount(codes, minlength=len(words))).tolist():
        numbers[code] = known.setdefault(words[code], len(known))
    return Words(numbers[codes] if len(numbers) else codes, tuple(known))


Column: TypeAlias = NDArray[Any] | Words


@dataclass(frozen=True)
class Block:
    """Consecutive rows of a source: ``rows`` of them from row ``start`` on.

    ``group`` numbers the parts of a source that can be read in any order; blocks of one group are read fastest one
    after the other. ``at`` is the source's own note of where the block is.
    """

    start: int
    rows: int
    group: int
    at: Any


class Content(NamedTuple):
    """The columns of a block, by name, and where in the file a row of the block is.

    ``matrix`` holds the columns ``matrix_names`` side by side, [N, n], if the file does. ``ragged`` are the rows of
    another length, which are in no column: how many rows are before each, its line and its number of cells.
    """

    columns: Mapping[str, Column]
    place: Callable[[int], str]
    matrix: NDArray[Any] | None = None
    matrix_names: tuple[str, ...] = ()
    ragged: tuple[tuple[int, int, int], ...] = ()

    def taken(self, rows: NDArray[np.int64]) -> "Content":
        """Some rows of the block, as if it had no others: with the words that these have."""

        def of(column: Column) -> Column:
            if isinstance(column, Words):
                return distinct_words(column.codes[rows], list(column.words))
            return column[rows]

        columns = {name: of(column) for name, column in self.columns.items()}
        matrix = None if self.matrix is None else self.matrix[rows]
        return Content(columns, lambda k: self.place(int(rows[k])), matrix, self.matrix_names)


class Source(Protocol):
    """A file that is read in blocks."""

    path: Path
    names: tuple[str, ...]
    """The columns, in the file's order."""
    default_target: str
    """The column that is the target unless another is named."""
    shape: tuple[int, ...] | None
    """The shape of a sample, if it is an image."""

    def scanned(
        self, texts: frozenset[str], columns: frozenset[str], is_mine: Callable[[], bool]
    ) -> Iterator[tuple[Block, Content | None]]:
        """Yield all blocks in order, with some columns; ``texts`` are those to read as text.

        Of each block, ``is_mine`` is asked once whether to read it: another one comes without a content, and where only
        reading tells how many rows it has, with none. Blocks without rows come, too.
        """

    def read(self, block: Block, columns: frozenset[str], texts: frozenset[str]) -> Content:
        """Read some columns of a block."""

    def place(self, block: Block, row: int) -> str:
        """Where in the file a row of a block is."""


@dataclass(frozen=True)
class Stamp:
    """What a file's size and time of change were, to notice that it is another one now."""

    size: int
    changed: int

    @classmethod
    def of(cls, path: Path) -> "Stamp":
        """The stamp of a file as it is now."""
        try:
            found = path.stat()
        except OSError as error:
            raise DataError(f"{path}: the file cannot be read any more: {error.strerror}; restore it") from error
        return cls(found.st_size, found.st_mtime_ns)

    def check(self, path: Path) -> None:
        """Raise :class:`DataError` if the file is another one now."""
        now = Stamp.of(path)
        if now != self:
            raise DataError(
                f"{path.name}: the file was changed while it was read ({self.size:,} bytes before, {now.size:,} now); "
                "leave it alone during a training, and start again"
            )


def row_count(columns: Mapping[str, Column]) -> int:
    """The number of rows of a block's columns."""
    first = next(iter(columns.values()))
    return len(first.codes if isinstance(first, Words) else first)


def rows_per_block(block_bytes: int, columns: int) -> int:
    """How many rows of so many columns of float64 make a block of so many bytes, at least one.

    >>> rows_per_block(1 << 20, 16)
    8192
    """
    return max(1, block_bytes // (8 * max(columns, 1)))


def spans(rows: int, most: int) -> Iterator[tuple[int, int]]:
    """Divide so many rows into spans of at most ``most``, as start and length.

    >>> [*spans(5, 2)]
    [(0, 2), (2, 2), (4, 1)]
    """
    return ((start, min(most, rows - start)) for start in range(0, rows, most))


def as_numbers(values: NDArray[Any]) -> NDArray[Any]:
    """Real numbers as they are, booleans as 0 and 1; other dtypes are refused where the column is named."""
    return values.astype(np.uint8) if values.dtype.kind == "b" else values
