"""The scene to draw: vertices, folded blocks, and one edge for each use of a value."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from .folding import Fold, find_folds
from .layout import Edge, places_needed
from .vertices import Link, Vertex

MOST_PLACES = 5000
"""The most places a drawing may need: a larger one takes seconds and is unreadable."""


@dataclass(eq=False)
class Earlier:
    """A placeholder for the operations left out of a drawing that would be too large."""

    operations: int


Item: TypeAlias = Vertex | Fold | Earlier


@dataclass(eq=False)
class Join:
    """An edge from one item to another: one use of a value, or several uses inside a folded block."""

    tail: int
    head: int
    links: list[Link]


@dataclass
class Scene:
    """Items in topological order, and the edges."""

    items: list[Item]
    joins: list[Join]
    left_out: int = 0

    @property
    def folds(self) -> list[Fold]:
        """The folded blocks."""
        return [item for item in self.items if isinstance(item, Fold)]


def stage(vertices: Sequence[Vertex], fold: bool, most: int) -> Scene:
    """Return the scene of a graph: repeated blocks folded, and at most about `most` operations and blocks."""
    folds = find_folds(vertices) if fold else []
    whole = _joined(vertices, folds)
    while True:
        scene = _cut(whole, most)
        edges = [Edge(j.tail, j.head) for j in scene.joins]
        if most <= 8 or places_needed(len(scene.items), edges) <= MOST_PLACES:
            return scene
        most //= 2


def stage_block(fold: Fold) -> Scene:
    """Return the scene of a block's first copy, with the values that enter and leave it."""
    copy = fold.copies[0]
    inside = set(copy)
    outside = {link.source: None for v in copy for link in v.inputs if link.source not in inside}
    entries = [Vertex("input" if v.op is not None else v.kind, v.name, v.shape, v.value, v.gradient) for v in outside]
    replaced = dict(zip(outside, entries, strict=True))
    return _joined(copy, [], replaced)


def _joined(vertices: Sequence[Vertex], folds: Sequence[Fold], replaced: dict[Vertex, Vertex] | None = None) -> Scene:
    owner: dict[Vertex, Item] = {v: fold for fold in folds for copy in fold.copies for v in copy}
    last = {fold: fold.copies[-1][-1] for fold in folds}
    stand_in = replaced or {}
    items: list[Item] = list(stand_in.values())
    items += [owner.get(v, v) for v in vertices if v not in owner or last[_fold(owner[v])] is v]
    place = {item: k for k, item in enumerate(items)}
    joins: dict[object, Join] = {}
    for vertex in vertices:
        head = owner.get(vertex, vertex)
        for link in vertex.inputs:
            source = stand_in.get(link.source, link.source)
            tail = owner.get(source, source)
            if tail is head:
                continue
            folded = isinstance(tail, Fold) or isinstance(head, Fold)
            key: object = (source, head) if folded else link
            joins.setdefault(key, Join(place[tail], place[head], [])).links.append(link)
    return Scene(items, list(joins.values()))


def _fold(item: Item) -> Fold:
    assert isinstance(item, Fold)
    return item


def _operations(item: Item) -> int:
    return sum(map(len, ([v for v in c if v.op is not None] for c in item.copies))) if isinstance(item, Fold) else 1


def _cut(scene: Scene, most: int) -> Scene:
    """Keep the last operations and what they use; a single item replaces everything before."""
    working = [k for k, item in enumerate(scene.items) if isinstance(item, Fold) or _is_operation(item)]
    if len(working) <= most:
        return scene
    kept = set(working[-most:])
    kept |= {k for k, item in enumerate(scene.items) if isinstance(item, Vertex) and item.kind == "output"}
    dropped = set(working) - kept
    kept |= {j.tail for j in scene.joins if j.head in kept and j.tail not in dropped}
    left_out = sum(_operations(scene.items[k]) for k in dropped)
    order = sorted(kept)
    place = {old: new + 1 for new, old in enumerate(order)}
    joins = [Join(place.get(j.tail, 0), place[j.head], j.links) for j in scene.joins if j.head in kept]
    return Scene([Earlier(left_out), *(scene.items[k] for k in order)], joins, left_out)


def _is_operation(item: Item) -> bool:
    return isinstance(item, Vertex) and item.op is not None
