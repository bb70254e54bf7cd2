"""Distributions of correlation matrices."""

import math
from typing import Any, ClassVar

import numpy as np

from ..creation import arange
from ..elementwise import lgamma, mvlgamma
from ..face import values_of, wrapped
from ..random import rng_of
from . import constraints
from .distribution import Distribution, parameters


class LKJCholesky(Distribution):
    """The Cholesky factor L of a correlation matrix `L Lᵀ`, whose density is its determinant to the power η - 1.

    Samples are drawn row by row: the squared length of the part before the diagonal is a beta variable, its direction
    uniform. Lewandowski, Kurowicka, Joe: Generating random correlation matrices based on vines and extended onion
    method, 2009, section 3.2.
    """

    arg_constraints: ClassVar = {"concentration": constraints.positive}
    support = constraints.corr_cholesky

    def __init__(self, dim: int, concentration: Any = 1.0, validate_args: Any = None) -> None:
        if dim < 2:
            raise ValueError(f"Expected dim to be an integer greater than or equal to 2. Found dim={dim}.")
        self.dim = dim
        (self.concentration,) = parameters(concentration)
        super().__init__(self.concentration.shape, (dim, dim), validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        shape, rng = (*sample_shape, *self.batch_shape), rng_of(None)
        rows = np.arange(1, self.dim)
        concentration = values_of(self.concentration).astype(np.float64)[..., None]
        share = rng.beta(rows / 2, concentration + (self.dim - 1 - rows) / 2, (*shape, self.dim - 1))[..., None]
        normal = np.tril(rng.standard_normal((*shape, self.dim - 1, self.dim)))
        normal[..., rows - 1, rows] = 0
        direction = normal / np.linalg.norm(normal, axis=-1, keepdims=True)
        found = np.zeros((*shape, self.dim, self.dim))
        found[..., 0, 0] = 1
        found[..., 1:, :] = np.sqrt(share) * direction
        found[..., rows, rows] = np.sqrt(1 - share[..., 0])
        return wrapped(found.astype(self.concentration._x.dtype))

    def log_prob(self, value: Any) -> Any:
        """Return the log-density of a factor."""
        rest = self.dim - 1
        order = arange(2, self.dim + 1).to(self.concentration.dtype)
        powers = 2 * (self.concentration - 1)[..., None] + self.dim - order
        unscaled = (powers * value.diagonal(0, -2, -1)[..., 1:].log()).sum(-1)
        alpha = self.concentration + rest / 2
        scale = rest / 2 * math.log(math.pi) + mvlgamma(alpha - 0.5, rest) - lgamma(alpha) * rest
        return unscaled - scale
