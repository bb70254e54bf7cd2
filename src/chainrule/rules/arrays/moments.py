"""Variance, standard deviation and weighted average."""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink, case
from chainrule.core.traces.capturing import effect, plain
from chainrule.core.transforms.batch import along_axes
from chainrule.rules.elementary.complex_parts import conjugated, squared_size

from . import reduce_options as options
from .reduce import Axis, arrayed, count, kept, mean, refuse, sum

CASES = (
    case((3, 4)),
    case((3, 4), axis=0),
    case((3, 4), axis=-1, keepdims=True),
    case((2, 3, 4), axis=(0, -1), ddof=1),
    case((2, 3, 4), axis=1, ddof=0.5),
)


def _freedom(x_shape: tuple[int, ...], axis: Axis, ddof: float) -> float:
    """Return n - ddof, or NaN if that is not positive: NumPy's variance is then NaN, too."""
    n = count(x_shape, axis) - ddof
    return n if n > 0 else float("nan")


def _deviation(x: Array, axis: Axis) -> Array:
    """Return the deviation from the mean; of complex numbers its conjugate, with which rules multiply."""
    return conjugated(x - mean(x, axis=axis, keepdims=True))


class Var(General):
    r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad y = \frac{1}{n - \mathrm{ddof}} \sum_{\text{axis}} (x - \mu)^2"""

    on_complex = Complex.REAL_LINEAR
    of_complex = {
        "primal": r"\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad "
        r"y = \frac{1}{n - \mathrm{ddof}} \sum_{\text{axis}} |x - \mu|^2",
        "adjoint": r"\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad "
        r"\bar x = \frac{2}{n - \mathrm{ddof}} \operatorname{conj}(x - \mu) \odot \bar y",
    }
    cases = CASES
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
        return np.var(x, axis=axis, ddof=ddof, keepdims=keepdims)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, *, axis: Axis, ddof: float) -> Array:
        r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad \bar x = \frac{2}{n - \mathrm{ddof}} (x - \mu) \odot \bar y"""
        return kept(y_bar, x.shape, axis) * (2 / _freedom(x.shape, axis, ddof)) * _deviation(x, axis)

    @staticmethod
    def jvp(x: Array, x_dot: Array, *, axis: Axis, ddof: float, keepdims: bool) -> Array:
        r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad
        \dot y = \frac{2}{n - \mathrm{ddof}} \sum_{\text{axis}} (x - \mu) \odot \dot x
        """
        weighted = sum(_deviation(x, axis) * x_dot, axis=axis, keepdims=keepdims)
        return weighted * (2 / _freedom(x.shape, axis, ddof))


def _direction(x: Array, y: Array, axis: Axis, ddof: float) -> Array:
    """Return the derivative of the standard deviation, zero where all elements are equal.

    Equal elements are found by comparison: their computed mean may be off by a rounding error, and the quotient of
    two rounding errors is of the size of one.
    """
    equal = plain(lambda x: np.max(x, axis=axis, keepdims=True) == np.min(x, axis=axis, keepdims=True), x)
    scale = kept(y, x.shape, axis) * _freedom(x.shape, axis, ddof)
    return np.where(equal, 0, _deviation(x, axis) / np.where(equal, 1, scale))


class Std(General):
    r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad
    y = \sqrt{\frac{1}{n - \mathrm{ddof}} \sum_{\text{axis}} (x - \mu)^2}
    """

    on_complex = Complex.REAL_LINEAR
    of_complex = {
        "primal": r"\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad "
        r"y = \sqrt{\frac{1}{n - \mathrm{ddof}} \sum_{\text{axis}} |x - \mu|^2}",
        "adjoint": r"\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad "
        r"\bar x = \frac{\operatorname{conj}(x - \mu)}{(n - \mathrm{ddof}) y} \odot \bar y",
    }
    cases = CASES
    kinks = (
        Kink(
            at=((2.0, 2.0),),
            value=((0.0, 0.0),),
            reason="the spread is least where all elements are equal, and zero is its only subgradient that keeps "
            "them equal; PyTorch and JAX give NaN",
        ),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Array:
        return np.std(x, axis=axis, ddof=ddof, keepdims=keepdims)

    @staticmethod
    def adjoint(y_bar: Array, x: Array, y: Array, *, axis: Axis, ddof: float) -> Array:
        r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad \bar x = \frac{x - \mu}{(n - \mathrm{ddof}) y} \odot \bar y"""
        return kept(y_bar, x.shape, axis) * _direction(x, y, axis, ddof)

    @staticmethod
    def jvp(x: Array, x_dot: Array, y: Array, *, axis: Axis, ddof: float, keepdims: bool) -> Array:
        r"""\mu = \frac{1}{n} \sum_{\text{axis}} x, \quad
        \dot y = \frac{1}{(n - \mathrm{ddof}) y} \sum_{\text{axis}} (x - \mu) \odot \dot x
        """
        return sum(_direction(x, y, axis, ddof) * x_dot, axis=axis, keepdims=keepdims)


def degrees(name: str, ddof: float, correction: float | None) -> float:
    """Return `ddof`, which may be given as `correction`."""
    if correction is not None and ddof:
        raise ValueError(f"{name}: got both ddof={ddof} and correction={correction}, two names for one thing; give one")
    return ddof if correction is None else correction


def _optioned(
    name: str,
    a: Array,
    axis: Axis,
    ddof: float,
    keepdims: bool,
    dtype: Any = None,
    out: Any = None,
    where: Any = True,
    mean: Any = None,
    **unknown: Any,
) -> Array:
    """Return a variance or a standard deviation with NumPy's `dtype`, `where`, `mean` and `out`."""
    refuse(name, **unknown)
    a = arrayed(a) if dtype is None else arrayed(a).astype(dtype)
    if where is True and mean in (None, np._NoValue):
        y = (Var if name == "var" else Std).apply(a, axis=axis, ddof=ddof, keepdims=keepdims)
    else:
        y = _composed(a, axis, ddof, where, mean)
        if name == "std":
            equal = plain(lambda v: v == 0, y)
            y = np.where(equal, 0, np.sqrt(np.where(equal, 1, y)))
        y = y if keepdims else sum(y, axis=axis)  # over axes of length 1: this removes them
    return y if out is None else options.written(name, out, y)


def _composed(a: Array, axis: Axis, ddof: float, where: Any, mean: Any) -> Array:
    chosen = np.broadcast_to(options.condition_of(where), a.shape)
    if mean is None or mean is np._NoValue:
        mean = options.mean_of(sum, a, axis, True, chosen)
    deviation = np.where(chosen, a - mean, 0)
    total = sum(squared_size(deviation), axis=axis, keepdims=True)
    freedom = sum(chosen.astype(total.dtype), axis=axis, keepdims=True) - ddof
    return total / np.where(freedom > 0, freedom, np.nan).astype(total.dtype)


@implements(np.var)
def var(
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
    """Return the variance over `axis`: the sum of squared deviations divided by `n - ddof`.

    `correction` is another name for `ddof`; `dtype`, `out`, `mean` and `where` are NumPy's.

    >>> float(var(np.array([1.0, 2.0, 3.0]), ddof=1))
    1.0
    """
    ddof = degrees("var", ddof, correction)
    if refused or dtype is not None or out is not None:
        return _optioned("var", a, axis, ddof, keepdims, dtype=dtype, out=out, **refused)
    return Var.apply(a, axis=axis, ddof=ddof, keepdims=keepdims)


@implements(np.std)
def std(
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
    """Return the standard deviation over `axis`, the square root of `var` with the same arguments.

    Its gradient at equal elements is zero.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(std)(np.array([2.0, 2.0]))
    array([0., 0.])
    """
    ddof = degrees("std", ddof, correction)
    if refused or dtype is not None or out is not None:
        return _optioned("std", a, axis, ddof, keepdims, dtype=dtype, out=out, **refused)
    return Std.apply(a, axis=axis, ddof=ddof, keepdims=keepdims)


@implements(np.average)
def average(
    a: Array, axis: Axis = None, weights: Array = None, returned: bool = False, *, keepdims: bool = False
) -> Array:
    """Return the average over `axis`, weighted by `weights`; with `returned`, also the sum of the weights.

    `weights` has the shape of `a`, or one axis, the length of `a` along `axis`. Both are differentiable.

    >>> float(average(np.array([1.0, 4.0]), weights=np.array([2.0, 1.0])))
    2.0
    """
    a = arrayed(a)
    if weights is None:
        y = mean(a, axis=axis, keepdims=keepdims)
        total: Array = np.full(y.shape, count(a.shape, axis), y.dtype)[()]
    else:
        weights = _spread(arrayed(weights), a.shape, axis)
        total = sum(weights + np.zeros(a.shape, weights.dtype), axis=axis, keepdims=keepdims)
        effect(_check_total, total, writes=())
        y = sum(a * weights, axis=axis, keepdims=keepdims) / total
    return (y, total) if returned else y


def _check_total(total: Array) -> None:
    if np.any(total == 0):
        raise ZeroDivisionError("average: the weights sum to zero along the axis")


def _spread(weights: Array, shape: tuple[int, ...], axis: Axis) -> Array:
    """Return weights that broadcast against the array they weigh."""
    if weights.shape == shape:
        return weights
    if not isinstance(axis, int) or weights.shape != (shape[axis],):
        raise ValueError(
            f"average: got weights of shape {weights.shape} for an array of shape {shape} and axis {axis}, expected "
            f"the array's shape, or one axis of its length along an int axis"
        )
    return weights.reshape(tuple(n if k == axis % len(shape) else 1 for k, n in enumerate(shape)))
