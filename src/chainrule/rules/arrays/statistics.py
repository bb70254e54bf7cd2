"""Correlations, covariances and weighted counts."""

import warnings
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import every_value, example, is_captured, mapped_in, plain
from chainrule.core.transforms.mapped import is_mapped
from chainrule.rules.elementary.complex_parts import conjugated, real
from chainrule.rules.linalg.matmul import matmul

from .calculus import convolve
from .gather import diagonal
from .index import Scatter
from .join import concatenate
from .moments import average
from .reduce import arrayed, refuse, sum
from .shape import atleast_2d, ravel, squeeze, transpose


@implements(np.correlate)
def correlate(a: Array, v: Array, mode: str = "valid") -> Array:
    r"""Return $c_k = \sum_n a_{n+k} \bar v_n$ for two vectors; `mode` selects the positions, as in `convolve`.

    >>> correlate(np.array([1.0, 2.0, 3.0]), np.array([0.0, 1.0, 0.5]), mode="same")
    array([2. , 3.5, 3. ])
    """
    a, v = arrayed(a), conjugated(arrayed(v))
    if mode != "same" or a.ndim != 1 or v.ndim != 1 or a.size >= v.size:
        return convolve(a, v[::-1] if v.ndim else v, mode)
    start = a.size // 2  # NumPy swaps the arguments if the second is longer, which moves the middle
    return convolve(a, v[::-1])[start : start + v.size]


@implements(np.cov)
def cov(
    m: Array,
    y: Array = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Array = None,
    aweights: Array = None,
    *,
    dtype: Any = None,
) -> Array:
    """Return the covariance matrix of variables, the rows of `m` and `y` (the columns without `rowvar`).

    The divisor is n - 1, with `bias` n, or n - `ddof`. `fweights` are repeat counts, `aweights` weights of
    observations; `m`, `y` and `aweights` are differentiable.

    >>> cov(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    refuse("cov", dtype=dtype)
    x = _variables("cov", m, rowvar)
    if y is not None:
        x = concatenate([x, _variables("cov", y, rowvar)])
    freedom = (0 if bias else 1) if ddof is None else ddof
    w, n, lost = _weighing(x, fweights, aweights, freedom)
    divisor = n - lost
    if is_captured(divisor):
        divisor = np.where(divisor <= 0, 0, divisor)
    elif value_of(divisor) <= 0:
        warnings.warn("Degrees of freedom <= 0 for slice", RuntimeWarning, stacklevel=2)
        divisor = 0.0
    centred = x - average(x, axis=1, weights=w, keepdims=True)
    return squeeze(
        matmul(centred, transpose(conjugated(centred if w is None else centred * w))) * np.divide(1.0, divisor)
    )


def _variables(name: str, m: Array, rowvar: bool) -> Array:
    m = arrayed(m)
    if m.ndim > 2:
        raise ValueError(f"{name}: got shape {m.shape}, expected at most two axes")
    return transpose(atleast_2d(m)) if not rowvar and m.ndim == 2 else atleast_2d(m)


def _weighing(x: Array, fweights: Array, aweights: Array, freedom: int) -> tuple[Array, Array, Array]:
    """Return the observations' weights, their sum, and the correction for degrees of freedom."""
    if fweights is None and aweights is None:
        return None, x.shape[1], freedom
    counts = np.ones(x.shape[1], x.dtype) if fweights is None else np.asarray(value_of(fweights)).astype(x.dtype)
    if aweights is None:
        return counts, counts.sum(), freedom
    w = counts * arrayed(aweights)
    total = sum(w)
    return w, total, freedom * sum(w * arrayed(aweights)) / total if freedom else 0


@implements(np.corrcoef)
def corrcoef(x: Array, y: Array = None, rowvar: bool = True, *, dtype: Any = None) -> Array:
    """Return the correlation coefficients of variables, given as to `cov`, clipped to ±1.

    >>> corrcoef(np.array([[0.0, 1.0, 2.0], [2.0, 1.0, 0.0]]))
    array([[ 1., -1.],
           [-1.,  1.]])
    """
    c = cov(x, y, rowvar, dtype=dtype)
    if c.ndim == 0:
        return c / c
    deviation = np.sqrt(real(diagonal(c)))
    r = c / deviation[:, None] / deviation[None, :]
    return r + plain(_excess, r)


def _excess(r: Array) -> Array:
    """Return what clips a coefficient, or each part of a complex one, to ±1."""
    if r.dtype.kind != "c":
        return np.clip(r, -1, 1) - r
    return np.clip(r.real, -1, 1) + 1j * np.clip(r.imag, -1, 1) - r


@implements(np.ediff1d)
def ediff1d(ary: Array, to_end: Array = None, to_begin: Array = None) -> Array:
    """Return the differences of neighbours in the flattened array, with `to_begin` before and `to_end` after them.

    >>> ediff1d(np.array([1.0, 4.0, 9.0]), to_begin=0.0)
    array([0., 3., 5.])
    """
    x = ravel(arrayed(ary))
    parts = [to_begin, x[1:] - x[:-1], to_end]
    return concatenate([ravel(arrayed(part)) for part in parts if part is not None])


