"""Reductions that ignore NaN: elements that are NaN receive no gradient."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import every_value, is_captured, may_hold, plain
from chainrule.core.traces.capturing import known as opened
from chainrule.rules.elementary.complex_parts import squared_size

from . import reduce_options as options
from .cumulative import cumprod, cumsum, prod
from .moments import degrees
from .order_statistics import asked, place_of, placed_back, real_like
from .reduce import Axis, arrayed, known, max, min, refuse, sum


def _warn(nothing: Array, said: str) -> None:
    """Warn, as NumPy does, about a slice with no elements left."""
    if not is_captured(nothing) and np.any(every_value(nothing)):
        warnings.warn(said, RuntimeWarning, stacklevel=4)


def _nanextreme(name: str, extreme: Callable[..., Array], worst: float, a: Array, axis: Axis, keepdims: bool) -> Array:
    a = arrayed(a)
    if a.dtype.kind not in "fc":
        return extreme(a, axis=axis, keepdims=keepdims)
    if a.size == 0:
        raise ValueError(f"{name}: got no elements to choose from in an array of shape {a.shape}")
    is_known = plain(lambda a: ~np.isnan(a), a, stacks=True)
    y = extreme(np.where(is_known, a, worst), axis=axis, keepdims=keepdims)
    nothing = ~is_known.any(axis=axis, keepdims=keepdims)
    _warn(nothing, "All-NaN slice encountered")
    return np.where(nothing, np.nan, y) if may_hold(nothing) else y


@implements(np.nanmax)
def nanmax(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return the largest element along `axis`, ignoring NaN; NaN, with a warning, if there is none.

    >>> float(nanmax(np.array([1.0, np.nan, 3.0])))
    3.0
    """
    if refused or out is not None:
        return options.MAX.apply(nanmax, a, axis, keepdims, out=out, **refused)
    return _nanextreme("nanmax", max, -np.inf, a, axis, keepdims)


