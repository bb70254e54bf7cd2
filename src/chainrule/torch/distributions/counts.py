"""Distributions of counts, and of one-hot rows."""

from typing import Any, ClassVar

import numpy as np

from ..autograd.modes import no_grad
from ..elementwise import lgamma
from ..face import values_of, wrapped
from ..nn import functional as F
from ..random import rng_of
from . import constraints
from .discrete import Bernoulli, Categorical, Poisson
from .distribution import Distribution, drawn, parameters
from .positive import Gamma


class Binomial(Distribution):
    """The number of successes in a number of trials."""

    arg_constraints: ClassVar = {
        "total_count": constraints.nonnegative_integer,
        "probs": constraints.unit_interval,
        "logits": constraints.real,
    }
    _derived = ("probs", "logits")

    def __init__(self, total_count: Any = 1, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        trial = Bernoulli(probs, logits, validate_args)
        self.total_count, self.probs, self.logits = parameters(total_count, trial.probs, trial.logits)
        super().__init__(self.probs.shape, validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> Any:
        """Where the values lie."""
        return constraints.integer_interval(0, self.total_count)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        counts = values_of(self.total_count).astype(np.int64)
        return drawn(rng_of(None).binomial(counts, values_of(self.probs), self._shape(sample_shape)), self.probs)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        n = self.total_count
        ways = lgamma(n + 1) - lgamma(value + 1) - lgamma(n - value + 1)
        return ways + value * self.logits - n * F.softplus(self.logits)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.total_count * self.probs

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.total_count * self.probs * (1 - self.probs)


class Multinomial(Distribution):
    """How often each class comes up in a number of draws."""

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _derived = ("probs", "logits")

    def __init__(self, total_count: int = 1, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._draw = Categorical(probs, logits, validate_args)
        self.total_count, self.probs, self.logits = total_count, self._draw.probs, self._draw.logits
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Where the values lie."""
        return constraints.multinomial(self.total_count)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        places = values_of(self._draw.sample((self.total_count, *sample_shape)))
        counts = (places[..., None] == np.arange(self.event_shape[0])).sum(0)
        return drawn(counts, self.probs)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        logits = self.logits.masked_fill((value == 0) & (self.probs == 0), 0.0)
        return lgamma(value.sum(-1) + 1) - lgamma(value + 1).sum(-1) + (logits * value).sum(-1)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.probs * self.total_count

    @property
    def variance(self) -> Any:
        """The variance of each element."""
        return self.total_count * self.probs * (1 - self.probs)


class NegativeBinomial(Distribution):
    """The number of successes before a number of failures."""

    arg_constraints: ClassVar = {
        "total_count": constraints.nonnegative,
        "probs": constraints.half_open_interval(0.0, 1.0),
        "logits": constraints.real,
    }
    _derived = ("probs", "logits")
    support = constraints.nonnegative_integer

    def __init__(self, total_count: Any, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        trial = Bernoulli(probs, logits, validate_args)
        self.total_count, self.probs, self.logits = parameters(total_count, trial.probs, trial.logits)
        super().__init__(self.probs.shape, validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        with no_grad():
            return Poisson(Gamma(self.total_count, (-self.logits).exp()).sample(sample_shape)).sample()

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        n = self.total_count
        chance = n * F.logsigmoid(-self.logits) + value * F.logsigmoid(self.logits)
        return chance + lgamma(n + value) - lgamma(1 + value) - lgamma(n)

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.total_count * self.logits.exp()

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.mean / (-self.logits).sigmoid()


class OneHotCategorical(Distribution):
    """A class as a one-hot row."""

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _derived = ("probs", "logits")
    support = constraints.one_hot

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._draw = Categorical(probs, logits, validate_args)
        self.probs, self.logits = self._draw.probs, self._draw.logits
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        places = values_of(self._draw.sample(sample_shape))
        return drawn(places[..., None] == np.arange(self.event_shape[0]), self.probs)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        return self._draw.log_prob(value.argmax(-1))

    def entropy(self) -> Any:
        """Return the entropy."""
        return self._draw.entropy()

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return all rows."""
        return wrapped(np.eye(self.event_shape[0], dtype=self.probs._x.dtype))

    @property
    def mean(self) -> Any:
        """The probabilities."""
        return self.probs

    @property
    def variance(self) -> Any:
        """The variance of each element."""
        return self.probs * (1 - self.probs)


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """One-hot rows whose gradient is that of the probabilities."""

    has_rsample = True

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return self.sample(sample_shape) + (self.probs - self.probs.detach())


class RelaxedOneHotCategorical(Distribution):
    """Rows of probabilities close to one-hot ones, the Gumbel-softmax distribution."""

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}
    _derived = ("probs", "logits")
    support = constraints.simplex

    has_rsample = True

    def __init__(self, temperature: Any, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        self._draw, self.temperature = Categorical(probs, logits, validate_args), temperature
        self.probs, self.logits = self._draw.probs, self._draw.logits
        super().__init__(self.probs.shape[:-1], self.probs.shape[-1:], validate_args=validate_args)

    def rsample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        noise = drawn(-np.log(rng_of(None).standard_exponential(self._shape(sample_shape))), self.logits)
        return F.softmax((self.logits + noise) / self.temperature, -1)

    def log_prob(self, value: Any) -> Any:
        """Return the log-density."""
        k = self.event_shape[0]
        t = self.temperature
        scale = lgamma(wrapped(np.asarray(float(k), self.logits._x.dtype))) + (k - 1) * (
            t.log() if hasattr(t, "log") else np.log(t)
        )
        score = self.logits - t * value.log()
        return (score - score.logsumexp(-1, keepdim=True)).sum(-1) + scale - value.log().sum(-1)
