r"""Dawson's function, the scaled and the imaginary error function, and the sine, cosine and Fresnel integrals.

The values are SciPy's. The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 6.2.9,
6.2.11, 7.2.5, 7.2.7, 7.2.8, 7.10.
"""

import math

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array, Kink

from . import proofs as proofs_of
from .exponential import exp
from .special_functions import OF_SCIPY, computed, computed_one
from .trigonometric import cos, sin, sinc

ROOT_PI = math.sqrt(math.pi)


class Erfcx(Elementwise):
    r"""y = \operatorname{erfcx}(x)

    The complementary error function times $e^{x^2}$, which does not underflow.
    """

    proofs = {"x": proofs_of.ERFCX}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("erfcx", x)

    @staticmethod
    def partial(x: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 2 x y - \frac{2}{\sqrt{\pi}}"""
        return 2 * x * y - 2 / ROOT_PI


class Erfi(Elementwise):
    r"""y = \operatorname{erfi}(x)

    The imaginary error function, $-i \operatorname{erf}(i x)$.
    """

    proofs = {"x": proofs_of.ERFI}
    domain = {"x": (-2.0, 2.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("erfi", x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{2}{\sqrt{\pi}} e^{x^2}"""
        return 2 / ROOT_PI * exp(x * x)


class Dawsn(Elementwise):
    r"""y = \operatorname{dawsn}(x)

    Dawson's integral, $e^{-x^2} \int_0^x e^{t^2} dt$.
    """

    proofs = {"x": proofs_of.DAWSN}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("dawsn", x)

    @staticmethod
    def partial(x: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 1 - 2 x y"""
        return 1 - 2 * x * y


class SineIntegral(Elementwise):
    r"""y = \operatorname{Si}(x)

    The integral of sin(t) / t from 0 to x.
    """

    proofs = {"x": proofs_of.SINE_INTEGRAL}
    domain = {"x": (0.2, 6.0)}
    kinks = (Kink((0.0,), (1.0,), "the limit of sin(x) / x"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("sici", 0, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\sin(x)}{x}"""
        return sinc(x / math.pi)


class CosineIntegral(Elementwise):
    r"""y = \operatorname{Ci}(x)

    The integral of cos(t) / t from infinity to x, for positive x.
    """

    proofs = {"x": proofs_of.COSINE_INTEGRAL}
    domain = {"x": (0.2, 6.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("sici", 1, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\cos(x)}{x}"""
        return cos(x) / x


class FresnelSine(Elementwise):
    r"""y = \operatorname{FresnelS}(x)

    The integral of $\sin(\pi t^2 / 2)$ from 0 to x.
    """

    proofs = {"x": proofs_of.FRESNEL_SINE}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("fresnel", 0, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sin(\frac{\pi}{2} x^2)"""
        return sin(math.pi / 2 * x * x)


class FresnelCosine(Elementwise):
    r"""y = \operatorname{FresnelC}(x)

    The integral of $\cos(\pi t^2 / 2)$ from 0 to x.
    """

    proofs = {"x": proofs_of.FRESNEL_COSINE}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed_one("fresnel", 1, x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \cos(\frac{\pi}{2} x^2)"""
        return cos(math.pi / 2 * x * x)


erfcx, erfi, dawsn = Erfcx.apply, Erfi.apply, Dawsn.apply


def sici(x: Array) -> tuple[Array, Array]:
    """Return the sine integral of `x`, and the cosine integral, which is for positive `x`.

    >>> [round(float(y), 6) for y in sici(1.0)]
    [0.946083, 0.337404]
    """
    return SineIntegral.apply(x), CosineIntegral.apply(x)


def fresnel(x: Array) -> tuple[Array, Array]:
    """Return the Fresnel integrals S(x) and C(x) of sin(π t² / 2) and cos(π t² / 2).

    >>> [round(float(y), 6) for y in fresnel(1.0)]
    [0.438259, 0.779893]
    """
    return FresnelSine.apply(x), FresnelCosine.apply(x)


OF_SCIPY.update({"erfcx": erfcx, "erfi": erfi, "dawsn": dawsn})
