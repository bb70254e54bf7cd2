"""Text that arrives token by token."""

from typing import Any


class Streamed:
    """Text that is decoded token by token: gives what is complete, and keeps the beginning of a character.

    >>> from chainrule.data.corpus.characters import Characters
    >>> text = Streamed(Characters("ab"))
    >>> text.add(0), text.add(1), text.rest()
    ('a', 'b', '')
    """

    def __init__(self, tokens: Any) -> None:
        self._tokens, self._waiting = tokens, list[int]()

    def add(self, number: int) -> str:
        """Return the text that one more token completes."""
        self._waiting.append(number)
        text = str(self._tokens.decode(self._waiting))
        # A character has at most four bytes: more than that wait for nothing.
        if text.endswith("\ufffd") and len(self._waiting) < 4:
            return ""
        self._waiting.clear()
        return text

    def rest(self) -> str:
        """Return what waits, complete or not."""
        text = str(self._tokens.decode(self._waiting)) if self._waiting else ""
        self._waiting.clear()
        return text
