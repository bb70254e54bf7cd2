"""Reductions: sums, means and extremes over axes, and those without a derivative.

Every function here takes NumPy's arguments: `axis` is None (all axes), an int or a tuple of ints, negative ones
counted from the end; `keepdims` keeps the reduced axes with length 1.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.core.facts import Complex
from chainrule.core.kinds import Constant, General, Linear
from chainrule.core.operands.foreign import numbers
from chainrule.core.operands.keywords import hint
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink, case
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import plain, running
from chainrule.core.transforms.batch import along_axes, along_axis

from . import reduce_options as options

Axis = int | tuple[int, ...] | None
_total: Callable[..., Array] = np.add.reduce
FLOAT64, FLOAT16 = np.dtype(np.float64), np.dtype(np.float16)

CASES = (
    case((3, 4)),
    case((3, 4), axis=0),
    case((3, 4), axis=-1, keepdims=True),
    case((2, 3, 4), axis=(0, -1)),
    case((2, 3, 4), axis=(2, 1), keepdims=True),
    case((2, 3), axis=()),
    case(()),
)
"""The arguments that every reduction is tested with."""
EMPTY_CASES = (case((0, 3)), case((0, 3), axis=0), case((3, 0), axis=0, keepdims=True))

HINTS = {
    "dtype": "convert the argument with .astype instead",
    "out": "it would lose the gradient; use the returned value",
    "where": "select with np.where or by indexing instead",
    "initial": "combine it with the result instead",
    "mean": "leave it out",
}


def refuse(name: str, **settings: Array) -> None:
    """Raise a TypeError that names the first of NumPy's arguments that is given but not supported."""
    for key, value in settings.items():
        if key not in HINTS:
            raise TypeError(f"{name}: got an unexpected argument {key!r}{hint([key])}")
        if value is not None and not (key == "where" and value is True):
            raise TypeError(f"{name}: {key}= is not supported; {HINTS[key]}")


def arrayed(x: Array) -> Array:
    """Return a list or number as an array; arrays and tensors unchanged."""
    return x if isinstance(x, (Tensor, np.ndarray)) else numbers(x)


def floating(x: Array) -> Array:
    """Return a list or array with real or complex floating-point numbers as it is, any other in float64."""
    x = arrayed(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


def axes_of(shape: tuple[int, ...], axis: Axis) -> tuple[int, ...]:
    """Return the axes to reduce, as non-negative numbers."""
    if axis is None or not shape:  # NumPy reduces a number along axis 0, too
        return tuple(range(len(shape)))
    return normalize_axis_tuple(axis, len(shape))


def kept(y: Array, x_shape: tuple[int, ...], axis: Axis) -> Array:
    """Return a reduction's result with the reduced axes in place, as `keepdims=True` gives it."""
    if axis is None:
        return y.reshape((1,) * len(x_shape))
    if x_shape and type(axis) is int and -1 <= axis < len(x_shape):  # most calls
        return y.reshape((*x_shape[:axis], 1, *x_shape[axis + 1 :]) if axis >= 0 else (*x_shape[:-1], 1))
    axes = axes_of(x_shape, axis)
    return y.reshape(tuple(1 if k in axes else n for k, n in enumerate(x_shape)))


def count(x_shape: tuple[int, ...], axis: Axis) -> int:
    """Return how many elements are reduced to one."""
    return math.prod(x_shape[k] for k in axes_of(x_shape, axis))


def widened(reduction: Callable[..., Array], x: Array, **settings: Array) -> Array:
    """Apply a NumPy reduction; float16 is accumulated in float32, since its own sums of ones stop growing at 2048."""
    if getattr(x, "dtype", None) != FLOAT16:
        return reduction(x, **settings)
    return reduction(x, dtype=np.float32, **settings).astype(np.float16)


def reducer(function: Callable[..., Array]) -> Callable[..., Array]:
    """Return a ufunc's `reduce` or `accumulate`, whose default is axis 0 while a function's is all axes."""

    def reduce(a: Array, axis: Axis = 0, **settings: Array) -> Array:
        return function(a, axis=axis, **settings)

    return reduce


class Sum(Linear):
    r"""y = \sum_{\text{axis}} x"""

    on_complex = Complex.HOLOMORPHIC
    symbol = "Σ"
    cases = (*CASES, *EMPTY_CASES)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        if type(x) is np.ndarray and x.dtype is FLOAT64:
            return _total(x, axis, None, None, keepdims)  # which costs less than by name
        return widened(np.add.reduce, np.asarray(x), axis=axis, keepdims=keepdims)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, axis: Axis) -> Array:
        r"""\bar x = \bar y

        Each element of x counts once, so the cotangent is constant along the axes summed over.
        """
        return kept(y_bar, x_shape, axis)

    stacked = staticmethod(along_axes)


