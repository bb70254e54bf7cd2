"""autograd.scipy.stats.norm: the normal distribution, `f(x, loc=0, scale=1)`."""

from typing import Any

import numpy as np

from .standard import exponential, moved, scaled, special

__all__ = ["cdf", "logcdf", "logpdf", "logsf", "pdf", "sf"]

_LOG_ROOT_2PI = float(np.log(2 * np.pi) / 2)


def _logpdf(z: Any) -> Any:
    return -(z**2) / 2 - _LOG_ROOT_2PI


logpdf = scaled(_logpdf, 0)
pdf = exponential(logpdf)
cdf = moved(lambda z: special("ndtr")(z), 0)
sf = moved(lambda z: special("ndtr")(-z), 0)
logcdf = moved(lambda z: special("log_ndtr")(z), 0)
logsf = moved(lambda z: special("log_ndtr")(-z), 0)
