"""`torch.special`: special functions."""

import math
from typing import Any

import numpy as np

from chainrule import special

from .dtypes import floating, promoted
from .elementwise import digamma
from .elementwise import softmax as softmax
from .elementwise import xlogy as xlogy
from .face import faced
from .reductions import logsumexp as logsumexp

psi = digamma


@faced
def i0e(input: Any) -> Any:
    """Return exp(-|x|) I₀(x)."""
    return special.i0e(floating(input))


@faced
def i1(input: Any) -> Any:
    """Return the modified Bessel function of order 1."""
    return special.i1(floating(input))


@faced
def i1e(input: Any) -> Any:
    """Return exp(-|x|) I₁(x)."""
    return special.i1e(floating(input))


@faced
def xlog1py(input: Any, other: Any) -> Any:
    """Return x log(1 + y), 0 where x is."""
    a, b = promoted(input, other)
    return special.xlog1py(floating(a), floating(b))


@faced
def ndtr(input: Any) -> Any:
    """Return the normal distribution function."""
    x = floating(input)
    return special.erfc(-x / math.sqrt(2)) / 2


@faced
def ndtri(input: Any) -> Any:
    """Return the quantiles of the normal distribution."""
    return math.sqrt(2) * special.erfinv(2 * floating(input) - 1)


@faced
def entr(input: Any) -> Any:
    """Return -x log x; -∞ for negative numbers."""
    x = floating(input)
    return np.where(np.less(x, 0), np.asarray(-math.inf, x.dtype), -special.xlogy(x, np.where(np.less(x, 0), 1.0, x)))


@faced
def lgamma(input: Any) -> Any:
    """Return the logarithm of the absolute value of the gamma function."""
    return special.gammaln(floating(input))


gammaln = lgamma