class Mean(Linear):
    r"""y = \frac{1}{n} \sum_{\text{axis}} x"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        if axis is None and type(x) is np.ndarray and x.dtype is FLOAT64 and x.size:  # as NumPy's, in one step
            return _total(x, None, None, None, keepdims) / x.size
        return np.mean(x, axis=axis, keepdims=keepdims)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...], *, axis: Axis) -> Array:
        r"""\bar x = \frac{\bar y}{n}"""
        return kept(y_bar, x_shape, axis) / (count(x_shape, axis) or 1)

    stacked = staticmethod(along_axes)


def shares(x: Array, y: Array, axis: Axis) -> Array:
    """Return each element's share in the extreme y of x: 1 if it is unique, equal parts for ties.

    A plain array: the shares are constant wherever the extreme has a derivative.
    """
    return plain(Shares(axis), x, y)


@dataclass(frozen=True)
class Shares:
    """What each element's share is, as a function of plain arrays that a compiled program can recognise."""

    axis: Axis

    def __call__(self, x: Array, y: Array) -> Array:
        return _shares(np.asarray(x), kept(y, np.shape(x), self.axis), self.axis)


def shared(y_bar: Array, x: Array, y: Array, *, axis: Axis) -> Array:
    """Return the adjoint of an extreme for plain arrays: y_bar times the shares."""
    return kept(y_bar, x.shape, axis) * _shares(x, kept(y, x.shape, axis), axis)


def _shares(x: Array, y: Array, axis: Axis) -> Array:
    hits = x == y
    if np.isnan(y).any():
        hits |= np.isnan(x)
    elif running.capture is None and np.count_nonzero(hits) == y.size:
        return hits  # one for each extreme, so there are no ties; whether there are may change from call to call
    ties = hits.sum(axis=axis, keepdims=True)
    return np.divide(hits, ties, dtype=x.dtype)


class _Extreme(General, abstract=True):
    """Common base of `Max` and `Min`: the derivative goes to the elements that attain the extreme."""

    on_complex = Complex.HOLOMORPHIC
    picks = True
    cases = CASES
    stacked = staticmethod(along_axes)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, y: Array, *, axis: Axis) -> Array:
        r"""\bar x = \frac{[x = y]}{\sum_{\text{axis}} [x = y]} \odot \bar y"""
        return kept(y_bar, x.shape, axis) * shares(x, y, axis)

    @staticmethod
    def jvp(x: Array, x_dot: Array, y: Array, *, axis: Axis, keepdims: bool) -> Array:
        r"""\dot y = \sum_{\text{axis}} \frac{[x = y]}{\sum_{\text{axis}} [x = y]} \odot \dot x"""
        return sum(x_dot * shares(x, y, axis), axis=axis, keepdims=keepdims)


TIE = Kink(
    at=((2.0, 2.0),),
    value=((0.5, 0.5),),
    reason="ties share equally: the mean of the one-sided derivatives, and the same whatever order they stand in; "
    "JAX and PyTorch's amax do so too, PyTorch's max along an axis picks one",
)


class Max(_Extreme):
    r"""y = \max_{\text{axis}} x"""

    kinks = (TIE,)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.max(x, axis=axis, keepdims=keepdims)


class Min(_Extreme):
    r"""y = \min_{\text{axis}} x"""

    kinks = (TIE,)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.min(x, axis=axis, keepdims=keepdims)


class Argmax(Constant):
    r"""y = \operatorname{argmax}(x, \mathrm{axis})"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 4)), case((3, 4), axis=0), case((3, 4), axis=-1))
    stacked = staticmethod(along_axis)

    @staticmethod
    def primal(x: Array, *, axis: int | None = None) -> Array:
        return np.argmax(x, axis=axis)


class Argmin(Constant):
    r"""y = \operatorname{argmin}(x, \mathrm{axis})"""

    on_complex = Complex.HOLOMORPHIC
    cases = Argmax.cases
    stacked = staticmethod(along_axis)

    @staticmethod
    def primal(x: Array, *, axis: int | None = None) -> Array:
        return np.argmin(x, axis=axis)


class Any(Constant):
    r"""y = [\sum_{\text{axis}} [x \ne 0] > 0]"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.any(x, axis=axis, keepdims=keepdims)


class All(Constant):
    r"""y = [\sum_{\text{axis}} [x = 0] = 0]"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        return np.all(x, axis=axis, keepdims=keepdims)


class CountNonzero(Constant):
    r"""y = \sum_{\text{axis}} [x \ne 0]"""

    on_complex = Complex.HOLOMORPHIC
    cases = CASES
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        # NumPy returns a plain int for a count over all axes.
        return np.asarray(np.count_nonzero(x, axis=axis, keepdims=keepdims))[()]


@implements(np.sum)
def sum(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the sum over `axis`; float16 is accumulated in float32.

    `dtype`, `out`, `initial` and `where` are NumPy's.

    >>> sum(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=0)
    array([4., 6.])
    """
    if refused or dtype is not None or out is not None:
        return options.SUM.apply(sum, a, axis, keepdims, dtype=dtype, out=out, **refused)
    return Sum.apply(a, axis=axis, keepdims=keepdims)


