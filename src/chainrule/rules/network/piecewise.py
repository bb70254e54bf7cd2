"""Piecewise activation functions, under PyTorch's names."""

import numpy as np

from chainrule.core.facts import Flat, Role
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array, Kink
from chainrule.rules.elementary.compare import logical_and
from chainrule.rules.elementary.selection import where

from . import proofs as proofs_of

FLAT_SIDE = "the slope of the flat side, as in PyTorch"


class Hardtanh(Elementwise):
    r"""y = \min(\max(x, \mathrm{min val}), \mathrm{max val})"""

    proofs = {"x": proofs_of.HARDTANH}
    role = Role.ACTIVATION
    flat = Flat.BOTH
    kinks = (Kink((-1.0,), (0.0,), FLAT_SIDE), Kink((1.0,), (0.0,), FLAT_SIDE))

    @staticmethod
    def primal(x: Array, *, min_val: float = -1.0, max_val: float = 1.0) -> Array:
        return np.clip(x, min_val, max_val)

    @staticmethod
    def partial(x: Array, *, min_val: float, max_val: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [\mathrm{min val} < x < \mathrm{max val}]"""
        return logical_and(min_val < x, x < max_val)


class Hardsigmoid(Elementwise):
    r"""y = \frac{\min(\max(x + 3, 0), 6)}{6}"""

    proofs = {"x": proofs_of.HARDSIGMOID}
    role = Role.ACTIVATION
    flat = Flat.BOTH
    bounds = (0.0, 1.0)
    kinks = (Kink((-3.0,), (0.0,), FLAT_SIDE), Kink((3.0,), (0.0,), FLAT_SIDE))

    @staticmethod
    def primal(x: Array) -> Array:
        return np.clip(x + 3, 0, 6) / 6

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{6} [-3 < x < 3]"""
        return (np.absolute(x) < 3) * x.dtype.type(1 / 6)


class Hardswish(Elementwise):
    r"""y = x \frac{\min(\max(x + 3, 0), 6)}{6}"""

    proofs = {"x": proofs_of.HARDSWISH}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    kinks = (
        Kink((-3.0,), (0.0,), "the slope on the left"),
        Kink((3.0,), (1.0,), "the slope on the right"),
    )

    @staticmethod
    def primal(x: Array) -> Array:
        return x * Hardsigmoid.primal(x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} =
        \begin{cases} 0 & x \le -3 \\ 1 & x \ge 3 \\ \frac{x}{3} + \frac{1}{2} & \text{otherwise} \end{cases}
        """
        return where(np.absolute(x) < 3, x / 3 + 0.5, x > 0)


class Softshrink(Elementwise):
    r"""y = x - \min(\max(x, -\lambda), \lambda)"""

    proofs = {"x": proofs_of.SOFTSHRINK}
    kinks = (Kink((0.5,), (0.0,), FLAT_SIDE), Kink((-0.5,), (0.0,), FLAT_SIDE))

    @staticmethod
    def primal(x: Array, *, lambda_: float = 0.5) -> Array:
        return x - np.clip(x, -lambda_, lambda_)

    @staticmethod
    def partial(x: Array, *, lambda_: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [|x| > \lambda]"""
        return np.absolute(x) > lambda_


class Hardshrink(Elementwise):
    r"""y = x [|x| > \lambda]"""

    proofs = {"x": proofs_of.HARDSHRINK}
    kinks = (Kink((0.5,), (0.0,), FLAT_SIDE), Kink((-0.5,), (0.0,), FLAT_SIDE))

    @staticmethod
    def primal(x: Array, *, lambda_: float = 0.5) -> Array:
        return np.where(np.abs(x) <= lambda_, 0, x)

    @staticmethod
    def partial(x: Array, *, lambda_: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [|x| > \lambda]"""
        return np.absolute(x) > lambda_


class Threshold(Elementwise):
    r"""y = \begin{cases} x & x > \mathrm{threshold} \\ \mathrm{value} & \text{otherwise} \end{cases}"""

    proofs = {"x": proofs_of.THRESHOLD}
    role = Role.ACTIVATION
    flat = Flat.ZERO_LEFT
    kinks = (Kink((0.0,), (0.0,), FLAT_SIDE),)

    @staticmethod
    def primal(x: Array, *, threshold: float = 0.0, value: float = 0.0) -> Array:
        return np.where(x <= threshold, value, x)

    @staticmethod
    def partial(x: Array, *, threshold: float) -> Array:
        r"""\frac{\partial y}{\partial x} = [x > \mathrm{threshold}]"""
        return x > threshold


hardsigmoid = Hardsigmoid.apply
hardswish = Hardswish.apply


def hardtanh(x: Array, min_val: float = -1.0, max_val: float = 1.0) -> Array:
    """Limit each element to `min_val` … `max_val`. Unlike `clip`, it has slope zero at the bounds themselves.

    >>> hardtanh(np.array([-2.0, 0.5, 2.0]))
    array([-1. ,  0.5,  1. ])
    """
    if not min_val < max_val:
        raise ValueError(f"hardtanh: expected min_val < max_val, got {min_val} and {max_val}")
    return Hardtanh.apply(x, min_val=float(min_val), max_val=float(max_val))


def relu6(x: Array) -> Array:
    """Return `min(max(x, 0), 6)`.

    >>> relu6(np.array([-1.0, 5.0, 7.0]))
    array([0., 5., 6.])
    """
    return hardtanh(x, 0.0, 6.0)


def softshrink(x: Array, lambd: float = 0.5) -> Array:
    """Shrink each element towards zero by `lambd`, and to zero if it is closer than that.

    >>> softshrink(np.array([-2.0, 0.25, 2.0]))
    array([-1.5,  0. ,  1.5])
    """
    return Softshrink.apply(x, lambda_=_threshold_of("softshrink", lambd))


def hardshrink(x: Array, lambd: float = 0.5) -> Array:
    """Set elements within `lambd` of zero to zero.

    >>> hardshrink(np.array([-2.0, 0.25, 2.0]))
    array([-2.,  0.,  2.])
    """
    return Hardshrink.apply(x, lambda_=_threshold_of("hardshrink", lambd))


def _threshold_of(name: str, lambd: float) -> float:
    if not lambd >= 0:
        raise ValueError(f"{name}: expected lambd >= 0, got {lambd}")
    return float(lambd)


def threshold(x: Array, threshold: float, value: float) -> Array:
    """Keep elements above `threshold`, and replace the rest by `value`.

    >>> threshold(np.array([0.1, 0.9]), 0.5, -1.0)
    array([-1. ,  0.9])
    """
    return Threshold.apply(x, threshold=float(threshold), value=float(value))
