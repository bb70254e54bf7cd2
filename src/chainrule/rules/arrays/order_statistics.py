"""Medians and quantiles: which elements are selected is constant, their values are differentiated."""

from collections.abc import Callable

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import known, may_hold, plain

from .reduce import Axis, arrayed, axes_of, refuse

CONTINUOUS = {
    "linear": (1, 1),
    "weibull": (0, 0),
    "hazen": (1 / 2, 1 / 2),
    "interpolated_inverted_cdf": (0, 1),
    "median_unbiased": (1 / 3, 1 / 3),
    "normal_unbiased": (3 / 8, 3 / 8),
}
r"""The methods that put the quantile q of n sorted elements at the place $n q + \alpha + q (1 - \alpha - \beta) - 1$,
by their (α, β). (R. J. Hyndman and Y. Fan, "Sample quantiles in statistical packages", 1996, definitions 4 to 9.)"""
ROUNDED: dict[str, Callable[[Array], Array]] = {
    "lower": np.floor,
    "higher": np.ceil,
    "nearest": np.rint,
    "midpoint": lambda place: (np.floor(place) + np.ceil(place)) / 2,
}
"""The methods that round the position of `"linear"`."""


def place_of(q: Array, n: Array, method: str) -> Array:
    """Return the fractional positions, counted from 0, of the quantiles among n sorted elements."""
    if method in ROUNDED:
        return ROUNDED[method](known(q) * (n - 1))
    if method not in CONTINUOUS:
        raise ValueError(f"quantile: got method={method!r}, expected one of {sorted([*CONTINUOUS, *ROUNDED])}")
    alpha, beta = CONTINUOUS[method]
    # Grouped so that "linear" is exactly q (n - 1).
    place = q * (n + (1 - alpha - beta)) + (alpha - 1)
    return np.where(known(place) < 0, 0, np.where(known(place) > n - 1, n - 1, place))


def lines_of(a: Array, axis: Axis) -> Array:
    """Return a matrix whose rows are each reduced to one number."""
    axes = axes_of(a.shape, axis)
    rest = [k for k in range(a.ndim) if k not in axes]
    n = int(np.prod([a.shape[k] for k in axes]))
    return np.transpose(a, [*rest, *axes]).reshape((int(np.prod([a.shape[k] for k in rest])), n))


def asked(name: str, a: Array, q: Array, axis: Axis) -> tuple[Array, Array, Array]:
    """Return an array, quantiles from 0 to 1 and the rows to select from; raise an error if that is impossible."""
    a, q = arrayed(a), arrayed(q)
    if np.any(~((value_of(q) >= 0) & (value_of(q) <= 1))):
        raise ValueError(f"{name}: got {value_of(q)} as place, expected it within the range from least to largest")
    lines = lines_of(a, axis)
    if not lines.shape[1]:
        raise ValueError(f"{name}: got no elements to choose from in an array of shape {a.shape}")
    return a, q, lines


def _quantile(name: str, a: Array, q: Array, axis: Axis, method: str, keepdims: bool) -> Array:
    a, q, lines = asked(name, a, q, axis)
    n = lines.shape[1]
    place = place_of(q.reshape((q.size,)), n, method)
    below = np.floor(value_of(place)).astype(np.intp)
    above = np.minimum(below + 1, n - 1)
    kth = np.unique([*below, *above])
    order = plain(
        lambda lines: np.argpartition(lines, kth, axis=1) if kth.size else np.empty((len(lines), 0), int), lines
    )
    line = np.arange(len(lines))[:, None]
    low, high = lines[line, order[:, below]], lines[line, order[:, above]]
    share = real_like(place - below, a.dtype)
    y = low + share * (high - low)
    unknown = plain(lambda lines: np.isnan(lines).any(axis=1, keepdims=True), lines)
    if may_hold(unknown):
        y = np.where(unknown, np.array(np.nan, y.dtype), y)
    return placed_back(np.transpose(y), q.shape, a.shape, axis, keepdims)


