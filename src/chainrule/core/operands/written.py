"""Calls of operations that a user has written with both passes, told to whoever listens during a run.

`chainrule.torch` tells of each call of an `autograd.Function`, and the checker checks each on its own.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Written:
    """One call: its arguments as plain arrays, and both passes on such arrays.

    `forward(args)` returns the outputs, and `pull(rule, args, y_bars)` the gradients that `rule`, the user's backward
    pass or a changed one, gives for the arguments; None where it gives none.
    """

    name: str
    names: tuple[str, ...]
    args: tuple[Any, ...]
    rule: Callable[..., Any]
    forward: Callable[[Sequence[Any]], list[Any]]
    pull: Callable[[Callable[..., Any], Sequence[Any], Sequence[Any]], list[Any]]


_LISTENERS: ContextVar[tuple[list[Written], ...]] = ContextVar("listeners", default=())


@contextmanager
def heard() -> Iterator[list[Written]]:
    """Collect the calls of a run, each after those that it makes itself."""
    calls: list[Written] = []
    token = _LISTENERS.set((*_LISTENERS.get(), calls))
    try:
        yield calls
    finally:
        _LISTENERS.reset(token)


def is_heard() -> bool:
    """Whether somebody listens."""
    return bool(_LISTENERS.get())


def tell(call: Written) -> None:
    """Tell of a call."""
    for calls in _LISTENERS.get():
        calls.append(call)
