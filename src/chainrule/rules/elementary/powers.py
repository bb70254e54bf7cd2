"""Powers, roots, absolute value and distance."""

import math

import numpy as np

from chainrule.core.facts import Complex, Moves
from chainrule.core.kinds import Elementwise, Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink
from chainrule.core.tensor import Tensor
from chainrule.rules.arrays.shape import astype

from . import proofs as proofs_of
from .compare import logical_and, stop_gradient
from .complex_parts import is_complex
from .exponential import log
from .rounding import Sign
from .selection import where

INFINITE = "the derivative grows without bound towards 0, and its limit is given, as in PyTorch and JAX"
POSITIVE = {"x": (0.2, 3.0)}

NUMBERS = (int, float)
to_infinity = np.errstate(divide="ignore")
"""For partials that are infinite where the function itself is finite: no warning is needed."""


class Power(Elementwise):
    r"""y = a^b

    Negative bases have real powers only at integer exponents; complex ones have their principal value. At base 0 the
    partial for the base is infinite if the exponent is below 1.
    """

    on_complex = Complex.HOLOMORPHIC
    poles = {"a": (-math.inf, 0.0)}
    symbol = "xⁿ"
    is_inlined = True
    domain = {"a": (0.3, 3.0)}
    kinks = (
        Kink((0.0, 0.0), (0.0, 0.0), "a^0 is 1 for every a; 0^b jumps at b = 0, where 0 is given, as in PyTorch"),
        Kink((0.0, 1.0), (1.0, 0.0), "0^b is 0 for all b > 0, though log 0 is not finite"),
        Kink((0.0, 2.0), (0.0, 0.0), "0^b is 0 for all b > 0, though log 0 is not finite"),
        Kink(
            (-2.0, 3.0),
            (12.0, 0.0),
            "near an integer exponent a negative base has no real power, so there is nothing to differentiate; 0 keeps "
            "one negative base from spoiling the gradient of a shared exponent, where PyTorch and JAX give NaN",
        ),
    )

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        # Unlike np.power, the operator has fast paths for exponents such as 2 and 0.5.
        return a**b if hasattr(a, "dtype") else np.power(a, b)

    @staticmethod
    def partial_a(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = b\,a^{b - 1}"""
        if type(b) in NUMBERS and b >= 1:  # finite wherever the power is, so nothing need be silenced
            return b * a if b == 2 else b * a ** (b - 1)
        return _slope(a, b)

    @staticmethod
    def partial_b(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = y \log(a)"""
        if not hasattr(a, "dtype"):
            a = y.dtype.type(a)
        if y.dtype.kind == "c":  # every base but 0 has a logarithm
            a = astype(a, y.dtype) if isinstance(a, Tensor) else a.astype(y.dtype)
            positive = a != 0
        else:
            positive = a > 0
        return where(positive, y, 0) * log(where(positive, a, 1))


@to_infinity
def _slope(a: Array, b: Array) -> Array:
    return b * a ** _one_less(a, b)


def _one_less(a: Array, b: Array) -> Array:
    """Return `b - 1`, but 0 where the derivative of a⁰ at 0 would become 0 · 0⁻¹."""
    if type(b) in (int, float, complex):
        return b - 1 if b else 0
    return where(logical_and(a == 0, b == 0), 0, b - 1)


class Reciprocal(Elementwise):
    r"""y = \frac{1}{x}"""

    proofs = {"x": proofs_of.RECIPROCAL}
    on_complex = Complex.HOLOMORPHIC
    poles = {"x": (0.0, 0.0)}
    symbol = "1/x"
    is_inlined = True
    domain = POSITIVE

    @staticmethod
    def primal(x: Array) -> Array:
        return np.reciprocal(x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -y^2"""
        return -(y * y)


class Sqrt(Elementwise):
    r"""y = \sqrt{x}"""

    proofs = {"x": proofs_of.SQRT}
    on_complex = Complex.HOLOMORPHIC
    poles = {"x": (-math.inf, 0.0)}
    symbol = "√"
    cost = 3
    domain = POSITIVE
    kinks = (Kink((0.0,), (np.inf,), INFINITE),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sqrt(x)

    @staticmethod
    @to_infinity
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{2 y}"""
        return 0.5 / y


class Cbrt(Elementwise):
    r"""y = \sqrt[3]{x}"""

    proofs = {"x": proofs_of.CBRT}
    domain = POSITIVE
    kinks = (Kink((0.0,), (np.inf,), INFINITE),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.cbrt(x)

    @staticmethod
    @to_infinity
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{3 y^2}"""
        return 1 / (3 * (y * y))


class Absolute(Elementwise):
    r"""y = |x|"""

    proofs = {"x": proofs_of.ABSOLUTE}
    on_complex = Complex.REAL_LINEAR
    of_complex = {"partial": r"\frac{\partial y}{\partial x} = \operatorname{conj}(\operatorname{sign}(x))"}
    symbol = "|x|"
    kinks = (Kink((0.0,), (0.0,), "the mean of the slopes -1 and 1 on its sides, as in PyTorch; JAX gives 1"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.absolute(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \operatorname{sign}(x)

        For complex x it is the conjugate, and the product with a tangent has its real part.
        """
        y = np.sign(x)  # of an array it is NumPy's, at no cost
        return np.conjugate(y) if y.dtype.kind == "c" else y


class Hypot(Elementwise):
    r"""y = \sqrt{a^2 + b^2}"""

    proofs = proofs_of.HYPOT
    kinks = (Kink((0.0, 0.0), (0.0, 0.0), "the tip of a cone: the mean over all directions; PyTorch gives NaN"),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.hypot(a, b)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{a}{y}"""
        return a / where(y == 0, 1, y)

    @staticmethod
    def partial_b(b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \frac{b}{y}"""
        return b / where(y == 0, 1, y)


class Copysign(Elementwise):
    r"""y = |a| \operatorname{sign}(b)"""

    kinks = (Kink((0.0, 1.0), (0.0, 0.0), "as the absolute value: the mean of the slopes -1 and 1 on its sides"),)
    differentiable = ("a",)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.copysign(a, b)

    @staticmethod
    def partial_a(a: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \operatorname{sign}(a) \operatorname{sign}(y)"""
        return sign(a) * sign(y)


class Positive(Linear):
    r"""y = x"""

    on_complex = Complex.HOLOMORPHIC
    moves = Moves.SAME
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.positive(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar


power = implements(np.power)(Power.apply)
reciprocal = implements(np.reciprocal)(Reciprocal.apply)
sqrt = implements(np.sqrt)(Sqrt.apply)
cbrt = implements(np.cbrt)(Cbrt.apply)
absolute = abs = implements(np.absolute)(Absolute.apply)
hypot = implements(np.hypot)(Hypot.apply)
positive = implements(np.positive)(Positive.apply)


@implements(np.copysign)
def copysign(a: Array, b: Array) -> Array:
    """Return |a| with the sign of b, on which it depends only by jumps: no gradient reaches b.

    >>> copysign(np.array([2.0, -3.0]), np.array([-1.0, 5.0]))
    array([-2.,  3.])
    """
    return Copysign.apply(a, stop_gradient(b))


@implements(np.sign)
def sign(x: Array) -> Array:
    """Return the sign of real numbers, -1, 0 or 1, a constant; of complex ones `x / abs(x)`, or 0 where x is 0.

    >>> sign(np.array([-2.5, 3.0])), complex(sign(np.array(3 + 4j)))
    (array([-1.,  1.]), (0.6+0.8j))
    """
    if not is_complex(x):
        return Sign.apply(x)
    zero = x == 0
    return where(zero, 0, x) / where(zero, 1, absolute(x))


@implements(np.float_power)
def float_power(a: Array, b: Array) -> Array:
    """Return `a ** b`, computed in double precision whatever the dtypes.

    >>> float_power(np.array([2, 4]), -1)
    array([0.5 , 0.25])
    """
    return power(_double(a), _double(b))


def _double(x: Array) -> Array:
    dtype = np.complex128 if is_complex(x) else np.float64
    return astype(x, dtype) if isinstance(x, Tensor) else np.asarray(x, dtype)[()]
