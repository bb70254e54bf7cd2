"""What the command line prints with: rich, without its markup."""

import re
from typing import Any

from rich.console import Console

from chainrule.present.escape import visible

_BYTES = re.compile("([\udca0-\udcff]+)")


class Screen(Console):
    """A console that prints text as it is: nothing in it is markup, and no character of it commands the terminal."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(markup=False, highlight=False, emoji=False, **settings)

    def print(self, *objects: Any, **settings: Any) -> None:
        """Print text, tables and what else rich knows."""
        super().print(*(_tame(thing) if isinstance(thing, str) else thing for thing in objects), **settings)


def _tame(text: str) -> str:
    """Make control characters visible; bytes of a file's name that are no text stay, to be printed as they are."""
    return "".join(piece if k % 2 else visible(piece) for k, piece in enumerate(_BYTES.split(text)))
