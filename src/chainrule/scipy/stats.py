"""Probability distributions, with the names and arguments of `scipy.stats`.

Continuous ones have `pdf`, `logpdf`, `cdf`, `logcdf` and `sf`, discrete ones `pmf`, `logpmf` and, where listed, `cdf`;
`loc` and `scale` shift and stretch them. They are composed of chainrule's operations, so they can be differentiated to
any order with respect to every argument, except where a special function has no derivative: the shapes of `gamma.cdf`,
`chi2.cdf`, `beta.cdf` and `t.cdf`, and `k` of `poisson.cdf`, are refused by name. Outside the support the density is 0
and its logarithm −inf, with the derivative 0.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule import stats
>>> x = np.array([0.5, 2.0])
>>> cr.grad(lambda s: stats.norm.logpdf(x, 0.0, s).sum())(1.0)
np.float64(2.25)
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.elementary.exponential import exp, expm1, log, log1p
from chainrule.rules.elementary.gamma_family import betainc, betaln, gammainc, gammaincc
from chainrule.rules.elementary.normal_family import log_ndtr, ndtr
from chainrule.rules.elementary.selection import where
from chainrule.rules.elementary.special_functions import gammaln, xlog1py, xlogy
from chainrule.rules.linalg.decompositions import cholesky
from chainrule.rules.linalg.inverses import solve
from chainrule.rules.network.activation import sigmoid, softplus

HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)
Density = Callable[..., Array]


def _within(inside: Array, value: Callable[[Array], Array], x: Array, safe: Any, outside: float) -> Array:
    """Return `value(x)` inside, and a constant outside, where `safe` stands for x so that no derivative is NaN."""
    return where(inside, value(where(inside, x, safe)), outside)


class Continuous:
    """A continuous distribution with shapes, `loc` and `scale`."""

    def __init__(self, name: str, log_density: Density, cdf: Density, sf: Density | None = None) -> None:
        self.name = name
        self._log_density, self._cdf = log_density, cdf
        self._sf = sf or (lambda x, *shapes: 1 - cdf(x, *shapes))

    def __repr__(self) -> str:
        return f"<distribution {self.name}>"

    def logpdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of the density at `x`."""
        z, shapes, scale = self._standard(x, shapes, loc, scale)
        return self._log_density(z, *shapes) - log(scale)

    def pdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the density at `x`."""
        return exp(self.logpdf(x, *shapes, loc=loc, scale=scale))

    def cdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the probability of a value of at most `x`."""
        z, shapes, _ = self._standard(x, shapes, loc, scale)
        return self._cdf(z, *shapes)

    def sf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the probability of a value greater than `x`."""
        z, shapes, _ = self._standard(x, shapes, loc, scale)
        return self._sf(z, *shapes)

    def logcdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `cdf`."""
        return log(self.cdf(x, *shapes, loc=loc, scale=scale))

    def logsf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `sf`."""
        return log(self.sf(x, *shapes, loc=loc, scale=scale))

    def _standard(self, x: Array, shapes: tuple[Array, ...], loc: Array, scale: Array) -> Any:
        """Return the standardised value, the shapes, and the scale; as in SciPy, both may follow the shapes."""
        count = self._log_density.__code__.co_argcount - 1
        if len(shapes) > count:
            more = shapes[count:]
            if len(more) > 2:
                raise TypeError(f"{self.name}: got {len(shapes)} arguments after x, expected at most {count + 2}")
            shapes, loc = shapes[:count], more[0]
            scale = more[1] if len(more) == 2 else scale
        if len(shapes) < count:
            names = ", ".join(self._log_density.__code__.co_varnames[1 : count + 1])
            raise TypeError(f"{self.name}: got {len(shapes)} shapes, expected {count}: {names}")
        x, scale = _floating(x), _floating(scale)
        return (x - loc) / scale, tuple(map(_floating, shapes)), scale


class _Normal(Continuous):
    """The normal distribution, with accurate tails."""

    def logcdf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `cdf`."""
        return log_ndtr(self._standard(x, shapes, loc, scale)[0])

    def logsf(self, x: Array, *shapes: Array, loc: Array = 0.0, scale: Array = 1.0) -> Array:
        """Return the logarithm of `sf`."""
        return log_ndtr(-self._standard(x, shapes, loc, scale)[0])