def _weighted(name: str, a: Array, q: Array, axis: Axis, method: str, keepdims: bool, weights: Array) -> Array:
    """Return the quantiles of weighted elements: the first ones at which the share of the weights reaches q."""
    if method != "inverted_cdf":
        raise ValueError(
            f"{name}: got method={method!r} with weights, for which NumPy has 'inverted_cdf' only; pass that"
        )
    a, q, lines = asked(name, a, q, axis)
    weights = np.asarray(value_of(weights))
    if weights.shape != a.shape:
        axes = axes_of(a.shape, axis)
        if weights.shape != tuple(a.shape[k] for k in axes):
            raise ValueError(f"{name}: got weights of shape {weights.shape} for shape {a.shape} along {axis}")
        weights = np.broadcast_to(weights.reshape([n if k in axes else 1 for k, n in enumerate(a.shape)]), a.shape)
    if np.any(weights < 0):
        raise ValueError(f"{name}: got a negative weight, expected weights of at least 0")
    heavy, asked_for = lines_of(weights, axis), value_of(q).reshape(-1)

    def places(lines: Array) -> Array:
        order = np.argsort(lines, axis=1, kind="stable")
        sizes = np.take_along_axis(np.broadcast_to(heavy, lines.shape), order, axis=1)
        share = np.cumsum(sizes, axis=1)
        share = np.where(sizes == 0, -1.0, share / share[:, -1:])
        share = np.maximum.accumulate(share, axis=1)  # what weighs nothing is passed over
        found = np.array([np.searchsorted(row, asked_for, side="left") for row in share])
        return np.take_along_axis(order, np.minimum(found, lines.shape[1] - 1), axis=1)

    chosen = lines[np.arange(lines.shape[0])[:, None], plain(places, lines)]
    return placed_back(np.transpose(chosen), q.shape, a.shape, axis, keepdims)


def placed_back(y: Array, q_shape: tuple[int, ...], a_shape: tuple[int, ...], axis: Axis, keepdims: bool) -> Array:
    """Return one row per q, with one element per reduced row, in the shape of NumPy's result."""
    axes = axes_of(a_shape, axis)
    rest = tuple(1 if k in axes else m for k, m in enumerate(a_shape) if keepdims or k not in axes)
    result = y.reshape((*q_shape, *rest))
    return result if result.shape else result[()]  # a scalar, as NumPy's is


def real_like(x: Array, dtype: Array) -> Array:
    """Return `x` in a dtype, or in float64 if that is not floating."""
    floating = dtype if np.issubdtype(dtype, np.floating) else np.dtype(np.float64)
    return x if x.dtype == floating else x.astype(floating)


@implements(np.quantile)
def quantile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Array = None,
) -> Array:
    """Return the quantiles `q`, from 0 to 1, along `axis`: shape of `q` + the remaining shape of `a`.

    `a` is differentiable, and `q` with the methods that are continuous in it: "linear", "weibull", "hazen",
    "interpolated_inverted_cdf", "median_unbiased", "normal_unbiased". The others are "lower", "higher", "nearest" and
    "midpoint". Among equal elements one is chosen to receive the gradient. `weights`, of the shape of `a` or of `axis`,
    are constants, and take `method="inverted_cdf"`, as in NumPy.

    Raises ValueError for a `q` outside [0, 1], an unknown method, or an empty array.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(quantile)(np.array([4.0, 1.0, 3.0]), 0.25)
    array([0. , 0.5, 0.5])
    """
    refuse("quantile", out=out)
    if weights is not None:
        return _weighted("quantile", a, q, axis, method, keepdims, weights)
    return _quantile("quantile", a, q, axis, method, keepdims)


@implements(np.percentile)
def percentile(
    a: Array,
    q: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    method: str = "linear",
    keepdims: bool = False,
    *,
    weights: Array = None,
) -> Array:
    """Return the percentiles `q`, from 0 to 100, along `axis`; see `quantile`."""
    refuse("percentile", out=out)
    if weights is not None:
        return _weighted("percentile", a, arrayed(q) / 100, axis, method, keepdims, weights)
    return _quantile("percentile", a, arrayed(q) / 100, axis, method, keepdims)


@implements(np.median)
def median(
    a: Array,
    axis: Axis = None,
    out: Array = None,
    overwrite_input: bool = False,  # noqa: ARG001
    keepdims: bool = False,
) -> Array:
    """Return the median along `axis`: the middle element, or the mean of the two in the middle.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(median)(np.array([5.0, 1.0, 3.0, 9.0]))
    array([0.5, 0. , 0.5, 0. ])
    """
    refuse("median", out=out)
    return _quantile("median", a, 0.5, axis, "linear", keepdims)
