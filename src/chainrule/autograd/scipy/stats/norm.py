"""autograd.scipy.stats.norm: the normal distribution, `f(x, loc=0, scale=1)`."""

from typing import Any

import numpy as np

from chainrule.rules.elementary.normal_family import norm_logpdf

from .standard import exponential, moved, special

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]


def logpdf(x: Any, loc: Any = 0.0, scale: Any = 1.0) -> Any:
    """Return the logarithm of the density."""
    return norm_logpdf(*(np.asarray(v) if type(v) is list else v for v in (x, loc, scale)))


pdf = exponential(logpdf)
cdf = moved(lambda z: special("ndtr")(z), 0)
sf = moved(lambda z: special("ndtr")(-z), 0)
logcdf = moved(lambda z: special("log_ndtr")(z), 0)
logsf = moved(lambda z: special("log_ndtr")(-z), 0)
