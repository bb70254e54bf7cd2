"""Which instructions fuse into one loop: elementwise operations over the same elements, and sums of their results."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

import numpy as np

from chainrule.rules.arrays.reduce import Mean, Sum
from chainrule.rules.arrays.shape import Reshape

from .elements import is_known
from .program import Instruction, Program, Value, waits_for

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
FEW = 16
"""Up to so many bits are found one by one."""
WHOLE = tuple(np.dtype(f"{sign}int{bits}") for sign in ("", "u") for bits in (8, 16, 32, 64))
LOADABLE = (*FLOATS, np.dtype(np.bool_), *WHOLE)


@dataclass(eq=False)
class Group:
    """Instructions that run as one loop over `rows` × `columns` elements.

    `columns` is None while nothing requires a particular split: every operand is full or a single number.
    """

    size: int
    members: list[Instruction] = field(default_factory=list)
    columns: int | None = None

    @property
    def made(self) -> set[Value]:
        """The values made inside."""
        return {value for i in self.members for value in i.outputs}


def reduction_of(i: Instruction) -> str | None:
    """Return how a sum or mean reduces, or None.

    "all", "columns" (one sum per column), "rows", or "middle": over all axes except a block of adjacent ones, as over
    the batch and the pixels of each channel.
    """
    if i.kind != "op" or i.op not in (Sum, Mean) or i.outputs[0].dtype not in FLOATS:
        return None
    x = i.inputs[0] if len(i.inputs) == 1 else None
    if x is None or x.dtype != i.outputs[0].dtype or x.size == 0:
        return None
    axis = i.settings.get("axis")
    axes = set(range(x.ndim)) if axis is None else {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,))}
    if len(axes) == x.ndim:
        return "all"
    if axes == set(range(len(axes))):
        return "columns"
    if axes == set(range(x.ndim - len(axes), x.ndim)):
        return "rows"
    kept = sorted(set(range(x.ndim)) - axes)
    return "middle" if kept == list(range(kept[0], kept[-1] + 1)) else None


def layout(value: Value, shape: Sequence[int]) -> tuple[str, int | None] | None:
    """Return how a value broadcasts over elements of `shape`, and the number of columns that requires.

    "full" (an element for each), "one", "row" (the same for each row), "column" (one for each row), "cycle" (one for
    each row, again and again, as a channel's bias over images); None where it is none of these.
    """
    size = math.prod(shape)
    if value.size == size:
        return "full", None
    if value.size == 1:
        return "one", None
    padded = (1,) * (len(shape) - value.ndim) + value.shape
    if len(padded) != len(shape):
        return None
    same = [a == b for a, b in zip(padded, shape, strict=True)]
    for k in range(1, len(shape)):
        columns = math.prod(shape[k:])
        if all(same[k:]) and math.prod(padded[:k]) == 1:
            return "row", columns
        if all(same[:k]) and math.prod(padded[k:]) == 1:
            return "column", columns
        start = next((j for j, n in enumerate(padded) if n != 1), 0)
        if start and padded[k - 1] != 1 and all(same[start:k]) and math.prod(padded[k:]) == 1:
            return "cycle", columns
    return None


def is_renaming(i: Instruction) -> bool:
    """Whether an instruction only changes the shape, keeping the order of elements."""
    return i.kind == "op" and i.op is Reshape and i.outputs[0].dtype in LOADABLE and i.outputs[0].size > 0


def space_of(i: Instruction) -> tuple[int, int | None] | None:
    """Return how many elements an instruction would loop over, and the columns it needs; None if it cannot."""
    if i.kind != "op" or len(i.outputs) != 1:
        return None
    kind = reduction_of(i)
    if kind is not None:
        x = i.inputs[0]
        count = i.outputs[0].size
        columns = {"all": None, "columns": count, "rows": x.size // max(count, 1), "middle": _behind(i)}[kind]
        return x.size, columns
    out = i.outputs[0]
    if out.dtype not in LOADABLE or out.size < 1 or not is_known(i):
        return None
    if any(v.dtype not in LOADABLE for v in i.inputs):
        return None
    columns = None
    for value in i.inputs:
        found = layout(value, out.shape)
        if found is None or (columns is not None and found[1] not in (None, columns)):
            return None
        columns = found[1] if found[1] is not None else columns
    return out.size, columns


def _behind(i: Instruction) -> int:
    """Return how many elements lie after the axes that a "middle" sum keeps."""
    x, axis = i.inputs[0], i.settings.get("axis")
    axes = {a % x.ndim for a in (axis if isinstance(axis, tuple) else (axis,)) if a is not None}
    last = max(set(range(x.ndim)) - axes, default=-1)
    return math.prod(x.shape[last + 1 :])


def grouped(program: Program) -> list[Instruction | Group]:
    """Return the instructions in an order in which they can run, with loops fused."""
    order = program.instructions
    return _Grouping(order).result() if order else []


class _Node:
    """An instruction or a group of them, with what comes before and behind it, as bits of the instructions' places.

    `mine` are the bits of all members; `known` is the one that is set in all that come before or behind.
    """

    __slots__ = ("after", "before", "group", "known", "made", "mine", "reads", "sums")

    def __init__(self, place: int, i: Instruction) -> None:
        self.mine = self.known = 1 << place
        self.before, self.after = 0, 0
        self.group: Group | None = None
        self.reads, self.made = set(i.inputs), set(i.outputs)
        self.sums: set[Value] | None = None
        """What it makes by reductions; not known before it is asked whether it can be fused."""

    def fuse(self, other: "_Node") -> None:
        """Take in another one."""
        mine = self.mine | other.mine
        self.before = (self.before | other.before) & ~mine
        self.after = (self.after | other.after) & ~mine
        self.mine = mine
        self.reads |= other.reads
        self.made |= other.made
        self.sums = (self.sums or set()) | (other.sums or set())


class _Grouping:
    """Fuses instructions as long as no other would have to run between them."""

    def __init__(self, order: list[Instruction]) -> None:
        self.order = order
        self.place = place = {i: k for k, i in enumerate(order)}
        self.nodes = [_Node(k, i) for k, i in enumerate(order)]
        """The node that each instruction belongs to."""
        self.direct = [[place[x] for x in needs] for needs in waits_for(order).values()]
        for node, direct in zip(self.nodes, self.direct, strict=True):
            for x in direct:
                node.before |= self.nodes[x].before | self.nodes[x].mine
        for k in reversed(range(len(order))):
            node = self.nodes[k]
            for x in self.direct[k]:
                self.nodes[x].after |= node.after | node.mine
        self.uses: dict[Value, list[int]] = {}
        for k, i in enumerate(order):
            for v in i.inputs:
                self.uses.setdefault(v, []).append(k)

    def result(self) -> list[Instruction | Group]:
        for k, i in enumerate(self.order):
            space = space_of(i)
            if space is not None:
                self._place(k, i, *space)
            elif is_renaming(i) and (source := self._maker(i.inputs[0])) is not None and source.group is not None:
                self._place(k, i, i.outputs[0].size, None)
        return self._sorted()

    def _maker(self, value: Value) -> _Node | None:
        k = None if value.maker is None else self.place.get(value.maker)
        return None if k is None else self.nodes[k]

    def _place(self, k: int, i: Instruction, size: int, columns: int | None) -> None:
        own = self.nodes[k]
        own.group = Group(size, [i], columns)
        own.sums = set(i.outputs) if reduction_of(i) else set()
        if is_renaming(i):
            # Fused into the loop that makes its operand, or not at all: elsewhere it is a view.
            source = self._maker(i.inputs[0])
            assert source is not None
            if i.outputs[0].dtype != np.bool_ and self._fit(source, own):
                self._merge(source, own)
            else:
                own.group = None
            return
        if i.outputs[0].dtype == np.bool_:
            return  # a mask is made where it is used: comparing again is cheaper than keeping it
        makers = [self.place[v.maker] for v in i.inputs if v.maker in self.place]
        users = [x for v in i.inputs for x in self.uses.get(v, ()) if x < k]
        for other in dict.fromkeys([*sorted(makers, reverse=True), *sorted(users, reverse=True)]):
            node, mine = self.nodes[other], self.nodes[k]
            if node.group is not None and node is not mine and self._fit(node, mine):
                self._merge(node, mine)

    def _fit(self, a: _Node, b: _Node) -> bool:
        one, other = a.group, b.group
        assert one is not None
        assert other is not None
        if one.size != other.size or (one.columns and other.columns and one.columns != other.columns):
            return False
        if any(sums and not sums.isdisjoint(reads) for sums in (a.sums, b.sums) for reads in (a.reads, b.reads)):
            return False
        # One that is read must be read element by element: not broadcast, since its rows are not complete yet.
        if any(v.size != one.size for v in (a.reads & b.made) | (b.reads & a.made)):
            return False
        return not ((a.after & b.before) | (b.after & a.before)) & ~(a.mine | b.mine)

    def _merge(self, a: _Node, b: _Node) -> None:
        """Let a take in b, and tell all that come before or behind.

        What comes before or behind a group knows of it by the bit of one of its members: of that which spares more of
        them from being told.
        """
        assert a.group is not None
        assert b.group is not None
        a.group.members += b.group.members
        a.group.columns = a.group.columns or b.group.columns
        told = min(self._untold(a, b, a.known), self._untold(b, a, b.known), key=lambda found: found[0])
        _, behind, ahead, bit = told
        inside = b.mine
        a.fuse(b)
        a.known = bit
        for x in _members(inside):
            self.nodes[x] = a
        for node in self._of(behind & ~a.mine):
            node.before |= a.before | bit
        for node in self._of(ahead & ~a.mine):
            node.after |= a.after | bit

    def _untold(self, one: _Node, other: _Node, bit: int) -> tuple[int, int, int, int]:
        """Return what has to be told of a group of both if it is known by the bit of one: how many, and which.

        What comes behind `one` knows all before it; it has to be told if the other needs more.
        """
        mine = one.mine | other.mine
        behind, ahead = other.after & ~one.after, other.before & ~one.before
        if other.before & ~(one.before | mine):
            behind |= one.after & ~other.after
        if other.after & ~(one.after | mine):
            ahead |= one.before & ~other.before
        behind, ahead = behind & ~mine, ahead & ~mine
        return behind.bit_count() + ahead.bit_count(), behind, ahead, bit

    def _of(self, bits: int) -> Iterable[_Node]:
        return {id(node): node for node in map(self.nodes.__getitem__, _members(bits))}.values()

    def _sorted(self) -> list[Instruction | Group]:
        """Sort topologically, with ties broken by the position of the last member."""
        last = {id(node): k for k, node in enumerate(self.nodes)}
        needs: dict[int, set[int]] = {id(node): set() for node in self.nodes}
        needed: dict[int, list[_Node]] = {}
        for node, direct in zip(self.nodes, self.direct, strict=True):
            for x in map(self.nodes.__getitem__, direct):
                if x is not node and id(x) not in needs[id(node)]:
                    needs[id(node)].add(id(x))
                    needed.setdefault(id(x), []).append(node)
        waiting = {key: len(some) for key, some in needs.items()}
        ready = [last[key] for key, count in waiting.items() if not count]
        heapify(ready)
        result: list[Instruction | Group] = []
        while ready:
            k = heappop(ready)
            node, group = self.nodes[k], self.nodes[k].group
            if group is not None:
                group.members.sort(key=self.place.__getitem__)
            result.append(self.order[k] if group is None else group)
            for user in needed.get(id(node), ()):
                waiting[id(user)] -= 1
                if not waiting[id(user)]:
                    heappush(ready, last[id(user)])
        assert len(result) == len(waiting), "a group depends on itself"
        return result


def _members(bits: int) -> Iterable[int]:
    """Return the places of the bits that are set."""
    if bits.bit_count() < FEW:
        found = []
        while bits:
            low = bits & -bits
            found.append(low.bit_length() - 1)
            bits ^= low
        return found
    raw = np.frombuffer(bits.to_bytes((bits.bit_length() + 7) // 8, "little"), np.uint8)
    every: list[int] = np.flatnonzero(np.unpackbits(raw, bitorder="little")).tolist()
    return every
