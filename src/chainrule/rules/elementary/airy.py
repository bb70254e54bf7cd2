r"""Airy's functions and their derivatives: the solutions of y″ = x y.

The values are SciPy's; the equation is 9.2.1 of the NIST Digital Library of Mathematical Functions (DLMF).
"""

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .special_functions import OF_SCIPY, computed_one


class AiryAi(Elementwise):
    r"""y = \operatorname{Ai}(x)"""

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("airy", 0, x)

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
        return computed_one("airy", 1, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = x \operatorname{Ai}(x)"""
        return x * AiryAi.apply(x)


class AiryBi(Elementwise):
    r"""y = \operatorname{Bi}(x)"""

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("airy", 2, x)

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
        return computed_one("airy", 3, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = x \operatorname{Bi}(x)"""
        return x * AiryBi.apply(x)


def airy(x: Array) -> tuple[Array, Array, Array, Array]:
    """Return Airy's functions and their derivatives at `x`: Ai, Ai′, Bi, Bi′.

    >>> [round(float(y), 6) for y in airy(0.0)]
    [0.355028, -0.258819, 0.614927, 0.448288]
    """
    return AiryAi.apply(x), AiryAiSlope.apply(x), AiryBi.apply(x), AiryBiSlope.apply(x)


OF_SCIPY.update(airy=airy)
