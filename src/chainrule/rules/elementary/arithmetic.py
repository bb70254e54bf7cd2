"""Sums, products and their inverses."""

import numpy as np

from chainrule.core.facts import Complex, Role
from chainrule.core.kinds import Bilinear, Elementwise, Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.kernels import sums

from . import proofs as proofs_of


class Add(Linear):
    r"""y = a + b"""

    on_complex = Complex.HOLOMORPHIC
    role = Role.BIAS
    symbol = "+"
    is_inlined = True
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        if type(a) is np.ndarray and a.size >= sums.LARGE_PAIR and (y := sums.of_two(a, b)) is not None:
            return y
        return np.add(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array) -> Array:
        r"""\bar a = \bar y"""
        return y_bar

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b = \bar y"""
        return y_bar


class Subtract(Linear):
    r"""y = a - b"""

    on_complex = Complex.HOLOMORPHIC
    role = Role.BIAS
    symbol = "−"
    is_inlined = True
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.subtract(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array) -> Array:
        r"""\bar a = \bar y"""
        return y_bar

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b = -\bar y"""
        return -y_bar


class Negative(Linear):
    r"""y = -x"""

    on_complex = Complex.HOLOMORPHIC
    symbol = "−x"
    is_inlined = True
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.negative(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = -\bar y"""
        return -y_bar


class Multiply(Bilinear):
    r"""y = a \odot b"""

    on_complex = Complex.HOLOMORPHIC
    symbol = "×"
    is_inlined = True
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.multiply(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar a = \bar y \odot b"""
        return y_bar * b

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar b = \bar y \odot a"""
        return y_bar * a


class Divide(Elementwise):
    r"""y = \frac{a}{b}"""

    proofs = proofs_of.DIVIDE
    on_complex = Complex.HOLOMORPHIC
    poles = {"b": (0.0, 0.0)}
    symbol = "÷"
    is_inlined = True
    cost = 3
    domain = {"b": (0.5, 3.0)}

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.divide(a, b)

    @staticmethod
    def partial_a(b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{1}{b}"""
        return 1 / b

    @staticmethod
    def partial_b(y: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = -\frac{y}{b}"""
        return -y / b


class Square(Elementwise):
    r"""y = x^2"""

    proofs = {"x": proofs_of.SQUARE}
    on_complex = Complex.HOLOMORPHIC
    role = Role.ACTIVATION
    symbol = "x²"
    is_inlined = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.square(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 2 x"""
        return 2 * x


add = implements(np.add)(Add.apply)
subtract = implements(np.subtract)(Subtract.apply)
negative = implements(np.negative)(Negative.apply)
multiply = implements(np.multiply)(Multiply.apply)
divide = implements(np.divide)(Divide.apply)
square = implements(np.square)(Square.apply)