class Discrete:
    """A distribution over whole numbers; the logarithm of a mass is −inf for anything else."""

    def __init__(self, name: str, log_mass: Density, cdf: Density | None = None) -> None:
        self.name, self._log_mass, self._cdf = name, log_mass, cdf

    def __repr__(self) -> str:
        return f"<distribution {self.name}>"

    def logpmf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the logarithm of the probability of `k`."""
        k = _floating(k) - loc
        return where(np.floor(k) == k, self._log_mass(k, *map(_floating, shapes)), -np.inf)

    def pmf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of `k`."""
        return exp(self.logpmf(k, *shapes, loc=loc))

    def cdf(self, k: Array, *shapes: Array, loc: Array = 0.0) -> Array:
        """Return the probability of at most `k`."""
        if self._cdf is None:
            raise AttributeError(f"{self.name}: chainrule has no differentiable cdf; sum pmf over the support")
        return self._cdf(np.floor(_floating(k) - loc), *map(_floating, shapes))


def _floating(x: Array) -> Array:
    x = arrayed(x)
    return x if x.dtype.kind == "f" else x.astype(np.float64)


def _t_cdf(x: Array, df: Array) -> Array:
    tail = betainc(df / 2, np.asarray(0.5), df / (df + x * x)) / 2
    return where(x < 0, tail, 1 - tail)


def _uniform_cdf(x: Array) -> Array:
    return np.clip(x, 0, 1)


