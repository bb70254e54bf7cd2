"""The machine code of Winograd's algorithm: ranges of units of tiles, from images to results, and of kernels.

Each text has a function `f` that unpacks a task's table, finds memory where that is needed, and calls the others. Sizes
are numbers of the table, so one text serves all layers of a type.
"""

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels.native.gemm import tiles
from chainrule.kernels.native.gemm.writing import Part, least
from chainrule.kernels.native.symbol import LONG, Symbol
from chainrule.kernels.native.vectors import register_bytes

from . import laying, transforms
from .transforms import COTANGENTS, IMAGES, MATRICES

VECTORS = 2
"""How many vectors a row of a product's tile has."""


def lanes_of(dtype: Any) -> int:
    """Return the number of elements in a vector."""
    return max(register_bytes(), 32) // int(np.dtype(dtype).itemsize)


def height_of_tiles() -> int:
    """Return how many rows a product's tile has: 32 registers hold 16 sums and both factors, 16 hold 12."""
    return 8 if register_bytes() == 64 else 6


class _Work(Part):
    """`work`: its parameters are arrays and then numbers, in the order of a task's table, and the range.

    The last array is memory, and the first number says how many bytes of it there are.
    """

    def __init__(self, arrays: str, numbers: str, dtype: Any) -> None:
        self.arrays, self.numbers = arrays.split(), ["bytes", *numbers.split()]
        names = [*(f"ptr %{name}" for name in [*self.arrays, "memory"]), *(f"i64 %{name}" for name in self.numbers)]
        super().__init__("work", ", ".join([*names, "i64 %begin", "i64 %end"]), dtype, lanes_of(dtype))

    def wholes(self, names: str) -> list[Symbol]:
        """Return parameters that are integers."""
        return [self.whole(name) for name in names.split()]

    def divided(self, a: Symbol, b: Any) -> tuple[Symbol, Symbol]:
        """Return a quotient and the remainder."""
        found = self.made(LONG, f"udiv i64 {a}, {b}")
        return found, a - found * b

    def called(self, name: str, *given: Any) -> None:
        """Call a function of the same text."""
        parameters = {
            "lay": laying.LAY, "take": laying.TAKE, "split": transforms.SPLIT, "split_z": transforms.SPLIT,
            "join": transforms.JOIN, "tile": tiles.PARAMETERS,
        }[name]  # fmt: skip
        self.call(f"@{name}", parameters, [self.index(x) if isinstance(x, int) else x for x in given])

    def module(self, *parts: str) -> str:
        """Return the text of the task's function."""
        lines = ["declare noalias ptr @malloc(i64)", "declare void @free(ptr)"]
        lines += _unpacked(self.arrays, self.numbers)
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
        return transforms.written_once([*parts, self.text(), "\n".join(lines)])


@functools.cache
def correlating(dtype: Any) -> str:
    """Return the code that correlates a range of units of images with kernels that are transformed."""
    work = _Work(
        "x weights y",
        "batch channels outputs height width plane_height plane_width before_y before_x high across images rows slabs "
        "of_image of_channel pitch matrices products over",
        dtype,
    )
    lanes, height = work.vectors.lanes, height_of_tiles()
    wide = VECTORS * lanes
    batch, channels, outputs, out_height, out_width = work.wholes("batch channels outputs plane_height plane_width")
    high, across, images, pitch = work.wholes("high across images pitch")
    laid, y = work.place("memory"), work.place("y")
    matrices, products, over = (work.behind(laid, work.whole(n)) for n in ("matrices", "products", "over"))
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        stack, slab = work.divided(unit, work.whole("slabs"))
        first, top = stack * images, slab * work.whole("rows")
        count, rows = least(images, batch - first), least(work.whole("rows"), high - top)
        tall, across_2 = rows * 2 + 2, across * 2
        _lay(work, "x", (first, count), top, (tall, across_2 + 2))
        work.called("split", laid, tall, across_2 + 2, count, rows, across, pitch, matrices)
        total = count * rows * across
        with work.loop(0, work.divided(outputs + (wide - 1), wide)[0]) as block:
            with work.loop(0, MATRICES) as k:
                b = work.behind(work.place("weights"), (block * MATRICES + k) * channels * wide)
                with work.loop(0, work.divided(total + (height - 1), height)[0]) as m:
                    row = m * height
                    a = work.behind(matrices, (k * total + row) * pitch)
                    c = work.behind(products, (k * total + row) * wide)
                    one, zero = work.constant(1, dtype), work.constant(0, dtype)
                    work.called("tile", a, pitch, 1, b, wide, channels, one, zero, c, wide, total - row, wide)
            work.called("join", products, total, count * rows, across, wide, over)
            begin, end = top * 2, least((top + rows) * 2, out_height)
            with work.loop(0, count) as s:
                there = work.behind(y, ((first + s) * outputs + block * wide) * out_height * out_width)
                work.called(
                    "take", work.behind(over, s * rows * 2 * across_2 * wide), across_2, wide, there,
                    out_height * out_width, out_width, begin * out_width, (end - begin) * out_width,
                    least(outputs - block * wide, wide),
                )  # fmt: skip
    return work.module(
        laying.laying("lay", dtype, lanes),
        laying.taking("take", dtype, lanes),
        transforms.splitting("split", dtype, lanes, IMAGES),
        transforms.joining("join", dtype, lanes),
        tiles.written("tile", dtype, lanes, VECTORS, height),
    )


