"""Dates in a column of text: recognising their form, and turning them into numbers.

A date becomes the days since 1970-01-01. Where the column's range warrants it, the positions in the year, the week and
the day are added, each as the sine and cosine of an angle, so that December is next to January.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from functools import cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

ORIGIN = "1970-01-01"
FORMS: Mapping[str, str] = MappingProxyType(
    {"ymd": "year-month-day", "dmy": "day-month-year", "mdy": "month-day-year", "named": "with the month's name"}
)
"""The forms of dates: the order of their parts."""
CYCLES = ("year", "week", "day")
PARTS = ("days", "year sin", "year cos", "week sin", "week cos", "day sin", "day cos")
"""What a date may become, one feature each."""
MOST_ODD = 0.2
"""The share of texts that may be no dates for the column to count as one of dates with faults."""
_FIRST = 20

_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NAMED = r"(?P<name>jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_TIME = (
    r"(?:(?:T|\s+|,\s*)(?P<half_before>오전|오후)?\s*(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2}(?:\.\d+)?))?"
    r"\s*(?P<half>[ap]m)?\s*(?P<zone>Z|[+-]\d{2}:?\d{2})?)?"
)
_SHAPES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "ymd": (
            r"(?P<y>\d{4})(?P<s>[-/.])\s?(?P<m>\d{1,2})(?P=s)\s?(?P<d>\d{1,2})\.?",
            r"(?P<y>\d{4})[-/](?P<m>\d{1,2})",
            r"(?P<y>\d{4})년\s*(?P<m>\d{1,2})월(?:\s*(?P<d>\d{1,2})일)?",
        ),
        "dmy": (r"(?P<d>\d{1,2})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<y>\d{4})",),
        "mdy": (r"(?P<m>\d{1,2})(?P<s>[-/.])(?P<d>\d{1,2})(?P=s)(?P<y>\d{4})",),
        "named": (
            rf"(?P<d>\d{{1,2}})[-\s]{_NAMED}[-\s,]+(?P<y>\d{{4}})",
            rf"{_NAMED}\s(?P<d>\d{{1,2}}),?\s(?P<y>\d{{4}})",
        ),
    }
)


@cache
def _patterns(form: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(shape + _TIME, re.IGNORECASE | re.ASCII) for shape in _SHAPES[form])


def days(text: str, form: str) -> float | None:
    """The days from 1970-01-01 to a date, with the time of day as a fraction; None if it is no date of this form.

    A time zone is converted to UTC.

    >>> days("1970-01-02", "ymd"), days("3/1/1970 12:00", "dmy"), days("31/2/1970", "dmy")
    (1.0, 2.5, None)
    >>> days("1970년 2월 1일", "ymd"), days("Feb 1, 1970", "named")
    (31.0, 31.0)
    """
    for pattern in _patterns(form):
        found = pattern.fullmatch(text)
        if found is not None:
            return _days(found.groupdict())
    return None


def _days(part: Mapping[str, str | None]) -> float | None:
    name = part.get("name")
    month = _MONTHS.index(name.lower()) + 1 if name else int(part["m"] or 1)
    try:
        whole = date(int(part["y"] or 0), month, int(part.get("d") or 1)).toordinal() - date(1970, 1, 1).toordinal()
    except ValueError:
        return None
    if part["hour"] is None:
        return float(whole)
    hour, minute, second = int(part["hour"]), int(part["minute"] or 0), float(part["second"] or 0)
    half = {"오전": "am", "오후": "pm"}.get(part["half_before"] or "", (part["half"] or "").lower())
    if half:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half == "pm" else 0)
    if hour > 23 or minute > 59 or second >= 60:
        return None
    return whole + (hour * 3600 + minute * 60 + second - _zone(part["zone"])) / 86400


def _zone(text: str | None) -> int:
    """The seconds by which a zone is ahead of UTC."""
    if text is None or text in "Zz":
        return 0
    digits = text[1:].replace(":", "")
    return (-1 if text[0] == "-" else 1) * (int(digits[:2]) * 3600 + int(digits[2:]) * 60)


def forms(texts: Iterable[str]) -> list[str]:
    """The forms in which all of the texts are dates, or at least four fifths if no form fits all of them.

    >>> forms(["2024-01-31", "2024-02-01"]), forms(["13/1/2024", "1/2/2024"]), forms(["1/2/2024"])
    (['ymd'], ['dmy'], ['dmy', 'mdy'])
    >>> forms(["red", "blue"])
    []
    """
    distinct = list(dict.fromkeys(texts))
    # Most columns of text are no dates, and their first cells say so.
    likely = [form for form in FORMS if any(days(text, form) is not None for text in distinct[:_FIRST])]
    right = {form: sum(days(text, form) is not None for text in distinct) for form in likely}
    most = max(right.values(), default=0)
    if not distinct or most < (1 - MOST_ODD) * len(distinct):
        return []
    return [form for form, count in right.items() if count == most]


def parsed(texts: Sequence[str | None], form: str) -> NDArray[np.float64]:
    """The days of a column [N]; NaN for None and for what is no date of this form."""
    known = {text: days(text, form) for text in set(texts) if text is not None}
    return np.array([np.nan if text is None else known[text] for text in texts], np.float64)


def parts(values: NDArray[np.float64]) -> tuple[str, ...]:
    """Which parts of dates are features, for the days [N] of a column (NaN for a hole).

    The year from half a year on, the week from two weeks on, the day if there are times: each if the dates fall on at
    least three places in it.

    >>> parts(np.arange(30.0))
    ('days', 'week sin', 'week cos')
    """
    known = values[np.isfinite(values)]
    span = float(np.ptp(known)) if len(known) else 0.0
    kept = ["days"]
    for cycle, least in zip(CYCLES, (180, 14, 0), strict=True):
        if span >= least and len(np.unique(np.round(_phase(known, cycle), 6))) >= 3:
            kept += [f"{cycle} sin", f"{cycle} cos"]
    return tuple(kept)


def part(values: NDArray[np.float64], name: str) -> NDArray[np.float64]:
    """One part of dates, for days [N]; NaN stays.

    >>> part(np.array([0.0, 0.25]), "day sin").round(6).tolist()
    [0.0, 1.0]
    """
    if name == "days":
        return values
    cycle, wave = name.split()
    angle = 2 * np.pi * _phase(values, cycle)
    result: NDArray[np.float64] = np.sin(angle) if wave == "sin" else np.cos(angle)
    return result


def _phase(values: NDArray[np.float64], cycle: str) -> NDArray[np.float64]:
    """How far each date is in its year, week (from Monday) or day, from 0 to 1."""
    if cycle == "day":
        return values - np.floor(values)
    whole = np.floor(values)
    if cycle == "week":
        return (whole + 3) % 7 / 7  # the origin is a Thursday
    known = np.isfinite(whole)
    dates = np.where(known, whole, 0).astype("datetime64[D]")
    start = dates.astype("datetime64[Y]")
    length = (start + np.timedelta64(1, "Y")).astype("datetime64[D]") - start.astype("datetime64[D]")
    share = (dates - start.astype("datetime64[D]")) / length
    return np.where(known, share, np.nan)


def shown(value: float) -> str:
    """A date for a message.

    >>> shown(31.0)
    '1970-02-01'
    """
    return str(np.datetime64(int(np.floor(value)), "D"))
