"""The level below which nothing is recorded, which `no_grad` changes.

Blocks need not end in the order in which they began: asyncio tasks take turns, and a generator is closed whenever the
garbage collector finds it, in any thread. So each block has its own entry, which is removed when the block is left, and
the latest remaining entry counts. It is in a context variable, so other threads and tasks have their own.
"""

from contextvars import ContextVar
from typing import Any


class Block:
    """An open block: while it is the latest, traces below `level` record nothing."""

    __slots__ = ("below", "level")

    def __init__(self, level: int, below: Any) -> None:
        self.level = level
        self.below = below


class Closed(Block):
    """A block that has been left. If it is still the latest in another context, the one below it counts."""

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
    """The current state."""

    __slots__ = ()

    @property
    def floor(self) -> int:
        """Traces below this level record nothing."""
        return latest.get().level


modes = Modes()


class Floor:
    """Sets the floor for the duration of a block; a block that is never left ends with this object."""

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
            here: Any = latest.get()  # of several blocks that this object has opened, that of this context
            while here is not None and here not in self._blocks:
                here = here.below
            self._close(here if here is not None else self._blocks[-1])

    def _close(self, block: Block) -> None:
        block.__class__ = Closed
        latest.set(_open_from(latest.get()))
        self._blocks.remove(block)

    def __del__(self) -> None:
        for block in list(getattr(self, "_blocks", ())):  # missing after an interrupt or a wrong argument
            self._close(block)
