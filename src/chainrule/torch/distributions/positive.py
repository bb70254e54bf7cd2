"""Distributions built on gamma variables, and others of positive or heavy-tailed numbers."""

import math
from typing import Any, ClassVar

import numpy as np

from chainrule import special

from ..autograd.function import Function
from ..elementwise import digamma, lgamma
from ..face import values_of, wrapped
from ..random import rng_of
from . import constraints
from .continuous import Normal
from .distribution import Distribution, drawn, parameters


class StandardGamma(Function):
    """Gamma variables of given shapes; the gradient is that of the quantile at a fixed probability.

    dz/da = -(∂F/∂a) / (∂F/∂z), with ∂F/∂a by central differences. Figurnov et al. (2018), Implicit Reparameterization
    Gradients.
    """

    @staticmethod
    def forward(ctx: Any, concentration: Any) -> Any:
        """Draw."""
        shapes = values_of(concentration)
        draws = np.asarray(rng_of(None).standard_gamma(shapes)).astype(shapes.dtype)
        found = wrapped(np.maximum(draws, np.finfo(draws.dtype).tiny))
        ctx.save_for_backward(concentration, found)
        return found

    @staticmethod
    def backward(ctx: Any, grad: Any) -> Any:
        """Return the gradient of the shapes."""
        concentration, drawn_ = ctx.saved_tensors
        a, z = values_of(concentration).astype(np.float64), values_of(drawn_).astype(np.float64)
        h = 1e-4 * np.maximum(a, 1e-3)
        slope = [special.gammainc(a + k * h, z) for k in (-2, -1, 1, 2)]
        by_shape = (slope[0] - 8 * slope[1] + 8 * slope[2] - slope[3]) / (12 * h)
        density = np.exp((a - 1) * np.log(z) - z - special.gammaln(a))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.where(density > 0, -by_shape / density, 0.0)
        return grad * wrapped(found.astype(values_of(concentration).dtype))


