r"""Discrete cosine and sine transforms of types 1 to 4, with SciPy's names, norms and signs.

Each is a Fourier transform of a rearranged signal (J. Makhoul, "A fast cosine transform in one and two dimensions",
IEEE Transactions on Acoustics, Speech, and Signal Processing 28, 1980), so its derivative is that of `np.fft`. A sine
transform is a cosine transform of the signal with alternating signs, or in reverse.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.shape import astype
from chainrule.rules.elementary.complex_parts import imag, is_complex, real, with_parts

from .names import fft, ifft, rfft
from .transforms import resized

INVERSE = {1: 1, 2: 3, 3: 2, 4: 4}
"""The type that undoes each type, up to a factor."""


def _turns(n: int, steps: int, like: Array, first: float = 0.0) -> Array:
    r"""Return $e^{-\pi \mathrm{i} (k + first) / steps}$ for k below n, in the precision of real numbers."""
    angles = np.pi * (np.arange(n) + first) / steps
    return np.exp(-1j * angles).astype(np.result_type(like.dtype, np.complex64))


def _cosine_1(x: Array) -> Array:
    if x.shape[-1] < 2:
        raise ValueError(f"dct: got {x.shape[-1]} points, expected 2 or more for type 1")
    return real(rfft(np.concatenate([x, x[..., -2:0:-1]], axis=-1)))


def _cosine_2(x: Array) -> Array:
    n = x.shape[-1]
    spectrum = fft(np.concatenate([x[..., ::2], x[..., 1::2][..., ::-1]], axis=-1))
    return 2 * real(spectrum * _turns(n, 2 * n, x))


def _cosine_3(x: Array) -> Array:
    n = x.shape[-1]
    reverse = np.concatenate([np.zeros((*x.shape[:-1], 1), x.dtype), x[..., :0:-1]], axis=-1)
    v = n * real(ifft((x - 1j * reverse) * np.conj(_turns(n, 2 * n, x))))
    order = np.empty(n, int)  # where each element of the rearranged signal was
    order[::2], order[1::2] = np.arange((n + 1) // 2), np.arange(n - 1, (n - 1) // 2, -1)
    return v[..., order]


def _cosine_4(x: Array) -> Array:
    n = x.shape[-1]
    spectrum = fft(x * _turns(n, 2 * n, x), 2 * n)[..., :n]
    return 2 * real(spectrum * _turns(n, 2 * n, x, 0.5))


def _signs(x: Array) -> Array:
    return np.where(np.arange(x.shape[-1]) % 2, -1, 1).astype(x.dtype)


def _sine_1(x: Array) -> Array:
    zero = np.zeros((*x.shape[:-1], 1), x.dtype)
    return -imag(rfft(np.concatenate([zero, x, zero, -x[..., ::-1]], axis=-1)))[..., 1:-1]


def _sine_2(x: Array) -> Array:
    return _cosine_2(x * _signs(x))[..., ::-1]


def _sine_3(x: Array) -> Array:
    return _cosine_3(x[..., ::-1]) * _signs(x)


def _sine_4(x: Array) -> Array:
    return _cosine_4(x[..., ::-1]) * _signs(x)


COSINES = {1: _cosine_1, 2: _cosine_2, 3: _cosine_3, 4: _cosine_4}
SINES = {1: _sine_1, 2: _sine_2, 3: _sine_3, 4: _sine_4}


def _edges(x: Array, places: Sequence[int], factor: float) -> Array:
    """Return `x` with some elements of its last axis scaled."""
    weights = np.ones(x.shape[-1], x.dtype)
    weights[list(places)] = factor
    return x * weights


def _transform(
    name: str, x: Array, kind: int, n: int | None, axis: int, norm: Any, orthogonalize: bool | None
) -> Array:
    table = COSINES if name.endswith("ct") else SINES
    if kind not in table:
        raise ValueError(f"{name}: got type={kind!r}, expected 1, 2, 3 or 4")
    if norm not in (None, "backward", "ortho", "forward"):
        raise ValueError(f"{name}: got norm={norm!r}, expected 'backward', 'ortho' or 'forward'")
    inverse = name.startswith("i")
    kind = INVERSE[kind] if inverse else kind
    x = np.moveaxis(arrayed(x), axis, -1)
    if x.dtype.kind not in "fc":
        x = astype(x, np.float64)
    x = resized(x, x.shape[-1] if n is None else n, -1)
    points = 2 * (x.shape[-1] + {COSINES[1]: -1, SINES[1]: 1}.get(table[kind], 0))
    y = _both_parts(
        _orthogonal(table, kind) if orthogonalize or (orthogonalize is None and norm == "ortho") else table[kind], x
    )
    undone = (norm in (None, "backward")) if inverse else norm == "forward"
    factor = 1 / math.sqrt(points) if norm == "ortho" else 1 / points if undone else 1
    return np.moveaxis(y * factor if factor != 1 else y, -1, axis)


def _orthogonal(table: Any, kind: int) -> Callable[[Array], Array]:
    """Return the transform whose matrix is orthogonal, up to one factor."""
    ends = {1: (0, -1), 2: (0,), 3: (0,)} if table is COSINES else {2: (-1,), 3: (-1,)}
    places = ends.get(kind, ())

    def transform(x: Array) -> Array:
        y = table[kind](_edges(x, places, math.sqrt(2)) if kind in (1, 3) else x)
        return _edges(y, places, math.sqrt(0.5)) if kind in (1, 2) else y

    return transform


def _both_parts(f: Callable[[Array], Array], x: Array) -> Array:
    """Apply a real linear map to real numbers, or to both parts of complex ones."""
    return with_parts(f(real(x)), f(imag(x))) if is_complex(x) else f(x)


def _one_axis(name: str) -> Callable[..., Array]:
    def transform(
        x: Array,
        type: int = 2,
        n: int | None = None,
        axis: int = -1,
        norm: Any = None,
        overwrite_x: bool = False,  # noqa: ARG001
        workers: int | None = None,  # noqa: ARG001
        orthogonalize: bool | None = None,
    ) -> Array:
        return _transform(name, x, type, n, axis, norm, orthogonalize)

    return _documented(transform, name, "along `axis`, cut or padded with zeros to `n` points first")


def _all_axes(name: str) -> Callable[..., Array]:
    def transform(
        x: Array,
        type: int = 2,
        s: Sequence[int] | None = None,
        axes: Any = None,
        norm: Any = None,
        overwrite_x: bool = False,  # noqa: ARG001
        workers: int | None = None,  # noqa: ARG001
        *,
        orthogonalize: bool | None = None,
    ) -> Array:
        x = arrayed(x)
        chosen = [axes] if isinstance(axes, int) else range(x.ndim) if axes is None else axes
        lengths = [None] * len(chosen) if s is None else [s] if isinstance(s, int) else list(s)
        if len(lengths) != len(chosen):
            raise ValueError(f"{name}n: got {len(lengths)} lengths s={s} for the axes {tuple(chosen)}")
        for axis, n in zip(chosen, lengths, strict=True):
            x = _transform(name, x, type, n, axis, norm, orthogonalize)
        return x

    return _documented(transform, f"{name}n", "along `axes` (all), cut or padded with zeros to the lengths `s` first")


def _documented(function: Callable[..., Array], name: str, where: str) -> Callable[..., Array]:
    what = f"{'inverse ' * name.startswith('i')}{'cosine' if 'c' in name else 'sine'} transform"
    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the discrete {what} of type 1 to 4 {where}; arguments as in SciPy."
    return function


dct, idct, dst, idst = map(_one_axis, ("dct", "idct", "dst", "idst"))
dctn, idctn, dstn, idstn = map(_all_axes, ("dct", "idct", "dst", "idst"))
