"""Padding and resizing of images, and sampling at the places of a grid."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from chainrule.nn import functional
from chainrule.rules.elementary.compare import stop_gradient

from ...dtypes import cast
from ...face import faced

CUBIC = -0.75
"""The parameter of cubic convolution, as PyTorch has it (R. Keys, 1981, has -1/2)."""


@faced
def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return the input with margins, given as (left, right, top, bottom, …) from the last axis on."""
    if len(pad) % 2 or len(pad) > 2 * input.ndim:
        raise RuntimeError(
            f"pad: expected two widths for each of at most {input.ndim} axes, got {len(pad)}: "
            f"Padding length must be divisible by 2"
        )
    widths = [(0, 0)] * input.ndim
    for k in range(len(pad) // 2):
        widths[-1 - k] = (int(pad[2 * k]), int(pad[2 * k + 1]))
    if mode == "replicate":
        return _replicated(input, widths)
    cut = tuple(slice(max(-a, 0), n - max(-b, 0)) for (a, b), n in zip(widths, input.shape, strict=True))
    x = input[cut] if any(min(pair) < 0 for pair in widths) else input
    widths = [(max(a, 0), max(b, 0)) for a, b in widths]
    if mode == "constant":
        return np.pad(x, widths, constant_values=0 if value is None else value) if x.ndim else x
    if not x.size:
        shape = tuple(n + a + b for n, (a, b) in zip(x.shape, widths, strict=True))
        return np.zeros(shape, x.dtype) + np.sum(x)
    for axis, (a, b) in enumerate(widths):
        if a or b:
            n = x.shape[axis]
            places = np.arange(-a, n + b)
            if mode == "reflect":
                if max(a, b) >= n:
                    raise RuntimeError(
                        f"Padding size should be less than the corresponding input dimension, got {a}, {b}"
                    )
                places = np.abs(places)
                places = np.where(places >= n, 2 * (n - 1) - places, places)
            elif mode == "circular":
                places = places % n
            else:
                raise RuntimeError(f"pad: got mode={mode!r}, expected 'constant', 'reflect', 'replicate' or 'circular'")
            x = np.take(x, places, axis=axis)
    return x


def _replicated(x: Any, widths: list[tuple[int, int]]) -> Any:
    """Return the input with margins of its outermost elements; a negative margin cuts, and may leave only margin."""
    for axis, (a, b) in enumerate(widths):
        if a or b:
            n = x.shape[axis]
            if not n:
                raise RuntimeError(f"pad: Expected an axis with elements to replicate, got shape {list(x.shape)}")
            x = np.take(x, np.clip(np.arange(-a, n + b), 0, n - 1), axis=axis)
    return x


def _along(x: Any, matrix: Any, axis: int) -> Any:
    """Return an axis multiplied by a matrix of interpolation weights."""
    return np.moveaxis(np.matmul(np.moveaxis(x, axis, -1), matrix.T.astype(x.dtype)), -1, axis)


def _weights(n: int, m: int, scale: float | None, mode: str, align_corners: bool) -> Any:
    """Return the matrix [m, n] that interpolates n points at m places."""
    step = (n - 1) / max(m - 1, 1) if align_corners else (1 / scale if scale else n / m)
    k = np.arange(m)
    at = k * step if align_corners else (k + 0.5) * step - 0.5
    if mode == "cubic":
        low = np.floor(at).astype(int)
        found = np.zeros((m, n))
        for j in range(-1, 3):
            d, a = np.abs(at - (low + j)), -0.75
            weight = np.where(
                d <= 1, (a + 2) * d**3 - (a + 3) * d**2 + 1, np.where(d < 2, a * (d**3 - 5 * d**2 + 8 * d - 4), 0)
            )
            np.add.at(found, (k, np.clip(low + j, 0, n - 1)), weight)
        return found
    at = np.maximum(at, 0)
    low = np.minimum(np.floor(at).astype(int), n - 1)
    high, part = np.minimum(low + 1, n - 1), at - low
    found = np.zeros((m, n))
    np.add.at(found, (k, low), 1 - part)
    np.add.at(found, (k, high), part)
    return found


@faced
def interpolate(
    input: Any,
    size: Any = None,
    scale_factor: Any = None,
    mode: str = "nearest",
    align_corners: bool | None = None,
    recompute_scale_factor: bool | None = None,
    antialias: bool = False,
) -> Any:
    """Return images of another size: by nearest elements, linear or cubic interpolation, or means of areas."""
    if antialias:
        raise RuntimeError("interpolate: antialias=True is not offered; smooth with avg_pool2d first")
    if not 3 <= input.ndim <= 5:
        raise RuntimeError(f"interpolate: expected [B, C, …] with 1 to 3 axes of space, got shape {list(input.shape)}")
    if (size is None) == (scale_factor is None):
        raise ValueError(f"interpolate: expected either size or scale_factor, got {size} and {scale_factor}")
    if align_corners is not None and mode in ("nearest", "nearest-exact", "area"):
        raise ValueError(f"interpolate: got align_corners={align_corners}, which mode={mode!r} does not have")
    axes = input.ndim - 2
    space = input.shape[2:]
    if size is not None:
        sizes = tuple(map(int, size)) if isinstance(size, tuple | list) else (int(size),) * axes
        scales: list[Any] = [None] * axes
    else:
        scales = list(scale_factor) if isinstance(scale_factor, tuple | list) else [scale_factor] * axes
        sizes = tuple(math.floor(n * s) for n, s in zip(space, scales, strict=True))
        scales = [None] * axes if recompute_scale_factor else scales
    if mode == "area":
        pool: Any = [functional.adaptive_avg_pool1d, functional.adaptive_avg_pool2d, functional.adaptive_avg_pool3d]
        return pool[axes - 1](input, sizes if axes > 1 else sizes[0])
    y = input
    for k, (n, m, scale) in enumerate(zip(space, sizes, scales, strict=True)):
        if mode in ("nearest", "nearest-exact"):
            step = 1 / scale if scale else n / m
            places = np.floor((np.arange(m) + 0.5 * (mode == "nearest-exact")) * step).astype(int)
            y = np.take(y, np.minimum(places, n - 1), axis=k + 2)
        elif mode in ("linear", "bilinear", "trilinear", "bicubic"):
            kind = "cubic" if mode == "bicubic" else "linear"
            y = _along(y, _weights(n, m, scale, kind, bool(align_corners)), k + 2)
        else:
            raise RuntimeError(f"interpolate: got mode={mode!r}, which PyTorch does not have either")
    return y


def upsample(
    input: Any, size: Any = None, scale_factor: Any = None, mode: str = "nearest", align_corners: Any = None
) -> Any:
    """Return larger images; `interpolate` is its newer name."""
    return interpolate(input, size, scale_factor, mode, align_corners)


def upsample_nearest(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Return larger images by nearest elements."""
    return interpolate(input, size, scale_factor, "nearest")


def upsample_bilinear(input: Any, size: Any = None, scale_factor: Any = None) -> Any:
    """Return larger images by linear interpolation, with the corners kept."""
    return interpolate(input, size, scale_factor, "bilinear", align_corners=True)


@faced
def grid_sample(
    input: Any, grid: Any, mode: str = "bilinear", padding_mode: str = "zeros", align_corners: bool | None = None
) -> Any:
    """Return images sampled at the places of a grid, with coordinates from -1 to 1."""
    if mode not in _REACH:
        raise RuntimeError(f"grid_sample: got mode={mode!r}, expected 'bilinear', 'nearest' or 'bicubic'")
    axes = input.ndim - 2
    if mode == "bicubic" and axes != 2:
        raise RuntimeError(f"grid_sample: got images of {axes} axes, expected 2 for mode='bicubic'; use 'bilinear'")
    space = input.shape[2:]
    margins = [_Margin(n, padding_mode, bool(align_corners)) for n in space]
    places = []
    for k in range(axes):
        n, g = space[axes - 1 - k], grid[..., k]
        at = (g + 1) / 2 * (n - 1) if align_corners else ((g + 1) * n - 1) / 2
        # Cubic weights are those of the place itself: what is put inside are the elements around it.
        places.append(at if mode == "bicubic" else margins[axes - 1 - k].inside(at))
    return _sampled(input, places[::-1], margins, mode)


class _Margin(NamedTuple):
    """What stands for the elements beside `n` of them."""

    n: int
    padding_mode: str
    align_corners: bool

    def inside(self, at: Any) -> Any:
        """Return places moved inside as the mode says."""
        n = self.n
        if self.padding_mode == "reflection":
            low, high = (0.0, n - 1.0) if self.align_corners else (-0.5, n - 0.5)
            span = high - low
            if span == 0:
                return at * 0
            away = np.absolute(at - low)
            turns = stop_gradient(np.floor(away / span))
            extra = away - turns * span
            at = np.where(np.equal(turns % 2, 0), extra + low, high - extra)
        if self.padding_mode in ("border", "reflection"):
            values = stop_gradient(at)
            return np.where((values > 0) & (values < n - 1), at, stop_gradient(np.clip(at, 0, n - 1)))
        return at


_REACH = {"nearest": (0,), "bilinear": (0, 1), "bicubic": (-1, 0, 1, 2)}
"""The elements that a sample is made of, counted from the one below its place; the nearest is the nearest."""


def _shares(part: Any, mode: str) -> list[Any]:
    """Return the weight of each of these elements at a fraction of the way to the next one."""
    if mode == "bilinear":
        return [1 - part, part]
    apart = [part + 1, part, 1 - part, 2 - part]
    near = [((CUBIC + 2) * d - (CUBIC + 3)) * d * d + 1 for d in apart[1:3]]
    far = [((CUBIC * d - 5 * CUBIC) * d + 8 * CUBIC) * d - 4 * CUBIC for d in apart[::3]]
    return [far[0], *near, far[1]]


def _sampled(x: Any, places: Sequence[Any], margins: Sequence[_Margin], mode: str) -> Any:
    """Return elements of `x [B, C, …]` at fractional places, zero outside."""
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * (places[0].ndim - 1))
    channels_last = np.moveaxis(x, 1, -1)
    lows = [stop_gradient(np.round(at) if mode == "nearest" else np.floor(at)) for at in places]
    weights = [[1.0] if mode == "nearest" else _shares(at - low, mode) for at, low in zip(places, lows, strict=True)]
    total: Any = 0
    for corner in np.ndindex(*[len(_REACH[mode])] * len(places)):
        weight, inside, index = 1.0, np.True_, []
        for k, (low, margin) in enumerate(zip(lows, margins, strict=True)):
            place = low + _REACH[mode][corner[k]]
            place = (margin.inside(place) if mode == "bicubic" else place).astype(int)
            weight = weight * weights[k][corner[k]]
            inside = inside & (place >= 0) & (place < margin.n)
            index.append(np.clip(place, 0, margin.n - 1))
        picked = channels_last[(batch, *index)]
        factor = cast(inside, x.dtype) if mode == "nearest" else np.where(inside, weight, np.zeros((), x.dtype))
        total = total + picked * factor[..., None]
    return np.moveaxis(total, -1, 1)


@faced
def affine_grid(theta: Any, size: Any, align_corners: bool | None = None) -> Any:
    """Return the grid of an affine map, for `grid_sample`."""
    space = tuple(size)[2:]
    lines = [np.linspace(-1, 1, n) if align_corners and n > 1 else (2 * np.arange(n) + 1) / n - 1 for n in space]
    mesh = np.meshgrid(*lines, indexing="ij")[::-1]
    points = np.stack([*mesh, np.ones(space)], axis=-1).astype(theta.dtype)
    flat = np.matmul(points.reshape(-1, len(space) + 1), np.swapaxes(theta, 1, 2))
    return np.reshape(flat, (theta.shape[0], *space, len(space)))
