"""Randomness: one default generator, which `chainrule.seed` fixes."""

import copy
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .traces.capturing import refuse, running

_generators: list["np.random.Generator"] = []


class _StandIns(threading.local):
    """Per thread: what is drawn from while it captures, by the id of the generator that it is a copy of."""

    copies: dict[int, tuple[Any, Any, Any]] | None = None


_stand_ins = _StandIns()


def default_generator() -> "np.random.Generator":
    """Return the generator that is used wherever none is passed."""
    if not _generators:  # at the first use: `numpy.random` takes long to import
        _generators.append(np.random.default_rng())
    generator: np.random.Generator = source(_generators[0])
    return generator


def source(generator: Any) -> Any:
    """Return what to draw from for a generator, None for the default one.

    While this thread captures it is a copy: other threads may draw from the generator itself meanwhile.
    """
    if generator is None:
        return default_generator()
    copies = _stand_ins.copies
    if copies is None:
        return generator
    if id(generator) not in copies:
        own = copy.deepcopy(generator)
        copies[id(generator)] = generator, own, own.bit_generator.state
    return copies[id(generator)][1]


@contextmanager
def stand_ins() -> Iterator[None]:
    """Let this thread draw from copies of all generators, for the time of the block."""
    before, _stand_ins.copies = _stand_ins.copies, {}
    try:
        yield
    finally:
        _stand_ins.copies = before


def moved() -> list[Any]:
    """Return the generators of which this thread has moved the copies."""
    copies = (_stand_ins.copies or {}).values()
    return [generator for generator, own, state in copies if repr(own.bit_generator.state) != repr(state)]


def seed(n: int) -> None:
    """Fix every default generator: the same seed gives the same numbers from here on.

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
