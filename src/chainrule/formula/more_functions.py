"""Functions that records' formulas name and NumPy does not have, in plain NumPy, apart from the engine."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .functions import as_double

Function = Callable[..., Any]


def symmetric(x: Any) -> Any:
    """Return the symmetric part of each matrix."""
    return (x + np.swapaxes(x, -1, -2)) / 2


def _lower(x: Any) -> Any:
    """Return the lower triangle with half its diagonal."""
    return np.tril(x) - np.eye(x.shape[-1]) * x / 2


def copied(x: Any) -> Any:
    """Return the lower triangle mirrored to the upper one."""
    return np.tril(x) + np.swapaxes(np.tril(x, -1), -1, -2)


def cofactors(x: Any) -> Any:
    """Return the determinants of what is left without a row and a column, with alternating signs."""
    n = x.shape[-1]
    found = np.zeros(x.shape, as_double(x).dtype)
    for i in range(n):
        for j in range(n):
            minor = np.delete(np.delete(x, i, axis=-2), j, axis=-1)
            found[..., i, j] = (-1) ** (i + j) * np.linalg.det(minor)
    return found


def _others(x: Any, axis: Any = None) -> Any:
    """Return the product of all other elements along the axes."""
    x = np.asarray(x)
    axes = tuple(range(x.ndim)) if axis is None else tuple(a % x.ndim for a in np.atleast_1d(axis))
    last = range(x.ndim - len(axes), x.ndim)
    moved = np.moveaxis(x, axes, last)
    rows = moved.reshape(*moved.shape[: x.ndim - len(axes)], -1)
    found = np.stack([np.prod(np.delete(rows, k, axis=-1), axis=-1) for k in range(rows.shape[-1])], axis=-1)
    return np.moveaxis(found.reshape(moved.shape), last, axes)


def _padded(x: Any, widths: Any = ()) -> Any:
    return np.pad(x, widths) if np.ndim(x) else x


def _unpadded(y: Any, widths: Any = ()) -> Any:
    return y[tuple(slice(before, n - after) for (before, after), n in zip(widths, np.shape(y), strict=True))]


def _polygamma(order: Any, x: Any) -> Any:
    """Return ψ⁽ⁿ⁾(x) for x > 0: shifted up by its recurrence, then its asymptotic series (DLMF 5.15)."""
    n = int(np.ravel(order)[0])
    x, total = np.asarray(x, float), np.zeros(np.shape(x))
    for _ in range(30):
        total = total + 1 / x ** (n + 1)
        x = x + 1
    bernoulli = (1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66)
    factorial = math.factorial
    factors = ((k, b * factorial(2 * k + n - 1) / factorial(2 * k)) for k, b in enumerate(bernoulli, 1))
    terms = sum(factor / x ** (2 * k + n) for k, factor in factors)
    if n == 0:
        return np.log(x) - 1 / (2 * x) - terms - total
    sign = (-1) ** (n + 1)
    return sign * (factorial(n - 1) / x**n + factorial(n) / (2 * x ** (n + 1)) + terms + factorial(n) * total)


def _bessel(order: Any, x: Any) -> Any:
    """Return the modified Bessel function of the first kind, from its power series (DLMF 10.25.2)."""
    v = np.asarray(order, float)
    total = np.zeros(np.broadcast_shapes(np.shape(v), np.shape(x)))
    half = np.asarray(x, float) / 2
    whole = np.abs(np.round(v))  # of integer order, and even in it
    for k in range(80):
        size = np.vectorize(lambda m, k=k: math.lgamma(k + 1) + math.lgamma(k + m + 1))(whole)
        with np.errstate(divide="ignore"):
            total = total + np.exp((2 * k + whole) * np.log(np.abs(half)) - size)
    return total * np.where((whole % 2 == 1) & (half < 0), -1.0, 1.0)


def _erfinv(y: Any) -> Any:
    """Return the root of erf(x) = y, by Newton's method."""
    erf = np.vectorize(math.erf, otypes=[float])
    x = np.sign(y) * np.sqrt(np.maximum(-np.log1p(-np.abs(y)), 0.0)) * 0.8
    for _ in range(60):
        x = x - (erf(x) - y) / (2 / math.sqrt(math.pi) * np.exp(-(x**2)))
    return x


