"""Probability distributions with SciPy's names and arguments, differentiable; see `chainrule.scipy.stats`.

>>> import chainrule as cr
>>> from chainrule import stats
>>> float(cr.grad(stats.norm.logpdf)(1.0))
-1.0
"""

from chainrule.scipy.stats import (
    bernoulli,
    beta,
    binom,
    cauchy,
    chi2,
    dirichlet,
    expon,
    gamma,
    geom,
    gumbel_r,
    laplace,
    logistic,
    lognorm,
    multivariate_normal,
    norm,
    pareto,
    poisson,
    t,
    truncnorm,
    uniform,
    weibull_min,
)

__all__ = [
    "bernoulli",
    "beta",
    "binom",
    "cauchy",
    "chi2",
    "dirichlet",
    "expon",
    "gamma",
    "geom",
    "gumbel_r",
    "laplace",
    "logistic",
    "lognorm",
    "multivariate_normal",
    "norm",
    "pareto",
    "poisson",
    "t",
    "truncnorm",
    "uniform",
    "weibull_min",
]
