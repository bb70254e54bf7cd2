"""Hooks that keep what a node saves in another form, such as on disk, until a backward pass asks for it.

`packing(pack, unpack)` is a block: each array of floats that an operation in it saves goes through `pack`, and what
that returns is kept instead; a backward pass calls `unpack` with it and uses the array that comes back. Writes in place
to a packed array are not noticed: what was packed counts.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from .sealing import Sealed

Hooks = tuple[Callable[[Any], Any], Callable[[Any], Any]]

packers: list[object] = []
"""As many entries as there are open blocks, in any thread: empty nearly always, which costs least to ask."""

_hooks: ContextVar[Hooks | None] = ContextVar("hooks", default=None)


@contextmanager
def packing(pack: Callable[[Any], Any], unpack: Callable[[Any], Any]) -> Iterator[None]:
    """Pack what operations save in this block; the innermost block counts."""
    before, mark = _hooks.get(), object()
    _hooks.set((pack, unpack))
    packers.append(mark)
    try:
        yield
    finally:
        packers.remove(mark)
        _hooks.set(before)


class Packed:
    """A node's saved values, with arrays in the form that the hook `pack` gave them."""

    __slots__ = ("parts", "unpack")

    def __init__(self, parts: tuple[Any, ...], unpack: Callable[[Any], Any]) -> None:
        self.parts, self.unpack = parts, unpack

    def opened(self) -> tuple[Any, ...]:
        """Return the values as they were saved."""
        return tuple(self._opened(part) for part in self.parts)

    def _opened(self, part: Any) -> Any:
        if isinstance(part, tuple):
            return tuple(self._opened(one) for one in part)
        return np.asarray(self.unpack(part.kept)) if isinstance(part, _Kept) else part


class _Kept:
    """What the hook `pack` returned for one array."""

    __slots__ = ("kept",)

    def __init__(self, kept: Any) -> None:
        self.kept = kept


def packed(saved: tuple[Any, ...]) -> Any:
    """Return a node's saved values packed, if a block is open here."""
    hooks = _hooks.get()
    if hooks is None:
        return saved
    pack, unpack = hooks
    token = _hooks.set(None)  # what the hook computes is not packed itself
    try:
        values = saved[:-1] if type(saved) is Sealed else saved
        return Packed(tuple(_packed(value, pack) for value in values), unpack)
    finally:
        _hooks.reset(token)


def _packed(value: Any, pack: Callable[[Any], Any]) -> Any:
    if isinstance(value, tuple):
        return tuple(_packed(one, pack) for one in value)
    is_array = isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "fc"
    return _Kept(pack(np.asarray(value))) if is_array else value


def opened(saved: Any) -> Any:
    """Return a node's saved values as its rules expect them."""
    return saved.opened() if type(saved) is Packed else saved
