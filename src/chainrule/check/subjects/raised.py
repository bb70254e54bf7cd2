"""Where a backward pass raised: the lines of the user's code that its exception passed."""

import traceback
from collections.abc import Iterator
from types import CodeType

from chainrule.base.provenance import Source, is_users

from .editing import is_library


def passed(error: BaseException) -> Iterator[tuple[CodeType, int]]:
    """Yield the code and the line of each frame that the exception under a `BackwardError` passed, outermost first."""
    cause = error.__cause__ or error
    for frame, line in traceback.walk_tb(cause.__traceback__):
        yield frame.f_code, line


def place_of(error: BaseException) -> Source | None:
    """Return the innermost line of the user's own code that an exception passed, or None."""
    found = None
    for code, line in passed(error):
        if is_users(code.co_filename) and not is_library(code.co_filename):
            found = Source(code.co_filename, line, code.co_qualname)
    return found
