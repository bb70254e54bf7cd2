r"""Convolution and its two adjoints without im2col, as tasks and as functions of plain arrays.

`flat` defines the layout of the images, `tiles` writes the loops. `correlate`, `spread` and `weigh` take and return the
same plain arrays as their references of the same names in `chainrule.rules.network.convolution`: float32 or float64,
one to three axes. `correlated`, `spread_out` and `weighed` are the tasks that write into an array that is there.

A kernel that is not finite is also multiplied by zeros around the images, and images by zeros between what lies on
their positions: whoever calls has to look.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.native.copies import cleared
from chainrule.kernels.native.symbol import LONG
from chainrule.kernels.native.tasks import ADDITION, Function, Task, address, parts_of, released
from chainrule.kernels.pool import split

from . import columns, depthwise, points, tiles, winograd
from .depthwise import is_depthwise
from .flat import Geometry, Ints, forward, transposed
from .tiles import Correlation, Laid, Weighing

Array = np.ndarray[Any, np.dtype[Any]]
SPREADS = False
"""Whether an infinity or NaN reaches results that do not depend on it."""
CACHED = 2**17
"""How many elements are laid out at once, where several images are: what the second cache holds."""
NEAR = 2**13
"""How many elements of them there are for one tile of `weigh`, if there is more than one image: the first cache."""
LARGE = 2**16
"""With kernels of more elements than this, small images share a plane, and each pass over the kernels."""
SUMS = 2**20
"""How many elements the sums of a kernel's gradient have that are added up at the end."""
UNITS = 4
"""From how many parts of a batch on, outputs are not cut as well: each cut lays out the images again."""


def are_planes(x: Array) -> bool:
    """Whether each channel of images `[B, C, …]` lies in C order, and all a whole number of elements apart."""
    return bool(x[0, 0].flags.c_contiguous) and not any(s % x.itemsize or s < 0 for s in x.strides[:2])


def _apart(x: Array) -> tuple[int, int]:
    """Return how far images are from each other, and their channels."""
    return x.strides[0] // x.itemsize, x.strides[1] // x.itemsize


def _three(size: Sequence[int]) -> Ints:
    return (1,) * (3 - len(size)) + tuple(size)


