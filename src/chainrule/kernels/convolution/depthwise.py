"""Convolution where every kernel sees one channel, as loops of machine code over padded images.

There is no product of matrices in it: each element of the result is a short sum, and its loop runs along a row. The
loops are written for the sizes at hand, with one instruction for each element of a kernel. `correlate`, `spread` and
`weigh` take and return what those of `passes` do, for a call that `is_depthwise`.
"""

import functools
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.native.code import Code
from chainrule.kernels.native.copies import cleared, copied
from chainrule.kernels.native.symbol import Symbol
from chainrule.kernels.native.tasks import Function, Task, address, parts_of, released
from chainrule.kernels.pool import split

from .flat import Geometry, Ints

Array = Any
SPREADS = False
"""Whether an infinity or NaN reaches results that do not depend on it."""
MOST = 64
"""Elements of a kernel up to which there is an instruction for each."""


def is_depthwise(geometry: Geometry, w_shape: Ints, groups: int) -> bool:
    """Whether there are several channels, and for each a kernel of its own."""
    return w_shape[1] == 1 < groups == w_shape[0] and math.prod(geometry.kernel) <= MOST


@dataclass(frozen=True)
class Sizes:
    """The sizes that loops are written for, along three axes: of padded images and results, and what lies under."""

    padded: Ints
    out: Ints
    kernel: Ints
    stride: Ints
    dilation: Ints

    @property
    def taps(self) -> list[int]:
        """How far each element of a kernel is from the first in a padded image."""
        places = np.indices(self.kernel).reshape(3, -1) * np.array(self.dilation)[:, None]
        return [int(k) for k in self._steps @ places]

    @property
    def _steps(self) -> Array:
        return np.array([self.padded[1] * self.padded[2], self.padded[2], 1])

    @contextmanager
    def rows(self, code: Code, plane: Symbol) -> Iterator[tuple[Symbol, Symbol]]:
        """Repeat the code written inside for each row of a result; yield where it begins in the image and in itself."""
        steps = [int(n) * s for n, s in zip(self._steps, self.stride, strict=True)]
        with code.loop(0, self.out[0]) as d, code.loop(0, self.out[1]) as h:
            under = plane * math.prod(self.padded) + d * steps[0] + h * steps[1]
            yield under, ((plane * self.out[0] + d) * self.out[1] + h) * self.out[2]


@functools.lru_cache(256)
def _correlating(dtype: Any, channels: int, sizes: Sizes) -> str:
    function = Function([dtype] * 3)
    (x, w, y), code, taps = function.places, function.code, sizes.taps
    with code.loop(function.begin, function.end) as plane:
        first = code.remainder(plane, channels) * len(taps)
        weights = [w[first + k] for k in range(len(taps))]
        with sizes.rows(code, plane) as (under, row), code.loop(0, sizes.out[2]) as i:
            at = under + i * sizes.stride[2]
            terms = (weight * x[at + tap] for weight, tap in zip(weights, taps, strict=True))
            y[row + i] = functools.reduce(lambda total, term: term + total, terms)
    return function.text()


@functools.lru_cache(256)
def _weighing(dtype: Any, batch: int, channels: int, sizes: Sizes) -> str:
    """Return the code that adds to sums `[C, kernel, columns]`: one for each column, so that a row is a vector."""
    function = Function([dtype] * 3)
    (x, z, sums), code, taps, width = function.places, function.code, sizes.taps, sizes.out[2]
    with (
        code.loop(function.begin, function.end) as c,
        code.loop(0, batch) as b,
        sizes.rows(code, b * channels + c) as (under, row),
        code.loop(0, width) as i,
    ):
        at, factor = under + i * sizes.stride[2], z[row + i]
        for k, tap in enumerate(taps):
            place = (c * len(taps) + k) * width + i
            sums[place] = sums[place] + factor * x[at + tap]
    return function.text()


