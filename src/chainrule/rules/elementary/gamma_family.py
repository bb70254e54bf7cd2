r"""Functions made of the gamma function, as SciPy computes them.

The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 5.12, 8.8.13, 8.17.20,
25.11.17.
"""

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .exponential import exp, log, log1p
from .incomplete_slopes import BetaincSlope, GammaincSlope
from .special_functions import OF_SCIPY, Gammaln, Polygamma, computed, order_of, scipy_special

SHAPES = {"a": (0.4, 4.0), "b": (0.4, 4.0)}


def of_scipy(name: str, *args: Array) -> Array:
    """Return SciPy's function of several arrays, in their common dtype if that is floating."""
    dtype = np.result_type(*args)
    y = getattr(scipy_special(name), name)(*args)
    return np.asarray(y, dtype if dtype.kind == "f" else None)[()]


class Gamma(Elementwise):
    r"""y = \operatorname{gamma}(x)"""

    name = "gamma_function"
    domain = {"x": (0.3, 4.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("gamma", x)

    @staticmethod
    def partial(x: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = y \operatorname{polygamma}(0, x)"""
        return y * Polygamma.apply(x, n=0)


class Beta(Elementwise):
    r"""y = \operatorname{beta}(a, b)"""

    name = "beta_function"
    domain = SHAPES

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return of_scipy("beta", a, b)

    @staticmethod
    def partial_a(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = y (\operatorname{polygamma}(0, a) - \operatorname{polygamma}(0, a + b))"""
        return y * (Polygamma.apply(a, n=0) - Polygamma.apply(a + b, n=0))

    @staticmethod
    def partial_b(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = y (\operatorname{polygamma}(0, b) - \operatorname{polygamma}(0, a + b))"""
        return y * (Polygamma.apply(b, n=0) - Polygamma.apply(a + b, n=0))


class Betaln(Elementwise):
    r"""y = \operatorname{betaln}(a, b)

    The logarithm of the absolute value of the beta function.
    """

    domain = SHAPES

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return of_scipy("betaln", a, b)

    @staticmethod
    def partial_a(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \operatorname{polygamma}(0, a) - \operatorname{polygamma}(0, a + b)"""
        return Polygamma.apply(a, n=0) - Polygamma.apply(a + b, n=0)

    @staticmethod
    def partial_b(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \operatorname{polygamma}(0, b) - \operatorname{polygamma}(0, a + b)"""
        return Polygamma.apply(b, n=0) - Polygamma.apply(a + b, n=0)


class Betainc(Elementwise):
    r"""y = \operatorname{betainc}(a, b, x)

    The regularised incomplete beta function.
    """

    domain = {**SHAPES, "x": (0.05, 0.95)}
    once = frozenset({"a", "b"})

    @staticmethod
    def primal(a: Array, b: Array, x: Array) -> Array:
        return of_scipy("betainc", a, b, x)

    @staticmethod
    def partial_a(a: Array, b: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \operatorname{DaI}(a, b, x)"""
        return BetaincSlope.apply(a, b, x)

    @staticmethod
    def partial_b(a: Array, b: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = -\operatorname{DaI}(b, a, 1 - x)"""
        return -BetaincSlope.apply(b, a, 1 - x)

    @staticmethod
    def partial_x(a: Array, b: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = e^{(a - 1) \log(x) + (b - 1) \log(1 - x) - \operatorname{betaln}(a, b)}"""
        return exp((a - 1) * log(x) + (b - 1) * log1p(-x) - Betaln.apply(a, b))


class Gammainc(Elementwise):
    r"""y = \operatorname{gammainc}(a, x)

    The regularised lower incomplete gamma function.
    """

    domain = {"a": (0.4, 4.0), "x": (0.2, 5.0)}
    once = frozenset({"a"})

    @staticmethod
    def primal(a: Array, x: Array) -> Array:
        return of_scipy("gammainc", a, x)

    @staticmethod
    def partial_a(a: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \operatorname{DaP}(a, x)"""
        return GammaincSlope.apply(a, x)

    @staticmethod
    def partial_x(a: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = e^{(a - 1) \log(x) - x - \operatorname{gammaln}(a)}"""
        return exp((a - 1) * log(x) - x - Gammaln.apply(a))


class Gammaincc(Elementwise):
    r"""y = \operatorname{gammaincc}(a, x)

    The regularised upper incomplete gamma function.
    """

    domain = {"a": (0.4, 4.0), "x": (0.2, 5.0)}
    once = frozenset({"a"})

    @staticmethod
    def primal(a: Array, x: Array) -> Array:
        return of_scipy("gammaincc", a, x)

    @staticmethod
    def partial_a(a: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = -\operatorname{DaP}(a, x)"""
        return -GammaincSlope.apply(a, x)

    @staticmethod
    def partial_x(a: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -e^{(a - 1) \log(x) - x - \operatorname{gammaln}(a)}"""
        return -exp((a - 1) * log(x) - x - Gammaln.apply(a))


class Zeta(Elementwise):
    r"""y = \operatorname{zeta}(s, q)

    Hurwitz's zeta function.
    """

    domain = {"s": (1.5, 4.0), "q": (0.5, 3.0)}

    @staticmethod
    def primal(s: Array, q: Array) -> Array:
        return of_scipy("zeta", s, q)

    @staticmethod
    def partial_q(s: Array, q: Array) -> Array:
        r"""\frac{\partial y}{\partial q} = -s \operatorname{zeta}(s + 1, q)"""
        return -s * Zeta.apply(s + 1, q)


gamma, beta, betaln = Gamma.apply, Beta.apply, Betaln.apply
betainc, gammainc, gammaincc = Betainc.apply, Gammainc.apply, Gammaincc.apply


def zeta(x: Array, q: Array = 1.0) -> Array:
    """Return the sum of (k + q)^-x over k ≥ 0; without `q`, Riemann's zeta function. Only `q` has a derivative."""
    return Zeta.apply(x, q)


def multigammaln(a: Array, d: int) -> Array:
    """Return the logarithm of the gamma function of `d` dimensions, for `a` greater than (d - 1) / 2.

    >>> print(f"{multigammaln(3.0, 2):.6f}")
    1.550195
    """
    d = order_of("multigammaln", d)
    total = d * (d - 1) / 4 * np.log(np.pi)
    for k in range(d):
        total = total + Gammaln.apply(a - k / 2)
    return total


OF_SCIPY.update(
    {
        **{"gamma": gamma, "beta": beta, "betaln": betaln, "betainc": betainc, "gammainc": gammainc},
        "gammaincc": gammaincc,
    }
)
