"""The median of a column that is read once and not kept."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import ArrayLike, NDArray

LEAST = 256
"""The fewest values that a sketch keeps."""


class MedianSketch:
    """The median of values that come in parts: exact up to ``capacity`` values, and within :attr:`error` beyond them.

    Sorted blocks of values of equal weight are joined, two at a time, and every second value is kept, with twice the
    weight. That moves the number of values up to any point by at most the weight, up or down by turns; ``error`` is
    the sum of these for the values that came, so that the median found is one of the values whose rank is within it.

    Source: Manku, Rajagopalan & Lindsay, "Approximate Medians and other Quantiles in One Pass and with Limited Memory"
    (1998), section 3.

    >>> sketch = MedianSketch()
    >>> sketch.add([5.0, 1.0, 3.0, 8.0])
    >>> sketch.median, sketch.error
    (4.0, 0)
    >>> small = MedianSketch(capacity=256)
    >>> small.add(range(10_000))
    >>> bool(abs(small.median - 4999.5) <= small.error), small.error
    (True, 460)
    """

    def __init__(self, capacity: int = 1 << 16) -> None:
        if capacity < LEAST:
            raise ValueError(f"MedianSketch: expected a capacity of at least {LEAST}, got {capacity}")
        self.capacity, self.count = capacity, 0
        self._size = capacity // 16 * 2
        """Of a block, an even number."""
        self._new: list[NDArray[np.float64]] = []
        self._levels: list[list[NDArray[np.float64]]] = []
        """Blocks of sorted values; those of level k have the weight 2 ** (k + 1)."""
        self._joined = list[int]()
        """How many joins have made blocks of each level."""

    def add(self, values: ArrayLike | Iterable[float]) -> None:
        """Count more values, which are no NaN."""
        found = np.array([*values] if isinstance(values, range) else values, np.float64).reshape(-1)
        self.count += len(found)
        if len(found):
            self._new.append(found)
        while self._kept > self.capacity and self._joins():
            pass

    @property
    def _kept(self) -> int:
        return sum(map(len, self._new)) + self._size * sum(map(len, self._levels))

    def _joins(self) -> bool:
        """Join two blocks of the least weight of which there are two; return whether there were."""
        if sum(map(len, self._new)) >= 2 * self._size:
            new = np.concatenate(self._new)
            self._new = [new[2 * self._size :]] if len(new) > 2 * self._size else []
            self._keep(0, np.sort(new[: 2 * self._size]))
            return True
        for level, blocks in enumerate(self._levels):
            if len(blocks) > 1:
                self._keep(level + 1, np.sort(np.concatenate([blocks.pop(), blocks.pop()]), kind="stable"))
                return True
        return False

    def _keep(self, level: int, values: NDArray[np.float64]) -> None:
        """Keep every second of sorted values: the first, or by turns the second and so on."""
        while level >= len(self._levels):
            self._levels.append([])
            self._joined.append(0)
        self._levels[level].append(values[self._joined[level] % 2 :: 2].copy())
        self._joined[level] += 1

    @property
    def error(self) -> int:
        """How many places the median may be from the middle of the values, at most; 0 if they are all kept."""
        up = sum(((joins + 1) // 2) << level for level, joins in enumerate(self._joined))
        down = sum((joins // 2) << level for level, joins in enumerate(self._joined))
        return max(up, down)

    @property
    def median(self) -> float:
        """The middle value, or the mean of the middle two; NaN without values."""
        if not self.count:
            return float("nan")
        parts = [np.concatenate(self._new)] if self._new else []
        weights = [np.ones(len(part)) for part in parts]
        for level, blocks in enumerate(self._levels):
            parts += blocks
            weights += [np.full(len(block), 2.0 ** (level + 1)) for block in blocks]
        values, weight = np.concatenate(parts), np.concatenate(weights)
        return weighted_median(values, weight)


def weighted_median(values: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """The median of values each of which occurs so many times.

    >>> weighted_median(np.array([7.0, 1.0]), np.array([1.0, 3.0]))
    1.0
    """
    order = np.argsort(values, kind="stable")
    ends = np.cumsum(weights[order])
    total = ends[-1]
    low, high = values[order[np.searchsorted(ends, [(total - 1) // 2, total // 2], side="right")]]
    return float(low if low == high else low / 2 + high / 2)
