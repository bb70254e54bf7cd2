"""Tables in text files: comma-, semicolon- or tab-separated values (RFC 4180)."""

import csv
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.dataset import Data
from chainrule.data.schema import Schema
from chainrule.data.table import Table, missing_value
from chainrule.data.target import Column

Row: TypeAlias = tuple[int, list[str]]  # the line it starts on, and its cells

DELIMITERS = ",;\t"
MISSING = frozenset({"", "?", "na", "n/a", "null"})  # in lower case
_SAMPLE = 50  # rows used to detect the delimiter
_PIECE = 2000  # rows held as text at one time
DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_csv(path: str | Path, target: str | int | None = None, task: str = "auto") -> Data:
    r"""Read a table of N rows from a UTF-8 text file; :meth:`Table.to_data` says how it is encoded.

    The delimiter is whichever of comma, semicolon and tab divides the rows most evenly. The first row is a header if
    none of its cells is a number and at least one is the top of a column of numbers; if every column is text, it is a
    header if none of its cells occurs again below. Without a header the columns are called x0, x1, …. Blank lines and
    spaces around cells are ignored. ``target`` is a column's name or index (default: last).

    Raises :class:`DataError` that names the column and the line for a missing value (empty, ?, NA, N/A, null), text in
    a column of numbers, and a number that is not finite; and that names the line for a row of the wrong length and for
    unreadable text.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "xor.csv")
    ...     _ = path.write_text("a,b,xor\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    ...     read_csv(path, target="xor")
    Data(xor.csv: 4 samples, 2 features, classification, 2 classes)
    """
    return csv_table(path).to_data(target, task)


def csv_table(path: str | Path, schema: Schema | None = None, with_target: bool = True) -> Table:
    """Read the columns of such a file, as described at :func:`read_csv`.

    With a ``schema``, these are the columns that a network was trained on, with or without its target; a column that
    was text then is read as text, whatever it looks like, and other columns are ignored. Raises :class:`DataError` if
    the file's columns do not match (:meth:`Schema.check_columns`).

    The file is read in pieces, and of a column of numbers only the numbers are kept: a table of 10⁶ × 100 takes 0.8 GB
    (and three times that while the features are put together into a data set). Columns of text take a second pass.
    """
    path = Path(path)
    delimiter = delimiter_of(path)
    first, lines, numbers = _numbers(path, delimiter)
    if len(first[1]) == 1 and schema is None:
        raise DataError(f"{path.name}: one column only; expected columns divided by comma, semicolon or tab")
    texts = _texts(path, delimiter, [i for i, column in enumerate(numbers) if column is None])
    has_header = _is_header(first[1], numbers, texts, len(lines)) or (schema is not None and schema.is_header(first[1]))
    if not has_header:
        lines = np.concatenate([[first[0]], lines])
        numbers = [_with_first(column, cell) for column, cell in zip(numbers, first[1], strict=True)]
        texts = _texts(path, delimiter, [i for i, column in enumerate(numbers) if column is None], texts)
    names = checked_names(path.name, first) if has_header else tuple(f"x{i}" for i in range(len(first[1])))
    if len(lines) == 0:
        raise DataError(f"{path.name}: has a header but no rows of data")

    def place(row: int) -> str:
        return f"line {lines[row]}"

    chosen = [*range(len(names))]
    if schema is not None:
        schema.check_columns(path.name, names, with_target)
        chosen = [i for i in chosen if names[i] in schema.columns or (with_target and names[i] == schema.target)]
        numbers = [None if schema.is_text(name) else column for name, column in zip(names, numbers, strict=True)]
        texts = _texts(path, delimiter, [i for i in chosen if numbers[i] is None], texts)

    def column_at(i: int) -> Column:
        known = numbers[i]
        is_text = schema is not None and schema.is_text(names[i])
        return _text_column(path.name, names[i], texts[i][has_header:], place, is_text) if known is None else known

    return Table(path.name, tuple(names[i] for i in chosen), tuple(map(column_at, chosen)), place)


def _numbers(path: Path, delimiter: str) -> tuple[Row, NDArray[np.int64], list[NDArray[np.float64] | None]]:
    """The first row, the line numbers of the rows below it, and their columns of numbers, with None for text."""
    rows = _rows(path, delimiter)
    first = next(rows, None)
    if first is None:
        raise DataError(f"{path.name}: the file is empty")
    lines: list[NDArray[np.int64]] = []
    pieces: list[list[NDArray[np.float64]] | None] = [[] for _ in first[1]]
    while piece := list(islice(rows, _PIECE)):
        check_widths(path.name, len(first[1]), piece)
        lines.append(np.array([line for line, _ in piece], np.int64))
        for i, cells in enumerate(zip(*(cells for _, cells in piece), strict=True)):
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
    return first, np.concatenate([np.empty(0, np.int64), *lines]), columns


