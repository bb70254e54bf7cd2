r"""Inverses of the incomplete gamma and beta functions: quantiles. Airy's functions, Owen's T, Wright's omega.

The derivative of an inverse is one over that of the function at its value. The others are those of the NIST Digital
Library of Mathematical Functions (DLMF), 9.2.1, of Owen, "Tables for computing bivariate normal probabilities",
Annals of Mathematical Statistics 27 (1956), 1075-1090, and of Corless and Jeffrey, "The Wright ω function" (2002),
equation 4.
"""

import math

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .error_function import erf
from .exponential import exp, log, log1p
from .gamma_family import SHAPES, Betaln, of_scipy
from .incomplete_slopes import BetaincSlope, GammaincSlope
from .special_functions import OF_SCIPY, Gammaln, computed, scipy_special

SHAPE = {"a": (0.6, 4.0), "q": (0.1, 0.9)}


def _per_density_of_gamma(a: Array, y: Array) -> Array:
    return exp(y + Gammaln.apply(a) - (a - 1) * log(y))


def _per_density_of_beta(a: Array, b: Array, y: Array) -> Array:
    return exp(Betaln.apply(a, b) - (a - 1) * log(y) - (b - 1) * log1p(-y))


class Gammaincinv(Elementwise):
    r"""y = \operatorname{gammaincinv}(a, q)

    The x at which the regularised lower incomplete gamma function is q.
    """

    domain = SHAPE
    once = frozenset({"a"})

    @staticmethod
    def primal(a: Array, q: Array) -> Array:
        return of_scipy("gammaincinv", a, q)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} =
        -\operatorname{DaP}(a, y) e^{y + \operatorname{gammaln}(a) - (a - 1) \log(y)}
        """
        return -GammaincSlope.apply(a, y) * _per_density_of_gamma(a, y)

    @staticmethod
    def partial_q(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial q} = e^{y + \operatorname{gammaln}(a) - (a - 1) \log(y)}"""
        return _per_density_of_gamma(a, y)


class Gammainccinv(Elementwise):
    r"""y = \operatorname{gammainccinv}(a, q)

    The x at which the regularised upper incomplete gamma function is q.
    """

    domain = SHAPE
    once = frozenset({"a"})

    @staticmethod
    def primal(a: Array, q: Array) -> Array:
        return of_scipy("gammainccinv", a, q)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} =
        -\operatorname{DaP}(a, y) e^{y + \operatorname{gammaln}(a) - (a - 1) \log(y)}
        """
        return -GammaincSlope.apply(a, y) * _per_density_of_gamma(a, y)

    @staticmethod
    def partial_q(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial q} = -e^{y + \operatorname{gammaln}(a) - (a - 1) \log(y)}"""
        return -_per_density_of_gamma(a, y)


class Betaincinv(Elementwise):
    r"""y = \operatorname{betaincinv}(a, b, q)

    The x at which the regularised incomplete beta function is q.
    """

    domain = {**SHAPES, "q": (0.1, 0.9)}
    once = frozenset({"a", "b"})

    @staticmethod
    def primal(a: Array, b: Array, q: Array) -> Array:
        return of_scipy("betaincinv", a, b, q)

    @staticmethod
    def partial_a(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = -\operatorname{DaI}(a, b, y)
        e^{\operatorname{betaln}(a, b) - (a - 1) \log(y) - (b - 1) \log(1 - y)}
        """
        return -BetaincSlope.apply(a, b, y) * _per_density_of_beta(a, b, y)

    @staticmethod
    def partial_b(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \operatorname{DaI}(b, a, 1 - y)
        e^{\operatorname{betaln}(a, b) - (a - 1) \log(y) - (b - 1) \log(1 - y)}
        """
        return BetaincSlope.apply(b, a, 1 - y) * _per_density_of_beta(a, b, y)

    @staticmethod
    def partial_q(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial q} = e^{\operatorname{betaln}(a, b) - (a - 1) \log(y) - (b - 1) \log(1 - y)}"""
        return _per_density_of_beta(a, b, y)


class OwensT(Elementwise):
    r"""y = \operatorname{OwensT}(h, a)

    Owen's T: the probability that a standard normal number exceeds h and another lies between 0 and a times it.
    """

    @staticmethod
    def primal(h: Array, a: Array) -> Array:
        return of_scipy("owens_t", h, a)

    @staticmethod
    def partial_h(h: Array, a: Array) -> Array:
        r"""\frac{\partial y}{\partial h} =
        -\frac{1}{2 \sqrt{2 \pi}} e^{-\frac{h^2}{2}} \operatorname{erf}(\frac{a h}{\sqrt{2}})
        """
        return -1 / (2 * math.sqrt(2 * math.pi)) * exp(-h * h / 2) * erf(a * h / math.sqrt(2))

    @staticmethod
    def partial_a(h: Array, a: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{e^{-\frac{h^2 (1 + a^2)}{2}}}{2 \pi (1 + a^2)}"""
        return exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a))


class Wrightomega(Elementwise):
    r"""y = \operatorname{wrightomega}(x)

    Wright's omega: the y with y + log(y) = x.
    """

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("wrightomega", x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{y}{1 + y}"""
        return y / (1 + y)


def _airy(k: int, x: Array) -> Array:
    x = np.asarray(x)
    y = scipy_special("airy").airy(x)[k]
    return np.asarray(y, x.dtype if x.dtype.kind == "f" else None)[()]


class AiryAi(Elementwise):
    r"""y = \operatorname{Ai}(x)"""

    @staticmethod
    def primal(x: Array) -> Array:
        return _airy(0, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \operatorname{DAi}(x)"""
        return AiryAiSlope.apply(x)


class AiryAiSlope(Elementwise):
    r"""y = \operatorname{DAi}(x)

    The derivative of Airy's Ai.
    """

    @staticmethod
    def primal(x: Array) -> Array:
        return _airy(1, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = x \operatorname{Ai}(x)"""
        return x * AiryAi.apply(x)


class AiryBi(Elementwise):
    r"""y = \operatorname{Bi}(x)"""

    @staticmethod
    def primal(x: Array) -> Array:
        return _airy(2, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \operatorname{DBi}(x)"""
        return AiryBiSlope.apply(x)


class AiryBiSlope(Elementwise):
    r"""y = \operatorname{DBi}(x)

    The derivative of Airy's Bi.
    """

    @staticmethod
    def primal(x: Array) -> Array:
        return _airy(3, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = x \operatorname{Bi}(x)"""
        return x * AiryBi.apply(x)


gammaincinv, gammainccinv, betaincinv = Gammaincinv.apply, Gammainccinv.apply, Betaincinv.apply
owens_t, wrightomega = OwensT.apply, Wrightomega.apply


def airy(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return Airy's functions and their derivatives at `x`: Ai, Ai′, Bi, Bi′.

    >>> [round(float(y), 6) for y in airy(0.0)]
    [0.355028, -0.258819, 0.614927, 0.448288]
    """
    return AiryAi.apply(x), AiryAiSlope.apply(x), AiryBi.apply(x), AiryBiSlope.apply(x)


OF_SCIPY.update(
    gammaincinv=gammaincinv, gammainccinv=gammainccinv, betaincinv=betaincinv, owens_t=owens_t,
    wrightomega=wrightomega, airy=airy,
)  # fmt: skip
