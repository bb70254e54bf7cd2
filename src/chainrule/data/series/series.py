"""A series: the rows of a table in the order of their times."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import csv_table
from chainrule.data.parquet_file import parquet_table
from chainrule.data.schema import check_left_out, shortened
from chainrule.data.series.clock import NUMBERS, Clock, read_times
from chainrule.data.table import Table


@dataclass(frozen=True)
class Series:
    """The times [N], ascending, and the columns [N, 1 + k] at these times: the target, then `inputs`.

    `time` is the column that the times are from; None stands for the numbers of the rows. `breaks` are the rows after
    which something is missing. `said` is what was found out, a line each.
    """

    name: str
    time: str | None
    target: str
    inputs: tuple[str, ...]
    times: NDArray[np.float64]
    values: NDArray[np.float64]
    clock: Clock
    breaks: NDArray[np.int64]
    said: tuple[str, ...]

    def __len__(self) -> int:
        """The number of rows."""
        return len(self.times)

    def begins(self, window: int, horizon: int, first: int, end: int) -> NDArray[np.int64]:
        """Return the rows b from `first` on at which forecasts can begin.

        The `window` rows before b are there, and so are the `horizon` rows from b on, which end before `end`, and
        nothing is missing in between.
        """
        candidates = np.arange(max(first, window), end - horizon + 1)
        if not len(self.breaks) or not len(candidates):
            return candidates
        # A break after row r is inside if b - window <= r < b + horizon - 1.
        after = np.searchsorted(self.breaks, candidates + horizon - 1)
        before = np.searchsorted(self.breaks, candidates - window)
        return np.asarray(candidates[after == before])


def read_series(
    path: str | Path,
    target: str | None,
    time: str | None,
    inputs: Sequence[str] | None = None,
    without: Sequence[str] = (),
) -> Series:
    """Read a series from a CSV, TSV or Parquet file.

    `target` is a column of numbers, by default the last one; `time` a column of numbers or dates, by default the rows'
    numbers. The other columns of numbers are inputs, or those in `inputs`; columns of text, and those in `without`, are
    left out, which `said` tells. Rows are put in the order of their times.

    Raises :class:`DataError` for a column that is not there, a target that is not numbers, a missing value, times that
    cannot be read, and a time that occurs twice.
    """
    path = Path(path)
    if path.is_dir() or not path.exists():
        raise DataError(f"{path}: {'a folder' if path.is_dir() else 'no such file'}; expected a CSV or Parquet file")
    table = parquet_table(path) if path.suffix.lower() in (".parquet", ".pq") else csv_table(path)
    names = list(table.names)
    check_left_out(table.name, names, without)
    last = next((name for name in reversed(names) if name not in without), names[-1])
    chosen = _column(table, target if target is not None else last, "--target")
    at = None if time is None else _column(table, time, "--time")
    for place, what in ((chosen, "target"), (at, "time")):
        if place is not None and names[place] in without:
            raise DataError(f"{table.name}: the {what} {names[place]!r} cannot be left out; name another --{what}")
    if at == chosen:
        raise DataError(f"{table.name}: the column {names[chosen]!r} cannot be both the time and the target")
    others = [k for k in range(len(names)) if k not in (chosen, at) and names[k] not in without]
    if inputs is None:
        kept = [k for k in others if isinstance(table.columns[k], np.ndarray)]
    else:
        kept = [_column(table, name, "an input of the network") for name in inputs]
    values = np.stack([_numbers(table, k) for k in (chosen, *kept)], axis=1)
    form, times = _times(table, at)
    order = np.argsort(times, kind="stable")
    _check_once(table, form, times[order], order)
    clock = Clock.of(form, times[order])
    breaks = clock.gaps(times[order])
    left = [names[k] for k in others if k not in kept] if inputs is None else []
    said = _found(table.name, times[order], clock, breaks, bool((np.diff(order) < 0).any()), left)
    said += (f"left out, as asked: {shortened(without)}",) if without else ()
    kept_names = tuple(names[k] for k in kept)
    return Series(table.name, time, names[chosen], kept_names, times[order], values[order], clock, breaks, said)


def _column(table: Table, name: str, what: str) -> int:
    if name not in table.names:
        raise DataError(f"{table.name}: no column {name!r} for {what}; expected one of {shortened(table.names)}")
    return table.names.index(name)


def _numbers(table: Table, at: int) -> NDArray[np.float64]:
    column, name = table.columns[at], table.names[at]
    if not isinstance(column, np.ndarray):
        raise DataError(
            f"{table.name}: column {name!r} is text ({column[0]!r} at {table.place(0)}); a series is of numbers"
        )
    wrong = np.flatnonzero(~np.isfinite(column))
    if wrong.size:
        raise DataError(
            f"{table.name}: column {name!r} has no number at {table.place(int(wrong[0]))}; fill it in or remove the row"
        )
    return column


def _times(table: Table, at: int | None) -> tuple[str, NDArray[np.float64]]:
    if at is None:
        return NUMBERS, np.arange(1.0, len(table.columns[0]) + 1)
    return read_times(table.name, table.names[at], table.columns[at], table.place)


def _check_once(table: Table, form: str, times: NDArray[np.float64], order: NDArray[np.int64]) -> None:
    again = np.flatnonzero(np.diff(times) == 0)
    more = f"; {again.size} times do" if again.size > 1 else ""
    if again.size:
        k = int(again[0])
        where = " and ".join(table.place(int(row)) for row in sorted(order[k : k + 2]))
        raise DataError(
            f"{table.name}: the time {Clock(form).written(float(times[k]))} occurs twice, at {where}"
            f"{more}; keep one row for each time (where the table holds several series, a file for each)"
        )


def _found(
    name: str, times: NDArray[np.float64], clock: Clock, breaks: NDArray[np.int64], was_sorted: bool, left: list[str]
) -> tuple[str, ...]:
    said = [
        f"{name}: a series of {len(times)} rows from {clock.written(times[0])} to {clock.written(times[-1])}, "
        + (f"a row every {clock.distance()}" if clock.is_regular else "at irregular times: each row counts as one step")
    ]
    if was_sorted:
        said.append("the rows were put in the order of their times")
    if len(breaks):
        first = int(breaks[0])
        said.append(
            f"{len(breaks)} gaps, the first after {clock.written(times[first])}: no window reaches across a gap"
            if len(breaks) > 1
            else f"a gap after {clock.written(times[first])}: no window reaches across it"
        )
    if left:
        said.append(f"left out, because they are text: {shortened(left)}")
    return tuple(said)