def _run(text: str, arrays: Sequence[Array], count: int, work: float) -> None:
    task = Task(text, arrays)
    call, table = released(task.at), address(task.table)
    split(lambda begin, end: call(table, begin, end), count, work)


def _padded(x: Array, geometry: Geometry) -> Array:
    """Return `[B, C, …]` as contiguous `[B, C, D, H, W]` with zeros around each image."""
    full, inside = _room(x, geometry)
    if inside.shape == full.shape:
        return _three_axes(np.ascontiguousarray(x))
    inside[...] = _three_axes(x)
    return full


def _room(x: Array, geometry: Geometry) -> tuple[Array, Array]:
    """Return zeros with room for padded images, and the view of what is inside of the padding."""
    size = (1,) * (5 - x.ndim) + x.shape[2:]
    padded = (n + p + q for n, p, q in zip(size, geometry.before, geometry.after, strict=True))
    full: Array = np.zeros((*x.shape[:2], *padded), x.dtype)
    return full, full[(..., *(slice(p, p + n) for n, p in zip(size, geometry.before, strict=True)))]


def _correlated(x: Array, w: Array, sizes: Sizes) -> Array:
    y = outputs.empty((*x.shape[:2], *sizes.out), x.dtype)
    count = x.shape[0] * x.shape[1]
    text = _correlating(x.dtype, x.shape[1], sizes)
    _run(text, (x, np.ascontiguousarray(w), y), count, float(y.size) * math.prod(sizes.kernel))
    return y


def correlate(x: Array, w: Array, geometry: Geometry, _groups: int) -> Array:
    """Return the images that kernels make of images."""
    images = _padded(x, geometry)
    out = geometry.count((1,) * (5 - x.ndim) + x.shape[2:])
    sizes = Sizes(images.shape[2:], out, geometry.kernel, geometry.stride, geometry.dilation)
    return _correlated(images, w, sizes).reshape(*x.shape[:2], *out[5 - x.ndim :])


