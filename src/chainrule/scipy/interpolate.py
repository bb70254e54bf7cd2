"""Functions through given points with SciPy's names, differentiable with respect to the values and to the points.

The slopes of a cubic spline solve a system of linear equations whose right-hand side comes from the values (C. de Boor,
"A practical guide to splines", 1978, chapter IV).

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import interpolate
>>> x, y = np.array([0.0, 1.0, 3.0]), np.array([0.0, 2.0, 4.0])
>>> float(interpolate.interp1d(x, y)(2.0))
3.0
>>> float(cr.grad(interpolate.interp1d(x, y))(2.0))
1.0
>>> cr.grad(lambda y: interpolate.CubicSpline(x, y)(2.0))(y).round(6)
array([-0.333333,  1.      ,  0.333333])
"""

import functools
import itertools
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.lib.array_utils import normalize_axis_tuple

from chainrule.base.lacking import lacking
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.order import searchsorted
from chainrule.rules.arrays.reduce import arrayed, floating
from chainrule.rules.elementary.selection import where
from chainrule.rules.linalg.inverses import solve

__all__ = ["CubicSpline", "PchipInterpolator", "RegularGridInterpolator", "interp1d"]

KINDS = ("linear", "slinear", "nearest", "nearest-up", "previous", "next", "zero", "cubic")


def _places(name: str, x: Array) -> Array:
    x = floating(x)
    if x.ndim != 1 or x.shape[0] < 2:
        raise ValueError(f"{name}: got x of shape {x.shape}, expected a vector of two places or more")
    if not (np.diff(np.asarray(value_of(x))) > 0).all():
        raise ValueError(f"{name}: the places x must rise strictly; sort them, and the values with them")
    return x


def _rows(name: str, x: Array, y: Array, axis: int) -> tuple[Array, int]:
    """Return the values with the axis of the places in front, and which one it was."""
    y = floating(y)
    if not y.ndim:
        raise ValueError(f"{name}: got one value, expected one for each place")
    (axis,) = normalize_axis_tuple(axis, y.ndim)
    if y.shape[axis] != x.shape[0]:
        raise ValueError(
            f"{name}: got {y.shape[axis]} values along axis {axis}, expected {x.shape[0]}: one for each place"
        )
    return np.moveaxis(y, axis, 0), axis


def _between(x: Array, at: Array) -> Array:
    """Return the interval in which each place is, the first or last one for what is outside."""
    return np.clip(searchsorted(x, at, side="right") - 1, 0, x.shape[0] - 2)


def _column(x: Array, like: Array) -> Array:
    """Return places with more axes behind, to be multiplied with the values at them."""
    return x.reshape((*x.shape, *(1,) * (like.ndim - 1)))


def _back(y: Array, asked: Array, axis: int) -> Array:
    """Return values [asked, …] with the axes of what was asked where the axis of the places was."""
    return np.moveaxis(y, range(asked.ndim), range(axis, axis + asked.ndim))


class _Piecewise:
    """A cubic on each interval, given by the values and slopes at its ends."""

    def __init__(self, x: Array, y: Array, slopes: Array, axis: int, extrapolate: Any) -> None:
        self.x, self.axis = x, axis
        self._y, self._slopes = y, slopes
        if extrapolate not in (None, True, False):
            raise ValueError(f"{type(self).__name__}: got extrapolate={extrapolate!r}, expected True or False")
        self._extrapolate = extrapolate is not False

    def __call__(self, x: Array, nu: int = 0) -> Array:
        """Return the values at `x`, or the derivative of order `nu`; NaN outside unless extrapolating."""
        at = floating(x)
        if nu not in (0, 1, 2, 3):
            raise ValueError(f"{type(self).__name__}: got nu={nu!r}, expected 0 to 3")
        flat = at.reshape((-1,))
        k = _between(self.x, flat)
        left, right = take(self.x, k), take(self.x, k + 1)
        y = self._cubic(nu, k, _column(flat - left, self._y), _column(right - left, self._y))
        if not self._extrapolate:
            inside = (flat >= self.x[0]) & (flat <= self.x[-1])
            y = where(_column(inside, self._y), y, np.asarray(np.nan, y.dtype))
        return _back(y.reshape((*at.shape, *self._y.shape[1:])), at, self.axis)

    def _cubic(self, nu: int, k: Array, t: Array, h: Array) -> Array:
        """Return a derivative of order `nu` at t after the beginning of intervals k, of lengths h."""
        first, start = take(self._y, k, 0), take(self._slopes, k, 0)
        mean = (take(self._y, k + 1, 0) - first) / h
        bend = (take(self._slopes, k + 1, 0) + start - 2 * mean) / h
        square, cube = (mean - start) / h - bend, bend / h
        if nu == 0:
            return first + t * (start + t * (square + t * cube))
        if nu == 1:
            return start + t * (2 * square + t * 3 * cube)
        return 2 * square + t * 6 * cube if nu == 2 else 6 * cube + 0 * t


