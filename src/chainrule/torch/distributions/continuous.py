"""Distributions with densities."""

import math
from typing import Any, ClassVar

import numpy as np

from ..creation import eye
from ..linalg import cholesky, cholesky_inverse, solve_triangular
from ..random import rng_of
from . import constraints
from .constraints import check_value
from .distribution import Distribution, drawn, parameters


class Normal(Distribution):
    """The normal distribution.

    >>> import chainrule.torch as torch
    >>> torch.distributions.Normal(0.0, 1.0).log_prob(torch.tensor(0.0))
    tensor(-0.9189)
    """

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return `loc + scale * noise`."""
        return self.loc + self.scale * drawn(rng_of(None).standard_normal(self._shape(sample_shape)), self.loc)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        z = (value - self.loc) / self.scale
        return -0.5 * z * z - self.scale.log() - 0.5 * math.log(2 * math.pi)

    def cdf(self, value: Any) -> Any:
        """Return the distribution function."""
        return 0.5 * (1 + ((value - self.loc) / (self.scale * math.sqrt(2))).erf())

    def icdf(self, value: Any) -> Any:
        """Return the quantile."""
        return self.loc + self.scale * (2 * value - 1).erfinv() * math.sqrt(2)

    def entropy(self) -> Any:
        """Return the entropy."""
        return 0.5 + 0.5 * math.log(2 * math.pi) + self.scale.log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.scale**2


class Laplace(Distribution):
    """The Laplace distribution."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.loc + self.scale * drawn(rng_of(None).laplace(size=self._shape(sample_shape)), self.loc)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        return -(2 * self.scale).log() - (value - self.loc).abs() / self.scale

    def entropy(self) -> Any:
        """Return the entropy."""
        return 1 + (2 * self.scale).log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def variance(self) -> Any:
        """The variance."""
        return 2 * self.scale**2


class Uniform(Distribution):
    """The uniform distribution."""

    has_rsample = True

    def __init__(self, low: Any, high: Any, validate_args: Any = None) -> None:
        self.low, self.high = parameters(low, high)
        super().__init__(self.low.shape, validate_args=validate_args)

    @property
    def arg_constraints(self) -> Any:  # type: ignore[override]
        """Each bound on its side of the other."""
        return {"low": constraints.less_than(self.high), "high": constraints.greater_than(self.low)}

    @constraints.dependent_property
    def support(self) -> Any:
        """Where the values lie."""
        return constraints.interval(self.low, self.high)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.low + (self.high - self.low) * drawn(rng_of(None).random(self._shape(sample_shape)), self.low)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density, -∞ outside."""
        inside = ((value >= self.low) & (value < self.high)).to(self.low.dtype)
        return inside.log() - (self.high - self.low).log()

    def cdf(self, value: Any) -> Any:
        """Return the probability of at most a value."""
        return ((value - self.low) / (self.high - self.low)).clamp(min=0, max=1)

    def icdf(self, value: Any) -> Any:
        """Return the quantile."""
        return value * (self.high - self.low) + self.low

    def entropy(self) -> Any:
        """Return the entropy."""
        return (self.high - self.low).log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return (self.high + self.low) / 2

    @property
    def variance(self) -> Any:
        """The variance."""
        return (self.high - self.low) ** 2 / 12


class Exponential(Distribution):
    """The exponential distribution."""

    arg_constraints: ClassVar = {"rate": constraints.positive}
    support = constraints.nonnegative

    has_rsample = True

    def __init__(self, rate: Any, validate_args: Any = None) -> None:
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return drawn(rng_of(None).standard_exponential(self._shape(sample_shape)), self.rate) / self.rate

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        return self.rate.log() - self.rate * value

    def entropy(self) -> Any:
        """Return the entropy."""
        return 1 - self.rate.log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return 1 / self.rate

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.rate**-2


class MultivariateNormal(Distribution):
    """The normal distribution of vectors, given covariance, its inverse or its Cholesky factor."""

    arg_constraints: ClassVar = {"loc": constraints.real_vector, "scale_tril": constraints.lower_cholesky}
    support = constraints.real_vector

    has_rsample = True

    def __init__(
        self,
        loc: Any,
        covariance_matrix: Any = None,
        precision_matrix: Any = None,
        scale_tril: Any = None,
        validate_args: Any = None,
    ) -> None:
        if sum(x is not None for x in (covariance_matrix, precision_matrix, scale_tril)) != 1:
            raise ValueError(
                "Exactly one of covariance_matrix or precision_matrix or scale_tril may be specified: give "
                "MultivariateNormal one of them"
            )
        if loc.ndim < 1:
            raise ValueError("loc must be at least one-dimensional.")
        if covariance_matrix is not None:
            _check_definite(covariance_matrix, "covariance_matrix", validate_args)
            scale_tril = cholesky(covariance_matrix)
        elif precision_matrix is not None:
            _check_definite(precision_matrix, "precision_matrix", validate_args)
            scale_tril = _factor_of_inverse(precision_matrix)
        batch = np.broadcast_shapes(tuple(loc.shape[:-1]), tuple(scale_tril.shape[:-2]))
        self.loc, self.scale_tril = loc.expand(*batch, -1), scale_tril.expand(*batch, -1, -1)
        super().__init__(batch, loc.shape[-1:], validate_args=validate_args)

    @property
    def covariance_matrix(self) -> Any:
        """The covariance."""
        return self.scale_tril @ self.scale_tril.mT

    @property
    def precision_matrix(self) -> Any:
        """The inverse of the covariance."""
        return cholesky_inverse(self.scale_tril)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        noise = drawn(rng_of(None).standard_normal(self._shape(sample_shape)), self.loc)
        return self.loc + (self.scale_tril @ noise.unsqueeze(-1)).squeeze(-1)

    def _half_log_det(self) -> Any:
        return self.scale_tril.diagonal(dim1=-2, dim2=-1).log().sum(-1)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        z = solve_triangular(self.scale_tril, (value - self.loc).unsqueeze(-1), upper=False).squeeze(-1)
        return -0.5 * ((z * z).sum(-1) + self.event_shape[0] * math.log(2 * math.pi)) - self._half_log_det()

    def entropy(self) -> Any:
        """Return the entropy."""
        return 0.5 * self.event_shape[0] * (1 + math.log(2 * math.pi)) + self._half_log_det()

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc

    @property
    def variance(self) -> Any:
        """The variance of each element."""
        return (self.scale_tril**2).sum(-1)


def _check_definite(matrix: Any, name: str, validate_args: Any) -> None:
    if matrix.ndim < 2:
        raise ValueError(f"{name} must be at least two-dimensional, with optional leading batch dimensions")
    if Distribution.validates(validate_args):
        check_value(matrix, name, "MultivariateNormal", constraints.positive_definite)


def _factor_of_inverse(matrix: Any) -> Any:
    """Return the lower factor of the inverse of a symmetric matrix, without the inverse.

    With both axes turned around, the factor of a matrix is an upper one of it, P = U Uᵀ; P⁻¹ = U⁻ᵀ U⁻¹.
    """
    upper = cholesky(matrix.flip((-2, -1))).flip((-2, -1))
    return solve_triangular(upper.mT, eye(matrix.shape[-1], dtype=matrix.dtype), upper=False)
