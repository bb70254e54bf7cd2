"""What blocks of a stream show of a column that some of them hold as text."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import DECIMAL_COMMA, is_number
from chainrule.data.statistics import Counts
from chainrule.data.streams.blocks import Words
from chainrule.data.target import MOST_TEXTS

MOST_WORDS = 100_000
"""The most different texts of a column, and classes."""


class TextColumn:
    """The words of a column: ``all`` of them, and those in rows that are ``kept``; None is a hole.

    ``has_commas`` says whether all that are no numbers are numbers with a decimal comma.
    """

    def __init__(self) -> None:
        self.all, self.kept = Counts(MOST_WORDS), Counts(MOST_WORDS)
        self.has_commas = True

    @classmethod
    def of(cls, column: Words, kept: NDArray[np.bool_], whole: NDArray[np.bool_]) -> tuple["TextColumn", NDArray[Any]]:
        """Count the words of a block; return also the rows, of the ``whole`` ones, with words that are no numbers."""
        found = cls()
        for counts, rows in ((found.all, whole), (found.kept, kept)):
            counts.add(column.words, np.bincount(column.codes[rows], minlength=len(column.words)).tolist())
        are_odd = np.array([word is not None and not is_number(word) for word in column.words], bool)
        odd = [str(word) for word, is_odd in zip(column.words, are_odd, strict=True) if is_odd]
        found.has_commas = all(map(DECIMAL_COMMA.fullmatch, odd))
        return found, np.flatnonzero(are_odd[column.codes] & whole) if odd else np.zeros(0, np.int64)

    def merged(self, other: "TextColumn") -> "TextColumn":
        """The words of both."""
        found = TextColumn()
        found.all, found.kept = self.all.merged(other.all), self.kept.merged(other.kept)
        found.has_commas = self.has_commas and other.has_commas
        return found

    @property
    def holes(self) -> int:
        """How many rows have none."""
        return int(self.all.values.get(None, 0))

    def is_mixture(self, words: int, rows: int) -> bool:
        """Whether so many words that are no numbers, in so many rows, stand among numbers (:func:`csv_table`)."""
        return words > 0 and (self.has_commas or words < (rows - self.holes) / 2)

    def classes(self, name: str, file: str, rows: int) -> tuple[str, ...]:
        """The texts of a target in alphabetical order; :class:`DataError` where they are not a set of classes."""
        count = len(self.all.values)
        if self.all.is_over or count > max(MOST_TEXTS, rows / 2):
            many = f"more than {MOST_WORDS:,}" if self.all.is_over else count
            raise DataError(
                f"{file}: the target {name!r} has {many} different texts in {rows} rows, which is not a set of "
                "categories; choose another target, or turn it into numbers"
            )
        return tuple(sorted(word for word in self.all.values if word is not None))
