"""Windows, and short-time Fourier transforms."""

import math
from typing import Any

import numpy as np

from .creation import finished
from .dtypes import default, numpy_dtype
from .face import Tensor, faced
from .indexing import _add
from .reductions import plain

# Windows: `torch.hann_window` is periodic by default, `torch.signal.windows.hann` symmetric.


def _cosines(n: int, sym: bool, weights: tuple[float, ...]) -> Any:
    """Return the sum of cosines with alternating signs that most windows are."""
    if n == 1:
        return np.ones(1)
    turns = 2 * math.pi * np.arange(n) / max(n - sym, 1)
    return sum((-1) ** k * w * np.cos(k * turns) for k, w in enumerate(weights)) + np.zeros(n)


def _bartlett(n: int, sym: bool) -> Any:
    return np.ones(n) if n == 1 else 1 - np.abs(2 * np.arange(n) / max(n - sym, 1) - 1)


def _kaiser(n: int, sym: bool, beta: float = 12.0) -> Any:
    return np.kaiser(n + (not sym), beta)[:n] if n != 1 else np.ones(1)


def _gaussian(n: int, sym: bool, std: float = 1.0) -> Any:
    return np.exp(-(((np.arange(n) - (n - sym) / 2) / (std * math.sqrt(2))) ** 2))


def _exponential(n: int, sym: bool, center: float | None = None, tau: float = 1.0) -> Any:
    middle = (n - sym) / 2 if center is None else center
    return np.exp(-np.abs(np.arange(n) - middle) / tau)


def _cosine(n: int, sym: bool) -> Any:
    return np.sin(math.pi * (np.arange(n) + 0.5) / (n if sym else n + 1))


def _general_cosine(n: int, sym: bool, a: Any = ()) -> Any:
    return _cosines(n, sym, tuple(a))


def _general_hamming(n: int, sym: bool, alpha: float = 0.54) -> Any:
    return _cosines(n, sym, (alpha, 1 - alpha))


SHAPES: dict[str, Any] = {
    "hann": lambda n, sym: _cosines(n, sym, (0.5, 0.5)),
    "hamming": _general_hamming,
    "blackman": lambda n, sym: _cosines(n, sym, (0.42, 0.5, 0.08)),
    "nuttall": lambda n, sym: _cosines(n, sym, (0.3635819, 0.4891775, 0.1365995, 0.0106411)),
    "bartlett": _bartlett,
    "kaiser": _kaiser,
    "gaussian": _gaussian,
    "exponential": _exponential,
    "cosine": _cosine,
    "general_cosine": _general_cosine,
    "general_hamming": _general_hamming,
}


def _finished(array: Any, dtype: Any, device: Any, requires_grad: bool) -> Tensor:
    return finished(np.asarray(array, numpy_dtype(dtype) or default.floating.numpy), requires_grad, device)


def symmetric(name: str) -> Any:
    """Return a window of `torch.signal.windows`."""
    shape = SHAPES[name]

    def window(
        M: int, *, sym: bool = True, dtype: Any = None, device: Any = None, requires_grad: bool = False, **settings: Any
    ) -> Tensor:
        settings.pop("layout", None)
        if M < 0:
            raise ValueError(f"{name}: requires a non-negative window length, got M={M}")
        found = np.ones(M) if M < 2 else shape(M, sym, **settings)
        return _finished(found, dtype, device, requires_grad)

    window.__name__, window.__doc__ = name, f"Return a {name} window of M elements; `sym=False` for a spectrum."
    return window


def _periodic(name: str, *names: str) -> Any:
    def window(
        window_length: int,
        periodic: bool = True,
        *given: Any,
        dtype: Any = None,
        device: Any = None,
        requires_grad: bool = False,
        **settings: Any,
    ) -> Tensor:
        settings.pop("layout", None)
        if window_length < 0:
            raise RuntimeError(f"{name}_window: requires a non-negative window_length, got {window_length}")
        n, values = window_length, {**dict(zip(names, given, strict=False)), **settings}
        if name == "hamming" and "beta" in values:
            alpha = values.get("alpha", 0.54)
            shape = _cosines(n, not periodic, (alpha, values["beta"])) if n else np.zeros(0)
        else:
            shape = SHAPES[name](n, not periodic, **values) if n else np.zeros(0)
        return _finished(shape, dtype, device, requires_grad)

    window.__name__ = f"{name}_window"
    window.__doc__ = f"Return a {name} window, for a spectrum unless `periodic=False`."
    return window


hann_window, blackman_window, bartlett_window = map(_periodic, ("hann", "blackman", "bartlett"))
hamming_window, kaiser_window = _periodic("hamming", "alpha", "beta"), _periodic("kaiser", "beta")


# Short-time transforms


