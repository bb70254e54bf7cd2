r"""Real and imaginary parts, conjugates and angles of complex numbers.

None of these has a complex derivative: each is differentiable as a function of the real and the imaginary part. A
cotangent is the derivative with respect to the real part minus i times that with respect to the imaginary one, so
⟨ȳ, ẏ⟩ is the real part of the product, and transposes need no conjugation (JAX and autograd do the same).
"""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.inplace import viewed
from chainrule.core.kinds import Elementwise, Linear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import plain


def is_complex(x: Array) -> bool:
    """Whether an array or number has a complex dtype."""
    dtype = getattr(x, "dtype", None)
    return isinstance(x, complex) if dtype is None else dtype.kind == "c"


class Real(Linear):
    r"""y = \operatorname{real}(x)"""

    symbol = "Re"
    on_complex = Complex.REAL_LINEAR
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.real(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \bar y"""
        return y_bar

    @staticmethod
    def written(x: Array, y: Array) -> Array:
        return with_parts(y, Imag.apply(x))


class Imag(Linear):
    r"""y = \operatorname{imag}(x)"""

    symbol = "Im"
    on_complex = Complex.REAL_LINEAR
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.imag(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = -\mathrm{i} \bar y"""
        return y_bar * -1j

    @staticmethod
    def written(x: Array, y: Array) -> Array:
        return with_parts(Real.apply(x), y)


class Conjugate(Linear):
    r"""y = \operatorname{conj}(x)"""

    symbol = "x̄"
    on_complex = Complex.REAL_LINEAR
    is_pointwise = True

    @staticmethod
    def primal(x: Array) -> Array:
        return np.conjugate(x)

    @staticmethod
    def adjoint(y_bar: Array) -> Array:
        r"""\bar x = \operatorname{conj}(\bar y)"""
        return Conjugate.apply(y_bar)


class WithParts(Linear):
    r"""y = a + \mathrm{i} b

    Of real a and b it is the complex number with these parts, infinities and the signs of zeros included.
    """

    symbol = "a + ib"
    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        if is_complex(a) or is_complex(b):
            return np.add(a, 1j * b)
        y = np.empty(np.broadcast_shapes(np.shape(a), np.shape(b)), np.result_type(a, b, np.complex64))
        y.real, y.imag = a, b
        return y[()]

    @staticmethod
    def adjoint_a(y_bar: Array) -> Array:
        r"""\bar a = \bar y"""
        return y_bar

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b = \mathrm{i} \bar y"""
        return 1j * y_bar


class Angle(Elementwise):
    r"""y = \operatorname{angle}(x)"""

    symbol = "arg"
    on_complex = Complex.REAL_LINEAR
    kinks = (Kink((0.0,), (0.0,), "0 has no angle: the mean over all directions; JAX gives NaN"),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.angle(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -\frac{\mathrm{i}}{x}

        Of which the product with a tangent has the real part.
        """
        zero = plain(lambda x: np.equal(x, 0), x)
        return np.where(zero, 0, -1j / np.where(zero, 1, x))


with_parts = WithParts.apply


def conjugated(x: Array) -> Array:
    """Return the conjugate of complex numbers, and real ones as they are."""
    return Conjugate.apply(x) if is_complex(x) else x


def squared_size(x: Array) -> Array:
    """Return |x|², real for complex numbers."""
    if not is_complex(x):
        return x * x
    a, b = real(x), imag(x)
    return a * a + b * b


def _valued(x: Array) -> Array:
    return x if isinstance(x, Tensor | np.ndarray) else np.asarray(x)


@implements(np.real)
def real(val: Array) -> Array:
    """Return the real part, a view of the tensor; real numbers as they are.

    >>> real(np.array([1 + 2j]))
    array([1.])
    """
    val = _valued(val)
    return viewed(Real, val, {}) if is_complex(val) else val


@implements(np.imag)
def imag(val: Array) -> Array:
    """Return the imaginary part, a view of the tensor; zeros for real numbers.

    >>> imag(np.array([1 + 2j]))
    array([2.])
    """
    val = _valued(val)
    return viewed(Imag, val, {}) if is_complex(val) else plain(np.zeros_like, val)


@implements(np.real_if_close)
def real_if_close(a: Array, tol: float = 100) -> Array:
    """Return the real part if all imaginary parts are below `tol` units of rounding, and else `a` itself.

    A `tol` of at most 1 is the bound itself. Which of the two it is depends on the values.
    """
    a = _valued(a)
    if not is_complex(a):
        return a
    bound = tol * np.finfo(a.dtype).eps if tol > 1 else tol
    return real(a) if np.all(plain(lambda a: np.abs(np.imag(a)) < bound, a)) else a


@implements(np.angle)
def angle(z: Array, deg: bool = False) -> Array:
    """Return the angles of complex numbers in the plane, in radians or, with `deg`, in degrees.

    That of a real number is 0 or π, a constant. At 0 the derivative is 0.

    >>> float(angle(np.array(1j), deg=True))
    90.0
    """
    z = _valued(z)
    if not is_complex(z):
        return plain(lambda z: np.angle(z, deg), z)
    y: Any = Angle.apply(z)
    return y * (180 / np.pi) if deg else y
