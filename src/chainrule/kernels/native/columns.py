"""Sums over the rows of a matrix, one for each column, held in registers while a loop goes down the rows.

As it is written, such a loop goes along each row, and reads and writes all sums there. Going down the rows with a few
vectors of columns computes the same in the same order, and touches the sums twice. That is allowed where nothing else
ties the elements of two columns: all that is written besides lies at a place of its own in each row.
"""

import re
from collections.abc import Sequence

from .bodies import NAME, Copy, NotWidened
from .code import Lines, Loop
from .widening import COLUMNS, Target, Widening

MOST, LONGEST = 4, 96
"""How many vectors go down the rows together at most, and about how many instructions they have."""

PLACE = re.compile(r"  (%[\w.]+) = getelementptr inbounds (\S+), ptr (\S+), i64 (\S+)")
ROW = re.compile(r"  (%[\w.]+) = mul i64 (%[\w.]+), (\d+)")


class ColumnSums(Widening):
    """A loop over so many columns inside of one over rows that does nothing else.

    Raises NotWidened where that is not what it is.
    """

    def __init__(self, rows: Loop, roots: dict[str, str], target: Target) -> None:
        before, loop = _parts(rows.lines)
        super().__init__(loop, roots, target)
        first, last = loop.begin.value, loop.end.value
        if first != 0 or last is None or not 0 < last <= COLUMNS or self.body.updates:
            raise NotWidened("no known number of few columns, or other sums")
        self.rows, self.outside, self.count = rows, before, int(last)
        self.lanes = min(self.lanes, 1 << (self.count - 1).bit_length())
        self._starts: dict[Copy, str] = {}
        """What says at which column each vector begins."""
        self.held: dict[str, str] = {}
        """The arrays of sums, and LLVM's names for the types of their elements."""
        self._places = {found[1]: found for line in loop.lines if (found := PLACE.fullmatch(str(line)))}
        self._find_held()

    def _find_held(self) -> None:
        pointers = self.body.pointers
        written = {line.rsplit(", ptr ", 1)[1] for line in self._stored}
        apart = {
            made[1]
            for line in (*self.outside, *self.body.before)
            if (made := ROW.fullmatch(line)) and made[2] == f"%{self.rows.name}" and int(made[3]) >= self.count
        }
        for at in written:
            root, offset, kind = pointers[at]
            if offset:
                if offset.removeprefix("+") not in apart:
                    raise NotWidened("elements of several rows at one place")
            elif self._places[at][3] != root or kind not in ("float", "double"):
                raise NotWidened("sums that move from row to row")
            else:
                self.held[root] = kind
        roots = {pointers[at][0] for at in written}
        if not self.held or any(at in roots or self.roots.get(at, at) in roots for at in _read(self.outside)):
            raise NotWidened("no sums of columns")
        self.body.lines = [x for x in self.body.lines if x.type != "ptr" or pointers[x.name][0] not in self.held]

    def load(self, c: Copy, kind: str, name: str, at: str) -> None:
        """Load a vector: a sum from its register."""
        place = self._register(c, at)
        if place:
            c.add(f"{name} = load {c.kind(kind)}, ptr {place}")
        else:
            super().load(c, kind, name, at)

    def store(self, c: Copy, kind: str, value: str, at: str) -> None:
        """Store a vector: a sum into its register."""
        place = self._register(c, at)
        if place:
            c.add(f"store {c.kind(kind)} {value}, ptr {place}")
        else:
            super().store(c, kind, value, at)

    def _register(self, c: Copy, at: str) -> str:
        """Return the name of the variable for the vector of sums at a place; empty if there are none."""
        root = self.body.pointers[at][0]
        if root not in self.held:
            return ""
        name = self._name(c, [*self.held].index(root))
        line = f"  {name} = alloca {c.kind(self.held[root])}"
        if line not in self.first:
            self.first.append(line)
        return name

    def write(self) -> list[str]:
        """Return the lines of both loops."""
        name, few = self.name, min(MOST, max(1, LONGEST // self._size))
        step = few * self.lanes
        done = self.count // step * step
        lines: list[str] = []
        if done > step:
            inside = self._down(self._at_once(f"%{name}.b", [self.lanes] * few), "w")
            lines += [
                f"  br label %{name}.b.enter",
                f"{name}.b.enter:",
                f"  br label %{name}.b.loop",
                f"{name}.b.loop:",
                f"  %{name}.b = phi i64 [ 0, %{name}.b.enter ], [ %{name}.b.next, %{name}.b.latch ]",
                *inside,
                f"  br label %{name}.b.latch",
                f"{name}.b.latch:",
                f"  %{name}.b.next = add nuw nsw i64 %{name}.b, {step}",
                f"  %{name}.b.on = icmp slt i64 %{name}.b.next, {done}",
                f"  br i1 %{name}.b.on, label %{name}.b.loop, label %{name}.b.over",
                f"{name}.b.over:",
            ]
        else:
            done = 0
        if done < self.count:
            lines += self._down(self._at_once(str(done), self._rest_of(self.count - done)), "t")
        return [*lines, f"  br label %{self.rows.name}.end", f"{self.rows.name}.end:"]

    @property
    def _has_masks(self) -> bool:
        """Whether a vector's first lanes are used: a row would wait for the one before, whose store ends within it."""
        return self.target.has_masks and len(self._stored) == len(self.held)

    def _rest_of(self, left: int) -> list[int]:
        """Return how many columns each vector has of those that are left."""
        widths = [self.lanes] * (left // self.lanes)
        left %= self.lanes
        if left and self._has_masks:
            return [*widths, left]
        return widths + [1 << k for k in reversed(range(left.bit_length())) if left >> k & 1]

    def _at_once(self, begin: str, widths: Sequence[int]) -> list[Copy]:
        """Return the vectors of columns that go down the rows together, with what they do in one row."""
        copies, at = [], 0
        for number, width in enumerate(widths):
            is_masked = self._has_masks and width < self.lanes
            mask = ", ".join(f"i1 {'true' if k < width else 'false'}" for k in range(self.lanes))
            lanes = self.lanes if is_masked else width
            copy = Copy(self, f".c{number}", f"%{self.name}.c{number}", lanes, f"<{mask}>" * is_masked)
            self._starts[copy] = f"  {copy.at} = add i64 {begin}, {at}"
            self._written(copy)
            copies.append(copy)
            at += width
        return copies

    def _down(self, copies: Sequence[Copy], mark: str) -> list[str]:
        """Return the loop over the rows for some vectors of columns, under names of its own."""
        first = [self._starts[copy] for copy in copies]
        first += [line for copy in copies for line in self._moved(copy, is_load=True)]
        last = [line for copy in copies for line in self._moved(copy, is_load=False)]
        inside = [*self.outside, *self.body.before, *self._ready, *(line for copy in copies for line in copy.text)]
        enter = f"{self.rows.name}.enter"
        loop = self.rows.around(inside, before=enter, end="over")
        lines = [*first, f"  br label %{enter}", f"{enter}:", *loop, *last]
        made = {f"%{line[:-1]}" if line.endswith(":") else line.split()[0] for line in lines if _makes(line)}
        again = {name: f"{name}.{mark}" for name in made}
        found = [NAME.sub(lambda n: again.get(n[0], n[0]), line) for line in lines]
        return [f"{line[:-1]}.{mark}:" if line.endswith(":") else line for line in found]

    def _moved(self, copy: Copy, is_load: bool) -> list[str]:
        """Return the lines that load a copy's sums, before the rows, or store them, behind."""
        made = Copy(self, copy.suffix, copy.at, copy.lanes, copy.mask)
        for number, (root, kind) in enumerate(self.held.items()):
            register, wide = self._name(copy, number), copy.kind(kind)
            value = f"{register}.{'first' if is_load else 'last'}"
            made.add(f"{value}.at = getelementptr inbounds {kind}, ptr {root}, i64 {copy.at}")
            if is_load:
                super().load(made, kind, value, f"{value}.at")
                made.add(f"store {wide} {value}, ptr {register}")
            else:
                made.add(f"{value} = load {wide}, ptr {register}")
                super().store(made, kind, value, f"{value}.at")
        return made.text

    def _name(self, copy: Copy, number: int) -> str:
        return f"%{self.name}{copy.suffix}.h{number}.{copy.lanes}"


def _makes(line: str) -> bool:
    """Whether a line makes a result or begins a block."""
    return " = " in line or line.endswith(":")


def _parts(lines: Lines) -> tuple[list[str], Loop]:
    """Return the straight lines before a loop that is all there is besides."""
    *before, loop = lines
    plain = [line for line in before if isinstance(line, str)]
    if not isinstance(loop, Loop) or len(plain) < len(before) or not all(" = " in line for line in plain):
        raise NotWidened("more than one loop in a row")
    return plain, loop


def _read(lines: Sequence[str]) -> list[str]:
    """Return the pointers that lines read from."""
    return [line.rsplit(", ptr ", 1)[1] for line in lines if " = load " in line]
