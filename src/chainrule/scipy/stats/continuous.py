"""Continuous distributions on the line and on parts of it."""

import math

import numpy as np

from chainrule.core.operation import Array
from chainrule.rules.elementary.error_function import erf, erfc
from chainrule.rules.elementary.exponential import exp, expm1, log, log1p
from chainrule.rules.elementary.gamma_family import betainc, betaln, gammainc, gammaincc
from chainrule.rules.elementary.normal_family import ndtr
from chainrule.rules.elementary.selection import where
from chainrule.rules.elementary.special_functions import gammaln, xlog1py, xlogy
from chainrule.rules.network.activation import sigmoid, softplus

from .families import HALF_LOG_2PI, Continuous, Normal, within

ROOT_2 = math.sqrt(2)


def _t_cdf(x: Array, df: Array) -> Array:
    tail = betainc(df / 2, np.asarray(0.5), df / (df + x * x)) / 2
    return where(x < 0, tail, 1 - tail)


def _uniform_cdf(x: Array) -> Array:
    return np.clip(x, 0, 1)


norm = Normal("norm", lambda x: -x * x / 2 - HALF_LOG_2PI, ndtr, lambda x: ndtr(-x))
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
    lambda x: within(x > 0, lambda x: -expm1(-x), x, 1.0, 0.0),
    lambda x: within(x > 0, lambda x: exp(-x), x, 1.0, 1.0),
)
gamma = Continuous(
    "gamma",
    lambda x, a: within(x >= 0, lambda x: xlogy(a - 1, x) - x - gammaln(a), x, 1.0, -np.inf),
    lambda x, a: within(x > 0, lambda x: gammainc(a, x), x, 1.0, 0.0),
    lambda x, a: within(x > 0, lambda x: gammaincc(a, x), x, 1.0, 1.0),
)
chi2 = Continuous(
    "chi2",
    lambda x, df: within(
        x >= 0, lambda x: xlogy(df / 2 - 1, x) - x / 2 - gammaln(df / 2) - df / 2 * math.log(2), x, 1.0, -np.inf
    ),
    lambda x, df: within(x > 0, lambda x: gammainc(df / 2, x / 2), x, 1.0, 0.0),
    lambda x, df: within(x > 0, lambda x: gammaincc(df / 2, x / 2), x, 1.0, 1.0),
)
beta = Continuous(
    "beta",
    lambda x, a, b: within(
        (x >= 0) & (x <= 1), lambda x: xlogy(a - 1, x) + xlog1py(b - 1, -x) - betaln(a, b), x, 0.5, -np.inf
    ),
    lambda x, a, b: where(x >= 1, 1.0, within((x > 0) & (x < 1), lambda x: betainc(a, b, x), x, 0.5, 0.0)),
)
t = Continuous(
    "t",
    lambda x, df: gammaln((df + 1) / 2) - gammaln(df / 2) - 0.5 * log(df * math.pi) - (df + 1) / 2 * log1p(x * x / df),
    _t_cdf,
    lambda x, df: _t_cdf(-x, df),
)
lognorm = Continuous(
    "lognorm",
    lambda x, s: within(x > 0, lambda x: -((log(x) / s) ** 2) / 2 - log(s * x) - HALF_LOG_2PI, x, 1.0, -np.inf),
    lambda x, s: within(x > 0, lambda x: ndtr(log(x) / s), x, 1.0, 0.0),
    lambda x, s: within(x > 0, lambda x: ndtr(-log(x) / s), x, 1.0, 1.0),
)
pareto = Continuous(
    "pareto",
    lambda x, b: within(x >= 1, lambda x: log(b) - (b + 1) * log(x), x, 1.0, -np.inf),
    lambda x, b: within(x >= 1, lambda x: 1 - x ** (-b), x, 2.0, 0.0),
    lambda x, b: within(x >= 1, lambda x: x ** (-b), x, 2.0, 1.0),
)
weibull_min = Continuous(
    "weibull_min",
    lambda x, c: within(x > 0, lambda x: log(c) + xlogy(c - 1, x) - x**c, x, 1.0, -np.inf),
    lambda x, c: within(x > 0, lambda x: -expm1(-(x**c)), x, 1.0, 0.0),
    lambda x, c: within(x > 0, lambda x: exp(-(x**c)), x, 1.0, 1.0),
)
truncnorm = Continuous(
    "truncnorm",
    lambda x, a, b: where((x >= a) & (x <= b), -x * x / 2 - HALF_LOG_2PI - log(ndtr(b) - ndtr(a)), -np.inf),
    lambda x, a, b: (ndtr(np.clip(x, a, b)) - ndtr(a)) / (ndtr(b) - ndtr(a)),
)
gumbel_l = Continuous("gumbel_l", lambda x: x - exp(x), lambda x: -expm1(-exp(x)), lambda x: exp(-exp(x)))
gennorm = Continuous(
    "gennorm",
    lambda x, beta: log(beta) - math.log(2) - gammaln(1 / beta) - np.abs(x) ** beta,
    lambda x, beta: 0.5 + np.sign(x) * gammainc(1 / beta, np.abs(x) ** beta) / 2,
    lambda x, beta: 0.5 - np.sign(x) * gammainc(1 / beta, np.abs(x) ** beta) / 2,
)
halfnorm = Continuous(
    "halfnorm",
    lambda x: where(x >= 0, math.log(2) - x * x / 2 - HALF_LOG_2PI, -np.inf),
    lambda x: within(x > 0, lambda x: erf(x / ROOT_2), x, 1.0, 0.0),
    lambda x: within(x > 0, lambda x: erfc(x / ROOT_2), x, 1.0, 1.0),
)
halfcauchy = Continuous(
    "halfcauchy",
    lambda x: where(x >= 0, math.log(2 / math.pi) - log1p(x * x), -np.inf),
    lambda x: within(x > 0, lambda x: 2 / math.pi * np.arctan(x), x, 1.0, 0.0),
    lambda x: within(x > 0, lambda x: 2 / math.pi * np.arctan(1 / x), x, 1.0, 1.0),
)
rayleigh = Continuous(
    "rayleigh",
    lambda x: within(x > 0, lambda x: log(x) - x * x / 2, x, 1.0, -np.inf),
    lambda x: within(x > 0, lambda x: -expm1(-x * x / 2), x, 1.0, 0.0),
    lambda x: within(x > 0, lambda x: exp(-x * x / 2), x, 1.0, 1.0),
)
invgamma = Continuous(
    "invgamma",
    lambda x, a: within(x > 0, lambda x: -(a + 1) * log(x) - gammaln(a) - 1 / x, x, 1.0, -np.inf),
    lambda x, a: within(x > 0, lambda x: gammaincc(a, 1 / x), x, 1.0, 0.0),
    lambda x, a: within(x > 0, lambda x: gammainc(a, 1 / x), x, 1.0, 1.0),
)
loguniform = Continuous(
    "loguniform",
    lambda x, a, b: within((x >= a) & (x <= b), lambda x: -log(x) - log(log(b / a)), x, a, -np.inf),
    lambda x, a, b: log(np.clip(x, a, b) / a) / log(b / a),
    lambda x, a, b: log(b / np.clip(x, a, b)) / log(b / a),
)


def _f_log_density(x: Array, dfn: Array, dfd: Array) -> Array:
    def inside(x: Array) -> Array:
        own = xlogy(dfn / 2, dfn / dfd) + xlogy(dfn / 2 - 1, x) - (dfn + dfd) / 2 * log1p(dfn * x / dfd)
        return own - betaln(dfn / 2, dfd / 2)

    return within(x > 0, inside, x, 1.0, -np.inf)


f = Continuous(
    "f",
    _f_log_density,
    lambda x, dfn, dfd: within(x > 0, lambda x: betainc(dfn / 2, dfd / 2, dfn * x / (dfn * x + dfd)), x, 1.0, 0.0),
    lambda x, dfn, dfd: within(x > 0, lambda x: betainc(dfd / 2, dfn / 2, dfd / (dfn * x + dfd)), x, 1.0, 1.0),
)
