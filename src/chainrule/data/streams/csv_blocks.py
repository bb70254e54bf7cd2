"""Text tables in blocks of whole rows, by the dialect rules of `csv_file`."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from chainrule.data.checks import DataError
from chainrule.data.csv_file import (
    MISSING,
    Row,
    checked_names,
    delimiter_of,
    floats,
    is_number,
    ragged_rows,
)
from chainrule.data.encodings import encoding_of, not_utf8
from chainrule.data.schema import Schema
from chainrule.data.streams.blocks import Block, Column, Content, Words, distinct_words, row_count

_LONGEST = 64 << 20
"""Bytes that one row may have."""
_HOLES = ["", "?", "NA", "na", "N/A", "n/a", "NaN", "nan", "NULL", "null"]
"""How holes in columns of numbers are mostly written; others are found when the text is looked at."""
_SPACE_BEFORE_QUOTE = re.compile(rb'(?:^|[,;\t\r\n]) +"')
"""Python's csv skips the space, and pyarrow does not."""
_BOM = b"\xef\xbb\xbf"


class CsvSource:
    """A CSV or TSV file.

    Whether its first row is a header is decided by the first block. Blocks are read by pyarrow, if that is
    installed, and otherwise by Python's csv, to the same values; the first time, those with quotes by Python's csv
    alone, which is strict.
    """

    shape: tuple[int, ...] | None = None

    def __init__(self, path: Path, block_bytes: int, schema: Schema | None = None, encoding: str | None = None) -> None:
        self.path = path
        self._lines: tuple[Any, list[int]] = (None, [])
        """A block, and the lines of its rows: those that were asked for last."""
        self._size = max(1 << 8, block_bytes // 4)  # a cell may take two bytes here, and takes eight as float64
        self.encoding = encoding_of(path, encoding)
        if "16" in self.encoding or "32" in self.encoding:
            raise DataError(
                f"{path.name}: is {self.encoding.upper()}, which cannot be read in blocks; save it as UTF-8, or read "
                f"it whole: data.load, train --no-stream, predict --encoding {self.encoding}"
            )
        self.delimiter = delimiter_of(path, self.encoding)
        first = next(self._pieces(), None)
        if first is None:
            raise DataError(f"{path.name}: the file is empty")
        rows = [*self._records(first[1], first[0][2])]
        if not rows:
            raise DataError(f"{path.name}: the file is empty")
        self._width = len(rows[0][1])
        below = [cells for _, cells in rows[1:] if len(cells) == self._width]
        self._header = schema is not None and schema.is_header(rows[0][1])
        self._header = self._header or _is_header(rows[0][1], below)
        self._lines_above = 0 if not self._header else rows[1][0] - 1 if len(rows) > 1 else rows[0][0]
        """Those of the header, and blank ones."""
        self.names = checked_names(path.name, rows[0]) if self._header else _numbered(self._width)
        if len(set(self.names)) < self._width:
            twice = next(name for name in self.names if self.names.count(name) > 1)
            raise DataError(f"{path.name}: two columns are called {twice!r}; rename one")
        self.default_target = self.names[-1]

    def scanned(
        self, texts: frozenset[str], columns: frozenset[str], is_mine: Callable[[], bool]
    ) -> Iterator[tuple[Block, Content | None]]:
        """Yield all blocks with their contents; how many rows another has is not known, and not where it starts."""
        numbers = columns - texts
        wanted = [name for name in self.names if name in columns]
        for group, (at, raw) in enumerate(self._pieces()):
            if not is_mine():
                yield Block(0, 0, group, at), None
                continue
            found, ragged = self._columns(raw, at, wanted, numbers)
            rows = row_count(found)
            block = Block(0, rows, group, at)
            yield block, Content(found, partial(self.place, block), ragged=ragged)
            # A column that is text here is likely to be so in the next block.
            numbers = frozenset(name for name in numbers if not rows or not isinstance(found[name], Words))

    def read(self, block: Block, columns: frozenset[str], texts: frozenset[str]) -> Content:
        """Read some columns of a block."""
        offset, length, _ = block.at
        with self.path.open("rb") as file:
            file.seek(offset)
            raw = file.read(length)
        wanted = [name for name in self.names if name in columns]
        numbers = frozenset(wanted) - texts
        found = None
        if b"\0" not in raw and not _SPACE_BEFORE_QUOTE.search(raw):
            # What `scanned` has let pass, pyarrow reads to the same cells, quotes included.
            found = self._by_arrow(raw, block.at, wanted, numbers)
        if found is None or row_count(found) != block.rows:
            found, _ = self._columns(raw, block.at, wanted, numbers)
        return Content(found, partial(self.place, block))

    # Where the blocks are

    def _pieces(self) -> Iterator[tuple[tuple[int, int, int], bytes]]:
        """Yield the offset, the length and the first line of pieces of whole rows, and their bytes."""
        with self.path.open("rb") as file:
            offset, line, rest = 0, 1, b""
            while chunk := file.read(self._size):
                raw = rest + chunk
                cut = self._cut(raw, line)
                if not cut and len(raw) > _LONGEST:
                    raise DataError(
                        f"{self.path.name}: the row that starts on line {line} has more than {_LONGEST:,} bytes; "
                        "check its quotes"
                    )
                raw, rest = raw[:cut], raw[cut:]
                if raw:
                    yield (offset, len(raw), line), raw
                offset, line = offset + len(raw), line + _line_breaks(raw)
            if rest:
                yield (offset, len(rest), line), rest

    def _cut(self, raw: bytes, line: int) -> int:
        """How many bytes are whole rows, with what follows them unknown."""
        if b'"' not in raw:
            return (raw.rfind(b"\n") if b"\n" in raw else raw.rfind(b"\r", 0, -1)) + 1
        before = end = count = 0
        lines = raw.splitlines(keepends=True)

        def taken() -> Iterator[str]:
            nonlocal count
            for one in lines:
                count += len(one)
                yield one.decode("utf-8", "replace")

        try:
            for _ in self._reader(taken()):
                before, end = end, count
        except csv.Error:
            if not end and len(raw) > _LONGEST:
                self._refuse_csv(line, "unexpected end of data")
        return before  # the last row may go on

    # What is in them

    def place(self, block: Block, row: int) -> str:
        """Where in the file a row of a block is."""
        if self._lines[0] != block.at:
            offset, length, line = block.at
            with self.path.open("rb") as file:
                file.seek(offset)
                rows = self._below_header(self._records(file.read(length), line), block.at)
                self._lines = block.at, [line for line, cells in rows if len(cells) == self._width]
        return f"line {self._lines[1][row]}"

    def _columns(
        self, raw: bytes, at: tuple[int, int, int], wanted: Sequence[str], numbers: frozenset[str]
    ) -> tuple[dict[str, Column], tuple[tuple[int, int, int], ...]]:
        """The columns of a block, and its rows of another length (:class:`Content`)."""
        if b'"' not in raw and b"\0" not in raw:
            found = self._by_arrow(raw, at, wanted, numbers)
            if found is not None:
                return found, ()
        rows = [*self._below_header(self._records(raw, at[2]), at)]
        ragged = tuple(ragged_rows(rows, self._width))
        rows = [row for row in rows if len(row[1]) == self._width] if ragged else rows
        columns: dict[str, Column] = {}
        for name in wanted:
            i = self.names.index(name)
            columns[name] = self._column(name, *_coded([cells[i] for _, cells in rows]), numbers)
        return columns, ragged

    def _by_arrow(
        self, raw: bytes, at: tuple[int, int, int], wanted: Sequence[str], numbers: frozenset[str]
    ) -> dict[str, Column] | None:
        """Read a block by pyarrow; None without pyarrow, and where it refuses the block."""
        try:
            arrow, reader = import_module("pyarrow"), import_module("pyarrow.csv")
        except ImportError:
            return None
        text = arrow.dictionary(arrow.int32(), arrow.string())
        skip = self._lines_above if at[0] == 0 else 0
        if not self.encoding.startswith("utf-8"):
            raw = self._decoded(raw).encode()
        raw = raw.removeprefix(_BOM) if at[0] == 0 else raw
        for some in (numbers, frozenset[str]()):
            types = {name: arrow.float64() if name in some else text for name in self.names}
            try:
                found = reader.read_csv(
                    arrow.py_buffer(raw),
                    reader.ReadOptions(
                        use_threads=False, block_size=len(raw) + 1, column_names=list(self.names), skip_rows=skip
                    ),
                    reader.ParseOptions(
                        delimiter=self.delimiter,
                        quote_char='"' if b'"' in raw else False,
                        newlines_in_values=b'"' in raw,
                    ),
                    reader.ConvertOptions(column_types=types, include_columns=list(wanted), null_values=_HOLES),
                ).combine_chunks()
            except (arrow.ArrowException, ValueError):
                continue
            if found.num_rows == 0:
                return None
            columns: dict[str, Column] = {}
            for name, column in zip(wanted, found.columns, strict=True):
                part = column.chunk(0)
                if name in some:
                    columns[name] = np.asarray(part.to_numpy(zero_copy_only=False))
                else:
                    codes = np.asarray(part.indices.to_numpy(zero_copy_only=False)).astype(np.int64)
                    words = [str(word).strip() for word in part.dictionary.to_pylist()]
                    columns[name] = self._column(name, codes, words, numbers)
            return columns
        return None

    def _column(self, name: str, codes: np.ndarray[Any, Any], words: Sequence[str], numbers: frozenset[str]) -> Column:
        """A column as numbers, if it may be numbers and is; else as words."""
        found = floats(words) if name in numbers and len(words) else None
        if found is not None:
            return np.asarray(found[codes])
        return distinct_words(codes, [None if word.lower() in MISSING else word for word in words])

    def _below_header(self, rows: Iterator[Row], at: tuple[int, int, int]) -> Iterator[Row]:
        if self._header and at[0] == 0:
            next(rows, None)
        return rows

    def _records(self, raw: bytes, line: int) -> Iterator[Row]:
        """Yield the rows of a piece that starts on a line, each with its line; blank ones are left out."""
        if b"\0" in raw:
            raise DataError(f"{self.path.name}: contains zero bytes, so it is not a text file; save it as CSV in UTF-8")
        try:
            text = self._decoded(raw)
        except UnicodeDecodeError:  # the file has changed
            raise not_utf8(self.path) from None
        reader, first = self._reader(io.StringIO(text, newline="")), line
        try:
            for row in reader:
                cells = [cell.strip() for cell in row]
                if cells not in ([], [""]):
                    yield line, cells
                line = first + reader.line_num
        except csv.Error as error:
            self._refuse_csv(line, str(error))

    def _decoded(self, raw: bytes) -> str:
        return raw.removeprefix(_BOM).decode(self.encoding.replace("-sig", ""))

    def _reader(self, lines: Any) -> Any:
        return csv.reader(lines, delimiter=self.delimiter, skipinitialspace=True, strict=True)

    def _refuse_csv(self, line: int, why: str) -> None:
        raise DataError(f"{self.path.name}: line {line} is not valid CSV ({why}); check its quotes")


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether a first row is a header, by the rows of the first block (:func:`read_csv`)."""
    if any(map(is_number, first)):
        return False
    columns = [*zip(*below, strict=True)]
    numbers = [found for found in map(floats, columns) if found is not None]
    if not columns or any(not np.isnan(found).all() for found in numbers):
        return True
    return not any(cell in column for cell, column in zip(first, columns, strict=True))


def _numbered(width: int) -> tuple[str, ...]:
    return tuple(f"x{i}" for i in range(width))


def _coded(cells: Sequence[str]) -> tuple[np.ndarray[Any, Any], tuple[str, ...]]:
    known: dict[str, int] = {}
    codes = np.array([known.setdefault(cell, len(known)) for cell in cells], np.int64)
    return codes, tuple(known)


def _line_breaks(raw: bytes) -> int:
    """The number of line breaks: LF, CR LF, or CR."""
    breaks = raw.count(b"\n")
    return breaks + raw.count(b"\r") - raw.count(b"\r\n") if b"\r" in raw else breaks
