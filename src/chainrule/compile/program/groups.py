"""Which instructions fuse into one loop: elementwise operations over the same elements, and sums of their results."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from chainrule.rules.arrays.reduce import Mean, Sum
from chainrule.rules.arrays.shape import Reshape

from .elements import is_known
from .program import Instruction, Program, Value, waits_for

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))
LOADABLE = (*FLOATS, np.dtype(np.bool_))


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


class _Grouping:
    """Fuses instructions as long as no other would have to run between them.

    `before[k]` is the set, as bits, of what must have run before instruction k, with groups counted as one.
    """

    def __init__(self, order: list[Instruction]) -> None:
        self.order = order
        place = {i: k for k, i in enumerate(order)}
        self.direct = [0] * len(order)
        for i, needs in waits_for(order).items():
            self.direct[place[i]] = _bits(place[x] for x in needs)
        self.before = [0] * len(order)
        for k, direct in enumerate(self.direct):
            self.before[k] = direct
            for x in _members(direct):
                self.before[k] |= self.before[x]
        self.group_of: dict[int, Group] = {}
        self.place = place

    def result(self) -> list[Instruction | Group]:
        for k, i in enumerate(self.order):
            space = space_of(i)
            if space is not None:
                self._place(k, i, *space)
            elif is_renaming(i) and i.inputs[0].maker in self.place and self.place[i.inputs[0].maker] in self.group_of:
                self._place(k, i, i.outputs[0].size, None)
        return self._sorted()

    def _place(self, k: int, i: Instruction, size: int, columns: int | None) -> None:
        own = Group(size, [i], columns)
        self.group_of[k] = own
        if is_renaming(i):
            # Fused into the loop that makes its operand, or not at all: elsewhere it is a view.
            maker = i.inputs[0].maker
            assert maker is not None
            source = self.group_of[self.place[maker]]
            if i.outputs[0].dtype != np.bool_ and self._fit(source, own):
                self._merge(source, own)
            else:
                del self.group_of[k]
            return
        if i.outputs[0].dtype == np.bool_:
            return  # a mask is made where it is used: comparing again is cheaper than keeping it
        makers = [self.place[v.maker] for v in i.inputs if v.maker in self.place]
        users = [self.place[x] for v in i.inputs for x in self._uses.get(v, ()) if self.place[x] < k]
        for other in dict.fromkeys([*sorted(makers, reverse=True), *sorted(users, reverse=True)]):
            group, mine = self.group_of.get(other), self.group_of[k]
            if group is not None and group is not mine and self._fit(group, mine):
                self._merge(group, mine)

    @property
    def _uses(self) -> dict[Value, list[Instruction]]:
        if not hasattr(self, "_found_uses"):
            self._found_uses: dict[Value, list[Instruction]] = {}
            for i in self.order:
                for v in i.inputs:
                    self._found_uses.setdefault(v, []).append(i)
        return self._found_uses

    def _fit(self, a: Group, b: Group) -> bool:
        if a.size != b.size or (a.columns and b.columns and a.columns != b.columns):
            return False
        sums = {v for g in (a, b) for i in g.members if reduction_of(i) for v in i.outputs}
        if any(v in sums for g in (a, b) for i in g.members for v in i.inputs):
            return False
        if not _read_in_step(a, b):
            return False
        mine = _bits(self.place[i] for g in (a, b) for i in g.members)
        earlier = 0
        for x in _members(mine):
            earlier |= self.before[x]
        return not any(self.before[x] & mine for x in _members(earlier & ~mine))

    def _merge(self, a: Group, b: Group) -> None:
        a.members = sorted([*a.members, *b.members], key=self.place.__getitem__)
        a.columns = a.columns or b.columns
        mine, earlier = _bits(self.place[i] for i in a.members), 0
        for x in _members(mine):
            self.group_of[x] = a
            earlier |= self.before[x]
        earlier &= ~mine
        for x in range(len(self.order)):
            if mine >> x & 1:
                self.before[x] = earlier
            elif self.before[x] & mine:
                self.before[x] |= earlier | mine

    def _sorted(self) -> list[Instruction | Group]:
        """Sort topologically, with ties broken by the position of the last member."""
        last = {id(g): max(self.place[i] for i in g.members) for g in self.group_of.values()}
        nodes: list[tuple[int, Instruction | Group, int]] = []
        for k, i in enumerate(self.order):
            group = self.group_of.get(k)
            if group is None:
                nodes.append((k, i, 1 << k))
            elif last[id(group)] == k:
                nodes.append((k, group, _bits(self.place[m] for m in group.members)))
        done, result, waiting = 0, [], nodes
        while waiting:
            held = []
            for node in waiting:
                earlier = self.before[node[0]] & ~node[2]
                if earlier & ~done:
                    held.append(node)
                else:
                    done |= node[2]
                    result.append(node[1])
            assert len(held) < len(waiting), "a group depends on itself"
            waiting = held
        return result


def _read_in_step(a: Group, b: Group) -> bool:
    """Whether one reads the other's result element by element: not broadcast, since its rows are not complete yet."""
    for one, other in ((a, b), (b, a)):
        for i in one.members:
            for value in i.inputs:
                if value in other.made and value.size != one.size:
                    return False
    return True


def _bits(places: Iterable[int]) -> int:
    found = 0
    for k in places:
        found |= 1 << k
    return found


def _members(bits: int) -> Iterable[int]:
    while bits:
        low = bits & -bits
        yield low.bit_length() - 1
        bits ^= low
