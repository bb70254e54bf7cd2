"""What a :class:`DataLoader` asks of a data set that it reads from the beginning to the end, rather than by index."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

from numpy.typing import NDArray

Batch: TypeAlias = tuple[NDArray[Any], ...]
Exchange: TypeAlias = Callable[[Sequence[Any]], list[Any]]


class Reading(NamedTuple):
    """How a loader reads an epoch: from batch ``first`` on, and of each batch the share of one rank of several.

    With ``exchange`` the ranks may each read a part and hand rows over: it takes a value for each rank, and returns
    the one from each.
    """

    seed: int
    epoch: int
    first: int
    batch_size: int
    shuffle: bool
    drop_last: bool
    shard: tuple[int, int] = (0, 1)
    exchange: Exchange | None = None


class Passage(ABC):
    """One epoch being read."""

    waited: float = 0.0
    """Seconds spent waiting for data."""

    @abstractmethod
    def fetch(self) -> Batch | None:
        """Return the next batch, or None at the end."""

    @property
    @abstractmethod
    def has_more(self) -> bool:
        """Whether another batch follows."""

    @abstractmethod
    def close(self) -> None:
        """Stop reading; no thread is left."""

    def note(self) -> Any:
        """What the data set itself needs to go on from here, in plain values for JSON; None if nothing."""
        return None


class Streamed(ABC):
    """A data set that is read in order, or in a shuffled order of its own."""

    @abstractmethod
    def samples(self) -> int | None:
        """How many samples an epoch has, if that is known."""

    @abstractmethod
    def passage(self, reading: Reading, note: Any = None) -> Passage:
        """Begin to read an epoch; ``note`` is what :meth:`Passage.note` returned where it is to go on."""
