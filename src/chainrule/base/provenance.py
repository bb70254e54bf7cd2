"""Where in the user's code an operation was called.

A node keeps the code object and the instruction offset of the caller's frame: two references, taken in a fraction of
a microsecond. File and line are worked out only when somebody asks. The frame itself is never kept: it would hold
the caller's local variables alive.
"""

import linecache
import os
from pathlib import Path
from types import CodeType
from typing import NamedTuple

PACKAGE = str(Path(__file__).resolve().parents[1]) + os.sep
"""What the file names of this package's own frames begin with."""


class Source(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line itself, or an empty string where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    def __str__(self) -> str:
        return f"{self.file}:{self.line} in {self.function}"


def locate(code: CodeType, offset: int) -> Source:
    """Return the source line for what `caller` returned."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
    return Source(code.co_filename, line, code.co_qualname)
