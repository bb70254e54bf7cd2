"""Vectors in generated code: what a loop over elements cannot say, sums that stay in registers and transposes.

`Vectors` writes instructions on as many elements as one has lanes; LLVM maps them to the processor's registers,
whatever their width. `tile` is the innermost loop of a matrix product (Goto & van de Geijn, "Anatomy of
high-performance matrix multiplication", 2008, section 6).
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from .code import Code, Index, Place
from .symbol import LLVM, LONG, Symbol

LINE = 64
"""In bytes: a cache line, and the longest vector."""


@functools.cache
def has_memory() -> bool:
    """Whether the system's memory functions are found under the names that `rooms` calls."""
    from .machine import GLUE, address_of
    from .tasks import Function

    function = Function([])
    v = Vectors(function.code, np.float32, 4)
    v.rooms(1)
    v.given_back()
    try:
        return bool(address_of(function.text(), GLUE))
    except RuntimeError:
        return False


@functools.cache
def register_bytes() -> int:
    """Return how many bytes a vector register of the processor has for which code is made."""
    from .machine import target

    return target().bytes


class Vector:
    """Some elements under construction; arithmetic on it emits instructions."""

    __slots__ = ("name", "of")

    def __init__(self, of: "Vectors", name: str) -> None:
        self.of, self.name = of, name

    def __str__(self) -> str:
        return self.name

    def __add__(self, other: "Vector") -> "Vector":
        return self.of.arithmetic("fadd", self, other)

    def __sub__(self, other: "Vector") -> "Vector":
        return self.of.arithmetic("fsub", self, other)

    def __mul__(self, other: "Vector") -> "Vector":
        return self.of.arithmetic("fmul", self, other)

    def __truediv__(self, other: "Vector") -> "Vector":
        return self.of.arithmetic("fdiv", self, other)


