"""The largest or smallest of several elements written to one place, as PyTorch and ONNX scatter them."""

from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.rules.arrays.gather import along_axis
from chainrule.rules.arrays.index import IndexAdd, getitem

Array = Any


def extremum_along(
    name: str, x: Array, axis: int, index: Array, values: Array, *, largest: bool, include_self: bool = True
) -> Array:
    """Return `x` with the extremum of the `values` that `index` puts at each place along an axis.

    `values` has the shape of `index`. With `include_self`, the element that is there already counts as well. Ties share
    the gradient. `name` is the caller's, for errors.

    >>> extremum_along("scatter", np.zeros(2), 0, np.array([0, 0]), np.array([1.0, 3.0]), largest=True)
    array([3., 0.])
    """

    def found(x: Array, index: Array, values: Array) -> Array:
        places = along_axis(name, index.shape, index, axis)
        best = np.array(x)
        if not include_self:
            best[places] = values  # any of them: each is compared below
        (np.maximum if largest else np.minimum).at(best, places, values)
        return best

    def added(start: Array, values: Array) -> Array:
        return IndexAdd.apply(start, values, index=along_axis(name, index.shape, index, axis))

    best = plain(found, x, index, values)
    if x.dtype.kind != "f":
        return best  # whole numbers have no gradient to share
    is_best = np.equal(values, getitem(best, along_axis(name, index.shape, index, axis)))
    hits = added(np.zeros(x.shape, x.dtype), np.ones(index.shape, x.dtype))
    own = np.equal(x, best) if include_self else np.equal(hits, 0)
    one, zero = x.dtype.type(1), x.dtype.type(0)
    count = added(np.where(own, one, zero), np.where(is_best, one, zero))
    return added(np.where(own, x, zero), np.where(is_best, values, zero)) / count
