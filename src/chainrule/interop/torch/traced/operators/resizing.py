"""ATen's resizing of images: axis by axis, as a product with a matrix of interpolation weights.

Source: the sampling positions are those of PyTorch's `interpolate`; the cubic weights are from Keys, "Cubic convolution
interpolation for digital image processing" (1981), with a = −0.75.
"""

# ATen's arguments, including those that do not apply here

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.interop.torch.traced.call import Call, carries
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.shape import broadcast_to, reshape, swapaxes

CUBIC = -0.75


def _sizes(x: Any, axes: int, output_size: Any, scales: Any) -> tuple[list[int], list[float]]:
    """Return the new lengths, and the steps in the old image per step in the new."""
    old = x.shape[-axes:]
    scales = list(scales) if scales and all(scale is not None for scale in scales) else None
    new = [int(n * s) for n, s in zip(old, scales, strict=True)] if output_size is None else list(output_size)
    if scales is None:
        return new, [n / m for n, m in zip(old, new, strict=True)]
    return new, [1 / scale for scale in scales]


def _arguments(call: Call, x: Any, axes: int, given: Sequence[Any]) -> tuple[list[int], list[float]]:
    """Return lengths and steps of `(output_size, scale_factors)`, or of `(output_size, scale, scale, …)`."""
    output_size, *rest = given
    scales = rest[0] if call.step.kind.endswith(".vec") and rest else rest
    return _sizes(x, axes, output_size, scales)


# Nearest


def _nearest(call: Call, x: Any, axes: int, offset: float, given: Sequence[Any]) -> Any:
    new, steps = _arguments(call, x, axes, given)
    for k, (m, step) in enumerate(zip(new, steps, strict=True)):
        axis = x.ndim - axes + k
        n = x.shape[axis]
        places = _nearest_places(m, n, step, offset)
        whole = m % n == 0 and np.array_equal(places, np.arange(m) // (m // n))
        x = _repeated(x, axis, m // n) if whole else take(x, places, axis=axis)
    return x


def _nearest_places(m: int, n: int, step: float, offset: float) -> Any:
    """Return the index of the old element for each new one; PyTorch computes it in float32."""
    if m in (n, 2 * n):
        return np.arange(m) // (m // n)
    places = (np.arange(m, dtype=np.float32) + np.float32(offset)) * np.float32(step)
    return np.minimum(np.floor(places).astype(np.int64), n - 1)


def _repeated(x: Any, axis: int, times: int) -> Any:
    """Return x with each element repeated along an axis: a broadcast view, whose gradient is a plain sum."""
    if times == 1:
        return x
    before, n, after = x.shape[:axis], x.shape[axis], x.shape[axis + 1 :]
    wide = broadcast_to(reshape(x, (*before, n, 1, *after)), (*before, n, times, *after))
    return reshape(wide, (*before, n * times, *after))


def _nearest_of(axes: int, offset: float) -> Callable[..., Any]:
    def carry_out(call: Call, x: Any, *given: Any) -> Any:
        return _nearest(call, x, axes, offset, given)

    return carry_out


for _axes in (1, 2, 3):
    carries(f"upsample_nearest{_axes}d")(_nearest_of(_axes, 0.0))
    carries(f"_upsample_nearest_exact{_axes}d")(_nearest_of(_axes, 0.5))


# Linear and cubic


def _places(m: int, n: int, step: float, aligned: bool) -> Any:
    """Return the positions of the new elements on the old axis."""
    if aligned:
        return np.arange(m) * ((n - 1) / (m - 1) if m > 1 else 0.0)
    return (np.arange(m) + 0.5) * step - 0.5


@functools.lru_cache(maxsize=64)
def linear_weights(n: int, m: int, step: float, aligned: bool) -> Any:
    """Return the weights `[n, m]` of n old elements in m new ones, for linear interpolation."""
    places = np.maximum(_places(m, n, step, aligned), 0)
    low = np.minimum(np.floor(places).astype(np.int64), n - 1)
    part = np.clip(places - low, 0, 1)
    weights = np.zeros((n, m))
    np.add.at(weights, (low, np.arange(m)), 1 - part)
    np.add.at(weights, (np.minimum(low + 1, n - 1), np.arange(m)), part)
    return weights


@functools.lru_cache(maxsize=64)
def cubic_weights(n: int, m: int, step: float, aligned: bool) -> Any:
    """Return the weights `[n, m]` of n old elements in m new ones, for cubic convolution."""
    places = _places(m, n, step, aligned)
    low = np.floor(places).astype(np.int64)
    weights = np.zeros((n, m))
    for k in range(-1, 3):
        apart = np.abs(places - (low + k))
        near = ((CUBIC + 2) * apart - (CUBIC + 3)) * apart**2 + 1
        far = CUBIC * (((apart - 5) * apart + 8) * apart - 4)
        np.add.at(weights, (np.clip(low + k, 0, n - 1), np.arange(m)), np.where(apart <= 1, near, far))
    return weights


def _interpolated(call: Call, x: Any, axes: int, weigh: Callable[..., Any], given: Sequence[Any]) -> Any:
    output_size, aligned, *rest = given
    new, steps = _arguments(call, x, axes, (output_size, *rest))
    for k, (m, step) in enumerate(zip(new, steps, strict=True)):
        back = axes - k  # counted from the last axis, which stays where it is
        if m == x.shape[-back] and (aligned or step == 1):
            continue
        weights = weigh(x.shape[-back], m, float(step), bool(aligned)).astype(x.dtype)
        x = x @ weights if back == 1 else swapaxes(swapaxes(x, -1, -back) @ weights, -1, -back)
    return x


def _interpolated_by(axes: int, weigh: Callable[..., Any]) -> Callable[..., Any]:
    def carry_out(call: Call, x: Any, *given: Any) -> Any:
        return _interpolated(call, x, axes, weigh, given)

    return carry_out


for _name, _axes in (("upsample_linear1d", 1), ("upsample_bilinear2d", 2), ("upsample_trilinear3d", 3)):
    carries(_name)(_interpolated_by(_axes, linear_weights))
carries("upsample_bicubic2d")(_interpolated_by(2, cubic_weights))
