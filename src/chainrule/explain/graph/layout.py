"""A layered drawing of a directed acyclic graph: boxes in rows, every edge pointing down, no overlaps.

The method of Sugiyama, Tagawa and Toda ("Methods for visual understanding of hierarchical system structures", IEEE
Transactions on Systems, Man, and Cybernetics 11, 1981): rows by longest paths, fewer crossings by barycentres, then
coordinates. An edge's label is a box in a row of its own, so that the same method keeps it clear; an edge that crosses
a row has a place reserved there. Coordinates exactly minimise the weighted squared distance to the neighbours' mean,
subject to the order of the row, by pooling adjacent violators (Barlow et al., 1972).
"""

import itertools
import math
from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass, field

GAP_X = 16.0
GAP_Y = 12.0
PORT = 18.0
"""The distance between edges that enter a box, and from its corners, if the box is wide enough."""
STRAIGHT = 6.0
"""The pull of a long edge on its own places, relative to that of an ordinary edge on its ends."""
SWEEPS = 14


@dataclass(frozen=True)
class Edge:
    """An edge from box `tail` down to box `head`, with a label of this size; a higher `weight` draws it straighter."""

    tail: int
    head: int
    width: float = 0.0
    height: float = 0.0
    weight: float = 1.0


@dataclass
class Place:
    """A box, given by its centre."""

    width: float
    height: float
    x: float = 0.0
    y: float = 0.0

    @property
    def left(self) -> float:
        """The x-coordinate of the left border."""
        return self.x - self.width / 2

    @property
    def right(self) -> float:
        """The x-coordinate of the right border."""
        return self.x + self.width / 2

    @property
    def top(self) -> float:
        """The y-coordinate of the top border."""
        return self.y - self.height / 2

    @property
    def bottom(self) -> float:
        """The y-coordinate of the bottom border."""
        return self.y + self.height / 2


@dataclass
class Layout:
    """All positions: a place for each box and each edge's label, and a polyline of knots for each edge."""

    boxes: list[Place]
    labels: list[Place]
    knots: list[list[tuple[float, float]]]
    width: float = 0.0
    height: float = 0.0


@dataclass
class _Rows:
    """The places in rows, with the edges between neighbouring rows: `above[p]` holds (place, weight)."""

    places: list[Place] = field(default_factory=list)
    row_of: list[int] = field(default_factory=list)
    above: list[list[tuple[int, float]]] = field(default_factory=list)
    below: list[list[tuple[int, float]]] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def add(self, place: Place, row: int, weight: float = 1.0) -> int:
        self.places.append(place)
        self.row_of.append(row)
        self.weights.append(weight)
        self.above.append([])
        self.below.append([])
        return len(self.places) - 1

    def join(self, upper: int, lower: int, weight: float) -> None:
        self.below[upper].append((lower, weight))
        self.above[lower].append((upper, weight))


def rows_of(count: int, edges: Sequence[Edge]) -> list[int]:
    """Return the row of each box: one below its lowest predecessor; without any, just above its first use.

    Boxes are numbered so that every edge leads to a higher number. Raises ValueError for one that does not.
    """
    rows = [0] * count
    entered, first_use = [False] * count, [-1] * count
    for edge in sorted(edges, key=lambda e: e.head):
        if not 0 <= edge.tail < edge.head < count:
            raise ValueError(f"layout: expected edges from lower to higher numbers below {count}, got {edge}")
        rows[edge.head] = max(rows[edge.head], rows[edge.tail] + 1)
        entered[edge.head] = True
    for edge in edges:
        use = rows[edge.head]
        first_use[edge.tail] = use if first_use[edge.tail] < 0 else min(first_use[edge.tail], use)
    return [row if inside or use < 0 else use - 1 for row, inside, use in zip(rows, entered, first_use, strict=True)]


def places_needed(count: int, edges: Sequence[Edge]) -> int:
    """Return how many places a drawing needs; the layout's run time grows with it."""
    rows = rows_of(count, edges)
    return count + sum(2 * (rows[e.head] - rows[e.tail]) - 1 for e in edges)