class Vectors:
    """The instructions on `lanes` elements of a type."""

    def __init__(self, code: Code, dtype: Any, lanes: int) -> None:
        self.code, self.dtype, self.lanes = code, np.dtype(dtype), lanes
        self.element = LLVM[self.dtype]
        self.kind = f"<{lanes} x {self.element}>"
        self.whole = f"i{8 * self.dtype.itemsize}"
        self.wholes = f"<{lanes} x {self.whole}>"
        self.mask = f"<{lanes} x i1>"

    def made(self, text: str) -> Vector:
        """Add an instruction and return its result."""
        name = f"%{self.code.fresh()}"
        self.code.write(f"{name} = {text}")
        return Vector(self, name)

    def arithmetic(self, name: str, a: Vector, b: Vector) -> Vector:
        """Return the sum, difference, product or quotient; products may be fused with sums."""
        return self.made(f"{name} {self.code.flags}{self.kind} {a}, {b}")

    def constant(self, number: float) -> Vector:
        """Return a number in every lane."""
        return Vector(self, self._repeated(self.element, self.code.constant(number, self.dtype).name))

    def _repeated(self, kind: str, name: Any) -> str:
        return f"<{', '.join([f'{kind} {name}'] * self.lanes)}>"

    def spread(self, x: Symbol) -> Vector:
        """Return a number that is computed, in every lane."""
        first = self.made(f"insertelement {self.kind} poison, {self.element} {x}, i64 0")
        zeros = f"<{self.lanes} x i32> zeroinitializer"
        return self.made(f"shufflevector {self.kind} {first}, {self.kind} poison, {zeros}")

    def rooms(self, *counts: int) -> list[Place]:
        """Return rooms for so many elements each; where there is no memory, the function returns 0.

        `given_back` frees them. They are not on the stack, where large ones need care on some systems.
        """
        code, size = self.code, self.dtype.itemsize
        code.declared |= {"declare noalias ptr @malloc(i64)", "declare void @free(ptr)"}
        lengths = [-(-n * size // LINE) * LINE for n in counts]
        memory = f"%{code.fresh()}"
        code.write(f"{memory} = call ptr @malloc(i64 {sum(lengths) + LINE})")
        start = code.made(LONG, f"ptrtoint ptr {memory} to i64")
        code.leave_if(start == 0, code.constant(0, LONG))
        start = code.made(LONG, f"and i64 {start + (LINE - 1)}, {-LINE}")
        made = []
        for k in range(len(counts)):
            at = f"%{code.fresh()}"
            code.write(f"{at} = inttoptr i64 {start + sum(lengths[:k])} to ptr")
            code.roots[at] = at
            made.append(Place(code, at, self.dtype))
        self._memory = memory
        return made

    def given_back(self) -> None:
        """Free the rooms."""
        self.code.write(f"call void @free(ptr {self._memory})")

    def load(self, place: Place, index: Index) -> Vector:
        """Load the elements that begin at an index."""
        return self.made(f"load {self.kind}, ptr {self._at(place, index)}, align {self.dtype.itemsize}")

    def store(self, x: Vector, place: Place, index: Index) -> None:
        """Store elements from an index on."""
        self.code.write(f"store {self.kind} {x}, ptr {self._at(place, index)}, align {self.dtype.itemsize}")

    def load_some(self, place: Place, index: Index, lanes: str) -> Vector:
        """Load the elements in the lanes of a mask, and 0 in the others; what lies there is not touched."""
        name, at, size = self._masked("load"), self._at(place, index, ""), self.dtype.itemsize
        self.code.declared.add(f"declare {self.kind} @{name}(ptr, i32, {self.mask}, {self.kind})")
        return self.made(
            f"call {self.kind} @{name}(ptr {at}, i32 {size}, {self.mask} {lanes}, {self.kind} zeroinitializer)"
        )

    def store_some(self, x: Vector, place: Place, index: Index, lanes: str) -> None:
        """Store the elements in the lanes of a mask."""
        name, at, size = self._masked("store"), self._at(place, index, ""), self.dtype.itemsize
        self.code.declared.add(f"declare void @{name}({self.kind}, ptr, i32, {self.mask})")
        self.code.write(f"call void @{name}({self.kind} {x}, ptr {at}, i32 {size}, {self.mask} {lanes})")

    def _masked(self, what: str) -> str:
        return f"llvm.masked.{what}.v{self.lanes}f{8 * self.dtype.itemsize}.p0"

    def _at(self, place: Place, index: Index, kind: str = "inbounds ") -> str:
        at = f"%{self.code.fresh()}"
        self.code.write(f"{at} = getelementptr {kind}{self.element}, ptr {place.name}, i64 {self.code.index(index)}")
        return at

    def variable(self, initial: Vector) -> "Held":
        """Return a vector that changes, in a register."""
        return Held(self, initial)

    def larger(self, a: Vector, b: Vector) -> Vector:
        """Return the larger of two, in each lane; b where one is NaN."""
        test = self.made(f"fcmp ogt {self.kind} {a}, {b}")
        return self.made(f"select <{self.lanes} x i1> {test}, {self.kind} {a}, {self.kind} {b}")

    def where(self, test: str, a: Vector, b: Vector, then: Vector, other: Vector) -> Vector:
        """Return `then` in the lanes in which a comparison such as "oeq" holds, else `other`."""
        found = self.made(f"fcmp {test} {self.kind} {a}, {b}")
        return self.made(f"select <{self.lanes} x i1> {found}, {self.kind} {then}, {self.kind} {other}")

    def from_lane(self, first: Symbol, then: Vector, other: Vector) -> Vector:
        """Return `then` in the lanes from a number on, else `other`."""
        return self.made(f"select {self.mask} {self._lanes('sge', first)}, {self.kind} {then}, {self.kind} {other}")

    def first_lanes(self, count: Symbol, where: Symbol | None = None) -> str:
        """Return the mask of the first lanes, as many as a count says; of none where a condition does not hold."""
        found = self._lanes("slt", count)
        return (
            found
            if where is None
            else self.made(f"select i1 {where}, {self.mask} {found}, {self.mask} zeroinitializer").name
        )

    def _lanes(self, test: str, number: Symbol) -> str:
        """Return the mask of the lanes whose own number compares with another."""
        kind = f"<{self.lanes} x i64>"
        lanes = f"<{', '.join(f'i64 {k}' for k in range(self.lanes))}>"
        spread = self.made(f"insertelement {kind} poison, i64 {number}, i64 0")
        spread = self.made(f"shufflevector {kind} {spread}, {kind} poison, <{self.lanes} x i32> zeroinitializer")
        return self.made(f"icmp {test} {kind} {lanes}, {spread}").name

    def total(self, x: Vector) -> Symbol:
        """Return the sum of all lanes, in any order."""
        name = f"llvm.vector.reduce.fadd.v{self.lanes}f{8 * self.dtype.itemsize}"
        self.code.declared.add(f"declare {self.element} @{name}({self.element}, {self.kind})")
        zero = self.code.constant(0, self.dtype)
        return self.code.made(
            self.dtype, f"call reassoc nsz {self.element} @{name}({self.element} {zero}, {self.kind} {x})"
        )

    def exp2(self, x: Vector) -> Vector:
        """Return 2^x for x ≤ 0, and 0 where that is below the smallest normal number; NaN for NaN.

        Within two units in the last place. It is half the work of an exponential for any x, since nothing overflows.
        """
        single = self.dtype == np.float32
        least, digits, bias, terms = (-126.0, 23, 127, 6) if single else (-1022.0, 52, 1023, 12)
        # A number so large has no room behind the point: adding it rounds, and the lowest bits of the sum are n + bias.
        # What comes of x below `least`, infinity included, is replaced at the end; NaN stays in f.
        rounding = self.constant(1.5 * 2.0**digits + bias)
        rounded = x + rounding
        f = x - (rounded - rounding)
        p = self.constant(math.log(2) ** terms / math.factorial(terms))
        for k in range(terms - 1, -1, -1):
            p = p * f + self.constant(math.log(2) ** k / math.factorial(k))
        n = self.made(f"bitcast {self.kind} {rounded} to {self.wholes}")
        n = self.made(f"shl {self.wholes} {n}, {self._repeated(self.whole, digits)}")
        power = p * self.made(f"bitcast {self.wholes} {n} to {self.kind}")
        return self.where("olt", x, self.constant(least), self.constant(0), power)

    def transposed(self, rows: Sequence[Vector]) -> list[Vector]:
        """Return the columns of a square block, given its rows: in each step, halves of ever smaller blocks change
        places.
        """
        rows, half = list(rows), self.lanes // 2
        while half:
            for k in range(self.lanes):
                if k & half:
                    continue
                a, b = rows[k], rows[k + half]
                first = [i if not i & half else self.lanes + i - half for i in range(self.lanes)]
                second = [i + half if not i & half else self.lanes + i for i in range(self.lanes)]
                rows[k], rows[k + half] = self._shuffled(a, b, first), self._shuffled(a, b, second)
            half //= 2
        return rows

    def _shuffled(self, a: Vector, b: Vector, places: list[int]) -> Vector:
        mask = f"<{self.lanes} x i32> <{', '.join(f'i32 {p}' for p in places)}>"
        return self.made(f"shufflevector {self.kind} {a}, {self.kind} {b}, {mask}")


class Held:
    """A vector that changes: written as room on the stack, promoted to a register by LLVM."""

    def __init__(self, of: Vectors, initial: Vector) -> None:
        self.of, self.name = of, f"%{of.code.fresh()}"
        of.code.first.append(f"  {self.name} = alloca {of.kind}")
        self.set(initial)

    def get(self) -> Vector:
        """Return the current value."""
        return self.of.made(f"load {self.of.kind}, ptr {self.name}")

    def set(self, x: Vector) -> None:
        """Assign a new value."""
        self.of.code.write(f"store {self.of.kind} {x}, ptr {self.name}")


def tile(
    of: Vectors,
    steps: Index,
    begin: Sequence[Sequence[Vector]],
    left: Callable[[int, Symbol], Symbol],
    right: Callable[[Symbol, int], Vector],
    first: Index = 0,
    unrolled: int = 1,
) -> list[list[Vector]]:
    """Return `begin`, a few rows of a few vectors, plus the sum over all steps t of left(row, t) right(t, column).

    Steps are those from `first` on; so many of them are `unrolled`, a power of two, before it is asked for more.
    """
    sums = [[of.variable(x) for x in row] for row in begin]

    def add(t: Symbol) -> None:
        columns = [right(t, n) for n in range(len(begin[0]))]
        for m, row in enumerate(sums):
            factor = of.spread(left(m, t))
            for place, column in zip(row, columns, strict=True):
                place.set(factor * column + place.get())

    if unrolled > 1:
        times = of.code.index(steps) - first >> unrolled.bit_length() - 1
        with of.code.loop(0, times) as block:
            for k in range(unrolled):
                add(block * unrolled + first + k)
        first = times * unrolled + first
    with of.code.loop(first, steps) as t:
        add(t)
    return [[place.get() for place in row] for row in sums]


def in_heights(code: Code, count: Index, heights: Sequence[int], body: Callable[[Symbol, int], None]) -> None:
    """Call `body(first, height)` for rows from 0 to a count: as many as there are of the first height, then the next.

    The last height is 1.
    """
    done: Index = 0
    for height in heights:
        if isinstance(count, int) and isinstance(done, int):  # only what there is
            times: Index = (count - done) // height
            if not times:
                continue
        else:
            times = code.made(LONG, f"sdiv i64 {code.index(count) - done}, {height}")
        with code.loop(0, times) as k:
            body(k * height + done, height)
        done = times * height + done
