"""Text as numbers, one for each character."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError

HIGHEST = 0x110000
MOST = 50_000
"""How many different characters a text may have; Unicode's ideographs in everyday use are fewer."""


class Characters:
    """Numbers for characters: their places in `vocabulary`.

    Raises :class:`DataError` for a vocabulary that is empty, has more than 50,000 characters or one of them twice.

    >>> tokens = Characters("abc")
    >>> tokens.encode("cab").tolist(), tokens.decode([0, 1, 2])
    ([2, 0, 1], 'abc')
    """

    kind = "char"

    def __init__(self, vocabulary: Sequence[str]) -> None:
        self.vocabulary = tuple(vocabulary)
        codes = [ord(c) for c in self.vocabulary]
        if not 1 <= len(codes) <= MOST or len(set(codes)) != len(codes):
            raise DataError(
                f"Characters: expected 1 to {MOST:,} different characters, got {len(codes):,}, {len(set(codes)):,} of "
                f"them different"
            )
        self._codes = np.array(codes)
        self._places = np.full(max(codes) + 1, -1, np.int32)
        self._places[self._codes] = np.arange(len(codes))

    @classmethod
    def of(cls, texts: Iterable[str]) -> "Characters":
        """Return numbers for all characters that occur in some pieces of text, sorted."""
        found: set[str] = set()
        for text in texts:
            found |= set(text)
        return cls(sorted(found))

    def __len__(self) -> int:
        """The number of characters."""
        return len(self.vocabulary)

    def encode(self, text: str) -> NDArray[np.int32]:
        """Return the numbers [N] of a text. Raises :class:`DataError`, which names characters that have none."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        inside = codes < len(self._places)
        numbers = np.where(inside, self._places[np.where(inside, codes, 0)], -1).astype(np.int32)
        if (numbers < 0).any():
            raise DataError(self._unknown([text[k] for k in np.flatnonzero(numbers < 0)]))
        return numbers

    def _unknown(self, characters: Sequence[str]) -> str:
        names = list(dict.fromkeys(characters))
        named = ", ".join(repr(c) for c in names[:10]) + (", …" if len(names) > 10 else "")
        which = "the character" if len(names) == 1 else "the characters"
        verb = "does" if len(names) == 1 else "do"
        return (
            f"{which} {named} {verb} not occur in the text that the model was trained on; leave them out, or replace "
            f"them by some of its {len(self)}"
        )

    def decode(self, numbers: Iterable[Any]) -> str:
        """Return the text of some numbers."""
        return "".join(self.vocabulary[int(k)] for k in numbers)

    def __str__(self) -> str:
        return f"{len(self)} characters"
