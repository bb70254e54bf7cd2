"""Many cases in one test, where a test for each would cost more than what it tests."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def named(*case: object) -> Iterator[None]:
    """Say in which case an error arose."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {', '.join(map(str, case))}")
        raise
