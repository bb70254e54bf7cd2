"""The modes of `np.pad` that compute something from the edges: statistics, ramps, odd reflections."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from chainrule.core.operation import Array

from .gather import take
from .join import concatenate

EDGES = ("linear_ramp", "maximum", "minimum", "mean", "median")
"""Modes whose new elements are functions of those at the edge."""

Widths = tuple[tuple[int, int], ...]
Part = Callable[[Array, int, int, bool], Array]
"""From an array, an axis, a number of new elements and whether they come first, to these elements."""


def pad_by_edges(x: Array, widths: Widths, mode: str, settings: dict[str, Any]) -> Array:
    """Return `x` padded axis by axis, as NumPy does."""
    allowed = {"linear_ramp": "end_values", "reflect": "reflect_type", "symmetric": "reflect_type"}
    known = allowed.get(mode, "stat_length")
    for name in settings:
        if name != known:
            raise ValueError(f"pad: got {name}= with mode={mode!r}, expected at most {known}=")
    for axis, (before, after) in enumerate(widths):
        make = _part(mode, settings.get(known), axis, len(widths), x)
        parts = [make(x, axis, n, first) if n else None for n, first in ((before, True), (after, False))]
        x = concatenate([part for part in (parts[0], x, parts[1]) if part is not None], axis)
    return x


def _part(mode: str, given: Any, axis: int, ndim: int, x: Array) -> Part:
    if mode in ("reflect", "symmetric"):
        return partial(_odd, mode=mode)
    if mode == "linear_ramp":
        ends = np.broadcast_to(0 if given is None else given, (ndim, 2))[axis]
        return partial(_ramp, ends=ends)
    lengths = (None, None) if given is None else np.broadcast_to(given, (ndim, 2))[axis]
    reduction = getattr(np, {"maximum": "max", "minimum": "min"}.get(mode, mode))
    return partial(_statistic, reduction=reduction, lengths=lengths, whole=x.dtype.kind != "f")


def _statistic(x: Array, axis: int, n: int, first: bool, reduction: Any, lengths: Any, whole: bool) -> Array:
    size = x.shape[axis]
    length = lengths[0 if first else 1]
    count = size if length is None else min(int(length), size)
    if count < 1:
        raise ValueError(f"pad: got stat_length={length}, expected 1 or more")
    edge = take(x, np.arange(count) if first else np.arange(size - count, size), axis)
    value = reduction(edge, axis=axis, keepdims=True)
    value = np.round(value) if whole else value
    return take(value, np.zeros(n, int), axis).astype(x.dtype)


def _ramp(x: Array, axis: int, n: int, first: bool, ends: Any) -> Array:
    end, edge = ends[0 if first else 1], take(x, [0 if first else -1], axis)
    steps = (np.arange(n) if first else np.arange(1, n + 1)) / n
    share = steps.reshape([-1 if k == axis else 1 for k in range(x.ndim)]).astype(x.dtype)
    # From the end to the edge, or from the edge to the end; the edge itself is not repeated.
    ramp = end + (edge - end) * share if first else edge + (end - edge) * share
    return ramp.astype(x.dtype)


def _odd(x: Array, axis: int, n: int, first: bool, mode: str) -> Array:
    """Return elements reflected through the edge: twice the edge minus their mirror image."""
    size = x.shape[axis]
    if mode == "reflect" and size == 1:
        return take(x, np.zeros(n, int), axis)
    done, source = 0, x
    skip = 1 if mode == "reflect" else 0
    while done < n:
        count = min(n - done, source.shape[axis] - skip)
        length = source.shape[axis]
        edge = take(source, [0 if first else -1], axis)
        places = np.arange(skip, skip + count)[::-1] if first else np.arange(length - skip - count, length - skip)[::-1]
        part = 2 * edge - take(source, places, axis)
        source = concatenate([part, source] if first else [source, part], axis)
        done += count
    return take(source, np.arange(n) if first else np.arange(source.shape[axis] - n, source.shape[axis]), axis)