class CubicSpline(_Piecewise):
    """The twice continuously differentiable cubic through the values `y` at the places `x`, which run along `axis`.

    `bc_type` says what holds at the ends: "not-a-knot" (the default), "natural", "clamped", "periodic", or a pair with
    one entry for each end: one of these but the last, or `(order, value)` for a first or second derivative.

    Raises ValueError for places that do not rise, for another number of values, and for an unknown `bc_type`.
    """

    def __init__(self, x: Array, y: Array, axis: int = 0, bc_type: Any = "not-a-knot", extrapolate: Any = None) -> None:
        x = _places("CubicSpline", x)
        rows, axis = _rows("CubicSpline", x, y, axis)
        super().__init__(x, rows, _spline_slopes(x, rows, bc_type), axis, extrapolate)


class PchipInterpolator(_Piecewise):
    """The cubics through the values that rise and fall where these do, without overshooting; see `CubicSpline`.

    The slopes are the weighted harmonic means of F. N. Fritsch and J. Butland ("A method for constructing local
    monotone piecewise cubic interpolants", 1984).
    """

    def __init__(self, x: Array, y: Array, axis: int = 0, extrapolate: Any = None) -> None:
        x = _places("PchipInterpolator", x)
        rows, axis = _rows("PchipInterpolator", x, y, axis)
        super().__init__(x, rows, _monotone_slopes(x, rows), axis, extrapolate)


def _spline_slopes(x: Array, y: Array, bc_type: Any) -> Array:
    """Return the slopes of a cubic spline at its places."""
    n = x.shape[0]
    h = np.diff(x)
    mean = np.diff(y, axis=0) / _column(h, y)
    ends = [bc_type, bc_type] if isinstance(bc_type, str) else list(bc_type)
    if len(ends) != 2 or ("periodic" in ends and ends != ["periodic", "periodic"]):
        raise ValueError(f"CubicSpline: got bc_type={bc_type!r}, expected a name, or two conditions")
    if ends[0] == "periodic":
        return _periodic_slopes(h, mean)
    if ends == ["not-a-knot", "not-a-knot"] and n < 4:
        return _parabola_slopes(h, mean)
    rows = np.zeros((n, n))
    places = np.arange(1, n - 1)
    inner = [(places, places - 1, h[1:]), (places, places, 2 * (h[:-1] + h[1:])), (places, places + 1, h[:-1])]
    right = 3 * (_column(h[1:], y) * mean[:-1] + _column(h[:-1], y) * mean[1:])
    first, of_first = _end(ends[0], h, mean, y)
    last, of_last = _end(ends[1], h[::-1], mean[::-1], y, -1)
    matrix = sum((_placed(rows, i, j, values) for i, j, values in inner), start=rows)
    for row, own in ((0, first), (n - 1, last)):
        for j, value in enumerate(own):
            matrix = matrix + _placed(rows, np.array([row]), np.array([j if row == 0 else n - 1 - j]), value)
    right = np.concatenate([of_first[None], right, of_last[None]])
    return solve(matrix, right.reshape((n, -1))).reshape(y.shape)


