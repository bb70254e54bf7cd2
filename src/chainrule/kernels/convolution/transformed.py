"""The machine code of Winograd's algorithm: ranges of units of tiles, from images to results, and of kernels."""

import functools
from typing import Any

from chainrule.kernels.native.gemm.writing import least

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


@functools.cache
def correlating(dtype: Any) -> str:
    """Return the code that correlates a range of units of images with kernels that are transformed."""
    work = Work(
        "x weights y",
        "batch channels outputs height width plane_height plane_width before_y before_x high across images rows slabs "
        "of_x_image of_x_channel pitch matrices products over",
        dtype,
        FUNCTIONS,
    )
    lanes = work.vectors.lanes
    wide = VECTORS * lanes
    batch, channels, outputs, out_height, out_width = work.wholes("batch channels outputs plane_height plane_width")
    high, across, images, pitch, before_y, before_x = work.wholes("high across images pitch before_y before_x")
    laid, y = work.place("memory"), work.place("y")
    matrices, products, over = (work.behind(laid, work.whole(n)) for n in ("matrices", "products", "over"))
    with work.loop(work.whole("begin"), work.whole("end")) as unit:
        stack, slab = work.divided(unit, work.whole("slabs"))
        first, top = stack * images, slab * work.whole("rows")
        count, rows = least(images, batch - first), least(work.whole("rows"), high - top)
        tall, across_2 = rows * 2 + 2, across * 2
        image = *work.wholes("height width"), top * 2 - before_y, before_x, tall, across_2 + 2
        work.lay("x", (first, count), (0, channels), image, laid, pitch)
        work.called("split", laid, tall, across_2 + 2, count, rows, across, pitch, matrices)
        total = count * rows * across
        with work.loop(0, work.divided(outputs + (wide - 1), wide)[0]) as block:
            with work.loop(0, MATRICES) as k:
                b = work.behind(work.place("weights"), (block * MATRICES + k) * channels * wide)
                a = work.behind(matrices, k * total * pitch), pitch, 1
                c = work.behind(products, k * total * wide), wide, total, wide
                work.product(a, (b, wide, channels), c)
            work.called("join", products, total, count * rows, across, wide, over)
            begin, end = top * 2, least((top + rows) * 2, out_height)
            with work.loop(0, count) as s:
                here = work.behind(over, s * rows * 2 * across_2 * wide)
                there = work.behind(y, ((first + s) * outputs + block * wide) * out_height * out_width)
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
    work = Work(
        "x z sums",
        "batch channels outputs height width plane_height plane_width before_y before_x high across images rows slabs "
        "of_x_image of_x_channel pitch matrices z_laid factors of_z_image of_z_channel each slices slice z_pitch",
        dtype,
        FUNCTIONS,
    )
    lanes = work.vectors.lanes
    wide = VECTORS * lanes
    batch, channels, outputs, high, across, images = work.wholes("batch channels outputs high across images")
    pitch, before_y, before_x = work.wholes("pitch before_y before_x")
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
            image = *work.wholes("height width"), top * 2 - before_y, before_x, tall, across_2 + 2
            work.lay("x", (first, count), (0, channels), image, laid, pitch)
            work.called("split", laid, tall, across_2 + 2, count, rows, across, pitch, matrices)
            plane = *work.wholes("plane_height plane_width"), top * 2, 0, rows * 2, across_2
            work.lay("z", (first, count), (from_output, some), plane, z_laid, z_pitch)
            work.called("split_z", z_laid, rows * 2, across_2, count, rows, across, z_pitch, factors)
            total = count * rows * across
            with work.loop(0, MATRICES) as k, work.loop(0, work.divided(pitch + (wide - 1), wide)[0]) as block:
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
