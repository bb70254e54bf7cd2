r"""Box and Cox's power transformations and their inverses, differentiable in the power too, at zero as elsewhere.

Box and Cox, "An analysis of transformations", Journal of the Royal Statistical Society B 26 (1964), 211-252, equation
1: (xᵖ − 1) / p, which is log(x) (eᵘ − 1) / u at u = p log(x), a smooth function of u also where p is zero.
"""

import math
from typing import Any

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array
from chainrule.rules.network.activation import softplus

from .exponential import exp, log, log1p
from .hypergeometric import Hyp1f1, Hyp2f1
from .selection import where
from .special_functions import OF_SCIPY, computed


class Exprel(Elementwise):
    r"""y = \operatorname{exprel}(x)

    The relative error exponential, $\frac{e^x - 1}{x}$, and 1 at 0.
    """

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("exprel", x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{2} \operatorname{hyp1f1}(2, 3, x)"""
        return Hyp1f1.apply(2.0, 3.0, x) / 2


exprel = Exprel.apply


def boxcox(x: Array, lmbda: Array) -> Array:
    """Return (xᵖ − 1) / p of positive `x`, where p is `lmbda`; log(x) where that is zero.

    >>> float(boxcox(3.0, 2.0)), round(float(boxcox(3.0, 0.0)), 6)
    (4.0, 1.098612)
    """
    return _transformed(log(x), lmbda)


def boxcox1p(x: Array, lmbda: Array) -> Array:
    """Return `boxcox(1 + x, lmbda)`, precise for small `x` too.

    >>> float(boxcox1p(2.0, 2.0))
    4.0
    """
    return _transformed(log1p(x), lmbda)


def _transformed(logarithm: Array, p: Array) -> Array:
    return logarithm * exprel(p * logarithm)


def inv_boxcox(y: Array, lmbda: Array) -> Array:
    """Return the positive number whose `boxcox` is `y`.

    >>> float(inv_boxcox(4.0, 2.0))
    3.0
    """
    return exp(_inverted(y, lmbda))


def inv_boxcox1p(y: Array, lmbda: Array) -> Array:
    """Return the number whose `boxcox1p` is `y`.

    >>> float(inv_boxcox1p(4.0, 2.0))
    2.0
    """
    return np.expm1(_inverted(y, lmbda))


def _inverted(y: Array, p: Array) -> Array:
    """Return log(1 + p y) / p; near p y = 0 by its hypergeometric series, which has derivatives there."""
    u = p * y
    near = np.abs(u) < 0.5
    series = Hyp2f1.apply(1.0, 1.0, 2.0, -where(near, u, 0.0))
    return y * where(near, series, log1p(where(near, 1.0, u)) / where(near, 1.0, u))


def log_expit(x: Array) -> Array:
    """Return log(expit(x)) without overflow.

    >>> round(float(log_expit(0.0)), 6)
    -0.693147
    """
    return -softplus(x * -1.0)  # booleans have no minus


def cosm1(x: Array) -> Array:
    """Return cos(x) − 1, precise for small `x` too: −2 sin²(x / 2).

    >>> f"{float(cosm1(1e-9)):.0e}"
    '-5e-19'
    """
    return -2 * np.sin(x / 2) ** 2


def pseudo_huber(delta: Array, r: Array) -> Array:
    """Return δ² (√(1 + (r / δ)²) − 1): r² / 2 for small `r`, and linear for large; inf for negative `delta`.

    >>> float(pseudo_huber(1.0, 0.0)), round(float(pseudo_huber(1.0, 10.0)), 3)
    (0.0, 9.05)
    """
    outside = where(np.less(delta, 0), math.inf, 0.0)
    inside: Any = np.greater(delta, 0)
    delta = where(inside, delta, 1.0)
    u = r / delta
    return where(inside, r * u * delta / (1 + np.sqrt(1 + u * u)), outside)


def huber(delta: Array, r: Array) -> Array:
    """Return r² / 2 where |r| ≤ δ, and δ (|r| − δ / 2) beyond; inf for negative `delta`.

    >>> float(huber(1.0, 0.5)), float(huber(1.0, 3.0))
    (0.125, 2.5)
    """
    size = np.abs(r)
    return where(np.less(delta, 0), math.inf, where(size <= delta, r * r / 2, delta * (size - delta / 2)))


OF_SCIPY.update(
    boxcox=boxcox, boxcox1p=boxcox1p, inv_boxcox=inv_boxcox, inv_boxcox1p=inv_boxcox1p, exprel=exprel,
    log_expit=log_expit, cosm1=cosm1, huber=huber, pseudo_huber=pseudo_huber,
)  # fmt: skip
