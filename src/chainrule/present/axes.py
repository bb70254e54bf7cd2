"""Where a value lies on an axis, as a share of its length, and which marks stand there."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .columns import width_of

MARKS = 6
"""About how many marks an axis has: so many can be read side by side on a telephone."""
LETTER = 7.0
"""About how many pixels a letter of a chart is wide."""
ROOM = 270.0
"""How many pixels a chart has at least between its margins: on a screen of 400."""


@dataclass(frozen=True)
class Axis:
    """An axis from `low` to `high`, decades where it is logarithmic; `marks` are shares with their texts.

    A logarithmic axis has no zero: zeros lie on its floor, which then has a mark that says 0.
    """

    low: float
    high: float
    marks: tuple[tuple[float, str], ...]
    is_log: bool = False

    def place(self, value: float) -> float | None:
        """Return a value's share, None for one that has no place."""
        if self.is_log and value == 0:
            return 0.0
        if not math.isfinite(value) or (self.is_log and value < 0):
            return None
        return (self.at(value) - self.low) / (self.high - self.low)

    def at(self, value: float) -> float:
        """Return a value, or its logarithm."""
        return math.log10(value) if self.is_log else value


def axis(values: Sequence[float], is_log: bool = False, is_tight: bool = False) -> Axis | None:
    """Return an axis on which these values lie, None where not one of them has a place.

    It begins and ends at a mark, unless it is logarithmic or tight, when it does so at a value.

    >>> axis([0.0, 1e-3, 1.0], is_log=True).marks
    ((0.0, '0'), (0.25, '1e-3'), (0.5, '0.01'), (0.75, '0.1'), (1.0, '1'))
    """
    known = [v for v in values if math.isfinite(v) and (v > 0 or not is_log)]
    has_zero = is_log and 0 in values
    if not known and not has_zero:
        return None
    if not is_log:
        low, high = _apart(min(known), max(known), 0.5 * abs(min(known)) or 0.5)
        marks = _round_numbers(low, high, least=1.0 if all(v % 1 == 0 for v in known) else 0.0)
        if not is_tight:
            low, high = min([low, *marks]), max([high, *marks])
        marks = [v for v in marks if low <= v <= high]
        return Axis(
            low, high, tuple(((v - low) / (high - low), text) for v, text in zip(marks, _texts(marks), strict=True))
        )
    low, high = _apart(math.log10(min(known)), math.log10(max(known)), 0.5) if known else (-1.0, 0.0)
    marks = [v for v in map(math.log10, _decades(low, high)) if low - 1e-9 <= v <= high + 1e-9]
    floor = low - max(1.0 if high - low > 2 else 0.0, 0.15 * (high - low)) * has_zero
    texts = _texts([10**v for v in marks])
    places = tuple(((v - floor) / (high - floor), text) for v, text in zip(marks, texts, strict=True))
    return Axis(floor, high, ((0.0, "0"), *places) if has_zero else places, True)


def _apart(low: float, high: float, half: float) -> tuple[float, float]:
    if high - low > 1e-9 * max(abs(low), abs(high)):
        return low, high
    return low - half, high + half


def _texts(values: Sequence[float]) -> list[str]:
    """Return the values in as many digits, three at least, as tell them apart."""
    for digits in range(3, 17):
        texts = [number(v, digits) for v in values]
        if len(set(texts)) == len(texts):
            break
    return texts


def _round_numbers(low: float, high: float, least: float = 0.0) -> list[float]:
    """Return multiples of 1, 2 or 5 times a power of ten, no closer than `least`, from before `low` to after `high`."""
    raw = max((high - low) / (MARKS - 1), least)
    ten = 10.0 ** math.floor(math.log10(raw))
    step = next(k * ten for k in (1, 2, 5, 10) if k * ten >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [k * step for k in range(first, last + 1)]


def _decades(low: float, high: float) -> list[float]:
    """Return powers of ten between two exponents, their multiples by 2 and 5 or round numbers where they are few."""
    step = max(1, math.ceil((high - low) / MARKS))
    powers = range(math.ceil(low - 1e-9), math.floor(high + 1e-9) + 1)
    if len(powers) > 2:
        return [10.0**k for k in powers if k % step == 0]
    wider = range(math.floor(low), math.ceil(high) + 1)
    found = [m * 10.0**k for k in wider for m in (1, 2, 5) if low - 1e-9 <= math.log10(m * 10.0**k) <= high + 1e-9]
    return found if len(found) > 1 else [v for v in _round_numbers(10**low, 10**high) if v > 0]


def named(names: Sequence[str]) -> Axis:
    """Return an axis of names at 0, 1, 2, …: as many are written as there is room for."""
    each = max(width_of(shortened(name)) for name in names) * LETTER + 10
    every = max(1, math.ceil(len(names) * each / ROOM))
    wide = max(len(names) - 1, 1)
    return Axis(0.0, float(wide), tuple((k / wide, shortened(names[k])) for k in range(0, len(names), every)))


def shortened(name: str, most: int = 18) -> str:
    """Return a name, its middle left out where it is long.

    >>> shortened("encoder.layers.11.attention.out_proj")
    'encoder.…out_proj'
    """
    half = (most - 1) // 2
    return name if len(name) <= most else f"{name[:half]}…{name[-half:]}"


def number(value: float, digits: int = 3) -> str:
    """Return a number in so many digits.

    >>> number(1e-8), number(0.25), number(12000)
    ('1e-8', '0.25', '1.2e4')
    """
    return f"{value:.{digits}g}".replace("e-0", "e-").replace("e+0", "e").replace("e+", "e")
