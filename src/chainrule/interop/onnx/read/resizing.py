"""ONNX's operators that change the size of images.

Resize works axis by axis: a choice of elements, or a product with a matrix of interpolation weights.

Source: the positions, roundings and weights are those of the ONNX operator specification, Resize (opset 19).
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.interop.onnx.call import Call, reads
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.shape import reshape, swapaxes, transpose

KNOWN = (
    "mode coordinate_transformation_mode nearest_mode cubic_coeff_a exclude_outside antialias axes "
    "keep_aspect_ratio_policy extrapolation_value"
)
ROUNDED: dict[str, Callable[[Any], Any]] = {
    "round_prefer_floor": lambda p: np.ceil(p - np.float32(0.5)),
    "round_prefer_ceil": lambda p: np.floor(p + np.float32(0.5)),
    "floor": np.floor,
    "ceil": np.ceil,
}


@reads("Resize", attributes=KNOWN)
def resize(call: Call, x: Any, roi: Any = None, scales: Any = None, sizes: Any = None) -> Any:  # noqa: ARG001
    """Return x with other lengths of its axes, by its nearest elements, linear or cubic interpolation."""
    if call.get("antialias", 0):
        call.refuse("antialias: expected 0")
    if call.get("keep_aspect_ratio_policy", "stretch") != "stretch":
        call.refuse(f"keep_aspect_ratio_policy: expected 'stretch', got {call.get('keep_aspect_ratio_policy')!r}")
    axes = [int(a) % x.ndim for a in call.get("axes", range(x.ndim))]
    new, steps = _lengths(call, [x.shape[a] for a in axes], scales, sizes)
    full = list(x.shape)
    for axis, m in zip(axes, new, strict=True):
        full[axis] = m
    call.bounded(full)
    for axis, m, scale in zip(axes, new, steps, strict=True):
        if m != x.shape[axis] or scale != 1:
            x = _along(call, x, axis, m, scale)
    return x


def _lengths(call: Call, old: list[int], scales: Any, sizes: Any) -> tuple[list[int], list[float]]:
    """Return the new lengths, and how many new elements there are for an old one."""
    if sizes is not None and np.size(value_of(sizes)):
        new = call.known("sizes", sizes)
        return new, [m / n if n else 1.0 for m, n in zip(new, old, strict=True)]
    given = [] if scales is None else [float(s) for s in np.ravel(value_of(scales))]
    if len(given) != len(old):
        call.refuse(f"scales: expected {len(old)} numbers, one for each axis, got {len(given)}")
    return [int(np.floor(n * s)) for n, s in zip(old, given, strict=True)], given


def _along(call: Call, x: Any, axis: int, m: int, scale: float) -> Any:
    n, mode = x.shape[axis], call.get("mode", "nearest")
    places = _places(call, m, n, scale)
    if mode == "nearest":
        rounded = ROUNDED[call.get("nearest_mode", "round_prefer_floor")](places.astype(np.float32))
        return take(x, np.clip(rounded, 0, n - 1).astype(np.int64), axis=axis)
    weights = (_linear if mode == "linear" else _cubic)(call, places, n).astype(x.dtype)
    return swapaxes(swapaxes(x, -1, axis) @ weights, -1, axis)


def _places(call: Call, m: int, n: int, scale: float) -> Any:
    """Return the positions of the new elements on the old axis."""
    way, k = call.get("coordinate_transformation_mode", "half_pixel"), np.arange(m)
    if way == "align_corners":
        return k * ((n - 1) / (m - 1) if m > 1 else 0.0)
    if way == "asymmetric":
        return k / scale
    if way == "pytorch_half_pixel" and m == 1:
        return np.zeros(1)
    if way in ("half_pixel", "pytorch_half_pixel"):
        return (k + 0.5) / scale - 0.5
    if way != "half_pixel_symmetric":
        call.refuse(f"coordinate_transformation_mode: got {way!r}, expected one that keeps the whole input")
    return n / 2 * (1 - m / (scale * n)) + (k + 0.5) / scale - 0.5


def _linear(call: Call, places: Any, n: int) -> Any:  # noqa: ARG001
    """Return the weights `[n, m]` of n old elements in the new ones; the elements at the ends go on beyond them."""
    low = np.floor(places).astype(np.int64)
    weights = np.zeros((n, len(places)))
    for k in range(2):
        np.add.at(weights, (np.clip(low + k, 0, n - 1), np.arange(len(places))), 1 - np.abs(places - (low + k)))
    return weights


def _cubic(call: Call, places: Any, n: int) -> Any:
    """Return the weights of cubic convolution; with `exclude_outside`, of the elements that there are."""
    a, outside = call.get("cubic_coeff_a", -0.75), call.get("exclude_outside", 0)
    low = np.floor(places).astype(np.int64)
    weights = np.zeros((n, len(places)))
    for k in range(-1, 3):
        apart = np.abs(places - (low + k))
        near = ((a + 2) * apart - (a + 3)) * apart**2 + 1
        far = a * (((apart - 5) * apart + 8) * apart - 4)
        share = np.where(apart <= 1, near, far)
        if outside:
            share = np.where((low + k >= 0) & (low + k < n), share, 0.0)
        np.add.at(weights, (np.clip(low + k, 0, n - 1), np.arange(len(places))), share)
    return weights / weights.sum(0) if outside else weights


# Between channels and pixels


@reads("DepthToSpace", attributes="blocksize mode")
def depth_to_space(call: Call, x: Any) -> Any:
    """Return x with squares of pixels made of its channels."""
    n, channels, height, width = x.shape
    b, mode = _block(call, channels, call.get("blocksize") ** 2), call.get("mode", "DCR")
    parts, order = {
        "DCR": ((b, b, channels // b**2), (0, 3, 4, 1, 5, 2)),
        "CRD": ((channels // b**2, b, b), (0, 1, 4, 2, 5, 3)),
    }[mode]
    apart = transpose(reshape(x, (n, *parts, height, width)), order)
    return reshape(apart, (n, channels // b**2, height * b, width * b))


@reads("SpaceToDepth", attributes="blocksize")
def space_to_depth(call: Call, x: Any) -> Any:
    """Return x with channels made of its squares of pixels."""
    n, channels, height, width = x.shape
    b = _block(call, math.gcd(height, width), call.get("blocksize"))
    apart = transpose(reshape(x, (n, channels, height // b, b, width // b, b)), (0, 3, 5, 1, 2, 4))
    return reshape(apart, (n, channels * b**2, height // b, width // b))


def _block(call: Call, length: int, parts: int) -> int:
    """Return the size of a block; refuse one that does not divide what it is made of."""
    if parts < 1 or length % parts:
        call.refuse(f"blocksize {call.get('blocksize')}: expected {parts} to divide {length}")
    return int(call.get("blocksize"))
