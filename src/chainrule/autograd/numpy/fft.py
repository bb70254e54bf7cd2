"""autograd.numpy.fft: NumPy's Fourier transforms, differentiable."""

from typing import Any

from chainrule.numpy import fft as _fft


def __getattr__(name: str) -> Any:
    return getattr(_fft, name)


def __dir__() -> list[str]:
    return dir(_fft)