@implements(np.mean)
def mean(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the arithmetic mean over `axis`.

    >>> mean(np.array([[1.0, 2.0], [3.0, 4.0]]), axis=-1)
    array([1.5, 3.5])
    """
    if refused or dtype is not None or out is not None:
        where = refused.pop("where", True)
        if where is not True:
            return options.Options("mean", 0).apply(
                lambda a, **over: options.mean_of(sum, a, where=where, **over),
                *(a, axis, keepdims),
                **{"dtype": dtype, "out": out, **refused},
            )
        return options.Options("mean", 0).apply(mean, a, axis, keepdims, dtype=dtype, out=out, **refused)
    return Mean.apply(a, axis=axis, keepdims=keepdims)


@implements(np.max, np.amax)
def max(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return the largest element along `axis`, NaN if one is NaN. Ties share the gradient equally.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(max)(np.array([1.0, 3.0, 3.0]))
    array([0. , 0.5, 0.5])
    """
    if refused or out is not None:
        return options.MAX.apply(max, a, axis, keepdims, out=out, **refused)
    return Max.apply(a, axis=axis, keepdims=keepdims)


@implements(np.min, np.amin)
def min(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return the smallest element along `axis`, NaN if one is NaN. Ties share the gradient equally."""
    if refused or out is not None:
        return options.MIN.apply(min, a, axis, keepdims, out=out, **refused)
    return Min.apply(a, axis=axis, keepdims=keepdims)


@implements(np.ptp)
def ptp(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False) -> Array:
    """Return the range along `axis`: the largest element minus the smallest.

    >>> float(ptp(np.array([1.0, 5.0, 2.0])))
    4.0
    """
    refuse("ptp", out=out)
    return max(a, axis=axis, keepdims=keepdims) - min(a, axis=axis, keepdims=keepdims)


def known(a: Array, filling: float = 0) -> tuple[Array, Array]:
    """Return which elements are not NaN, and the array with the others replaced by `filling`."""
    a = arrayed(a)
    is_known = plain(lambda a: ~np.isnan(a), a, stacks=True)
    return is_known, np.where(is_known, a, filling)


@implements(np.nansum)
def nansum(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the sum over `axis`, ignoring NaN; zero if nothing is left.

    >>> float(nansum(np.array([1.0, np.nan, 2.0])))
    3.0
    """
    if refused or dtype is not None or out is not None:
        return options.SUM.apply(nansum, a, axis, keepdims, dtype=dtype, out=out, **refused)
    return sum(known(a)[1], axis=axis, keepdims=keepdims)


@implements(np.nanmean)
def nanmean(
    a: Array, axis: Axis = None, dtype: Array = None, out: Array = None, keepdims: bool = False, **refused: Array
) -> Array:
    """Return the mean over `axis`, ignoring NaN; NaN, with NumPy's warning, if nothing is left."""
    where = refused.pop("where", True)
    if where is not True:
        a = np.where(value_of(where), numbers(a), np.nan)
    if refused or dtype is not None or out is not None:
        return options.Options("nanmean", 0).apply(nanmean, a, axis, keepdims, dtype=dtype, out=out, **refused)
    is_known, filled = known(a)
    total = sum(filled, axis=axis, keepdims=keepdims)
    return total / is_known.sum(axis=axis, keepdims=keepdims).astype(total.dtype)


@implements(np.argmax)
def argmax(a: Array, axis: int | None = None, out: Array = None, *, keepdims: bool = False) -> Array:
    """Return the index of the first largest element along `axis`, or in the flattened array."""
    refuse("argmax", out=out)
    a = arrayed(a)
    y = Argmax.apply(a, axis=axis)
    return kept(y, a.shape, axis) if keepdims else y


@implements(np.argmin)
def argmin(a: Array, axis: int | None = None, out: Array = None, *, keepdims: bool = False) -> Array:
    """Return the index of the first smallest element along `axis`, or in the flattened array."""
    refuse("argmin", out=out)
    a = arrayed(a)
    y = Argmin.apply(a, axis=axis)
    return kept(y, a.shape, axis) if keepdims else y


@implements(np.any)
def any(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return whether some element along `axis` is not zero."""
    if refused or out is not None:
        return options.ANY.apply(any, a, axis, keepdims, out=out, **refused)
    return Any.apply(a, axis=axis, keepdims=keepdims)


@implements(np.all)
def all(a: Array, axis: Axis = None, out: Array = None, keepdims: bool = False, **refused: Array) -> Array:
    """Return whether every element along `axis` is not zero."""
    if refused or out is not None:
        return options.ALL.apply(all, a, axis, keepdims, out=out, **refused)
    return All.apply(a, axis=axis, keepdims=keepdims)


@implements(np.count_nonzero)
def count_nonzero(a: Array, axis: Axis = None, *, keepdims: bool = False) -> Array:
    """Return how many elements along `axis` are not zero."""
    return CountNonzero.apply(a, axis=axis, keepdims=keepdims)


for _ufunc, _function in (
    (np.add, sum),
    (np.maximum, max),
    (np.minimum, min),
    (np.logical_or, any),
    (np.logical_and, all),
):
    implements((_ufunc, "reduce"))(reducer(_function))
