"""Pooling in one pass over an image: the maximum or sum of each window, and their adjoints.

The loops go row by row and, within a row, over the kernel elements; the innermost runs along the positions and is
vectorised by the compiler. Adjacent 2 × 2 windows, the most common case, have their own loops, which read or write each
element once. Padding is never materialised: the loops skip it.

The functions take and return the same plain arrays as their references of the same names in
`chainrule.rules.network.pooling`: float32 or float64, windows over one to three axes.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.convolution.flat import Geometry, Ints
from chainrule.kernels.jit import inline, kernel
from chainrule.kernels.pool import split

from .rows import max_of_every_second, max_of_row, max_pairs_of_row, unmax_pairs_of_row

Array = np.ndarray[Any, np.dtype[Any]]
WORK = 16
"""How many multiplications take as long as one element here, for `split`."""


@inline
def _ranges(size: int, out: int, kernel: int, stride: int, before: int, dilation: int) -> Any:
    """Return for each kernel place on an axis its first position inside the image, the count, and its first element."""
    found = np.zeros((kernel, 3), np.intp)
    for j in range(kernel):
        shift = j * dilation - before
        first = max(-(shift // stride), 0)
        last = min((size - 1 - shift) // stride + 1, out) if size > shift else 0
        found[j] = first, max(last - first, 0), shift + first * stride
    return found


@inline
def _reached(places: int, kernel: Any, dilation: Any, before: Any) -> Any:
    """Return for each kernel place its distance along each axis from a window's first element."""
    found = np.empty((places, 3), np.intp)
    for k in range(places):
        found[k, 0] = k // (kernel[1] * kernel[2]) * dilation[0] - before[0]
        found[k, 1] = k // kernel[2] % kernel[1] * dilation[1] - before[1]
        found[k, 2] = k % kernel[2] * dilation[2] - before[2]
    return found


@inline
def _max_row(x: Any, at: int, size: int, stride: int, under: Any, y: Any, winner: Any, row: int, ends: Any) -> None:
    """Write one row of maxima. `under` gives the kernel elements: offsets from `at`, places, shifts along the row.

    From position `ends[0]` to `ends[1]` the whole kernel lies inside the image; elsewhere each element is checked.
    """
    offsets, places, shifts, count = under
    low, high, length = ends
    if stride == 1:
        max_of_row(x, at + low, offsets, places, count, y, winner, row + low, high - low)
    elif stride == 2:
        max_of_every_second(x, at + 2 * low, offsets, places, count, y, winner, row + low, high - low)
    else:
        low = high = 0
    for w in range(length):
        if low <= w < high:
            continue
        best, place = -np.inf, np.uint8(0)
        for t in range(count):
            if 0 <= w * stride + shifts[t] < size:
                value = x[at + offsets[t] + w * stride]
                if not value <= best and best == best:
                    best, place = value, places[t]
        y[row + w], winner[row + w] = best, place


@inline
def _add_row(x: Any, at: int, x_stride: int, y: Any, row: int, y_stride: int, count: int) -> None:
    """Add a row of x to one of y; one of the strides is 1.

    It uses slices because the compiler cannot prove that the index in `x[at + i]` is never negative (from the end).
    """
    if count <= 0:
        return
    source, target = x[at : at + (count - 1) * x_stride + 1], y[row : row + (count - 1) * y_stride + 1]
    if x_stride == 1 and y_stride == 1:
        for i in range(count):
            target[i] += source[i]
    elif x_stride == 2:
        for i in range(count):
            target[i] += source[2 * i]
    elif y_stride == 2:
        for i in range(count):
            target[2 * i] += source[i]
    else:
        for i in range(count):
            target[i * y_stride] += source[i * x_stride]


@kernel
def _max(x: Any, y: Any, winner: Any, size: Any, out: Any, windows: Any, begin: int, end: int) -> None:
    kernel, stride, before, dilation = windows
    along = _ranges(size[2], out[2], kernel[2], stride[2], before[2], dilation[2])
    low = along[:, 0].max()
    high = max((along[:, 0] + along[:, 1]).min(), low)
    total = kernel[0] * kernel[1] * kernel[2]
    offsets, places, shifts = np.empty(total, np.intp), np.empty(total, np.uint8), np.empty(total, np.intp)
    for n in range(begin, end):
        for d in range(out[0]):
            for h in range(out[1]):
                count = 0
                for k in range(kernel[0] * kernel[1]):
                    at_d = d * stride[0] + k // kernel[1] * dilation[0] - before[0]
                    at_h = h * stride[1] + k % kernel[1] * dilation[1] - before[1]
                    if 0 <= at_d < size[0] and 0 <= at_h < size[1]:
                        for j in range(kernel[2]):
                            shift = j * dilation[2] - before[2]
                            offsets[count] = (at_d * size[1] + at_h) * size[2] + shift
                            places[count], shifts[count] = k * kernel[2] + j, shift
                            count += 1
                row, at = ((n * out[0] + d) * out[1] + h) * out[2], n * size[0] * size[1] * size[2]
                under = (offsets, places, shifts, count)
                _max_row(x, at, size[2], stride[2], under, y, winner, row, (low, high, out[2]))