def _stack(batch: int, channels: int, size: Ints, taps: int, rows: int, geometry: Geometry) -> int:
    """Return how many images to lay out as one: several where kernels are large, to pass over them less often."""
    depth, *plane = size
    is_flat = depth == geometry.kernel[0] == geometry.stride[0] == 1 and geometry.before[0] == geometry.after[0] == 0
    if not is_flat or channels * taps * rows < LARGE:
        return 1
    each = channels * math.prod(n + p for n, p in zip(plane, geometry.before[1:], strict=True))
    return max(min(int(CACHED // each), -(-batch // UNITS)), 1)


def _slices(several: int, rows: int) -> int:
    """Return how many slices of outputs there are, for so many parts of a batch."""
    return next(n for n in (4, 2, 1) if n == 1 or (n * several <= UNITS and rows % n == 0))


def _failed() -> None:
    raise MemoryError("convolution: no memory to lay out images")


def _task(text: str, arrays: Sequence[Any], numbers: Sequence[int], units: int, products: float) -> Task:
    parts = parts_of(2.0 * products, units)
    return Task(text, arrays, numbers, 0, units, parts=parts, level=tiles.OPTIMISED, rescue=_failed)


def _run(tasks: Sequence[Task], work: float) -> None:
    """Run tasks here and now, with the pool's threads."""
    for task in tasks:
        call, table = released(task.at), address(task.table)

        def run(begin: int, end: int, task: Task = task, call: Any = call, table: int = table) -> None:
            if call(table, begin, end) >= 0:
                task.failed()

        split(run, task.end - task.begin, work)


@functools.lru_cache(256)
def _places(channels: int, step: int, taps: tuple[int, ...]) -> Array:
    """Return how far some elements of a kernel, in channels that are a step apart, are from its first one."""
    return (np.arange(channels, dtype=np.int64)[:, None] * step + np.array(taps, np.int64)).reshape(-1)


def correlated(x: Array, w: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the correlation of images with kernels.

    The images `are_planes`, all else is in C order; so it is in the others.
    """
    channels, rows, several = w.shape[1], len(w) // groups, math.prod(geometry.kernel)
    size, out = _three(x.shape[2:]), _three(y.shape[2:])
    stack = _stack(len(x), x.shape[1], size, several, len(w), geometry)
    plane, offsets = forward(geometry, (size[0] * stack, *size[1:]), channels)
    laid = Laid(groups, channels, size, plane, stack, _apart(x))
    places = _places(channels, several, tuple(range(several)))
    steps = channels * several, rows * channels * several
    return [_correlation((x, w, y), laid, rows, steps, (offsets, places), (out, out, (0, 0, 0), (1, 1, 1)))]


def _correlation(
    arrays: tuple[Array, Array, Array],
    laid: Laid,
    rows: int,
    steps: tuple[int, int],
    lists: tuple[Array, Array],
    target: tuple[Ints, Ints, Ints, Ints],
) -> Task:
    """Return the task for positions `out` in images of `size`, from `start` in steps of `stride`: the target."""
    (x, w, y), (out, size, start, stride) = arrays, target
    reach = laid.plane.reach((out[0] * laid.stack, *out[1:]))
    stacks = -(-len(x) // laid.stack)
    slices = _slices(stacks, rows)
    of = Correlation(laid, rows // slices, slices, steps, reach, out, size, stride)
    offsets, places = (np.ascontiguousarray(each, LONG) for each in lists)
    numbers = [len(x), len(offsets), *start]
    work = float(len(x)) * math.prod(out) * laid.groups * rows * len(offsets)
    return _task(tiles.correlating(x.dtype, of), [x, w, offsets, places, y], numbers, stacks * slices, work)


def spread_out(z: Array, w: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its scaled kernel."""
    rows, channels, several = len(w) // groups, w.shape[1], math.prod(geometry.kernel)
    outer, full = _three(z.shape[2:]), _three(y.shape[2:])
    stack = _stack(len(z), z.shape[1], outer, several, y.shape[1], geometry)
    plane, phases = transposed(geometry, (full[0] * stack, *full[1:]), (outer[0] * stack, *outer[1:]), rows)
    laid = Laid(groups, rows, outer, plane, stack, _apart(z))
    steps = several, rows * channels * several
    tasks = [] if all(phase.taps for phase in phases) else [cleared(y)]
    for phase in phases:
        if phase.taps:
            places = _places(rows, several * channels, phase.taps)
            out = phase.out[0] // stack, *phase.out[1:]
            target = out, full, phase.start, geometry.stride
            tasks.append(_correlation((z, w, y), laid, channels, steps, (phase.offsets, places), target))
    return tasks


def weighed(x: Array, z: Array, geometry: Geometry, groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the gradient of the kernels: sums of products of images and z."""
    channels, rows = x.shape[1] // groups, z.shape[1] // groups
    size, out = _three(x.shape[2:]), _three(z.shape[2:])
    plane, offsets = forward(geometry, size, channels)
    offsets = np.ascontiguousarray(offsets, LONG)
    reach, products = plane.reach(out), float(z.size) * len(offsets)
    parts = min(parts_of(2.0 * products, len(x)), max(SUMS // y.size, 1))
    each = -(-len(x) // parts)
    chunks = -(-len(x) // each)
    slices = _slices(chunks, rows)
    row = groups * rows // slices * reach
    laid_out = groups * channels * plane.length + row
    stack = max(min(CACHED // laid_out, NEAR // (plane.length + tiles.highest_weigh() * reach), each), 1)
    laid = Laid(groups, channels, size, plane, stack, _apart(x))
    of = Weighing(laid, _apart(z), rows // slices, slices, len(offsets), reach, out)
    sums = y.reshape(1, -1) if chunks == 1 else np.empty((chunks, y.size), y.dtype)
    text, units = tiles.weighing(x.dtype, of), chunks * slices
    task = _task(text, [x, z, offsets, sums], [len(x), each], units, products)
    return [task] if chunks == 1 else [task, _added(sums, y)]


def _added(sums: Array, y: Array) -> Task:
    """Return the task that adds up sums, in their order."""
    task = Task(_adding(y.dtype), [sums, y], [len(sums), y.size], 0, y.size)
    task.parts = parts_of(ADDITION * sums.size, y.size)
    return task


@functools.cache
def _adding(dtype: Any) -> str:
    function = Function([dtype, dtype], 2)
    code, (sums, y), (count, length) = function.code, function.places, function.numbers
    with code.loop(function.begin, function.end) as i:
        y[i] = sums[i]
    with code.loop(1, count) as k, code.loop(function.begin, function.end) as i:
        y[i] = y[i] + sums[k * length + i]
    return function.text()


def finite(x: Array) -> Task:
    """Return the task that fails if an array, in C order, has an infinity or a NaN."""
    return Task(_finite(x.dtype), [x], [], 0, x.size)


@functools.cache
def _finite(dtype: Any) -> str:
    whole = np.dtype(f"int{8 * dtype.itemsize}")
    infinity = int(np.array(np.inf, dtype).view(whole))  # the bits of a NaN without its sign are more
    function = Function([whole])
    code, (x,) = function.code, function.places
    largest = code.variable(whole, 0)
    with code.loop(function.begin, function.end) as i:
        largest.raise_to(x[i] & int(np.iinfo(whole).max))
    code.leave_if(largest.get() >= infinity, code.index(0))
    return function.text()


# Plain arrays in and out.


def without_tiles(geometry: Geometry, w_shape: Ints, groups: int, size: Ints, batch: int) -> Any:
    """Return the module for kernels that need no tiles, on so many images of a size, or None for all others."""
    if geometry.is_point:
        return points
    if is_depthwise(geometry, w_shape, groups):
        return depthwise
    if winograd.pays(geometry, w_shape, size, groups, batch):
        return winograd
    return columns if columns.pays(geometry, w_shape, size, groups) else None


def _stands(way: Any, found: Array, name: str, given: tuple[Any, ...], work: float) -> bool:
    """Write a result in a way that is not by tiles, if there is one; return whether it has no infinity spread in it."""
    if way is None:
        return False
    _run(getattr(way, name)(*given), work)
    return not way.SPREADS or bool(np.isfinite(found).all())


def correlate(x: Array, w: Array, geometry: Geometry, groups: int) -> Array:
    """Return the correlation of images with kernels, as the reference does."""
    way = without_tiles(geometry, w.shape, groups, x.shape[2:], len(x))
    found: Array
    if way in (points, depthwise):
        found = way.correlate(x, w, geometry, groups)
        return found
    out = geometry.count(_three(x.shape[2:]))[5 - x.ndim :]
    found = outputs.empty((len(x), len(w), *out), x.dtype)
    given = np.ascontiguousarray(x), np.ascontiguousarray(w), geometry, groups, found
    work = float(found.size) * w[0].size
    if not _stands(way, found, "correlated", given, work):
        _run(correlated(*given), work)
    return found


def spread(z: Array, w: Array, geometry: Geometry, groups: int, size: Ints) -> Array:
    """Return images of the given size to which every element of z adds its scaled kernel, as the reference does."""
    way = without_tiles(geometry, w.shape, groups, size, len(z))
    found: Array
    if way in (points, depthwise):
        found = way.spread(z, w, geometry, groups, size)
        return found
    found = outputs.empty((len(z), groups * w.shape[1], *size), z.dtype)
    given = np.ascontiguousarray(z), np.ascontiguousarray(w), geometry, groups, found
    work = float(z.size) * w[0].size
    if not _stands(way, found, "spread_out", given, work):
        _run(spread_out(*given), work)
    return found


def weigh(x: Array, z: Array, geometry: Geometry, groups: int) -> Array:
    """Return the gradient of the kernels: sums of products of images and z, as the reference does."""
    w_shape = z.shape[1], x.shape[1] // groups
    way = without_tiles(geometry, w_shape, groups, x.shape[2:], len(x))
    found: Array
    if way in (points, depthwise):
        found = way.weigh(x, z, geometry, groups)
        return found
    found = outputs.empty((*w_shape, *geometry.kernel[5 - x.ndim :]), x.dtype)
    given = np.ascontiguousarray(x), np.ascontiguousarray(z), geometry, groups, found
    work = float(z.size) * found[0].size
    if not _stands(way, found, "weighed", given, work):
        _run(weighed(*given), work)
    return found
