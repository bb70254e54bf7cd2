"""Trigonometric and hyperbolic functions and their inverses; angles."""

import math

import numpy as np

from chainrule.core.facts import Complex, Flat, Role
from chainrule.core.kinds import Elementwise, Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink

from . import proofs as proofs_of
from .complex_parts import is_complex
from .powers import INFINITE, hypot, sqrt, to_infinity
from .selection import where


class Sin(Elementwise):
    r"""y = \sin(x)"""

    on_complex = Complex.HOLOMORPHIC
    role = Role.ACTIVATION

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sin(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \cos(x)"""
        return cos(x)


class Cos(Elementwise):
    r"""y = \cos(x)"""

    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.cos(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -\sin(x)"""
        return -sin(x)


class Tan(Elementwise):
    r"""y = \tan(x)"""

    proofs = {"x": proofs_of.TAN}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (-1.2, 1.2)}

    @staticmethod
    def primal(x: Array) -> Array:
        return np.tan(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 1 + y^2"""
        return 1 + y * y


class Arcsin(Elementwise):
    r"""y = \arcsin(x)"""

    proofs = {"x": proofs_of.ARCSIN}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (-0.9, 0.9)}
    kinks = (Kink((1.0,), (np.inf,), INFINITE), Kink((-1.0,), (np.inf,), INFINITE))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arcsin(x)

    @staticmethod
    @to_infinity
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{\sqrt{1 - x^2}}"""
        return 1 / sqrt((1 - x) * (1 + x))


class Arccos(Elementwise):
    r"""y = \arccos(x)"""

    proofs = {"x": proofs_of.ARCCOS}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (-0.9, 0.9)}
    kinks = (Kink((1.0,), (-np.inf,), INFINITE), Kink((-1.0,), (-np.inf,), INFINITE))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arccos(x)

    @staticmethod
    @to_infinity
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -\frac{1}{\sqrt{1 - x^2}}"""
        return -1 / sqrt((1 - x) * (1 + x))


class Arctan(Elementwise):
    r"""y = \arctan(x)"""

    proofs = {"x": proofs_of.ARCTAN}
    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arctan(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{1 + x^2}"""
        return 1 / (1 + x * x)


class Arctan2(Elementwise):
    r"""y = \operatorname{arctan2}(a, b)

    The angle of the point with ordinate `a` and abscissa `b`.
    """

    domain = {"b": (0.5, 3.0)}
    kinks = (
        Kink((0.0, 0.0), (0.0, 0.0), "the origin has no angle: the mean over all directions; PyTorch and JAX give NaN"),
    )

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.arctan2(a, b)

    @staticmethod
    def partial_a(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{b}{a^2 + b^2}"""
        r = _distance(a, b)
        return b / r / r

    @staticmethod
    def partial_b(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = -\frac{a}{a^2 + b^2}"""
        r = _distance(a, b)
        return -a / r / r


def _distance(a: Array, b: Array) -> Array:
    """Return the distance from the origin, or 1 at the origin. Its square could overflow."""
    r = hypot(a, b)
    return where(r == 0, 1, r)


class Sinh(Elementwise):
    r"""y = \sinh(x)"""

    proofs = {"x": proofs_of.SINH}
    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sinh(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \cosh(x)"""
        return cosh(x)


class Cosh(Elementwise):
    r"""y = \cosh(x)"""

    proofs = {"x": proofs_of.COSH}
    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.cosh(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sinh(x)"""
        return sinh(x)


class Tanh(Elementwise):
    r"""y = \tanh(x)"""

    proofs = {"x": proofs_of.TANH}
    on_complex = Complex.HOLOMORPHIC
    role = Role.ACTIVATION
    flat = Flat.BOTH
    bounds = (-1.0, 1.0)
    cost = 10

    @staticmethod
    def primal(x: Array) -> Array:
        return np.tanh(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 1 - y^2"""
        return 1 - y * y


class Arcsinh(Elementwise):
    r"""y = \operatorname{arcsinh}(x)"""

    proofs = {"x": proofs_of.ARCSINH}
    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arcsinh(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{\sqrt{1 + x^2}}"""
        return 1 / sqrt(x * x + 1) if is_complex(x) else 1 / hypot(x, 1)


class Arccosh(Elementwise):
    r"""y = \operatorname{arccosh}(x)"""

    proofs = {"x": proofs_of.ARCCOSH}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (1.2, 4.0)}
    kinks = (Kink((1.0,), (np.inf,), INFINITE),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arccosh(x)

    @staticmethod
    @to_infinity
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{\sqrt{x^2 - 1}}"""
        return 1 / (sqrt(x - 1) * sqrt(x + 1))  # the square of a large x could overflow


class Arctanh(Elementwise):
    r"""y = \operatorname{arctanh}(x)"""

    proofs = {"x": proofs_of.ARCTANH}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (-0.9, 0.9)}

    @staticmethod
    def primal(x: Array) -> Array:
        return np.arctanh(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{1 - x^2}"""
        return 1 / ((1 - x) * (1 + x))


class Sinc(Elementwise):
    r"""y = \frac{\sin(\pi x)}{\pi x}"""

    proofs = {"x": proofs_of.SINC}
    on_complex = Complex.HOLOMORPHIC
    domain = {"x": (0.1, 3.0)}
    kinks = (Kink((0.0,), (0.0,), "no kink: the formula is 0/0 here, the function has its maximum"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sinc(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\pi x \cos(\pi x) - \sin(\pi x)}{\pi x^2}"""
        z = math.pi * x
        is_small = np.absolute(z) < 1
        safe = where(is_small, 1, z)
        large = (safe * cos(safe) - sin(safe)) / (safe * safe)
        return math.pi * where(is_small, _slope_of_sinc(where(is_small, z, 0)), large)


def _slope_of_sinc(z: Array) -> Array:
    """Return the Taylor series of (z cos z - sin z) / z², which cancels near 0; terms below 10⁻¹⁸ for |z| < 1."""
    square = z * z
    total = 0.0
    for k in reversed(range(1, 10)):
        total = (-1) ** k * 2 * k / math.factorial(2 * k + 1) + square * total
    return z * total


class Deg2rad(Linear):
    r"""y = \frac{\pi}{180} x"""

    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.deg2rad(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \frac{\pi}{180} \bar y"""
        return deg2rad(y_bar)


class Rad2deg(Linear):
    r"""y = \frac{180}{\pi} x"""

    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.rad2deg(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \frac{180}{\pi} \bar y"""
        return rad2deg(y_bar)


sin = implements(np.sin)(Sin.apply)
cos = implements(np.cos)(Cos.apply)
tan = implements(np.tan)(Tan.apply)
arcsin = implements(np.arcsin)(Arcsin.apply)
arccos = implements(np.arccos)(Arccos.apply)
arctan = implements(np.arctan)(Arctan.apply)
arctan2 = implements(np.arctan2)(Arctan2.apply)
sinh = implements(np.sinh)(Sinh.apply)
cosh = implements(np.cosh)(Cosh.apply)
tanh = implements(np.tanh)(Tanh.apply)
arcsinh = implements(np.arcsinh)(Arcsinh.apply)
arccosh = implements(np.arccosh)(Arccosh.apply)
arctanh = implements(np.arctanh)(Arctanh.apply)
sinc = implements(np.sinc)(Sinc.apply)
deg2rad = radians = implements(np.deg2rad, np.radians)(Deg2rad.apply)
rad2deg = degrees = implements(np.rad2deg, np.degrees)(Rad2deg.apply)
