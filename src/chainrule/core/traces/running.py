"""Whether a transform is running a function now, in this thread or asyncio task."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_depth: ContextVar[int] = ContextVar("depth", default=0)


def is_transforming() -> bool:
    """Whether the code that asks was called by a transform, such as `grad`."""
    return _depth.get() > 0


@contextmanager
def transforming() -> Iterator[None]:
    """Say so inside a block."""
    token = _depth.set(_depth.get() + 1)
    try:
        yield
    finally:
        _depth.reset(token)
