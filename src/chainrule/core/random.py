"""Randomness: one global generator, which `chainrule.seed` seeds."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .traces.capturing import refuse, running

_generators: list["np.random.Generator"] = []
SPACES: list[dict[str, Any]] = []
"""The variables of modules that have functions of `numpy.random` under other names."""


class _StandIns(threading.local):
    """Per thread: the copies to draw from while it captures, by the id of the original generator."""

    copies: dict[int, tuple[Any, Any, Any]] | None = None


_stand_ins = _StandIns()


def default_generator() -> "np.random.Generator":
    """Return the generator that is used when none is passed, to draw from it."""
    generator: np.random.Generator = source(None)
    return generator


def global_generator() -> "np.random.Generator":
    """Return the same generator, to save or restore its state."""
    if not _generators:  # at first use, since `numpy.random` is slow to import
        _generators.append(np.random.default_rng())
    generator: np.random.Generator = _of_thread(_generators[0])
    return generator


def source(generator: Any) -> Any:
    """Return the generator to draw from in place of a given one (None: the global one).

    While this thread captures, it is a copy, since other threads may draw from the generator itself.
    """
    if running.maps:
        running.maps[-1].draws_outside_of_operations()
    return global_generator() if generator is None else _of_thread(generator)


def _of_thread(generator: Any) -> Any:
    """Return this thread's copy of a generator while it captures, otherwise the generator itself."""
    copies = _stand_ins.copies
    if copies is None:
        return generator
    if id(generator) not in copies:
        own = copy.deepcopy(generator)
        copies[id(generator)] = generator, own, own.bit_generator.state
    return copies[id(generator)][1]


@contextmanager
def stand_ins() -> Iterator[None]:
    """Make this thread draw from copies of all generators, for the duration of the block."""
    before, _stand_ins.copies = _stand_ins.copies, {}
    try:
        yield
    finally:
        _stand_ins.copies = before


def moved() -> list[Any]:
    """Return the generators whose copies this thread has drawn from."""
    copies = (_stand_ins.copies or {}).values()
    return [generator for generator, own, state in copies if repr(own.bit_generator.state) != repr(state)]


def seed(n: int) -> None:
    """Seed every global generator: from here on the same seed gives the same numbers.

    >>> import chainrule as cr
    >>> cr.seed(0)
    >>> first = cr.randn(3)
    >>> cr.seed(0)
    >>> bool((first == cr.randn(3)).all())
    True
    """
    if running.capture is not None:
        refuse("cr.seed was called", "call it outside of the compiled function, or draw from a generator of your own")
    _generators[:] = [np.random.default_rng(n)]