def _window_of(window: Any, win_length: int | None, n_fft: int, dtype: Any) -> Any:
    """Return the window in the middle of n_fft elements."""
    length = n_fft if win_length is None else win_length
    if not 0 < length <= n_fft:
        raise RuntimeError(f"stft: expected 0 < win_length <= n_fft, but got win_length={length}, n_fft={n_fft}")
    window = np.ones(length, dtype) if window is None else window
    if window.shape != (length,):
        raise RuntimeError(
            f"stft: expected a 1D window tensor of size equal to win_length={length}, got {window.shape}"
        )
    before = (n_fft - length) // 2
    return np.pad(window, (before, n_fft - length - before)) if length < n_fft else window


@faced
def stft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    pad_mode: str = "reflect",
    normalized: bool = False,
    onesided: bool | None = None,
    return_complex: bool | None = None,
    align_to_window: bool | None = None,
) -> Any:
    """Return the Fourier transforms of windows of a signal, `[..., frequency, frame]`.

    Complex, or as pairs of real and imaginary part on the last axis with `return_complex=False`.
    """
    hop = n_fft // 4 if hop_length is None else hop_length
    if return_complex is None and input.dtype.kind != "c":
        raise RuntimeError(
            "stft requires the return_complex parameter be given for real inputs: pass return_complex=True"
        )
    shape = _window_of(window, win_length, n_fft, input.dtype)
    pad: Any = np.pad
    x = pad(input, [(0, 0)] * (input.ndim - 1) + [(n_fft // 2, n_fft // 2)], mode=pad_mode) if center else input
    if x.shape[-1] < n_fft:
        raise RuntimeError(
            f"stft: expected 0 < n_fft <= {x.shape[-1]}, the length of the signal, but got n_fft={n_fft}"
        )
    starts = np.arange(0, x.shape[-1] - n_fft + 1, hop)
    frames = x[..., starts[:, None] + np.arange(n_fft)] * shape
    norm: Any = "ortho" if normalized else None
    whole = input.dtype.kind == "c" or getattr(shape, "dtype", input.dtype).kind == "c"
    half = not whole if onesided is None else onesided
    found = np.fft.rfft(frames, axis=-1, norm=norm) if half else np.fft.fft(frames, axis=-1, norm=norm)
    found = np.swapaxes(found, -2, -1)
    kind = np.complex64 if input.dtype in (np.float32, np.complex64) else np.complex128
    found = found.astype(kind) if found.dtype != kind else found
    return np.stack([np.real(found), np.imag(found)], axis=-1) if return_complex is False else found


@faced
def istft(
    input: Any,
    n_fft: int,
    hop_length: int | None = None,
    win_length: int | None = None,
    window: Any = None,
    center: bool = True,
    normalized: bool = False,
    onesided: bool | None = None,
    length: int | None = None,
    return_complex: bool = False,
) -> Any:
    """Return the signal whose short-time transform this is, by least squares over the overlapping frames."""
    if input.dtype.kind != "c":
        raise RuntimeError(f"istft requires a complex-valued input tensor, but got {input.dtype}")
    hop = n_fft // 4 if hop_length is None else hop_length
    real = np.float32 if input.dtype == np.complex64 else np.float64
    shape = _window_of(window, win_length, n_fft, real)
    norm: Any = "ortho" if normalized else None
    rows = np.swapaxes(input, -2, -1)
    half = not return_complex if onesided is None else onesided
    frames = np.fft.irfft(rows, n_fft, -1, norm) if half else np.fft.ifft(rows, axis=-1, norm=norm)
    frames = frames if return_complex or frames.dtype.kind != "c" else np.real(frames)
    frames = frames.astype(input.dtype if return_complex else real) * shape
    count = frames.shape[-2]
    places = (np.arange(count)[:, None] * hop + np.arange(n_fft)).ravel()
    total = n_fft + hop * (count - 1)
    lead = frames.shape[:-2]
    summed = _add(np.zeros((*lead, total), frames.dtype), (..., places), np.reshape(frames, (*lead, count * n_fft)))
    weight = _add(np.zeros(total, real), (places,), np.tile(shape * shape, count))
    first = n_fft // 2 if center else 0
    last = first + length if length is not None else total - (n_fft // 2 if center else 0)
    kept = weight[first : min(last, total)]
    if kept.size and float(np.min(np.abs(plain(kept)))) < 1e-11:
        raise RuntimeError("istft: window overlap add min: 1 is zero somewhere; choose a smaller hop_length")
    found = summed[..., first : min(last, total)] / kept
    missing = 0 if length is None else last - min(last, total)
    return np.pad(found, [(0, 0)] * (found.ndim - 1) + [(0, missing)]) if missing > 0 else found
