"""`detrend`: a signal without its mean or its least-squares line; see `chainrule.scipy.signal`."""

from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed


def detrend(data: Array, axis: int = -1, type: str = "linear", bp: Any = 0) -> Array:
    """Return the data less their least-squares line along `axis`, or less their mean with `type="constant"`.

    >>> detrend(np.array([1.0, 2.0, 3.0])).round(12) + 0.0
    array([0., 0., 0.])
    """
    data = arrayed(data)
    if type not in ("linear", "constant", "l", "c"):
        raise ValueError(f"detrend: got type={type!r}, expected 'linear' or 'constant'")
    if np.any(np.asarray(bp) != 0):
        raise ValueError(
            f"detrend: got bp={bp!r}; several lines are not supported: cut the data, and detrend each part"
        )
    if type in ("constant", "c"):
        return data - data.mean(axis=axis, keepdims=True)
    n = data.shape[axis]
    line = np.column_stack([np.ones(n), np.arange(1, n + 1) / n])
    onto = line @ np.linalg.pinv(line)
    return data - np.moveaxis(np.tensordot(np.moveaxis(data, axis, -1), onto, ((-1,), (1,))), -1, axis)
