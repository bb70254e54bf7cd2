"""autograd.scipy.stats.dirichlet: `pdf(x, alpha)`, `logpdf(x, alpha)`, and SciPy's `rvs`."""

from typing import Any

import numpy as np
import scipy.stats as _stats

from .standard import exponential, special

__all__ = ["logpdf", "pdf", "rvs"]

rvs = _stats.dirichlet.rvs


def logpdf(x: Any, alpha: Any) -> Any:
    """Return the logarithm of the density at `x` [K] or [K, N]; of K - 1 rows the last one is what is missing to 1."""
    x, alpha = (np.asarray(v) if isinstance(v, list) else v for v in (x, alpha))
    if x.shape[0] == alpha.shape[0] - 1:
        x = np.concatenate([x, (1 - np.sum(x, axis=0))[None]])
    powers = alpha - 1 if x.ndim == 1 else (alpha - 1)[:, None]
    gammaln = special("gammaln")
    constant = gammaln(np.sum(alpha)) - np.sum(gammaln(alpha))
    return constant + np.sum(special("xlogy")(powers, x), axis=0)


pdf = exponential(logpdf)
