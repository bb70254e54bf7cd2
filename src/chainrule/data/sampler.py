"""Sampling orders for a loader, besides sequential and shuffled."""

from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import DataError, check_finite


class Sampler(Protocol):
    """What a :class:`DataLoader` takes an epoch's order from: ``len`` indices below ``population``."""

    @property
    def population(self) -> int:
        """How many samples the data set has."""
        ...

    def __len__(self) -> int: ...

    def order(self, rng: np.random.Generator) -> NDArray[Any]:
        """An epoch's indices, drawn from ``rng`` alone, so that a seed fixes them."""
        ...


class WeightedSampler:
    """Samples drawn with probabilities proportional to their weights [N], ``num_samples`` (default: N) per epoch.

    With ``replacement`` a sample may be drawn several times; without it samples are drawn one after the other, each
    from those that remain. Raises :class:`DataError` for weights that are negative, not finite or all zero,
    and ``ValueError`` for more draws without replacement than there are samples of positive weight.

    Source of the draws without replacement: Efraimidis & Spirakis, "Weighted random sampling with a reservoir"
    (2006), algorithm A.

    >>> labels = np.array([0, 0, 0, 1])
    >>> balanced = WeightedSampler((1 / np.bincount(labels))[labels], num_samples=1000)
    >>> drawn = labels[balanced.order(np.random.default_rng(0))]
    >>> bool(450 < drawn.sum() < 550)
    True
    """

    def __init__(self, weights: ArrayLike, num_samples: int | None = None, replacement: bool = True) -> None:
        self.weights = np.array(weights, np.float64)
        check_finite(self.weights, "WeightedSampler: weights")
        if self.weights.ndim != 1 or (self.weights < 0).any() or not self.weights.any():
            raise DataError(
                "WeightedSampler: expected weights [N], 0 or more and not all of them zero, "
                f"got shape {list(self.weights.shape)}"
            )
        self.num_samples = len(self.weights) if num_samples is None else num_samples
        self.replacement = replacement
        most = np.count_nonzero(self.weights)
        if self.num_samples < 1 or (not replacement and self.num_samples > most):
            raise ValueError(
                f"WeightedSampler: num_samples: expected at least 1{'' if replacement else f' and at most {most}'}, "
                f"got {self.num_samples}"
            )

    @property
    def population(self) -> int:
        """N."""
        return len(self.weights)

    def __len__(self) -> int:
        return self.num_samples

    def order(self, rng: np.random.Generator) -> NDArray[Any]:
        """The indices of one epoch."""
        if self.replacement:
            share = self.weights / self.weights.max()
            return rng.choice(self.population, self.num_samples, p=share / share.sum())
        # The smallest of exponential waiting times whose rates are the weights; their logarithms cannot overflow.
        with np.errstate(divide="ignore"):
            waiting = np.log(rng.standard_exponential(self.population)) - np.log(self.weights)
        return np.argsort(waiting, kind="stable")[: self.num_samples]


class StratifiedSampler:
    """Every sample once, in a random order that keeps the class proportions in every batch.

    For ``labels`` [N] of K classes with proportions p, a batch of B samples contains B p of a class, give or take 1 + K
    p: the samples of each class, in random order, are spread evenly over the epoch, with a random offset.

    >>> sampler = StratifiedSampler([0] * 30 + [1] * 10)
    >>> order = sampler.order(np.random.default_rng(0))
    >>> [int((batch >= 30).sum()) for batch in order.reshape(5, 8)]
    [2, 2, 2, 2, 2]
    """

    def __init__(self, labels: ArrayLike) -> None:
        values = np.asarray(labels)
        if values.ndim != 1 or len(values) == 0:
            raise DataError(f"StratifiedSampler: expected labels [N], got shape {list(values.shape)}")
        _, self.classes = np.unique(values, return_inverse=True)

    @property
    def population(self) -> int:
        """N."""
        return len(self.classes)

    def __len__(self) -> int:
        return len(self.classes)

    def order(self, rng: np.random.Generator) -> NDArray[Any]:
        """The indices of one epoch."""
        place = np.empty(len(self))
        for k, count in enumerate(np.bincount(self.classes)):
            place[self.classes == k] = (rng.permutation(count) + rng.random()) / count
        return np.argsort(place, kind="stable")
