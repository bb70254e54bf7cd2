"""Polynomials as coefficients, highest power first: NumPy's `poly…` functions for plain arrays."""

from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.rules.linalg.inverses import inv, lstsq

from .calculus import convolve
from .join import concatenate, stack
from .reduce import arrayed, floating, sum
from .shape import atleast_1d


def _coefficients(name: str, p: Array) -> Array:
    p = atleast_1d(arrayed(p))
    if p.ndim != 1:
        raise ValueError(f"{name}: got coefficients of shape {p.shape}, expected a vector")
    return p


def _of_degree(p: Array, length: int) -> Array:
    """Return coefficients with zeros for the higher powers."""
    return concatenate([np.zeros(length - p.shape[0], p.dtype), p]) if p.shape[0] < length else p


@implements(np.polyval)
def polyval(p: Array, x: Array) -> Array:
    """Return the polynomial with coefficients `p` [N] at `x`, of any shape, by Horner's rule.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> float(grad(polyval, argnums=1)(np.array([1.0, 0.0, -4.0]), 3.0))
    6.0
    """
    p, x = _coefficients("polyval", p), arrayed(x)
    y = np.zeros(x.shape, x.dtype)
    for k in range(p.shape[0]):
        y = y * x + p[k]
    return y


@implements(np.polyadd)
def polyadd(a1: Array, a2: Array) -> Array:
    """Return the coefficients of the sum of two polynomials."""
    a1, a2 = _coefficients("polyadd", a1), _coefficients("polyadd", a2)
    length = max(a1.shape[0], a2.shape[0])
    return _of_degree(a1, length) + _of_degree(a2, length)


@implements(np.polysub)
def polysub(a1: Array, a2: Array) -> Array:
    """Return the coefficients of the difference of two polynomials."""
    a1, a2 = _coefficients("polysub", a1), _coefficients("polysub", a2)
    length = max(a1.shape[0], a2.shape[0])
    return _of_degree(a1, length) - _of_degree(a2, length)


@implements(np.polymul)
def polymul(a1: Array, a2: Array) -> Array:
    """Return the coefficients of the product of two polynomials.

    >>> polymul(np.array([1.0, 1.0]), np.array([1.0, -1.0]))
    array([ 1.,  0., -1.])
    """
    return convolve(_coefficients("polymul", a1), _coefficients("polymul", a2))


@implements(np.polyder)
def polyder(p: Array, m: int = 1) -> Array:
    """Return the coefficients of the `m`-th derivative.

    >>> polyder(np.array([1.0, 5.0, 7.0]))
    array([2., 5.])
    """
    p = _coefficients("polyder", p)
    if m < 0:
        raise ValueError(f"polyder: got m={m}, expected 0 or more")
    for _ in range(m):
        p = p[:-1] * np.arange(p.shape[0] - 1, 0, -1, dtype=p.dtype)
    return p


@implements(np.polyint)
def polyint(p: Array, m: int = 1, k: Array = None) -> Array:
    """Return the coefficients of the `m`-fold integral with constants `k`: one number, or one per integration.

    >>> polyint(np.array([2.0, 5.0]))
    array([1., 5., 0.])
    """
    p = _coefficients("polyint", p)
    constants = atleast_1d(arrayed(np.zeros(m, p.dtype) if k is None else k))
    if m < 0 or constants.shape not in {(m,), (1,)}:
        raise ValueError(f"polyint: got m={m} and k of shape {constants.shape}, expected m >= 0 and m constants or one")
    for step in range(m):
        constant = constants[step % constants.shape[0]]
        p = concatenate([p / np.arange(p.shape[0], 0, -1, dtype=p.dtype), constant.reshape((1,))])
    return p


@implements(np.poly)
def poly(seq_of_zeros: Array) -> Array:
    """Return the coefficients of the polynomial with these real zeros [N].

    >>> poly(np.array([1.0, 2.0]))
    array([ 1., -3.,  2.])
    """
    zeros = _coefficients("poly", seq_of_zeros)
    p: Array = np.ones(1, zeros.dtype)
    for k in range(zeros.shape[0]):
        p = concatenate([p, np.zeros(1, p.dtype)]) - concatenate([np.zeros(1, p.dtype), p * zeros[k]])
    return p


