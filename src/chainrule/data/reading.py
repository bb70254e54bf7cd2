"""How a table's cells are read: what becomes of holes, of new categories and of columns that are no features."""

import re
from dataclasses import dataclass, field
from typing import Any

STRATEGIES = ("error", "mean", "median", "drop", "indicator")
"""What may become of missing values (:class:`Reading`)."""
UNKNOWN = ("error", "ignore")
"""What may become of a category that the training data did not have."""
_NAME = re.compile(r"[^,]+")


@dataclass(frozen=True)
class Reading:
    """The choices of a table's reader. They are kept with a model, for other data to be read in the same way.

    - ``missing``: what becomes of holes. "error" refuses them; "mean" and "median" fill a column of numbers with that
      of the training part, and text with its most frequent category; "drop" leaves out rows with holes; "indicator"
      adds to each column with holes a feature that is 1 where the value is missing, fills numbers with the median, and
      leaves text without a category.
    - ``unknown``: "error" refuses a category that the training data did not have, "ignore" encodes it by zeros, as
      scikit-learn's ``OneHotEncoder(handle_unknown="ignore")`` does.
    - ``without``: columns that are left out.
    - ``dates``: for each column of dates, the order of day, month and year (:mod:`chainrule.data.dates`).
    - ``encoding``: the file's encoding; None recognises it. It is not kept with a model.

    Raises ``ValueError`` for another choice.

    >>> Reading(missing="average")
    Traceback (most recent call last):
    ValueError: missing: expected one of error, mean, median, drop, indicator, got 'average'
    """

    missing: str = "error"
    unknown: str = "error"
    without: tuple[str, ...] = ()
    dates: tuple[tuple[str, str], ...] = ()
    encoding: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        for name, value, choices in (("missing", self.missing, STRATEGIES), ("unknown", self.unknown, UNKNOWN)):
            if value not in choices:
                raise ValueError(f"{name}: expected one of {', '.join(choices)}, got {value!r}")

    @property
    def fills(self) -> bool:
        """Whether holes are filled, so that the features may contain NaN until they are."""
        return self.missing in ("mean", "median", "indicator")

    def to_dict(self) -> dict[str, Any]:
        """What is kept with a model, for JSON."""
        dates = [list(pair) for pair in self.dates]
        return {"missing": self.missing, "unknown": self.unknown, "without": list(self.without), "dates": dates}


PLAIN = Reading()
"""Refuses what it does not know."""


def names(text: str | None) -> tuple[str, ...]:
    """The column names in a text that separates them by commas, as an option of the command line has them.

    >>> names("id, name")
    ('id', 'name')
    """
    return tuple(part.strip() for part in _NAME.findall(text or "") if part.strip())
