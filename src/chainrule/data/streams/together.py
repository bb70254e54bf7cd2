"""Several processes that read the same files: each has its turn, and what it found is given to the others."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, TypeVar

T = TypeVar("T")
Exchange: TypeAlias = Callable[[Sequence[Any]], list[Any]]


class Parallel(Protocol):
    """Processes that run the same program, such as :class:`chainrule.distributed.DataParallel`."""

    rank: int
    size: int

    def exchanged(self, given: Sequence[Any]) -> list[Any]:
        """Give each process a value, and return the one from each."""


class Together(NamedTuple):
    """The process ``rank`` among ``size``; ``exchange`` takes a value for each, and returns the one from each."""

    rank: int = 0
    size: int = 1
    exchange: Exchange = list

    @classmethod
    def of(cls, parallel: Parallel | None) -> "Together":
        """The processes that train together; alone without them."""
        return cls() if parallel is None else cls(parallel.rank, parallel.size, parallel.exchanged)

    def all(self, value: T) -> list[T]:
        """The value of each process, in the order of their ranks."""
        return self.exchange([value] * self.size)


ALONE = Together()
