"""The cross-entropy of a probability, limited as in PyTorch at probabilities of 0 and 1."""

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array, Kink
from chainrule.rules.elementary.exponential import log
from chainrule.rules.elementary.selection import maximum, where

LEAST_LOG = -100.0
"""The lower limit of the logarithms: all float32 numbers but zero and a few of the smallest are above it."""
LEAST_VARIANCE = 1e-12
"""The lower limit of x (1 − x) in the gradient."""


class BinaryCrossEntropy(Elementwise):
    r"""y = -t \max(\log x, -100) - (1 - t) \max(\log(1 - x), -100)"""

    letters = {"y": r"\ell"}
    domain = {"x": (0.0, 1.0), "t": (0.0, 1.0)}
    kinks = (
        Kink((0.0, 1.0), (-1e12, 100.0), "a finite slope that still leads away from the wrong end, as in PyTorch"),
        Kink((1.0, 0.0), (1e12, -100.0), "a finite slope that still leads away from the wrong end, as in PyTorch"),
        Kink((0.0, 0.0), (0.0, 100.0), "the loss is least there, and the slope on the outside is none"),
        Kink((1.0, 1.0), (0.0, -100.0), "the loss is least there, and the slope on the outside is none"),
    )

    @staticmethod
    def primal(x: Array, t: Array) -> Array:
        return -(t * _log(x) + (1 - t) * _log(1 - x))

    @staticmethod
    def partial_x(x: Array, t: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{x - t}{\max(x (1 - x), 10^{-12})}"""
        return (x - t) / maximum(x * (1 - x), LEAST_VARIANCE)

    @staticmethod
    def partial_t(x: Array) -> Array:
        r"""\frac{\partial y}{\partial t} = \max(\log(1 - x), -100) - \max(\log x, -100)"""
        return _log(1 - x) - _log(x)


def _log(p: Array) -> Array:
    """Return the logarithm, limited from below."""
    return maximum(where(p > 0, log(where(p > 0, p, 1)), LEAST_LOG), LEAST_LOG)
