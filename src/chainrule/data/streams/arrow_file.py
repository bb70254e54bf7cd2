"""Arrow IPC and Feather files, by memory map: a record batch each, or parts of it."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

from chainrule.base.optional import needed
from chainrule.data.checks import DataError
from chainrule.data.streams.arrow_columns import columns_of, refuse_damaged
from chainrule.data.streams.blocks import Block, Content, rows_per_block, spans


class ArrowSource:
    """An Arrow IPC file (.arrow, .feather), whose record batches are mapped; pyarrow reads it."""

    shape: tuple[int, ...] | None = None

    def __init__(self, path: Path, block_bytes: int) -> None:
        self.path = path
        arrow = needed("pyarrow", f"{path.name}: reading Arrow", "pip install pyarrow")
        ipc = needed("pyarrow.ipc", f"{path.name}: reading Arrow", "pip install pyarrow")
        with refuse_damaged(path.name, "Arrow"):
            self._file = ipc.open_file(arrow.memory_map(str(path)))
        self.names = tuple(self._file.schema.names)
        if not self.names:
            raise DataError(f"{path.name}: has no columns; expected features and a target")
        self.default_target = self.names[-1]
        self._rows = rows_per_block(block_bytes, len(self.names))

    def scanned(
        self, texts: frozenset[str], columns: frozenset[str], is_mine: Callable[[], bool]
    ) -> Iterator[tuple[Block, Content | None]]:
        """Yield all blocks with their contents."""
        start = group = 0
        for number in range(self._file.num_record_batches):
            with refuse_damaged(self.path.name, "Arrow"):
                rows = self._file.get_batch(number).num_rows
            for first, count in spans(rows, self._rows):
                block = Block(start, count, group, (number, first))
                yield block, self.read(block, columns, texts) if is_mine() else None
                start, group = start + count, group + 1

    def read(self, block: Block, columns: frozenset[str], _texts: frozenset[str]) -> Content:
        """Read some columns of a block."""
        number, first = block.at
        with refuse_damaged(self.path.name, "Arrow"):
            batch = self._file.get_batch(number).slice(first, block.rows)
            batch = batch.select([name for name in self.names if name in columns])
            batch.validate(full=True)
        return Content(columns_of(self.path.name, batch), partial(self.place, block))

    def place(self, block: Block, row: int) -> str:
        """Where in the file a row of a block is."""
        return f"row {block.start + row}"
