"""`numpy.lib.stride_tricks`: windows and other arrangements of one memory; for a tensor they are copies."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.shape import reshape
from chainrule.rules.arrays.sliding import sliding_window_view

__all__ = ["as_strided", "broadcast_arrays", "broadcast_shapes", "broadcast_to", "sliding_window_view"]

broadcast_arrays, broadcast_shapes, broadcast_to = np.broadcast_arrays, np.broadcast_shapes, np.broadcast_to


def as_strided(
    x: Any,
    shape: Sequence[int] | int | None = None,
    strides: Sequence[int] | int | None = None,
    subok: bool = False,
    writeable: bool = True,
) -> Any:
    """Return the elements of `x` in another shape, `strides` bytes apart; for a tensor a copy.

    A tensor counts as laid out row by row, so its own strides are those of a contiguous array. An element taken twice
    gets the sum of two cotangents. Raises ValueError for strides that are not whole elements or leave the array.

    >>> as_strided(np.array([1.0, 2.0, 3.0]), (2, 2), (8, 8))
    array([[1., 2.],
           [2., 3.]])
    """
    if not isinstance(x, Tensor):
        return np.lib.stride_tricks.as_strided(x, shape, strides, subok, writeable)  # type: ignore[arg-type]
    size = x.dtype.itemsize
    own = np.empty(x.shape, x.dtype).strides
    lengths = x.shape if shape is None else (shape,) if isinstance(shape, int) else tuple(shape)
    steps = own if strides is None else (strides,) if isinstance(strides, int) else tuple(strides)
    if len(lengths) != len(steps):
        raise ValueError(f"as_strided: got {len(steps)} strides for {len(lengths)} axes; give one for each")
    if any(step % size for step in steps):
        raise ValueError(f"as_strided: got strides {steps}, expected multiples of the {size} bytes of an element")
    places = np.zeros(lengths, np.intp)
    for axis, (n, step) in enumerate(zip(lengths, steps, strict=True)):
        places += (np.arange(n) * (step // size)).reshape((n, *(1,) * (len(lengths) - axis - 1)))
    if places.size and (places.min() < 0 or places.max() >= x.size):
        raise ValueError(f"as_strided: shape {lengths} with strides {steps} leaves an array of {x.size} elements")
    return take(reshape(x, -1), places)
