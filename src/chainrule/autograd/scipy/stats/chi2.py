"""autograd.scipy.stats.chi2: the chi-squared distribution, `f(x, df, loc=0, scale=1)`."""

from typing import Any

import numpy as np

from .standard import exponential, moved, scaled, special

__all__ = ["cdf", "logpdf", "pdf"]


def _logpdf(z: Any, df: Any) -> Any:
    half = df / 2
    return special("xlogy")(half - 1, z) - z / 2 - special("gammaln")(half) - half * np.log(2.0)


logpdf = scaled(_logpdf, 1, support=lambda z: z >= 0)
pdf = exponential(logpdf)
cdf = moved(lambda z, df: special("gammainc")(df / 2, z / 2), 1)
