"""What is wrong with a table's cells: all of it in one error, with its places."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError

SHOWN = 20
"""How many faults an error lists; the rest are counted."""


@dataclass(frozen=True, eq=False)
class Fault:
    """One kind of fault, wherever it occurs: an entry for each cell or row.

    - ``kind``: what the entries have in common, as in "missing in 'age'".
    - ``rows``: int64 [k], by which the entries of all faults are sorted; −1 for what concerns a whole column.
    - ``where`` and ``said``: the place and the description of entry i.
    - ``advice``: what to do.
    - ``column``: the column concerned, if there is one.
    - ``leads``: whether the sentence begins with the place.
    - ``more``: how many there are besides the entries, all behind them.
    """

    kind: str
    rows: NDArray[np.int64]
    where: Callable[[int], str]
    said: Callable[[int], str]
    advice: str
    column: str | None = None
    leads: bool = False
    more: int = 0

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.rows) + self.more

    def kept(self, rows: NDArray[np.int64]) -> "Fault":
        """The entries in these rows, numbered anew, where others were left out; faults of whole rows stay."""
        if self.column is None:
            return self
        chosen = np.flatnonzero(np.isin(self.rows, rows) | (self.rows < 0))
        new = np.where(self.rows[chosen] < 0, -1, np.searchsorted(rows, self.rows[chosen]))
        where, said = self.where, self.said
        return replace(self, rows=new, where=lambda i: where(int(chosen[i])), said=lambda i: said(int(chosen[i])))

    def sentence(self, i: int) -> str:
        """Entry i on its own, without the advice."""
        return f"{self.where(i)} {self.said(i)}" if self.leads else f"{self.said(i)} at {self.where(i)}"

    def line(self, i: int) -> str:
        """Entry i in a list."""
        return f"{self.where(i)} {self.said(i)}" if self.leads else f"{self.where(i)}: {self.said(i)}"


def of_column(name: str, said: str, advice: str, kind: str) -> Fault:
    """A fault of a whole column."""
    return Fault(kind, np.array([-1]), lambda _: f"column {name!r}", lambda _: said, advice, name, leads=True)


def missing(name: str, rows: NDArray[np.int64], place: Callable[[int], str], advice: str) -> Fault:
    """The holes of a column."""
    where = _places(rows, place)
    return Fault(f"missing in {name!r}", rows, where, lambda _: f"missing value in column {name!r}", advice, name)


def in_cells(
    name: str, rows: NDArray[np.int64], place: Callable[[int], str], said: Callable[[int], str], advice: str, kind: str
) -> Fault:
    """Faults in cells of a column; ``said`` gets the row."""
    return Fault(kind, rows, _places(rows, place), lambda i: said(int(rows[i])), advice, name)


def infinite(name: str, column: NDArray[np.float64], place: Callable[[int], str]) -> Fault:
    """The numbers of a column that are too large to be finite."""
    return in_cells(
        name,
        np.flatnonzero(np.isinf(column)),
        place,
        lambda row: f"column {name!r} is not finite ({column[row]})",
        "correct the value or remove the row",
        f"not finite in {name!r}",
    )


def in_rows(
    rows: NDArray[np.int64], where: Sequence[str], said: Sequence[str], advice: str, kind: str, more: int = 0
) -> Fault:
    """Faults of whole rows, each before the row of that number."""
    return Fault(kind, rows, where.__getitem__, said.__getitem__, advice, leads=True, more=more)


def check(file: str, faults: Sequence[Fault]) -> None:
    """Raise :class:`DataError` if there are faults: one in a sentence, several in a list of the first 20.

    >>> holes = missing("age", np.array([1, 3]), lambda row: f"line {row + 2}", "fill them in")
    >>> check("t.csv", [holes])
    Traceback (most recent call last):
    chainrule.data.checks.DataError: t.csv: 2 faults:
      line 3: missing value in column 'age'
      line 5: missing value in column 'age'
    2 missing in 'age': fill them in
    """
    found = [fault for fault in faults if len(fault.rows)]
    total = sum(fault.count for fault in found)
    if total == 0:
        return
    if total == 1:
        raise DataError(f"{file}: {found[0].sentence(0)}; {found[0].advice}")
    entries = [(int(fault.rows[i]), k, i) for k, fault in enumerate(found) for i in range(min(SHOWN, len(fault.rows)))]
    lines = [f"  {found[k].line(i)}" for _, k, i in sorted(entries)[:SHOWN]]
    if total > SHOWN:
        lines.append(f"  and {total - SHOWN:,} more")
    raise DataError("\n".join([f"{file}: {total:,} faults:", *lines, *_advice(found)]))


def _advice(faults: Sequence[Fault]) -> list[str]:
    """A line for each piece of advice, with what it is for."""
    by_advice: dict[str, list[str]] = {}
    for fault in faults:
        of_column = fault.rows[0] == -1
        said = repr(fault.column) if of_column else f"{fault.count:,} {fault.kind}"
        by_advice.setdefault(fault.advice, []).append(said)
    return [f"{_listed([*dict.fromkeys(kinds)])}: {advice}" for advice, kinds in by_advice.items()]


def _listed(kinds: Sequence[str], most: int = 12) -> str:
    rest = f" and {len(kinds) - most} more" if len(kinds) > most else ""
    return ", ".join(kinds[:most]) + rest


def _places(rows: NDArray[np.int64], place: Callable[[int], str]) -> Callable[[int], str]:
    return lambda i: place(int(rows[i]))
