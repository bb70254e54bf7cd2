"""Text in columns, for terminals: Korean letters take two places."""

import unicodedata


def width_of(text: str) -> int:
    """Return how many columns a text takes: Korean letters take two, combining marks none.

    >>> width_of("a가")
    3
    """
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def set_left(text: str, width: int) -> str:
    """Return a text followed by as many spaces as fill a column."""
    return text + " " * (width - width_of(text))


def set_right(text: str, width: int) -> str:
    """Return a text after as many spaces as fill a column."""
    return " " * (width - width_of(text)) + text