def _lay(work: _Work, name: str, images: tuple[Symbol, Symbol], top: Symbol, size: tuple[Symbol, Symbol]) -> None:
    """Write how images are laid out from a row of tiles on."""
    (first, count), (tall, wide), pitch = images, size, work.whole("pitch")
    x, to = work.place(name), work.place("memory")
    channels, height, width, before_y, before_x = work.wholes("channels height width before_y before_x")
    with work.loop(0, count) as s:
        work.called(
            "lay", work.behind(x, (first + s) * work.whole("of_image")), work.whole("of_channel"), channels, height,
            width, top * 2 - before_y, tall, before_x, wide, work.behind(to, s * tall * wide * pitch), pitch,
        )  # fmt: skip


@functools.cache
def weighing(dtype: Any) -> str:
    """Return the code of a range of sums of products of transformed images and results, in slices of outputs."""
    work = _Work(
        "x z sums",
        "batch channels outputs height width plane_height plane_width before_y before_x high across images rows slabs "
        "of_image of_channel pitch matrices z_laid factors z_image z_channel each slices slice z_pitch",
        dtype,
    )
    lanes, height = work.vectors.lanes, height_of_tiles()
    wide = VECTORS * lanes
    batch, outputs, high, across, images, pitch = work.wholes("batch outputs high across images pitch")
    laid = work.place("memory")
    matrices, z_laid, factors = (work.behind(laid, work.whole(n)) for n in ("matrices", "z_laid", "factors"))
    z_pitch = work.whole("z_pitch")
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        number, part = work.divided(unit, work.whole("slices"))
        from_output = part * work.whole("slice")
        some = least(work.whole("slice"), outputs - from_output)
        sums = work.behind(work.place("sums"), (number * MATRICES * outputs + from_output) * pitch)
        with work.loop(0, MATRICES) as k, work.loop(0, some * pitch >> lanes.bit_length() - 1) as i:
            work.vectors.store(work.vectors.constant(0), sums, k * outputs * pitch + i * lanes)
        begin = number * work.whole("each")
        end = least(begin + work.whole("each"), batch)
        stacks = work.divided(end - begin + (images - 1), images)[0]
        with work.loop(0, stacks) as stack, work.loop(0, work.whole("slabs")) as slab:
            first, top = begin + stack * images, slab * work.whole("rows")
            count, rows = least(images, end - first), least(work.whole("rows"), high - top)
            tall, across_2 = rows * 2 + 2, across * 2
            _lay(work, "x", (first, count), top, (tall, across_2 + 2))
            work.called("split", laid, tall, across_2 + 2, count, rows, across, pitch, matrices)
            with work.loop(0, count) as s:
                at = (first + s) * work.whole("z_image") + from_output * work.whole("z_channel")
                work.called(
                    "lay", work.behind(work.place("z"), at), work.whole("z_channel"), some, work.whole("plane_height"),
                    work.whole("plane_width"), top * 2, rows * 2, 0, across_2,
                    work.behind(z_laid, s * rows * 2 * across_2 * z_pitch), z_pitch,
                )  # fmt: skip
            work.called("split_z", z_laid, rows * 2, across_2, count, rows, across, z_pitch, factors)
            total, one = count * rows * across, work.constant(1, dtype)
            with work.loop(0, MATRICES) as k, work.loop(0, work.divided(pitch + (wide - 1), wide)[0]) as block:
                b = work.behind(matrices, k * total * pitch + block * wide)
                with work.loop(0, work.divided(some + (height - 1), height)[0]) as m:
                    row = m * height
                    a = work.behind(factors, k * total * z_pitch + row)
                    c = work.behind(sums, (k * outputs + row) * pitch + block * wide)
                    columns = least(pitch - block * wide, wide)
                    work.called("tile", a, 1, z_pitch, b, pitch, total, one, one, c, pitch, some - row, columns)
    return work.module(
        laying.laying("lay", dtype, lanes),
        transforms.splitting("split", dtype, lanes, IMAGES),
        transforms.splitting("split_z", dtype, lanes, COTANGENTS),
        tiles.written("tile", dtype, lanes, VECTORS, height),
    )


@functools.cache
def spreading(dtype: Any, is_turned: bool) -> str:
    """Return the code that transforms a range of blocks of kernels."""
    part = transforms.spreading("spread", dtype, lanes_of(dtype), VECTORS, is_turned)
    names = ["outputs", "terms", "of_output", "of_term"]
    given = ", ".join(["ptr %w", *(f"i64 %{name}" for name in [*names, "begin", "end"]), "ptr %to"])
    lines = [*_unpacked(["w", "to"], names), f"  call void @spread({given})", "  ret i64 -1", "}"]
    return transforms.written_once([part, "\n".join(lines)])


@functools.cache
def gathering(dtype: Any) -> str:
    """Return the code that makes a range of kernels of sums."""
    names = ["sums", "outputs", "channels", "pitch"]
    given = ", ".join(["ptr %from", *(f"i64 %{name}" for name in [*names, "begin", "end"]), "ptr %w"])
    lines = [*_unpacked(["from", "w"], names), f"  call void @gather({given})", "  ret i64 -1", "}"]
    return transforms.written_once([transforms.gathering("gather", dtype, lanes_of(dtype)), "\n".join(lines)])


def _unpacked(arrays: Sequence[str], numbers: Sequence[str]) -> list[str]:
    """Return the beginning of a task's function, which reads the table."""
    lines = ["define i64 @f(ptr %table, i64 %begin, i64 %end) nounwind {"]
    for k, (kind, name) in enumerate([*(("ptr", name) for name in arrays), *(("i64", name) for name in numbers)]):
        lines += [f"  %{name}.at = getelementptr inbounds i64, ptr %table, i64 {k}"]
        lines += [f"  %{name} = load {kind}, ptr %{name}.at"]
    return lines
