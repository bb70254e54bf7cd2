"""autograd.scipy.special: SciPy's special functions.

A function that chainrule has a record of is that one. The others are primitives with autograd's derivatives, or, if it
has none either, primitives that wait for a `defvjp`.
"""

from typing import Any

import numpy as np
import scipy.special as _scipy

from chainrule import special as _special
from chainrule.core.operands.protocols import ufuncs
from chainrule.numpy.wrapping import wrapped
from chainrule.rules.network.softmax import logsumexp as _logsumexp

from ..extend import defvjp, primitive

__all__ = ["logsumexp", "multigammaln"]

_ROOT_2PI = float(np.sqrt(2 * np.pi))


def logsumexp(x: Any, axis: Any = None, b: Any = None, keepdims: bool = False, return_sign: bool = False) -> Any:
    """Return log Σ b exp(x) over `axis`. `return_sign` raises a TypeError: the sign has no derivative.

    >>> round(float(np.exp(logsumexp(np.log([1.0, 2.0]), b=[3.0, 1.0]))), 12)
    5.0
    """
    if return_sign:
        raise TypeError("logsumexp: return_sign=True is not supported; take the sign from np.sum(b * np.exp(x))")
    if b is None:
        return _logsumexp(x, axis=axis, keepdims=keepdims)
    top = np.max(x, axis=axis, keepdims=True)
    shift = getattr(top, "detach", lambda: top)()
    total = np.sum(b * np.exp(x - shift), axis=axis, keepdims=True)
    y = np.log(total) + shift
    return y if keepdims else np.sum(y, axis=axis)  # over axes of length 1: this removes them


def multigammaln(a: Any, d: int) -> Any:
    """Return the logarithm of the multivariate gamma function of dimension `d`."""
    places = (1.0 - np.arange(1, d + 1)) / 2
    terms = _found("gammaln")(a[..., None] + places if np.ndim(a) else a + places)
    return d * (d - 1) / 4 * np.log(np.pi) + np.sum(terms, axis=-1)


def _bessel(name: str) -> tuple[Any, Any]:
    def vjp(_ans: Any, n: Any, x: Any) -> Any:
        f = _found(name)
        return lambda g: g * (f(n - 1, x) - f(n + 1, x)) / 2

    return None, vjp


def _first(name: str, of_two: str) -> tuple[Any]:
    """Return the rule of j1 or y1, in terms of the order below and the order above."""

    def vjp(_ans: Any, x: Any) -> Any:
        return lambda g: g * (_found(name)(x) - _found(of_two)(2, x)) / 2

    return (vjp,)


def _beta_vjps(scaled: bool) -> tuple[Any, Any]:
    def rule(place: int) -> Any:
        def vjp(ans: Any, a: Any, b: Any) -> Any:
            psi = _found("psi")
            slope = psi((a, b)[place]) - psi(a + b)
            return lambda g: g * (ans * slope if scaled else slope)

        return vjp

    return rule(0), rule(1)


def _density_of_gamma(sign: float) -> tuple[Any, Any]:
    def vjp(_ans: Any, a: Any, x: Any) -> Any:
        return lambda g: sign * g * np.exp(-x) * np.power(x, a - 1) / _found("gamma")(a)

    return None, vjp


def _density_of_beta(_ans: Any, a: Any, b: Any, x: Any) -> Any:
    return lambda g: g * np.power(x, a - 1) * np.power(1 - x, b - 1) / _found("beta")(a, b)


VJPS: dict[str, tuple[Any, ...]] = {
    "beta": _beta_vjps(True),
    "betaln": _beta_vjps(False),
    "betainc": (None, None, _density_of_beta),
    "gamma": (lambda ans, x: lambda g: g * ans * _found("psi")(x),),
    "rgamma": (lambda ans, x: lambda g: -g * ans * _found("psi")(x),),
    "gammasgn": (None,),
    "gammainc": _density_of_gamma(1.0),
    "gammaincc": _density_of_gamma(-1.0),
    "j0": (lambda _, x: lambda g: -g * _found("j1")(x),),
    "y0": (lambda _, x: lambda g: -g * _found("y1")(x),),
    "j1": _first("j0", "jn"),
    "y1": _first("y0", "yn"),
    **{name: _bessel(name) for name in ("jn", "jv", "yn", "yv")},
    "iv": (None, lambda _, n, x: lambda g: g * (_found("iv")(n - 1, x) + _found("iv")(n + 1, x)) / 2),
    "ive": (
        None,
        lambda ans, n, x: lambda g: g * ((_found("ive")(n - 1, x) + _found("ive")(n + 1, x)) / 2 - ans * np.sign(x)),
    ),
    "erfcinv": (lambda ans, _: lambda g: -g * np.sqrt(np.pi) / 2 * np.exp(ans**2),),
    "ndtr": (lambda _, x: lambda g: g * np.exp(-(x**2) / 2) / _ROOT_2PI,),
    "log_ndtr": (lambda ans, x: lambda g: g * np.exp(-(x**2) / 2 - ans) / _ROOT_2PI,),
    "ndtri": (lambda ans, _: lambda g: g * np.exp(ans**2 / 2) * _ROOT_2PI,),
}
"""The derivatives of functions that chainrule has no record of."""

OF_ANY_ORDER = ("iv", "ive")
"""Functions of which chainrule's record takes whole orders only."""

_made: dict[str, Any] = {}


def _found(name: str) -> Any:
    """Return a function of SciPy's by its name: chainrule's, or a primitive."""
    if name not in _made:
        _made[name] = _make(name)
    return _made[name]


def _make(name: str) -> Any:
    if hasattr(_special, name) and name not in OF_ANY_ORDER:
        return getattr(_special, name)
    plain = getattr(_scipy, name)
    if not callable(plain) or isinstance(plain, type):
        return plain
    if plain in ufuncs and name not in OF_ANY_ORDER:
        return wrapped("scipy.special", plain)
    made = primitive(plain)
    if name in VJPS:
        defvjp(made, *VJPS[name])
    return made


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(name)
    return _found(name)


def __dir__() -> list[str]:
    return dir(_scipy)
