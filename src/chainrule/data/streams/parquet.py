"""Parquet files in blocks: a row group each, or parts of one that is larger than a block."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

from chainrule.base.optional import needed
from chainrule.data.checks import DataError
from chainrule.data.parquet_file import ROW_NUMBERS
from chainrule.data.streams.arrow_columns import columns_of, refuse_damaged
from chainrule.data.streams.blocks import Block, Content, rows_per_block, spans

_BUFFER = 1 << 20
"""Bytes of a column that are read at one time, rather than all of its row group."""


class ParquetSource:
    """A Parquet file, of which only the columns that are asked for are read; pyarrow reads it.

    Row groups can be read in any order. One that is larger than a block is read from its start to its end.
    """

    shape: tuple[int, ...] | None = None

    def __init__(self, path: Path, block_bytes: int) -> None:
        self.path = path
        self._parquet = needed("pyarrow.parquet", f"{path.name}: reading Parquet", "pip install pyarrow")
        with refuse_damaged(path.name, "Parquet"), self._opened() as file:
            self.names = tuple(name for name in file.schema_arrow.names if not ROW_NUMBERS.fullmatch(name))
            self._groups = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
        if not self.names:
            raise DataError(f"{path.name}: has no columns; expected features and a target")
        self.default_target = self.names[-1]
        self._rows = rows_per_block(block_bytes, len(self.names))
        self._group: _Group | None = None
        """The row group that was read last, at the row behind."""
        self._lock = Lock()

    def _opened(self) -> Any:
        return self._parquet.ParquetFile(self.path, buffer_size=_BUFFER, pre_buffer=False)

    def scanned(
        self, texts: frozenset[str], columns: frozenset[str], is_mine: Callable[[], bool]
    ) -> Iterator[tuple[Block, Content | None]]:
        """Yield all blocks with their contents."""
        start = 0
        for group, rows in enumerate(self._groups):
            for first, count in spans(rows, self._rows):
                block = Block(start, count, group, (group, first))
                yield block, self.read(block, columns, texts) if is_mine() else None
                start += count

    def read(self, block: Block, columns: frozenset[str], _texts: frozenset[str]) -> Content:
        """Read some columns of a block; the types of the file say which are text."""
        group, first = block.at
        wanted = [name for name in self.names if name in columns]
        with self._lock, refuse_damaged(self.path.name, "Parquet"):
            here = self._group
            if here is None or (here.number, here.columns) != (group, wanted) or here.row > first:
                here = self._group = _Group(group, wanted, self._parts(group, wanted))
            for _, skipped in spans(first - here.row, self._rows):
                here.take(skipped)
            batch = here.take(block.rows)
            batch.validate(full=True)  # text that is not UTF-8, lengths that do not fit
        return Content(columns_of(self.path.name, batch), partial(self.place, block))

    def place(self, block: Block, row: int) -> str:
        """Where in the file a row of a block is."""
        return f"row {block.start + row}"

    def _parts(self, group: int, wanted: list[str]) -> Iterator[Any]:
        with self._opened() as file:
            yield from file.iter_batches(self._rows, row_groups=[group], columns=wanted, use_threads=False)


class _Group:
    """The rows of a row group, one after the other."""

    def __init__(self, number: int, columns: list[str], parts: Iterator[Any]) -> None:
        self.number, self.columns, self.row = number, columns, 0
        self._parts, self._rest = parts, list[Any]()

    def take(self, rows: int) -> Any:
        """Return the next rows as one record batch; StopIteration if there are not so many."""
        found, self._rest = self._rest, []
        while (count := sum(part.num_rows for part in found)) < rows:
            found.append(next(self._parts))
        if count > rows:
            last = found[-1]
            keep = last.num_rows - (count - rows)
            found[-1], self._rest = last.slice(0, keep), [last.slice(keep)]
        self.row += rows
        if len(found) == 1:
            return found[0]
        arrow = needed("pyarrow", "Parquet", "pip install pyarrow")
        return arrow.Table.from_batches(found).combine_chunks().to_batches()[0]
