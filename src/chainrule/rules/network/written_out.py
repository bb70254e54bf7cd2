"""Convolution and pooling written out, one tap of the kernel after another, as in their formulas.

Plain NumPy that follows the formulas and shares no code with the rules: proofs and derivations verify the rules by it.
Positions of the kernel, and its taps, are flattened into one axis each.
"""

import itertools
from typing import Any

import numpy as np

from chainrule.core.operation import Array

Shape = tuple[int, ...]


def under(x: Array, windows: Any, padding: float = 0.0) -> Array:
    """Return what lies under each tap at each position: `[…, taps, positions]`."""
    front = [(0, 0)] * (x.ndim - windows.axes)
    full = np.pad(x, [*front, *windows.padding], constant_values=padding)
    size = full.shape[-windows.axes :]
    spans = [d * (k - 1) + 1 for k, d in zip(windows.kernel, windows.dilation, strict=True)]
    out = [(n - span) // s + 1 for n, span, s in zip(size, spans, windows.stride, strict=True)]
    taps = []
    for tap in itertools.product(*map(range, windows.kernel)):
        rows = [d * k + s * np.arange(n) for k, s, d, n in zip(tap, windows.stride, windows.dilation, out, strict=True)]
        taps.append(full[(..., *np.ix_(*rows))].reshape(*full.shape[: -windows.axes], -1))
    return np.stack(taps, axis=-2)


def scattered(parts: Array, shape: Shape, windows: Any) -> Array:
    """Add what each tap at each position holds, `[…, taps, positions]`, to the element that it lies over."""
    size = shape[len(shape) - windows.axes :]
    places = under(np.arange(1.0, np.prod(size) + 1).reshape(size), windows).astype(int).reshape(-1)
    rows = parts.reshape(-1, places.size)
    total = np.zeros((len(rows), int(np.prod(size)) + 1), np.result_type(rows, np.float64))
    np.add.at(total.T, places, rows.T)  # place 0 is padding
    return total[:, 1:].reshape(shape)


def flat(y: Array) -> Array:
    """Return `[n, o, …]` with all positions along one axis."""
    return y.reshape(*y.shape[:2], -1)


def convolved(x: Array, w: Array, windows: Any, groups: int) -> Array:
    """Return the sum over input channels and taps, `[n, o, positions]`."""
    found = np.einsum("ngmki,gomk->ngoi", _inside(x, windows, groups), _kernels(w, groups))
    return found.reshape(len(x), len(w), -1)


def weight_adjoint(y_bar: Array, x: Array, shape: Shape, windows: Any, groups: int) -> Array:
    """Return the sum over samples and positions: the cotangent of kernels of this shape."""
    found = np.einsum("ngmki,ngoi->gomk", _inside(x, windows, groups), _outside(y_bar, groups))
    return found.reshape(shape)


def input_adjoint(y_bar: Array, w: Array, shape: Shape, windows: Any, groups: int) -> Array:
    """Return the sum over the windows that contain each element: the cotangent of images of this shape."""
    parts = np.einsum("ngoi,gomk->ngmki", _outside(y_bar, groups), _kernels(w, groups))
    return scattered(parts.reshape(*shape[:2], *parts.shape[-2:]), shape, windows)


def _inside(x: Array, windows: Any, groups: int) -> Array:
    below = under(x, windows)
    return below.reshape(len(below), groups, -1, *below.shape[2:])


def _outside(y: Array, groups: int) -> Array:
    y = flat(y)
    return y.reshape(len(y), groups, -1, y.shape[-1])


def _kernels(w: Array, groups: int) -> Array:
    return w.reshape(groups, len(w) // groups, w.shape[1], -1)
