"""`sliding_window_view`: overlapping windows along axes."""

from collections.abc import Sequence

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple
from numpy.lib.stride_tricks import sliding_window_view as numpy_windows

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array

from .gather import take
from .reduce import arrayed
from .shape import moveaxis


@implements(numpy_windows)
def sliding_window_view(
    x: Array, window_shape: int | Sequence[int], axis: int | Sequence[int] | None = None, **settings: Array
) -> Array:
    """Return the windows of a shape that slide over `axis`: their places, then their elements as axes at the end.

    For a tensor it is a copy, not a view. `subok` and `writeable` are a TypeError.

    >>> sliding_window_view(np.arange(4.0), 2).tolist()
    [[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]]
    """
    given = {key for key, value in settings.items() if value}
    if given:
        raise TypeError(f"sliding_window_view: {min(given)}= is not supported on tensors; write to a copy")
    x = arrayed(x)
    lengths = tuple(window_shape) if np.iterable(window_shape) else (window_shape,)
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim, allow_duplicate=True)
    if len(lengths) != len(axes):
        raise ValueError(f"sliding_window_view: got {len(lengths)} lengths for {len(axes)} axes; give one for each")
    for k, length in zip(axes, lengths, strict=True):
        places = x.shape[k] - length + 1
        if length < 0 or places < 1:
            raise ValueError(f"sliding_window_view: got a window of {length} on an axis of length {x.shape[k]}")
        x = moveaxis(take(x, np.arange(places)[:, None] + np.arange(length), axis=k), k + 1, -1)
    return x
