"""Convolution by columns that are made of a few positions at once, with the images' channels innermost.

What lies under a kernel is copied to one row for each position, and all kernels are multiplied with some of these rows
while they are in the second cache; the gradient of images is such rows added back to where they came from. It serves
kernels, strides and dilations of all kinds along one axis or two, where there are many channels: with few, `tiles` read
images as they lie. `correlated`, `spread_out` and `weighed` take and return what those of `passes` do.

Source: Chellapilla, Puri & Simard, "High performance convolutional neural networks for document processing" (2006),
section 3.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.native.machine import EXPLICIT
from chainrule.kernels.native.tasks import Task, parts_of

from . import unfolded
from .flat import Geometry, Ints
from .work import SEVERAL, VECTORS, Sums, Units, failed, lanes_of, rooms, rounded

Array = Any

SPREADS = False
"""Whether an infinity or NaN reaches results that do not depend on it."""
LEAST, MANY = 32, 96
"""The fewest channels, of images and of results: with strides and on small images, and everywhere else."""
SMALL = 8
"""Up to so many rows or columns images are small: tiles compute much that is not used."""
CACHED = 2**18
"""How many elements of columns there are at once, about: what the second cache holds."""
FEWEST, MOST = 64, 256
"""How many positions are worked on at once, at least and at most."""


def pays(geometry: Geometry, w_shape: Ints, size: Ints, groups: int) -> bool:
    """Whether there are at most two axes, and channels enough for images of a size."""
    is_flat = geometry.kernel[0] == geometry.stride[0] == 1 and geometry.before[0] == geometry.after[0] == 0
    if groups != 1 or len(size) > 2 or not is_flat:
        return False
    leaves_out = {*geometry.stride} != {1} or min(size) <= SMALL
    return min(w_shape[:2]) >= (LEAST if leaves_out else MANY)


class _Form:
    """The sizes of a convolution of images with a shape, `[B, C, …]`, and of the units that it is cut into."""

    def __init__(
        self, x_shape: Ints, z_shape: Ints, geometry: Geometry, batch: int, dtype: Any, several: int = SEVERAL
    ) -> None:
        (_, self.channels, *size), (_, self.outputs, *out) = x_shape, z_shape
        self.size, self.out = (tuple([1, *each][-2:]) for each in (size, out))
        self.geometry, self.lanes = geometry, lanes_of(dtype)
        self.pitch, self.z_pitch = (rounded(n, self.lanes) for n in (self.channels, self.outputs))
        self.taps = math.prod(geometry.kernel)
        self.terms = self.taps * self.pitch
        self.row = self.terms + self.lanes  # the lanes keep rows from falling on the same lines of the cache
        self.units = Units.of(self.out, batch, min(max(CACHED // self.terms, FEWEST), MOST), several)

    def under(self, axis: int, positions: int) -> int:
        """Return how many elements lie under so many positions along an axis, 0 or 1."""
        g = self.geometry
        return (positions - 1) * g.stride[axis + 1] + (g.kernel[axis + 1] - 1) * g.dilation[axis + 1] + 1

    @property
    def tall(self) -> int:
        """How many rows a whole image has."""
        return max(self.under(0, self.out[0]), self.geometry.before[1] + self.size[0])

    @property
    def wide(self) -> int:
        """How many columns images have."""
        return max(self.under(1, self.out[1]), self.geometry.before[2] + self.size[1])

    @property
    def laid(self) -> int:
        """How many elements the images of a unit take, and one position more."""
        return (self.units.images * self.under(0, self.units.rows) * self.wide + 1) * self.pitch

    def laid_z(self, pitch: int) -> int:
        """Return how many elements take what lies on the positions of a unit."""
        return (self.units.at_once + 1) * pitch

    def numbers(self, x: Array, z: Array, batch: int, z_pitch: int) -> list[int]:
        """Return the numbers that all tables begin with."""
        g, units = self.geometry, self.units
        apart = [s // a.itemsize for a in (x, z) for s in a.strides[:2]]
        return [
            *(batch, self.channels, self.outputs, *self.size, *self.out, *g.before[1:], self.wide, units.images),
            *(units.rows, units.slabs, *apart, *g.kernel[1:], *g.stride[1:], *g.dilation[1:]),
            *(self.pitch, z_pitch, self.row),
        ]


def correlated(x: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images that kernels make of images."""
    form = _Form(x.shape, y.shape, geometry, len(x), x.dtype)
    units, wide = form.units, VECTORS * form.lanes
    blocks = -(-form.outputs // wide)
    room, starts = rooms(x.dtype, form.laid, units.at_once * form.row, units.at_once * blocks * wide)
    weights = np.empty(blocks * form.terms * wide, w.dtype)
    numbers = [form.outputs, form.channels, form.taps, form.pitch]
    first = Task(unfolded.by_terms(w.dtype), [w, weights], numbers, 0, blocks, level=EXPLICIT)
    first.parts = parts_of(8.0 * weights.size, blocks)
    several = units.several(len(x))
    numbers = [room, *form.numbers(x, y, len(x), form.z_pitch), *starts]
    done = Task(unfolded.correlating(x.dtype), [x, weights, y], numbers, 0, several, level=EXPLICIT, rescue=failed)
    done.parts = parts_of(2.0 * y.size * w[0].size, several)
    return [first, done]


def spread_out(z: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its kernel."""
    form = _Form(y.shape, z.shape, geometry, len(z), z.dtype)
    units, wide = form.units, VECTORS * form.lanes
    laid = (units.images * form.tall * form.wide + 1) * form.pitch
    room, starts = rooms(z.dtype, laid, units.at_once * form.row, form.laid_z(form.z_pitch))
    weights = np.empty(-(-form.terms // wide) * form.outputs * wide, w.dtype)
    numbers = [form.outputs, form.channels, form.taps, form.pitch]
    first = Task(unfolded.by_columns(w.dtype), [w, weights], numbers, 0, form.outputs, level=EXPLICIT)
    first.parts = parts_of(8.0 * weights.size, form.outputs)
    stacks = -(-len(z) // units.images)
    numbers = [room, *form.numbers(y, z, len(z), form.z_pitch), form.tall, *starts]
    done = Task(unfolded.spreading(z.dtype), [z, weights, y], numbers, 0, stacks, level=EXPLICIT, rescue=failed)
    done.parts = parts_of(2.0 * z.size * w[0].size, stacks)
    return [first, done]


def weighed(x: Array, z: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    batch, work = len(x), 2.0 * z.size * y[0].size
    whole = _Form(x.shape, z.shape, geometry, batch, x.dtype)
    size = whole.outputs * whole.row
    shares = Sums.of(batch, whole.outputs, size, work, whole.lanes, -(-MOST // math.prod(whole.out)))
    form = _Form(x.shape, z.shape, geometry, shares.each, x.dtype, several=1)
    columns = form.units.at_once * form.row + VECTORS * form.lanes
    room, starts = rooms(x.dtype, form.laid, columns, form.laid_z(shares.some))
    sums = np.empty((shares.chunks, size), x.dtype)
    numbers = [room, *form.numbers(x, z, batch, shares.some), shares.each, shares.slices, shares.some, *starts]
    several = shares.chunks * shares.slices
    done = Task(unfolded.weighing(x.dtype), [x, z, sums], numbers, 0, several, level=EXPLICIT, rescue=failed)
    done.parts = parts_of(work, several)
    numbers = [shares.chunks, size, form.outputs, form.channels, form.taps, form.pitch, form.row]
    last = Task(unfolded.gathering(x.dtype), [sums, y], numbers, 0, form.outputs, level=EXPLICIT)
    last.parts = parts_of(8.0 * y.size, form.outputs)
    return [done, last]
