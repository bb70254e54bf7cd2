"""Tables in text files: comma-, semicolon- or tab-separated values (RFC 4180)."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data import encodings, faults
from chainrule.data.checks import DataError
from chainrule.data.dataset import Data
from chainrule.data.faults import Fault
from chainrule.data.reading import PLAIN, Reading
from chainrule.data.schema import Schema
from chainrule.data.table import Table
from chainrule.data.target import Column

Row: TypeAlias = tuple[int, list[str]]  # the line it starts on, and its cells

DELIMITERS = ",;\t"
MISSING = frozenset({"", "?", "na", "n/a", "nan", "null"})  # in lower case
_SAMPLE = 50  # rows used to detect the delimiter
_PIECE = 2000  # rows held as text at one time
RAGGED = "every row needs the same number, and text that contains the delimiter needs quotes"
DECIMAL_COMMA = re.compile(r"[+-]?(?:\d+,\d+|\d{1,3}(?:,\d{3})+(?:\.\d+)?)")
"""A number with a comma: before its decimals, or between its thousands."""
COMMAS = "write 1.5, not 1,5 (of thousands, 1500, not 1,500)"
"""What to do with such numbers."""


def read_csv(
    path: str | Path, target: str | int | None = None, task: str = "auto", reading: Reading | None = None
) -> Data:
    r"""Read a table of N rows from a text file; :meth:`Table.to_data` says how it is encoded.

    UTF-8, UTF-16 and Korean CP949 are recognised; ``reading`` may name another encoding. The delimiter is whichever of
    comma, semicolon and tab divides the rows most evenly. The first row is a header if none of its cells is a number
    and at least one is the top of a column of numbers; if every column is text, it is a header if none of its cells
    occurs again below. Without a header the columns are called x0, x1, …. Blank lines and spaces around cells are
    ignored. ``target`` is a column's name or index (default: last). Cells that are empty, ?, NA, N/A, NaN or null are
    holes, and ``reading`` says what becomes of them.

    Raises :class:`DataError` that lists the lines and columns of holes that are not to be filled, of text in a column
    of numbers, of numbers that are not finite and of rows of the wrong length; and for unreadable text.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "xor.csv")
    ...     _ = path.write_text("a,b,xor\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    ...     read_csv(path, target="xor")
    Data(xor.csv: 4 samples, 2 features, classification, 2 classes)
    """
    reading = reading or PLAIN
    return csv_table(path, encoding=reading.encoding).to_data(target, task, reading)


@dataclass(frozen=True)
class _Source:
    """A file and how its bytes become cells."""

    path: Path
    encoding: str
    delimiter: str = ","


def csv_table(
    path: str | Path, schema: Schema | None = None, with_target: bool = True, encoding: str | None = None
) -> Table:
    """Read the columns of such a file, as described at :func:`read_csv`.

    With a ``schema``, these are the columns that a network was trained on, with or without its target; a column that
    was text then is read as text, whatever it looks like, and other columns are ignored. Raises :class:`DataError` if
    the file's columns do not match (:meth:`Schema.check_columns`).

    The file is read in pieces, and of a column of numbers only the numbers are kept: a table of 10⁶ × 100 takes 0.8 GB
    (and three times that while the features are put together into a data set). Columns of text take a second pass.
    """
    path = Path(path)
    source = _Source(path, encodings.encoding_of(path, encoding))
    source = _Source(path, source.encoding, delimiter_of(path, source.encoding))
    read = _numbers(source)
    width, numbers, lines = len(read.first[1]), read.columns, read.lines
    if width == 1 and schema is None:
        raise DataError(f"{path.name}: one column only; expected columns divided by comma, semicolon or tab")
    texts = _texts(source, width, [i for i, column in enumerate(numbers) if column is None])
    has_header = _is_header(read.first[1], numbers, texts, len(lines))
    has_header |= schema is not None and schema.is_header(read.first[1])
    if not has_header:
        lines = np.concatenate([[read.first[0]], lines])
        numbers = [_with_first(column, cell) for column, cell in zip(numbers, read.first[1], strict=True)]
        texts = _texts(source, width, [i for i, column in enumerate(numbers) if column is None], texts)
    names = checked_names(path.name, read.first) if has_header else tuple(f"x{i}" for i in range(width))
    if len(lines) == 0 and not read.ragged:
        raise DataError(f"{path.name}: has a header but no rows of data")

    def place(row: int) -> str:
        return f"line {lines[row]}"

    chosen = [*range(width)]
    if schema is not None:
        schema.check_columns(path.name, names, with_target)
        chosen = [i for i in chosen if names[i] in schema.columns or (with_target and names[i] == schema.target)]
        numbers = [None if schema.is_text(name) else column for name, column in zip(names, numbers, strict=True)]
        texts = _texts(source, width, [i for i in chosen if numbers[i] is None], texts)
    found = [read.ragged_fault(shift=not has_header)]
    columns: list[Column] = []
    for i in chosen:
        known = numbers[i]
        if known is None:
            is_text = schema is not None and schema.is_text(names[i])
            column, odd = _text_column(names[i], texts[i][has_header:], place, is_text)
        else:
            column, odd = known, faults.infinite(names[i], known, place)
        columns.append(column)
        found.append(odd)
    said = encodings.said(source.encoding)
    notes = () if said is None else (said,)
    return Table(path.name, tuple(names[i] for i in chosen), tuple(columns), place, tuple(found), notes)


@dataclass
class _Read:
    """The first row, the line numbers of the rows below it, and their columns of numbers, with None for text.

    ``ragged`` has the rows of another length, which are in no column: how many rows are before each, its line and its
    number of cells.
    """

    first: Row
    lines: NDArray[np.int64]
    columns: list[NDArray[np.float64] | None]
    ragged: list[tuple[int, int, int]] = field(default_factory=list)

    def ragged_fault(self, shift: bool) -> Fault:
        """The rows of another length, as faults; ``shift`` if the first row is no header."""
        rows = [(before + shift, f"line {line}", cells) for before, line, cells in self.ragged]
        return ragged_fault(rows, len(self.first[1]))


def ragged_fault(rows: Sequence[tuple[int, str, int]], width: int, more: int = 0) -> Fault:
    """Rows of another length: how many rows are before each, its line, its number of cells; and so many more."""
    return faults.in_rows(
        np.array([before for before, _, _ in rows], np.int64),
        [line for _, line, _ in rows],
        [f"has {cells} cells, the first row has {width}" for _, _, cells in rows],
        RAGGED,
        "rows of another length",
        more,
    )


def _numbers(source: _Source) -> _Read:
    rows = _rows(source)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{source.path.name}: the file is empty")
    lines: list[NDArray[np.int64]] = []
    pieces: list[list[NDArray[np.float64]] | None] = [[] for _ in first[1]]
    ragged: list[tuple[int, int, int]] = []
    count = 0
    while piece := list(islice(rows, _PIECE)):
        good = [row for row in piece if len(row[1]) == len(first[1])]
        if len(good) < len(piece):
            ragged += ragged_rows(piece, len(first[1]), count)
            if not good:
                continue
        count += len(good)
        lines.append(np.array([line for line, _ in good], np.int64))
        for i, cells in enumerate(zip(*(cells for _, cells in good), strict=True)):
            known = pieces[i]
            values = None if known is None else floats(cells)
            if known is None or values is None:
                pieces[i] = None
            else:
                known.append(values)
    columns: list[NDArray[np.float64] | None] = []
    for i, known in enumerate(pieces):
        columns.append(None if known is None else np.concatenate([np.empty(0), *known]))
        pieces[i] = None  # only one column at a time exists twice
    return _Read(first, np.concatenate([np.empty(0, np.int64), *lines]), columns, ragged)


def ragged_rows(piece: Iterable[Row], width: int, count: int = 0) -> Iterator[tuple[int, int, int]]:
    """The rows of another length: how many good rows come before each, its line and its number of cells."""
    for line, cells in piece:
        if len(cells) == width:
            count += 1
        else:
            yield count, line, len(cells)


def _texts(
    source: _Source, width: int, wanted: Sequence[int], known: Mapping[int, list[str]] | None = None
) -> dict[int, list[str]]:
    """The cells of some columns, including the first row's; equal cells share one string in memory.

    Rows of another ``width`` are passed over.
    """
    texts = dict(known or {})
    new = [i for i in wanted if i not in texts]
    if new:
        texts |= {i: [] for i in new}
        for _, cells in _rows(source):
            if len(cells) == width:
                for i in new:
                    texts[i].append(sys.intern(cells[i]))
    return texts


def _rows(source: _Source) -> Iterator[Row]:
    name = source.path.name
    with source.path.open(encoding=source.encoding, newline="") as file:
        reader = csv.reader(_checked(file, name), delimiter=source.delimiter, skipinitialspace=True, strict=True)
        line = 1
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if cells not in ([], [""]):
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{name}: line {line} is not valid CSV ({error}); check its quotes") from error
        except UnicodeDecodeError as error:  # of a file whose encoding was not asked for
            raise encodings.not_utf8(source.path) from error


def _checked(lines: Iterable[str], file: str) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise DataError(f"{file}: contains zero bytes, so it is not a text file; save it as CSV in UTF-8")
        yield line


def delimiter_of(path: Path, encoding: str = "utf-8-sig") -> str:
    """The delimiter that divides the first rows most evenly."""

    def fit(delimiter: str) -> tuple[float, float, int]:
        """How evenly a delimiter divides the first rows, the resulting fraction of numbers, and the number of
        columns.
        """
        try:
            rows = _rows(_Source(path, encoding, delimiter))
            sample = [cells for _, cells in islice(rows, _SAMPLE)]
        except DataError:
            sample = []
        if not sample:
            return 0, 0, 0
        width, even = Counter(map(len, sample)).most_common(1)[0]
        cells = [cell for row in sample for cell in row]
        numbers = sum(is_number(c) or bool(DECIMAL_COMMA.fullmatch(c)) for c in cells)
        return (even / len(sample), numbers / len(cells), width) if width > 1 else (0, 0, 0)

    return max(DELIMITERS, key=fit)


def _is_header(
    first: Sequence[str], numbers: Sequence[Any], texts: Mapping[int, Sequence[str]], rows_below: int
) -> bool:
    if any(map(is_number, first)):
        return False
    if rows_below == 0 or any(column is not None and not np.isnan(column).all() for column in numbers):
        return True
    return not any(cell in texts[i][1:] for i, cell in enumerate(first) if i in texts)


def checked_names(file: str, header: Row) -> tuple[str, ...]:
    """The names in a header; :class:`DataError` for one that is empty."""
    line, names = header
    if "" in names:
        raise DataError(
            f"{file}: column {names.index('') + 1} has no name in the header on line {line}; "
            "name it, or delete it if it only numbers the rows"
        )
    return tuple(names)


def floats(cells: Sequence[str]) -> NDArray[np.float64] | None:
    """The cells as numbers, with NaN for holes, or None if one is text."""
    try:
        values = np.array(list(map(float, cells)))
    except ValueError:
        try:
            values = np.array([np.nan if cell.lower() in MISSING else float(cell) for cell in cells])
        except ValueError:
            return None
    # Python would read 1_000 as a number.
    return None if "_" in "".join(cells) else values


def _with_first(column: NDArray[np.float64] | None, cell: str) -> NDArray[np.float64] | None:
    """A column including the first row's cell, if that row is not a header."""
    first = floats([cell])
    return None if column is None or first is None else np.concatenate([first, column])


def _text_column(name: str, cells: Sequence[str], place: Callable[[int], str], is_text: bool) -> tuple[Column, Fault]:
    """The text of a column that does not contain numbers only, and what is wrong with it.

    It is never a mixture, unless it is known to be text.
    """
    column = [None if cell.lower() in MISSING else cell for cell in cells]
    filled = [row for row, cell in enumerate(column) if cell is not None]
    words = [] if is_text else [row for row in filled if not is_number(cells[row])]
    commas = all(DECIMAL_COMMA.fullmatch(cells[row]) for row in words)
    odd = np.array(words if commas or len(words) < len(filled) / 2 else [], np.int64)
    return column, faults.in_cells(
        name,
        odd,
        place,
        lambda row: f"column {name!r} contains numbers, but also {cells[row]!r}",
        COMMAS if commas else "correct it, or make every cell text",
        f"in {name!r}",
    )


def is_number(cell: str) -> bool:
    """Whether a cell is a number, infinite ones included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
