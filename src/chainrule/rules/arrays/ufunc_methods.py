"""The methods of NumPy's universal functions for tensors: `reduce`, `accumulate`, `reduceat` and `outer`.

A method without a rule of its own is composed of the function itself, applied to slices one after the other as NumPy
does. Sums, products, extremes and `logaddexp` have rules, in the files of their reductions or here.
"""

from collections.abc import Callable
from functools import reduce as fold
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple

from chainrule.core.operands.protocols import implements, methods, ufuncs
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import plain
from chainrule.rules.network.softmax import logsumexp

from .gather import take_along_axis
from .index import getitem
from .join import stack
from .reduce import arrayed
from .shape import astype, expand_dims, moveaxis, shaped


def _at(x: Array, axis: int, part: Any) -> Array:
    return getitem(x, (slice(None),) * axis + (part,))


def _one_axis(what: str, x: Array, axis: Any) -> int:
    if axis is None and x.ndim != 1:
        raise ValueError(f"{what}: got axis=None for {x.ndim} axes, expected one axis; its order matters")
    if isinstance(axis, tuple):
        raise ValueError(f"{what}: got axis={axis}, expected one axis")
    return normalize_axis_index(axis or 0, x.ndim)


def _flat_axes(x: Array, axis: Any) -> Array:
    """Return `x` with the axes to reduce joined, and last."""
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    moved = moveaxis(x, axes, range(x.ndim - len(axes), x.ndim))
    return moved.reshape((*moved.shape[: x.ndim - len(axes)], -1))


def reduce(ufunc: Any, x: Array, axis: Any = 0, dtype: Any = None, keepdims: bool = False, **given: Any) -> Array:
    """Return a universal function of two arguments, folded over one axis, or over several if their order is free.

    `initial` comes first, and elements that `where` leaves out are skipped.
    """
    what = f"np.{ufunc.__name__}.reduce"
    x = arrayed(x) if dtype is None else astype(arrayed(x), dtype)
    where = given.get("where", True)
    if isinstance(axis, int):
        axis = (axis,)
    if ufunc.identity is None and ufunc not in (np.fmax, np.fmin) and (axis is None or len(axis) != 1):
        _one_axis(what, x, None if axis is None else axis)
    parts = _flat_axes(x, axis)
    slices = [parts[..., k] for k in range(parts.shape[-1])]
    initial = given.get("initial", np._NoValue)
    if initial is np._NoValue and not slices:
        initial = ufunc.identity
    if initial is not np._NoValue and initial is not None:
        slices = [initial, *slices]
    if not slices:
        raise ValueError(f"{what}: got no elements, and {ufunc.__name__} has no identity; pass initial=")
    if where is True:
        y = fold(ufuncs[ufunc], slices)
    else:
        if initial is np._NoValue or initial is None:
            raise ValueError(f"{what}: where= needs initial= for a function without an identity")
        kept = _flat_axes(np.broadcast_to(np.asarray(value_of(where)), x.shape), axis)
        y = np.broadcast_to(initial, parts.shape[:-1])
        for k, part in enumerate(slices[1:]):
            y = np.where(kept[..., k], ufuncs[ufunc](y, part), y)
    if not keepdims:
        return y
    axes = tuple(range(x.ndim)) if axis is None else normalize_axis_tuple(axis, x.ndim)
    return expand_dims(y, tuple(sorted(axes)))


def accumulate(ufunc: Any, x: Array, axis: int = 0, dtype: Any = None) -> Array:
    """Return the results of folding a universal function over an axis, up to each element."""
    x = arrayed(x) if dtype is None else astype(arrayed(x), dtype)
    axis = _one_axis(f"np.{ufunc.__name__}.accumulate", x, axis)
    parts: list[Array] = []
    for k in range(x.shape[axis]):
        part = _at(x, axis, k)
        parts.append(part if not parts else ufuncs[ufunc](parts[-1], part))
    return stack(parts, axis) if parts else x


def reduceat(ufunc: Any, x: Array, indices: Any, axis: int = 0, dtype: Any = None) -> Array:
    """Return reductions of the slices from each index to the next; of one element where the next is not larger."""
    x = arrayed(x) if dtype is None else astype(arrayed(x), dtype)
    axis = _one_axis(f"np.{ufunc.__name__}.reduceat", x, axis)
    starts = [int(k) for k in np.asarray(indices)]
    length = x.shape[axis]
    if any(not 0 <= k < length for k in starts):
        raise IndexError(f"np.{ufunc.__name__}.reduceat: got the indices {starts}, expected 0 to {length - 1}")
    reduced = ufuncs.get((ufunc, "reduce")) or (lambda part, axis: reduce(ufunc, part, axis))
    ends = [*starts[1:], length]
    return stack(
        [
            reduced(_at(x, axis, slice(a, b)), axis=axis) if a < b else _at(x, axis, a)
            for a, b in zip(starts, ends, strict=True)
        ],
        axis,
    )


def outer(ufunc: Any, a: Array, b: Array, **settings: Any) -> Array:
    """Return a universal function of every pair of an element of `a` and one of `b`."""
    a, b = shaped(a), shaped(b)
    return ufuncs[ufunc](a.reshape((*a.shape, *(1,) * b.ndim)), b, **settings)


def _running(ufunc: Any) -> Callable[..., Array]:
    def accumulated(a: Array, axis: int = 0, dtype: Any = None) -> Array:
        a = arrayed(a) if dtype is None else astype(arrayed(a), dtype)
        axis = _one_axis(f"np.{ufunc.__name__}.accumulate", a, axis)
        places = plain(lambda x: _places_of_records(ufunc, x, axis), a)
        return take_along_axis(a, places, axis) if a.shape[axis] else a

    accumulated.__doc__ = f"Return the running {ufunc.__name__}; the gradient goes to the element that set the record."
    return accumulated


def _places_of_records(ufunc: Any, x: Array, axis: int) -> Array:
    """Return, for each element, the place of the first one that equals the extreme up to there."""
    best = ufunc.accumulate(x, axis=axis)
    before = np.roll(best, 1, axis=axis)
    is_new = (best != before) & ~(np.isnan(best) & np.isnan(before))
    along = np.arange(x.shape[axis]).reshape([-1 if k == axis else 1 for k in range(x.ndim)])
    return np.maximum.accumulate(np.where(is_new, along, 0), axis=axis)


for _ufunc in (np.maximum, np.minimum):
    implements((_ufunc, "accumulate"))(_running(_ufunc))


@implements((np.logaddexp, "reduce"))
def _logaddexp_reduce(
    a: Array, axis: Any = 0, dtype: Any = None, keepdims: bool = False, initial: Any = None, where: Any = True
) -> Array:
    """Return log Σ exp over an axis, in one pass."""
    a = arrayed(a)
    a = astype(a, np.logaddexp.resolve_dtypes((a.dtype, a.dtype, None))[-1] if dtype is None else dtype)
    if where is not True:
        a = np.where(where, a, -np.inf)
    y = logsumexp(a, axis=axis, keepdims=keepdims)
    return y if initial is None or initial is np._NoValue else np.logaddexp(y, initial)


methods.update({"reduce": reduce, "accumulate": accumulate, "reduceat": reduceat, "outer": outer})
