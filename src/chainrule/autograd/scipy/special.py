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

__all__ = ["logsumexp"]


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


def _bessel(name: str) -> tuple[Any, Any]:
    def vjp(_ans: Any, n: Any, x: Any) -> Any:
        f = _found(name)
        return lambda g: g * (f(n - 1, x) - f(n + 1, x)) / 2

    return None, vjp


VJPS: dict[str, tuple[Any, ...]] = {
    "gammasgn": (None,),
    **{name: _bessel(name) for name in ("jn", "jv", "yv")},
    "iv": (None, lambda _, n, x: lambda g: g * (_found("iv")(n - 1, x) + _found("iv")(n + 1, x)) / 2),
    "ive": (
        None,
        lambda ans, n, x: lambda g: g * ((_found("ive")(n - 1, x) + _found("ive")(n + 1, x)) / 2 - ans * np.sign(x)),
    ),
}
"""The derivatives of functions that chainrule has no record of."""

OF_ANY_ORDER = ("iv", "ive", "jn", "jv")
"""Functions whose orders chainrule takes as one number only, and autograd as arrays, too."""

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
