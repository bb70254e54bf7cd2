"""Elements inserted, deleted, or repeated to fill a shape.

NumPy moves these elements without looking at values, so it is applied once to their indices: the result is then a
selection, `x[indices]`, whose derivative is known.
"""

from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.memory.alias import innermost
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of

from .gather import take
from .join import concatenate
from .shape import Copy, ravel, shaped


def _places(x: Array, first: int = 0) -> Array:
    return np.arange(first, first + x.size).reshape(x.shape)


@implements(np.delete)
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """Return `arr` without the slices `obj` along `axis`: an index, a slice, a mask or several indices.

    >>> delete(np.array([1.0, 2.0, 3.0]), 1)
    array([1., 3.])
    """
    arr = shaped(arr)
    return _in_order(take(ravel(arr), np.delete(_places(arr), value_of(obj), axis)), arr)


def _in_order(y: Array, like: Array) -> Array:
    """Return a tensor in Fortran order if `like` is, as NumPy does."""
    is_reversed = isinstance(like, Tensor) and innermost(like).flags.fnc
    return Copy.apply(y, order="F") if is_reversed and isinstance(y, Tensor) else y


@implements(np.insert)
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Return `arr` with `values` inserted before the indices `obj` along `axis`, broadcast and in the dtype of `arr`.

    >>> insert(np.array([1.0, 2.0]), 1, 9.0)
    array([1., 9., 2.])
    """
    arr = shaped(arr)
    values = shaped(values)
    places = np.insert(_places(arr), value_of(obj), _places(values, arr.size), axis)
    values = values if values.dtype == arr.dtype else values.astype(arr.dtype)
    return _in_order(take(concatenate([arr, values], axis=None), places), arr)


@implements(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    """Return the elements of `a` in a new shape, repeated from the beginning if there are too few.

    >>> resize(np.array([1.0, 2.0, 3.0]), (2, 2))
    array([[1., 2.],
           [3., 1.]])
    """
    a = shaped(a)
    return take(ravel(a), np.resize(_places(a), new_shape)) if a.size else np.resize(value_of(a), new_shape)


@implements(np.trim_zeros)
def trim_zeros(filt: Array, trim: str = "fb", axis: Any = None) -> Array:
    """Return `filt` without leading ("f") or trailing ("b") zeros, or both, along one axis, several or all.

    >>> trim_zeros(np.array([0.0, 1.0, 0.0, 2.0, 0.0]))
    array([1., 0., 2.])
    """
    filt = shaped(filt)
    trim = trim.lower()
    if trim not in ("f", "b", "fb", "bf"):
        raise ValueError(f"trim_zeros: got trim={trim!r}, expected 'f', 'b' or 'fb'")
    axes = normalize_axis_tuple(range(filt.ndim) if axis is None else axis, filt.ndim)
    found = np.argwhere(value_of(filt))
    index = [slice(None)] * filt.ndim
    for k in axes:
        first, end = (int(found[:, k].min()), int(found[:, k].max()) + 1) if len(found) else (0, 0)
        index[k] = slice(first if "f" in trim else 0, end if "b" in trim or not len(found) else None)
    return filt[tuple(index)]
