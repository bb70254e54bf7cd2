r"""Convolution with kernels of 3×3 by Winograd's F(2×2, 3×3): 16 multiplications where the definition has 36.

A tile of 2×2 results is $A^T [(G g G^T) \odot (B^T d B)] A$ for a kernel g and the 4×4 elements d under it. Summed over
the channels, each of the 16 products is a matrix product over all tiles. The transforms are sums and differences, along
the channels, which lie innermost for that. All of it is linear in each array, so the gradient of the kernels is
$G^T [(B^T d B) \odot (A\,\bar y\,A^T)]\,G$, and that of the images a convolution with the kernels turned around.

A few tiles are worked on at once, so that all of this happens in the second cache: `laying` has the images' way in and
out, `transforms` the sums and differences. Sizes are numbers of a task's table, so one function serves all layers.

An infinity or NaN spreads over its whole tile through these differences; a result that has one is computed again
without them. `correlated`, `spread_out`, `weighed` and the functions of plain arrays take and return what those of
`passes` do.

Source: Lavin & Gray, "Fast algorithms for convolutional neural networks" (2016); Winograd, "Arithmetic complexity of
computations" (1980).
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.native.machine import EXPLICIT
from chainrule.kernels.native.tasks import Task, parts_of

from . import transformed
from .flat import Geometry, Ints
from .transforms import MATRICES
from .work import VECTORS, Sums, Units, failed, lanes_of, rooms, rounded

Array = Any

LEAST = 24
"""The fewest channels, of images and of results, for which the products outweigh the transforms."""
POSITIONS = 512
"""The fewest positions, of a whole batch, for which the products outweigh the transforms of the kernels."""
USED = 0.7
"""The fraction of the tiles' results that must lie in the image."""
CACHED = 2**17
"""How many transformed elements there are at once, about: what the second cache holds."""
FEWEST, MOST = 16, 256
"""How many tiles are worked on at once, at least and at most."""
SUMMED = 64
"""The fewest for the gradient of the kernels, whose sums go through the caches for each of them."""
SPREADS = True
"""Whether an infinity or NaN reaches results that do not depend on it."""


def _tiles(out: Ints) -> Ints:
    """Return the tiles along both axes of a result; the last ones may reach beyond it."""
    return (out[0] + 1) // 2, (out[1] + 1) // 2


def _units(out: Ints, batch: int, pitch: int, fewest: int) -> Units:
    return Units.of(_tiles(out), batch, min(max(CACHED // (MATRICES * pitch), fewest), MOST))


def _laid(units: Units, pitch: int, border: int) -> int:
    """Return how many elements the images of a unit take, with so many rows and columns besides their tiles'."""
    return (units.images * (2 * units.rows + border) * (2 * units.counts[1] + border) + 1) * pitch


def pays(geometry: Geometry, w_shape: Ints, size: Ints, groups: int, batch: int) -> bool:
    """Whether kernels are 3×3, in steps of one, with enough channels and, on images of a size, enough whole tiles.

    The kernels are transformed in every call, which costs as much as hundreds of positions.
    """
    if groups != 1 or len(size) != 2 or geometry.kernel != (1, 3, 3) or {*geometry.stride, *geometry.dilation} != {1}:
        return False
    out = geometry.count((1, *size))[1:]
    is_worth_it = min(w_shape[:2]) >= LEAST and max(*geometry.before, *geometry.after) <= 2
    is_worth_it = is_worth_it and batch * math.prod(out) >= POSITIONS
    return is_worth_it and math.prod(out) >= max(USED * math.prod(n + n % 2 for n in out), 1)


def _spread_kernels(w: Array, outputs: int, terms: int, steps: Ints, is_turned: bool) -> tuple[Array, Task]:
    """Return room for transformed kernels, and the task that fills it."""
    wide = VECTORS * lanes_of(w.dtype)
    blocks = -(-outputs // wide)
    room = np.empty(blocks * MATRICES * terms * wide, w.dtype)
    task = Task(
        transformed.spreading(w.dtype, is_turned), [w, room], [outputs, terms, *steps], 0, blocks, level=EXPLICIT
    )
    task.parts = parts_of(8.0 * room.size, blocks)
    return room, task


def _correlation(x: Array, kernels: tuple[Array, Task], y: Array, before: Ints) -> list[Task]:
    """Return the tasks for images x and results y, given how kernels are transformed."""
    (weights, task), lanes = kernels, lanes_of(x.dtype)
    (batch, channels, *size), (_, outputs, *out) = x.shape, y.shape
    pitch, wide = rounded(channels, lanes), VECTORS * lanes
    units = _units(tuple(out), batch, pitch, FEWEST)
    counts = _laid(units, pitch, 2), MATRICES * units.at_once * pitch, MATRICES * units.at_once * wide
    room, starts = rooms(x.dtype, *counts, 4 * units.at_once * wide)
    numbers = [
        *(room, batch, channels, outputs, *size, *out, *before, *units.counts, units.images, units.rows, units.slabs),
        *(s // x.itemsize for s in x.strides[:2]),
        *(pitch, *starts),
    ]
    several = units.several(batch)
    done = Task(transformed.correlating(x.dtype), [x, weights, y], numbers, 0, several, level=EXPLICIT, rescue=failed)
    done.parts = parts_of(8.0 * y.size * channels, several)
    return [task, done]


def correlated(x: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images that kernels make of images."""
    outputs, terms = w.shape[:2]
    kernels = _spread_kernels(w, outputs, terms, (9 * terms, 9), is_turned=False)
    return _correlation(x, kernels, y, geometry.before[1:])


def spread_out(z: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its kernel."""
    terms, outputs = w.shape[:2]
    kernels = _spread_kernels(w, outputs, terms, (9, 9 * outputs), is_turned=True)
    return _correlation(z, kernels, y, tuple(2 - p for p in geometry.before[1:]))


def weighed(x: Array, z: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    (batch, channels, *size), (_, outputs, *out), lanes = x.shape, z.shape, lanes_of(x.dtype)
    pitch, work = rounded(channels, lanes), 8.0 * z.size * channels
    shares = Sums.of(batch, outputs, MATRICES * outputs * pitch, work, lanes)
    units = _units(tuple(out), shares.each, pitch, SUMMED)
    counts = _laid(units, pitch, 2), MATRICES * units.at_once * pitch + VECTORS * lanes, _laid(units, shares.some, 0)
    room, starts = rooms(x.dtype, *counts, MATRICES * units.at_once * shares.some)
    sums = np.empty((shares.chunks, MATRICES * outputs * pitch), x.dtype)
    numbers = [
        *(room, batch, channels, outputs, *size, *out, *geometry.before[1:], *units.counts, units.images, units.rows),
        *(units.slabs, *(s // x.itemsize for s in x.strides[:2]), pitch, *starts),
        *(*(s // z.itemsize for s in z.strides[:2]), shares.each, shares.slices, shares.some, shares.some),
    ]
    several = shares.chunks * shares.slices
    done = Task(transformed.weighing(x.dtype), [x, z, sums], numbers, 0, several, level=EXPLICIT, rescue=failed)
    done.parts = parts_of(work, several)
    numbers = [shares.chunks, outputs, channels, pitch]
    last = Task(transformed.gathering(x.dtype), [sums, y], numbers, 0, outputs, level=EXPLICIT)
    last.parts = parts_of(8.0 * y.size, outputs)
    return [done, last]
