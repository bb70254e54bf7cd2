"""The machine code of convolution by columns, for some positions at once, from images to results and back."""

import functools
from typing import Any

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.gemm.writing import least
from chainrule.kernels.native.symbol import Symbol

from . import laying, unfolding
from .work import VECTORS, Work, direct, lanes_of

FUNCTIONS = {
    "lay": laying.LAY,
    "take": laying.TAKE,
    "unfold": unfolding.UNFOLD,
    "fold": unfolding.UNFOLD,
}
"""The functions that are called, with their parameters."""
TERMS = 256
"""How many terms of a product are added up at once: what they are multiplied with stays in the first cache."""
GEOMETRY = "kernel_y kernel_x step_y step_x apart_y apart_x"
NUMBERS = (
    "batch channels outputs height width plane_height plane_width before_y before_x wide images rows slabs "
    f"of_x_image of_x_channel of_z_image of_z_channel {GEOMETRY} pitch z_pitch row"
)
"""The numbers of all tables. `height` and `width` are those of images, and `plane_` those of what lies on positions."""


class _Units(Work):
    """A task of units: some images, or rows of positions of one."""

    def __init__(self, arrays: str, numbers: str, dtype: Any) -> None:
        super().__init__(arrays, f"{NUMBERS} {numbers}", dtype, FUNCTIONS)
        self.pitch, self.z_pitch, self.row, self.wide = self.wholes("pitch z_pitch row wide")
        self.terms = self.whole("kernel_y") * self.whole("kernel_x") * self.pitch

    def tall(self, rows: Symbol) -> Symbol:
        """Return how many rows of an image lie under some rows of positions."""
        step, kernel, apart = self.wholes("step_y kernel_y apart_y")
        return (rows - 1) * step + (kernel - 1) * apart + 1

    def unfold(self, images: tuple[Symbol, Symbol], top: Symbol, rows: Symbol, laid: Place, columns: Place) -> None:
        """Write the columns of some rows of positions."""
        height, width, before_y, before_x = self.wholes("height width before_y before_x")
        tall = self.tall(rows)
        size = height, width, top * self.whole("step_y") - before_y, before_x, tall, self.wide
        self.lay("x", images, (0, self.whole("channels")), size, laid, self.pitch)
        self.fold("unfold", laid, tall, images[1], rows, columns)

    def fold(self, name: str, laid: Place, tall: Symbol, count: Symbol, rows: Symbol, columns: Place) -> None:
        """Call `unfold` or `fold`."""
        across = self.whole("plane_width")
        sizes = *self.wholes(GEOMETRY), self.pitch
        self.called(name, laid, tall, self.wide, count, rows, across, *sizes, columns, self.row)

    def lay_z(self, images: tuple[Symbol, Symbol], channels: Any, top: Symbol, rows: Symbol, to: Place) -> None:
        """Lay out some rows of what lies on the positions."""
        height, width = self.wholes("plane_height plane_width")
        self.lay("z", images, channels, (height, width, top, self.index(0), rows, width), to, self.z_pitch)


@functools.cache
def correlating(dtype: Any) -> str:
    """Return the code that correlates a range of units of images with kernels."""
    work = _Units("x weights y", "at_columns at_over", dtype)
    laid, wide = work.place("memory"), work.columns
    columns, over = (work.behind(laid, work.whole(n)) for n in ("at_columns", "at_over"))
    outputs, height, width, images = work.wholes("outputs plane_height plane_width images")
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        stack, slab = work.divided(unit, work.whole("slabs"))
        first, top = stack * images, slab * work.whole("rows")
        count, rows = least(images, work.whole("batch") - first), least(work.whole("rows"), height - top)
        work.unfold((first, count), top, rows, laid, columns)
        positions, blocks = rows * width, work.blocks(outputs)
        # Terms in the outer loop: what is read of the columns for all blocks stays in the cache.
        with work.loop(0, work.divided(work.terms + (TERMS - 1), TERMS)[0]) as some, work.loop(0, blocks) as block:
            begin = some * TERMS
            b = work.behind(work.place("weights"), (block * work.terms + begin) * wide)
            c = work.behind(over, block * count * positions * wide), wide, count * positions, wide
            a = work.behind(columns, begin), work.row, 1
            work.product(a, (b, wide, least(work.terms - begin, TERMS)), c, adds=begin > 0)
        with work.loop(0, blocks) as block, work.loop(0, count) as s:
            here = work.behind(over, (block * count + s) * positions * wide)
            there = work.behind(work.place("y"), ((first + s) * outputs + block * wide) * height * width)
            plane = height * width, width, top * width, positions
            work.called("take", here, width, wide, there, *plane, least(outputs - block * wide, wide))
    return work.module(
        laying.laying("lay", dtype, work.vectors.lanes),
        laying.taking("take", dtype, work.vectors.lanes),
        unfolding.unfolding("unfold", dtype, work.vectors.lanes),
    )


