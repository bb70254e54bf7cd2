"""Exponential functions, logarithms, and their combinations."""

import math

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Elementwise
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array

from . import proofs as proofs_of

POSITIVE = {"x": (0.2, 3.0)}


class Exp(Elementwise):
    r"""y = e^x"""

    on_complex = Complex.HOLOMORPHIC
    symbol = "eˣ"
    cost = 8

    @staticmethod
    def primal(x: Array) -> Array:
        return np.exp(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = y"""
        return y


class Exp2(Elementwise):
    r"""y = 2^x"""

    proofs = {"x": proofs_of.EXP2}

    @staticmethod
    def primal(x: Array) -> Array:
        return np.exp2(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = y \log(2)"""
        return y * math.log(2)


class Expm1(Elementwise):
    r"""y = e^x - 1"""

    proofs = {"x": proofs_of.EXPM1}
    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.expm1(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = y + 1"""
        return y + 1


class Log(Elementwise):
    r"""y = \log(x)"""

    proofs = {"x": proofs_of.LOG}
    on_complex = Complex.HOLOMORPHIC
    poles = {"x": (-math.inf, 0.0)}
    symbol = "log"
    domain = POSITIVE

    @staticmethod
    def primal(x: Array) -> Array:
        return np.log(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{x}"""
        return 1 / x


class Log2(Elementwise):
    r"""y = \frac{\log(x)}{\log(2)}"""

    proofs = {"x": proofs_of.LOG2}
    on_complex = Complex.HOLOMORPHIC
    poles = {"x": (-math.inf, 0.0)}
    domain = POSITIVE

    @staticmethod
    def primal(x: Array) -> Array:
        return np.log2(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{x \log(2)}"""
        return 1 / math.log(2) / x


class Log10(Elementwise):
    r"""y = \frac{\log(x)}{\log(10)}"""

    proofs = {"x": proofs_of.LOG10}
    on_complex = Complex.HOLOMORPHIC
    poles = {"x": (-math.inf, 0.0)}
    domain = POSITIVE

    @staticmethod
    def primal(x: Array) -> Array:
        return np.log10(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{x \log(10)}"""
        return 1 / math.log(10) / x


class Log1p(Elementwise):
    r"""y = \log(1 + x)"""

    proofs = {"x": proofs_of.LOG1P}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (-0.8, 3.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return np.log1p(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{1 + x}"""
        return 1 / (1 + x)


class Logaddexp(Elementwise):
    r"""y = \log(e^a + e^b)"""

    proofs = proofs_of.LOGADDEXP

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.logaddexp(a, b)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = e^{a - y}"""
        return exp(_difference(a, y))

    @staticmethod
    def partial_b(b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = e^{b - y}"""
        return exp(_difference(b, y))


class Logaddexp2(Elementwise):
    r"""y = \frac{\log(2^a + 2^b)}{\log(2)}"""

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.logaddexp2(a, b)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = 2^{a - y}"""
        return exp2(_difference(a, y))

    @staticmethod
    def partial_b(b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = 2^{b - y}"""
        return exp2(_difference(b, y))


@np.errstate(invalid="ignore")
def _difference(a: Array, y: Array) -> Array:
    """Return `a - y`, or zero if both are the same infinity."""
    difference = a - y
    return np.where(np.isnan(difference) & (a == y), 0, difference)


exp = implements(np.exp)(Exp.apply)
exp2 = implements(np.exp2)(Exp2.apply)
expm1 = implements(np.expm1)(Expm1.apply)
log = implements(np.log)(Log.apply)
log2 = implements(np.log2)(Log2.apply)
log10 = implements(np.log10)(Log10.apply)
log1p = implements(np.log1p)(Log1p.apply)
logaddexp = implements(np.logaddexp)(Logaddexp.apply)
logaddexp2 = implements(np.logaddexp2)(Logaddexp2.apply)
