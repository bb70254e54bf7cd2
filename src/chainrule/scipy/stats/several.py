"""Distributions of several variables."""

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.elementary.exponential import exp, log
from chainrule.rules.elementary.selection import where
from chainrule.rules.elementary.special_functions import gammaln, xlogy
from chainrule.rules.linalg.decompositions import cholesky
from chainrule.rules.linalg.inverses import solve

from .families import HALF_LOG_2PI, floating


class Dirichlet:
    """The Dirichlet distribution; `x` has the entries of a point along axis 0, as in SciPy."""

    def logpdf(self, x: Array, alpha: Array) -> Array:
        """Return the logarithm of the density at `x [K]` or `[K, N]`, for `alpha [K]`."""
        x, alpha = floating(x), floating(alpha)
        if alpha.ndim != 1 or x.ndim not in (1, 2) or x.shape[0] != alpha.shape[0]:
            raise ValueError(f"dirichlet: got x {x.shape} and alpha {alpha.shape}, expected [K] or [K, N], and [K]")
        own = alpha if x.ndim == 1 else alpha.reshape((-1, 1))
        return xlogy(own - 1, x).sum(axis=0) + gammaln(alpha.sum()) - gammaln(alpha).sum()

    def pdf(self, x: Array, alpha: Array) -> Array:
        """Return the density at `x`."""
        return exp(self.logpdf(x, alpha))


class MultivariateNormal:
    """The normal distribution of several variables, by the Cholesky factor of its covariance."""

    def logpdf(self, x: Array, mean: Array = 0.0, cov: Array = 1.0) -> Array:
        """Return the logarithm of the density at `x [..., d]`, for `mean [d]` and a positive definite `cov [d, d]`.

        As in SciPy a number or a vector as `cov` is the variance of each variable.
        """
        x, mean, cov = floating(x), floating(mean), floating(cov)
        d = max(x.shape[-1] if x.ndim else 1, mean.shape[-1] if mean.ndim else 1)
        if cov.ndim < 2:
            cov = np.eye(d) * cov
        if cov.shape != (d, d):
            raise ValueError(f"multivariate_normal: got cov {cov.shape} for {d} variables, expected {(d, d)}")
        factor = cholesky(cov)
        off = x - mean
        lead = off.shape[:-1] if off.ndim else ()
        flat = off.reshape((-1, d)).T
        z = solve(factor, flat)
        log_det = 2 * log(np.diagonal(factor)).sum()
        y = -0.5 * (z * z).sum(axis=0) - d * HALF_LOG_2PI - 0.5 * log_det
        return y.reshape(lead) if lead else y[0]

    def pdf(self, x: Array, mean: Array = 0.0, cov: Array = 1.0) -> Array:
        """Return the density at `x`."""
        return exp(self.logpdf(x, mean, cov))


class Multinomial:
    """The multinomial distribution; the last axis of `x` and `p` is that of the kinds."""

    def logpmf(self, x: Array, n: Array, p: Array) -> Array:
        """Return the logarithm of the probability of the counts `x [..., K]` in `n` draws with probabilities `p [K]`.

        It is −inf unless the counts are whole numbers that add up to `n`.
        """
        x, n, p = floating(x), floating(n), floating(p)
        possible = ((x >= 0) & (np.floor(x) == x)).all(axis=-1) & (x.sum(axis=-1) == n)
        counts = where(possible[..., None], x, 0.0)
        y = gammaln(n + 1) + (xlogy(counts, p) - gammaln(counts + 1)).sum(axis=-1)
        return where(possible, y, -np.inf)

    def pmf(self, x: Array, n: Array, p: Array) -> Array:
        """Return the probability of the counts `x`."""
        return exp(self.logpmf(x, n, p))


dirichlet, multinomial, multivariate_normal = Dirichlet(), Multinomial(), MultivariateNormal()
