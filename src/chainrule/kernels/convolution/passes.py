r"""Convolution and its two adjoints without im2col: images laid out flat, and tiles of sums that stay in registers.

`flat` defines the layout of the images, `tiles` the innermost loops. In between, for each image of the batch:

- the image is copied into the flat layout, which is small enough to stay in cache;
- each tile of positions is combined with all kernels, a few channels at a time, so that the image elements are read
  from L1 for all of them;
- the positions that are used are copied out.

`correlate`, `spread` and `weigh` take and return the same plain arrays as their references of the same names in
`chainrule.rules.network.convolution`: float32 or float64, one to three axes.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.jit import inline, kernel
from chainrule.kernels.pool import split, threads

from . import depthwise, points, tiles, winograd
from .depthwise import is_depthwise
from .flat import Geometry, Ints, Plane, forward, transposed
from .tiles import copy, copy_every_second, correlate_tile, weigh_tile

Array = np.ndarray[Any, np.dtype[Any]]
CACHED = 2**17
"""How many elements are laid out at once, where several images are: what the second cache holds."""
NEAR = 2**13
"""How many elements of them `weigh` has for one tile, at most, if there is more than one image: the first cache."""
LARGE = 2**16
"""With kernels of more elements than this, small images share a plane, and each pass over the kernels."""


@inline
def _lay(image: Any, at: int, size: Any, flat: Any, start: int, before: Any, phases: Any, inner: Any) -> None:
    """Copy an image of size `(C, D, H, W)`, whose elements begin at `at`, into its planes."""
    channels, depth, height, width = size
    block = inner[0] * inner[1] * inner[2]
    plane = block * phases[0] * phases[1] * phases[2]
    for c in range(channels):
        for d in range(depth):
            for h in range(height):
                at_d, at_h = d + before[0], h + before[1]
                phase = (at_d % phases[0] * phases[1] + at_h % phases[1]) * phases[2]
                row = start + c * plane + (at_d // phases[0] * inner[1] + at_h // phases[1]) * inner[2] + phase * block
                if phases[2] == 1:
                    copy(image, at, flat, row + before[2], width)
                else:
                    _deal(image, at, width, flat, row, block, before[2], phases[2])
                at += width


@inline
def _deal(image: Any, at: int, width: int, flat: Any, row: int, block: int, before: int, phases: int) -> None:
    """Split a row into its phases, each in its own block."""
    for p in range(phases):
        first = (p - before) % phases
        place = row + p * block + (first + before) // phases
        count = (width - first + phases - 1) // phases
        if phases == 2:
            copy_every_second(image, at + first, flat, place, count)
        else:
            for i in range(count):
                flat[place + i] = image[at + first + i * phases]


@inline
def _take(flat: Any, row: int, inner: Any, image: Any, at: int, size: Any, start: Any, step: Any, out: Any) -> None:
    """Copy rows of positions into the channel of size `(D, H, W)` at `at`, from `start` in steps of `step`."""
    for d in range(out[0]):
        for h in range(out[1]):
            place = row + (d * inner[1] + h) * inner[2]
            target = at + ((start[0] + d * step[0]) * size[1] + start[1] + h * step[1]) * size[2] + start[2]
            if step[2] == 1:
                copy(flat, place, image, target, out[2])
            else:
                for i in range(out[2]):
                    image[target + i * step[2]] = flat[place + i]


def _of_width(columns: int) -> Any:
    """Return the tile with this many vectors per row, for every height."""

    @inline
    def tile(rows: int, w: Any, w0: int, x: Any, x0: int, offsets: Any, y: Any, y0: int, pitch: int) -> None:
        taps = offsets.size
        if rows == 8:
            correlate_tile(8, columns, w, w0, x, x0, offsets, taps, y, y0, pitch)
        elif rows == 6:
            correlate_tile(6, columns, w, w0, x, x0, offsets, taps, y, y0, pitch)
        elif rows == 4:
            correlate_tile(4, columns, w, w0, x, x0, offsets, taps, y, y0, pitch)
        elif rows == 2:
            correlate_tile(2, columns, w, w0, x, x0, offsets, taps, y, y0, pitch)
        else:
            correlate_tile(1, columns, w, w0, x, x0, offsets, taps, y, y0, pitch)

    return tile


_three, _two, _one = _of_width(3), _of_width(2), _of_width(1)


@kernel
def _correlate(x: Any, w: Any, offsets: Any, y: Any, part: Any, layout: Any, target: Any, lanes: int) -> None:
    """Write one part of y, from x `[B, C, D, H, W]` and w `[groups, blocks, taps, rows]`.

    `part` gives the range of images and the range of blocks; with `stack` above one, several images are laid out as
    one. `target` maps positions to elements of y.
    """
    before, phases, inner, slack, reach, stack = layout
    start, step, out = target
    groups, blocks, taps, rows = w.shape
    pitch = -(-reach // lanes) * lanes
    plane = inner[0] * inner[1] * inner[2] * phases[0] * phases[1] * phases[2]
    channels, outputs = x.shape[1] // groups, y.shape[1] // groups
    size, image, channel = x.shape[1:], x.size // x.shape[0], y.size // (y.shape[0] * y.shape[1])
    images, weights, result = x.reshape(x.size), w.reshape(w.size), y.reshape(y.size)
    flat = np.zeros(x.shape[1] * plane + slack + lanes, x.dtype)
    found = np.empty(blocks * rows * pitch, x.dtype)
    for b in range(part[0], part[1], stack):
        count = min(stack, part[1] - b)
        for s in range(count):
            _lay(images, (b + s) * image, size, flat, s * inner[1] * inner[2], before, phases, inner)
        for g in range(groups):
            for i in range(0, pitch, 3 * lanes):
                left = (pitch - i) // lanes
                for k in range(part[2], part[3]):
                    w0, x0, y0 = (g * blocks + k) * taps * rows, g * channels * plane + i, k * rows * pitch + i
                    if left >= 3:
                        _three(rows, weights, w0, flat, x0, offsets, found, y0, pitch)
                    elif left == 2:
                        _two(rows, weights, w0, flat, x0, offsets, found, y0, pitch)
                    else:
                        _one(rows, weights, w0, flat, x0, offsets, found, y0, pitch)
            for s in range(count):
                for o in range(part[2] * rows, min(part[3] * rows, outputs)):
                    row, at = o * pitch + s * inner[1] * inner[2], ((b + s) * groups + g) * outputs + o
                    _take(found, row, inner, result, at * channel, y.shape[2:], start, step, out)


@inline
def _weigh_tile(
    rows: int,
    z: Any,
    z0: int,
    z_pitch: int,
    z_step: int,
    x: Any,
    x0: int,
    x_step: int,
    taps: Any,
    sums: Any,
    y: Any,
    y0: int,
) -> None:
    """Accumulate the tile of four kernel elements from taps[sums[0]] on, for every height."""
    r, samples, vectors, pitch = sums
    if rows == 6:
        weigh_tile(6, 4, z, z0, z_pitch, z_step, x, x0, x_step, taps, r, samples, vectors, y, y0, pitch)
    elif rows == 4:
        weigh_tile(4, 4, z, z0, z_pitch, z_step, x, x0, x_step, taps, r, samples, vectors, y, y0, pitch)
    elif rows == 2:
        weigh_tile(2, 4, z, z0, z_pitch, z_step, x, x0, x_step, taps, r, samples, vectors, y, y0, pitch)
    else:
        weigh_tile(1, 4, z, z0, z_pitch, z_step, x, x0, x_step, taps, r, samples, vectors, y, y0, pitch)


@kernel
def _weigh(x: Any, z: Any, offsets: Any, y: Any, part: Any, layout: Any, rows: int, lanes: int) -> None:
    """Accumulate some images' share of y `[groups, outputs, taps]`; outputs and taps are padded to whole tiles.

    `part` gives the range of images, of blocks of outputs, and of groups, which are laid out one after the other.
    """
    before, phases, inner, slack, reach, stack = layout
    none, ones = (0, 0, 0), (1, 1, 1)
    plane = inner[0] * inner[1] * inner[2] * phases[0] * phases[1] * phases[2]
    pitch = -(-reach // lanes) * lanes
    groups, height, taps = y.shape
    channels, outputs = x.shape[1] // groups, z.shape[1] // groups
    size, z_size = x.shape[1:], (1, *z.shape[2:])
    x_share, channel = x.size // (x.shape[0] * groups), z.size // (z.shape[0] * z.shape[1])
    images, outer, result = x.reshape(x.size), z.reshape(z.size), y.reshape(y.size)
    x_size, x_step, z_step = (channels, *size[1:]), channels * plane, height * pitch
    under = np.zeros(stack * x_step + slack + lanes, x.dtype)
    laid = np.zeros(stack * z_step, x.dtype)
    for b in range(part[0], part[1], stack):
        samples = min(stack, part[1] - b)
        for g in range(part[4], part[5]):
            for s in range(samples):
                _lay(images, ((b + s) * groups + g) * x_share, x_size, under, s * x_step, before, phases, inner)
                for o in range(outputs):
                    at = ((b + s) * z.shape[1] + g * outputs + o) * channel
                    _lay(outer, at, z_size, laid, s * z_step + o * pitch, none, ones, inner)
            for o in range(part[2] * rows, part[3] * rows, rows):
                for r in range(0, taps, 4):
                    sums = (r, samples, pitch // lanes, taps)
                    y0 = (g * height + o) * taps + r
                    _weigh_tile(rows, laid, o * pitch, pitch, z_step, under, 0, x_step, offsets, sums, result, y0)


# Plain arrays in and out.


def _three_axes(x: Array) -> Array:
    """Return `[B, C, …]` as contiguous `[B, C, D, H, W]`."""
    return np.ascontiguousarray(x).reshape(*x.shape[:2], *(1,) * (5 - x.ndim), *x.shape[2:])


def _layout(plane: Plane, out: Ints, stack: int) -> tuple[Any, ...]:
    return plane.before, plane.phases, plane.inner, plane.slack, plane.reach(out), stack


def _packed(w: Array) -> Array:
    """Return matrices `[groups, outputs, taps]` as `[groups, blocks, taps, rows]`, the last block padded with zeros."""
    groups, outputs, taps = w.shape
    rows = tiles.height(outputs, tiles.HIGHEST)
    blocks = -(-outputs // rows)
    filled = np.zeros((groups, blocks * rows, taps), w.dtype)
    filled[:, :outputs] = w
    return np.ascontiguousarray(filled.reshape(groups, blocks, rows, taps).swapaxes(-1, -2))


def _stack(images: Array, taps: int, outputs: int, geometry: Geometry) -> int:
    """Return how many images to lay out as one: several where kernels are large, to pass over them less often."""
    _, channels, depth, *size = images.shape
    if depth * geometry.kernel[0] > 1 or channels * taps * outputs < LARGE:
        return 1
    each = channels * math.prod(n + p for n, p in zip(size, geometry.before[1:], strict=True))
    return max(min(int(CACHED // each), -(-len(images) // threads())), 1)


def _split(run: Callable[[Ints], object], images: int, blocks: int, work: int) -> None:
    """Call `run((begin, end, first, last))` for each part of the images, or of the blocks if there is one image."""
    if images == 1:
        split(lambda first, last: run((0, 1, first, last)), blocks, work)
    else:
        split(lambda begin, end: run((begin, end, 0, blocks)), images, work)


def _without_tiles(geometry: Geometry, w_shape: Ints, groups: int, size: Ints) -> Any:
    """Return the module for kernels that need no tiles, on images of a size, or None for all others."""
    if geometry.is_point:
        return points
    if is_depthwise(geometry, w_shape, groups):
        return depthwise
    return winograd if winograd.pays(geometry, w_shape, size, groups) else None


def _is_done(way: Any, found: Array) -> bool:
    """Whether a result stands: in Winograd's algorithm an infinity or NaN spreads over its whole tile."""
    return way is not winograd or bool(np.isfinite(found).all())