def _placed(like: Any, i: Any, j: Any, values: Array) -> Array:
    """Return a matrix with values at places (i, j), a product that also takes traced values."""
    left, right = np.zeros((like.shape[0], len(i))), np.zeros((len(i), like.shape[1]))
    left[i, np.arange(len(i))] = 1
    right[np.arange(len(i)), j] = 1
    return (left * values) @ right


def _end(condition: Any, h: Array, mean: Array, y: Array, sign: int = 1) -> tuple[Sequence[Any], Array]:
    """Return the coefficients of the slopes at an end and inwards, and the right-hand side, of one condition."""
    if condition == "clamped":
        condition = (1, 0.0)
    if condition == "natural":
        condition = (2, 0.0)
    if isinstance(condition, tuple) and len(condition) == 2 and condition[0] in (1, 2):
        order, value = condition
        wanted = arrayed(value) + np.zeros(y.shape[1:])
        if order == 1:
            return (1.0,), wanted
        return (2.0, 1.0), 3 * mean[0] - sign * wanted * h[0] / 2
    if condition != "not-a-knot":
        raise ValueError(
            f"CubicSpline: got bc_type {condition!r}, expected 'not-a-knot', 'natural', 'clamped', 'periodic' or a "
            f"pair (order, value) of order 1 or 2"
        )
    if mean.shape[0] < 2:
        return (1.0, 1.0), 2 * mean[0]
    whole = h[0] + h[1]
    return (h[1], whole), ((h[0] + 2 * whole) * h[1] * mean[0] + h[0] * h[0] * mean[1]) / whole


def _parabola_slopes(h: Array, mean: Array) -> Array:
    """Return the slopes of the line or parabola through two or three values."""
    if mean.shape[0] == 1:
        return np.concatenate([mean, mean])
    bend = (mean[1] - mean[0]) / (h[0] + h[1])
    return np.stack([mean[0] - bend * h[0], mean[0] + bend * h[0], mean[1] + bend * h[1]])


def _periodic_slopes(h: Array, mean: Array) -> Array:
    """Return the slopes of a spline that goes on at its end as at its beginning."""
    m = mean.shape[0]
    before = np.roll(h, 1)
    places, zeros = np.arange(m), np.zeros((m, m))
    matrix = (
        _placed(zeros, places, (places - 1) % m, h)
        + _placed(zeros, places, places, 2 * (h + before))
        + _placed(zeros, places, (places + 1) % m, before)
    )
    right = 3 * (_column(h, mean) * np.roll(mean, 1, 0) + _column(before, mean) * mean)
    slopes = solve(matrix, right.reshape((m, -1))).reshape(mean.shape)
    return np.concatenate([slopes, slopes[:1]])


def _monotone_slopes(x: Array, y: Array) -> Array:
    h = np.diff(x)
    mean = np.diff(y, axis=0) / _column(h, y)
    if mean.shape[0] == 1:
        return np.concatenate([mean, mean])
    h0, h1 = _column(h[:-1], y), _column(h[1:], y)
    same = np.sign(mean[:-1]) * np.sign(mean[1:]) > 0
    safe0, safe1 = where(same, mean[:-1], 1.0), where(same, mean[1:], 1.0)
    w0, w1 = 2 * h1 + h0, h1 + 2 * h0
    inner = where(same, (w0 + w1) / (w0 / safe0 + w1 / safe1), 0.0)
    first = _monotone_end(h[0], h[1], mean[0], mean[1])
    last = _monotone_end(h[-1], h[-2], mean[-1], mean[-2])
    return np.concatenate([first[None], inner, last[None]])


def _monotone_end(h0: Array, h1: Array, m0: Array, m1: Array) -> Array:
    """Return the slope at an end: of the parabola, unless that turns around or overshoots."""
    slope = ((2 * h0 + h1) * m0 - h0 * m1) / (h0 + h1)
    steep = (np.sign(m0) != np.sign(m1)) & (np.abs(slope) > 3 * np.abs(m0))
    return where(np.sign(slope) != np.sign(m0), 0.0, where(steep, 3 * m0, slope))


