"""Distributions of whole numbers."""

from typing import Any, ClassVar

import numpy as np

from ..autograd.modes import no_grad
from ..elementwise import log_softmax, softmax
from ..face import values_of, wrapped
from ..nn import functional as F
from ..random import multinomial, rng_of
from . import constraints
from .constraints import check_value
from .distribution import Distribution, drawn, parameters


class Bernoulli(Distribution):
    """1 with a probability, given as such or by its logit, and else 0."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval, "logits": constraints.real}
    support = constraints.boolean

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            (self.probs,) = parameters(probs)
            p = self.probs.clamp(_eps(self.probs), 1 - _eps(self.probs))
            self.logits, self._derived = p.log() - (-p).log1p(), ("logits",)
        else:
            (self.logits,) = parameters(logits)
            self.probs, self._derived = self.logits.sigmoid(), ("probs",)
        super().__init__(self.probs.shape, validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return drawn(rng_of(None).random(self._shape(sample_shape)) < values_of(self.probs), self.probs)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        logits = self.logits + value * 0
        return -F.binary_cross_entropy_with_logits(logits, value + logits.detach() * 0, reduction="none")

    def entropy(self) -> Any:
        """Return the entropy."""
        return F.binary_cross_entropy_with_logits(self.logits, self.probs, reduction="none")

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.probs

    @property
    def variance(self) -> Any:
        """The variance."""
        return self.probs * (1 - self.probs)


def _eps(x: Any) -> float:
    return float(np.finfo(x._x.dtype).eps)


class Categorical(Distribution):
    """A class, with probabilities along the last axis, given as such or by their logits.

    >>> import chainrule.torch as torch
    >>> torch.distributions.Categorical(torch.tensor([0.25, 0.75])).log_prob(torch.tensor(1))
    tensor(-0.2877)
    """

    arg_constraints: ClassVar = {"probs": constraints.simplex, "logits": constraints.real_vector}

    def __init__(self, probs: Any = None, logits: Any = None, validate_args: Any = None) -> None:
        if (probs is None) == (logits is None):
            raise ValueError("Either `probs` or `logits` must be specified, but not both.")
        if probs is not None:
            self.probs, self._derived = probs / probs.sum(-1, keepdim=True), ("logits",)
            self.logits = self.probs.clamp(_eps(probs), 1 - _eps(probs)).log()
        else:
            self.logits = log_softmax(logits, -1)
            self.probs, self._derived = softmax(logits, -1), ("probs",)
        super().__init__(self.probs.shape[:-1], validate_args=validate_args)

    @constraints.dependent_property(is_discrete=True)
    def support(self) -> Any:
        """Where the values lie."""
        return constraints.integer_interval(0, self.probs.shape[-1] - 1)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        n = int(np.prod(sample_shape, dtype=int))
        with no_grad():
            rows = self.probs.detach().reshape(-1, self.probs.shape[-1])
            found = multinomial(rows, n, replacement=True)
        return found.t().reshape(self._shape(sample_shape))

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        shape = np.broadcast_shapes(tuple(value.shape), tuple(self.logits.shape[:-1]))
        places = value.long().expand(shape).unsqueeze(-1)
        return self.logits.expand(*shape, self.logits.shape[-1]).gather(-1, places).squeeze(-1)

    def entropy(self) -> Any:
        """Return the entropy."""
        return -(self.logits.clamp(min=float(np.finfo(self.logits._x.dtype).min)) * self.probs).sum(-1)

    def enumerate_support(self, expand: bool = True) -> Any:
        """Return all classes."""
        return wrapped(np.arange(self.probs.shape[-1]))

    @property
    def mean(self) -> Any:
        """NaN: classes have no mean."""
        return wrapped(np.full(tuple(self.batch_shape), np.nan, self.probs._x.dtype))

    variance = mean


class Geometric(Distribution):
    """The number of failures before the first success."""

    arg_constraints: ClassVar = {"probs": constraints.unit_interval}
    support = constraints.nonnegative_integer

    def __init__(self, probs: Any, validate_args: Any = None) -> None:
        (self.probs,) = parameters(probs)
        super().__init__(self.probs.shape, validate_args=validate_args)
        if self.validates(validate_args):
            check_value(self.probs, "probs", "Geometric", constraints.positive)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return drawn(rng_of(None).geometric(values_of(self.probs), self._shape(sample_shape)) - 1, self.probs)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        return value * (-self.probs).log1p() + self.probs.log()

    @property
    def mean(self) -> Any:
        """The mean."""
        return 1 / self.probs - 1


class Poisson(Distribution):
    """Counts of a rate."""

    arg_constraints: ClassVar = {"rate": constraints.nonnegative}
    support = constraints.nonnegative_integer

    def __init__(self, rate: Any, validate_args: Any = None) -> None:
        (self.rate,) = parameters(rate)
        super().__init__(self.rate.shape, validate_args=validate_args)

    def sample(self, sample_shape: Any = ()) -> Any:
        """Return samples."""
        return drawn(rng_of(None).poisson(values_of(self.rate), self._shape(sample_shape)), self.rate)

    def log_prob(self, value: Any) -> Any:
        """Return the log-probability."""
        return value * self.rate.log() - self.rate - (value + 1).lgamma()

    @property
    def mean(self) -> Any:
        """The mean."""
        return self.rate

    variance = mean
