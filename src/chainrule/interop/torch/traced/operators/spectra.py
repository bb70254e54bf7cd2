"""ATen's complex numbers and Fourier transforms, with chainrule's operations."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.interop.torch.traced.call import Call, arrayed, carries, cast, kind_of
from chainrule.rules.elementary.complex_parts import with_parts

FORWARD: tuple[Any, ...] = ("backward", "ortho", "forward")
INVERSE: tuple[Any, ...] = ("forward", "ortho", "backward")
"""NumPy's names for ATen's normalisations, none, by √n and by n, in each direction."""


@carries("_fft_c2c")
def fft_c2c(call: Call, x: Any, dim: Sequence[int], normalization: int, forward: bool) -> Any:
    """Return the transform of complex numbers, or its inverse."""
    transform: Any = np.fft.fftn if forward else np.fft.ifftn
    norm = (FORWARD if forward else INVERSE)[normalization]
    return cast(transform(x, axes=tuple(dim), norm=norm), call.dtype)


@carries("_fft_r2c")
def fft_r2c(call: Call, x: Any, dim: Sequence[int], normalization: int, onesided: bool) -> Any:
    """Return the transform of real numbers, or the half of it that says all."""
    transform: Any = np.fft.rfftn if onesided else np.fft.fftn
    return cast(transform(x, axes=tuple(dim), norm=FORWARD[normalization]), call.dtype)


@carries("_fft_c2r")
def fft_c2r(call: Call, x: Any, dim: Sequence[int], normalization: int, last_dim_size: int) -> Any:
    """Return the real numbers with this half of a spectrum."""
    lengths = [*(x.shape[k] for k in dim[:-1]), last_dim_size]
    return cast(np.fft.irfftn(x, lengths, axes=tuple(dim), norm=INVERSE[normalization]), call.dtype)


@carries("view_as_complex")
def view_as_complex(call: Call, x: Any) -> Any:
    """Return pairs of real numbers as complex ones."""
    return with_parts(x[..., 0], x[..., 1])


@carries("view_as_real")
def view_as_real(call: Call, x: Any) -> Any:
    """Return complex numbers as pairs of real ones."""
    return np.stack([np.real(x), np.imag(x)], axis=-1)


@carries("complex")
def complex_(call: Call, real: Any, imag: Any) -> Any:
    """Return complex numbers with these parts."""
    return with_parts(real, imag)


@carries("polar")
def polar(call: Call, size: Any, angle: Any) -> Any:
    """Return complex numbers with these sizes and angles."""
    return with_parts(size * np.cos(angle), size * np.sin(angle))


@carries("real")
def real(call: Call, x: Any) -> Any:
    """Return the real parts."""
    return np.real(x) if kind_of(x) == "c" else x


@carries("imag")
def imag(call: Call, x: Any) -> Any:
    """Return the imaginary parts."""
    return np.imag(x)


@carries("_conj", "conj_physical", "_conj_physical", "conj")
def conjugate(call: Call, x: Any) -> Any:
    """Return the conjugates; real numbers as they are."""
    return np.conjugate(x) if kind_of(x) == "c" else x


@carries("angle")
def angle(call: Call, x: Any) -> Any:
    """Return the angles: of real numbers 0 or π."""
    return cast(arrayed(np.angle(x)), call.dtype)


@carries("_neg_view")
def negative(call: Call, x: Any) -> Any:
    """Return −x, which PyTorch makes of the imaginary parts of conjugates."""
    return np.negative(x)
