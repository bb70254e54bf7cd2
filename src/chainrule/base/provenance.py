"""Where in the user's code an operation was called.

A node keeps the code object and the instruction offset of the caller's frame: two references, taken in a fraction of
a microsecond. File and line are worked out only when somebody asks. The frame itself is never kept: it would hold
the caller's local variables alive.
"""

import functools
import linecache
import os
import sys
from pathlib import Path
from types import CodeType, FrameType, ModuleType
from typing import NamedTuple

PACKAGE = str(Path(__file__).parents[1]) + os.sep
"""The path prefix of this package's own frames. Links are not resolved: frames do not resolve them."""


class Source(NamedTuple):
    """A line of the user's code."""

    file: str
    line: int
    function: str

    @property
    def text(self) -> str:
        """The line itself, or an empty string where the file cannot be read."""
        return linecache.getline(self.file, self.line).strip()

    @property
    def place(self) -> str:
        """File and line, as `file:line`."""
        return f"{self.file}:{self.line}"

    def __str__(self) -> str:
        return f"{self.place} in {self.function}"


@functools.cache
def folder_of(module: ModuleType) -> str:
    """Return the path prefix of a package's own frames."""
    return str(Path(str(module.__file__)).parent) + os.sep


def is_users(file: str, libraries: tuple[str, ...] = ()) -> bool:
    """Whether a file belongs neither to this package nor to the libraries with these path prefixes."""
    return not file.startswith((PACKAGE, *libraries))


def users_frame(*libraries: str) -> FrameType:
    """Return the innermost frame on the stack that `is_users`; the outermost frame if there is none."""
    ours = (PACKAGE, *libraries)
    frame = sys._getframe(1)
    while frame.f_code.co_filename.startswith(ours) and frame.f_back is not None:
        frame = frame.f_back
    return frame


def stacklevel(*libraries: str) -> int:
    """Return the `stacklevel` with which a warning of the caller is about the line at which `users_frame` is."""
    users, frame, level = users_frame(*libraries), sys._getframe(1), 1
    while frame is not users and frame.f_back is not None:
        frame, level = frame.f_back, level + 1
    return level


def users_line(*libraries: str) -> Source:
    """Return the line at which `users_frame` is."""
    frame = users_frame(*libraries)
    return locate(frame.f_code, frame.f_lasti)


def locate(code: CodeType, offset: int) -> Source:
    """Return the source line of an instruction, given a frame's code and its instruction offset."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            line = number
    return Source(code.co_filename, line, code.co_qualname)