@implements(np.bincount)
def bincount(x: Array, weights: Array = None, minlength: int = 0) -> Array:
    """Return how often each integer from 0 on occurs in `x` [N], or the sum of its `weights` [N].

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(lambda w: bincount(np.array([0, 2, 2]), w)[2])(np.array([1.0, 1.0, 1.0]))
    array([0., 1., 1.])
    """
    x = arrayed(x)
    length = len(np.bincount(example(x), minlength=minlength))
    if is_mapped(x) and np.max(every_value(x), initial=-1) >= max(minlength, 1):
        mapped_in(x).refuse("bincount gives each row a result of another shape, unless minlength= is large enough")

    def counted(x: Array) -> Array:
        counts = np.bincount(x, minlength=minlength)
        if len(counts) != length:  # the function itself is called then, unless there have been side effects
            raise ValueError(f"bincount: got {len(counts)} bins, of {length} when compiled; give it a minlength=")
        return counts

    def places(x: Array) -> Array:
        counted(x)
        return x.astype(np.intp)

    if weights is None:
        return plain(counted, x)
    weights = arrayed(weights)
    if weights.shape != x.shape:
        raise ValueError(f"bincount: got weights of shape {weights.shape} for x of shape {x.shape}, expected the same")
    return Scatter.apply(weights, shape=(length,), index=(plain(places, x),))


@implements(np.histogram)
def histogram(
    a: Array,
    bins: Any = 10,
    range: Any = None,
    density: bool | None = None,
    weights: Array = None,
) -> tuple[Array, Array]:
    """Return how many elements of `a` each bin holds, or the sum of their `weights`, and the edges of the bins.

    Counts jump where an element crosses an edge, so only `weights` has a derivative, also with `density`.
    """
    a = arrayed(a)
    if weights is None:
        counts, edges = plain(lambda a, bins, range: np.histogram(a, bins, range, density), a, bins, range)
        return counts, edges
    weights = arrayed(weights)
    if weights.shape != a.shape:
        raise ValueError(f"histogram: got weights of shape {weights.shape} for shape {a.shape}, expected the same")
    edges = plain(lambda a, bins, range: np.histogram_bin_edges(a, bins, range), a, bins, range)
    inside = plain(lambda a, edges: (a >= edges[0]) & (a <= edges[-1]), a, edges)
    last = len(edges) - 2
    places = plain(lambda a, e: np.clip(np.searchsorted(e, a, side="right") - 1, 0, last).reshape(-1), a, edges)
    y = bincount(places, ravel(np.where(inside, weights, 0)), len(edges) - 1)
    return (y / np.diff(edges).astype(y.dtype) / sum(y) if density else y), edges


@implements(np.histogramdd)
def histogramdd(
    sample: Any, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Array = None
) -> tuple[Array, Any]:
    """Return how many points [N, D] each box of a grid holds, or the sum of their `weights`, and the edges.

    As for `histogram`, only `weights` has a derivative.
    """
    points = sample if isinstance(sample, Tensor) else np.asarray(_columns(sample))
    if weights is None:
        counts, edges = plain(lambda p, b, r: np.histogramdd(p, b, r, density), points, bins, range)
        return counts, edges
    weights = arrayed(weights)
    edges = plain(lambda p, b, r: np.histogramdd(p, b, r)[1], points, bins, range)
    places, inside = plain(_boxes_of, points, edges)
    shape = tuple(len(edge) - 1 for edge in edges)
    y = bincount(places, np.where(inside, weights, 0), int(np.prod(shape))).reshape(shape)
    if density:
        y = y / sum(y)
        for axis, edge in enumerate(edges):
            y = y / np.diff(edge).reshape([-1 if k == axis else 1 for k in np.arange(len(edges))])
    return y, edges


def _columns(sample: Any) -> Array:
    """Return points given as one array [N, D], or as one vector for each axis."""
    if hasattr(sample, "shape"):
        return sample
    return np.stack([value_of(x) for x in sample], axis=-1)


def _boxes_of(points: Array, edges: Any) -> tuple[Array, Array]:
    """Return the flat number of the box that each point is in, and whether it is in one."""
    inside = np.ones(len(points), bool)
    numbers = []
    for x, edge in zip(points.T, edges, strict=True):
        inside &= (x >= edge[0]) & (x <= edge[-1])
        numbers.append(np.clip(np.searchsorted(edge, x, side="right") - 1, 0, len(edge) - 2))
    return np.ravel_multi_index(tuple(numbers), tuple(len(edge) - 1 for edge in edges)), inside


@implements(np.histogram2d)
def histogram2d(
    x: Array, y: Array, bins: Any = 10, range: Any = None, density: bool | None = None, weights: Array = None
) -> tuple[Array, Array, Array]:
    """Return `histogramdd` of points (x, y), and the edges along both axes. Only `weights` has a derivative."""
    if np.ndim(bins) == 1 and len(bins) not in (1, 2):
        bins = [np.asarray(bins), np.asarray(bins)]
    counts, edges = histogramdd([x, y], bins, range, density, weights)
    return counts, edges[0], edges[1]
