"""Elements left out, inserted, found or sent through a function slice by slice.

What NumPy moves without looking at values is done by NumPy once, to the places of the elements: the result is then a
selection, `x[places]`, whose derivative is known.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.memory.alias import innermost
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of

from .gather import take
from .index import At
from .join import concatenate, stack
from .layout import laid_as
from .shape import Copy, axis_of, expand_dims, moveaxis, ravel, reshape, shaped


def _places(x: Array, first: int = 0) -> Array:
    return np.arange(first, first + x.size).reshape(x.shape)


@implements(np.delete)
def delete(arr: Array, obj: Any, axis: int | None = None) -> Array:
    """Return `arr` without the slices `obj` along `axis`: an index, a slice, a mask or several indices.

    >>> delete(np.array([1.0, 2.0, 3.0]), 1)
    array([1., 3.])
    """
    arr = shaped(arr)
    return _in_order(take(ravel(arr), np.delete(_places(arr), value_of(obj), axis)), arr)


def _in_order(y: Array, like: Array) -> Array:
    """Return a tensor with its first axis fastest in memory where that of `like` is so, as NumPy makes it."""
    is_reversed = isinstance(like, Tensor) and innermost(like).flags.fnc
    return Copy.apply(y, order="F") if is_reversed and isinstance(y, Tensor) else y


@implements(np.insert)
def insert(arr: Array, obj: Any, values: Array, axis: int | None = None) -> Array:
    """Return `arr` with `values` before the places `obj` along `axis`; `values` broadcast, in the dtype of `arr`.

    >>> insert(np.array([1.0, 2.0]), 1, 9.0)
    array([1., 9., 2.])
    """
    arr = shaped(arr)
    values = shaped(values)
    places = np.insert(_places(arr), value_of(obj), _places(values, arr.size), axis)
    values = values if values.dtype == arr.dtype else values.astype(arr.dtype)
    return _in_order(take(concatenate([arr, values], axis=None), places), arr)


@implements(np.resize)
def resize(a: Array, new_shape: Any) -> Array:
    """Return the elements of `a` in a new shape, repeated from the beginning where there are not enough.

    >>> resize(np.array([1.0, 2.0, 3.0]), (2, 2))
    array([[1., 2.],
           [3., 1.]])
    """
    a = shaped(a)
    return take(ravel(a), np.resize(_places(a), new_shape)) if a.size else np.resize(value_of(a), new_shape)


@implements(np.trim_zeros)
def trim_zeros(filt: Array, trim: str = "fb", axis: Any = None) -> Array:
    """Return `filt` without the zeros at its front ("f"), its back ("b"), or both, along one axis, several or all.

    >>> trim_zeros(np.array([0.0, 1.0, 0.0, 2.0, 0.0]))
    array([1., 0., 2.])
    """
    filt = shaped(filt)
    trim = trim.lower()
    if trim not in ("f", "b", "fb", "bf"):
        raise ValueError(f"trim_zeros: got trim={trim!r}, expected 'f', 'b' or 'fb'")
    axes = normalize_axis_tuple(range(filt.ndim) if axis is None else axis, filt.ndim)
    found = np.argwhere(value_of(filt))
    index = [slice(None)] * filt.ndim
    for k in axes:
        first, end = (int(found[:, k].min()), int(found[:, k].max()) + 1) if len(found) else (0, 0)
        index[k] = slice(first if "f" in trim else 0, end if "b" in trim or not len(found) else None)
    return filt[tuple(index)]


@implements(np.unique)
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **settings: Any,
) -> Any:
    """Return the different elements of `ar` in order, or its different slices along `axis`.

    They are a selection: the first of equal elements receives the gradient. What else NumPy returns on request, the
    indices and the counts, is constant.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(lambda x: unique(x).sum())(np.array([2.0, 1.0, 2.0]))
    array([1., 1., 0.])
    """
    ar = shaped(ar)
    asked = {"return_inverse": return_inverse, "return_counts": return_counts, "axis": axis, **settings}
    found: Any = np.unique(np.asarray(value_of(ar)), return_index=True, **asked)
    _, first, *rest = found
    values = take(ravel(ar), first) if axis is None else take(ar, first, axis)
    more = ((first,) if return_index else ()) + tuple(rest)
    return (values, *more) if more else values


def _unique_as(function: Callable[..., Any]) -> Callable[..., Any]:
    def named(x: Array) -> Any:
        found = function(np.asarray(value_of(x)))
        values = unique(x, equal_nan=False)
        # NumPy's own `unique_values` may give them in any order.
        return found._replace(values=values) if hasattr(found, "_replace") else values

    named.__name__ = named.__qualname__ = function.__name__
    named.__doc__ = f"Return what numpy's {function.__name__} does; the values are differentiable as in `unique`."
    return named


@implements(np.union1d)
def union1d(ar1: Array, ar2: Array) -> Array:
    """Return the different elements of both arrays, in order."""
    return unique(concatenate([ar1, ar2], axis=None))


@implements(np.setdiff1d)
def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Return the different elements of `ar1` that are not in `ar2`, in order; as they stand with `assume_unique`."""
    return _those_in(ar1, ar2, assume_unique, others=True)