class interp1d:
    """A function through the values `y` at the places `x`, which run along `axis`.

    `kind` is "linear", "nearest", "nearest-up", "previous", "next" ("zero" is "previous", "slinear" is "linear"), or
    "cubic". Outside of the places a ValueError is raised, unless `fill_value` is given: a value, one for each side, or
    "extrapolate". `bounds_error=False` alone gives NaN. `copy` makes no difference, and `assume_sorted=False` sorts.

    >>> interp1d([0.0, 1.0], [0.0, 2.0], bounds_error=False)(np.array([0.5, 1.5]))
    array([ 1., nan])
    """

    def __init__(
        self,
        x: Array,
        y: Array,
        kind: str = "linear",
        axis: int = -1,
        copy: bool = True,  # noqa: ARG002 - an argument of SciPy's; nothing is written to
        bounds_error: bool | None = None,
        fill_value: Any = np.nan,
        assume_sorted: bool = False,
    ) -> None:
        if kind not in KINDS:
            raise ValueError(f"interp1d: got kind={kind!r}, expected one of {', '.join(map(repr, KINDS))}")
        x, y = floating(x), floating(y)
        if not assume_sorted and x.ndim == 1:
            order = np.argsort(np.asarray(value_of(x)), kind="stable")
            x, y = x[order], take(y, order, axis) if y.ndim and y.shape[axis] == order.size else y
        self.x = _places("interp1d", x)
        self._rows, self.axis = _rows("interp1d", self.x, y, axis)
        self.kind, self.fill_value = kind, fill_value
        self.extrapolates = isinstance(fill_value, str) and fill_value == "extrapolate"
        paired = isinstance(fill_value, tuple)
        if (paired and len(fill_value) != 2) or (isinstance(fill_value, str | None) and not self.extrapolates):
            raise ValueError(
                f"interp1d: got fill_value={fill_value!r}, expected a value, a pair (below, above), or 'extrapolate'"
            )
        given = paired or self.extrapolates or not np.all(np.isnan(value_of(fill_value)))
        self.bounds_error = not given if bounds_error is None else bounds_error
        if self.extrapolates and self.bounds_error:
            raise ValueError("interp1d: got bounds_error=True and fill_value='extrapolate', which exclude each other")
        self._spline = CubicSpline(self.x, self._rows) if kind == "cubic" else None

    @property
    def y(self) -> Array:
        """The values, as they were given."""
        return np.moveaxis(self._rows, 0, self.axis)

    def __call__(self, x: Array) -> Array:
        """Return the values at `x`: its axes stand where that of the places was."""
        at = floating(x)
        flat = at.reshape((-1,))
        below, above = flat < self.x[0], flat > self.x[-1]
        if self.bounds_error and (np.any(value_of(below)) or np.any(value_of(above))):
            raise ValueError(
                "interp1d: a value in x is outside of the places; pass fill_value='extrapolate', or bounds_error=False"
            )
        y = self._spline(flat) if self._spline else self._simple(flat)
        if self.extrapolates:  # there is nothing before the first place, and nothing after the last one
            if self.kind in ("previous", "next"):
                y = where(_column(below if self.kind == "previous" else above, self._rows), np.nan, y)
        else:
            low, high = self.fill_value if isinstance(self.fill_value, tuple) else (self.fill_value, self.fill_value)
            y = where(_column(above, self._rows), high, where(_column(below, self._rows), low, y))
        return _back(y.reshape((*at.shape, *self._rows.shape[1:])), at, self.axis)

    def _simple(self, at: Array) -> Array:
        last = self.x.shape[0] - 1
        if self.kind in ("linear", "slinear"):
            k = _between(self.x, at)
            left, right = take(self.x, k), take(self.x, k + 1)
            first = take(self._rows, k, 0)
            slope = (take(self._rows, k + 1, 0) - first) / _column(right - left, self._rows)
            return first + slope * _column(at - left, self._rows)
        if self.kind in ("nearest", "nearest-up"):
            middle = (self.x[1:] + self.x[:-1]) / 2
            k = searchsorted(middle, at, side="left" if self.kind == "nearest" else "right")
        elif self.kind == "next":
            k = searchsorted(self.x, at, side="left")
        else:
            k = searchsorted(self.x, at, side="right") - 1
        return take(self._rows, np.clip(k, 0, last), 0)


