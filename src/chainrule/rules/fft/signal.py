"""Convolutions and correlations of arrays of any number of axes by Fourier transforms, as in `scipy.signal`."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.shape import astype
from chainrule.rules.elementary.complex_parts import conjugated, is_complex

from .names import fftn, ifftn, irfftn, rfftn

Axes = int | Sequence[int] | None


def fast_length(n: int) -> int:
    """Return the least number of n or more whose prime factors are 2, 3 and 5: transforms of that length are fast.

    >>> fast_length(11), fast_length(97), fast_length(1)
    (12, 100, 1)
    """
    best = 1 << max(n - 1, 0).bit_length()
    for fives in range(best.bit_length()):
        for threes in range(best.bit_length()):
            odd = 5**fives * 3**threes
            if odd < best:
                best = min(best, odd << max(-(-n // odd) - 1, 0).bit_length())
    return best


def fftconvolve(in1: Array, in2: Array, mode: str = "full", axes: Axes = None) -> Array:
    """Return the convolution of two arrays with equally many axes, along `axes` (all); the others broadcast.

    `mode` "full" gives all positions where they overlap, "same" the middle ones, as many as `in1` has, "valid" those
    of complete overlap.

    >>> fftconvolve(np.array([1.0, 2.0, 3.0]), np.array([1.0, 10.0])).round(12)
    array([ 1., 12., 23., 30.])
    """
    return _convolved("fftconvolve", in1, in2, mode, axes)


def oaconvolve(in1: Array, in2: Array, mode: str = "full", axes: Axes = None) -> Array:
    """Return `fftconvolve(in1, in2, mode, axes)`, with one transform of the whole."""
    return _convolved("oaconvolve", in1, in2, mode, axes)


def convolve(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    """Return the convolution over all axes; `method` "auto", "direct" or "fft" makes no difference."""
    _check_method("convolve", method)
    return _convolved("convolve", in1, in2, mode, None)


def correlate(in1: Array, in2: Array, mode: str = "full", method: str = "auto") -> Array:
    """Return the correlation over all axes: the convolution with the reversed conjugate of `in2`."""
    _check_method("correlate", method)
    in2 = conjugated(arrayed(in2))
    return _convolved("correlate", in1, np.flip(in2), mode, None)


def _check_method(name: str, method: str) -> None:
    if method not in ("auto", "direct", "fft"):
        raise ValueError(f"{name}: got method={method!r}, expected 'auto', 'direct' or 'fft'")


def _convolved(name: str, in1: Array, in2: Array, mode: str, axes: Axes) -> Array:
    a, b = (x if x.dtype.kind in "fc" else astype(x, np.float64) for x in (arrayed(in1), arrayed(in2)))
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"{name}: got mode={mode!r}, expected 'full', 'same' or 'valid'")
    if a.ndim != b.ndim:
        raise ValueError(f"{name}: got shapes {a.shape} and {b.shape}, expected equally many axes")
    along = tuple(range(a.ndim)) if axes is None else normalize_axis_tuple(axes, a.ndim)
    if not along:
        return a * b
    if not a.size or not b.size:
        return np.zeros(0, np.result_type(a.dtype, b.dtype))
    here, there = [a.shape[k] for k in along], [b.shape[k] for k in along]
    if mode == "valid" and not all(m >= n for m, n in zip(here, there, strict=True)):
        if not all(m <= n for m, n in zip(here, there, strict=True)):
            raise ValueError(f"{name}: got shapes {a.shape} and {b.shape}: in mode 'valid' one must hold the other")
        a, b, here, there = b, a, there, here
    full = [m + n - 1 for m, n in zip(here, there, strict=True)]
    y = _product_of_spectra(a, b, [fast_length(n) for n in full], along)
    return y[_part(a.ndim, along, mode, here, there, full)]


def _product_of_spectra(a: Array, b: Array, lengths: Sequence[int], along: tuple[int, ...]) -> Array:
    if is_complex(a) or is_complex(b):
        return ifftn(fftn(a, lengths, along) * fftn(b, lengths, along), lengths, along)
    return irfftn(rfftn(a, lengths, along) * rfftn(b, lengths, along), lengths, along)


def _part(ndim: int, along: tuple[int, ...], mode: str, here: Any, there: Any, full: Any) -> tuple[slice, ...]:
    cuts = [slice(None)] * ndim
    for axis, m, n, whole in zip(along, here, there, full, strict=True):
        length = {"full": whole, "same": m, "valid": m - n + 1}[mode]
        start = (whole - length) // 2
        cuts[axis] = slice(start, start + length)
    return tuple(cuts)
