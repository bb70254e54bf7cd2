"""Choosing between values: `where`, maxima and minima, clipping."""

from collections.abc import Sequence
from types import MappingProxyType

import numpy as np

from chainrule.core.facts import Complex, Flat, Role
from chainrule.core.kinds import Elementwise, Linear
from chainrule.core.operands.protocols import functions, implements
from chainrule.core.operation import Array, Kink, case
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import is_captured, mapped_in, plain, running

from .compare import equal, logical_and

TIE = "ties share the gradient equally: the mean of the derivatives on the two sides, as in PyTorch and JAX"


class Where(Linear):
    r"""y = \begin{cases} a & \mathrm{condition} \ne 0 \\ b & \text{otherwise} \end{cases}"""

    on_complex = Complex.HOLOMORPHIC
    is_pointwise = True
    cases = (
        case(np.array([True, False, True]), (3,), (3,)),
        case(np.array([[True], [False]]), (2, 3), (3,)),
        case(np.array(True), (), (2,)),
        case(np.array([1.0, 0.0]), (2,), ()),
        case(np.zeros((0, 2), dtype=bool), (0, 2), (2,)),
    )

    @staticmethod
    def primal(condition: Array, a: Array, b: Array) -> Array:
        return np.where(condition, a, b)

    @staticmethod
    def adjoint_a(y_bar: Array, condition: Array) -> Array:
        r"""\bar a = [\mathrm{condition} \ne 0] \odot \bar y"""
        return where(condition, y_bar, 0)

    @staticmethod
    def adjoint_b(y_bar: Array, condition: Array) -> Array:
        r"""\bar b = [\mathrm{condition} = 0] \odot \bar y"""
        return where(condition, 0, y_bar)


