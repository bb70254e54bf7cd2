"""`History`: the measurements of a training run, one row per epoch."""

import math
from collections.abc import Callable, Iterator
from reprlib import repr as short
from typing import Any

from chainrule.present.counting import counted
from chainrule.present.page import fragment
from chainrule.present.table import table

Row = dict[str, Any]

SUMS = ("epoch", "batch", "samples", "total", "labels", "right", "norms", "norm", "norm_max")
"""What an epoch that is not done has added up."""
DECISIONS = ("compiled", "compiled without Numba", "as written")
_HIGHER_IS_BETTER = ("accuracy",)


class History:
    """The rows of a training run, in order; `history["loss"]` is one column.

    A column that a row lacks is None there. `interrupted` says whether the run ended with an error or Ctrl-C.

    >>> history = History([{"epoch": 1, "loss": 0.9}, {"epoch": 2, "loss": 0.4}])
    >>> history["loss"], history.last["epoch"], history.best("loss")["epoch"]
    ([0.9, 0.4], 2, 2)
    >>> print(history)
    epoch  loss
        1   0.9
        2   0.4
    """

    def __init__(self, rows: list[Row] | None = None) -> None:
        self.rows: list[Row] = [] if rows is None else rows
        self.interrupted = False
        self.stopped: str | None = None
        """Why a callback ended the run early, or None."""
        self.compiled: str | None = None
        """Whether the last step was a compiled program and, if not, why; None before the first step."""
        self.decided: str | None = None
        """How the steps of this run are taken, "compiled" or "as written"; None while undecided.

        It is decided at the first step and kept: a run resumed elsewhere, or with fewer epochs left, gives the same
        numbers as an uninterrupted one.
        """
        self._part: Callable[[], Row] | Row | None = None
        """The sums of the epoch that is running, or was interrupted; None between epochs."""

    @property
    def part(self) -> Row | None:
        """The sums of the epoch that is running, or was interrupted; None between epochs."""
        return self._part() if callable(self._part) else self._part

    def running(self, part: Callable[[], Row] | None) -> Row | None:
        """Let `part` return the sums of the running epoch from here on; return those of one that was interrupted."""
        before, self._part = self.part, part
        return before

    def __getstate__(self) -> Row:
        return vars(self) | {"_part": self.part}

    @property
    def columns(self) -> list[str]:
        """The names of all columns, in the order they first came."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    @property
    def last(self) -> Row:
        """The newest row; an IndexError before the first epoch is done."""
        return self.rows[-1]

    def best(self, monitor: str) -> Row:
        """Return the row where a column is best: highest for an accuracy, lowest for anything else.

        Raises KeyError for an unknown column, and ValueError if it holds no finite number.
        """
        rows = [row for row, value in zip(self.rows, self[monitor], strict=True) if value is not None]
        rows = [row for row in rows if math.isfinite(row[monitor])]
        if not rows:
            raise ValueError(f"History.best: {monitor!r} has no finite value in {len(self.rows)} epochs")
        return (max if higher_is_better(monitor) else min)(rows, key=lambda row: row[monitor])

    def state_dict(self) -> Row:
        """Return what a resumed run needs: the rows, the sums of an epoch that is not done, and how steps are taken."""
        state = {"rows": [dict(row) for row in self.rows], "compiled": self.compiled, "decided": self.decided}
        return state if (part := self.part) is None else state | {"part": part}

    def load_state_dict(self, state: Row) -> None:
        """Restore what `state_dict` returned. Raises ValueError, and changes nothing, for anything else."""
        rows, compiled, decided = (state.get(key) for key in ("rows", "compiled", "decided"))
        if not isinstance(rows, list) or not all(isinstance(row, dict) and _is_row(row) for row in rows):
            raise ValueError(f"History: expected rows of values by name, each with its epoch, got {short(rows)}")
        if decided not in (None, *DECISIONS) or not isinstance(compiled, str | None):
            raise ValueError(f"History: steps are taken {' or '.join(DECISIONS)}, got {short(decided)}")
        part = state.get("part")
        if part is not None and not (isinstance(part, dict) and all(_is_number(part.get(name)) for name in SUMS)):
            raise ValueError(f"History: expected the sums {', '.join(SUMS)} of an epoch, got {short(part)}")
        self.rows[:] = rows
        self.compiled, self.decided = compiled, decided
        self._part = part

    def __getitem__(self, column: str) -> list[Any]:
        if column not in self.columns:
            raise KeyError(f"History: there is no column {column!r}; it has {self.columns}")
        return [row.get(column) for row in self.rows]

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def __str__(self) -> str:
        cells = [self.columns, *([_cell(row.get(name)) for name in self.columns] for row in self.rows)]
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        return "\n".join("  ".join(map(str.rjust, line, widths)) for line in cells)

    def _repr_html_(self) -> str:
        rows = ([_cell(row.get(name)) for name in self.columns] for row in self.rows)
        return fragment("en", table(self.columns, rows, "history"))

    def __repr__(self) -> str:
        return f"History({counted(len(self), 'epoch')}: {', '.join(self.columns)})"


def _is_number(x: Any) -> bool:
    return isinstance(x, int | float) and not isinstance(x, bool)


def _is_row(row: Row) -> bool:
    return all(isinstance(name, str) for name in row) and isinstance(row.get("epoch"), int)


def higher_is_better(monitor: str) -> bool:
    """Whether larger is better in a column: for an accuracy; anything else is taken for a loss."""
    return monitor.endswith(_HIGHER_IS_BETTER)


def is_better(monitor: str, value: float, than: float | None, by: float = 0.0) -> bool:
    """Whether a value of a column beats another one by more than `by`; NaN never does, anything else beats None."""
    if math.isnan(value):
        return False
    if than is None:
        return True
    return value > than + by if higher_is_better(monitor) else value < than - by


def _cell(value: Any) -> str:
    return "" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
