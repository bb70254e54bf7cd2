"""`quantile` and `nanquantile`: elements at fractions of the sorted order."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain as by_sample
from chainrule.rules.arrays.gather import take_along_axis

from .face import faced

WAYS = ("linear", "lower", "higher", "midpoint", "nearest")


def _last(ordered: Any, skip_nan: bool) -> Any:
    """Return the place of the last element that counts in sorted rows, NaN last, in float64."""
    missing = np.isnan(ordered).sum(-1, keepdims=True)
    return np.maximum(ordered.shape[-1] - 1.0 - (missing if skip_nan else 0 * missing), 0.0)


def _ranks(ordered: Any, q: Any, skip_nan: bool) -> Any:
    """Return where fractions are in sorted rows, NaN last: the place of a NaN if one counts."""
    if not ((q >= 0) & (q <= 1)).all():
        raise RuntimeError("quantile() q values must be in the range [0, 1]")
    ranks = q.reshape(-1) * _last(ordered, skip_nan)
    n = ordered.shape[-1]
    return ranks if skip_nan else np.where(np.isnan(ordered).any(-1, keepdims=True), n - 1, ranks)


def _at_fraction(x: Any, q: Any, dim: Any, keepdim: bool, interpolation: str, skip_nan: bool) -> Any:
    if interpolation not in WAYS:
        raise RuntimeError(f"quantile() interpolation must be one of {', '.join(WAYS)}, but got {interpolation}")
    q = q if hasattr(q, "shape") else np.asarray(q, x.dtype)
    ndim = x.ndim
    x, axis = (x.reshape(-1), 0) if dim is None else (x, int(dim) % max(x.ndim, 1))
    x = x.reshape(1) if x.ndim == 0 else x
    ordered = np.moveaxis(x, axis, -1)
    ordered = take_along_axis(ordered, by_sample(lambda v: np.argsort(v, axis=-1, kind="stable"), ordered), -1)

    def rank(to_place: Any) -> Any:
        return by_sample(lambda v, q: to_place(_ranks(v, q, skip_nan)), ordered, q)

    def at(rounded: Any) -> Any:
        return take_along_axis(ordered, rank(lambda ranks: rounded(ranks).astype(np.int64)), -1)

    def linear() -> Any:
        last = by_sample(lambda v: _last(v, skip_nan), ordered)
        part = (q.reshape(-1) * last - rank(np.floor)).astype(x.dtype)  # q has a gradient here alone
        low, high = at(np.floor), at(np.ceil)
        return low + part * (high - low)

    ways: dict[str, Callable[[], Any]] = {
        "linear": linear,
        "lower": lambda: at(np.floor),
        "higher": lambda: at(np.ceil),
        "nearest": lambda: at(np.round),
        "midpoint": lambda: (at(np.floor) + at(np.ceil)) / 2,
    }
    found = np.moveaxis(ways[interpolation](), -1, 0)
    rest = list(found.shape[1:])
    if keepdim and ndim:
        rest = [1] * ndim if dim is None else [*rest[:axis], 1, *rest[axis:]]
    return found.reshape([*q.shape, *rest])


@faced
def quantile(input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
    """Return the elements at fractions of the sorted order."""
    return _at_fraction(input, q, dim, keepdim, interpolation, False)


@faced
def nanquantile(input: Any, q: Any, dim: Any = None, keepdim: bool = False, *, interpolation: str = "linear") -> Any:
    """Return the elements at fractions of the sorted order of those that are not NaN."""
    return _at_fraction(input, q, dim, keepdim, interpolation, True)
