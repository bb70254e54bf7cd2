"""Text as a sequence of characters, for character-level models."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from chainrule.data.checks import DataError
from chainrule.data.dataset import ArrayDataset


class TextDataset(ArrayDataset):
    """Pieces of a text for a character model: x [T] is ``length`` characters, y [T] the character after each of them.

    A piece starts at every ``stride``-th character (by default at each). Characters are numbered by their positions in
    ``vocabulary``, by default all that occur, sorted. Pieces are views of one array, so they take no memory.

    To hold out a part, split the text and give the second data set the ``vocabulary`` of the first.

    Raises :class:`DataError` for a text that is too short, and for a character that is not in the vocabulary.

    >>> text = TextDataset("to be or not to be", length=5)
    >>> x, y = text[0]
    >>> text.decode(x), text.decode(y), "".join(text.vocabulary)
    ('to be', 'o be ', ' benort')
    """

    def __init__(self, text: str, length: int, stride: int = 1, vocabulary: Sequence[str] | None = None) -> None:
        if length < 1 or stride < 1:
            raise ValueError(f"TextDataset: length and stride must be at least 1, got {length} and {stride}")
        if len(text) <= length:
            raise DataError(
                f"TextDataset: a text of {len(text)} characters is too short for {length} and one after them"
            )
        self.vocabulary = tuple(sorted(set(text)) if vocabulary is None else vocabulary)
        self.length = length
        self._place = {character: k for k, character in enumerate(self.vocabulary)}
        pieces = sliding_window_view(self.encode(text), length + 1)[::stride]
        super().__init__(pieces[:, :-1], pieces[:, 1:])

    @classmethod
    def from_file(cls, path: str | Path, length: int, stride: int = 1, vocabulary: Sequence[str] | None = None) -> Self:
        """Read a UTF-8 file, with or without a byte order mark; raises :class:`DataError` for another encoding."""
        path = Path(path)
        try:
            text = path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise DataError(f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8") from error
        return cls(text, length, stride, vocabulary)

    def encode(self, text: str) -> NDArray[np.int64]:
        """The characters' numbers [N]."""
        try:
            return np.fromiter((self._place[character] for character in text), np.int64, len(text))
        except KeyError as error:
            place = text.index(error.args[0])
            raise DataError(
                f"TextDataset: the character {error.args[0]!r} at {place} is not in the vocabulary of "
                f"{len(self.vocabulary)} characters"
            ) from None

    def decode(self, indices: Iterable[Any]) -> str:
        """The text of some numbers."""
        return "".join(self.vocabulary[int(index)] for index in indices)
