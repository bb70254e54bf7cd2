"""Statistics of data that come in blocks: each block gives a part, and parts merge, in any grouping, to the whole."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import DataError
from chainrule.data.faults import SHOWN
from chainrule.data.standardizer import Standardizer

_FLOAT64 = np.finfo(np.float64)
_PARTS = ("missing", "unit", "scaled_mean", "scaled_squares", "low", "high")


@dataclass(frozen=True, eq=False)
class Moments:
    """The count, mean, deviation and range of each of n columns, without the rows.

    ``missing`` counts the holes of each column, which are in none of the others but ``count``.

    ``merged`` gives the moments of two parts together, up to rounding in whatever order parts are merged. Sums are kept
    in ``unit``, a power of two for each column, so that no square overflows or underflows.

    Source: Chan, Golub & LeVeque, "Algorithms for computing the sample variance" (1983), equation 2.1.

    >>> whole = Moments.of([[1.0], [3.0]]).merged(Moments.of([[5.0]]))
    >>> whole.count, whole.mean.tolist(), whole.low.tolist(), whole.high.tolist()
    (3, [3.0], [1.0], [5.0])
    >>> round(float(whole.deviation[0]), 6)
    1.632993
    """

    count: int
    missing: NDArray[np.int64]
    unit: NDArray[np.float64]
    scaled_mean: NDArray[np.float64]
    scaled_squares: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def none(cls, columns: int) -> Self:
        """The moments of no rows of so many columns."""
        zero = np.zeros(columns)
        smallest = np.full(columns, _FLOAT64.smallest_normal)
        return cls(0, np.zeros(columns, np.int64), smallest, zero, zero, zero + np.inf, zero - np.inf)

    @classmethod
    def of(cls, x: ArrayLike, weights: ArrayLike | None = None) -> Self:
        """The moments of rows ``x`` [N, n], which are finite, or NaN for holes.

        With ``weights`` [N], whole numbers, row i occurs so many times.
        """
        x = np.asarray(x, np.float64)
        if x.ndim != 2:
            raise ValueError(f"Moments.of: expected rows [N, n], got shape {list(x.shape)}")
        times = None if weights is None else np.asarray(weights, np.int64)
        if times is not None:
            x, times = x[times > 0], times[times > 0]
        if not len(x):
            return cls.none(x.shape[1])
        holes = np.isnan(x)
        count = len(x) if times is None else int(times.sum())
        missing = np.zeros(x.shape[1], np.int64)
        low, high = np.fmin.reduce(x), np.fmax.reduce(x)
        if holes.any():
            missing = (holes if times is None else holes * times[:, None]).sum(axis=0)
            low, high = np.where(missing == count, np.inf, low), np.where(missing == count, -np.inf, high)
        unit = _unit(np.where(missing == count, 0.0, np.maximum(np.abs(low), np.abs(high))))
        known = np.maximum(count - missing, 1)
        z = np.where(holes, 0.0, x) / unit
        mean = _total(z, times) / known
        z = np.where(holes, 0.0, z - mean) if holes.any() else z - mean
        # The mean is rounded; what is left of the sum corrects for it.
        rest = _total(z, times)
        squares = np.einsum("ij,ij->j", z, z if times is None else z * times[:, None]) - rest * rest / known
        return cls(count, missing, unit, mean + rest / known, np.maximum(squares, 0.0), low, high)

    def merged(self, other: "Moments") -> "Moments":
        """The moments of the rows of both."""
        if self.unit.shape != other.unit.shape:
            raise ValueError(f"Moments.merged: {self.unit.size} columns here, {other.unit.size} there")
        if not self.count or not other.count:
            return self if self.count else other
        ours, others = self.count - self.missing, other.count - other.missing
        part = others / np.maximum(ours + others, 1)
        unit = np.maximum(self.unit, other.unit)
        mine, theirs = self.unit / unit, other.unit / unit
        apart = other.scaled_mean * theirs - self.scaled_mean * mine
        mean = self.scaled_mean * mine + apart * part
        squares = self.scaled_squares * mine**2 + other.scaled_squares * theirs**2 + apart**2 * (ours * part)
        low, high = np.minimum(self.low, other.low), np.maximum(self.high, other.high)
        return Moments(self.count + other.count, self.missing + other.missing, unit, mean, squares, low, high)

    @property
    def mean(self) -> NDArray[np.float64]:
        """The mean of each column."""
        return self.scaled_mean * self.unit

    @property
    def deviation(self) -> NDArray[np.float64]:
        """The standard deviation of each column's values, as of a whole population."""
        return np.sqrt(self.scaled_squares / np.maximum(self.count - self.missing, 1)) * self.unit

    def standardizer(self) -> Standardizer:
        """What :meth:`Standardizer.fit` gives for the rows, with holes filled by the means, up to rounding.

        Raises :class:`DataError` if there are no rows.
        """
        if not self.count:
            raise DataError("Moments.standardizer: there are no rows; expected at least one")
        size = np.maximum(np.abs(self.low), np.abs(self.high))
        scale = np.sqrt(self.scaled_squares / self.count) * self.unit
        constant = (self.high / self.unit - self.low / self.unit) <= 4 * _FLOAT64.eps * size / self.unit
        return Standardizer(self.mean, np.where(constant | (scale < _FLOAT64.smallest_normal), 1.0, scale))

    def filled(self, values: NDArray[np.float64]) -> "Moments":
        """The moments with the holes of each column filled with a value.

        >>> Moments.of([[1.0], [float("nan")]]).filled(np.array([3.0])).mean.tolist()
        [2.0]
        """
        has_holes = self.missing > 0
        values = np.where(has_holes, values, self.mean)
        known, part = self.count - self.missing, self.missing / max(self.count, 1)
        unit = np.maximum(self.unit, np.where(has_holes, _unit(np.abs(values)), self.unit))
        mine = self.unit / unit
        apart = np.where(has_holes, values / unit - self.scaled_mean * mine, 0.0)
        mean = self.scaled_mean * mine + apart * part
        squares = self.scaled_squares * mine**2 + apart**2 * (known * part)
        low = np.where(has_holes, np.minimum(self.low, values), self.low)
        high = np.where(has_holes, np.maximum(self.high, values), self.high)
        return Moments(self.count, np.zeros_like(self.missing), unit, mean, squares, low, high)

    def jointly(self) -> "Moments":
        """The moments of all columns as one, such as those of an image's pixels.

        >>> Moments.of([[0.0, 4.0]]).jointly().mean.tolist()
        [2.0]
        """
        parts = [self.of_columns([j]) for j in range(self.unit.size)]
        return merged(parts)

    def of_columns(self, columns: Any) -> "Moments":
        """The moments of some of the columns: indices, or a slice."""
        return Moments(self.count, *(part[columns] for part in self._parts()))

    def _arrays(self) -> tuple[NDArray[np.float64], ...]:
        return self.unit, self.scaled_mean, self.scaled_squares, self.low, self.high

    def _parts(self) -> tuple[NDArray[Any], ...]:
        return self.missing, *self._arrays()

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON; floats are restored exactly."""
        return {"count": self.count, **{name: a.tolist() for name, a in zip(_PARTS, self._parts(), strict=True)}}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`."""
        missing, *arrays = (np.asarray(state[name]) for name in _PARTS)
        return cls(int(state["count"]), missing.astype(np.int64), *(array.astype(np.float64) for array in arrays))

    @classmethod
    def beside(cls, parts: Sequence["Moments"]) -> Self:
        """The moments of the columns of all parts, side by side; the parts have the same rows."""
        count = parts[0].count
        if any(part.count != count for part in parts):
            raise ValueError(f"Moments.beside: expected parts of the same rows, got {[part.count for part in parts]}")
        return cls(
            count, *(np.concatenate(columns) for columns in zip(*(part._parts() for part in parts), strict=True))
        )