norm = _Normal("norm", lambda x: -x * x / 2 - HALF_LOG_2PI, ndtr, lambda x: ndtr(-x))
cauchy = Continuous(
    "cauchy", lambda x: -math.log(math.pi) - log1p(x * x), lambda x: 0.5 + np.arctan(x) / math.pi,
    lambda x: 0.5 - np.arctan(x) / math.pi,
)  # fmt: skip
laplace = Continuous(
    "laplace", lambda x: -np.abs(x) - math.log(2), lambda x: where(x < 0, exp(-np.abs(x)) / 2, 1 - exp(-np.abs(x)) / 2),
    lambda x: where(x > 0, exp(-np.abs(x)) / 2, 1 - exp(-np.abs(x)) / 2),
)  # fmt: skip
logistic = Continuous("logistic", lambda x: -x - 2 * softplus(-x), sigmoid, lambda x: sigmoid(-x))
gumbel_r = Continuous("gumbel_r", lambda x: -x - exp(-x), lambda x: exp(-exp(-x)), lambda x: -expm1(-exp(-x)))
uniform = Continuous("uniform", lambda x: where((x >= 0) & (x <= 1), x * 0, -np.inf), _uniform_cdf)
expon = Continuous(
    "expon",
    lambda x: where(x >= 0, -x, -np.inf),
    lambda x: _within(x > 0, lambda x: -expm1(-x), x, 1.0, 0.0),
    lambda x: _within(x > 0, lambda x: exp(-x), x, 1.0, 1.0),
)
gamma = Continuous(
    "gamma",
    lambda x, a: _within(x >= 0, lambda x: xlogy(a - 1, x) - x - gammaln(a), x, 1.0, -np.inf),
    lambda x, a: _within(x > 0, lambda x: gammainc(a, x), x, 1.0, 0.0),
    lambda x, a: _within(x > 0, lambda x: gammaincc(a, x), x, 1.0, 1.0),
)
chi2 = Continuous(
    "chi2",
    lambda x, df: _within(
        x >= 0, lambda x: xlogy(df / 2 - 1, x) - x / 2 - gammaln(df / 2) - df / 2 * math.log(2), x, 1.0, -np.inf
    ),
    lambda x, df: _within(x > 0, lambda x: gammainc(df / 2, x / 2), x, 1.0, 0.0),
    lambda x, df: _within(x > 0, lambda x: gammaincc(df / 2, x / 2), x, 1.0, 1.0),
)
beta = Continuous(
    "beta",
    lambda x, a, b: _within(
        (x >= 0) & (x <= 1), lambda x: xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b), x, 0.5, -np.inf
    ),
    lambda x, a, b: where(x >= 1, 1.0, _within((x > 0) & (x < 1), lambda x: betainc(a, b, x), x, 0.5, 0.0)),
)
t = Continuous(
    "t",
    lambda x, df: gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * log(df * math.pi) - (df + 1) / 2 * log1p(x * x / df),
    _t_cdf,
    lambda x, df: _t_cdf(-x, df),
)
lognorm = Continuous(
    "lognorm",
    lambda x, s: _within(x > 0, lambda x: -((log(x) / s) ** 2) / 2 - log(s * x) - HALF_LOG_2PI, x, 1.0, -np.inf),
    lambda x, s: _within(x > 0, lambda x: ndtr(log(x) / s), x, 1.0, 0.0),
    lambda x, s: _within(x > 0, lambda x: ndtr(-log(x) / s), x, 1.0, 1.0),
)
pareto = Continuous(
    "pareto",
    lambda x, b: _within(x >= 1, lambda x: log(b) - (b + 1) * log(x), x, 1.0, -np.inf),
    lambda x, b: _within(x >= 1, lambda x: 1 - x ** (-b), x, 2.0, 0.0),
    lambda x, b: _within(x >= 1, lambda x: x ** (-b), x, 2.0, 1.0),
)
weibull_min = Continuous(
    "weibull_min",
    lambda x, c: _within(x > 0, lambda x: log(c) + xlogy(c - 1, x) - x**c, x, 1.0, -np.inf),
    lambda x, c: _within(x > 0, lambda x: -expm1(-(x**c)), x, 1.0, 0.0),
    lambda x, c: _within(x > 0, lambda x: exp(-(x**c)), x, 1.0, 1.0),
)
truncnorm = Continuous(
    "truncnorm",
    lambda x, a, b: where((x >= a) & (x <= b), -x * x / 2 - HALF_LOG_2PI - log(ndtr(b) - ndtr(a)), -np.inf),
    lambda x, a, b: (ndtr(np.clip(x, a, b)) - ndtr(a)) / (ndtr(b) - ndtr(a)),
)

poisson = Discrete(
    "poisson",
    lambda k, mu: _within(k >= 0, lambda k: xlogy(k, mu) - mu - gammaln(k + 1), k, 0.0, -np.inf),
    lambda k, mu: _within(k >= 0, lambda k: gammaincc(k + 1, mu), k, 0.0, 0.0),
)
binom = Discrete(
    "binom",
    lambda k, n, p: _within(
        (k >= 0) & (k <= n),
        lambda k: gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p) + xlog1py(n - k, -p),
        k,
        0.0,
        -np.inf,
    ),
)
bernoulli = Discrete(
    "bernoulli",
    lambda k, p: _within((k == 0) | (k == 1), lambda k: xlogy(k, p) + xlog1py(1 - k, -p), k, 0.0, -np.inf),
)
geom = Discrete("geom", lambda k, p: _within(k >= 1, lambda k: xlog1py(k - 1, -p) + log(p), k, 1.0, -np.inf))


class Dirichlet:
    """The Dirichlet distribution; `x` has the entries of a point along axis 0, as in SciPy."""

    def logpdf(self, x: Array, alpha: Array) -> Array:
        """Return the logarithm of the density at `x [K]` or `[K, N]`, for `alpha [K]`."""
        x, alpha = _floating(x), _floating(alpha)
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
        x, mean, cov = _floating(x), _floating(mean), _floating(cov)
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


dirichlet, multivariate_normal = Dirichlet(), MultivariateNormal()
