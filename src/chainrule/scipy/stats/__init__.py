"""Probability distributions, with the names and arguments of `scipy.stats`.

Continuous ones have `pdf`, `logpdf`, `cdf`, `logcdf`, `sf`, `logsf`, and the inverses `ppf` and `isf`, discrete ones
`pmf`, `logpmf`, `ppf` and, where listed, `cdf`; `loc` and `scale` shift and stretch them. They are composed of
chainrule's operations, so they can be differentiated to any order with respect to every argument, with these
exceptions: `k` of a discrete `cdf` is refused by name, as is a second derivative with respect to the shapes of the
incomplete gamma and beta functions (in `gamma.cdf`, `chi2.cdf`, `beta.cdf`, `f.cdf`, `gennorm.cdf`, `invgamma.cdf` and
`t.cdf`). The inverses have derivatives up to the third order, and need SciPy for their values. Outside the support the
density is 0 and its logarithm −inf, with the derivative 0.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule import stats
>>> x = np.array([0.5, 2.0])
>>> cr.grad(lambda s: stats.norm.logpdf(x, 0.0, s).sum())(1.0)
np.float64(2.25)
"""

from typing import TYPE_CHECKING

from chainrule.base.lacking import lacking

from .circular import vonmises, wrapcauchy
from .continuous import (
    beta,
    cauchy,
    chi2,
    expon,
    f,
    gamma,
    gennorm,
    gumbel_l,
    gumbel_r,
    halfcauchy,
    halfnorm,
    invgamma,
    laplace,
    logistic,
    lognorm,
    loguniform,
    norm,
    pareto,
    rayleigh,
    t,
    truncnorm,
    uniform,
    weibull_min,
)
from .discrete import bernoulli, betabinom, binom, geom, nbinom, poisson
from .kernel_density import gaussian_kde, sem
from .several import dirichlet, multinomial, multivariate_normal

__all__ = [
    "bernoulli",
    "beta",
    "betabinom",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "f",
    "gamma",
    "gaussian_kde",
    "gennorm",
    "geom",
    "gumbel_l",
    "gumbel_r",
    "halfcauchy",
    "halfnorm",
    "invgamma",
    "laplace",
    "logistic",
    "lognorm",
    "loguniform",
    "multinomial",
    "multivariate_normal",
    "nbinom",
    "norm",
    "pareto",
    "poisson",
    "rayleigh",
    "sem",
    "t",
    "truncnorm",
    "uniform",
    "vonmises",
    "weibull_min",
    "wrapcauchy",
]

if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
