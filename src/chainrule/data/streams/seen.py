"""What blocks of a stream show: how much of it is used, its columns, and the cells that cannot be used."""

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.faults import SHOWN
from chainrule.data.statistics import Counts, Faults, Moments, merged
from chainrule.data.streams.blocks import Block, Content, Words
from chainrule.data.streams.text_column import TextColumn

RAGGED = ""
"""The key of rows of another length, which are in no column."""
_CHUNK = 1 << 15


class Seen:
    """What some blocks show; what those behind them show can be added (:meth:`add`), in any grouping.

    - ``blocks``, and how many rows of each are ``kept`` to be trained on and ``held`` out.
    - ``texts``: the columns that some block holds as text, and ``numbers`` those that some block holds as numbers, with
      their moments over the rows that are kept (:meth:`moments`).
    - ``values`` of a target of numbers, and ``kept_values`` in the rows that are kept.
    - ``holes``, ``infinite`` numbers, and ``odd`` words, which are no numbers: by column, with their rows.
    - ``ragged``: the rows of another length.
    - ``digests`` of the blocks' contents.
    """

    def __init__(self, most_values: int) -> None:
        self.blocks: list[Block] = []
        self.kept: list[int] = []
        self.held: list[int] = []
        self.texts: dict[str, TextColumn] = {}
        self.numbers: set[str] = set()
        self.values, self.kept_values = Counts(most_values), Counts(most_values)
        self.holes, self.infinite, self.odd, self.ragged = Faults(), Faults(), Faults(), Faults()
        self.digests: list[bytes] = []
        self._levels: list[tuple[int, tuple[str, ...], Moments]] = []

    @property
    def rows(self) -> int:
        """The number of rows."""
        return sum(block.rows for block in self.blocks)

    @property
    def left(self) -> int:
        """How many rows are not dropped."""
        return sum(self.kept) + sum(self.held)

    def add(self, other: "Seen") -> None:
        """Add what blocks behind these show."""
        self.blocks += other.blocks
        self.kept += other.kept
        self.held += other.held
        self.digests += other.digests
        self.numbers |= other.numbers
        for name, text in other.texts.items():
            self.texts[name] = self.texts[name].merged(text) if name in self.texts else text
        for name in ("values", "kept_values", "holes", "infinite", "odd", "ragged"):
            setattr(self, name, getattr(self, name).merged(getattr(other, name)))
        for _, names, moments in other._levels:
            self._push(names, moments)

    def _push(self, names: tuple[str, ...], moments: Moments) -> None:
        """Merge the moments of blocks as a binary counter does, so that rounding grows with the logarithm alone."""
        size = 0
        while self._levels and self._levels[-1][:2] == (size, names):
            moments = self._levels.pop()[2].merged(moments)
            size += 1
        self._levels.append((size, names, moments))

    def moments(self, name: str) -> Moments:
        """The moments of a column of numbers, over the rows that are kept."""
        parts = [
            moments.of_columns([names.index(name)]) for _, names, moments in reversed(self._levels) if name in names
        ]
        found = parts[0]
        for part in parts[1:]:
            found = part.merged(found)
        return found


class Look:
    """Looks at one block: its columns, some of whose rows are ``kept``; those that are not ``whole`` are dropped."""

    def __init__(
        self, block: Block, content: Content, names: Sequence[str], target: str, most_values: int, held: NDArray[Any],
        whole: NDArray[Any],
    ) -> None:  # fmt: skip
        self.block, self.content, self.whole = block, content, whole
        self.kept = ~held & whole
        self.seen = seen = Seen(most_values)
        self._ragged()
        if not block.rows:
            return
        seen.blocks, seen.kept, seen.held = [block], [int(self.kept.sum())], [int((held & whole).sum())]
        seen.digests = [self._digest(names, target)]
        numbers = [name for name in names if not isinstance(content.columns[name], Words)]
        seen.numbers = {*numbers}
        for name in names:
            column = content.columns[name]
            if isinstance(column, Words):
                self._text(name, column)
        if numbers:
            seen._push(tuple(numbers), self._moments(numbers))
        if target in seen.numbers:
            self._target(np.asarray(content.columns[target]))

    def _ragged(self) -> None:
        rows = self.content.ragged
        first = [(self.block.start + before, f"line {line},{cells}") for before, line, cells in rows[:SHOWN]]
        self.seen.ragged.add(RAGGED, len(rows), first)

    def _digest(self, names: Sequence[str], target: str) -> bytes:
        digest, matrix = hashlib.sha256(), self.content.matrix
        for name in names:
            column = self.content.columns[name]
            if isinstance(column, Words):
                digest.update(np.ascontiguousarray(column.codes).data)
                digest.update(repr(column.words).encode("utf-8", "backslashreplace"))
            elif matrix is None or name == target:
                digest.update(np.ascontiguousarray(column).data)
        if matrix is not None:
            digest.update(np.ascontiguousarray(matrix).data)
        return digest.digest()

    def _note(self, faults: Faults, name: str, rows: NDArray[np.int64], said: Any = lambda _row: "") -> None:
        first = [(self.block.start + row, said(row)) for row in rows[:SHOWN].tolist()]
        faults.add(name, len(rows), first)

    def _text(self, name: str, column: Words) -> None:
        self.seen.texts[name], odd = TextColumn.of(column, self.kept, self.whole)
        self._note(self.seen.odd, name, odd, lambda row: column.words[column.codes[row]])
        if None in column.words:
            holes = column.codes == column.words.index(None)
            self._note(self.seen.holes, name, np.flatnonzero(holes & self.whole))

    def _moments(self, names: list[str]) -> Moments:
        """The moments of the rows that are kept, after a look at all of them."""
        step, parts = max(1, _CHUNK // len(names)), []
        columns: list[Any] = [self.content.columns[name] for name in names]
        for start in range(0, len(self.kept), step):
            these = slice(start, start + step)
            x = np.empty((len(self.kept[these]), len(names)))
            for j, column in enumerate(columns):
                x[:, j] = column[these]
            if not np.isfinite(x).all():
                self._not_finite(names, x, start)
            kept = self.kept[these]
            parts.append(Moments.of(x if kept.all() else x[kept]))
        return merged(parts)

    def _not_finite(self, names: list[str], x: NDArray[np.float64], start: int) -> None:
        """Note holes and infinite numbers, which are holes from then on."""
        whole = self.whole[start : start + len(x)]
        for j in np.flatnonzero(~np.isfinite(x).all(axis=0)).tolist():
            values = x[:, j].copy()
            self._note(self.seen.holes, names[j], start + np.flatnonzero(np.isnan(values) & whole))
            infinite = start + np.flatnonzero(np.isinf(values) & whole)
            self._note(self.seen.infinite, names[j], infinite, lambda row, values=values: str(values[row - start]))
        np.copyto(x, np.nan, where=np.isinf(x))

    def _target(self, y: NDArray[Any]) -> None:
        known = ~np.isnan(y) if y.dtype.kind == "f" else np.ones(len(y), bool)
        for counts, values in (
            (self.seen.values, y[known & self.whole]),
            (self.seen.kept_values, y[known & self.kept]),
        ):
            found, times = np.unique(values, return_counts=True)
            if len(found) > counts.most:
                counts.values, counts.is_over = {}, True
            counts.add(found.astype(np.float64).tolist(), times.tolist())
