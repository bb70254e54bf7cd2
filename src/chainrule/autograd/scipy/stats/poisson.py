"""autograd.scipy.stats.poisson: the Poisson distribution, `f(k, mu, loc=0)`, differentiable in `mu`."""

from typing import Any

import numpy as np

from .standard import exponential, special

__all__ = ["cdf", "logpmf", "pmf"]


def logpmf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Return the logarithm of the probability of `k`, -inf unless k is a whole number and not negative."""
    count = np.asarray(k) - loc
    possible = (count >= 0) & (count == np.floor(count))
    count = np.where(possible, count, 0)
    return np.where(possible, special("xlogy")(count, mu) - mu - special("gammaln")(count + 1), -np.inf)


pmf = exponential(logpmf)


def cdf(k: Any, mu: Any, loc: Any = 0) -> Any:
    """Return the probability of `k` events or fewer."""
    count = np.floor(np.asarray(k) - loc)
    return np.where(count >= 0, special("gammaincc")(np.maximum(count, 0) + 1, mu), 0.0)
