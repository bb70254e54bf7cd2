"""`torch.special`: special functions."""

import math
from typing import Any

import numpy as np

from chainrule import special
from chainrule.core.tensor import value_of

from .dtypes import floating, promoted
from .elementwise import digamma
from .elementwise import erf as erf
from .elementwise import erfc as erfc
from .elementwise import erfinv as erfinv
from .elementwise import exp2 as exp2
from .elementwise import expm1 as expm1
from .elementwise import i0 as i0
from .elementwise import log1p as log1p
from .elementwise import log_softmax as log_softmax
from .elementwise import logit as logit
from .elementwise import polygamma as polygamma
from .elementwise import round as round
from .elementwise import sinc as sinc
from .elementwise import softmax as softmax
from .elementwise import xlogy as xlogy
from .face import faced
from .missing import lacking as _lacking
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
def log_ndtr(input: Any) -> Any:
    """Return the logarithm of the normal distribution function."""
    return special.log_ndtr(floating(input))


@faced
def erfcx(input: Any) -> Any:
    """Return exp(x²) erfc(x), without overflow for positive numbers."""
    return special.erfcx(floating(input))


def _of_order(name: str, operation: Any, text: str) -> Any:
    def function(input: Any) -> Any:
        return operation(floating(input))

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the {text} of each element."
    return faced(function)


bessel_j0 = _of_order("bessel_j0", special.j0, "Bessel function J₀")
bessel_j1 = _of_order("bessel_j1", special.j1, "Bessel function J₁")
bessel_y0 = _of_order("bessel_y0", special.y0, "Bessel function Y₀")
bessel_y1 = _of_order("bessel_y1", special.y1, "Bessel function Y₁")
modified_bessel_i0 = _of_order("modified_bessel_i0", special.i0, "modified Bessel function I₀")
modified_bessel_i1 = _of_order("modified_bessel_i1", special.i1, "modified Bessel function I₁")
modified_bessel_k0 = _of_order("modified_bessel_k0", special.k0, "modified Bessel function K₀")
modified_bessel_k1 = _of_order("modified_bessel_k1", special.k1, "modified Bessel function K₁")


@faced
def scaled_modified_bessel_k0(input: Any) -> Any:
    """Return exp(x) K₀(x)."""
    x = floating(input)
    return np.exp(x) * special.k0(x)


@faced
def scaled_modified_bessel_k1(input: Any) -> Any:
    """Return exp(x) K₁(x)."""
    x = floating(input)
    return np.exp(x) * special.k1(x)


@faced
def spherical_bessel_j0(input: Any) -> Any:
    """Return sin(x) / x."""
    return np.sinc(floating(input) / math.pi)


@faced
def zeta(input: Any, other: Any) -> Any:
    """Return the Hurwitz zeta function of exponents and shifts; it has no derivative with respect to the exponent."""
    a, b = promoted(input, other)
    return special.zeta(floating(a), floating(b))


@faced
def gammainc(input: Any, other: Any) -> Any:
    """Return the lower incomplete gamma function, regularised; it has no derivative with respect to the first."""
    a, b = promoted(input, other)
    return special.gammainc(floating(a), floating(b))


@faced
def gammaincc(input: Any, other: Any) -> Any:
    """Return the upper incomplete gamma function, regularised; it has no derivative with respect to the first."""
    a, b = promoted(input, other)
    return special.gammaincc(floating(a), floating(b))


# Orthogonal polynomials of an integer degree, by their recurrences. Abramowitz and Stegun, table 22.7.


def _polynomial(name: str, first: Any, step: Any, text: str) -> Any:
    """Return a function of x and n: `first(x)` has degree 1, and `step(k, x, p, q)` follows p of degree k and q."""

    def function(input: Any, n: Any) -> Any:
        x, degrees = promoted(floating(input), np.asarray(value_of(n)))
        order = np.asarray(value_of(degrees)).astype(np.int64)
        x = x + np.zeros(order.shape, x.dtype)
        before, now = np.ones(x.shape, x.dtype), first(x)
        found = np.where(order < 0, np.zeros((), x.dtype), before)
        for k in range(1, int(order.max(initial=0)) + 1):
            found = np.where(order == k, now, found)
            before, now = now, step(k, x, now, before)
        return found

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"Return the {text} polynomials of degrees n; 0 for negative degrees."
    return faced(function)


def _chebyshev(k: int, x: Any, p: Any, q: Any) -> Any:
    return 2 * x * p - q


for _kind, _first in {
    "t": lambda x: x,
    "u": lambda x: 2 * x,
    "v": lambda x: 2 * x - 1,
    "w": lambda x: 2 * x + 1,
}.items():
    for _shifted in ("", "shifted_"):
        _name = f"{_shifted}chebyshev_polynomial_{_kind}"
        globals()[_name] = _polynomial(
            _name,
            (lambda x, f=_first: f(2 * x - 1)) if _shifted else _first,
            (lambda k, x, p, q: _chebyshev(k, 2 * x - 1, p, q)) if _shifted else _chebyshev,
            f"{_shifted.replace('_', ' ')}Chebyshev",
        )
legendre_polynomial_p = _polynomial(
    "legendre_polynomial_p", lambda x: x, lambda k, x, p, q: ((2 * k + 1) * x * p - k * q) / (k + 1), "Legendre"
)
laguerre_polynomial_l = _polynomial(
    "laguerre_polynomial_l", lambda x: 1 - x, lambda k, x, p, q: ((2 * k + 1 - x) * p - k * q) / (k + 1), "Laguerre"
)
hermite_polynomial_h = _polynomial(
    "hermite_polynomial_h", lambda x: 2 * x, lambda k, x, p, q: 2 * x * p - 2 * k * q, "physicists' Hermite"
)
hermite_polynomial_he = _polynomial(
    "hermite_polynomial_he", lambda x: x, lambda k, x, p, q: x * p - k * q, "probabilists' Hermite"
)


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

__getattr__ = _lacking(__name__)
