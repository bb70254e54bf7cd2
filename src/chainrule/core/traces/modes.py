"""Below which level nothing is recorded: what `no_grad` changes.

Blocks need not end in the order in which they began: two tasks of asyncio take turns, a generator is closed when the
collector finds it, in whatever thread. So each block has an entry of its own, which it removes when it is left, and
what counts is the latest entry that is left. A context variable holds it: other threads and tasks have their own.
"""

from contextvars import ContextVar
from typing import Any


class Block:
    """A block that is open: while it is the latest, traces below `level` record nothing."""

    __slots__ = ("below", "level")

    def __init__(self, level: int, below: Any) -> None:
        self.level = level
        self.below = below


class Closed(Block):
    """A block that was left. Where it is still the latest, in another context, the one below it counts."""

    __slots__ = ()

    @property
    def level(self) -> int:  # type: ignore[override]
        """The level of the latest open block below."""
        return int(_open_from(self).level)


latest: ContextVar[Block] = ContextVar("latest", default=Block(0, None))  # noqa: B039 - this one is never changed


def _open_from(block: Any) -> Any:
    while type(block) is Closed:
        block = block.below
    return block


class Modes:
    """What holds here and now."""

    __slots__ = ()

    @property
    def floor(self) -> int:
        """Traces below this level record nothing."""
        return latest.get().level


modes = Modes()


class Floor:
    """Sets the floor for the time of a block; a block that is never left ends with this object."""

    __slots__ = ("_blocks", "_level")

    def __init__(self, level: int) -> None:
        self._level = level
        self._blocks: list[Block] = []

    def __enter__(self) -> None:
        self._open(self._level)

    def _open(self, level: int) -> None:
        block = Block(level, _open_from(latest.get()))
        self._blocks.append(block)  # first, so that an interrupt at any point ends the block, by `__del__`
        latest.set(block)

    def __exit__(self, *_: object) -> None:
        if self._blocks:
            here: Any = latest.get()  # of several that this object has opened, the one of this context
            while here is not None and here not in self._blocks:
                here = here.below
            self._close(here if here is not None else self._blocks[-1])

    def _close(self, block: Block) -> None:
        block.__class__ = Closed
        latest.set(_open_from(latest.get()))
        self._blocks.remove(block)

    def __del__(self) -> None:
        for block in list(getattr(self, "_blocks", ())):  # an interrupt or a wrong argument may leave it without any
            self._close(block)
