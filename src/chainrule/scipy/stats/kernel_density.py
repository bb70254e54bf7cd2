"""Densities estimated from samples: `gaussian_kde`; and `sem`, the standard error of a mean."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.elementary.exponential import exp, log
from chainrule.rules.elementary.normal_family import ndtr
from chainrule.rules.linalg.decompositions import cholesky
from chainrule.rules.linalg.inverses import solve
from chainrule.rules.network.softmax import logsumexp

from .families import floating


class gaussian_kde:
    """The sum of normal densities around samples: `dataset [d, n]`, or `[n]` for one variable.

    Differentiable with respect to the samples, their `weights [n]` and the points. `bw_method` is "scott" (the
    default), "silverman", a factor for the standard deviations, or a function of the estimate that returns one.

    Raises ValueError for fewer than two samples, for weights of another length, and for an unknown method.

    >>> density = gaussian_kde(np.array([-1.0, 0.0, 1.0]))
    >>> print(f"{density(0.0)[0]:.6f}")
    0.318156
    """

    def __init__(
        self, dataset: Array, bw_method: str | float | Callable[..., Any] | None = None, weights: Array | None = None
    ) -> None:
        self.dataset = np.atleast_2d(floating(dataset))
        self.d, self.n = self.dataset.shape
        if self.n < 2:
            raise ValueError(f"gaussian_kde: got {self.n} sample, expected two or more")
        if weights is None:
            weights = np.full(self.n, 1 / self.n, self.dataset.dtype)
        weights = floating(weights)
        if weights.shape != (self.n,):
            raise ValueError(f"gaussian_kde: got weights of shape {weights.shape}, expected {(self.n,)}: one a sample")
        self.weights = weights / weights.sum()
        self.neff = 1 / (self.weights * self.weights).sum()
        self.set_bandwidth(bw_method)

    def scotts_factor(self) -> Array:
        """Return the effective number of samples to the power −1 / (d + 4)."""
        return self.neff ** (-1 / (self.d + 4))

    def silverman_factor(self) -> Array:
        """Return the effective number of samples times (d + 2) / 4, to the power −1 / (d + 4)."""
        return (self.neff * (self.d + 2) / 4) ** (-1 / (self.d + 4))

    def set_bandwidth(self, bw_method: Any = None) -> None:
        """Choose the factor by which the samples' standard deviations are multiplied; see the class."""
        known = {None: self.scotts_factor, "scott": self.scotts_factor, "silverman": self.silverman_factor}
        if isinstance(bw_method, str | None):
            if bw_method not in known:
                raise ValueError(
                    f"gaussian_kde: got bw_method={bw_method!r}, expected 'scott', 'silverman' or a number"
                )
            self.factor = known[bw_method]()
        else:
            self.factor = bw_method(self) if callable(bw_method) else bw_method
        off = self.dataset - (self.dataset * self.weights).sum(axis=1, keepdims=True)
        spread = (off * self.weights) @ off.T / (1 - 1 / self.neff)
        self.covariance = spread * self.factor**2

    def logpdf(self, x: Array) -> Array:
        """Return the logarithm of the density at the points `x [d, m]`, or `[m]`: `[m]`."""
        points = np.atleast_2d(floating(x))
        if points.shape[0] != self.d:
            if points.shape != (1, self.d):
                raise ValueError(f"gaussian_kde: got points {points.shape}, expected [{self.d}, m]")
            points = points.T  # one point
        factor = cholesky(self.covariance)
        samples, places = solve(factor, self.dataset), solve(factor, points)
        off = samples[:, :, None] - places[:, None, :]
        log_det = log(np.diagonal(factor)).sum()
        energy = log(self.weights)[:, None] - 0.5 * (off * off).sum(axis=0)
        return logsumexp(energy, axis=0) - log_det - self.d / 2 * math.log(2 * math.pi)

    def evaluate(self, points: Array) -> Array:
        """Return the density at the points `[d, m]`, or `[m]`: `[m]`."""
        return exp(self.logpdf(points))

    pdf = __call__ = evaluate

    def integrate_box_1d(self, low: Array, high: Array) -> Array:
        """Return the probability of the interval from `low` to `high`, for one variable."""
        if self.d != 1:
            raise ValueError(f"gaussian_kde: integrate_box_1d is for one variable, got {self.d}")
        deviation, samples = self.covariance[0, 0] ** 0.5, self.dataset[0]
        inside = ndtr((high - samples) / deviation) - ndtr((low - samples) / deviation)
        return (self.weights * inside).sum()


def sem(a: Array, axis: int | None = 0, ddof: int = 1) -> Array:
    """Return the standard error of the mean along `axis`: the standard deviation over the root of the number.

    >>> float(sem(np.array([1.0, 2.0, 3.0, 4.0]))) ** 2  # a variance of 5 / 3, over 4
    0.4166666666666667
    """
    a = arrayed(a)
    deviation = np.std(a, axis=axis, ddof=ddof)
    return deviation / math.sqrt(a.size if axis is None else a.shape[axis])
