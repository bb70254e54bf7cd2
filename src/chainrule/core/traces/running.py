"""Whether a transform is running a function now, in this thread or asyncio task."""

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

_depth: ContextVar[int] = ContextVar("depth", default=0)


def is_transforming() -> bool:
    """Whether the code that asks was called by a transform, such as `grad`."""
    return _depth.get() > 0


def entered() -> int:
    """Say that a transform calls a function, and return what `left` needs when the function is done."""
    depth = _depth.get()
    _depth.set(depth + 1)
    return depth


def left(depth: int) -> None:
    """Say that the function is done."""
    _depth.set(depth)


def outside(f: Callable[..., Any], /, *args: Any, **settings: Any) -> Any:
    """Call a user's function of plain values as if no transform ran, so that the arrays it makes are plain, too."""
    depth = _depth.get()
    if not depth:
        return f(*args, **settings)
    _depth.set(0)
    try:
        return f(*args, **settings)
    finally:
        _depth.set(depth)
