"""Convolution with kernels as large as the images, without zeros around these: products of matrices as all of them lie.

It is what the last layer of a network of convolutions often is, or the first of one that makes images. `correlated`,
`spread_out` and `weighed` take and return what those of `passes` do, for what `is_whole`.
"""

import math
from typing import Any

import numpy as np

from chainrule.kernels.native.copies import copied
from chainrule.kernels.native.products import product
from chainrule.kernels.native.tasks import Task

from .flat import Geometry, Ints

Array = Any
SPREADS = False
"""Whether an infinity or NaN reaches results that do not depend on it."""


def is_whole(geometry: Geometry, size: Ints, groups: int) -> bool:
    """Whether kernels cover images of a size, which then have one position."""
    three = (1,) * (3 - len(size)) + tuple(size)
    return (
        groups == 1
        and geometry.kernel == three
        and not any((*geometry.before, *geometry.after))
        and ({*geometry.dilation} == {1})
    )


def _rows(x: Array) -> tuple[Array, list[Task]]:
    """Return images as the rows of a matrix, and the tasks that lay them out so, if they do not lie so."""
    if x.flags.c_contiguous:
        return x.reshape(len(x), -1), []
    room = np.empty(x.shape, x.dtype)
    return room.reshape(len(x), math.prod(x.shape[1:])), [copied(x, room)]


def correlated(x: Array, w: Array, _geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images that kernels make of images."""
    rows, before = _rows(x)
    return [*before, product(rows, w.reshape(len(w), -1).T, y.reshape(len(y), -1))]


def spread_out(z: Array, w: Array, _geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write the images to which every element of z adds its kernel."""
    rows, before = _rows(z)
    return [*before, product(rows, w.reshape(len(w), -1), y.reshape(len(y), -1))]


def weighed(x: Array, z: Array, _geometry: Geometry, _groups: int, y: Array) -> list[Task]:
    """Return the tasks that write kernels, each element a sum of products of images and z."""
    (images, first), (cotangents, second) = _rows(x), _rows(z)
    return [*first, *second, product(cotangents.T, images, y.reshape(len(y), -1))]
