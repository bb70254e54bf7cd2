"""autograd.scipy.stats.beta: the beta distribution, `f(x, a, b, loc=0, scale=1)`; `cdf` has no derivative in a, b."""

from typing import Any

from .standard import exponential, moved, scaled, special

__all__ = ["cdf", "logpdf", "pdf"]


def _logpdf(z: Any, a: Any, b: Any) -> Any:
    return special("xlogy")(a - 1, z) + special("xlog1py")(b - 1, -z) - special("betaln")(a, b)


logpdf = scaled(_logpdf, 2, support=lambda z: (z >= 0) & (z <= 1))
pdf = exponential(logpdf)
cdf = moved(lambda z, a, b: special("betainc")(a, b, z), 2)
