"""Convolution, correlation and spectra with SciPy's names, differentiable, for real and complex numbers.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import signal
>>> x = np.array([1.0, 2.0, 3.0])
>>> cr.grad(lambda k: signal.fftconvolve(x, k, mode="valid").sum())(np.ones(2)).round(12)
array([5., 3.])
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.fft.signal import convolve, correlate, fftconvolve, oaconvolve

from .detrending import detrend
from .spectra import csd, istft, periodogram, stft, welch

__all__ = [
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "csd",
    "detrend",
    "fftconvolve",
    "istft",
    "oaconvolve",
    "periodogram",
    "stft",
    "welch",
]


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


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
