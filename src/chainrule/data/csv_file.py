"""Tables written as text: comma-, semicolon- or tab-separated values (RFC 4180)."""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TypeAlias

import numpy as np

from chainrule.data.checks import DataError
from chainrule.data.dataset import Data
from chainrule.data.table import Table, missing_value
from chainrule.data.target import Column

Row: TypeAlias = tuple[int, list[str]]  # the line it begins on, and its cells

DELIMITERS = ",;\t"
MISSING = frozenset({"", "?", "na", "n/a", "null"})  # in lower case
_SAMPLE = 50  # rows that tell the delimiter
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")


def read_csv(path: str | Path, target: str | int | None = None) -> Data:
    r"""Read a table of N rows from a UTF-8 text file; :meth:`Table.to_data` says how it is encoded.

    The delimiter is the one of comma, semicolon and tab that divides the rows most evenly. The first row is a
    header if none of its cells is a number and one of them stands over a column of numbers; where every
    column is text, if none of its cells occurs again below it. Without a header the columns are called x0,
    x1, …. Blank lines and spaces around cells do not count. ``target`` is a column's name or index (default:
    last).

    Raises :class:`DataError` naming column and line for a missing value (empty, ?, NA, N/A, null), a cell
    that is no number among numbers, and a number that is not finite; naming the line for a row of another
    length and for unreadable text.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "xor.csv")
    ...     _ = path.write_text("a,b,xor\n0,0,0\n0,1,1\n1,0,1\n1,1,0\n")
    ...     read_csv(path, target="xor")
    Data(xor.csv: 4 samples, 2 features, classification, 2 classes)
    """
    return csv_table(path).to_data(target)


def csv_table(path: str | Path) -> Table:
    """Read the columns of such a file; :func:`read_csv` says how."""
    path = Path(path)
    text = _decoded(path)
    rows = list(_rows(path.name, text, _delimiter(path.name, text)))
    if not rows:
        raise DataError(f"{path.name}: the file is empty")
    _check_widths(path.name, rows)
    if _is_header([cells for _, cells in rows]):
        names, body = _checked_names(path.name, rows[0]), rows[1:]
    else:
        names, body = tuple(f"x{i}" for i in range(len(rows[0][1]))), rows
    if not body:
        raise DataError(f"{path.name}: there is a header but no rows of data")

    def place(row: int) -> str:
        return f"line {body[row][0]}"

    by_column = zip(names, zip(*(cells for _, cells in body), strict=True), strict=True)
    columns = tuple(_column(path.name, name, cells, place) for name, cells in by_column)
    return Table(path.name, names, columns, place)


def _decoded(path: Path) -> str:
    raw = path.read_bytes()
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{path.name}: byte {raw[error.start]:#04x} in line {line} is not UTF-8; save the file as UTF-8"
        ) from error
    if "\0" in text:
        raise DataError(f"{path.name}: holds zero bytes, as no text does; save it as CSV in UTF-8")
    return text


def _rows(file: str, text: str, delimiter: str) -> Iterator[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, skipinitialspace=True, strict=True)
    line = 1
    try:
        for row in reader:
            cells = [cell.strip() for cell in row]
            if cells not in ([], [""]):
                yield line, cells
            line = reader.line_num + 1
    except csv.Error as error:
        raise DataError(f"{file}: line {line} is not valid CSV ({error}); check its quotes") from error


def _delimiter(file: str, text: str) -> str:
    def fit(delimiter: str) -> tuple[float, float, int]:
        """How evenly it divides the first rows, the share of numbers then, the number of columns."""
        try:
            sample = [cells for _, cells in islice(_rows(file, text, delimiter), _SAMPLE)]
        except DataError:
            sample = []
        if not sample:
            return 0, 0, 0
        width, even = Counter(map(len, sample)).most_common(1)[0]
        cells = [cell for row in sample for cell in row]
        numbers = sum(_is_number(c) or bool(_DECIMAL_COMMA.fullmatch(c)) for c in cells)
        return (even / len(sample), numbers / len(cells), width) if width > 1 else (0, 0, 0)

    return max(DELIMITERS, key=fit)


def _check_widths(file: str, rows: Sequence[Row]) -> None:
    width = len(rows[0][1])
    if width == 1:
        raise DataError(f"{file}: one column only; expected columns divided by comma, semicolon or tab")
    for line, cells in rows:
        if len(cells) != width:
            raise DataError(
                f"{file}: line {line} has {len(cells)} cells and the first row {width}; "
                "every row needs as many, and text with the delimiter in it needs quotes"
            )


def _is_header(rows: Sequence[Sequence[str]]) -> bool:
    first, below = rows[0], list(zip(*rows[1:], strict=True))
    if any(map(_is_number, first)):
        return False
    over_numbers = any(all(map(_is_number, column)) for column in below)
    return over_numbers or not any(cell in column for cell, column in zip(first, below, strict=False))


def _checked_names(file: str, header: Row) -> tuple[str, ...]:
    line, names = header
    if "" in names:
        raise DataError(
            f"{file}: column {names.index('') + 1} has no name in the header, line {line}; "
            "name it, or delete it if it only numbers the rows"
        )
    return tuple(names)


def _column(file: str, name: str, cells: Sequence[str], place: Callable[[int], str]) -> Column:
    """The numbers of a column, or its text; never a mixture of them."""
    if not any("_" in cell for cell in cells):  # Python would read 1_000 as a number
        try:
            return np.array([float(cell) for cell in cells])
        except ValueError:
            pass  # text, or a fault: found below
    for row, cell in enumerate(cells):
        if cell.lower() in MISSING:
            raise missing_value(file, name, place(row))
    words = [row for row, cell in enumerate(cells) if not _is_number(cell)]
    commas = all(_DECIMAL_COMMA.fullmatch(cells[row]) for row in words)
    if commas or len(words) < len(cells) / 2:
        advice = "write 1.5, not 1,5" if commas else "correct it, or make every cell text"
        odd, where = cells[words[0]], place(words[0])
        raise DataError(f"{file}: column {name!r} is made of numbers, but holds {odd!r} at {where}; {advice}")
    return cells


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return "_" not in cell