def _around(z: Array, geometry: Geometry, size: Ints) -> tuple[Ints, tuple[Any, ...], tuple[Any, ...]]:
    """Return the size of z with zeros around and, for a stride, between its elements; where it goes; and what of it."""
    full = (1,) * (3 - len(size)) + size
    spans = [d * (k - 1) for k, d in zip(geometry.kernel, geometry.dilation, strict=True)]
    outer = tuple(n + span for n, span in zip(full, spans, strict=True))
    inside, taken = [], []
    counts = (1,) * (5 - z.ndim) + z.shape[2:]
    for n, count, span, before, s in zip(outer, counts, spans, geometry.before, geometry.stride, strict=True):
        first = span - before
        begin = -(first // s) if first < 0 else 0  # with wide padding the first elements reach no image
        end = min(count, -((first - n) // s))
        inside.append(slice(first + begin * s, first + (end - 1) * s + 1, s) if end > begin else slice(0, 0))
        taken.append(slice(begin, max(end, begin)))
    return outer, (..., *inside), (..., *taken)


def _three_axes(x: Array) -> Array:
    return x.reshape(*x.shape[:2], *(1,) * (5 - x.ndim), *x.shape[2:])


def _turned(w: Array) -> Array:
    return w[(..., *(slice(None, None, -1),) * (w.ndim - 2))]


def spread(z: Array, w: Array, geometry: Geometry, _groups: int, size: Ints) -> Array:
    """Return the images of a size to which every element of z adds its kernel.

    They are what the kernels, turned around, make of z with zeros around and, for a stride, between its elements.
    """
    outer, inside, taken = _around(z, geometry, size)
    laid = np.zeros((*z.shape[:2], *outer), z.dtype)
    laid[inside] = _three_axes(z)[taken]
    sizes = Sizes(outer, (1,) * (3 - len(size)) + size, geometry.kernel, (1, 1, 1), geometry.dilation)
    return _correlated(laid, _turned(w), sizes).reshape(*z.shape[:2], *size)


def weigh(x: Array, z: Array, geometry: Geometry, _groups: int) -> Array:
    """Return kernels, each element a sum of products of images and z."""
    images, outer = _padded(x, geometry), np.ascontiguousarray(z)
    out = (1,) * (5 - z.ndim) + z.shape[2:]
    sizes = Sizes(images.shape[2:], out, geometry.kernel, geometry.stride, geometry.dilation)
    sums = np.zeros((x.shape[1], math.prod(sizes.kernel), out[2]), x.dtype)
    text = _weighing(x.dtype, len(x), x.shape[1], sizes)
    _run(text, (images, outer, sums), x.shape[1], float(z.size) * sums.shape[1])
    return sums.sum(axis=-1).reshape(x.shape[1], 1, *geometry.kernel[5 - x.ndim :])


# As tasks: they write into an array that is there; what they lay out is theirs, and its zeros stay.


def _laid_out(x: Array, geometry: Geometry | None) -> tuple[Array, list[Task]]:
    """Return images in C order, with the padding of a geometry, and the tasks that copy them there if they must."""
    is_padded = geometry is not None and any((*geometry.before, *geometry.after))
    if x.flags.c_contiguous and not is_padded:
        return _three_axes(x), []
    if geometry is None:
        full: Array = np.empty(_three_axes(x).shape, x.dtype)
        return full, [copied(_three_axes(x), full)]
    full, inside = _room(x, geometry)
    return full, [copied(_three_axes(x), inside)]


def _correlation(images: Array, w: Array, y: Array, sizes: Sizes) -> Task:
    count = y.shape[0] * y.shape[1]
    work = 2.0 * y.size * math.prod(sizes.kernel)
    return Task(_correlating(w.dtype, y.shape[1], sizes), [images, w, y], [], 0, count, parts=parts_of(work, count))


def correlated(x: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images that kernels make of images."""
    full, copies = _laid_out(x, geometry)
    out = geometry.count((1,) * (5 - x.ndim) + x.shape[2:])
    sizes = Sizes(full.shape[2:], out, geometry.kernel, geometry.stride, geometry.dilation)
    return [*copies, _correlation(full, w, y, sizes)]


def spread_out(z: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its kernel."""
    size = y.shape[2:]
    outer, inside, taken = _around(z, geometry, size)
    laid, kernels = np.zeros((*z.shape[:2], *outer), z.dtype), np.empty_like(w)
    sizes = Sizes(outer, (1,) * (3 - len(size)) + size, geometry.kernel, (1, 1, 1), geometry.dilation)
    source, target = _three_axes(z)[taken], laid[inside]
    copies = [copied(_turned(w), kernels), *([copied(source, target)] if source.size else [])]
    return [*copies, _correlation(laid, kernels, y, sizes)]


def weighed(x: Array, z: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    (full, copies), (outer, more) = _laid_out(x, geometry), _laid_out(z, None)
    out = (1,) * (5 - z.ndim) + z.shape[2:]
    sizes = Sizes(full.shape[2:], out, geometry.kernel, geometry.stride, geometry.dilation)
    sums = np.zeros((x.shape[1], math.prod(sizes.kernel), out[2]), x.dtype)
    text = _weighing(x.dtype, len(x), x.shape[1], sizes)
    parts = parts_of(2.0 * z.size * sums.shape[1], x.shape[1])
    task = Task(text, [full, outer, sums], [], 0, x.shape[1], parts=parts)
    total = Task(_totals(x.dtype), [sums, y], [out[2]], 0, y.size)
    return [*copies, *more, cleared(sums), task, total]


@functools.cache
def _totals(dtype: Any) -> str:
    function = Function([dtype, dtype], 1)
    code, (sums, y), (width,) = function.code, function.places, function.numbers
    with code.loop(function.begin, function.end) as k:
        total = code.variable(dtype, 0)
        with code.loop(0, width) as i:
            total.add(sums[k * width + i])
        y[k] = total.get()
    return function.text()
