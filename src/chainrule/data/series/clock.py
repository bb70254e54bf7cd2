"""The times of a series: read, put in order, and continued."""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from chainrule.data import dates
from chainrule.data.checks import DataError
from chainrule.data.target import Column

REGULAR = 0.8
"""What share of the steps from row to row must be alike for the others to count as gaps."""
NUMBERS = "number"


@dataclass(frozen=True)
class Clock:
    """How times are written, and how far apart they are.

    `form` is "number", or one of `dates.FORMS`; `months` and `step` (in days, or in the numbers' unit) say how far one
    row is from the next, one of them 0; both are 0 where the times are irregular.
    """

    form: str
    months: int = 0
    step: float = 0.0

    @property
    def is_regular(self) -> bool:
        """Whether most rows are equally far apart."""
        return bool(self.months or self.step)

    def following(self, last: float, count: int) -> NDArray[np.float64]:
        """Return the `count` times after one, NaN where they are irregular.

        The last day of a month stays the last one.

        >>> clock = Clock("ymd", months=1)
        >>> [clock.written(t) for t in clock.following(dates.days("2024-01-31", "ymd"), 2)]
        ['2024-02-29', '2024-03-31']
        """
        steps = np.arange(1, count + 1)
        if self.months:
            return np.array([_months_later(last, int(k) * self.months) for k in steps])
        return np.asarray(last + self.step * steps if self.step else np.full(count, np.nan))

    def written(self, time: float) -> str:
        """Return a time as text: a number, or a date in the form of ISO 8601, with the time of day if it has one.

        >>> Clock("number").written(3.0), Clock("dmy").written(1.5)
        ('3', '1970-01-02T12:00')
        """
        if not np.isfinite(time):
            return ""
        if self.form == NUMBERS:
            return f"{time:.10g}"
        seconds = round(time * 86400)
        moment = np.datetime64(seconds, "s")
        if seconds % 86400 == 0:
            return str(moment.astype("datetime64[D]"))
        return str(moment.astype("datetime64[m]") if seconds % 60 == 0 else moment)

    def distance(self) -> str:
        """Return in words how far apart the rows are.

        >>> Clock("ymd", months=1).distance(), Clock("ymd", step=1 / 24).distance(), Clock("number").distance()
        ('1 month', '1 hour', 'irregular')
        """
        if not self.is_regular:
            return "irregular"
        if self.months:
            many, unit = (self.months // 12, "year") if self.months % 12 == 0 else (self.months, "month")
            return f"{many} {unit}{'s' if many > 1 else ''}"
        if self.form == NUMBERS:
            return f"{self.step:.10g}"
        for days, unit in ((7, "week"), (1, "day"), (1 / 24, "hour"), (1 / 1440, "minute"), (1 / 86400, "second")):
            count = round(self.step / days, 6)
            if count >= 1 and count == round(count):
                return f"{count:.0f} {unit}{'s' if count > 1 else ''}"
        return f"{self.step * 86400:.6g} seconds"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields for JSON."""
        return asdict(self)

    @classmethod
    def of(cls, form: str, times: NDArray[np.float64]) -> Self:
        """Return the clock of times in ascending order."""
        if len(times) < 2:
            return cls(form)
        months = _month_steps(times) if form != NUMBERS else None
        if months is not None:
            return cls(form, months=months)
        steps = np.diff(times)
        usual = float(np.median(steps))
        alike = np.abs(steps - usual) <= 1e-6 * max(usual, 1e-6)
        return cls(form, step=usual) if alike.mean() >= REGULAR else cls(form)

    def gaps(self, times: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the rows after which something is missing: the next one is further than it should be."""
        if not self.is_regular or len(times) < 2:
            return np.empty(0, np.int64)
        expected = (
            np.array([self.following(float(t), 1)[0] for t in times[:-1]]) if self.months else times[:-1] + self.step
        )
        # Half a step of latitude: clocks drift, and summer time comes and goes.
        slack = 0.5 * (self.step or 28.0 * self.months)
        return np.flatnonzero(times[1:] > expected + slack)


def read_times(name: str, column: str, values: Column, place: Callable[[int], str]) -> tuple[str, NDArray[np.float64]]:
    """Return how the times in a column are written, and the times: days since 1970-01-01, or the numbers.

    Raises :class:`DataError`, which names the column and the row, for a time that cannot be read, and for dates that
    may be read in two ways.
    """
    if isinstance(values, np.ndarray):
        if not np.isfinite(values).all():
            row = int(np.flatnonzero(~np.isfinite(values))[0])
            raise DataError(f"{name}: the time in column {column!r} is missing at {place(row)}; fill it in")
        return NUMBERS, values
    texts: Sequence[str | None] = values
    found = dates.forms(text for text in texts if text is not None)
    if len(found) > 1:
        raise DataError(
            f"{name}: column {column!r}: {texts[0]!r} may be {' or '.join(dates.FORMS[form] for form in found)}; write "
            "dates as year-month-day"
        )
    times = dates.parsed(texts, found[0]) if found else np.full(len(texts), np.nan)
    if not np.isfinite(times).all():
        odd = np.flatnonzero(~np.isfinite(times) if found else [not _is_date(text) for text in texts])
        row = int(odd[0]) if odd.size else 0
        raise DataError(
            f"{name}: column {column!r}: {texts[row]!r} at {place(row)} is no time; expected numbers, or dates such as "
            "2024-01-31 or 2024-01-31 18:30, all in one form"
        )
    return found[0], times


def _is_date(text: str | None) -> bool:
    return text is not None and any(dates.days(text, form) is not None for form in dates.FORMS)


def _months(time: float) -> tuple[int, int, float, bool]:
    """Return a time's month since the year 0, its day, the rest, and whether it is the month's last day."""
    day = np.datetime64(int(np.floor(time)), "D")
    month = day.astype("datetime64[M]")
    number = int((day - month.astype("datetime64[D]")).astype(int)) + 1
    is_last = (day + 1).astype("datetime64[M]") != month
    return int(month.astype(int)), number, time - np.floor(time), bool(is_last)


def _months_later(time: float, count: int) -> float:
    month, day, rest, is_last = _months(time)
    start = np.datetime64(month + count, "M")
    length = int(((start + 1).astype("datetime64[D]") - start.astype("datetime64[D]")).astype(int))
    kept = length if is_last and day >= 28 else min(day, length)
    return float(start.astype("datetime64[D]").astype(int)) + kept - 1 + rest


def _month_steps(times: NDArray[np.float64]) -> int | None:
    """Return how many months lie between neighbours, None if it is not a whole number of them for most."""
    parts = [_months(float(t)) for t in times]
    if len({rest for _, _, rest, _ in parts}) > 1:
        return None
    if len({day for _, day, _, _ in parts}) > 1 and not all(last for _, _, _, last in parts):
        return None
    steps = np.diff([month for month, _, _, _ in parts])
    usual = int(np.median(steps))
    return usual if usual > 0 and float(np.mean(steps == usual)) >= REGULAR else None
