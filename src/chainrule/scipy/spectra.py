"""Spectra of pieces of a signal: `stft` and its inverse, `welch`, `csd`, `periodogram`; see `chainrule.scipy.signal`.

As in SciPy a window is a name, a tuple, or an array, which also says how long the pieces are.
"""

import warnings
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index

from chainrule.base.provenance import stacklevel
from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed, floating
from chainrule.rules.elementary.complex_parts import conjugated, is_complex
from chainrule.rules.fft.names import fft, ifft, irfft, rfft

from .detrending import detrend as without_trend

__all__ = ["csd", "istft", "periodogram", "stft", "welch"]


def _window(name: str, window: Any, nperseg: int | None, n: int | None) -> tuple[Array, int]:
    """Return the window of a call and its length."""
    if isinstance(window, str | tuple):
        try:
            from scipy.signal import get_window
        except ModuleNotFoundError as error:
            raise ImportError(f"{name}: needs SciPy; run: python -m pip install 'chainrule[scipy]'") from error
        length = 256 if nperseg is None else int(nperseg)
        if n is not None and length > n:
            if nperseg is not None:
                said = f"{name}: nperseg={length} is more than the {n} samples; using {n}"
                warnings.warn(said, stacklevel=stacklevel())
            length = n
        return get_window(window, length), length
    window = arrayed(window)
    if window.ndim != 1:
        raise ValueError(f"{name}: got a window of shape {window.shape}, expected a vector")
    length = window.shape[0]
    if nperseg not in (None, length) or (n is not None and length > n):
        raise ValueError(f"{name}: got a window of {length} for nperseg={nperseg} and {n} samples")
    return window, length


def _lengths(name: str, length: int, noverlap: int | None, nfft: int | None) -> tuple[int, int]:
    """Return the step from piece to piece, and the length of the transforms."""
    overlap = length // 2 if noverlap is None else int(noverlap)
    count = length if nfft is None else int(nfft)
    if not 0 <= overlap < length:
        raise ValueError(f"{name}: got noverlap={overlap}, expected 0 or more, and less than nperseg, {length}")
    if count < length:
        raise ValueError(f"{name}: got nfft={count}, expected nperseg, {length}, or more")
    return length - overlap, count


def _pieces(x: Array, length: int, step: int, detrend: Any) -> Array:
    """Return the pieces of a signal [..., pieces, length], each less its mean or line."""
    y = np.lib.stride_tricks.sliding_window_view(x, length, -1)[..., ::step, :]
    if callable(detrend):
        return detrend(y)
    return y if detrend is False or detrend is None else without_trend(y, -1, detrend)


def _transformed(pieces: Array, window: Array, count: int, one_sided: bool) -> Array:
    """Return the transforms of the pieces [..., frequencies, pieces]."""
    return np.swapaxes((rfft if one_sided else fft)(pieces * window, count), -1, -2)


def _frequencies(count: int, fs: float, one_sided: bool) -> Any:
    return (np.fft.rfftfreq if one_sided else np.fft.fftfreq)(count, 1 / fs)


def _scale(name: str, window: Array, fs: float, scaling: str, density: str, spectrum: str) -> Array:
    """Return what a power is multiplied with."""
    if scaling == density:
        return 1 / (fs * (window * window).sum())
    if scaling == spectrum:
        return 1 / window.sum() ** 2
    raise ValueError(f"{name}: got scaling={scaling!r}, expected {density!r} or {spectrum!r}")


BOUNDARIES: dict[str, dict[str, Any]] = {
    "zeros": {"mode": "constant"},
    "constant": {"mode": "edge"},
    "even": {"mode": "reflect"},
    "odd": {"mode": "reflect", "reflect_type": "odd"},
}
"""What lies beyond the ends of a signal, in the settings of `np.pad`."""


