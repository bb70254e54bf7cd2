"""What the tasks of convolutions with their channels innermost are written with: `Work`, and the text around it.

A text has a function `f` that unpacks a task's table, finds memory where that is needed, and calls the others. Sizes
are numbers of the table, so one text serves all layers of a type.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.gemm import tiles
from chainrule.kernels.native.gemm.writing import Part, joined
from chainrule.kernels.native.symbol import LONG, Symbol
from chainrule.kernels.native.tasks import parts_of
from chainrule.kernels.native.vectors import register_bytes

from .flat import Ints

SEVERAL = 4
"""How many units there are at least, if the batch allows it: each cut of the outputs lays out the images again."""
SUMMED = 2**21
"""How many elements the sums of a kernel's gradient have that are added up at the end."""
VECTORS = 2
"""How many vectors a row of a product's tile has."""


def lanes_of(dtype: Any) -> int:
    """Return the number of elements in a vector."""
    return max(register_bytes(), 32) // int(np.dtype(dtype).itemsize)


def height_of_tiles() -> int:
    """Return how many rows a product's tile has: 32 registers hold 16 sums and both factors, 16 hold 12."""
    return 8 if register_bytes() == 64 else 6


class Work(Part):
    """`work`: its parameters are arrays and then numbers, in the order of a task's table, and the range.

    The last array is memory, and the first number says how many bytes of it there are.
    """

    def __init__(self, arrays: str, numbers: str, dtype: Any, functions: Mapping[str, str]) -> None:
        self.functions = functions
        self.arrays, self.numbers = arrays.split(), ["bytes", *numbers.split()]
        names = [*(f"ptr %{name}" for name in [*self.arrays, "memory"]), *(f"i64 %{name}" for name in self.numbers)]
        super().__init__("work", ", ".join([*names, "i64 %begin", "i64 %end"]), dtype, lanes_of(dtype))
        self.columns = VECTORS * self.vectors.lanes

    def wholes(self, names: str) -> list[Symbol]:
        """Return parameters that are integers."""
        return [self.whole(name) for name in names.split()]

    def divided(self, a: Symbol, b: Any) -> tuple[Symbol, Symbol]:
        """Return a quotient and the remainder."""
        found = self.made(LONG, f"udiv i64 {a}, {b}")
        return found, a - found * b

    def blocks(self, count: Symbol) -> Symbol:
        """Return how many blocks of columns, each as wide as a tile of a product, hold so many."""
        return self.divided(count + (self.columns - 1), self.columns)[0]

    def called(self, name: str, *given: Any) -> None:
        """Call one of the functions that the text has besides."""
        self.call(f"@{name}", self.functions[name], [self.index(x) if isinstance(x, int) else x for x in given])

    def lay(self, x: str, images: Any, channels: Any, size: Any, to: Place, pitch: Symbol) -> None:
        """Lay out some images of an array with their channels innermost, from the first and as many as `images` say.

        `size` are the height and the width of one, the row and the column at which its laid out form begins, and how
        many of each that has. Parameters named `of_x_image` and `of_x_channel` say how far each is from the next.
        """
        (first, count), (height, width, top, left, tall, wide) = images, size
        apart, place = self.whole(f"of_{x}_channel"), self.place(x)
        with self.loop(0, count) as s:
            image = self.behind(place, (first + s) * self.whole(f"of_{x}_image") + channels[0] * apart)
            there = self.behind(to, s * tall * wide * pitch)
            self.called("lay", image, apart, channels[1], height, width, top, tall, left, wide, there, pitch)

    def product(self, a: Any, b: Any, c: Any, adds: bool | Symbol = False) -> None:
        """Write `c ← a b`, or `c ← c + a b` where it `adds`, for at most as many columns as a tile has.

        The first factor is its place and how far its rows are apart, and its columns; b its place, how far its rows are
        apart, and how many there are; c its place, how far its rows are apart, and how many rows and columns there are.
        """
        (left, row, step), (right, pitch, terms), (place, following, rows, columns) = a, b, c
        height = height_of_tiles()
        one, zero = self.constant(1, self.dtype), self.constant(0, self.dtype)
        beta = self.chosen(adds, one, zero) if isinstance(adds, Symbol) else one if adds else zero
        with self.loop(0, self.divided(rows + (height - 1), height)[0]) as m:
            given = [
                *(self.behind(left, m * height * row), row, step, right, pitch, terms, one, beta),
                *(self.behind(place, m * height * following), following, rows - m * height, columns),
            ]
            self.call("@tile", tiles.PARAMETERS, [self.index(x) if isinstance(x, int) else x for x in given])

    def module(self, *parts: str) -> str:
        """Return the text of the task's function."""
        lines = ["declare noalias ptr @malloc(i64)", "declare void @free(ptr)"]
        lines += unpacked(self.arrays, self.numbers)
        given = [*(f"ptr %{name}" for name in [*self.arrays, "memory"]), *(f"i64 %{name}" for name in self.numbers)]
        lines += [
            "  %room = call ptr @malloc(i64 %bytes)",
            "  %whole = ptrtoint ptr %room to i64",
            "  %is_none = icmp eq i64 %whole, 0",
            "  br i1 %is_none, label %failed, label %found",
            "failed:",
            "  ret i64 0",
            "found:",
            "  %raised = add i64 %whole, 63",
            "  %aligned = and i64 %raised, -64",
            "  %memory = inttoptr i64 %aligned to ptr",
            f"  call void @work({', '.join([*given, 'i64 %begin', 'i64 %end'])})",
            "  call void @free(ptr %room)",
            "  ret i64 -1",
            "}",
        ]
        tile = tiles.written("tile", self.dtype, self.vectors.lanes, VECTORS, height_of_tiles())
        return joined([*parts, tile, self.text(), "\n".join(lines)])