class Gamma(Distribution):
    """The gamma distribution."""

    arg_constraints: ClassVar = {"concentration": constraints.positive, "rate": constraints.positive}
    support = constraints.nonnegative

    has_rsample = True

    def __init__(self, concentration: Any, rate: Any, validate_args: Any = None) -> None:
        self.concentration, self.rate = parameters(concentration, rate)
        super().__init__(self.concentration.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return StandardGamma.apply(self.concentration.expand(self._shape(sample_shape))) / self.rate

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        a, b = self.concentration, self.rate
        return a * b.log() + (a - 1) * value.log() - b * value - lgamma(a)

    def entropy(self) -> Any:
        """Return the entropy."""
        a = self.concentration
        return a - self.rate.log() + lgamma(a) + (1 - a) * digamma(a)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.concentration / self.rate

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.concentration / self.rate**2


class Chi2(Gamma):
    """The chi-squared distribution."""

    arg_constraints: ClassVar = {"df": constraints.positive}

    def __init__(self, df: Any, validate_args: Any = None) -> None:
        (self.df,) = parameters(df)
        super().__init__(0.5 * self.df, 0.5, validate_args=validate_args)


class Dirichlet(Distribution):
    """The Dirichlet distribution of probabilities on the last axis."""

    arg_constraints: ClassVar = {"concentration": constraints.independent(constraints.positive, 1)}
    support = constraints.simplex

    has_rsample = True

    def __init__(self, concentration: Any, validate_args: Any = None) -> None:
        (self.concentration,) = parameters(concentration)
        if self.concentration.ndim < 1:
            raise ValueError("`concentration` parameter must be at least one-dimensional.")
        super().__init__(self.concentration.shape[:-1], self.concentration.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        parts = StandardGamma.apply(self.concentration.expand(self._shape(sample_shape)))
        return parts / parts.sum(-1, keepdim=True)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        a = self.concentration
        return ((a - 1) * value.log()).sum(-1) + lgamma(a.sum(-1)) - lgamma(a).sum(-1)

    def entropy(self) -> Any:
        """Return the entropy."""
        a, k = self.concentration, self.concentration.shape[-1]
        total = a.sum(-1)
        return lgamma(a).sum(-1) - lgamma(total) - (k - total) * digamma(total) - ((a - 1) * digamma(a)).sum(-1)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.concentration / self.concentration.sum(-1, keepdim=True)

    @property
    def variance(self) -> Any:
        """The variance of each element."""
        total = self.concentration.sum(-1, keepdim=True)
        return self.concentration * (total - self.concentration) / (total**2 * (total + 1))


class Beta(Distribution):
    """The beta distribution."""

    arg_constraints: ClassVar = {"concentration1": constraints.positive, "concentration0": constraints.positive}
    support = constraints.unit_interval

    has_rsample = True

    def __init__(self, concentration1: Any, concentration0: Any, validate_args: Any = None) -> None:
        self.concentration1, self.concentration0 = parameters(concentration1, concentration0)
        super().__init__(self.concentration1.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        shape = self._shape(sample_shape)
        first, second = (StandardGamma.apply(a.expand(shape)) for a in (self.concentration1, self.concentration0))
        return first / (first + second)

    def _log_beta(self) -> Any:
        a, b = self.concentration1, self.concentration0
        return lgamma(a) + lgamma(b) - lgamma(a + b)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        a, b = self.concentration1, self.concentration0
        return (a - 1) * value.log() + (b - 1) * (-value).log1p() - self._log_beta()

    def entropy(self) -> Any:
        """Return the entropy."""
        a, b = self.concentration1, self.concentration0
        total = a + b
        return self._log_beta() - (a - 1) * digamma(a) - (b - 1) * digamma(b) + (total - 2) * digamma(total)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.concentration1 / (self.concentration1 + self.concentration0)

    @property
    def variance(self) -> Any:
        """The variance."""
        a, b = self.concentration1, self.concentration0
        return a * b / ((a + b) ** 2 * (a + b + 1))


class StudentT(Distribution):
    """Student's t-distribution."""

    arg_constraints: ClassVar = {"df": constraints.positive, "loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    has_rsample = True

    def __init__(self, df: Any, loc: Any = 0.0, scale: Any = 1.0, validate_args: Any = None) -> None:
        self.df, self.loc, self.scale = parameters(df, loc, scale)
        super().__init__(self.df.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        shape = self._shape(sample_shape)
        noise = drawn(rng_of(None).standard_normal(shape), self.loc)
        chi2 = 2 * StandardGamma.apply((0.5 * self.df).expand(shape))
        return self.loc + self.scale * noise * (self.df / chi2).sqrt()

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        z = (value - self.loc) / self.scale
        constant = self.scale.log() + 0.5 * self.df.log() + 0.5 * math.log(math.pi) + lgamma(0.5 * self.df)
        return -0.5 * (self.df + 1) * (z * z / self.df).log1p() - constant + lgamma(0.5 * (self.df + 1))

    @property
    def mean(self) -> Any:
        """The mean, NaN for at most one degree of freedom."""
        return (self.loc + 0 * self.df).masked_fill(self.df <= 1, math.nan)

    @property
    def variance(self) -> Any:
        """The variance: infinite up to two degrees of freedom, NaN up to one."""
        found = self.scale**2 * self.df / (self.df - 2)
        return found.masked_fill(self.df <= 2, math.inf).masked_fill(self.df <= 1, math.nan)


class LogNormal(Distribution):
    """The exponential of a normal variable."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.positive

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.base_dist = Normal(loc, scale, validate_args)
        self.loc, self.scale = self.base_dist.loc, self.base_dist.scale
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.base_dist.rsample(sample_shape).exp()

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        return self.base_dist.log_prob(value.log()) - value.log()

    def entropy(self) -> Any:
        """Return the entropy."""
        return self.base_dist.entropy() + self.loc

    @property
    def mean(self) -> Any:
        """The mean."""
        return (self.loc + self.scale**2 / 2).exp()

    @property
    def variance(self) -> Any:
        """The variance."""
        return (self.scale**2).expm1() * (2 * self.loc + self.scale**2).exp()


class _Folded(Distribution):
    """The absolute value of a variable around 0, with a scale."""

    arg_constraints: ClassVar = {"scale": constraints.positive}
    support = constraints.nonnegative

    has_rsample = True

    def __init__(self, scale: Any, validate_args: Any = None) -> None:
        (self.scale,) = parameters(scale)
        super().__init__(self.scale.shape, validate_args=validate_args)


class HalfNormal(_Folded):
    """The absolute value of a normal variable of mean 0."""

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.scale * drawn(rng_of(None).standard_normal(self._shape(sample_shape)), self.scale).abs()

    def log_prob(self, value: Any) -> Any:
        """Return the log-density, -∞ for negative numbers."""
        found = Normal(0 * self.scale, self.scale).log_prob(value) + math.log(2)
        return found.masked_fill(value < 0, -math.inf)

    def entropy(self) -> Any:
        """Return the entropy."""
        return 0.5 + 0.5 * math.log(math.pi / 2) + self.scale.log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.scale * math.sqrt(2 / math.pi)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.scale**2 * (1 - 2 / math.pi)


class Cauchy(Distribution):
    """The Cauchy distribution, without mean and variance."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.loc + self.scale * drawn(rng_of(None).standard_cauchy(self._shape(sample_shape)), self.loc)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        return -math.log(math.pi) - self.scale.log() - (((value - self.loc) / self.scale) ** 2).log1p()

    def entropy(self) -> Any:
        """Return the entropy."""
        return math.log(4 * math.pi) + self.scale.log()


class HalfCauchy(_Folded):
    """The absolute value of a Cauchy variable around 0, without mean and variance."""

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.scale * drawn(rng_of(None).standard_cauchy(self._shape(sample_shape)), self.scale).abs()

    def log_prob(self, value: Any) -> Any:
        """Return the log-density, -∞ for negative numbers."""
        found = math.log(2 / math.pi) - self.scale.log() - ((value / self.scale) ** 2).log1p()
        return found.masked_fill(value < 0, -math.inf)

    def cdf(self, value: Any) -> Any:
        """Return the probability of at most a value."""
        return 2 / math.pi * (value / self.scale).atan()

    def icdf(self, value: Any) -> Any:
        """Return the quantile."""
        return self.scale * (math.pi / 2 * value).tan()

    def entropy(self) -> Any:
        """Return the entropy."""
        return math.log(2 * math.pi) + self.scale.log()


class Gumbel(Distribution):
    """The Gumbel distribution."""

    arg_constraints: ClassVar = {"loc": constraints.real, "scale": constraints.positive}
    support = constraints.real

    has_rsample = True

    def __init__(self, loc: Any, scale: Any, validate_args: Any = None) -> None:
        self.loc, self.scale = parameters(loc, scale)
        super().__init__(self.loc.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        noise = drawn(-np.log(rng_of(None).standard_exponential(self._shape(sample_shape))), self.loc)
        return self.loc + self.scale * noise

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        z = (self.loc - value) / self.scale
        return z - z.exp() - self.scale.log()

    def entropy(self) -> Any:
        """Return the entropy."""
        return self.scale.log() + 1 + float(np.euler_gamma)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.loc + self.scale * float(np.euler_gamma)

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.scale**2 * (math.pi**2 / 6)


class Weibull(Distribution):
    """The Weibull distribution."""

    arg_constraints: ClassVar = {"scale": constraints.positive, "concentration": constraints.positive}
    support = constraints.positive

    has_rsample = True

    def __init__(self, scale: Any, concentration: Any, validate_args: Any = None) -> None:
        self.scale, self.concentration = parameters(scale, concentration)
        super().__init__(self.scale.shape, validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        noise = drawn(rng_of(None).standard_exponential(self._shape(sample_shape)), self.scale)
        return self.scale * noise ** (1 / self.concentration)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        z, k = value / self.scale, self.concentration
        return k.log() - self.scale.log() + (k - 1) * z.log() - z**k

    def entropy(self) -> Any:
        """Return the entropy."""
        k = self.concentration
        return float(np.euler_gamma) * (1 - 1 / k) + (self.scale / k).log() + 1

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.scale * lgamma(1 + 1 / self.concentration).exp()

    @property
    def variance(self) -> Any:
        """The variance."""
        k = self.concentration
        return self.scale**2 * (lgamma(1 + 2 / k).exp() - (2 * lgamma(1 + 1 / k)).exp())


class Pareto(Distribution):
    """The Pareto distribution."""

    arg_constraints: ClassVar = {"alpha": constraints.positive, "scale": constraints.positive}

    has_rsample = True

    def __init__(self, scale: Any, alpha: Any, validate_args: Any = None) -> None:
        self.scale, self.alpha = parameters(scale, alpha)
        super().__init__(self.scale.shape, validate_args=validate_args)

    @constraints.dependent_property
    def support(self) -> Any:
        """Where the values lie."""
        return constraints.greater_than_eq(self.scale)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        noise = drawn(rng_of(None).standard_exponential(self._shape(sample_shape)), self.scale)
        return self.scale * (noise / self.alpha).exp()

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        return self.alpha.log() + self.alpha * self.scale.log() - (self.alpha + 1) * value.log()

    def entropy(self) -> Any:
        """Return the entropy."""
        return (self.scale / self.alpha).log() + 1 + 1 / self.alpha

    @property
    def mean(self) -> Any:
        """The mean, infinite up to α = 1."""
        a = self.alpha.clamp(min=1)
        return a * self.scale / (a - 1)
