"""Distributions over whole numbers."""

import numpy as np

from chainrule.rules.elementary.exponential import expm1, log, log1p
from chainrule.rules.elementary.gamma_family import betainc, betaln, gammaincc
from chainrule.rules.elementary.selection import where
from chainrule.rules.elementary.special_functions import gammaln, xlog1py, xlogy

from .families import Discrete, within

poisson = Discrete(
    "poisson",
    lambda k, mu: within(k >= 0, lambda k: xlogy(k, mu) - mu - gammaln(k + 1), k, 0.0, -np.inf),
    lambda k, mu: within(k >= 0, lambda k: gammaincc(k + 1, mu), k, 0.0, 0.0),
)
binom = Discrete(
    "binom",
    lambda k, n, p: within(
        (k >= 0) & (k <= n),
        lambda k: gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1) + xlogy(k, p) + xlog1py(n - k, -p),
        k,
        0.0,
        -np.inf,
    ),
    lambda k, n, p: where(k >= n, 1.0, within((k >= 0) & (k < n), lambda k: betainc(n - k, k + 1, 1 - p), k, 0.0, 0.0)),
)
bernoulli = Discrete(
    "bernoulli",
    lambda k, p: within((k == 0) | (k == 1), lambda k: xlogy(k, p) + xlog1py(1 - k, -p), k, 0.0, -np.inf),
    lambda k, p: where(k >= 1, 1.0, where(k >= 0, 1 - p, 0.0)),
)
geom = Discrete(
    "geom",
    lambda k, p: within(k >= 1, lambda k: xlog1py(k - 1, -p) + log(p), k, 1.0, -np.inf),
    lambda k, p: within(k >= 1, lambda k: -expm1(k * log1p(-p)), k, 1.0, 0.0),
)
nbinom = Discrete(
    "nbinom",
    lambda k, n, p: within(
        k >= 0,
        lambda k: gammaln(k + n) - gammaln(k + 1) - gammaln(n) + xlogy(n, p) + xlog1py(k, -p),
        k,
        0.0,
        -np.inf,
    ),
    lambda k, n, p: within(k >= 0, lambda k: betainc(n, k + 1, p), k, 0.0, 0.0),
)
betabinom = Discrete(
    "betabinom",
    lambda k, n, a, b: within(
        (k >= 0) & (k <= n),
        lambda k: betaln(k + a, n - k + b) - betaln(a, b) - log(n + 1) - betaln(n - k + 1, k + 1),
        k,
        0.0,
        -np.inf,
    ),
)
