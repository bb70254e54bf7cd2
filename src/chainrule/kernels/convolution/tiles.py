r"""Convolution over flat images as machine code, written for the sizes at hand: tiles of sums that stay in registers.

For each image, or a few together where kernels are large: the image is laid out flat (see `flat`), small enough to stay
in cache; each tile of positions is combined with all kernels, so that what is read of the image comes from the first
cache; and the positions that are used are copied out. For the kernels' gradient a tile is a few outputs times a few
kernel elements, summed along the positions.

A tile is a small matrix of vectors (Goto & van de Geijn, "Anatomy of high-performance matrix multiplication", 2008,
section 6; Georganas et al., "Anatomy of high-performance deep learning convolutions on SIMD architectures", 2018, for
tiles over positions that are read in place). Nothing is packed: where a kernel's elements lie, and how far from a
position the image's element under each is, stand in two lists.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Code, Index, Place
from chainrule.kernels.native.symbol import LONG, Symbol
from chainrule.kernels.native.tasks import Function
from chainrule.kernels.native.vectors import Held, Vector, Vectors, register_bytes

from .flat import Ints, Plane

COLUMNS = 3
"""How many vectors of positions a tile has at most."""
TAPS = 4
"""How many elements of a kernel a tile of the kernels' gradient has at most."""
OPTIMISED = 2
"""How much LLVM optimises: what is written on vectors needs no more, and compiles in less time."""


def highest() -> int:
    """Return the most rows of a tile: a vector of 64 bytes says that there are 32 of them, others 16."""
    return 8 if register_bytes() == 64 else 4


def highest_weigh() -> int:
    """Return the most rows of a tile of the kernels' gradient, which holds more of both factors."""
    return 6 if register_bytes() == 64 else 2


def lanes(itemsize: int) -> int:
    """Return the number of elements in a vector."""
    return max(register_bytes(), 32) // itemsize


@dataclass(frozen=True)
class Laid:
    """Images `[groups · channels, size]`, and the plane that each channel of a few of them is laid out in.

    `apart` are how far images are from each other where they come from, and their channels.
    """

    groups: int
    channels: int
    size: Ints
    plane: Plane
    stack: int
    apart: tuple[int, int]

    @property
    def step(self) -> int:
        """How many elements all channels take."""
        return self.groups * self.channels * self.plane.length


@dataclass(frozen=True)
class Correlation:
    """What `correlating` writes code for.

    `outputs` are those of one group and slice. `steps` are how far kernels are from each other, and those of a group
    from the next. Positions, `out`, are written into images of `size`, in steps of `stride`.
    """

    laid: Laid
    outputs: int
    slices: int
    steps: tuple[int, int]
    reach: int
    out: Ints
    size: Ints
    stride: Ints


@dataclass(frozen=True)
class Weighing:
    """What `weighing` writes code for: images, what lies on their positions, and the elements of a kernel.

    `apart` is for the latter what it is for images.
    """

    laid: Laid
    apart: tuple[int, int]
    outputs: int
    slices: int
    taps: int
    reach: int
    out: Ints


