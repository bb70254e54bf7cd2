"""The machine code of Winograd's algorithm: ranges of units of tiles, from images to results, and of kernels."""

import functools
from typing import Any

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.gemm.writing import least
from chainrule.kernels.native.symbol import Symbol

from . import laying, transforms
from .transforms import COTANGENTS, IMAGES, MATRICES
from .work import VECTORS, Work, direct, lanes_of

FUNCTIONS = {
    "lay": laying.LAY,
    "take": laying.TAKE,
    "split": transforms.SPLIT,
    "split_z": transforms.SPLIT,
    "join": transforms.JOIN,
}
"""The functions that are called, with their parameters."""


NUMBERS = (
    "batch channels outputs height width plane_height plane_width before_y before_x high across images rows slabs "
    "of_x_image of_x_channel pitch"
)
"""The numbers of both tables. `height` and `width` are those of images, and `plane_` those of what lies on tiles."""


class _Units(Work):
    """A task of units: some images, or rows of tiles of one."""

    def __init__(self, arrays: str, numbers: str, dtype: Any) -> None:
        super().__init__(arrays, f"{NUMBERS} {numbers}", dtype, FUNCTIONS)
        self.batch, self.channels, self.outputs = self.wholes("batch channels outputs")
        self.across, self.images, self.pitch = self.wholes("across images pitch")
        self.room = self.place("memory")

    def taken(self, first: Symbol, end: Symbol, slab: Symbol) -> tuple[Symbol, Symbol, Symbol]:
        """Return the number of images from the first on, and the first row of tiles and how many there are."""
        top = slab * self.whole("rows")
        return least(self.images, end - first), top, least(self.whole("rows"), self.whole("high") - top)

    def split(self, first: Symbol, taken: tuple[Symbol, Symbol, Symbol], matrices: Place) -> Symbol:
        """Write the transformed images of a unit; return how many tiles they have."""
        count, top, rows = taken
        height, width, before_y, before_x = self.wholes("height width before_y before_x")
        tall, wide = rows * 2 + 2, self.across * 2 + 2
        size = height, width, top * 2 - before_y, before_x, tall, wide
        self.lay("x", (first, count), (0, self.channels), size, self.room, self.pitch)
        self.called("split", self.room, tall, wide, count, rows, self.across, self.pitch, matrices)
        return count * rows * self.across


@functools.cache
def correlating(dtype: Any) -> str:
    """Return the code that correlates a range of units of images with kernels that are transformed."""
    work = _Units("x weights y", "matrices products over", dtype)
    lanes, wide, outputs, pitch = work.vectors.lanes, work.columns, work.outputs, work.pitch
    out_height, out_width = work.wholes("plane_height plane_width")
    matrices, products, over = (work.behind(work.room, work.whole(n)) for n in ("matrices", "products", "over"))
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        stack, slab = work.divided(unit, work.whole("slabs"))
        first = stack * work.images
        count, top, rows = taken = work.taken(first, work.batch, slab)
        total, across_2 = work.split(first, taken, matrices), work.across * 2
        with work.loop(0, work.blocks(outputs)) as block:
            with work.loop(0, MATRICES) as k:
                b = work.behind(work.place("weights"), (block * MATRICES + k) * work.channels * wide)
                a = work.behind(matrices, k * total * pitch), pitch, 1
                c = work.behind(products, k * total * wide), wide, total, wide
                work.product(a, (b, wide, work.channels), c)
            work.called("join", products, total, count * rows, work.across, wide, over)
            begin, end = top * 2, least((top + rows) * 2, out_height)
            with work.loop(0, count) as s:
                here = work.behind(over, s * rows * 2 * across_2 * wide)
                there = work.behind(work.place("y"), ((first + s) * outputs + block * wide) * out_height * out_width)
                plane = out_height * out_width, out_width, begin * out_width, (end - begin) * out_width
                work.called("take", here, across_2, wide, there, *plane, least(outputs - block * wide, wide))
    return work.module(
        laying.laying("lay", dtype, lanes),
        laying.taking("take", dtype, lanes),
        transforms.splitting("split", dtype, lanes, IMAGES),
        transforms.joining("join", dtype, lanes),
    )


@functools.cache
def weighing(dtype: Any) -> str:
    """Return the code of a range of sums of products of transformed images and results, in slices of outputs."""
    work = _Units("x z sums", "matrices z_laid factors of_z_image of_z_channel each slices slice z_pitch", dtype)
    lanes, wide, outputs, pitch = work.vectors.lanes, work.columns, work.outputs, work.pitch
    matrices, z_laid, factors = (work.behind(work.room, work.whole(n)) for n in ("matrices", "z_laid", "factors"))
    z_pitch = work.whole("z_pitch")
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        number, part = work.divided(unit, work.whole("slices"))
        from_output = part * work.whole("slice")
        some = least(work.whole("slice"), outputs - from_output)
        sums = work.behind(work.place("sums"), (number * MATRICES * outputs + from_output) * pitch)
        with work.loop(0, MATRICES) as k, work.loop(0, some * pitch >> lanes.bit_length() - 1) as i:
            work.vectors.store(work.vectors.constant(0), sums, k * outputs * pitch + i * lanes)
        begin = number * work.whole("each")
        end = least(begin + work.whole("each"), work.batch)
        stacks = work.divided(end - begin + (work.images - 1), work.images)[0]
        with work.loop(0, stacks) as stack, work.loop(0, work.whole("slabs")) as slab:
            first = begin + stack * work.images
            count, top, rows = taken = work.taken(first, end, slab)
            total, across_2 = work.split(first, taken, matrices), work.across * 2
            plane = *work.wholes("plane_height plane_width"), top * 2, 0, rows * 2, across_2
            work.lay("z", (first, count), (from_output, some), plane, z_laid, z_pitch)
            work.called("split_z", z_laid, rows * 2, across_2, count, rows, work.across, z_pitch, factors)
            with work.loop(0, MATRICES) as k, work.loop(0, work.blocks(pitch)) as block:
                b = work.behind(matrices, k * total * pitch + block * wide)
                a = work.behind(factors, k * total * z_pitch), 1, z_pitch
                columns = least(pitch - block * wide, wide)
                c = work.behind(sums, k * outputs * pitch + block * wide), pitch, some, columns
                work.product(a, (b, pitch, total), c, adds=True)
    return work.module(
        laying.laying("lay", dtype, lanes),
        transforms.splitting("split", dtype, lanes, IMAGES),
        transforms.splitting("split_z", dtype, lanes, COTANGENTS),
    )


@functools.cache
def spreading(dtype: Any, is_turned: bool) -> str:
    """Return the code that transforms a range of blocks of kernels."""
    part = transforms.spreading("spread", dtype, lanes_of(dtype), VECTORS, is_turned)
    return direct(part, "spread", ["w", "to"], ["outputs", "terms", "of_output", "of_term"], transforms.SPREAD)


@functools.cache
def gathering(dtype: Any) -> str:
    """Return the code that makes a range of kernels of sums."""
    part = transforms.gathering("gather", dtype, lanes_of(dtype))
    return direct(part, "gather", ["from", "w"], ["sums", "outputs", "channels", "pitch"], transforms.GATHER)
