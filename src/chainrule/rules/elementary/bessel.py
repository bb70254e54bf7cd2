r"""The Bessel functions, of any real order that is one number.

The values are SciPy's. The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 10.6.1
and 10.29.1; there is none with respect to the order. Half-integer orders of `kv` are Matérn's kernels, those of `jv`
the spherical Bessel functions.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Case, Kink

from .powers import sqrt
from .rounding import Sign
from .special_functions import OF_SCIPY, computed, number_of, order_of

AWAY = {"x": (0.5, 5.0)}
HALF = (Case(((3,),)), Case(((3,),), {"n": 1.5}))


def _below(n: float) -> float:
    """Return the order below n: of whole orders, the modified functions of −1 and 1 are the same."""
    return abs(n - 1) if isinstance(n, int) else n - 1


class Jv(Elementwise):
    r"""y = \operatorname{jv}(n, x)

    The Bessel function of the first kind, of order n.
    """

    domain = AWAY
    cases = HALF

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed("jv", x, n)

    @staticmethod
    def partial(x: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\operatorname{jv}(n - 1, x) - \operatorname{jv}(n + 1, x)}{2}"""
        return (Jv.apply(x, n=n - 1) - Jv.apply(x, n=n + 1)) / 2


class Yv(Elementwise):
    r"""y = \operatorname{yv}(n, x)

    The Bessel function of the second kind, of order n.
    """

    domain = AWAY
    cases = HALF

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed("yv", x, n)

    @staticmethod
    def partial(x: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\operatorname{yv}(n - 1, x) - \operatorname{yv}(n + 1, x)}{2}"""
        return (Yv.apply(x, n=n - 1) - Yv.apply(x, n=n + 1)) / 2


class Iv(Elementwise):
    r"""y = \operatorname{iv}(n, x)

    The modified Bessel function of the first kind, of order n.
    """

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed(f"i{n}", x) if n in (0, 1) else computed("iv", x, n)

    @staticmethod
    def partial(x: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\operatorname{iv}(n - 1, x) + \operatorname{iv}(n + 1, x)}{2}"""
        return (Iv.apply(x, n=_below(n)) + Iv.apply(x, n=n + 1)) / 2


class Ive(Elementwise):
    r"""y = \operatorname{ive}(n, x)

    This is `iv(n, x)` times $e^{-|x|}$, which does not overflow.
    """

    kinks = (Kink((0.0,), (0.0,), "the mean of the slopes on both sides, 1 and -1"),)

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed(f"i{n}e", x) if n in (0, 1) else computed("ive", x, n)

    @staticmethod
    def partial(x: Array, y: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} =
        \frac{\operatorname{ive}(n - 1, x) + \operatorname{ive}(n + 1, x)}{2} - y \operatorname{sign}(x)
        """
        return (Ive.apply(x, n=_below(n)) + Ive.apply(x, n=n + 1)) / 2 - y * Sign.apply(x)


class Kv(Elementwise):
    r"""y = \operatorname{kv}(n, x)

    The modified Bessel function of the second kind, of order n.
    """

    domain = AWAY
    cases = HALF

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed("kv", x, n)

    @staticmethod
    def partial(x: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} = -\frac{\operatorname{kv}(n - 1, x) + \operatorname{kv}(n + 1, x)}{2}"""
        return -(Kv.apply(x, n=n - 1) + Kv.apply(x, n=n + 1)) / 2


class Kve(Elementwise):
    r"""y = \operatorname{kve}(n, x)

    This is `kv(n, x)` times $e^x$, which does not underflow.
    """

    domain = AWAY
    cases = HALF

    @staticmethod
    def primal(x: Array, *, n: float = 0) -> Array:
        return computed("kve", x, n)

    @staticmethod
    def partial(x: Array, y: Array, *, n: float) -> Array:
        r"""\frac{\partial y}{\partial x} =
        y - \frac{\operatorname{kve}(n - 1, x) + \operatorname{kve}(n + 1, x)}{2}
        """
        return y - (Kve.apply(x, n=n - 1) + Kve.apply(x, n=n + 1)) / 2


i0 = implements(np.i0)(Iv.apply)
i0e = Ive.apply


def jv(v: float, x: Array) -> Array:
    """Return the Bessel function of the first kind, of order `v`: one number, whole or not."""
    return Jv.apply(x, n=number_of("jv", "v", v))


def yv(v: float, x: Array) -> Array:
    """Return the Bessel function of the second kind, of order `v`, for positive `x`."""
    return Yv.apply(x, n=number_of("yv", "v", v))


def yn(n: int, x: Array) -> Array:
    """Return `yv(n, x)` of an integer order `n` ≥ 0."""
    return Yv.apply(x, n=order_of("yn", n))


def iv(v: float, x: Array) -> Array:
    """Return the modified Bessel function of the first kind, of order `v`: one number, whole or not."""
    return Iv.apply(x, n=number_of("iv", "v", v))


def ive(v: float, x: Array) -> Array:
    """Return `iv(v, x)` times exp(-|x|), which does not overflow."""
    return Ive.apply(x, n=number_of("ive", "v", v))


def kv(v: float, x: Array) -> Array:
    """Return the modified Bessel function of the second kind, of order `v`, for positive `x`.

    >>> print(f"{kv(0.5, 1.0):.6f}")  # √(π / 2) / e
    0.461069
    """
    return Kv.apply(x, n=number_of("kv", "v", v))


def kve(v: float, x: Array) -> Array:
    """Return `kv(v, x)` times exp(x), which does not underflow."""
    return Kve.apply(x, n=number_of("kve", "v", v))


def kn(n: int, x: Array) -> Array:
    """Return `kv(n, x)` of an integer order `n` ≥ 0."""
    return Kv.apply(x, n=order_of("kn", n))


def _of_order(make: Any, name: str, n: int) -> Any:
    def bessel(x: Array) -> Array:
        return make(n, x)

    bessel.__name__ = bessel.__qualname__ = name
    bessel.__doc__ = f"Return `{make.__name__}({n}, x)`."
    return bessel


j0, j1 = _of_order(jv, "j0", 0), _of_order(jv, "j1", 1)
y0, y1 = _of_order(yn, "y0", 0), _of_order(yn, "y1", 1)
k0, k1 = _of_order(kn, "k0", 0), _of_order(kn, "k1", 1)
k0e, k1e = _of_order(kve, "k0e", 0), _of_order(kve, "k1e", 1)
i1, i1e = _of_order(iv, "i1", 1), _of_order(ive, "i1e", 1)


def spherical_jn(n: int, z: Array, derivative: bool = False) -> Array:
    """Return the spherical Bessel function of the first kind, of integer order `n` ≥ 0, or its derivative, for z > 0.

    >>> print(f"{spherical_jn(0, 1.0):.6f}")  # sin(1)
    0.841471
    """
    n = order_of("spherical_jn", n)
    if derivative:
        return n / z * spherical_jn(n, z) - spherical_jn(n + 1, z)
    return sqrt(math.pi / 2 / z) * Jv.apply(z, n=n + 0.5)


OF_SCIPY.update(
    j0=j0, j1=j1, jv=jv, jn=jv, y0=y0, y1=y1, yn=yn, yv=yv, i0=i0, i1=i1, i0e=i0e, i1e=i1e, iv=iv, ive=ive,
    k0=k0, k1=k1, kn=kn, kv=kv, k0e=k0e, k1e=k1e, kve=kve,
)  # fmt: skip