def direct(part: str, name: str, arrays: Sequence[str], numbers: Sequence[str], order: str) -> str:
    """Return the text of a task's function that calls another with its arrays, its numbers and the range.

    `order` is that function's parameters.
    """
    given = ", ".join(one.replace("noalias ", "") for one in order.split(", "))
    lines = [*unpacked(arrays, numbers), f"  call void @{name}({given})", "  ret i64 -1", "}"]
    return joined([part, "\n".join(lines)])


def unpacked(arrays: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Return the beginning of a task's function, which reads the table."""
    lines = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"]
    for k, (kind, name) in enumerate([*(("ptr", name) for name in arrays), *(("i64", name) for name in numbers)]):
        lines += [f"  %{name}.at = getelementptr inbounds i64, ptr %table, i64 {k}"]
        lines += [f"  %{name} = load {kind}, ptr %{name}.at"]
    return lines


def rooms(dtype: Any, *counts: int) -> tuple[int, list[int]]:
    """Return how many bytes of memory so many elements take, and where each part but the first begins."""
    starts = np.cumsum([0, *(-(-n // 64) * 64 for n in counts)]).tolist()
    return starts[-1] * np.dtype(dtype).itemsize + 64, starts[1:-1]


def failed() -> None:
    """Say that there was no memory."""
    raise MemoryError("convolution: no memory to lay out images")


def rounded(count: int, multiple: int) -> int:
    """Return the next multiple of a number."""
    return -(-count // multiple) * multiple


@dataclass(frozen=True)
class Units:
    """How many rows of positions, of how many images, are worked on at once."""

    counts: Ints
    images: int
    rows: int

    @classmethod
    def of(cls, counts: Ints, batch: int, most: int, several: int = SEVERAL) -> "Units":
        """Cut a batch with so many rows and columns of positions: not many more than `most`, and into some units."""
        high, across = counts
        if high * across > most:
            return cls(counts, 1, max(most // across, 1))
        return cls(counts, min(most // (high * across), max(-(-batch // several), 1)), high)

    @property
    def slabs(self) -> int:
        """How many units an image is cut into, if it is."""
        return -(-self.counts[0] // self.rows)

    @property
    def at_once(self) -> int:
        """How many positions a unit has."""
        return self.images * self.rows * self.counts[1]

    def several(self, batch: int) -> int:
        """Return how many units a batch has."""
        return -(-batch // self.images) * self.slabs


@dataclass(frozen=True)
class Sums:
    """How the sums of a gradient are shared out: so many `chunks` of `each` images, in slices of some outputs."""

    each: int
    chunks: int
    slices: int
    some: int

    @classmethod
    def of(cls, batch: int, outputs: int, size: int, work: float, lanes: int, fewest: int = 1) -> "Sums":
        """Share out sums of a size each, of so many operations: images where these are many, outputs as well else.

        A chunk has `fewest` images at least, if the batch has.
        """
        parts = min(parts_of(work, batch), max(SUMMED // size, 1), max(batch // fewest, 1))
        each = -(-batch // parts)
        chunks = -(-batch // each)
        slices = next(n for n in (4, 2, 1) if n == 1 or (n * chunks <= SEVERAL and outputs >= n * 2 * lanes))
        some = rounded(-(-outputs // slices), lanes)
        return cls(each, chunks, -(-outputs // some), some)
