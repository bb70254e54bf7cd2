r"""Hypergeometric functions, and ratios of gamma functions: `poch`, `binom`, `comb`, `rgamma`, `factorial`.

The values are SciPy's. The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 5.2.2,
13.3.15, 15.5.1, 16.3.1. There is none here with respect to the parameters of the hypergeometric functions: these
arguments are refused by name.
"""

from typing import Any

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from . import proofs as proofs_of
from .gamma_family import Gamma, of_scipy
from .selection import where
from .special_functions import OF_SCIPY, Polygamma, computed, gammaln


class Hyp0f1(Elementwise):
    r"""y = \operatorname{hyp0f1}(v, z)

    The confluent hypergeometric limit function.
    """

    domain = {"v": (0.5, 3.0)}

    @staticmethod
    def primal(v: Array, z: Array) -> Array:
        return of_scipy("hyp0f1", v, z)

    @staticmethod
    def partial_z(v: Array, z: Array) -> Array:
        r"""\frac{\partial y}{\partial z} = \frac{\operatorname{hyp0f1}(v + 1, z)}{v}"""
        return Hyp0f1.apply(v + 1, z) / v


class Hyp1f1(Elementwise):
    r"""y = \operatorname{hyp1f1}(a, b, x)

    Kummer's confluent hypergeometric function.
    """

    domain = {"a": (0.5, 3.0), "b": (0.5, 3.0)}

    @staticmethod
    def primal(a: Array, b: Array, x: Array) -> Array:
        return of_scipy("hyp1f1", a, b, x)

    @staticmethod
    def partial_x(a: Array, b: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{a}{b} \operatorname{hyp1f1}(a + 1, b + 1, x)"""
        return a / b * Hyp1f1.apply(a + 1, b + 1, x)


class Hyp2f1(Elementwise):
    r"""y = \operatorname{hyp2f1}(a, b, c, z)

    Gauss's hypergeometric function.
    """

    domain = {"a": (0.5, 2.0), "b": (0.5, 2.0), "c": (0.5, 3.0), "z": (-0.8, 0.8)}

    @staticmethod
    def primal(a: Array, b: Array, c: Array, z: Array) -> Array:
        return of_scipy("hyp2f1", a, b, c, z)

    @staticmethod
    def partial_z(a: Array, b: Array, c: Array, z: Array) -> Array:
        r"""\frac{\partial y}{\partial z} = \frac{a b}{c} \operatorname{hyp2f1}(a + 1, b + 1, c + 1, z)"""
        return a * b / c * Hyp2f1.apply(a + 1, b + 1, c + 1, z)


class Rgamma(Elementwise):
    r"""y = \operatorname{rgamma}(x)

    One over the gamma function.
    """

    proofs = {"x": proofs_of.RGAMMA}
    domain = {"x": (0.3, 4.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("rgamma", x)

    @staticmethod
    def partial(x: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -y \operatorname{polygamma}(0, x)"""
        return -y * Polygamma.apply(x, n=0)


class Poch(Elementwise):
    r"""y = \operatorname{poch}(a, m)

    Pochhammer's symbol: the gamma function of a + m over that of a.
    """

    proofs = proofs_of.POCH
    domain = {"a": (0.4, 4.0), "m": (0.4, 4.0)}

    @staticmethod
    def primal(a: Array, m: Array) -> Array:
        return of_scipy("poch", a, m)

    @staticmethod
    def partial_a(a: Array, m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = y (\operatorname{polygamma}(0, a + m) - \operatorname{polygamma}(0, a))"""
        return y * (Polygamma.apply(a + m, n=0) - Polygamma.apply(a, n=0))

    @staticmethod
    def partial_m(a: Array, m: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial m} = y \operatorname{polygamma}(0, a + m)"""
        return y * Polygamma.apply(a + m, n=0)


class Binom(Elementwise):
    r"""y = \operatorname{binom}(n, k)

    The binomial coefficient, also of numbers that are not whole.
    """

    proofs = proofs_of.BINOM
    domain = {"n": (4.0, 7.0), "k": (0.4, 3.0)}

    @staticmethod
    def primal(n: Array, k: Array) -> Array:
        return of_scipy("binom", n, k)

    @staticmethod
    def partial_n(n: Array, k: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial n} =
        y (\operatorname{polygamma}(0, n + 1) - \operatorname{polygamma}(0, n - k + 1))
        """
        return y * (Polygamma.apply(n + 1, n=0) - Polygamma.apply(n - k + 1, n=0))

    @staticmethod
    def partial_k(n: Array, k: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial k} =
        y (\operatorname{polygamma}(0, n - k + 1) - \operatorname{polygamma}(0, k + 1))
        """
        return y * (Polygamma.apply(n - k + 1, n=0) - Polygamma.apply(k + 1, n=0))


hyp0f1, hyp1f1, hyp2f1 = Hyp0f1.apply, Hyp1f1.apply, Hyp2f1.apply
rgamma, poch, binom = Rgamma.apply, Poch.apply, Binom.apply


def loggamma(z: Array) -> Array:
    """Return the logarithm of the gamma function; NaN for negative numbers, where it is complex.

    >>> float(loggamma(1.0))
    0.0
    """
    return where(np.less(z, 0), np.nan, gammaln(z))


def factorial(n: Array, exact: bool = False) -> Array:
    """Return n!, the gamma function of n + 1; 0 for negative `n`. `exact` whole numbers have no derivative: refused.

    >>> float(factorial(3.0))
    6.0
    """
    if exact:
        raise ValueError("factorial: exact=True has no derivative; call math.factorial, or leave it out")
    return where(np.less(n, 0), 0.0, Gamma.apply(where(np.less(n, 0), 0.0, n) + 1.0))


def comb(N: Array, k: Array, *, exact: bool = False, repetition: bool = False) -> Array:
    """Return the number of ways to choose `k` of `N` things; 0 unless 0 ≤ k ≤ N. With `repetition` things may repeat.

    `exact` whole numbers have no derivative: refused.

    >>> float(comb(5, 2)), float(comb(5, 2, repetition=True)), float(comb(2, 5))
    (10.0, 15.0, 0.0)
    """
    if exact:
        raise ValueError("comb: exact=True has no derivative; call math.comb, or leave it out")
    if repetition:
        nothing: Any = np.equal(N, 0) & np.equal(k, 0)  # there is one way to choose nothing of nothing
        return where(nothing, 1.0, comb(N + k - 1, k))
    inside: Any = np.less_equal(k, N) & np.greater_equal(N, 0) & np.greater_equal(k, 0)
    return where(inside, binom(where(inside, N, 1.0), where(inside, k, 0.0)), 0.0)


OF_SCIPY.update(
    {
        **{"hyp0f1": hyp0f1, "hyp1f1": hyp1f1, "hyp2f1": hyp2f1, "rgamma": rgamma, "poch": poch, "binom": binom},
        "loggamma": loggamma,
    }
)
