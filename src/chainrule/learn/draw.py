"""Numbers for exercises: the same for a seed on every machine, and short enough for work by hand."""

import hashlib
from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")


class Draw:
    """A stream of choices that a key determines.

    It counts through SHA-256, because NumPy and Python promise the same stream for a seed only within a version, and a
    teacher's sheet must be the same next year.

    >>> draw = Draw("neuron", 0)
    >>> draw.integer(1, 6) == Draw("neuron", 0).integer(1, 6)
    True
    """

    def __init__(self, *key: Any) -> None:
        self._key = repr(key).encode()
        self._count = 0

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        self._count += 1
        digest = hashlib.sha256(self._key + self._count.to_bytes(8, "big")).digest()
        return low + int.from_bytes(digest[:8], "big") % (high - low + 1)

    def choice(self, items: Sequence[T]) -> T:
        """Return one of several."""
        return items[self.integer(0, len(items) - 1)]

    def shuffled(self, items: Sequence[T]) -> list[T]:
        """Return them in another order (Fisher & Yates)."""
        mixed = list(items)
        for k in range(len(mixed) - 1, 0, -1):
            other = self.integer(0, k)
            mixed[k], mixed[other] = mixed[other], mixed[k]
        return mixed

    def halves(self, low: int = -4, high: int = 4) -> float:
        """Return a multiple of 0.5 that is not zero: from `low`/2 to `high`/2."""
        return self.choice([k / 2 for k in range(low, high + 1) if k])

    def whole(self, low: int = -3, high: int = 3) -> float:
        """Return a whole number that is not zero, as a float."""
        return float(self.choice([k for k in range(low, high + 1) if k]))

    def array(self, *shape: int, step: float = 1.0, most: int = 2) -> NDArray[np.float64]:
        """Return an array of multiples of `step`, up to `most` of them, none of which is zero."""
        count = int(np.prod(shape))
        return np.array([self.whole(-most, most) * step for _ in range(count)]).reshape(shape)

    def uniform(self, *shape: int) -> NDArray[np.float64]:
        """Return numbers between -1.5 and 1.5, for comparing formulas at points where nothing agrees by chance."""
        count = int(np.prod(shape))
        return np.array([self.integer(-(10**9), 10**9) / 10**9 * 1.5 for _ in range(count)]).reshape(shape)