def in_equal_heights(code: Code, count: int, most: int, write: Callable[[Index, int], None]) -> None:
    """Call `write(first, height)` for rows in blocks of nearly the same height: of at most two different ones."""
    blocks = -(-count // most)
    low, higher = divmod(count, blocks)
    if higher:
        with code.loop(0, higher) as k:
            write(k * (low + 1), low + 1)
    with code.loop(0, blocks - higher) as k:
        write(k * low + higher * (low + 1), low)


def _lay(
    code: Code, x: Place, at: Symbol, channels: tuple[int, int], size: Ints, to: tuple[Place, Symbol, Plane]
) -> None:
    """Write how an image `[channels, size]` that begins at `at` is copied into its planes.

    Given are the number of channels, and how far they are from each other.
    """
    flat, start, plane = to
    (depth, height, width), (phases, inner, before) = size, (plane.phases, plane.inner, plane.before)
    block = math.prod(inner)
    with code.loop(0, channels[0]) as c, code.loop(0, depth) as d, code.loop(0, height) as h:
        source = at + c * channels[1] + (d * height + h) * width
        (in_d, of_d), (in_h, of_h) = (
            _divided(code, place + first, by)
            for place, first, by in ((d, before[0], phases[0]), (h, before[1], phases[1]))
        )
        row = start + c * plane.length + (in_d * inner[1] + in_h) * inner[2]
        if phases[:2] != (1, 1):
            row = row + (of_d * phases[1] + of_h) * (phases[2] * block)
        for p in range(phases[2]):
            first = (p - before[2]) % phases[2]
            place = row + (p * block + (first + before[2]) // phases[2])
            with code.loop(0, max(-(-(width - first) // phases[2]), 0)) as i:
                flat[place + i] = x[source + i * phases[2] + first]


def _divided(code: Code, number: Symbol, by: int) -> tuple[Symbol, Symbol]:
    """Return the quotient and the remainder of an index."""
    if by == 1:
        return number, code.index(0)
    return code.made(LONG, f"udiv i64 {number}, {by}"), code.remainder(number, by)


def _cleared(code: Code, place: Place, start: Index, count: Index) -> None:
    with code.loop(0, count) as i:
        place[i + start] = code.constant(0, place.dtype)


def _smaller(code: Code, a: Symbol, b: Index) -> Symbol:
    return code.chosen(a < b, a, code.index(b))


@functools.lru_cache(256)
def correlating(dtype: Any, of: Correlation) -> str:
    """Return the code of a range of stacks of images, for each of them a range of slices of outputs.

    Its numbers are the images, the elements of a kernel, and where the first position is written.
    """
    function = Function([dtype, dtype, LONG, LONG, dtype], 5)
    code, (x, w, x_offsets, w_offsets, y), (batch, taps, *first) = function.code, function.places, function.numbers
    laid, plane, width = of.laid, of.laid.plane, lanes(np.dtype(dtype).itemsize)
    v, pitch = Vectors(code, dtype, width), -(-of.reach // width) * width
    room = laid.step + plane.slack + width
    flat, found = v.rooms(room, of.outputs * pitch)
    _cleared(code, flat, 0, room)
    one, all_outputs = plane.inner[1] * plane.inner[2], of.outputs * of.slices
    channel = math.prod(of.size)
    with code.loop(function.begin, function.end) as unit:
        stack, part = _divided(code, unit, of.slices)
        image = stack * laid.stack
        count = _smaller(code, batch - image, laid.stack)
        with code.loop(0, count) as s:
            at, channels = (image + s) * laid.apart[0], (laid.groups * laid.channels, laid.apart[1])
            _lay(code, x, at, channels, laid.size, (flat, s * one, plane))
        with code.loop(0, laid.groups) as g:
            under, kernels = g * (laid.channels * plane.length), g * of.steps[1] + part * (of.outputs * of.steps[0])

            def columns(start: Index, several: int, under: Symbol = under, kernels: Symbol = kernels) -> None:
                def block(o: Index, rows: int) -> None:
                    where = kernels + o * of.steps[0]
                    sums = [[v.variable(v.constant(0)) for _ in range(several)] for _ in range(rows)]
                    with code.loop(0, taps) as t:
                        at, weights = under + start + x_offsets[t], where + w_offsets[t]
                        values = [v.load(flat, at + n * width) for n in range(several)]
                        _add_products(sums, [v.spread(w[weights + m * of.steps[0]]) for m in range(rows)], values)
                    for m, row in enumerate(sums):
                        for n, held in enumerate(row):
                            v.store(held.get(), found, (o + m) * pitch + start + n * width)

                in_equal_heights(code, of.outputs, highest(), block)

            full, rest = divmod(pitch // width, COLUMNS)
            with code.loop(0, full) as k:
                columns(k * (COLUMNS * width), COLUMNS)
            if rest:
                columns(code.index(full * COLUMNS * width), rest)
            with code.loop(0, count) as s, code.loop(0, of.outputs) as o:
                target = (((image + s) * laid.groups + g) * all_outputs + part * of.outputs + o) * channel
                _take(code, found, o * pitch + s * one, plane, y, target, first, of)
    v.given_back()
    return function.text()


def _add_products(sums: list[list[Held]], left: list[Vector], right: list[Vector]) -> None:
    for row, a in zip(sums, left, strict=True):
        for held, b in zip(row, right, strict=True):
            held.set(a * b + held.get())


def _take(
    code: Code, found: Place, row: Symbol, plane: Plane, y: Place, at: Symbol, first: list[Symbol], of: Correlation
) -> None:
    """Write how rows of positions are copied into a channel that begins at `at`."""
    with code.loop(0, of.out[0]) as d, code.loop(0, of.out[1]) as h:
        place = row + (d * plane.inner[1] + h) * plane.inner[2]
        depth, height = (n * s + start for n, s, start in zip((d, h), of.stride, first, strict=False))
        target = at + (depth * of.size[1] + height) * of.size[2] + first[2]
        with code.loop(0, of.out[2]) as i:
            y[target + i * of.stride[2]] = found[place + i]


@functools.lru_cache(256)
def weighing(dtype: Any, of: Weighing) -> str:
    """Return the code of a range of sums of kernels, each over some images and in slices of outputs.

    Its numbers are the images, and how many of them there are for each sum.
    """
    function = Function([dtype, dtype, LONG, dtype], 2)
    code, (x, z, offsets, y), (batch, each) = function.code, function.places, function.numbers
    laid, plane, width = of.laid, of.laid.plane, lanes(np.dtype(dtype).itemsize)
    v, pitch = Vectors(code, dtype, width), -(-of.reach // width) * width
    on = Plane((0, 0, 0), (1, 1, 1), plane.inner)
    rows, all_outputs = laid.groups * of.outputs, of.outputs * of.slices
    room = laid.stack * laid.step + plane.slack + width
    under, over = v.rooms(room, laid.stack * rows * pitch)
    _cleared(code, under, 0, room)
    _cleared(code, over, 0, laid.stack * rows * pitch)
    with code.loop(function.begin, function.end) as unit:
        number, part = _divided(code, unit, of.slices)
        begin = number * each
        end = _smaller(code, begin + each, batch)
        total = number * (laid.groups * all_outputs * of.taps) + part * (of.outputs * of.taps)
        with code.loop(0, laid.groups) as g:
            _cleared(code, y, total + g * (all_outputs * of.taps), of.outputs * of.taps)
        steps = code.made(LONG, f"sdiv i64 {end - begin + (laid.stack - 1)}, {laid.stack}")
        with code.loop(0, steps) as step:
            image = begin + step * laid.stack
            samples = _smaller(code, end - image, laid.stack)
            with code.loop(0, samples) as s:
                at, channels = (image + s) * laid.apart[0], (laid.groups * laid.channels, laid.apart[1])
                _lay(code, x, at, channels, laid.size, (under, s * laid.step, plane))
                with code.loop(0, laid.groups) as g, code.loop(0, of.outputs) as o:
                    source = (image + s) * of.apart[0] + (g * all_outputs + part * of.outputs + o) * of.apart[1]
                    row = (s * rows + g * of.outputs + o) * pitch
                    _lay(code, z, source, (1, 0), of.out, (over, row, on))
            with code.loop(0, laid.groups) as g:
                first, sums = g * (laid.channels * plane.length), total + g * (all_outputs * of.taps)

                def block(o: Index, height: int, g: Symbol = g, first: Symbol = first, sums: Symbol = sums) -> None:
                    def tile(t: Index, several: int) -> None:
                        held = [[v.variable(v.constant(0)) for _ in range(several)] for _ in range(height)]
                        places = [first + offsets[t + n] for n in range(several)]
                        with code.loop(0, samples) as s, code.loop(0, pitch // width) as k:
                            left = (s * rows + g * of.outputs + o) * pitch + k * width
                            right = s * laid.step + k * width
                            values = [v.load(under, place + right) for place in places]
                            _add_products(held, [v.load(over, left + m * pitch) for m in range(height)], values)
                        for m, row in enumerate(held):
                            for n, one in enumerate(row):
                                where = sums + (o + m) * of.taps + t + n
                                y[where] = y[where] + v.total(one.get())

                    in_equal_heights(code, of.taps, TAPS, tile)

                in_equal_heights(code, of.outputs, highest_weigh(), block)
    v.given_back()
    return function.text()