def merged(parts: Iterable[Moments]) -> Moments:
    """The moments of all parts together, merged pairwise as a tree, whose rounding grows with its depth alone."""
    level = list(parts)
    while len(level) > 1:
        pairs = [level[i].merged(level[i + 1]) for i in range(0, len(level) - 1, 2)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _total(z: NDArray[np.float64], times: NDArray[np.int64] | None) -> NDArray[np.float64]:
    return np.asarray(z.sum(axis=0) if times is None else times @ z)


def _unit(size: NDArray[np.float64]) -> NDArray[np.float64]:
    """The power of two next to a size; dividing by it is exact."""
    exponent = np.where(size > 0, np.frexp(size)[1] - 1.0, -1022.0)
    return np.exp2(np.maximum(exponent, -1022.0))


class Counts:
    """How often each value occurs, for up to ``most`` different values; with more, only that there are more.

    >>> counts = Counts(most=2)
    >>> counts.add(["a", "b", "a"])
    >>> counts.values, counts.is_over
    ({'a': 2, 'b': 1}, False)
    >>> counts.add(["c"])
    >>> counts.values, counts.is_over
    ({}, True)
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self.values: dict[Any, int] = {}
        self.is_over = False
        """Whether there are more than ``most`` different values."""

    def add(self, values: Iterable[Any], counts: Sequence[int] | None = None) -> None:
        """Count values, each so many times, by default once."""
        if self.is_over:
            return
        found = Counter(values) if counts is None else dict(zip(values, map(int, counts), strict=True))
        for value, count in found.items():
            if count:
                self.values[value] = self.values.get(value, 0) + count
        if len(self.values) > self.most:
            self.values, self.is_over = {}, True

    def merged(self, other: "Counts") -> "Counts":
        """The counts of both."""
        found = Counts(min(self.most, other.most))
        found.is_over = self.is_over or other.is_over
        for part in (self, other):
            found.add(part.values, [*part.values.values()])
        return found


class Faults:
    """Cells that cannot be used, such as missing ones: how many in each column, and the first ``most`` of each.

    Of those, the number of the row and what is to be said of it are kept.

    >>> faults = Faults(most=2)
    >>> faults.add("age", 3, [(7, ""), (8, "")])
    >>> faults.merged(faults).counts, faults.merged(faults).first
    ({'age': 6}, {'age': [(7, ''), (8, '')]})
    """

    def __init__(self, most: int = SHOWN) -> None:
        self.most = most
        self.counts: dict[str, int] = {}
        self.first: dict[str, list[tuple[int, str]]] = {}

    def add(self, column: str, count: int, first: Sequence[tuple[int, str]]) -> None:
        """Note so many cells of a column, behind those that are known."""
        if count:
            self.counts[column] = self.counts.get(column, 0) + count
            known = self.first.setdefault(column, [])
            known += first[: self.most - len(known)]

    def merged(self, other: "Faults") -> "Faults":
        """The faults of both, of which ``other`` are behind these."""
        found = Faults(min(self.most, other.most))
        for part in (self, other):
            for column, count in part.counts.items():
                found.add(column, count, part.first[column])
        return found
