"""Convolution with kernels of one element: matrix products of the images as they are, without a copy of them.

With a stride the images are thinned out first. `correlate`, `spread` and `weigh` take and return what those of `passes`
do, for a geometry that `is_point`; so do `correlated`, `spread_out` and `weighed`, where that `pays`. Where images are
small, or thinned out, these lay all of a channel's behind each other, for one product of large matrices.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.native.copies import cleared, copied
from chainrule.kernels.native.products import product, products
from chainrule.kernels.native.tasks import Task
from chainrule.kernels.openblas import one_thread
from chainrule.kernels.pool import split

from .flat import Geometry, Ints

Array = Any
SPREADS = False
"""Whether an infinity or NaN reaches results that do not depend on it."""
SMALL = 128
"""Images of fewer positions are laid behind each other."""
FEW, SUMMED, MANY = 16, 48, 96
"""The fewest channels on either side: of images, and for sums over small ones and over all others."""


def pays(geometry: Geometry, w_shape: Ints, positions: int, groups: int, adds_up: bool) -> bool:
    """Whether products take less time than tiles do, for so many positions of each image.

    What `adds_up` over the positions reads both factors laid out anew.
    """
    fewest = min(w_shape[:2])
    if groups != 1:
        return False
    if adds_up:
        return fewest >= (SUMMED if positions < 2 * SMALL else MANY)
    return {*geometry.stride} == {1} and positions >= SMALL and fewest >= FEW


def _thinned(x: Array, geometry: Geometry) -> Array:
    """Return the elements of images that are read, `[B, C, …]`."""
    if {*geometry.stride} == {1}:
        return x
    return x[(..., *(slice(None, None, s) for s in geometry.stride[5 - x.ndim :]))]


def _matrices(x: Array, groups: int) -> Array:
    """Return `[B, C, …]` as matrices `[B, groups, C / groups, positions]`, contiguous."""
    return np.ascontiguousarray(x).reshape(len(x), groups, x.shape[1] // groups, math.prod(x.shape[2:]))


def _products(w: Array, x: Array, y: Array) -> None:
    """Set y to the products of w with all matrices of x; the images are shared among the threads."""

    def run(begin: int, end: int) -> None:
        np.matmul(w, x[begin:end], out=y[begin:end])

    with one_thread():
        split(run, len(x), float(y.size) * w.shape[-1])


def correlate(x: Array, w: Array, geometry: Geometry, groups: int) -> Array:
    """Return the images that kernels make of images."""
    x = _thinned(x, geometry)
    y = outputs.empty((len(x), len(w), *x.shape[2:]), x.dtype)
    _products(w.reshape(groups, len(w) // groups, w.shape[1]), _matrices(x, groups), _matrices(y, groups))
    return y


def spread(z: Array, w: Array, geometry: Geometry, groups: int, size: Ints) -> Array:
    """Return the images of a size to which every element of z adds its kernel."""
    shape = (len(z), groups * w.shape[1], *z.shape[2:])
    is_whole = shape[2:] == size
    y = outputs.empty(shape, z.dtype) if is_whole else np.empty(shape, z.dtype)
    kernels = w.reshape(groups, len(w) // groups, w.shape[1]).swapaxes(1, 2)
    _products(kernels, _matrices(z, groups), _matrices(y, groups))
    if is_whole:
        return y
    full = np.zeros((*shape[:2], *size), z.dtype)
    _thinned(full, geometry)[...] = y
    return full


def weigh(x: Array, z: Array, geometry: Geometry, groups: int) -> Array:
    """Return kernels, each element a sum of products of images and z."""
    shape = (z.shape[1], x.shape[1] // groups, *(1,) * (x.ndim - 2))
    x, z = (_matrices(each, groups) for each in (_thinned(x, geometry), z))
    # One product over all images, which have to be laid out anew for it, or one for each, and a sum of the results.
    if x.shape[-1] < min(x.shape[2], z.shape[2]):
        x, z = (each.transpose(1, 2, 0, 3).reshape(groups, each.shape[2], -1) for each in (x, z))
        return np.matmul(z, x.swapaxes(-1, -2)).reshape(shape)
    each = np.empty((len(x), groups, z.shape[2], x.shape[2]), x.dtype)

    def run(begin: int, end: int) -> None:
        np.matmul(z[begin:end], x[begin:end].swapaxes(-1, -2), out=each[begin:end])

    with one_thread():
        split(run, len(x), float(z.size) * x.shape[2])
    return each.sum(axis=0).reshape(shape)


def _planes(x: Array) -> Array:
    """Return images whose channels each lie in C order as matrices `[B, C, positions]`."""
    shape = (*x.shape[:2], math.prod(x.shape[2:]))
    return np.lib.stride_tricks.as_strided(x, shape, (*x.strides[:2], x.itemsize))


def _is_direct(x: Array, geometry: Geometry) -> bool:
    return {*geometry.stride} == {1} and math.prod(x.shape[2:]) >= SMALL


def _behind_each_other(x: Array) -> tuple[Array, Task]:
    """Return room for the matrix `[C, B · positions]` of images, and the task that fills it."""
    room = np.empty((x.shape[1], len(x), *x.shape[2:]), x.dtype)
    return room.reshape(len(room), -1), copied(x.swapaxes(0, 1), room)


def _multiplied(w: Array, x: Array, y: Array) -> list[Task]:
    """Return the tasks that set images to the products of a matrix and others."""
    laid, task = _behind_each_other(x)
    found = np.empty((len(w), laid.shape[1]), w.dtype)
    return [task, product(w, laid, found), copied(found.reshape(len(w), len(x), *y.shape[2:]), y.swapaxes(0, 1))]


def correlated(x: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images that kernels make of images."""
    matrix = w.reshape(w.shape[:2])
    if _is_direct(x, geometry):
        return [products(matrix, _planes(x), _planes(y))]
    return _multiplied(matrix, _thinned(x, geometry), y)


def spread_out(z: Array, w: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its kernel."""
    matrix, target = w.reshape(w.shape[:2]).T, _thinned(y, geometry)
    if _is_direct(z, geometry):
        return [products(matrix, _planes(z), _planes(y))]
    made = _multiplied(matrix, z, target)
    return made if target.size == y.size else [cleared(y), *made]


def weighed(x: Array, z: Array, geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    (images, first), (cotangents, second) = map(_behind_each_other, (_thinned(x, geometry), z))
    return [first, second, product(cotangents, images.T, y.reshape(y.shape[:2]))]