@functools.cache
def spreading(dtype: Any) -> str:
    """Return the code that adds, for a range of stacks of images, the kernels scaled by what lies on the positions."""
    work = _Units("z weights x", "tall at_columns at_z", dtype)
    laid, wide, v = work.place("memory"), work.columns, work.vectors
    columns, z = (work.behind(laid, work.whole(n)) for n in ("at_columns", "at_z"))
    channels, outputs, height, width, tall, images = work.wholes("channels outputs height width tall images")
    corner = (work.whole("before_y") * work.wide + work.whole("before_x")) * work.pitch
    with work.loop(work.whole("begin"), work.whole("end")) as stack:
        first = stack * images
        count = least(images, work.whole("batch") - first)
        with work.loop(0, count * tall * work.wide * work.pitch >> v.lanes.bit_length() - 1) as k:
            v.store(v.constant(0), laid, k * v.lanes)
        with work.loop(0, work.whole("slabs")) as slab:
            top = slab * work.whole("rows")
            rows = least(work.whole("rows"), work.whole("plane_height") - top)
            work.lay_z((first, count), (0, outputs), top, rows, z)
            with work.loop(0, work.blocks(work.terms)) as block:
                b = work.behind(work.place("weights"), block * outputs * wide), wide, outputs
                positions, some = count * rows * work.whole("plane_width"), least(work.terms - block * wide, wide)
                work.product((z, work.z_pitch, 1), b, (work.behind(columns, block * wide), work.row, positions, some))
            there = work.behind(laid, top * work.whole("step_y") * work.wide * work.pitch)
            work.fold("fold", there, tall, count, rows, columns)
        with work.loop(0, count) as s:
            here = work.behind(laid, s * tall * work.wide * work.pitch + corner)
            there = work.behind(work.place("x"), (first + s) * channels * height * width)
            plane = height * width, width, 0, height * width
            work.called("take", here, work.wide, work.pitch, there, *plane, channels)
    return work.module(
        laying.laying("lay", dtype, v.lanes),
        laying.taking("take", dtype, v.lanes),
        unfolding.folding("fold", dtype, v.lanes),
    )


@functools.cache
def weighing(dtype: Any) -> str:
    """Return the code of a range of sums of products of columns and of what lies on the positions."""
    work = _Units("x z sums", "each slices slice at_columns at_z", dtype)
    laid, wide, v = work.place("memory"), work.columns, work.vectors
    columns, z = (work.behind(laid, work.whole(n)) for n in ("at_columns", "at_z"))
    batch, outputs, images, row, z_pitch = work.wholes("batch outputs images row z_pitch")
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        number, part = work.divided(unit, work.whole("slices"))
        from_output = part * work.whole("slice")
        some = least(work.whole("slice"), outputs - from_output)
        sums = work.behind(work.place("sums"), (number * outputs + from_output) * row)
        with work.loop(0, some * row >> v.lanes.bit_length() - 1) as i:
            v.store(v.constant(0), sums, i * v.lanes)
        begin = number * work.whole("each")
        end = least(begin + work.whole("each"), batch)
        stacks = work.divided(end - begin + (images - 1), images)[0]
        with work.loop(0, stacks) as stack, work.loop(0, work.whole("slabs")) as slab:
            first, top = begin + stack * images, slab * work.whole("rows")
            count, rows = least(images, end - first), least(work.whole("rows"), work.whole("plane_height") - top)
            work.unfold((first, count), top, rows, laid, columns)
            work.lay_z((first, count), (from_output, some), top, rows, z)
            with work.loop(0, work.blocks(work.terms)) as block:
                b = work.behind(columns, block * wide), row, count * rows * work.whole("plane_width")
                c = work.behind(sums, block * wide), row, some, least(work.terms - block * wide, wide)
                work.product((z, 1, z_pitch), b, c, adds=True)
    return work.module(
        laying.laying("lay", dtype, v.lanes),
        unfolding.unfolding("unfold", dtype, v.lanes),
    )


NAMES = ["outputs", "channels", "taps", "pitch"]


@functools.cache
def by_terms(dtype: Any) -> str:
    """Return the code that writes a range of blocks of kernels for `correlating`."""
    part = unfolding.by_terms("write", dtype, lanes_of(dtype), VECTORS)
    return direct(part, "write", ["w", "to"], NAMES, unfolding.KERNELS)


@functools.cache
def by_columns(dtype: Any) -> str:
    """Return the code that writes a range of kernels for `spreading`."""
    part = unfolding.by_columns("write", dtype, lanes_of(dtype), VECTORS)
    return direct(part, "write", ["w", "to"], NAMES, unfolding.KERNELS)


@functools.cache
def gathering(dtype: Any) -> str:
    """Return the code that makes a range of kernels of sums."""
    part = unfolding.gathering("gather", dtype, lanes_of(dtype))
    numbers = ["sums", "apart", *NAMES, "row"]
    return direct(part, "gather", ["from", "w"], numbers, unfolding.GATHER)
