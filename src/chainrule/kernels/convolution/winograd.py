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
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels.native.machine import EXPLICIT
from chainrule.kernels.native.tasks import Task, parts_of

from . import transformed
from .flat import Geometry, Ints
from .transforms import MATRICES

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
UNITS = 4
"""From how many parts of a batch on, outputs are not cut as well: each cut transforms the images again."""
SUMS = 2**21
"""How many elements the sums of a kernel's gradient have that are added up at the end."""


def _rounded(count: int, lanes: int) -> int:
    return -(-count // lanes) * lanes


@dataclass(frozen=True)
class Tiling:
    """The tiles of a result of `out` rows and columns, and how many rows of them, of how many images, are one unit."""

    out: Ints
    images: int
    rows: int

    @classmethod
    def of(cls, out: Ints, batch: int, channels: int, fewest: int = FEWEST) -> "Tiling":
        """Cut so that the transformed images of a unit stay in cache, and that there are some units."""
        high, across = (n + 1 >> 1 for n in out)
        most = min(max(CACHED // (MATRICES * channels), fewest), MOST)
        if high * across > most:
            return cls(out, 1, max(most // across, 1))
        return cls(out, min(most // (high * across), max(-(-batch // UNITS), 1)), high)

    @property
    def counts(self) -> Ints:
        """The tiles along both axes; the last ones may reach beyond the result."""
        return (self.out[0] + 1) // 2, (self.out[1] + 1) // 2

    @property
    def slabs(self) -> int:
        """How many units an image is cut into, if it is."""
        return -(-self.counts[0] // self.rows)

    @property
    def at_once(self) -> int:
        """How many tiles a unit has."""
        return self.images * self.rows * self.counts[1]

    def units(self, batch: int) -> int:
        """Return how many units a batch has."""
        return -(-batch // self.images) * self.slabs

    def laid(self, pitch: int, border: int) -> int:
        """Return how many elements the images of a unit take, with so many rows and columns besides their tiles'."""
        wide = 2 * self.counts[1] + border
        return (self.images * (2 * self.rows + border) * wide + 1) * pitch


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


def _failed() -> None:
    raise MemoryError("convolution: no memory to lay out images")


def _room(dtype: Any, *counts: int) -> tuple[int, list[int]]:
    """Return how many bytes so many elements take, and where each part begins."""
    starts = np.cumsum([0, *(_rounded(n, 64) for n in counts)]).tolist()
    return starts[-1] * np.dtype(dtype).itemsize + 64, starts[1:-1]


def _spread_kernels(w: Array, outputs: int, terms: int, steps: Ints, is_turned: bool) -> tuple[Array, Task]:
    """Return room for transformed kernels, and the task that fills it."""
    wide = transformed.VECTORS * transformed.lanes_of(w.dtype)
    blocks = -(-outputs // wide)
    room = np.empty(blocks * MATRICES * terms * wide, w.dtype)
    task = Task(
        transformed.spreading(w.dtype, is_turned), [w, room], [outputs, terms, *steps], 0, blocks, level=EXPLICIT
    )
    task.parts = parts_of(8.0 * room.size, blocks)
    return room, task


def _correlation(x: Array, kernels: tuple[Array, Task], y: Array, before: Ints) -> list[Task]:
    """Return the tasks for images x and results y, given how kernels are transformed."""
    (weights, task), lanes = kernels, transformed.lanes_of(x.dtype)
    (batch, channels, *size), (_, outputs, *out) = x.shape, y.shape
    pitch, wide = _rounded(channels, lanes), transformed.VECTORS * lanes
    tiling = Tiling.of(tuple(out), batch, pitch)
    rooms = tiling.laid(pitch, 2), MATRICES * tiling.at_once * pitch, MATRICES * tiling.at_once * wide
    size_of_room, starts = _room(x.dtype, *rooms, 4 * tiling.at_once * wide)
    of_image, of_channel = (s // x.itemsize for s in x.strides[:2])
    numbers = [
        size_of_room, batch, channels, outputs, *size, *out, *before, *tiling.counts, tiling.images, tiling.rows,
        tiling.slabs, of_image, of_channel, pitch, *starts,
    ]  # fmt: skip
    units = tiling.units(batch)
    done = Task(transformed.correlating(x.dtype), [x, weights, y], numbers, 0, units, level=EXPLICIT, rescue=_failed)
    done.parts = parts_of(8.0 * y.size * channels, units)
    return [task, done]


def correlated(x: Array, w: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:  # noqa: ARG001
    """Return the tasks that write the images that kernels make of images."""
    outputs, terms = w.shape[:2]
    kernels = _spread_kernels(w, outputs, terms, (9 * terms, 9), is_turned=False)
    return _correlation(x, kernels, y, geometry.before[1:])


def spread_out(z: Array, w: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:  # noqa: ARG001
    """Return the tasks that write the images to which every element of z adds its kernel."""
    terms, outputs = w.shape[:2]
    kernels = _spread_kernels(w, outputs, terms, (9, 9 * outputs), is_turned=True)
    return _correlation(z, kernels, y, tuple(2 - p for p in geometry.before[1:]))


def weighed(x: Array, z: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:  # noqa: ARG001
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    (batch, channels, *size), (_, outputs, *out), lanes = x.shape, z.shape, transformed.lanes_of(x.dtype)
    pitch = _rounded(channels, lanes)
    each_sum = MATRICES * outputs * pitch
    parts = min(parts_of(8.0 * z.size * channels, batch), max(SUMS // each_sum, 1))
    each = -(-batch // parts)
    chunks = -(-batch // each)
    slices = next(n for n in (4, 2, 1) if n == 1 or (n * chunks <= UNITS and outputs >= n * 2 * lanes))
    some = _rounded(-(-outputs // slices), lanes)
    slices = -(-outputs // some)
    tiling = Tiling.of(tuple(out), each, pitch, SUMMED)
    rooms = tiling.laid(pitch, 2), MATRICES * tiling.at_once * pitch + transformed.VECTORS * lanes, tiling.laid(some, 0)
    size_of_room, starts = _room(x.dtype, *rooms, MATRICES * tiling.at_once * some)
    sums = np.empty((chunks, each_sum), x.dtype)
    x_steps, z_steps = ([s // a.itemsize for s in a.strides[:2]] for a in (x, z))
    numbers = [
        size_of_room, batch, channels, outputs, *size, *out, *geometry.before[1:], *tiling.counts, tiling.images,
        tiling.rows, tiling.slabs, *x_steps, pitch, *starts, *z_steps, each, slices, some, some,
    ]  # fmt: skip
    units = chunks * slices
    done = Task(transformed.weighing(x.dtype), [x, z, sums], numbers, 0, units, level=EXPLICIT, rescue=_failed)
    done.parts = parts_of(8.0 * z.size * channels, units)
    last = Task(
        transformed.gathering(x.dtype), [sums, y], [chunks, outputs, channels, pitch], 0, outputs, level=EXPLICIT
    )
    last.parts = parts_of(8.0 * y.size, outputs)
    return [done, last]