def correlate(x: Array, w: Array, geometry: Geometry, groups: int) -> Array:
    """Return the correlation of images with kernels, as the reference does."""
    found: Array
    if (way := _without_tiles(geometry, w.shape, groups, x.shape[2:])) is not None:
        found = way.correlate(x, w, geometry, groups)
        if _is_done(way, found):
            return found
    images, lanes = _three_axes(x), tiles.lanes(x.itemsize)
    out, size = geometry.count(images.shape[2:]), images.shape[3:]
    y = outputs.empty((len(x), len(w), *out), x.dtype)
    weights = _packed(w.reshape(groups, len(w) // groups, -1))
    stack = _stack(images, math.prod(geometry.kernel), len(w), geometry)
    plane, offsets = forward(geometry, (images.shape[2] * stack, *size), w.shape[1])
    layout = _layout(plane, (out[0] * stack, *out[1:]), stack)
    target = ((0, 0, 0), (1, 1, 1), out)

    def run(part: Ints) -> None:
        _correlate(images, weights, offsets, y, part, layout, target, lanes)

    _split(run, len(x), weights.shape[1], y.size * offsets.size)
    found = y.reshape(*y.shape[:2], *out[5 - x.ndim :])
    return found


def spread(z: Array, w: Array, geometry: Geometry, groups: int, size: Ints) -> Array:
    """Return images of the given size to which every element of z adds its scaled kernel, as the reference does."""
    if (way := _without_tiles(geometry, w.shape, groups, size)) is not None:
        found: Array = way.spread(z, w, geometry, groups, size)
        if _is_done(way, found):
            return found
    images, lanes, full = _three_axes(z), tiles.lanes(z.itemsize), (1,) * (3 - len(size)) + size
    stack = _stack(images, math.prod(geometry.kernel), w.shape[1] * groups, geometry)
    outer = (images.shape[2] * stack, *images.shape[3:])
    plane, phases = transposed(geometry, (full[0] * stack, *full[1:]), outer, len(w) // groups)
    make = outputs.empty if all(phase.taps for phase in phases) else np.zeros
    y = make((len(z), groups * w.shape[1], *full), z.dtype)
    kernels = w.reshape(groups, len(w) // groups, w.shape[1], -1).swapaxes(1, 2)
    runs = []
    for phase in phases:
        if phase.taps:
            weights = _packed(kernels[..., list(phase.taps)].reshape(groups, w.shape[1], -1))
            target = (phase.start, geometry.stride, (phase.out[0] // stack, *phase.out[1:]))
            runs.append((weights, phase.offsets, _layout(plane, phase.out, stack), target))

    def run(part: Ints) -> None:
        for weights, offsets, layout, target in runs:
            _correlate(images, weights, offsets, y, part, layout, target, lanes)

    if runs:
        _split(run, len(z), runs[0][0].shape[1], z.size * w[0].size)
    return y.reshape(*y.shape[:2], *size)


def weigh(x: Array, z: Array, geometry: Geometry, groups: int) -> Array:
    """Return the gradient of the kernels: sums of products of images and z, as the reference does."""
    if (way := _without_tiles(geometry, (z.shape[1], x.shape[1] // groups), groups, x.shape[2:])) is not None:
        found: Array = way.weigh(x, z, geometry, groups)
        if _is_done(way, found):
            return found
    images, outer, lanes = _three_axes(x), _three_axes(z), tiles.lanes(x.itemsize)
    channels, outputs = x.shape[1] // groups, z.shape[1] // groups
    plane, offsets = forward(geometry, images.shape[2:], channels)
    taps = np.zeros(-(-offsets.size // tiles.TAPS) * tiles.TAPS, np.intp)
    taps[: offsets.size] = offsets
    rows = tiles.height(outputs, tiles.HIGHEST_WEIGH)
    blocks = -(-outputs // rows)
    reach = plane.reach(outer.shape[2:])
    laid = channels * plane.length + blocks * rows * reach
    stack = max(min(CACHED // laid, NEAR // (plane.length + rows * reach), len(x)), 1)
    layout = _layout(plane, outer.shape[2:], stack)
    parts: dict[Ints, Array] = {}
    work = z.size * offsets.size
    whole = (groups, blocks * rows, taps.size)

    def run(part: Ints) -> None:
        parts[part] = np.zeros(whole, x.dtype)
        _weigh(images, outer, taps, parts[part], (*part, 0, groups), layout, rows, lanes)

    if len(x) == 1 < groups:  # each group has its own share of y: that of a sample, where each has its gradient
        y = np.zeros(whole, x.dtype)
        every = (0, 1, 0, blocks)
        split(lambda g, end: _weigh(images, outer, taps, y, (*every, g, end), layout, rows, lanes), groups, work)
    else:
        _split(run, len(x), blocks, work)
        first, *others = (parts[part] for part in sorted(parts))
        y = sum(others, first)
    return y[:, :outputs, : offsets.size].reshape(z.shape[1], channels, *geometry.kernel[5 - x.ndim :])