def _padded(name: str, x: Array, boundary: Any, length: int, step: int, padded: bool) -> Array:
    """Return the signal with half a piece more at both ends, and with zeros that complete the last piece."""
    lead = ((0, 0),) * (x.ndim - 1)
    if boundary not in (None, False):
        if boundary not in BOUNDARIES:
            raise ValueError(f"{name}: got boundary={boundary!r}, expected None or one of {', '.join(BOUNDARIES)}")
        x = np.pad(x, (*lead, (length // 2, length // 2)), **BOUNDARIES[boundary])
    missing = -(x.shape[-1] - length) % step
    return np.pad(x, (*lead, (0, missing))) if padded and missing else x


def stft(
    x: Array,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = 256,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = False,
    return_onesided: bool = True,
    boundary: Any = "zeros",
    padded: bool = True,
    axis: int = -1,
    scaling: str = "spectrum",
) -> tuple[Any, Any, Array]:
    """Return the frequencies, the times, and the short-time Fourier transform [..., frequencies, times] of a signal.

    Raises ValueError for lengths that do not fit and for unknown settings; a complex signal has both sides.

    >>> f, t, z = stft(np.sin(np.arange(64.0)), nperseg=16)
    >>> z.shape, int(np.abs(z).mean(-1).argmax())  # 1 radian a sample is between 2 and 3 of 16
    ((9, 9), 3)
    """
    x, n = _signal(x, axis)
    window, length = _window("stft", window, nperseg, n)
    step, count = _lengths("stft", length, noverlap, nfft)
    one_sided = return_onesided and not is_complex(x)
    factor = np.sqrt(_scale("stft", window, fs, scaling, "psd", "spectrum"))
    wide = _padded("stft", x, boundary, length, step, padded)
    y = _transformed(_pieces(wide, length, step, detrend), window, count, one_sided) * factor
    start = 0 if boundary not in (None, False) else length / 2
    times = (start + step * np.arange(y.shape[-1])) / fs
    return _frequencies(count, fs, one_sided), times, _placed(y, axis)


def _signal(x: Array, axis: int) -> tuple[Array, int]:
    x = floating(x)
    x = np.moveaxis(x, normalize_axis_index(axis, x.ndim), -1)
    return x, x.shape[-1]


def _placed(y: Array, axis: int) -> Array:
    """Return [..., frequencies, pieces] with the frequencies where the samples were; the pieces stay last."""
    return np.moveaxis(y, -2, axis if axis >= 0 else axis - 1)


def istft(
    Zxx: Array,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    input_onesided: bool = True,
    boundary: bool = True,
    time_axis: int = -1,
    freq_axis: int = -2,
    scaling: str = "spectrum",
) -> tuple[Any, Array]:
    """Return the times and the signal of a short-time Fourier transform: the inverse of `stft`.

    Where the windows add up to nothing, the samples are left as they are added. Raises ValueError for lengths that do
    not fit and for axes that are the same.

    >>> x = np.arange(20.0)
    >>> np.allclose(istft(stft(x, nperseg=8)[2], nperseg=8)[1][:20], x)
    True
    """
    z = arrayed(Zxx)
    if normalize_axis_index(time_axis, z.ndim) == normalize_axis_index(freq_axis, z.ndim):
        raise ValueError(f"istft: got time_axis={time_axis} and freq_axis={freq_axis}, expected two axes")
    z = np.moveaxis(z, (freq_axis, time_axis), (-2, -1))
    whole = 2 * (z.shape[-2] - 1) if input_onesided else z.shape[-2]
    length = whole if nperseg is None else int(nperseg)
    if nfft is None:
        nfft = whole + 1 if input_onesided and length == whole + 1 else whole
    window, length = _window("istft", window, length, None)
    step, count = _lengths("istft", length, noverlap, nfft)
    pieces = np.swapaxes((irfft if input_onesided else ifft)(np.swapaxes(z, -1, -2), count)[..., :length], -1, -2)
    factor = np.sqrt(1 / _scale("istft", window, fs, scaling, "psd", "spectrum"))
    x = _added(np.swapaxes(pieces, -1, -2) * (window * factor), step)
    norm = _added(np.broadcast_to(np.square(window), (z.shape[-1], length)), step)
    if boundary:
        half = length // 2
        x, norm = x[..., half : x.shape[-1] - half], norm[half : norm.shape[0] - half]
    x = x / np.where(norm > 1e-10, norm, 1.0)
    after = normalize_axis_index(time_axis, z.ndim)
    after -= normalize_axis_index(freq_axis, z.ndim) < after
    return np.arange(x.shape[-1]) / fs, np.moveaxis(x, -1, after)


def _added(pieces: Array, step: int) -> Array:
    """Return the sum of pieces [..., pieces, length] that each begin `step` after the one before."""
    many, length = pieces.shape[-2:]
    blocks = -(-length // step)
    lead = ((0, 0),) * (pieces.ndim - 2)
    wide = np.pad(pieces, (*lead, (0, 0), (0, blocks * step - length)))
    parts = wide.reshape((*wide.shape[:-1], blocks, step))
    total: Any = sum(np.pad(parts[..., k, :], (*lead, (k, blocks - 1 - k), (0, 0))) for k in range(blocks))
    flat = total.reshape((*total.shape[:-2], total.shape[-2] * step))
    return flat[..., : (many - 1) * step + length]


def csd(
    x: Array,
    y: Array,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Array]:
    """Return the frequencies and the cross power spectral density of two signals of one length, by Welch's method.

    `scaling` "density" is power per frequency, "spectrum" power; `average` "mean" or "median" is over the pieces.
    Raises ValueError for unknown settings and for signals of different lengths.
    """
    return _averaged("csd", x, y, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average)


def welch(
    x: Array,
    fs: float = 1.0,
    window: Any = "hann",
    nperseg: int | None = None,
    noverlap: int | None = None,
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
    average: str = "mean",
) -> tuple[Any, Array]:
    """Return the frequencies and the power spectral density of a signal, by Welch's method; see `csd`.

    >>> f, power = welch(np.sin(np.arange(64.0)), nperseg=16)
    >>> power.shape, int(power.argmax())
    ((9,), 3)
    """
    return _averaged(
        "welch", x, x, fs, window, nperseg, noverlap, nfft, detrend, return_onesided, scaling, axis, average
    )


def periodogram(
    x: Array,
    fs: float = 1.0,
    window: Any = "boxcar",
    nfft: int | None = None,
    detrend: Any = "constant",
    return_onesided: bool = True,
    scaling: str = "density",
    axis: int = -1,
) -> tuple[Any, Array]:
    """Return the frequencies and the power spectral density of a signal as one piece; see `csd`."""
    n = np.shape(x)[normalize_axis_index(axis, np.ndim(x))]
    return _averaged("periodogram", x, x, fs, window, n, 0, nfft, detrend, return_onesided, scaling, axis, "mean")


def _averaged(
    name: str, x: Array, y: Array, fs: float, window: Any, nperseg: Any, noverlap: Any, nfft: Any, detrend: Any,
    both: bool, scaling: str, axis: int, average: str,
) -> tuple[Any, Array]:  # fmt: skip
    if average not in ("mean", "median"):
        raise ValueError(f"{name}: got average={average!r}, expected 'mean' or 'median'")
    same = x is y
    (x, n), (y, m) = _signal(x, axis), _signal(y, axis)
    if n != m:
        raise ValueError(f"{name}: got signals of {n} and {m} samples, expected one length")
    window, length = _window(name, window, nperseg, n)
    step, count = _lengths(name, length, noverlap, nfft)
    one_sided = both and not is_complex(x) and not is_complex(y)
    first = _transformed(_pieces(x, length, step, detrend), window, count, one_sided)
    other = first if same else _transformed(_pieces(y, length, step, detrend), window, count, one_sided)
    power = first.real**2 + first.imag**2 if same else conjugated(first) * other
    power = power * _scale(name, window, fs, scaling, "density", "spectrum")
    if one_sided:  # the other half of the frequencies has as much, but for 0 and the highest of an even number
        twice = np.full((power.shape[-2], 1), 2.0)
        twice[0] = 1
        if count % 2 == 0:
            twice[-1] = 1
        power = power * twice
    return _frequencies(count, fs, one_sided), np.moveaxis(_mean(power, average), -1, axis)


def _mean(power: Array, average: str) -> Array:
    if average == "mean" or power.shape[-1] == 1:
        return power.mean(axis=-1)
    n = power.shape[-1]
    even = 2 * np.arange(1.0, (n - 1) // 2 + 1)
    bias = 1 + np.sum(1 / (even + 1) - 1 / even)  # of a median of exponentially distributed powers
    if is_complex(power):
        return (np.median(power.real, axis=-1) + 1j * np.median(power.imag, axis=-1)) / bias
    return np.median(power, axis=-1) / bias
