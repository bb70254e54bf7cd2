"""What is drawn: boxes, blocks that repeat, and the edges between them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from chainrule.explain.graph.folding import find_folds
from chainrule.explain.graph.vertices import Kind, Link, Vertex

from .run import Run

MOST = 1500
"""The most boxes that are drawn."""


@dataclass(frozen=True)
class Block:
    """A part of the forward pass that repeats: the numbers of the boxes of each copy."""

    name: str
    path: str
    copies: tuple[tuple[int, ...], ...]

    @property
    def members(self) -> tuple[int, ...]:
        """All its boxes."""
        return tuple(number for copy in self.copies for number in copy)


@dataclass(frozen=True)
class Item:
    """One thing in the drawing: a box, or a closed block."""

    name: str
    members: tuple[int, ...]
    block: Block | None = None


@dataclass(frozen=True)
class Scene:
    """Items in an order in which every edge leads to a later one; edges as pairs of places in it.

    `left_out` is how many boxes of the beginning are not drawn.
    """

    items: tuple[Item, ...]
    edges: tuple[tuple[int, int], ...]
    left_out: int = 0


def blocks_of(run: Run) -> tuple[Block, ...]:
    """Return the parts of a run that repeat."""
    vertices: list[Vertex] = []
    for box in run.boxes:
        kind: Kind = "operation" if box.op is not None else "parameter" if box.kind == "parameter" else "input"
        made = Vertex(kind, box.operation if box.op is not None else box.name, box.shape, op=box.op, module=box.module)
        if box.op is None and box.entry is not None:
            made.name = box.entry.name
        made.inputs = [Link(vertices[source], "") for source in box.sources]
        vertices.append(made)
    number = {id(vertex): k for k, vertex in enumerate(vertices)}
    found: list[Block] = []
    taken = {box.name for box in run.boxes}
    for fold in find_folds(vertices):
        copies = tuple(tuple(sorted(number[id(v)] for v in copy)) for copy in fold.copies)
        paths = fold.paths()
        path = f"{paths[0]} … {paths[-1]}" if all(paths) and paths[0] != paths[-1] else ""
        name = f"block{len(found) + 1}"
        while name in taken:
            name += "_"
        found.append(Block(name, path, copies))
    return tuple(found)


def stage(run: Run, blocks: Sequence[Block], opened: Collection[str]) -> Scene:
    """Return what is drawn of a run when some of its blocks are open."""
    owner = {number: block for block in blocks if block.name not in opened for number in block.members}
    last = {block: max(block.members) for block in set(owner.values())}
    items: list[Item] = []
    place: dict[int, int] = {}
    for box in run.boxes:
        block = owner.get(box.number)
        if block is None:
            items.append(Item(box.name, (box.number,)))
            place[box.number] = len(items) - 1
        elif last[block] == box.number:
            items.append(Item(block.name, block.members, block))
            place.update(dict.fromkeys(block.members, len(items) - 1))
    return _latest(run, items, place)


def _latest(run: Run, items: Sequence[Item], place: dict[int, int]) -> Scene:
    """Draw at most `MOST` items, the last ones; edges from earlier ones are left out with them."""
    first = max(0, len(items) - MOST)
    pairs = {(place[s], place[box.number]): None for box in run.boxes for s in box.sources}
    edges = tuple((a - first, b - first) for a, b in pairs if a != b and a >= first)
    return Scene(tuple(items[first:]), edges, sum(len(item.members) for item in items[:first]))
