"""autograd.scipy.stats.gamma: the gamma distribution, `f(x, a, loc=0, scale=1)`; the `cdf` has no derivative in `a`."""

from typing import Any

from .standard import exponential, moved, scaled, special

__all__ = ["cdf", "logpdf", "pdf"]


def _logpdf(z: Any, a: Any) -> Any:
    return special("xlogy")(a - 1, z) - z - special("gammaln")(a)


logpdf = scaled(_logpdf, 1, support=lambda z: z >= 0)
pdf = exponential(logpdf)
cdf = moved(lambda z, a: special("gammainc")(a, z), 1)
