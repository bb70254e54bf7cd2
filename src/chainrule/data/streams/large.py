"""Whether files are so large that they are better read in blocks."""

from pathlib import Path

from chainrule.base.machine_memory import free_memory
from chainrule.data.streams.files import STREAMED, is_pattern, matches_of

LARGE = 0.25
"""The part of the free memory from which on files are read in blocks: whole, they take several times their size."""


def streamable(source: str | Path) -> list[Path]:
    """The files that a path or a pattern names, if all of them can be read in blocks by their names; else none.

    >>> streamable("iris")
    []
    """
    path = Path(source)
    if path.is_file():
        found = [path]
    elif is_pattern(source):
        found = matches_of(source)
    else:
        return []
    return found if all(one.is_file() and STREAMED.search(one.name.lower()) for one in found) else []


def is_large(source: str | Path) -> bool:
    """Whether files together are larger than a quarter of the free memory, :data:`LARGE`; a pattern always is.

    >>> is_large("iris")
    False
    """
    found = streamable(source)
    if not found:
        return is_pattern(source)
    return found != [Path(source)] or sum(path.stat().st_size for path in found) > LARGE * free_memory()
