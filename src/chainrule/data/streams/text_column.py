"""What a pass over a stream notes of a column of which some block was text."""

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.csv_file import DECIMAL_COMMA, is_number
from chainrule.data.statistics import Counts
from chainrule.data.streams.blocks import Content, Words
from chainrule.data.target import MOST_TEXTS

MOST_WORDS = 100_000
"""The most different texts of a column, and classes."""


class TextColumn:
    """A column of which some block was text."""

    def __init__(self) -> None:
        self.all, self.kept = Counts(MOST_WORDS), Counts(MOST_WORDS)
        self.words = 0
        self.has_commas = True
        self.odd: tuple[str, str] | None = None
        """The first word, and where it is."""

    def add(self, column: Words, kept: NDArray[np.bool_], whole: NDArray[np.bool_], content: Content) -> None:
        """Count the words of a block."""
        times = np.bincount(column.codes[whole], minlength=len(column.words))
        self.all.add(column.words, times.tolist())
        self.kept.add(column.words, np.bincount(column.codes[kept], minlength=len(column.words)).tolist())
        are_words = np.array([word is not None and not is_number(word) for word in column.words], bool)
        self.words += int(times[are_words].sum())
        odd = [str(word) for word, is_word in zip(column.words, are_words, strict=True) if is_word]
        self.has_commas = self.has_commas and all(DECIMAL_COMMA.fullmatch(word) for word in odd)
        if odd and self.odd is None:
            row = int(np.flatnonzero(are_words[column.codes])[0])
            self.odd = (str(column.words[column.codes[row]]), content.place(row))

    def check(self, name: str, file: str, rows: int) -> None:
        """Refuse a mixture of numbers and text in a file that does not say what a column is (:func:`read_csv`)."""
        if self.odd is not None and (self.has_commas or self.words < (rows - self.all.values.get(None, 0)) / 2):
            odd, where = self.odd
            advice = "write 1.5, not 1,5" if self.has_commas else "correct it, or make every cell text"
            raise DataError(f"{file}: column {name!r} contains numbers, but also {odd!r} at {where}; {advice}")

    def check_count(self, name: str, file: str, rows: int) -> None:
        """Refuse a column with more different texts than were counted."""
        if self.all.is_over:
            raise DataError(
                f"{file}: column {name!r} has more than {MOST_WORDS:,} different texts in {rows:,} rows, which is not "
                "a set of categories; leave it out with --without, or turn it into numbers"
            )

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
