"""autograd.numpy.numpy_vjps: what code outside of autograd uses of it to write rules of reverse mode."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.traces.reverse import fit

from .functions import metadata

__all__ = ["repeat_to_match_shape", "replace_zero", "unbroadcast", "unbroadcast_f"]


def unbroadcast(x: Any, target_meta: Any, broadcast_idx: int = 0) -> Any:  # noqa: ARG001
    """Return a cotangent summed over the axes along which its variable was broadcast; `target_meta` is its `metadata`.

    >>> unbroadcast(np.ones((3, 2)), metadata(np.zeros((1, 2))))
    array([[3., 3.]])
    """
    shape, _ndim, dtype, _is_complex = target_meta
    return fit(x, shape, np.dtype(dtype))


def unbroadcast_f(target: Any, f: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Return a rule `g -> gradient` whose result is summed to the shape of its variable, `target`."""
    meta = metadata(target)
    return lambda g: unbroadcast(f(g), meta)


def repeat_to_match_shape(
    g: Any,
    shape: tuple[int, ...],
    dtype: Any,
    axis: Any,
    keepdims: bool,  # noqa: ARG001
) -> tuple[Any, int]:
    """Return the cotangent of a sum over `axis` in the shape of its argument, and how many elements each sum had."""
    if shape == ():
        return g, 1
    axes = range(len(shape)) if axis is None else np.atleast_1d(axis) % len(shape)
    kept = tuple(1 if k in axes else n for k, n in enumerate(shape))
    count = int(np.prod([shape[k] for k in axes]))
    return np.reshape(g, kept) + np.zeros(shape, dtype=dtype), count


def replace_zero(x: Any, val: float) -> Any:
    """Return `x` with `val` in place of zeros."""
    return np.where(x, x, val)
