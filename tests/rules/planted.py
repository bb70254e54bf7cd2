"""Sound records, one of each kind, and what is left of them with one fault planted in each."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Bilinear, Constant, Elementwise, Fused, General, Linear
from chainrule.core.operation import Array, Kink, Operation, case
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.tape import EAGER


class Cube(Elementwise, register=False):
    r"""y = x^3"""

    on_complex = Complex.HOLOMORPHIC

    @staticmethod
    def primal(x: Array) -> Array:
        return x * x * x

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = 3 x^2"""
        return 3 * x * x


class Quotient(Elementwise, register=False):
    r"""y = \frac{a}{b}"""

    on_complex = Complex.HOLOMORPHIC
    domain = {"b": (0.5, 3.0)}

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return a / b

    @staticmethod
    def partial_a(b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{1}{b}"""
        return 1 / b

    @staticmethod
    def partial_b(b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = -\frac{y}{b}"""
        return -y / b


class Ramp(Elementwise, register=False):
    r"""y = x [x > 0]"""

    kinks = (Kink(at=(0.0,), value=(0.0,), reason="the subgradient of least norm"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.maximum(x, 0)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > 0]"""
        return np.where(x > 0, 1.0, 0.0).astype(x.dtype)


class Rows(Linear, register=False):
    r"""y_i = \sum_j x_{ij}"""

    cases = (case((3, 3)), case((2, 3)), case((0, 3)))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sum(x, axis=1)

    @staticmethod
    def adjoint(y_bar: Array, x_shape: tuple[int, ...]) -> Array:
        r"""\bar x_{ij} = \bar y_i"""
        return np.broadcast_to(y_bar.reshape((-1, 1)), x_shape)


class Product(Bilinear, register=False):
    r"""C = A B"""

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3, 3), (3, 3)), case((2, 3), (3, 4)), case((0, 3), (3, 2)))
    reference = staticmethod(lambda a, b: np.einsum("ij,jk->ik", a, b))

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.matmul(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar A = \bar C\,B^\top"""
        return y_bar @ b.T

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar B = A^\top\,\bar C"""
        return a.T @ y_bar


class SumOfSquares(General, register=False):
    r"""y = \sum_i x_i^2"""

    cases = (case((3,)), case((1,)), case((0,)))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sum(np.square(x))

    @staticmethod
    def vjp(y_bar: Array, x: Array) -> Array:
        r"""\bar x = 2 \bar y x"""
        return 2 * y_bar * x

    @staticmethod
    def jvp(x: Array, x_dot: Array) -> Array:
        r"""\dot y = 2 \sum_i x_i \dot x_i"""
        return 2 * (x * x_dot).sum()


class SquaredSize(General, register=False):
    r"""y = \sum_i x_i \operatorname{conj}(x_i)"""

    on_complex = Complex.REAL_LINEAR
    cases = (case((3,)), case((0,)))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sum(np.square(np.abs(x)))

    @staticmethod
    def vjp(y_bar: Array, x: Array) -> Array:
        r"""\bar x = 2 \bar y \operatorname{conj}(x)"""
        return 2 * y_bar * np.conj(x)

    @staticmethod
    def jvp(x: Array, x_dot: Array) -> Array:
        r"""\dot y = 2 \sum_i \operatorname{conj}(x_i) \dot x_i

        Its real part, that is.
        """
        return 2 * (np.conj(x) * x_dot).sum()


class SquaredTanh(Fused, register=False):
    r"""y = \tanh(x)^2"""

    cases = (case((3, 4)), case(()), case((0,)))

    @staticmethod
    def composite(x: Array) -> Array:
        return np.square(np.tanh(x))

    @staticmethod
    def primal(x: Array) -> Array:
        t = np.tanh(x)
        return t * t

    @staticmethod
    def adjoint(y_bar: Array, x: Array) -> Array:
        r"""\bar x = 2 \bar y \tanh(x) (1 - \tanh(x)^2)"""
        t = np.tanh(x)
        return 2 * y_bar * t * (1 - t * t)


class Above(Constant, register=False):
    r"""y = [a > b]"""

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.greater(a, b)


SOUND = (Cube, Quotient, Ramp, Rows, Product, SumOfSquares, SquaredSize, SquaredTanh, Above)


def broken(op: type[Operation], **members: Any) -> type[Operation]:
    """The same record with other members; a function becomes a rule, and keeps the formula of the one it replaces."""
    body: dict[str, Any] = {"__doc__": op.__doc__, "name": f"broken_{op.__name__.lower()}", **members}
    for key, member in members.items():
        if callable(member) and not isinstance(member, type):
            if member.__doc__ is None:
                member.__doc__ = getattr(getattr(op, key, None), "__doc__", None)
            body[key] = staticmethod(member)
    return type(op.__name__, (op,), body, register=False)


def documented(formula: str, rule: Callable[..., Any]) -> Callable[..., Any]:
    rule.__doc__ = formula
    return rule


def overwriting(y_bar: Any, x: Any) -> Any:
    x *= 2
    return y_bar * x


def scaling_its_cotangent(y_bar: Any) -> Any:
    y_bar *= -1
    return y_bar


def impatient(x: Any) -> Any:
    """Its numbers are right, and a second derivative sees a constant."""
    return 3 * x * (x.detach() if hasattr(x, "detach") else x)


impatient.__doc__ = Cube.partial.__doc__


def is_complex(x: Any) -> bool:
    return np.iscomplexobj(value_of(x))


def cut(x: Any) -> Any:
    return x.detach() if hasattr(x, "detach") else x


def drifting(x: Any) -> Any:
    return x * x * x + 1e-3 * next(CLOCK)


CLOCK = itertools.count()

# By what is wrong: the law that is there to catch it, and a record that has it.
FAULTS: dict[str, tuple[str, type[Operation]]] = {
    # Values of first derivatives
    "a factor that is 0.1 % off": (
        "forward mode is the derivative",
        broken(Cube, partial=lambda x: 3.003 * x * x),
    ),
    "a sign": ("forward mode is the derivative", broken(Quotient, partial_b=lambda b, y: y / b)),
    "the other argument": ("forward mode is the derivative", broken(Quotient, partial_b=lambda a, y: -y / a)),
    "the output for the input": ("forward mode is the derivative", broken(Cube, partial=lambda y: 3 * y * y)),
    "a dropped term": (
        "forward mode is the derivative",
        broken(
            SumOfSquares,
            vjp=lambda y_bar, x: 2 * y_bar * x * (x > 0),
            jvp=lambda x, x_dot: 2 * (x * x_dot * (x > 0)).sum(),
        ),
    ),
    "a factor in one mode": ("the modes are adjoint", broken(SumOfSquares, vjp=lambda y_bar, x: 2.002 * y_bar * x)),
    "a dropped term in one mode": (
        "the modes are adjoint",
        broken(SumOfSquares, jvp=lambda x, x_dot: 2 * (x * x_dot)[:-1].sum()),
    ),
    "a transposed axis": ("the modes are adjoint", broken(Product, adjoint_a=lambda y_bar, b: y_bar @ b)),
    "the wrong order of a product": ("the modes are adjoint", broken(Product, adjoint_b=lambda y_bar, a: y_bar @ a.T)),
    "swapped arguments": (
        "the modes are adjoint",
        broken(Product, adjoint_a=lambda y_bar, a: y_bar @ a.T, adjoint_b=lambda y_bar, b: b.T @ y_bar),
    ),
    "a cotangent spread along the other axis": (
        "the modes are adjoint",
        broken(Rows, adjoint=lambda y_bar, x_shape: np.broadcast_to(y_bar.reshape((1, -1)), x_shape[::-1])),
    ),
    "a sum where the mean was meant": (
        "the modes are adjoint",
        broken(Rows, adjoint=lambda y_bar, x_shape: np.broadcast_to(y_bar.reshape((-1, 1)) / 3, x_shape)),
    ),
    # Broadcasting
    "a rule that undoes broadcasting itself, and wrongly": (
        "the modes are adjoint",
        broken(
            Product,
            cases=(case((2, 3), (3,)),),
            reference=None,
            primal=lambda a, b: np.multiply(a, b),
            adjoint_a=lambda y_bar, b: y_bar * b,
            adjoint_b=lambda y_bar, a: (y_bar * a)[0],
        ),
    ),
    # Higher order
    "a rule that cuts the second derivative": ("second order", broken(Cube, partial=impatient)),
    "a rule that leaves the trace": (
        "second order",
        broken(Cube, partial=lambda x: 3 * np.square(x.numpy() if hasattr(x, "numpy") else x)),
    ),
    "a rule that cuts the derivative for y_bar": (
        "second order",
        broken(
            Rows,
            adjoint=lambda y_bar, x_shape: np.broadcast_to(
                (y_bar.numpy() if hasattr(y_bar, "numpy") else y_bar).reshape((-1, 1)), x_shape
            ),
        ),
    ),
    # Arrays
    "a value in float64": ("float32 stays float32", broken(Cube, primal=lambda x: x * x * x * np.float64(1))),
    "a rule in float64": ("float32 stays float32", broken(Cube, partial=lambda x: np.float64(3) * x * x)),
    "a value in float32 where float16 came": (
        "float16 stays float16",
        broken(Cube, primal=lambda x: x * x * x * (np.float32(1) if x.dtype == np.float16 else 1)),
    ),
    "a rule that writes into its input": (
        "nothing is changed in place",
        broken(SumOfSquares, vjp=overwriting),
    ),
    "a rule that writes into its cotangent": (
        "nothing is changed in place",
        broken(Rows, primal=lambda x: np.negative(x), adjoint=scaling_its_cotangent),
    ),
    "a primal that writes into its input": (
        "nothing is changed in place",
        broken(Cube, primal=lambda x: np.multiply(x, x * x, out=x) if np.ndim(x) else x * x * x),
    ),
    "a value that depends on the strides": (
        "memory layout is of no consequence",
        broken(Cube, primal=lambda x: x * x * x if x.flags.c_contiguous else x * x),
    ),
    "a gradient that depends on the axis order": (
        "memory layout is of no consequence",
        broken(
            Rows,
            adjoint=lambda y_bar, x_shape: np.ravel(y_bar.repeat(x_shape[1]), "K").reshape(
                x_shape, order="F" if y_bar.strides[0] < 0 else "C"
            ),
        ),
    ),
    "a rule that makes a box": (
        "a first-order pass sees plain arrays",
        broken(Cube, partial=lambda x: 3 * Tensor(x * x, EAGER, None)),
    ),
    # The promises of the record
    "a kink with another value": ("kinks have the promised value", broken(Ramp, partial=lambda x: 1.0 * (x >= 0))),
    "a kink without a reason": ("kinks have the promised value", broken(Ramp, kinks=(Kink((0.0,), (0.0,), ""),))),
    "an affine operation among the linear": (
        "linear in its arguments together",
        broken(Rows, primal=lambda x: np.sum(x, axis=1) + 1),
    ),
    "a quadratic operation among the bilinear": (
        "linear in each argument",
        broken(Product, primal=lambda a, b: np.matmul(a * a, b), reference=None),
    ),
    "another reference": ("the primal is its reference", broken(Product, reference=lambda a, b: a @ b + 1e-9)),
    "a fused value that is off": (
        "the fused form is its composite",
        broken(SquaredTanh, primal=lambda x: np.square(np.tanh(x)) + 1e-9),
    ),
    "a fused gradient that is off": (
        "the fused form is its composite",
        broken(SquaredTanh, adjoint=lambda y_bar, x: 2.002 * y_bar * np.tanh(x) * (1 - np.square(np.tanh(x)))),
    ),
    "a value that is not repeatable": ("the value is finite and repeatable", broken(Cube, primal=drifting)),
    "a domain that is too wide": (
        "the value is finite and repeatable",
        broken(Cube, primal=lambda x: np.where(x > -1, x * x * x, np.nan)),
    ),
    "a constant with a rule": ("constants stop the gradient", broken(Above, partial_a=lambda a: 0 * a)),
    # Complex numbers
    "a conjugate in one mode": (
        "of complex numbers, the modes are adjoint",
        broken(Product, adjoint_a=lambda y_bar, b: y_bar @ np.conj(b).T),
    ),
    "a conjugate too many": (
        "of complex numbers, forward mode is the derivative",
        broken(Cube, partial=lambda x: 3 * np.conj(x * x)),
    ),
    "a conjugate too few": (
        "of complex numbers, forward mode is the derivative",
        broken(SquaredSize, vjp=lambda y_bar, x: 2 * y_bar * x, jvp=lambda x, x_dot: 2 * (x * x_dot).sum()),
    ),
    "a rule that cuts the second derivative of the imaginary part": (
        "of complex numbers, second order",
        broken(
            Cube, partial=lambda x: 3 * x * (x.real + 1j * cut(x.imag)) if np.iscomplexobj(value_of(x)) else 3 * x * x
        ),
    ),
    "a fact that promises too much": (
        "complex derivatives satisfy the Cauchy-Riemann equations",
        broken(SquaredSize, on_complex=Complex.HOLOMORPHIC),
    ),
    "a fact that promises too little": (
        "an operation that is not holomorphic differs by the direction",
        broken(Cube, on_complex=Complex.REAL_LINEAR),
    ),
    "a complex value in double precision": (
        "complex64 stays complex64",
        broken(Cube, primal=lambda x: x * x * x * (np.complex128(1) if np.iscomplexobj(x) else 1)),
    ),
    "a real value of complex numbers that the record refuses": (
        "complex numbers are refused by name",
        broken(SquaredSize, on_complex=Complex.REFUSED),
    ),
    # Formulas
    "no formula": ("every rule states its formula", broken(Cube, partial=documented("", lambda x: 3 * x * x))),
    "prose for a formula": ("every rule states its formula", broken(Cube, __doc__="The third power.")),
    "a false formula of the operation": ("every formula is true", broken(Cube, __doc__=r"y = x^2")),
    "a false formula of a partial": (
        "every formula is true",
        broken(Cube, partial=documented(r"\frac{\partial y}{\partial x} = 3 x", lambda x: 3 * x * x)),
    ),
    "a formula with the wrong sign": (
        "every formula is true",
        broken(Quotient, partial_b=documented(r"\frac{\partial y}{\partial b} = \frac{y}{b}", lambda b, y: -y / b)),
    ),
    "a formula without the transpose": (
        "every formula is true",
        broken(Product, adjoint_a=documented(r"\bar A = \bar C\,B", lambda y_bar, b: y_bar @ b.T)),
    ),
    "a formula of forward mode without the factor": (
        "every formula is true",
        broken(SumOfSquares, jvp=documented(r"\dot y = \sum_i x_i \dot x_i", lambda x, x_dot: 2 * (x * x_dot).sum())),
    ),
}