def _texts(
    path: Path, delimiter: str, wanted: Sequence[int], known: Mapping[int, list[str]] | None = None
) -> dict[int, list[str]]:
    """The cells of some columns, including the first row's; equal cells share one string in memory."""
    texts = dict(known or {})
    new = [i for i in wanted if i not in texts]
    if new:
        texts |= {i: [] for i in new}
        for _, cells in _rows(path, delimiter):
            for i in new:
                texts[i].append(sys.intern(cells[i]))
    return texts


def _rows(path: Path, delimiter: str) -> Iterator[Row]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(_checked(file, path.name), delimiter=delimiter, skipinitialspace=True, strict=True)
        line = 1
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if cells not in ([], [""]):
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as error:
            raise DataError(f"{path.name}: line {line} is not valid CSV ({error}); check its quotes") from error
        except UnicodeDecodeError as error:
            raise not_utf8(path) from error


def _checked(lines: Iterable[str], file: str) -> Iterator[str]:
    for line in lines:
        if "\0" in line:
            raise DataError(f"{file}: contains zero bytes, so it is not a text file; save it as CSV in UTF-8")
        yield line


def not_utf8(path: Path) -> DataError:
    """The error for the first byte that is not UTF-8, where a line break is never part of another character."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return DataError(
                    f"{path.name}: byte {line[error.start]:#04x} in line {number} is not UTF-8; save the file as UTF-8"
                )
    return DataError(f"{path.name}: is not UTF-8; save the file as UTF-8")


def delimiter_of(path: Path) -> str:
    """The delimiter that divides the first rows most evenly."""

    def fit(delimiter: str) -> tuple[float, float, int]:
        """How evenly a delimiter divides the first rows, the resulting fraction of numbers, and the number of
        columns.
        """
        try:
            sample = [cells for _, cells in islice(_rows(path, delimiter), _SAMPLE)]
        except DataError:
            sample = []
        if not sample:
            return 0, 0, 0
        width, even = Counter(map(len, sample)).most_common(1)[0]
        cells = [cell for row in sample for cell in row]
        numbers = sum(is_number(c) or bool(DECIMAL_COMMA.fullmatch(c)) for c in cells)
        return (even / len(sample), numbers / len(cells), width) if width > 1 else (0, 0, 0)

    return max(DELIMITERS, key=fit)


def check_widths(file: str, width: int, rows: Iterable[Row]) -> None:
    """Raise :class:`DataError` for a row that does not have so many cells."""
    for line, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"{file}: line {line} has {len(cells)} cells, the first row has {width}; "
                "every row needs the same number, and text that contains the delimiter needs quotes"
            )


def _is_header(
    first: Sequence[str], numbers: Sequence[Any], texts: Mapping[int, Sequence[str]], rows_below: int
) -> bool:
    if any(map(is_number, first)):
        return False
    if rows_below == 0 or any(column is not None for column in numbers):
        return True
    return not any(cell in texts[i][1:] for i, cell in enumerate(first))


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
    """The cells as numbers, or None if one is not a number."""
    try:
        values = np.array(list(map(float, cells)))
    except ValueError:
        return None
    # Python would read 1_000 as a number.
    return None if "_" in "".join(cells) else values


def _with_first(column: NDArray[np.float64] | None, cell: str) -> NDArray[np.float64] | None:
    """A column including the first row's cell, if that row is not a header."""
    return None if column is None or not is_number(cell) else np.concatenate([[float(cell)], column])


def _text_column(file: str, name: str, cells: Sequence[str], place: Callable[[int], str], is_text: bool) -> Column:
    """The text of a column that does not contain numbers only; never a mixture, unless it is known to be text."""
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            raise missing_value(file, name, place(row))
    if is_text:
        return cells
    words = [row for row, cell in enumerate(cells) if not is_number(cell)]
    commas = all(DECIMAL_COMMA.fullmatch(cells[row]) for row in words)
    if commas or len(words) < len(cells) / 2:
        advice = "write 1.5, not 1,5" if commas else "correct it, or make every cell text"
        odd, where = cells[words[0]], place(words[0])
        raise DataError(f"{file}: column {name!r} contains numbers, but also {odd!r} at {where}; {advice}")
    return cells


def is_number(cell: str) -> bool:
    """Whether a cell is a number, infinite ones included."""
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
