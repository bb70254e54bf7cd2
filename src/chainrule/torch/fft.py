"""`torch.fft`: Fourier transforms."""

from typing import Any

import numpy as np

from .creation import finished
from .dtypes import default, floating, numpy_dtype
from .face import faced
from .missing import lacking as _lacking


def _of_axis(name: str) -> Any:
    operation = getattr(np.fft, name)

    def transform(input: Any, n: int | None = None, dim: int = -1, norm: str | None = None) -> Any:
        return operation(floating(input), n, dim, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"Return the transform `{name}` along an axis, cut or padded to n elements."
    return faced(transform)


def _of_axes(name: str, usual: Any) -> Any:
    operation = getattr(np.fft, name)

    def transform(input: Any, s: Any = None, dim: Any = usual, norm: str | None = None) -> Any:
        axes = (dim,) if isinstance(dim, int) else None if dim is None else tuple(dim)
        lengths = (s,) if isinstance(s, int) else None if s is None else tuple(s)
        if lengths is not None and axes is None:
            axes = tuple(range(-len(lengths), 0))
        if lengths is not None:
            lengths = tuple(_whole(name, input, lengths, axes))
        return operation(floating(input), lengths, axes, norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = f"Return the transform `{name}` along axes, cut or padded to the lengths s."
    return faced(transform)


def _whole(name: str, x: Any, lengths: Any, axes: Any) -> Any:
    """Yield lengths with -1 replaced by that of the input."""
    for k, (n, axis) in enumerate(zip(lengths, axes, strict=True)):
        halved = name.startswith("irfft") and k == len(lengths) - 1
        yield n if n != -1 else 2 * (x.shape[axis] - 1) if halved else x.shape[axis]


fft, ifft, rfft = _of_axis("fft"), _of_axis("ifft"), _of_axis("rfft")
irfft, hfft, ihfft = _of_axis("irfft"), _of_axis("hfft"), _of_axis("ihfft")
fft2, ifft2 = _of_axes("fft2", (-2, -1)), _of_axes("ifft2", (-2, -1))
rfft2, irfft2 = _of_axes("rfft2", (-2, -1)), _of_axes("irfft2", (-2, -1))
fftn, ifftn, rfftn, irfftn = (_of_axes(name, None) for name in ("fftn", "ifftn", "rfftn", "irfftn"))


def _hermitian(name: str, inverse: bool, usual: Any) -> Any:
    last, others = (np.fft.ihfft, np.fft.ifftn) if inverse else (np.fft.hfft, np.fft.fftn)

    def transform(input: Any, s: Any = None, dim: Any = usual, norm: Any = None) -> Any:
        count = input.ndim if s is None else 1 if isinstance(s, int) else len(s)
        axes = tuple(range(-count, 0)) if dim is None else (dim,) if isinstance(dim, int) else tuple(dim)
        lengths = (None,) * len(axes) if s is None else (s,) if isinstance(s, int) else tuple(s)
        lengths = tuple(None if n == -1 else n for n in lengths)
        x = floating(input)
        if inverse:
            x = last(x, lengths[-1], axes[-1], norm)
        if axes[:-1]:
            sizes = [x.shape[a] if n is None else n for n, a in zip(lengths[:-1], axes[:-1], strict=True)]
            x = others(x, sizes, axes[:-1], norm)
        return x if inverse else last(x, lengths[-1], axes[-1], norm)

    transform.__name__ = transform.__qualname__ = name
    transform.__doc__ = (
        f"Return the transform `{name}` along axes: of a signal that is Hermitian, to or from real numbers."
    )
    return faced(transform)


hfft2, ihfft2 = _hermitian("hfft2", False, (-2, -1)), _hermitian("ihfft2", True, (-2, -1))
hfftn, ihfftn = _hermitian("hfftn", False, None), _hermitian("ihfftn", True, None)


@faced
def fftshift(input: Any, dim: Any = None) -> Any:
    """Return the frequencies with zero in the middle."""
    return np.fft.fftshift(input, None if dim is None else dim if isinstance(dim, int) else tuple(dim))


@faced
def ifftshift(input: Any, dim: Any = None) -> Any:
    """Return the frequencies with zero first."""
    return np.fft.ifftshift(input, None if dim is None else dim if isinstance(dim, int) else tuple(dim))


def fftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **_: Any) -> Any:
    """Return the frequencies of `fft`."""
    return finished(np.fft.fftfreq(n, d).astype(numpy_dtype(dtype) or default.floating.numpy))


def rfftfreq(n: int, d: float = 1.0, *, dtype: Any = None, **_: Any) -> Any:
    """Return the frequencies of `rfft`."""
    return finished(np.fft.rfftfreq(n, d).astype(numpy_dtype(dtype) or default.floating.numpy))


__getattr__ = _lacking(__name__)
