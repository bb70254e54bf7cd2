"""Unique elements and set operations: they are selections, so their derivatives are known."""

from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of

from .gather import take
from .join import concatenate
from .shape import ravel, shaped


@implements(np.unique)
def unique(
    ar: Array,
    return_index: bool = False,
    return_inverse: bool = False,
    return_counts: bool = False,
    axis: int | None = None,
    **settings: Any,
) -> Any:
    """Return the sorted unique elements of `ar`, or its unique slices along `axis`.

    They are a selection: the first of equal elements receives the gradient. The indices and counts that NumPy returns
    on request are constant.

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
    """Return the sorted unique elements of both arrays."""
    return unique(concatenate([ar1, ar2], axis=None))


@implements(np.setdiff1d)
def setdiff1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Return the sorted unique elements of `ar1` that are not in `ar2`; in their own order with `assume_unique`."""
    return _those_in(ar1, ar2, assume_unique, others=True)


@implements(np.intersect1d)
def intersect1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:
    """Return the sorted unique elements of `ar1` that are also in `ar2`: those of `ar1` receive the gradient."""
    return _those_in(unique(ar1) if assume_unique else ar1, ar2, assume_unique, others=False)


@implements(np.setxor1d)
def setxor1d(ar1: Array, ar2: Array, assume_unique: bool = False) -> Array:  # noqa: ARG001
    """Return the sorted unique elements that are in only one of the arrays."""
    return unique(concatenate([setdiff1d(ar1, ar2), setdiff1d(ar2, ar1)]))


def _those_in(x: Array, among: Array, as_they_are: bool, others: bool) -> Array:
    x = ravel(shaped(x)) if as_they_are else unique(x)
    return take(x, np.flatnonzero(np.isin(value_of(x), value_of(among), invert=others)))


for _function in (np.unique_all, np.unique_counts, np.unique_inverse, np.unique_values):
    implements(_function)(_unique_as(_function))