def _check_method(method: str) -> None:
    if method not in ("linear", "nearest"):
        raise ValueError(f"RegularGridInterpolator: got method={method!r}, expected 'linear' or 'nearest'")


class RegularGridInterpolator:
    """A function through `values [n₁, …, n_d, …]` on a grid, whose places along each axis are `points`, d vectors.

    `method` is "linear" or "nearest". Outside of the grid a ValueError is raised, unless `bounds_error` is False:
    there it is `fill_value` then, or what the last cell gives if that is None.

    >>> f = RegularGridInterpolator(([0.0, 1.0], [0.0, 2.0]), np.array([[0.0, 2.0], [1.0, 3.0]]))
    >>> f(np.array([[0.5, 1.0], [1.0, 0.0]]))
    array([1.5, 1. ])
    """

    def __init__(
        self,
        points: Sequence[Array],
        values: Array,
        method: str = "linear",
        bounds_error: bool = True,
        fill_value: Any = np.nan,
    ) -> None:
        _check_method(method)
        self.grid = tuple(_places("RegularGridInterpolator", p) for p in points)
        self.values = floating(values)
        sizes = tuple(p.shape[0] for p in self.grid)
        if self.values.shape[: len(sizes)] != sizes:
            raise ValueError(
                f"RegularGridInterpolator: got values {self.values.shape}, expected {list(sizes)} in front"
            )
        self.method, self.bounds_error, self.fill_value = method, bounds_error, fill_value

    def __call__(self, xi: Array, method: str | None = None) -> Array:
        """Return the values at points `xi [..., d]`, or at a tuple of d arrays that broadcast."""
        method = method or self.method
        _check_method(method)
        d = len(self.grid)
        at = np.stack(np.broadcast_arrays(*map(floating, xi)), axis=-1) if isinstance(xi, tuple) else floating(xi)
        if at.ndim == 1 and d == 1:
            at = at[:, None]
        if at.ndim == 0 or at.shape[-1] != d:
            raise ValueError(f"RegularGridInterpolator: got points {at.shape}, expected [..., {d}]: one for each axis")
        flat = at.reshape((-1, d))
        outside = [(flat[:, k] < p[0]) | (flat[:, k] > p[-1]) for k, p in enumerate(self.grid)]
        if self.bounds_error and any(np.any(value_of(o)) for o in outside):
            raise ValueError("RegularGridInterpolator: a point is outside of the grid; pass bounds_error=False")
        y = self._found(flat, method)
        if not self.bounds_error and self.fill_value is not None:
            beyond = functools.reduce(np.logical_or, outside).reshape((-1, *(1,) * (y.ndim - 1)))
            y = where(beyond, np.asarray(self.fill_value, y.dtype), y)
        return y.reshape((*at.shape[:-1], *y.shape[1:]))

    def _found(self, at: Array, method: str) -> Array:
        d = len(self.grid)
        more = self.values.shape[d:]
        cells = [_between(p, at[:, k]) for k, p in enumerate(self.grid)]
        parts = [
            (at[:, k] - take(p, i)) / (take(p, i + 1) - take(p, i))
            for k, (p, i) in enumerate(zip(self.grid, cells, strict=True))
        ]
        flat = self.values.reshape((-1, *more))
        strides = np.cumprod([1, *(p.shape[0] for p in self.grid[:0:-1])])[::-1]
        if method == "nearest":
            return take(flat, sum((i + (t > 0.5)) * s for i, t, s in zip(cells, parts, strides, strict=True)), 0)
        total: Array = 0.0
        for corner in itertools.product((0, 1), repeat=d):
            place = sum((i + c) * s for i, c, s in zip(cells, corner, strides, strict=True))
            weight = math.prod(t if c else 1 - t for t, c in zip(parts, corner, strict=True))
            total = total + take(flat, place, 0) * weight.reshape((-1, *(1,) * len(more)))
        return total


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
