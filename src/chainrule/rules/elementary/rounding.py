"""Rounding, signs and remainders: functions with jumps."""

import numpy as np

from chainrule.core.facts import Complex, Role
from chainrule.core.kinds import Constant, Elementwise
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink

from .complex_parts import imag, is_complex, real, with_parts

FLAT = "flat on both sides of the jump, as in PyTorch and JAX"
JUMP = "the derivative on the side that the value at the jump belongs to"


class Floor(Constant):
    r"""y = \lfloor x \rfloor"""

    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((1.0,), (0.0,), FLAT),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.floor(x)


class Ceil(Constant):
    r"""y = \lceil x \rceil"""

    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((1.0,), (0.0,), FLAT),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.ceil(x)


class Trunc(Constant):
    r"""y = \operatorname{sign}(x) \lfloor |x| \rfloor"""

    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((1.0,), (0.0,), FLAT),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.trunc(x)


class Round(Constant):
    r"""y = 10^{-\mathrm{decimals}} \operatorname{round}(10^{\mathrm{decimals}} x)

    Halves go to the even neighbour.
    """

    on_complex = Complex.HOLOMORPHIC
    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((0.5,), (0.0,), FLAT),)

    @staticmethod
    def primal(x: Array, *, decimals: int = 0) -> Array:
        return np.round(x, decimals)


class Sign(Constant):
    r"""y = \operatorname{sign}(x)

    Of real numbers; `sign` in `powers` takes complex ones, too.
    """

    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((0.0,), (0.0,), FLAT),)

    @staticmethod
    def primal(x: Array) -> Array:
        return np.sign(x)


class Heaviside(Constant):
    r"""y = [a > 0] + b [a = 0]"""

    role = Role.STEP
    is_pointwise = True
    kinks = (Kink((0.0, 0.5), (0.0, 0.0), FLAT),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.heaviside(a, b)


class FloorDivide(Constant):
    r"""y = \lfloor \frac{a}{b} \rfloor"""

    is_pointwise = True
    kinks = (Kink((2.0, 1.0), (0.0, 0.0), FLAT),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.floor_divide(a, b)


class Remainder(Elementwise):
    r"""y = a - b \lfloor \frac{a}{b} \rfloor"""

    domain = {"a": (4.1, 4.9), "b": (1.7, 2.0)}
    kinks = (Kink((2.0, 1.0), (1.0, -2.0), JUMP),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.remainder(a, b)

    @staticmethod
    def partial_a() -> Array:
        r"""\frac{\partial y}{\partial a} = 1"""
        return 1

    @staticmethod
    def partial_b(a: Array, b: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = -\lfloor \frac{a}{b} \rfloor"""
        return -floor_divide(a, b)


class Fmod(Elementwise):
    r"""y = a - b \operatorname{sign}(\frac{a}{b}) \lfloor |\frac{a}{b}| \rfloor"""

    domain = {"a": (4.1, 4.9), "b": (1.7, 2.0)}
    kinks = (Kink((2.0, 1.0), (1.0, -2.0), JUMP),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.fmod(a, b)

    @staticmethod
    def partial_a() -> Array:
        r"""\frac{\partial y}{\partial a} = 1"""
        return 1

    @staticmethod
    def partial_b(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = \operatorname{round}(\frac{y - a}{b})"""
        return round((y - a) / b)  # an integer up to rounding; the quotient itself could round up to the next integer


class NanToNum(Elementwise):
    r"""y = x

    Except that NaN and infinities become finite numbers.
    """

    kinks = (
        Kink((np.nan,), (0.0,), "what took the place of NaN is a constant, as in PyTorch and JAX"),
        Kink((np.inf,), (0.0,), "what took the place of an infinity is a constant, as in PyTorch and JAX"),
    )

    @staticmethod
    def primal(x: Array, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
        return np.nan_to_num(x, nan=nan, posinf=posinf, neginf=neginf)

    @staticmethod
    def element(x: Array, *, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None) -> Array:
        low, high = (np.finfo(x.dtype).min, np.finfo(x.dtype).max)
        y = np.where(x == np.inf, high if posinf is None else posinf, x)
        y = np.where(x == -np.inf, low if neginf is None else neginf, y)
        return np.where(np.isnan(x), nan, y)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = [|x| < \infty]"""
        return np.isfinite(x)


floor = implements(np.floor)(Floor.apply)
ceil = implements(np.ceil)(Ceil.apply)
trunc = implements(np.trunc, np.fix)(Trunc.apply)
heaviside = implements(np.heaviside)(Heaviside.apply)
floor_divide = implements(np.floor_divide)(FloorDivide.apply)
remainder = mod = implements(np.remainder)(Remainder.apply)
fmod = implements(np.fmod)(Fmod.apply)


@implements(np.round)
def round(x: Array, decimals: int = 0) -> Array:
    """Round to a number of decimal places, halves to even. A constant, like every rounding: its slope is zero.

    >>> round(np.array([0.5, 1.25]), 1)
    array([0.5, 1.2])
    """
    return Round.apply(x, decimals=decimals)


@implements(np.nan_to_num)
def nan_to_num(
    x: Array, copy: bool = True, nan: float = 0.0, posinf: float | None = None, neginf: float | None = None
) -> Array:
    """Replace NaN by `nan` and the infinities by `posinf` and `neginf`, by default the largest finite numbers.

    The result is always a new array: only `copy=True` is accepted.

    >>> nan_to_num(np.array([1.0, np.nan]))
    array([1., 0.])
    """
    if not copy:
        raise ValueError("nan_to_num: copy=False would change its argument in place; leave it out")
    if is_complex(x):
        return with_parts(*(NanToNum.apply(part, nan=nan, posinf=posinf, neginf=neginf) for part in (real(x), imag(x))))
    return NanToNum.apply(x, nan=nan, posinf=posinf, neginf=neginf)