def _shape_slope(a: Any, x: Any) -> Any:
    """Return ∂P(a, x)/∂a from its integral over t = e⁻ˢ, by Gauss and Legendre's rule."""
    import scipy.special

    a, x = np.broadcast_arrays(np.asarray(a, float), np.asarray(x, float))
    s, weight = _half_line(a)
    integral = np.sum(weight * -s * np.exp(-a[..., None] * s - x[..., None] * np.exp(-s)), axis=-1)
    share = scipy.special.gammainc(a, x) * (np.log(x) - scipy.special.digamma(a))
    return share + np.exp(a * np.log(x) - scipy.special.gammaln(a)) * integral


def _first_slope(a: Any, b: Any, x: Any) -> Any:
    """Return ∂I(a, b, x)/∂a from its integral over t = x e⁻ˢ, by Gauss and Legendre's rule."""
    import scipy.special

    a, b, x = np.broadcast_arrays(*(np.asarray(v, float) for v in (a, b, x)))
    s, weight = _half_line(a)
    at = x[..., None] * np.exp(-s)
    integral = np.sum(weight * -s * np.exp(-a[..., None] * s) * (1 - at) ** (b[..., None] - 1), axis=-1)
    mean = np.log(x) - scipy.special.digamma(a) + scipy.special.digamma(a + b)
    return scipy.special.betainc(a, b, x) * mean + np.exp(a * np.log(x) - scipy.special.betaln(a, b)) * integral


def _half_line(a: Any) -> tuple[Any, Any]:
    """Return nodes and weights on (0, 50 / a), beyond which e⁻ᵃˢ is nothing."""
    node, weight = np.polynomial.legendre.leggauss(200)
    length = 50 / a[..., None]
    return (node + 1) / 2 * length, weight / 2 * length


_SAME = (
    *("gamma", "beta", "betaln", "betainc", "gammainc", "gammaincc", "zeta", "jv", "yv", "kv", "kve"),
    *("erfcinv", "ndtri", "expi", "expn", "spence", "erfcx", "erfi", "dawsn", "exprel"),
    *("hyp0f1", "hyp1f1", "hyp2f1", "rgamma", "poch", "binom", "ellipk", "ellipe", "ellipkinc", "ellipeinc"),
    *("gammaincinv", "gammainccinv", "betaincinv", "wrightomega", "wofz"),
)
OF_SCIPY: Mapping[str, str] = {
    **{name: name for name in _SAME},
    **{name: f"eval_{name}" for name in ("jacobi", "gegenbauer", "chebyt", "hermite", "hermitenorm")},
    **{"laguerre": "eval_genlaguerre", "sphlegendre": "sph_legendre_p", "OwensT": "owens_t"},
}
"""Functions of `scipy.special` that formulas name, and their names there."""


def _of_scipy(name: str) -> Function:
    """Return SciPy's function of a name, which is imported when it is called."""

    def computed(*args: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*args)

    return computed


def _of_pair(name: str, k: int) -> Function:
    """Return one of the functions that SciPy computes together."""

    def computed(x: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(x)[k]

    return computed


OWN: Mapping[str, Function] = {
    **{name: _of_scipy(there) for name, there in OF_SCIPY.items()},
    **{"symmetric": symmetric, "lower": _lower, "copied": copied, "cofactors": cofactors, "others": _others},
    **{"pad": _padded, "unpad": _unpadded, "polygamma": _polygamma, "iv": _bessel, "erfinv": _erfinv},
    "ive": lambda order, x: _bessel(order, x) * np.exp(-np.abs(x)),
    **{"Si": _of_pair("sici", 0), "Ci": _of_pair("sici", 1)},
    **{name: _of_pair("airy", k) for k, name in enumerate(("Ai", "DAi", "Bi", "DBi"))},
    **{"FresnelS": _of_pair("fresnel", 0), "FresnelC": _of_pair("fresnel", 1)},
    "lambertw": lambda x: np.real(_of_scipy("lambertw")(x)),
    **{"DaP": _shape_slope, "DaI": _first_slope},
    "matrix": lambda x: x,
    "gammaln": np.vectorize(math.lgamma, otypes=[float]),
}
"""The functions that records' formulas name and NumPy does not have."""
