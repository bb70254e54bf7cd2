"""Dropout: during training, each element is zero with probability p.

Source: Srivastava, Hinton, Krizhevsky, Sutskever & Salakhutdinov, "Dropout" (2014), with the division by 1 − p moved
from evaluation to training.
"""

from typing import Any

import numpy as np

from chainrule.core.kinds import Constant
from chainrule.core.operands.keywords import explained, hint
from chainrule.core.operation import Array
from chainrule.core.random import source

from .init import Generator
from .module import Module


class DropoutMask(Constant, register=False):
    r"""y = \frac{[u \ge p]}{1 - p}

    u is uniform in [0, 1), drawn anew in each run; y has the shape and dtype of x. The mask is an operation, not merely
    an array, so that each replay of a captured program draws a new one.
    """

    @staticmethod
    def primal(x: Array, *, p: float = 0.5, generator: Generator = None) -> Array:
        """Draw the mask that `x` is multiplied by."""
        kept = source(generator).random(np.shape(x), np.float32) >= p
        return np.multiply(kept, 1 / (1 - p), dtype=x.dtype)

    @staticmethod
    def drawing(out: Array, *, p: float = 0.5, generator: Generator = None) -> Any:
        """Return how machine code draws the mask."""
        from chainrule.kernels.drawing import mask

        return mask(out, p, lambda: source(generator))


@explained
def dropout(x: Any, p: float = 0.5, training: bool = True, generator: Generator = None) -> Any:
    """Return `x` with each element set to zero with probability `p` and the others divided by 1 − p, keeping the mean.

    Without `training`, it returns `x` itself. Raises ValueError unless 0 ≤ p ≤ 1.

    >>> dropout(np.ones(6), 0.5, generator=np.random.default_rng(0))
    array([2., 2., 2., 0., 0., 0.])
    """
    check_probability("dropout", p)
    x = x if hasattr(x, "shape") else np.asarray(x, np.float64)
    if not training or p == 0:
        return x
    return x * 0 if p == 1 else x * DropoutMask.apply(x, p=float(p), generator=generator)


def check_probability(what: str, p: float) -> None:
    """Raise a ValueError unless `p` is a probability."""
    if not 0 <= p <= 1:
        raise ValueError(f"{what}: p: expected a probability from 0 to 1, got {p}")


class Dropout(Module):
    """`dropout` in training mode, the identity in evaluation mode; `generator` is a NumPy Generator, or None.

    >>> from chainrule import nn
    >>> nn.Dropout(0.5).eval()(np.ones(3))
    array([1., 1., 1.])
    """

    @explained
    def __init__(self, p: float = 0.5, generator: Generator = None) -> None:
        super().__init__()
        check_probability("Dropout", p)
        if isinstance(generator, bool):
            raise TypeError(
                f"Dropout: generator: got {generator}, expected a NumPy Generator or None{hint(['inplace'])}"
            )
        self.p = float(p)
        self.generator = generator

    def forward(self, x: Any) -> Any:
        """Return `x`, of any shape, with some elements set to zero."""
        return dropout(x, self.p, self.training, self.generator)

    def extra_repr(self) -> str:
        """Return the probability."""
        return f"p={self.p}"