class _Extremum(Elementwise, abstract=True):
    """The larger or smaller of two."""

    on_complex = Complex.HOLOMORPHIC
    picks = True
    kinks = (
        Kink(at=(0.0, 0.0), value=(0.5, 0.5), reason=TIE),
        Kink(at=(-2.0, -2.0), value=(0.5, 0.5), reason=TIE),
    )

    @staticmethod
    def partial_a(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = [a = y] \left(1 - \frac{1}{2} [b = y]\right)"""
        return _share(a, b, y)

    @staticmethod
    def partial_b(a: Array, b: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial b} = [b = y] \left(1 - \frac{1}{2} [a = y]\right)"""
        return _share(b, a, y)


def _share(mine: Array, other: Array, y: Array) -> Array:
    """Return 1 where `mine` is the extreme and ½ at ties: a plain array, constant wherever a derivative exists."""
    if running.capture is not None:  # whether there are ties may change from call to call
        won = equal(mine, y)
        return won - y.dtype.type(0.5) * logical_and(won, equal(other, y))

    return plain(_shared, mine, other, y, stacks=True)


def _shared(mine: Array, other: Array, y: Array) -> Array:
    won = np.equal(mine, y)
    tied = np.logical_and(won, np.equal(other, y))
    return won - y.dtype.type(0.5) * tied if np.logical_or.reduce(tied, axis=None) else won


class Maximum(_Extremum):
    r"""y = \max(a, b)"""

    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.maximum(a, b)


class Minimum(_Extremum):
    r"""y = \min(a, b)"""

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.minimum(a, b)


class Fmax(_Extremum):
    r"""y = \max(a, b)

    Where one of the two is NaN, the result is the other one, which gets the gradient.
    """

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.fmax(a, b)


class Fmin(_Extremum):
    r"""y = \min(a, b)

    Where one of the two is NaN, the result is the other one, which gets the gradient.
    """

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.fmin(a, b)


class Clip(Elementwise):
    r"""y = \min(\max(x, \mathrm{low}), \mathrm{high})

    A bound of None is no bound.
    """

    on_complex = Complex.HOLOMORPHIC
    domain = {"low": (-1.5, -0.5), "high": (0.5, 1.5)}
    kinks = (
        Kink((-1.0, -1.0, 1.0), (1.0, 0.0, 0.0), "x itself passes at a bound, as in PyTorch; JAX halves it"),
        Kink((1.0, -1.0, 1.0), (1.0, 0.0, 0.0), "x itself passes at a bound, as in PyTorch; JAX halves it"),
    )
    of_missing = MappingProxyType(
        {
            ("low",): {
                "primal": r"y = \min(x, \mathrm{high})",
                "partial_x": r"\frac{\partial y}{\partial x} = [x \le \mathrm{high}]",
                "partial_high": r"\frac{\partial y}{\partial \mathrm{high}} = [x > \mathrm{high}]",
            },
            ("high",): {
                "primal": r"y = \max(x, \mathrm{low})",
                "partial_x": r"\frac{\partial y}{\partial x} = [x \ge \mathrm{low}]",
                "partial_low": r"\frac{\partial y}{\partial \mathrm{low}} = [x < \mathrm{low}]",
            },
            ("low", "high"): {"primal": "y = x", "partial_x": r"\frac{\partial y}{\partial x} = 1"},
        }
    )

    @staticmethod
    def primal(x: Array, low: Array, high: Array) -> Array:
        return np.clip(x, low, high)

    @staticmethod
    def partial_x(x: Array, low: Array, high: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = [\mathrm{low} \le x \le \mathrm{high}]"""
        return logical_and(_below(low) <= x, x <= _above(high))

    @staticmethod
    def partial_low(x: Array, low: Array, high: Array) -> Array:
        r"""\frac{\partial y}{\partial \mathrm{low}} = [x < \mathrm{low} \le \mathrm{high}]"""
        return logical_and(x < low, low <= _above(high))

    @staticmethod
    def partial_high(x: Array, low: Array, high: Array) -> Array:
        r"""\frac{\partial y}{\partial \mathrm{high}} = [\max(x, \mathrm{low}) > \mathrm{high}]"""
        return maximum(x, _below(low)) > high


def _below(low: Array) -> Array:
    return -np.inf if low is None else low


def _above(high: Array) -> Array:
    return np.inf if high is None else high


maximum = implements(np.maximum)(Maximum.apply)
minimum = implements(np.minimum)(Minimum.apply)
fmax = implements(np.fmax)(Fmax.apply)
fmin = implements(np.fmin)(Fmin.apply)


@implements(np.where)
def where(condition: Array, a: Array | None = None, b: Array | None = None) -> Array:
    """Take from `a` where `condition` holds and from `b` elsewhere; with `condition` alone, give its indices.

    The three broadcast against each other. No gradient reaches the condition, and none the side not taken.

    >>> where(np.array([True, False]), np.array([1.0, 2.0]), 0.0)
    array([1., 0.])
    """
    if a is None and b is None:
        varies = is_captured(condition) or mapped_in(condition) is not None  # then the operation says what it is about
        return functions[np.nonzero](condition) if varies else np.nonzero(value_of(condition))
    if a is None or b is None:
        raise ValueError("where: expected both of a and b, or neither, got one of them")
    return Where.apply(condition, a, b)


@implements(np.clip)
def clip(
    x: Array,
    a_min: Array | None = None,
    a_max: Array | None = None,
    *,
    min: Array | None = None,
    max: Array | None = None,
) -> Array:
    """Limit values to `a_min` … `a_max`, or, by the names of the array API, to `min` … `max`.

    Bounds broadcast against `x`, None is no bound, and bounds that are tensors get their gradient.

    >>> clip(np.array([-2.0, 0.5, 2.0]), -1.0, 1.0)
    array([-1. ,  0.5,  1. ])
    """
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("clip: got a bound twice, as a_min and min or as a_max and max; pass each once")
    return Clip.apply(x, min if a_min is None else a_min, max if a_max is None else a_max)


@implements(np.select)
def select(condlist: Sequence[Array], choicelist: Sequence[Array], default: Array = 0) -> Array:
    """Take each element from the first choice whose condition holds, else from `default`.

    >>> x = np.array([-1.0, 0.5, 3.0])
    >>> select([x < 0, x < 1], [-x, x * x])
    array([1.  , 0.25, 0.  ])
    """
    if len(condlist) != len(choicelist) or not condlist:
        raise ValueError(
            f"select: expected one choice for each condition, and at least one, got {len(condlist)} conditions "
            f"and {len(choicelist)} choices"
        )
    y = default
    for condition, choice in zip(reversed(condlist), reversed(choicelist), strict=True):
        y = where(condition, choice, y)
    return y