@implements(np.polydiv)
def polydiv(u: Array, v: Array) -> tuple[Array, Array]:
    """Return quotient and remainder of two polynomials; leading zeros of the remainder are dropped, as in NumPy.

    >>> polydiv(np.array([1.0, 0.0, -4.0]), np.array([1.0, 1.0]))
    (array([ 1., -1.]), array([-3.]))
    """
    u, v = _coefficients("polydiv", u), _coefficients("polydiv", v)
    quotient = []
    for _ in range(u.shape[0] - v.shape[0] + 1):
        quotient.append(u[0] / v[0])
        u = (u - _of_degree(quotient[-1] * v[::-1], u.shape[0])[::-1])[1:]
    none = np.zeros(1, np.result_type(u.dtype, v.dtype))
    values = np.asarray(value_of(u))
    leading = int(np.argmin(np.append(np.isclose(values[:-1], 0, rtol=1e-14), [False]))) if len(values) else 0
    return (stack(quotient) if quotient else none), (u[leading:] if u.shape[0] else none)


@implements(np.vander)
def vander(x: Array, N: int | None = None, increasing: bool = False) -> Array:
    """Return the powers of the vector `x` as columns [len(x), N], by default from the highest down to 1.

    >>> vander(np.array([2.0, 3.0]), 3)
    array([[4., 2., 1.],
           [9., 3., 1.]])
    """
    x = arrayed(x)
    if (dtype := np.promote_types(x.dtype, int)) != x.dtype:
        x = x.astype(dtype)  # as NumPy does: float64 also of float32
    if x.ndim != 1:
        raise ValueError(f"vander: got x of shape {x.shape}, expected a vector")
    columns: list[Array] = [np.ones(x.shape, x.dtype)]
    while len(columns) < (x.shape[0] if N is None else N):
        columns.append(columns[-1] * x)
    columns = columns[: x.shape[0] if N is None else N]
    if not columns:
        return np.zeros((x.shape[0], 0), x.dtype)
    return stack(columns if increasing else columns[::-1], axis=1)


@implements(np.polyfit)
def polyfit(
    x: Array,
    y: Array,
    deg: int,
    rcond: float | None = None,
    full: bool = False,
    w: Array = None,
    cov: bool | str = False,
) -> Any:
    """Return the coefficients, [deg + 1] or [deg + 1, K], of the best fit to `y` [M] or [M, K] at `x` [M].

    The fit is by least squares, with residuals multiplied by `w` [M] before squaring. `x`, `y` and `w` are
    differentiable. With `cov` the covariance of the coefficients comes second ("unscaled" without the factor of the
    residuals); with `full` come the sum of squared residuals, the rank, the singular values and `rcond`.

    >>> polyfit(np.array([0.0, 1.0, 2.0]), np.array([1.0, 3.0, 5.0]), 1).round(6)
    array([2., 1.])
    """
    x, y = floating(x), floating(y)
    if x.ndim != 1 or y.ndim not in (1, 2) or x.shape[0] != y.shape[0] or deg < 0:
        raise ValueError(
            f"polyfit: got x {x.shape}, y {y.shape} and deg={deg}, expected [M], [M] or [M, K], and 0 or more"
        )
    powers = vander(x, deg + 1)
    if w is not None:
        w = arrayed(w)
        powers, y = powers * w[:, None], y * (w if y.ndim == 1 else w[:, None])
    # Columns of one length keep the problem as well conditioned as it can be.
    scale = np.sqrt(sum(powers * powers, axis=0))
    rcond = len(x) * np.finfo(x.dtype).eps if rcond is None else rcond
    found = lstsq(powers / scale, y, rcond)
    fitted = found.x / (scale if y.ndim == 1 else scale[:, None])
    if full:
        return fitted, found.residuals, found.rank, found.singular_values, rcond
    return (fitted, _covariance(powers / scale, scale, y, found.x, cov)) if cov else fitted


def _covariance(powers: Array, scale: Array, y: Array, scaled: Array, cov: bool | str) -> Array:
    """Return the covariance of the coefficients, from the normal equations in columns of one length."""
    base = inv(np.transpose(powers) @ powers) / (scale[:, None] * scale)
    if cov == "unscaled":
        return base
    rows, columns = powers.shape
    if rows <= columns:
        raise ValueError(
            f"polyfit: cov=True needs more points than coefficients, got {rows} and {columns}; pass cov='unscaled'"
        )
    factor = sum((y - powers @ scaled) ** 2, axis=0) / (rows - columns)
    return base * factor if y.ndim == 1 else base[:, :, None] * factor
