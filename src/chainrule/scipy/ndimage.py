"""Filters and interpolation of images of any number of axes with SciPy's names, differentiable.

`mode` says what lies beyond the edges: "reflect" (d c b a | a b c d | d c b a), "mirror" (d c b | a b c d | c b a),
"nearest" (a a a | a b c d | d d d), "wrap" (b c d | a b c d | a b c), or "constant", the value `cval`. Integers become
floating-point numbers first. There is no `output` argument: results are returned.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import ndimage
>>> ndimage.correlate1d(np.array([0.0, 1.0, 0.0]), [1.0, 2.0, 1.0])
array([1., 2., 1.])
>>> cr.grad(lambda w: ndimage.correlate1d(np.array([0.0, 1.0, 3.0]), w)[0])(np.ones(3))
array([0., 0., 1.])
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
from chainrule.rules.arrays.reduce import arrayed, floating
from chainrule.rules.arrays.windows import Windows
from chainrule.rules.elementary.selection import where
from chainrule.rules.network.convolution import Convolution

__all__ = [
    "affine_transform",
    "convolve",
    "convolve1d",
    "correlate",
    "correlate1d",
    "gaussian_filter",
    "gaussian_filter1d",
    "gaussian_gradient_magnitude",
    "gaussian_laplace",
    "laplace",
    "map_coordinates",
    "prewitt",
    "shift",
    "sobel",
    "uniform_filter",
    "uniform_filter1d",
]

ALIASES = {"grid-mirror": "reflect", "grid-wrap": "wrap", "grid-constant": "constant"}
MODES = ("reflect", "constant", "nearest", "mirror", "wrap")


def _known(name: str, mode: str) -> str:
    """Return a mode by the name that it has here."""
    found = ALIASES.get(mode, mode) if isinstance(mode, str) else mode
    if found not in MODES:
        raise ValueError(f"{name}: got mode={mode!r}, expected one of {', '.join(map(repr, MODES))}")
    return found


def _each(name: str, what: str, given: Any, axes: int) -> list[Any]:
    """Return a setting for each of so many axes, given one for all of them or one for each."""
    if np.ndim(given) == 0:
        return [given] * axes
    if len(given) != axes:
        raise ValueError(f"{name}: got {len(given)} values as {what}, expected one, or {axes}: one for each axis")
    return [given[k] for k in range(axes)]


def _inside(places: Any, n: int, mode: str) -> Any:
    """Return which of n elements stands at each whole-numbered place; any one for mode "constant"."""
    if mode == "wrap":
        return places % n
    if mode == "reflect":
        places = places % (2 * n)
        return np.minimum(places, 2 * n - 1 - places)
    if mode == "mirror":
        period = max(2 * n - 2, 1)
        places = places % period
        return np.minimum(places, period - places) % n
    return np.clip(places, 0, n - 1)


def _extended(name: str, x: Array, axis: int, before: int, after: int, mode: str, cval: float) -> Array:
    """Return an array that goes on beyond its edges along an axis."""
    mode = _known(name, mode)
    n = x.shape[axis]
    places = np.arange(-before, n + after)
    y = take(x, _inside(places, n, mode), axis)
    if mode != "constant":
        return y
    exists = ((places >= 0) & (places < n)).reshape((-1,) + (1,) * (x.ndim - 1 - axis))
    return where(exists, y, np.asarray(cval, x.dtype))


# Filters


def correlate1d(
    input: Array, weights: Array, axis: int = -1, *, mode: str = "reflect", cval: float = 0.0, origin: int = 0
) -> Array:
    """Return Σₖ weights[k] · input[i + k − len(weights) // 2 − origin] along `axis`.

    Raises ValueError for weights that are not a vector, an unknown `mode`, and an `origin` outside of the weights.
    """
    x, weights = floating(input), floating(weights)
    (axis,) = normalize_axis_tuple(axis, x.ndim)
    if weights.ndim != 1 or not weights.size:
        raise ValueError(f"correlate1d: got weights of shape {weights.shape}, expected a vector")
    before = _reach("correlate1d", weights.shape[0], origin)
    wide = _extended("correlate1d", x, axis, before, weights.shape[0] - 1 - before, mode, cval)
    rows = np.moveaxis(wide, axis, -1)
    y = _correlated(rows.reshape((-1, 1, rows.shape[-1])), weights)
    return np.moveaxis(y.reshape((*rows.shape[:-1], x.shape[axis])), -1, axis)


def convolve1d(
    input: Array, weights: Array, axis: int = -1, *, mode: str = "reflect", cval: float = 0.0, origin: int = 0
) -> Array:
    """Return the convolution of `input` along `axis` with a vector of weights: `correlate1d` with them reversed."""
    weights = floating(weights)
    return correlate1d(input, weights[::-1], axis, mode=mode, cval=cval, origin=-origin - (weights.size % 2 == 0))


def correlate(
    input: Array, weights: Array, *, mode: str = "reflect", cval: float = 0.0, origin: int | Sequence[int] = 0
) -> Array:
    """Return the correlation of `input` with weights that have as many axes, at each element of `input`.

    >>> correlate(np.eye(3), np.ones((1, 2)), mode="constant")
    array([[1., 1., 0.],
           [0., 1., 1.],
           [0., 0., 1.]])
    """
    x, weights = floating(input), floating(weights)
    if weights.ndim != x.ndim or not weights.size:
        raise ValueError(
            f"correlate: got weights of shape {weights.shape} for an input {x.shape}, expected as many axes"
        )
    origins = _each("correlate", "origin", origin, x.ndim)
    wide = x
    for axis, (n, o) in enumerate(zip(weights.shape, origins, strict=True)):
        before = _reach("correlate", n, o)
        wide = _extended("correlate", wide, axis, before, n - 1 - before, mode, cval)
    return _correlated(wide[None, None], weights)[0, 0]


def convolve(
    input: Array, weights: Array, *, mode: str = "reflect", cval: float = 0.0, origin: int | Sequence[int] = 0
) -> Array:
    """Return the convolution of `input` with weights that have as many axes: `correlate` with them reversed."""
    weights = floating(weights)
    origins = _each("convolve", "origin", origin, weights.ndim)
    moved = [-o - (n % 2 == 0) for n, o in zip(weights.shape, origins, strict=True)]
    return correlate(input, np.flip(weights), mode=mode, cval=cval, origin=moved)


def _reach(name: str, n: int, origin: int) -> int:
    """Return how many elements before its own each element of the result depends on."""
    before = n // 2 + origin
    if not 0 <= before < n:
        raise ValueError(f"{name}: got origin={origin} for {n} weights, expected {-(n // 2)} to {(n - 1) // 2}")
    return before


def _correlated(images: Array, weights: Array) -> Array:
    """Return the correlation of images [B, 1, …] with one kernel."""
    if images.dtype.kind == "c" or weights.dtype.kind == "c":
        raise TypeError("ndimage: filters are for real numbers; filter x.real and x.imag")
    dtype = np.result_type(images.dtype, weights.dtype)
    x, w = images.astype(dtype), weights[None, None].astype(dtype)
    return Convolution.apply(x, w, windows=Windows.of(weights.shape), groups=1)


def uniform_filter1d(
    input: Array, size: int, axis: int = -1, *, mode: str = "reflect", cval: float = 0.0, origin: int = 0
) -> Array:
    """Return the mean of `size` neighbours of each element along `axis`; ValueError unless there is one or more."""
    if size < 1:
        raise ValueError(f"uniform_filter1d: got size={size}, expected 1 or more")
    return correlate1d(input, np.full(size, 1 / size), axis, mode=mode, cval=cval, origin=origin)


def uniform_filter(input: Array, size: int | Sequence[int] = 3, *, mode: str = "reflect", cval: float = 0.0) -> Array:
    """Return the mean over a box of `size` elements, one number or one for each axis, around each element."""
    x = floating(input)
    for axis, n in enumerate(_each("uniform_filter", "size", size, x.ndim)):
        x = uniform_filter1d(x, n, axis, mode=mode, cval=cval)
    return x


def _gaussian(sigma: Array, order: int, radius: int) -> Array:
    """Return the weights of a Gaussian filter, or of its derivative of some order: Hermite polynomials times it."""
    x = np.arange(-radius, radius + 1)
    square = sigma * sigma
    bell = np.exp(-0.5 / square * (x * x))
    bell = bell / bell.sum()
    before, polynomial = np.zeros(x.size), np.ones(x.size)
    for k in range(order):  # p ← p' − x p / σ², and the derivative p' of an order k is that of the recurrence
        before, polynomial = polynomial, -(x * polynomial + k * before) / square
    return polynomial * bell


def gaussian_filter1d(
    input: Array,
    sigma: Array,
    axis: int = -1,
    order: int = 0,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    radius: int | None = None,
) -> Array:
    """Return `input` smoothed along `axis` by a Gaussian, or its smoothed derivative of some `order`.

    `sigma` is the standard deviation. The filter is cut off after `truncate` deviations, or after `radius` elements. It
    is differentiable with respect to `sigma` as well; where it is cut off counts as constant. Raises ValueError for a
    negative `order` or `radius`, and without a `radius` unless `sigma` is positive.
    """
    if order < 0:
        raise ValueError(f"gaussian_filter1d: got order={order}, expected 0 or more")
    if radius is None and not float(value_of(sigma)) > 0:
        raise ValueError(f"gaussian_filter1d: got sigma={float(value_of(sigma))}, expected a positive number")
    reach = int(truncate * float(value_of(sigma)) + 0.5) if radius is None else radius
    if reach < 0 or reach != int(reach):
        raise ValueError(f"gaussian_filter1d: got radius={radius}, expected a whole number, 0 or more")
    return correlate1d(input, _gaussian(sigma, order, int(reach))[::-1], axis, mode=mode, cval=cval)


def gaussian_filter(
    input: Array,
    sigma: Array,
    order: int | Sequence[int] = 0,
    *,
    mode: str = "reflect",
    cval: float = 0.0,
    truncate: float = 4.0,
    radius: Any = None,
    axes: Any = None,
) -> Array:
    """Return `gaussian_filter1d` along each of `axes` (all); `sigma`, `order` and `radius` may be one for each axis.

    >>> gaussian_filter(np.array([0.0, 0.0, 1.0, 0.0, 0.0]), 0.5).round(3)
    array([0.   , 0.106, 0.787, 0.106, 0.   ])
    """
    x = floating(input)
    along = normalize_axis_tuple(range(x.ndim) if axes is None else axes, x.ndim)
    settings = {"sigma": sigma, "order": order, "radius": radius}
    each = [_each("gaussian_filter", what, given, len(along)) for what, given in settings.items()]
    for axis, s, o, r in zip(along, *each, strict=True):
        if float(value_of(s)) > 1e-15:
            x = gaussian_filter1d(x, s, axis, o, mode=mode, cval=cval, truncate=truncate, radius=r)
    return x


def laplace(input: Array, *, mode: str = "reflect", cval: float = 0.0) -> Array:
    """Return the sum of the second differences along all axes."""
    x = floating(input)
    return sum(correlate1d(x, np.array([1.0, -2.0, 1.0]), axis, mode=mode, cval=cval) for axis in range(x.ndim))


def _each_gaussian(input: Array, sigma: Array, order: int, settings: dict[str, Any]) -> list[Array]:
    ndim = np.ndim(input)
    orders = [tuple(order * (k == axis) for k in range(ndim)) for axis in range(ndim)]
    return [gaussian_filter(input, sigma, one, **settings) for one in orders]


def gaussian_laplace(input: Array, sigma: Array, **settings: Any) -> Array:
    """Return the sum of the second derivatives, smoothed as `gaussian_filter` does; its settings are taken."""
    return sum(_each_gaussian(input, sigma, 2, settings))


def gaussian_gradient_magnitude(input: Array, sigma: Array, **settings: Any) -> Array:
    """Return the length of the gradient, smoothed as `gaussian_filter` does; its settings are taken."""
    return np.sqrt(sum(part * part for part in _each_gaussian(input, sigma, 1, settings)))


def _edges(input: Array, axis: int, across: Sequence[float], mode: str, cval: float) -> Array:
    x = floating(input)
    (axis,) = normalize_axis_tuple(axis, x.ndim)
    y = correlate1d(x, np.array([-1.0, 0.0, 1.0]), axis, mode=mode, cval=cval)
    for other in range(x.ndim):
        if other != axis:
            y = correlate1d(y, np.array(across), other, mode=mode, cval=cval)
    return y


def sobel(input: Array, axis: int = -1, *, mode: str = "reflect", cval: float = 0.0) -> Array:
    """Return the differences along `axis`, smoothed by (1, 2, 1) along the others."""
    return _edges(input, axis, (1.0, 2.0, 1.0), mode, cval)


def prewitt(input: Array, axis: int = -1, *, mode: str = "reflect", cval: float = 0.0) -> Array:
    """Return the differences along `axis`, summed over three neighbours along the others."""
    return _edges(input, axis, (1.0, 1.0, 1.0), mode, cval)


# Interpolation


def map_coordinates(
    input: Array, coordinates: Array, order: int = 3, mode: str = "constant", cval: float = 0.0
) -> Array:
    """Return `input` at `coordinates [input.ndim, …]`, of the nearest element (`order` 0) or linearly between them (1).

    Differentiable with respect to both. As in `jax.scipy` the order has no higher default here: pass 0 or 1. Raises
    ValueError for another order, for an unknown `mode`, and unless there is one row of coordinates for each axis.

    >>> map_coordinates(np.array([[0.0, 1.0], [2.0, 3.0]]), [[0.5], [0.25]], order=1)
    array([1.25])
    """
    x, at, known = floating(input), arrayed(coordinates), _known("map_coordinates", mode)
    if order not in (0, 1):
        raise ValueError(
            f"map_coordinates: got order={order!r}, expected 0 or 1: splines of higher order are not offered"
        )
    if at.ndim < 1 or at.shape[0] != x.ndim:
        raise ValueError(f"map_coordinates: got coordinates {at.shape}, expected [{x.ndim}, …]: a row for each axis")
    at = at if at.dtype.kind == "f" else at.astype(np.float64)
    if mode == "wrap":  # in SciPy's interpolation the last element then is the first one again; not in "grid-wrap"
        at = np.stack([_turned(at[k], n) for k, n in enumerate(x.shape)])
    corners = [_corners(at[k], n, order, known) for k, n in enumerate(x.shape)]
    flat, total = x.reshape((-1,)), 0.0
    strides = [math.prod(x.shape[k + 1 :]) for k in range(x.ndim)]
    for corner in itertools.product(*corners):
        place = sum(index * stride for (index, _, _), stride in zip(corner, strides, strict=True))
        weight = math.prod((weight for _, weight, _ in corner), start=1.0)
        exists = [exists for _, _, exists in corner if exists is not None]
        value = take(flat, place)
        if exists:
            value = where(functools.reduce(np.logical_and, exists), value, np.asarray(cval, x.dtype))
        total = total + weight * value
    return _beyond(total, at, x.shape, cval) if mode == "constant" else total


def _turned(at: Array, n: int) -> Array:
    period = max(n - 1, 1)
    return where((at >= 0) & (at <= n - 1), at, at % period)


def _corners(at: Array, n: int, order: int, mode: str) -> list[tuple[Any, Array, Any]]:
    """Return the elements on both sides of places along an axis, their weights, and whether they exist (None: yes)."""
    if order == 0:
        lows = [(np.floor(at + 0.5), 1.0)]
    else:
        low = np.floor(at)
        part = at - low
        lows = [(low, 1 - part), (low + 1, part)]
    found = []
    for place, weight in lows:
        whole = place.astype(np.int64)
        exists = (whole >= 0) & (whole < n) if mode == "constant" else None
        found.append((_inside(whole, n, mode), weight, exists))
    return found


def _beyond(y: Array, at: Array, shape: tuple[int, ...], cval: float) -> Array:
    """Return the values with `cval` at all places that are outside of the array, however little."""
    inside = [(at[k] >= 0) & (at[k] <= n - 1) for k, n in enumerate(shape)]
    return where(functools.reduce(np.logical_and, inside), y, np.asarray(cval, y.dtype))


def affine_transform(
    input: Array,
    matrix: Array,
    offset: Array = 0.0,
    output_shape: tuple[int, ...] | None = None,
    order: int = 3,
    mode: str = "constant",
    cval: float = 0.0,
) -> Array:
    """Return the image whose element at o is `input` at `matrix` o + `offset`; see `map_coordinates`.

    `matrix` is [ndim, ndim], or a vector: its diagonal; or [ndim, ndim + 1], with the offset as its last column.
    """
    x, matrix = floating(input), arrayed(matrix)
    if matrix.ndim == 1:
        matrix = matrix * np.eye(x.ndim)
    if matrix.shape == (x.ndim, x.ndim + 1):
        matrix, offset = matrix[:, :-1], matrix[:, -1]
    if matrix.shape != (x.ndim, x.ndim):
        raise ValueError(f"affine_transform: got a matrix {matrix.shape}, expected {(x.ndim, x.ndim)}")
    shape = x.shape if output_shape is None else tuple(output_shape)
    places = np.indices(shape).reshape((x.ndim, -1)).astype(np.float64)
    at = matrix @ places + (arrayed(offset) + np.zeros(x.ndim)).reshape((-1, 1))
    return map_coordinates(x, at, order, mode, cval).reshape(shape)


def shift(input: Array, shift: Array, order: int = 3, mode: str = "constant", cval: float = 0.0) -> Array:
    """Return the image moved by `shift` elements, one number or one for each axis; see `map_coordinates`."""
    x, by = floating(input), arrayed(shift)
    if by.shape not in ((), (x.ndim,)):
        raise ValueError(f"shift: got a shift of shape {by.shape}, expected one number, or {x.ndim}: one for each axis")
    return affine_transform(x, np.eye(x.ndim), -(by + np.zeros(x.ndim)), None, order, mode, cval)


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
