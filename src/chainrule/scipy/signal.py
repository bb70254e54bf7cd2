"""Convolution and correlation of arrays with SciPy's names, differentiable, for real and complex numbers.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import signal
>>> x = np.array([1.0, 2.0, 3.0])
>>> cr.grad(lambda k: signal.fftconvolve(x, k, mode="valid").sum())(np.ones(2)).round(12)
array([5., 3.])
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.fft.signal import convolve, correlate, fftconvolve, oaconvolve

__all__ = ["convolve", "convolve2d", "correlate", "correlate2d", "detrend", "fftconvolve", "oaconvolve"]


def convolve2d(in1: Array, in2: Array, mode: str = "full", boundary: str = "fill", fillvalue: float = 0) -> Array:
    """Return the convolution of two matrices, zero outside of them; modes as in `convolve`.

    >>> convolve2d(np.eye(2), np.ones((1, 2)), mode="valid")
    array([[1.],
           [1.]])
    """
    return _of_matrices("convolve2d", convolve, in1, in2, mode, boundary, fillvalue)


def correlate2d(in1: Array, in2: Array, mode: str = "full", boundary: str = "fill", fillvalue: float = 0) -> Array:
    """Return the cross-correlation of two matrices, zero outside of them; modes as in `correlate`.

    As in SciPy, "same" begins at the middle element of `in2`, for an even length the one after the middle.
    """
    if mode != "same":
        return _of_matrices("correlate2d", correlate, in1, in2, mode, boundary, fillvalue)
    whole = _of_matrices("correlate2d", correlate, in1, in2, "full", boundary, fillvalue)
    first = [n // 2 for n in np.shape(in2)]
    return whole[tuple(slice(k, k + n) for k, n in zip(first, np.shape(in1), strict=True))]


def _of_matrices(
    name: str, function: Callable[..., Array], a: Array, b: Array, mode: str, boundary: str, fillvalue: float
) -> Array:
    a, b = arrayed(a), arrayed(b)
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"{name}: got shapes {a.shape} and {b.shape}, expected two matrices")
    if boundary != "fill" or fillvalue != 0:
        raise ValueError(
            f"{name}: got boundary={boundary!r} and fillvalue={fillvalue}, expected 'fill' and 0; pad with np.pad "
            f"first, mode 'wrap' or 'symmetric', and convolve with mode='valid'"
        )
    return function(a, b, mode)


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
