"""NumPy's names for Fourier transforms: along one axis, two or several; of Hermitian signals; shifts."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Operation
from chainrule.rules.arrays.arrange import roll
from chainrule.rules.arrays.reduce import arrayed, refuse
from chainrule.rules.elementary.complex_parts import conjugated

from .transforms import OPPOSITE, Fft, Ifft, Irfft, Rfft

Axes = Sequence[int] | None


def _along(op: type[Operation], name: str, x: Array, n: int | None, axis: int, norm: Any) -> Array:
    x = arrayed(x)
    if norm not in OPPOSITE:
        raise ValueError(f"{name}: got norm={norm!r}, expected 'backward', 'ortho' or 'forward'")
    if n is not None and n < 1:
        raise ValueError(f"{name}: got n={n}, expected 1 or more points")
    axis = normalize_axis_index(axis, x.ndim, name) - x.ndim
    return op.apply(x, n=None if n is None else int(n), axis=axis, norm=norm)


def _one_axis(op: type[Operation], name: str, what: str) -> Callable[..., Array]:
    def transform(a: Array, n: int | None = None, axis: int = -1, norm: Any = None, out: Array = None) -> Array:
        refuse(name, out=out)
        return _along(op, name, a, n, axis, norm)

    return _documented(transform, name, f"{what} along `axis`, cut or padded with zeros to `n` points first.")


def _documented(function: Callable[..., Array], name: str, text: str) -> Callable[..., Array]:
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return {text}"
    return implements(getattr(np.fft, name))(function)


fft = _one_axis(Fft, "fft", "the discrete Fourier transform")
ifft = _one_axis(Ifft, "ifft", "the inverse discrete Fourier transform")
rfft = _one_axis(Rfft, "rfft", "the non-negative half of the discrete Fourier transform of a real array")


@implements(np.fft.irfft)
def irfft(a: Array, n: int | None = None, axis: int = -1, norm: Any = None, out: Array = None) -> Array:
    """Return the `n` real samples along `axis` that have the half spectrum `a`; by default an even number.

    >>> irfft(np.array([6.0, -2.0])).tolist()
    [2.0, 4.0]
    """
    refuse("irfft", out=out)
    a = arrayed(a)
    points = 2 * (a.shape[axis] - 1) if n is None and a.ndim else n
    return _along(Irfft, "irfft", a, points, axis, norm)


@implements(np.fft.hfft)
def hfft(a: Array, n: int | None = None, axis: int = -1, norm: Any = None, out: Array = None) -> Array:
    """Return the real spectrum along `axis` of a signal with Hermitian symmetry, given its half `a`."""
    refuse("hfft", out=out)
    return irfft(conjugated(arrayed(a)), n, axis, _opposite("hfft", norm))


@implements(np.fft.ihfft)
def ihfft(a: Array, n: int | None = None, axis: int = -1, norm: Any = None, out: Array = None) -> Array:
    """Return the half along `axis` of the signal with Hermitian symmetry that has the real spectrum `a`."""
    refuse("ihfft", out=out)
    return conjugated(rfft(a, n, axis, _opposite("ihfft", norm)))


def _opposite(name: str, norm: Any) -> str:
    if norm not in OPPOSITE:
        raise ValueError(f"{name}: got norm={norm!r}, expected 'backward', 'ortho' or 'forward'")
    return OPPOSITE[norm]


def _points(name: str, x: Array, s: Sequence[int] | None, axes: Axes) -> list[tuple[int, int | None]]:
    """Return the axes to transform, and the number of points along each, or None for as many as there are."""
    if s is None:
        chosen = range(x.ndim) if axes is None else axes
        return [(axis, None) for axis in chosen]
    chosen = range(-len(s), 0) if axes is None else axes
    if len(chosen) != len(s):
        raise ValueError(
            f"{name}: got {len(s)} lengths s={tuple(s)} for the axes {tuple(chosen)}, expected one for each"
        )
    return [(axis, x.shape[axis] if n == -1 else n) for axis, n in zip(chosen, s, strict=True)]


def fftn(a: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: Any = None, out: Array = None) -> Array:
    """Return the discrete Fourier transform along `axes` (all), cut or padded to the lengths `s` first."""
    return _complex_over(fft, "fftn", a, s, axes, norm, out)


def ifftn(a: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: Any = None, out: Array = None) -> Array:
    """Return the inverse of `fftn`."""
    return _complex_over(ifft, "ifftn", a, s, axes, norm, out)


def _complex_over(
    one: Callable[..., Array], name: str, a: Array, s: Sequence[int] | None, axes: Axes, norm: Any, out: Array
) -> Array:
    refuse(name, out=out)
    x = arrayed(a)
    for axis, n in reversed(_points(name, x, s, axes)):
        x = one(x, n, axis, norm)
    return x


def rfftn(a: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: Any = None, out: Array = None) -> Array:
    """Return the transform of a real array along `axes` (all): half of it along the last, all along the others."""
    refuse("rfftn", out=out)
    x = arrayed(a)
    points = _points("rfftn", x, s, axes)
    axis, n = _last("rfftn", points)
    x = rfft(x, n, axis, norm)
    for axis, n in reversed(points[:-1]):
        x = fft(x, n, axis, norm)
    return x


def irfftn(a: Array, s: Sequence[int] | None = None, axes: Axes = None, norm: Any = None, out: Array = None) -> Array:
    """Return the inverse of `rfftn`; `s` gives the number of points, which is even along the last axis by default."""
    refuse("irfftn", out=out)
    x = arrayed(a)
    points = _points("irfftn", x, s, axes)
    last, n_last = _last("irfftn", points)
    if s is not None and list(s)[-1] == -1:
        n_last = None
    for axis, n in points[:-1]:
        x = ifft(x, n, axis, norm)
    return irfft(x, n_last, last, norm)


def _last(name: str, points: Sequence[tuple[int, int | None]]) -> tuple[int, int | None]:
    if not points:
        raise ValueError(f"{name}: got no axes, expected one or more")
    return points[-1]


def _over_two(over_all: Callable[..., Array], name: str, what: str) -> Callable[..., Array]:
    def transform(
        a: Array, s: Sequence[int] | None = None, axes: Axes = (-2, -1), norm: Any = None, out: Array = None
    ) -> Array:
        refuse(name, out=out)
        return over_all(a, s, axes, norm)

    return _documented(transform, name, f"`{what}` over the last two axes, or over the two in `axes`.")


for _function in (fftn, ifftn, rfftn, irfftn):
    implements(getattr(np.fft, _function.__name__))(_function)
fft2 = _over_two(fftn, "fft2", "fftn")
ifft2 = _over_two(ifftn, "ifft2", "ifftn")
rfft2 = _over_two(rfftn, "rfft2", "rfftn")
irfft2 = _over_two(irfftn, "irfft2", "irfftn")


def _halves(x: Array, axes: Any, up: bool) -> tuple[tuple[int, ...], tuple[int, ...]]:
    axes = tuple(range(x.ndim)) if axes is None else normalize_axis_tuple(axes, x.ndim)
    return tuple(x.shape[k] // 2 if up else -(x.shape[k] // 2) for k in axes), axes


@implements(np.fft.fftshift)
def fftshift(x: Array, axes: Any = None) -> Array:
    """Return `x` with the zero-frequency element in the middle of each of `axes`."""
    x = arrayed(x)
    return roll(x, *_halves(x, axes, True))


@implements(np.fft.ifftshift)
def ifftshift(x: Array, axes: Any = None) -> Array:
    """Undo `fftshift`."""
    x = arrayed(x)
    return roll(x, *_halves(x, axes, False))
