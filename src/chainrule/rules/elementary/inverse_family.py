r"""Inverses: of the incomplete gamma and beta functions, which are quantiles, and of y + log y.

The derivative of an inverse is one over that of the function at its value. For Wright's omega see Corless and Jeffrey,
"The Wright ω function" (2002), equation 4.
"""

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .exponential import exp, log, log1p
from .gamma_family import SHAPES, Betaln, of_scipy
from .incomplete_slopes import BetaincSlope, GammaincSlope
from .special_functions import OF_SCIPY, Gammaln, computed

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


gammaincinv, gammainccinv, betaincinv = Gammaincinv.apply, Gammainccinv.apply, Betaincinv.apply
wrightomega = Wrightomega.apply

OF_SCIPY.update(gammaincinv=gammaincinv, gammainccinv=gammainccinv, betaincinv=betaincinv, wrightomega=wrightomega)
