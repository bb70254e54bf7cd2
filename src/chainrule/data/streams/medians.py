"""The medians of a stream's columns, each kept by one of the processes that read it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.streams.blocks import Column, Words
from chainrule.data.streams.sketch import LEAST, MedianSketch
from chainrule.data.streams.together import Together


class Medians:
    """The medians of some columns, in so many bytes of ``memory``: exact while all values fit into it.

    Process r keeps the columns r, r + size, …, of which it gets all values in the order of the rows: so the medians are
    the same, however many processes there are.
    """

    def __init__(self, name: str, columns: Sequence[str], memory: int, together: Together) -> None:
        self._columns, self._together = columns, together
        capacity = memory // (8 * max(len(columns), 1))
        if capacity < LEAST:
            raise DataError(
                f"{name}: the medians of {len(columns):,} columns take {8 * LEAST * len(columns) / 1e6:,.1f} MB, and "
                f"there are {memory / 1e6:,.1f}; use --missing mean, or --no-stream to read it whole"
            )
        mine = columns[together.rank :: together.size]
        self._sketches = {name: MedianSketch(capacity) for name in mine}
        self._found: dict[str, tuple[float, int]] = {}

    def add(self, columns: Mapping[str, Column], kept: NDArray[np.bool_] | None) -> None:
        """Count the rows that are kept of this process's block; all processes call this in each turn."""
        if not self._columns:
            return
        size = self._together.size
        given = [
            {name: _known(columns[name], kept) for name in self._columns[rank::size] if _is_number(columns, name)}
            for rank in range(size)
        ]
        for part in self._together.exchange(given):
            for name, values in part.items():
                self._sketches[name].add(values)

    def share(self) -> None:
        """Let all processes know all medians."""
        if self._columns:
            mine = {name: (sketch.median, sketch.error) for name, sketch in self._sketches.items()}
            self._found = {name: one for part in self._together.all(mine) for name, one in part.items()}

    def of(self, name: str, mean: NDArray[np.float64]) -> NDArray[np.float64]:
        """The median of a column [1]; its mean if medians are not asked for."""
        return np.array([self._found[name][0]]) if name in self._found else mean

    def error(self, name: str) -> int:
        """How many places a median may be from the middle."""
        return self._found[name][1] if name in self._found else 0


def _is_number(columns: Mapping[str, Column], name: str) -> bool:
    return name in columns and not isinstance(columns[name], Words)


def _known(column: Any, kept: NDArray[np.bool_] | None) -> NDArray[np.float64]:
    values = np.asarray(column if kept is None or kept.all() else column[kept], np.float64)
    return np.asarray(values[~np.isnan(values)])
