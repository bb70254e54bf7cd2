"""Checks of settings, with their error messages."""

import math
import numbers
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Range:
    """The values that a number may take, in words and as a test."""

    words: str
    holds: Callable[[float], bool]


FINITE = Range("a finite number", math.isfinite)
NOT_NEGATIVE = Range("a finite number, 0 or more", lambda x: 0 <= x < math.inf)
POSITIVE = Range("a finite number greater than 0", lambda x: 0 < x < math.inf)
BELOW_ONE = Range("a number from 0 to 1, but less than 1", lambda x: 0 <= x < 1)
UP_TO_ONE = Range("a number from 0 to 1", lambda x: 0 <= x <= 1)


def number(what: str, value: Any, allowed: Range) -> float:
    """Return a number as a Python float; raise a TypeError or ValueError that begins with `what` if it is not
    allowed.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what}: expected {allowed.words}, got {type(value).__name__}")
    if not allowed.holds(float(value)):
        raise ValueError(f"{what}: expected {allowed.words}, got {value}")
    return float(value)


def count(what: str, value: Any, least: int = 1) -> int:
    """Return an integer that is at least `least`, as a Python int."""
    if isinstance(value, bool) or not isinstance(value, numbers.Integral):
        raise TypeError(f"{what}: expected an integer, got {type(value).__name__}")
    if int(value) < least:
        raise ValueError(f"{what}: expected an integer of at least {least}, got {value}")
    return int(value)


def choice(what: str, value: Any, choices: tuple[str, ...]) -> None:
    """Raise a ValueError unless `value` is one of `choices`."""
    if value not in choices:
        raise ValueError(f"{what}: expected one of {', '.join(map(repr, choices))}, got {value!r}")