@implements(np.intersect1d)
def intersect1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Return the different elements of `ar1` that are in `ar2` too, in order: those of `ar1` receive the gradient."""
    return _those_in(unique(ar1) if assume_unique else ar1, ar2, assume_unique, others=False)


@implements(np.setxor1d)
def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:  # noqa: ARG001
    """Return the different elements that are in one of the arrays only, in order."""
    return unique(concatenate([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)]))


def _those_in(x: Array, among: Array, as_they_are: bool, others: bool) -> Array:
    x = ravel(shaped(x)) if as_they_are else unique(x)
    return take(x, np.flatnonzero(np.isin(value_of(x), value_of(among), invert=others)))


for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    implements(_function)(_unique_as(_function))


@implements(np.apply_along_axis)
def apply_along_axis(func1d: Callable[..., Array], axis: int, arr: Array, *args: Any, **kwargs: Any) -> Array:
    """Return `func1d(vector, …)` of each vector of `arr` along `axis`; the axes of its results take that one's place.

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
    """Return `func(a, axis)` for one axis after the other; a result without that axis gets it back, of length 1."""
    y = shaped(a)
    for axis in normalize_axis_tuple(axes, y.ndim):
        found = shaped(func(y, axis))
        y = found if found.ndim == y.ndim else expand_dims(found, axis)
    return y


@implements(np.piecewise)
def piecewise(x: Array, condlist: Any, funclist: Sequence[Any], *args: Any, **kw: Any) -> Array:
    """Return each element by the function (or constant) of the last condition that holds for it, else zero.

    Each function sees only its own elements. One function more than conditions is for where none holds.

    >>> piecewise(np.array([-1.0, 2.0]), [np.array([True, False])], [lambda x: -x, lambda x: x * x])
    array([1., 4.])
    """
    x = shaped(x)
    conditions = value_of(condlist)
    alone = not isinstance(conditions, list | tuple | np.ndarray) or np.ndim(conditions) == 0
    if alone or (np.ndim(conditions[0]) == 0 and x.ndim):
        conditions = [conditions]
    masks = [np.asarray(value_of(condition), bool) for condition in conditions]
    if len(funclist) == len(masks) + 1:
        masks.append(~np.any(masks, axis=0))
    if len(funclist) != len(masks):
        raise ValueError(
            f"piecewise: got {len(funclist)} functions for {len(conditions)} conditions, expected as many, or one more"
        )
    y = np.zeros(x.shape, x.dtype)
    for mask, function in zip(masks, funclist, strict=True):
        if mask.any():
            y = At(y)[mask].set(function(x[mask], *args, **kw) if callable(function) else function)
    return laid_as(y, x)
