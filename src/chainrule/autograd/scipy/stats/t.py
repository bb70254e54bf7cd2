"""autograd.scipy.stats.t: Student's distribution, `f(x, df, loc=0, scale=1)`; the `cdf` has no derivative in `df`."""

from typing import Any

import numpy as np
import scipy.special as _scipy

from ...extend import defvjp, primitive
from .standard import exponential, moved, scaled, special

__all__ = ["cdf", "logcdf", "logpdf", "pdf"]


def _logpdf(z: Any, df: Any) -> Any:
    gammaln = special("gammaln")
    half = (df + 1) / 2
    return gammaln(half) - gammaln(df / 2) - np.log(df * np.pi) / 2 - half * np.log1p(z**2 / df)


@primitive
def _stdtr(z: Any, df: Any) -> Any:
    return _scipy.stdtr(df, z)


defvjp(_stdtr, lambda _, z, df: lambda g: g * np.exp(_logpdf(z, df)))

logpdf = scaled(_logpdf, 1)
pdf = exponential(logpdf)
cdf = moved(_stdtr, 1)
logcdf = moved(lambda z, df: np.log(_stdtr(z, df)), 1)
