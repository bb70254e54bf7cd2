"""Repeated blocks: stretches of the forward pass with the same structure, each with its own parameters.

Operations are compared by name and shape. Where the sequence agrees with itself, shifted by p, over a stretch of
length n, it repeats a block of p operations n / p + 1 times; the stretch that saves the most is taken first. A block
counts only if its copies are wired alike: internally, to the previous copy, and to the same values outside.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .vertices import Vertex

LONGEST = 512
"""The longest block to look for, in operations."""
COPIES = 3
SAVED = 6
"""With fewer copies, or fewer operations saved, folding is not worth the reader's effort."""
TURNS = 16
BUDGET = 300_000
"""The limit on the ways of cutting stretches into blocks that are tried, and on the operations examined in total."""


@dataclass(eq=False)
class Fold:
    """A repeated block: the vertices of each copy, in order: its operations and the values that only they use."""

    copies: list[list[Vertex]]

    @property
    def operations(self) -> list[Vertex]:
        """The operations of one copy."""
        return [v for v in self.copies[0] if v.op is not None]

    @property
    def parameters(self) -> int:
        """The number of parameters in each copy."""
        return sum(v.kind == "parameter" for v in self.copies[0])

    def paths(self) -> list[str]:
        """Return the common path of each copy's modules and parameters; empty if there is none."""
        return [
            _common([v.module or v.name.rpartition(".")[0] for v in copy if v.module or "." in v.name])
            for copy in self.copies
        ]


def _common(paths: Sequence[str]) -> str:
    """Return the dotted prefix that all paths share."""
    split = [path.split(".") for path in paths]
    shared: list[str] = []
    for parts in zip(*split, strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return ".".join(shared)


@dataclass(frozen=True)
class _Stretch:
    """`copies` whole blocks of `period` operations, from `start` on."""

    start: int
    period: int
    copies: int

    @property
    def end(self) -> int:
        return self.start + self.period * self.copies

    @property
    def saved(self) -> int:
        return self.period * (self.copies - 1)

    @property
    def is_worth_it(self) -> bool:
        return self.copies >= COPIES and self.saved >= SAVED


def find_folds(vertices: Sequence[Vertex]) -> list[Fold]:
    """Return the disjoint repeated blocks of a graph whose vertices are given in order."""
    wiring = _Wiring(vertices)
    taken = np.zeros(len(wiring.operations), bool)
    found: list[Fold] = []
    for period, first, last in sorted(_agreements(wiring.tokens), key=lambda s: (s[1] - s[2] + s[0], s[0])):
        for start, end in _free(taken, first, last):
            if wiring.work > BUDGET:
                return found
            stretch = wiring.best(start, end, period)
            if stretch is not None:
                taken[stretch.start : stretch.end] = True
                found.append(wiring.fold(stretch))
    return found


def _agreements(tokens: Sequence[Hashable]) -> Iterator[tuple[int, int, int]]:
    """Yield every maximal stretch in which the tokens repeat, as (period, start, end)."""
    numbers: dict[Hashable, int] = {}
    line = np.array([numbers.setdefault(token, len(numbers)) for token in tokens], np.int64)
    for period in range(1, min(len(line) // COPIES, LONGEST) + 1):
        same = np.concatenate(([False], line[:-period] == line[period:], [False]))
        edges = np.flatnonzero(same[1:] != same[:-1])
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if _Stretch(start, period, (end - start) // period + 1).is_worth_it:
                yield period, start, end + period


def _free(taken: NDArray[np.bool_], start: int, end: int) -> Iterator[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate(([True], taken[start:end], [True])).astype(np.int8)))
    yield from ((start + a, start + b) for a, b in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


class _Wiring:
    """The operations in order, with the sources of their arguments."""

    def __init__(self, vertices: Sequence[Vertex]) -> None:
        self.operations = [v for v in vertices if v.op is not None]
        self.position = {v: k for k, v in enumerate(self.operations)}
        self.users: dict[Vertex, list[int]] = {}
        for k, operation in enumerate(self.operations):
            for link in operation.inputs:
                self.users.setdefault(link.source, []).append(k)
        self.tokens = [(v.name, v.shape, len(v.inputs)) for v in self.operations]
        self.work = 0

    def best(self, start: int, end: int, period: int) -> _Stretch | None:
        """Return the blocks of this period that are wired alike, cut where the fewest values cross."""
        spare = (end - start) % period
        found = [self._wired_alike(start + turn, end, period) for turn in range(min(spare, TURNS) + 1)]
        worth = [s for s in found if s.is_worth_it]
        return min(worth, key=lambda s: (-s.copies, self._crossing(s), s.start), default=None)

    def _wired_alike(self, start: int, end: int, period: int) -> _Stretch:
        """Return the longest run of blocks that begins at `start` or a whole number of blocks after it."""
        longest, first = _Stretch(start, period, 1), start
        while (end - first) // period > longest.copies:
            pattern = self._pattern(first, first + period, period)
            count = 1
            if self._agrees(self._pattern(first, first, period), pattern):
                count, most = 2, (end - first) // period
                while count < most and self._pattern(first, first + period * count, period) == pattern:
                    count += 1
            longest = max(longest, _Stretch(first, period, count), key=lambda s: s.copies)
            first += period * count if count == 1 else period * (count - 1)
        return longest

    def _agrees(self, first: Sequence[Hashable], pattern: Sequence[Hashable]) -> bool:
        """Whether the first copy is wired like the others, apart from what they take from the previous copy."""
        pairs = zip(first, pattern, strict=False)
        return len(first) == len(pattern) and all(
            a == b or (isinstance(b, tuple) and b[0] == "before") for a, b in pairs
        )

    def _pattern(self, first: int, start: int, period: int) -> list[Hashable]:
        """Return the sources of a copy's arguments in relative terms, equal for copies that are wired alike."""
        found: list[Hashable] = []
        seen: dict[Vertex, int] = {}
        for source in self._sources(start, period):
            at = seen.setdefault(source, len(found)) if source is not None else 0
            found.append(source and self._origin(source, first, start, period, at))
        self.work += period
        return found

    def _sources(self, start: int, period: int) -> Iterator[Vertex | None]:
        """Yield the arguments of each operation of a copy, with None after each operation."""
        for operation in self.operations[start : start + period]:
            yield from (link.source for link in operation.inputs)
            yield None

    def _origin(self, source: Vertex, first: int, start: int, period: int, at: int) -> Hashable:
        made = self.position.get(source)
        if made is None:
            if all(start <= user < start + period for user in self.users[source]):
                return "own", at, source.kind, source.shape
            return "outside", id(source)
        if made >= start:
            return "inside", made - start
        if made >= first:
            return ("before", made - start) if made >= start - period else ("far", id(source))
        return "outside", id(source)

    def _crossing(self, stretch: _Stretch) -> int:
        """Return how many values pass from one copy to the next."""
        middle = stretch.start + stretch.period
        return sum(
            any(user >= middle for user in self.users.get(self.operations[k], ())) for k in range(stretch.start, middle)
        )

    def fold(self, stretch: _Stretch) -> Fold:
        """Return the blocks, each with its own parameters and constants."""
        start, period = stretch.start, stretch.period
        pattern = self._pattern(start, start + period, period)
        copies = []
        for first in range(start, stretch.end, period):
            copy: dict[Vertex, None] = {}
            operations = iter(self.operations[first : first + period])
            for source, origin in zip(self._sources(first, period), pattern, strict=True):
                if source is None:
                    copy[next(operations)] = None
                elif isinstance(origin, tuple) and origin[0] == "own":
                    copy[source] = None
            copies.append(list(copy))
        return Fold(copies)
