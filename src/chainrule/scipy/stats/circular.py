"""Distributions of angles: `vonmises` and `wrapcauchy`."""

import math

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.tensor import value_of
from chainrule.rules.elementary.bessel import i0e
from chainrule.rules.elementary.exponential import log
from chainrule.rules.elementary.selection import where

from .families import Continuous, within

TURN = 2 * math.pi


def _vonmises_cdf(x: Array, kappa: Array) -> Array:
    """Return the probability of an angle of at most `x`, by the Fourier series of the density.

    Its coefficients are products of ratios of Bessel functions, which a continued fraction gives from the last one
    backwards (G. W. Hill, Algorithm 518, ACM TOMS 3(3), 1977). They fall like exp(-j² / 2κ).
    """
    most = float(np.max(value_of(kappa), initial=0.0))
    turns = np.round(value_of(x) / TURN)
    x = x - TURN * turns
    ratio, total = 0.0, 0.0
    for j in range(int(12 + 10 * math.sqrt(most)), 0, -1):
        ratio = kappa / (2 * j + kappa * ratio)
        total = ratio * (np.sin(j * x) / j + total)
    return 0.5 + turns + x / TURN + total / math.pi


def _wrapped_cdf(x: Array, c: Array) -> Array:
    """Return the probability of an angle of at most `x`, which lies between 0 and a full turn."""
    stretch = (1 + c) / (1 - c)
    early = x < math.pi
    half = np.arctan(stretch * np.tan(where(early, x, TURN - x) / 2)) / math.pi
    return where(early, half, 1 - half)


vonmises = Continuous(
    "vonmises",
    lambda x, kappa: kappa * (np.cos(x) - 1) - math.log(TURN) - log(i0e(kappa)),
    _vonmises_cdf,
)
wrapcauchy = Continuous(
    "wrapcauchy",
    lambda x, c: where((x >= 0) & (x <= TURN), log((1 - c * c) / (TURN * (1 + c * c - 2 * c * np.cos(x)))), -np.inf),
    lambda x, c: where(x >= TURN, 1.0, within((x > 0) & (x < TURN), lambda x: _wrapped_cdf(x, c), x, 1.0, 0.0)),
)