@implements(np.nanmin)
def nanmin(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return the smallest element along `axis`, ignoring NaN; NaN, with a warning, if there is none."""
    if refused or out is not None:
        return options.MIN.apply(nanmin, a, axis, keepdims, out=out, **refused)
    return _nanextreme("nanmin", min, np.inf, a, axis, keepdims)


@implements(np.nanprod)
def nanprod(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the product over `axis`, ignoring NaN; one if nothing is left."""
    if refused or dtype is not None or out is not None:
        return options.PROD.apply(nanprod, a, axis, keepdims, dtype=dtype, out=out, **refused)
    return prod(known(a, 1)[1], axis=axis, keepdims=keepdims)


@implements(np.nancumsum)
def nancumsum(a: Array, axis: int | None = None, dtype: Array = None, out: Array = None) -> Array:
    """Return the running sum, treating NaN as zero.

    >>> nancumsum(np.array([1.0, np.nan, 2.0]))
    array([1., 1., 3.])
    """
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    if out is not None:
        return options.written("nancumsum", out, nancumsum(a, axis))
    return cumsum(known(a)[1], axis=axis)


@implements(np.nancumprod)
def nancumprod(a: Array, axis: int | None = None, dtype: Array = None, out: Array = None) -> Array:
    """Return the running product, treating NaN as one."""
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    if out is not None:
        return options.written("nancumprod", out, nancumprod(a, axis))
    return cumprod(known(a, 1)[1], axis=axis)


def _spread(a: Array, axis: Axis, ddof: float, keepdims: bool) -> Array:
    """Return the variance, ignoring NaN."""
    is_known, filled = known(a)
    counts = is_known.sum(axis=axis, keepdims=True)
    total = sum(filled, axis=axis, keepdims=True)
    mean = total / np.maximum(counts, 1).astype(total.dtype)
    deviation = np.where(is_known, filled - mean, 0)
    freedom = counts - ddof
    _warn(freedom <= 0, "Degrees of freedom <= 0 for slice.")
    # If nothing is left, NumPy's variance is NaN, too.
    y = sum(squared_size(deviation), axis=axis, keepdims=True)
    y = y / np.where(freedom > 0, freedom, np.nan).astype(y.dtype)
    return y if keepdims else sum(y, axis=axis)  # over axes of length 1: this removes them


@implements(np.nanvar)
def nanvar(
    a: Array,
    axis: Axis = None,
    dtype: Array = None,
    out: Array = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
    **refused: Array,
) -> Array:
    """Return the variance over `axis`, ignoring NaN; NaN, with a warning, if `ddof` leaves no degrees of freedom.

    >>> float(nanvar(np.array([1.0, np.nan, 3.0])))
    1.0
    """
    where = refused.pop("where", True)
    if where is not True:
        a = np.where(np.asarray(value_of(where)), arrayed(a), np.nan)
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    refuse("nanvar", out=out, **refused)
    return _spread(arrayed(a), axis, degrees("nanvar", ddof, correction), keepdims)


@implements(np.nanstd)
def nanstd(
    a: Array,
    axis: Axis = None,
    dtype: Array = None,
    out: Array = None,
    ddof: float = 0,
    keepdims: bool = False,
    *,
    correction: float | None = None,
    **refused: Array,
) -> Array:
    """Return the square root of `nanvar`. As for `std`, the gradient where all elements are equal is zero."""
    where = refused.pop("where", True)
    if where is not True:
        a = np.where(np.asarray(value_of(where)), arrayed(a), np.nan)
    if dtype is not None:
        a = arrayed(a).astype(dtype)
    refuse("nanstd", out=out, **refused)
    a = arrayed(a)
    variance = _spread(a, axis, degrees("nanstd", ddof, correction), keepdims)

    def are_equal(values: Array) -> Array:
        is_known = ~np.isnan(values)
        least = np.where(is_known, values, np.inf).min(axis=axis, keepdims=keepdims, initial=np.inf)
        most = np.where(is_known, values, -np.inf).max(axis=axis, keepdims=keepdims, initial=-np.inf)
        return least == most

    equal = plain(are_equal, a)
    y = np.where(equal, variance * 0, np.sqrt(np.where(equal, 1, variance)))
    return y if y.shape else y[()]  # a scalar, as NumPy's is


def _nanquantile(name: str, a: Array, q: Array, axis: Axis, method: str, keepdims: bool) -> Array:
    a, q, lines = asked(name, a, q, axis)
    counts = plain(lambda values: (~np.isnan(values)).sum(axis=1), lines)
    _warn(counts == 0, "All-NaN slice encountered")
    last = np.maximum(counts - 1, 0)
    place = place_of(q.reshape((q.size, 1)), last + 1, method)
    below = np.floor(opened(place)).astype(np.intp)
    above = np.minimum(below + 1, last)
    # NaN sorts last.
    order, line = plain(lambda values: np.argsort(values, axis=1), lines), np.arange(lines.shape[0])
    low, high = lines[line, order[line, below]], lines[line, order[line, above]]
    return placed_back(low + real_like(place - below, a.dtype) * (high - low), q.shape, a.shape, axis, keepdims)


@implements(np.nanquantile)
def nanquantile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    **refused: Any,
) -> Array:
    """Return the quantiles `q`, from 0 to 1, along `axis`, ignoring NaN; see `quantile`.

    >>> float(nanquantile(np.array([1.0, np.nan, 3.0]), 0.25))
    1.5
    """
    refuse("nanquantile", out=out, **refused)
    return _nanquantile("nanquantile", a, q, axis, method, keepdims)


@implements(np.nanpercentile)
def nanpercentile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    **refused: Any,
) -> Array:
    """Return the percentiles `q`, from 0 to 100, along `axis`, ignoring NaN; see `quantile`."""
    refuse("nanpercentile", out=out, **refused)
    return _nanquantile("nanpercentile", a, arrayed(q) / 100, axis, method, keepdims)


@implements(np.nanmedian)
def nanmedian(
    a: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    keepdims: bool = False,
) -> Array:
    """Return the median along `axis`, ignoring NaN.

    >>> float(nanmedian(np.array([1.0, np.nan, 3.0])))
    2.0
    """
    refuse("nanmedian", out=out)
    return _nanquantile("nanmedian", a, 0.5, axis, "linear", keepdims)