@kernel
def _max_pairs(x: Any, y: Any, winner: Any, size: Any, out: Any, begin: int, end: int) -> None:
    """Write the maximum of each 2 × 2 window, and its place."""
    for n in range(begin, end):
        for h in range(out[1]):
            row, top = (n * out[1] + h) * out[2], (n * size[1] + 2 * h) * size[2]
            max_pairs_of_row(x, top, top + size[2], y, winner, row, out[2])


@kernel
def _unmax(z: Any, winner: Any, x_bar: Any, size: Any, out: Any, windows: Any, begin: int, end: int) -> None:
    """Add each element of z to the winner of its window."""
    kernel, stride, before, dilation = windows
    reached = _reached(kernel[0] * kernel[1] * kernel[2], kernel, dilation, before)
    i = begin * out[0] * out[1] * out[2]
    for n in range(begin, end):
        for d in range(out[0]):
            for h in range(out[1]):
                for w in range(out[2]):
                    place = winner[i]
                    at_d = d * stride[0] + reached[place, 0]
                    at_h = h * stride[1] + reached[place, 1]
                    at_w = w * stride[2] + reached[place, 2]
                    if 0 <= at_d < size[0] and 0 <= at_h < size[1] and 0 <= at_w < size[2]:
                        x_bar[((n * size[0] + at_d) * size[1] + at_h) * size[2] + at_w] += z[i]
                    i += 1


@kernel
def _unmax_pairs(z: Any, winner: Any, x_bar: Any, size: Any, out: Any, begin: int, end: int) -> None:
    """Write each element of z to the winner of its 2 × 2 window; x_bar is already zero outside the windows."""
    for n in range(begin, end):
        for h in range(out[1]):
            row, top = (n * out[1] + h) * out[2], (n * size[1] + 2 * h) * size[2]
            unmax_pairs_of_row(z, winner, row, x_bar, top, top + size[2], out[2])


@kernel
def _add(x: Any, y: Any, size: Any, out: Any, windows: Any, spread: bool, begin: int, end: int) -> None:
    """Add to each element of y its window of x; with `spread`, add each element of x to its window of y.

    `size` is the size of the images under the windows, `out` the number of positions along each axis.
    """
    kernel, stride, before, dilation = windows
    along = _ranges(size[2], out[2], kernel[2], stride[2], before[2], dilation[2])
    for n in range(begin, end):
        for d in range(out[0]):
            for h in range(out[1]):
                row = ((n * out[0] + d) * out[1] + h) * out[2]
                for k in range(kernel[0] * kernel[1]):
                    at_d = d * stride[0] + k // kernel[1] * dilation[0] - before[0]
                    at_h = h * stride[1] + k % kernel[1] * dilation[1] - before[1]
                    if 0 <= at_d < size[0] and 0 <= at_h < size[1]:
                        under = ((n * size[0] + at_d) * size[1] + at_h) * size[2]
                        for j in range(kernel[2]):
                            first, count, start = along[j]
                            if spread:
                                _add_row(x, row + first, 1, y, under + start, stride[2], count)
                            else:
                                _add_row(x, under + start, stride[2], y, row + first, 1, count)


@kernel
def _add_pairs(x: Any, y: Any, size: Any, out: Any, begin: int, end: int) -> None:
    """Write the sum of each 2 × 2 window."""
    for n in range(begin, end):
        for h in range(out[1]):
            row, top = (n * out[1] + h) * out[2], (n * size[1] + 2 * h) * size[2]
            above, below, sums = x[top : top + size[2]], x[top + size[2] : top + 2 * size[2]], y[row : row + out[2]]
            for i in range(out[2]):
                sums[i] = above[2 * i] + above[2 * i + 1] + below[2 * i] + below[2 * i + 1]