def lay_out(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Place boxes of these sizes (width, height), numbered so that every edge leads to a higher number.

    >>> drawing = lay_out([(10, 10), (10, 10), (20, 10)], [Edge(0, 2), Edge(1, 2)])
    >>> drawing.boxes[0].x < drawing.boxes[2].x < drawing.boxes[1].x
    True
    """
    rows = _Rows()
    numbers = rows_of(len(sizes), edges)
    for (width, height), row in zip(sizes, numbers, strict=True):
        rows.add(Place(width, height), 2 * row)
    for edge in edges:
        for end in (edge.tail, edge.head):
            rows.weights[end] = max(rows.weights[end], edge.weight)
    chains = [_chain(rows, edge) for edge in edges]
    order = _ordered(rows)
    _set_x(rows, order)
    _straighten(rows, order, chains)
    tops, bottoms = _set_y(rows, order)
    knots = _knots(rows, edges, chains, tops, bottoms)
    boxes, labels = rows.places[: len(sizes)], [rows.places[chain[-1]] for chain in chains]
    return _shifted(Layout(boxes, labels, knots), rows)


def _chain(rows: _Rows, edge: Edge) -> list[int]:
    """Reserve a place in every row that an edge crosses; the last one, just above its head, is for its label."""
    chain, last = [], edge.tail
    first, end = rows.row_of[edge.tail] + 1, rows.row_of[edge.head]
    pull = edge.weight * (STRAIGHT if end - first > 1 else 1.0)
    for row in range(first, end):
        place = Place(edge.width, edge.height) if row == end - 1 else Place(0.0, 0.0)
        chain.append(rows.add(place, row, pull))
        rows.join(last, chain[-1], edge.weight if last == edge.tail else pull)
        last = chain[-1]
    rows.join(last, edge.head, edge.weight)
    return chain


# The order within the rows


def _ordered(rows: _Rows) -> list[list[int]]:
    """Return the places of each row from left to right, in the best order that the sweeps found."""
    order: list[list[int]] = [[] for _ in range(max(rows.row_of, default=-1) + 1)]
    for place in _depth_first(rows):
        order[rows.row_of[place]].append(place)
    best, fewest = [list(row) for row in order], _crossings(rows, order)
    for sweep in range(SWEEPS):
        if fewest == 0:
            break
        down = sweep % 2 == 0
        neighbours = rows.above if down else rows.below
        position = [0.0] * len(rows.places)
        for row in order if down else reversed(order):
            _sort_by_barycentre(row, neighbours, position)
        found = _crossings(rows, order)
        if found < fewest:
            best, fewest = [list(row) for row in order], found
    return best


def _depth_first(rows: _Rows) -> list[int]:
    """Return the places as a reader of the expression meets them: arguments in order, each before its use."""
    seen, found = [False] * len(rows.places), []
    for end in reversed(range(len(rows.places))):
        stack = [(end, False)] if not rows.below[end] else []
        while stack:
            place, done = stack.pop()
            if done:
                found.append(place)
            elif not seen[place]:
                seen[place] = True
                stack.append((place, True))
                stack.extend((p, False) for p, _ in reversed(rows.above[place]))
    return found


def _sort_by_barycentre(
    row: list[int], neighbours: Sequence[Sequence[tuple[int, float]]], position: list[float]
) -> None:
    keys = {}
    for k, place in enumerate(row):
        near = [position[p] for p, _ in neighbours[place]]
        keys[place] = sum(near) / len(near) if near else float(k)
    row.sort(key=keys.__getitem__)
    for k, place in enumerate(row):
        position[place] = float(k)


def _crossings(rows: _Rows, order: Sequence[Sequence[int]]) -> int:
    total = 0
    for upper, lower in itertools.pairwise(order):
        position = {place: k for k, place in enumerate(upper)}
        passed: list[int] = []
        for place in lower:
            ends = sorted(position[p] for p, _ in rows.above[place])
            total += sum(len(passed) - bisect_right(passed, end) for end in ends)
            for end in ends:
                insort(passed, end)
    return total


# Coordinates


def _set_x(rows: _Rows, order: Sequence[Sequence[int]]) -> None:
    for row in order:
        _settle(rows, row, [0.0] * len(row))
    for sweep in range(SWEEPS):
        last = sweep >= SWEEPS - 2
        for row in order if sweep % 2 == 0 else reversed(order):
            near = [
                [*rows.above[p], *rows.below[p]] if last else (rows.above if sweep % 2 == 0 else rows.below)[p]
                for p in row
            ]
            _settle(rows, row, [_mean(rows, p, ends) for p, ends in zip(row, near, strict=True)])


def _mean(rows: _Rows, place: int, ends: Sequence[tuple[int, float]]) -> float:
    total = sum(weight for _, weight in ends)
    return sum(weight * rows.places[p].x for p, weight in ends) / total if total else rows.places[place].x


def _settle(rows: _Rows, row: Sequence[int], wanted: Sequence[float]) -> None:
    """Move a row as close to `wanted` as its order and gaps allow."""
    offsets, reach = [], 0.0
    for k, place in enumerate(row):
        if k:
            reach += (rows.places[row[k - 1]].width + rows.places[place].width) / 2 + GAP_X
        offsets.append(reach)
    targets = [x - offset for x, offset in zip(wanted, offsets, strict=True)]
    levels = isotonic(targets, [rows.weights[p] for p in row])
    for place, level, offset in zip(row, levels, offsets, strict=True):
        rows.places[place].x = level + offset


def _straighten(rows: _Rows, order: Sequence[Sequence[int]], chains: Sequence[Sequence[int]]) -> None:
    """Draw long edges straight down, in as few pieces as their neighbours allow, and labels below their source.

    Nothing else moves, and a place moves only within its free space.
    """
    beside: dict[int, tuple[int | None, int | None]] = {}
    for row in order:
        for left, place, right in zip([None, *row[:-1]], row, [*row[1:], None], strict=True):
            beside[place] = left, right
    for chain in chains:
        piece: list[int] = []
        low, high = -math.inf, math.inf
        for place in chain if len(chain) > 1 else []:
            least, most = _room(rows, place, *beside[place])
            if max(low, least) > min(high, most):
                _align(rows, piece, low, high)
                piece, low, high = [], -math.inf, math.inf
            piece.append(place)
            low, high = max(low, least), min(high, most)
        _align(rows, piece, low, high)
    for chain in [*chains, *reversed(chains)]:
        (source, _) = rows.above[chain[0]][0]
        if len(chain) == 1 and not rows.above[source] and len(rows.below[source]) == 1:
            low, high = _room(rows, chain[0], *beside[chain[0]])
            rows.places[chain[0]].x = min(max(rows.places[source].x, low), high)


def _room(rows: _Rows, place: int, left: int | None, right: int | None) -> tuple[float, float]:
    half = rows.places[place].width / 2 + GAP_X
    low = -math.inf if left is None else rows.places[left].right + half
    high = math.inf if right is None else rows.places[right].left - half
    x = rows.places[place].x
    return min(low, x), max(high, x)


def _align(rows: _Rows, piece: Sequence[int], low: float, high: float) -> None:
    if piece:
        x = sum(rows.places[p].x for p in piece) / len(piece)
        for place in piece:
            rows.places[place].x = min(max(x, low), high)


def isotonic(values: Sequence[float], weights: Sequence[float]) -> list[float]:
    """Return the non-decreasing sequence closest to `values` in weighted least squares.

    >>> isotonic([1.0, 3.0, 2.0], [1.0, 1.0, 1.0])
    [1.0, 2.5, 2.5]
    """
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values, weights, strict=True):
        block = (value, weight, 1)
        while blocks and blocks[-1][0] >= block[0]:
            mean, mass, size = blocks.pop()
            total = mass + block[1]
            block = ((mean * mass + block[0] * block[1]) / total, total, size + block[2])
        blocks.append(block)
    return [mean for mean, _, size in blocks for _ in range(size)]


def _set_y(rows: _Rows, order: Sequence[Sequence[int]]) -> tuple[list[float], list[float]]:
    """Stack the rows, with more height between rows whose edges run far to the side."""
    tops: list[float] = []
    bottoms: list[float] = []
    y = 0.0
    for row in order:
        aside = max((abs(rows.places[p].x - rows.places[u].x) for p in row for u, _ in rows.above[p]), default=0.0)
        y += GAP_Y + min(0.09 * aside, 36.0) if tops else 0.0
        height = max(rows.places[p].height for p in row)
        for place in row:
            rows.places[place].y = y + height / 2
        tops.append(y)
        y += height
        bottoms.append(y)
    return tops, bottoms


def _knots(
    rows: _Rows, edges: Sequence[Edge], chains: Sequence[Sequence[int]], tops: Sequence[float], bottoms: Sequence[float]
) -> list[list[tuple[float, float]]]:
    """Return the points that each edge runs through: straight within a row, bending only between rows."""
    ports = _ports(rows, edges, chains)
    knots = []
    for k, (edge, chain) in enumerate(zip(edges, chains, strict=True)):
        tail, head = rows.places[edge.tail], rows.places[edge.head]
        line = [(tail.x, tail.bottom), (tail.x, bottoms[rows.row_of[edge.tail]])]
        for place in chain:
            x, row = rows.places[place].x, rows.row_of[place]
            line += [(x, tops[row]), (x, bottoms[row])]
        line += [(ports[k], tops[rows.row_of[edge.head]]), (ports[k], head.top)]
        knots.append(line)
    return knots


def _ports(rows: _Rows, edges: Sequence[Edge], chains: Sequence[Sequence[int]]) -> list[float]:
    """Return where each edge enters its head: directly below its source, if the box is wide enough."""
    arriving: dict[int, list[int]] = {}
    for k in sorted(range(len(edges)), key=lambda k: rows.places[chains[k][-1]].x):
        arriving.setdefault(edges[k].head, []).append(k)
    ports = [0.0] * len(edges)
    for head, found in arriving.items():
        place = rows.places[head]
        step = min(PORT, 0.7 * place.width / len(found))
        inset = min(PORT, 0.15 * place.width)
        latest = place.right - inset - step * (len(found) - 1)
        starts = [rows.places[chains[k][-1]].x - step * position for position, k in enumerate(found)]
        levels = isotonic(starts, [edges[k].weight for k in found])
        for position, (k, level) in enumerate(zip(found, levels, strict=True)):
            ports[k] = min(max(level, place.left + inset), latest) + step * position
    return ports


def _shifted(layout: Layout, rows: _Rows) -> Layout:
    """Shift everything so that the drawing begins at (0, 0)."""
    left = min((p.left for p in rows.places), default=0.0)
    for place in rows.places:
        place.x -= left
    layout.knots = [[(x - left, y) for x, y in line] for line in layout.knots]
    layout.width = max((p.right for p in rows.places), default=0.0)
    layout.height = max((p.bottom for p in rows.places), default=0.0)
    return layout
