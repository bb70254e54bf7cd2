"""Convolution with kernels of one element: matrix products of the images as they are, without a copy of them.

With a stride the images are thinned out first. `correlate`, `spread` and `weigh` take and return what those of `passes`
do, for a geometry that `is_point`.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels import outputs
from chainrule.kernels.openblas import one_thread
from chainrule.kernels.pool import split

from .flat import Geometry, Ints

Array = Any


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
