"""User functions applied to slices, axes or parts of an array."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import known
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.selection import where

from .index import At
from .join import stack
from .layout import laid_as
from .shape import axis_of, expand_dims, moveaxis, reshape, shaped


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Array], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """Return `func1d(vector, …)` of each vector of `arr` along `axis`, which the axes of the results replace.

    >>> apply_along_axis(np.sum, 0, np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    """
    arr = shaped(arr)
    axis = axis_of("apply_along_axis", axis, arr.ndim)
    vectors = moveaxis(arr, axis, -1)
    lead = vectors.shape[:-1]
    results = [shaped(func1d(vectors[place], *args, **kwargs)) for place in np.ndindex(lead)]
    if not results:
        raise ValueError(f"apply_along_axis: got no vectors along axis {axis} of an array of shape {arr.shape}")
    new = results[0].ndim
    y = reshape(stack(results), (*lead, *results[0].shape))
    return moveaxis(y, tuple(range(len(lead), len(lead) + new)), tuple(range(axis, axis + new)))


@implements(np.apply_over_axes)
def apply_over_axes(func: Callable[..., Array], a: Array, axes: int | Sequence[int]) -> Array:
    """Apply `func(a, axis)` for each axis in turn; a result that lacks the axis gets it back with length 1."""
    y = shaped(a)
    for axis in normalize_axis_tuple(axes, y.ndim):
        found = shaped(func(y, axis))
        y = found if found.ndim == y.ndim else expand_dims(found, axis)
    return y


@implements(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Evaluate each element by the function (or constant) of the last condition that holds for it, else zero.

    Each function sees only its own elements. An extra function covers the elements where no condition holds. Where the
    conditions differ from call to call, in `cr.compile` and `cr.vmap`, each function is called with all elements
    instead, so it has to work element by element; its derivative at the others does not count.

    >>> piecewise(np.array([-1.0, 2.0]), [np.array([True, False])], [lambda x: -x, lambda x: x * x])
    array([1., 4.])
    """
    x = shaped(x)
    conditions = known(condlist) if isinstance(condlist, Tensor) else condlist
    alone = not isinstance(conditions, list | tuple) and np.ndim(conditions) == 0
    if alone or (np.ndim(conditions[0]) == 0 and x.ndim):
        conditions = [conditions]
    conditions = [known(condition) for condition in conditions]
    if any(isinstance(condition, Tensor) for condition in conditions):
        return _everywhere(x, conditions, funclist, args, kw)
    masks = [np.asarray(condition, bool) for condition in conditions]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    _check_count(funclist, masks)
    y = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        if mask.any():
            y = At(y)[mask].set(function(x[mask], *args, **kw) if callable(function) else function)
    return laid_as(y, x)


def _check_count(funclist: Sequence[Any], masks: Sequence[Any]) -> None:
    if len(funclist) != len(masks):
        raise ValueError(
            f"piecewise: got {len(funclist)} functions for {len(masks)} conditions, expected as many, or one more"
        )


def _everywhere(x: Array, masks: list[Array], funclist: Sequence[Any], args: Any, kw: Any) -> Array:
    """Return the choice among the values of all functions at all elements."""
    if len(funclist) == len(masks) + 1:
        masks = [*masks, ~functools.reduce(np.logical_or, masks)]
    _check_count(funclist, masks)
    y = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        # The other elements are constants: where a function has no derivative there, nothing of that arrives.
        own = function(where(mask, x, stop_gradient(x)), *args, **kw) if callable(function) else function
        y = where(mask, own, y)
    return y