@kernel
def _spread_pairs(z: Any, y: Any, size: Any, out: Any, begin: int, end: int) -> None:
    """Write each element of z to its 2 × 2 window; y is already zero outside the windows."""
    for n in range(begin, end):
        for h in range(out[1]):
            row, top = (n * out[1] + h) * out[2], (n * size[1] + 2 * h) * size[2]
            values = z[row : row + out[2]]
            for low in range(2):
                target = y[top + low * size[2] : top + (low + 1) * size[2]]
                for i in range(out[2]):
                    target[2 * i] = values[i]
                    target[2 * i + 1] = values[i]


# Plain arrays in and out.


def _side_by_side(geometry: Geometry) -> bool:
    """Whether the windows are 2 × 2 and adjacent."""
    no_padding = not any(geometry.before)
    return geometry.kernel == geometry.stride == (1, 2, 2) and geometry.dilation == (1, 1, 1) and no_padding


def _room(shape: Ints, dtype: Any, geometry: Geometry) -> Array:
    """Allocate the output images: zeroed, unless adjacent windows will overwrite every element."""
    covered = _side_by_side(geometry) and shape[-2] % 2 == shape[-1] % 2 == 0
    return (outputs.empty if covered else np.zeros)(shape, dtype)


def _flat(x: Array) -> Array:
    return np.ascontiguousarray(x).reshape(x.size)


def _three(size: Ints) -> Ints:
    return (1,) * (3 - len(size)) + size


def _windows(geometry: Geometry) -> tuple[Ints, ...]:
    return geometry.kernel, geometry.stride, geometry.before, geometry.dilation


def largest(x: Array, geometry: Geometry, axes: int) -> tuple[Array, Array]:
    """Return the maximum of each window over the last axes, and its place in the kernel, as the reference does.

    A place is one byte, so a kernel has at most 255 elements.
    """
    ahead, size = x.shape[: x.ndim - axes], _three(x.shape[x.ndim - axes :])
    out = geometry.count(size)
    shape = (*ahead, *out[3 - axes :])
    y, winner, flat = outputs.empty(shape, x.dtype), outputs.empty(shape, np.uint8), _flat(x)
    results = (y.reshape(y.size), winner.reshape(y.size))

    def run(begin: int, end: int) -> None:
        if _side_by_side(geometry):
            _max_pairs(flat, *results, size, out, begin, end)
        else:
            _max(flat, *results, size, out, _windows(geometry), begin, end)

    split(run, math.prod(ahead), WORK * math.prod(geometry.kernel) * y.size)
    return y, winner


def unpool(z: Array, winner: Array, geometry: Geometry, x_shape: Ints, axes: int) -> Array:
    """Return zeros `x_shape` with each element of z added to the winner of its window."""
    ahead, size, out = x_shape[: len(x_shape) - axes], _three(x_shape[len(x_shape) - axes :]), _three(z.shape[-axes:])
    x_bar, flat, places = _room(x_shape, z.dtype, geometry), _flat(z), _flat(winner)
    result = x_bar.reshape(x_bar.size)

    def run(begin: int, end: int) -> None:
        if _side_by_side(geometry):
            _unmax_pairs(flat, places, result, size, out, begin, end)
        else:
            _unmax(flat, places, result, size, out, _windows(geometry), begin, end)

    split(run, math.prod(ahead), 4 * WORK * z.size)
    return x_bar


def total(x: Array, geometry: Geometry, axes: int) -> Array:
    """Return the sum of each window over the last axes, as the reference does."""
    ahead, size = x.shape[: x.ndim - axes], _three(x.shape[x.ndim - axes :])
    out = geometry.count(size)
    y, flat = np.zeros((*ahead, *out[3 - axes :]), x.dtype), _flat(x)
    result = y.reshape(y.size)

    def run(begin: int, end: int) -> None:
        if _side_by_side(geometry):
            _add_pairs(flat, result, size, out, begin, end)
        else:
            _add(flat, result, size, out, _windows(geometry), False, begin, end)

    split(run, math.prod(ahead), WORK * math.prod(geometry.kernel) * y.size)
    return y


def spread(z: Array, geometry: Geometry, size: Ints) -> Array:
    """Return zeros `[…, size]` with each element of z added to its whole window, as the reference does."""
    axes = len(size)
    ahead, full, out = z.shape[: z.ndim - axes], _three(size), _three(z.shape[z.ndim - axes :])
    y, flat = _room((*ahead, *size), z.dtype, geometry), _flat(z)
    result = y.reshape(y.size)

    def run(begin: int, end: int) -> None:
        if _side_by_side(geometry):
            _spread_pairs(flat, result, full, out, begin, end)
        else:
            _add(flat, result, full, out, _windows(geometry), True, begin, end)

    split(run, math.prod(ahead), WORK * math.prod(geometry.kernel) * z.size)
    return y
