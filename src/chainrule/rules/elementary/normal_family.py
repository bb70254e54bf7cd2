r"""The normal distribution's functions, entropies, and exponential integrals, with SciPy's names.

The derivatives are those of the NIST Digital Library of Mathematical Functions (DLMF): 4.13.4, 6.2.1, 6.2.5, 7.17,
25.12.1. Owen's T is from D. B. Owen, "Tables for computing bivariate normal probabilities", Annals of Mathematical
Statistics 27 (1956), 1075-1090.
"""

import math

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array
from chainrule.core.traces.capturing import plain
from chainrule.rules.network import softmax as rows

from .complex_parts import is_complex
from .error_function import erf, erfc
from .exponential import exp, log
from .gamma_family import of_scipy
from .selection import where
from .special_functions import OF_SCIPY, computed, order_of, scipy_special, xlogy

UNIT = {"x": (0.05, 0.95)}
ROOT = math.sqrt(2 * math.pi)
HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Erfcinv(Elementwise):
    r"""y = \operatorname{erfcinv}(x)"""

    domain = {"x": (0.1, 1.9)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("erfcinv", x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = -\frac{\sqrt{\pi}}{2} \exp(y^2)"""
        return -math.sqrt(math.pi) / 2 * exp(y * y)


class Ndtri(Elementwise):
    r"""y = \operatorname{ndtri}(x)

    The inverse of the standard normal distribution function.
    """

    domain = UNIT

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("ndtri", x)

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sqrt{2 \pi} \exp(\frac{y^2}{2})"""
        return ROOT * exp(y * y / 2)


class LogNdtr(Elementwise):
    r"""y = \log(\Phi(x))

    The logarithm of the standard normal distribution function.
    """

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("log_ndtr", x)

    @staticmethod
    def partial(x: Array, y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\exp(-\frac{x^2}{2} - y)}{\sqrt{2 \pi}}"""
        return exp(-x * x / 2 - y) / ROOT


class NormLogpdf(Elementwise):
    r"""y = -\frac{(x - \mathrm{loc})^2}{2 \mathrm{scale}^2} - \log(\mathrm{scale}) - \frac{\log(2 \pi)}{2}

    The logarithm of the normal density, for code that computes little else: written out it is eight operations.
    """

    domain = {"scale": (0.5, 3.0)}

    @staticmethod
    def primal(x: Array, loc: Array, scale: Array) -> Array:
        z = (x - loc) / scale
        return -z * z / 2 - np.log(scale) - HALF_LOG_2PI

    @staticmethod
    def partial_x(x: Array, loc: Array, scale: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\mathrm{loc} - x}{\mathrm{scale}^2}"""
        return (loc - x) / (scale * scale)

    @staticmethod
    def partial_loc(x: Array, loc: Array, scale: Array) -> Array:
        r"""\frac{\partial y}{\partial \mathrm{loc}} = \frac{x - \mathrm{loc}}{\mathrm{scale}^2}"""
        return (x - loc) / (scale * scale)

    @staticmethod
    def partial_scale(x: Array, loc: Array, scale: Array) -> Array:
        r"""\frac{\partial y}{\partial \mathrm{scale}} =
        \frac{(x - \mathrm{loc})^2}{\mathrm{scale}^3} - \frac{1}{\mathrm{scale}}
        """
        z = (x - loc) / scale
        return (z * z - 1) / scale


class OwensT(Elementwise):
    r"""y = \operatorname{OwensT}(h, a)

    Owen's T: the probability that a standard normal number exceeds h and another lies between 0 and a times it.
    """

    @staticmethod
    def primal(h: Array, a: Array) -> Array:
        return of_scipy("owens_t", h, a)

    @staticmethod
    def partial_h(h: Array, a: Array) -> Array:
        r"""\frac{\partial y}{\partial h} =
        -\frac{1}{2 \sqrt{2 \pi}} e^{-\frac{h^2}{2}} \operatorname{erf}(\frac{a h}{\sqrt{2}})
        """
        return -1 / (2 * math.sqrt(2 * math.pi)) * exp(-h * h / 2) * erf(a * h / math.sqrt(2))

    @staticmethod
    def partial_a(h: Array, a: Array) -> Array:
        r"""\frac{\partial y}{\partial a} = \frac{e^{-\frac{h^2 (1 + a^2)}{2}}}{2 \pi (1 + a^2)}"""
        return exp(-h * h * (1 + a * a) / 2) / (2 * math.pi * (1 + a * a))


class Expi(Elementwise):
    r"""y = \operatorname{expi}(x)"""

    domain = {"x": (0.2, 3.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("expi", x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{e^x}{x}"""
        return exp(x) / x


class Expn(Elementwise):
    r"""y = \operatorname{expn}(n, x)

    The exponential integral $\int_1^\infty e^{-x t} t^{-n} dt$, of integer order n.
    """

    domain = {"x": (0.2, 3.0)}

    @staticmethod
    def primal(x: Array, *, n: int = 1) -> Array:
        if n < 1:  # SciPy's needs a positive order, or 0, for which this is the definition
            return _lower(np.asarray(x), -n)
        return computed("expn", x, n)

    @staticmethod
    def partial(x: Array, *, n: int) -> Array:
        r"""\frac{\partial y}{\partial x} = -\operatorname{expn}(n - 1, x)"""
        return -Expn.apply(x, n=n - 1)


def _lower(x: Array, m: int) -> Array:
    """Return the exponential integral of order −m: m! e⁻ˣ / xᵐ⁺¹ times the first m + 1 terms of the series of eˣ."""
    terms = sum(x**k / math.factorial(k) for k in range(m + 1))
    return np.asarray(math.factorial(m) * np.exp(-x) * terms / x ** (m + 1), x.dtype)[()]


class Spence(Elementwise):
    r"""y = \operatorname{spence}(x)

    Spence's function, the dilogarithm of 1 − x.
    """

    domain = {"x": (0.1, 0.9)}

    @staticmethod
    def primal(x: Array) -> Array:
        return computed("spence", x)

    @staticmethod
    def partial(x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{\log(x)}{1 - x}"""
        at = x == 1
        return where(at, -1, log(x) / where(at, 1, 1 - x))


class Lambertw(Elementwise):
    r"""y = \operatorname{lambertw}(x)

    Lambert's function, the principal branch for real x ≥ −1/e.
    """

    domain = {"x": (-0.3, 3.0)}

    @staticmethod
    def primal(x: Array) -> Array:
        x = np.asarray(x)
        if x.dtype.kind == "c":
            raise TypeError(f"expected real numbers, got {x.dtype}")
        return np.asarray(scipy_special("lambertw").lambertw(x).real, x.dtype if x.dtype.kind == "f" else None)[()]

    @staticmethod
    def partial(y: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \frac{1}{e^y (1 + y)}"""
        return exp(-y) / (1 + y)


erfcinv, ndtri, log_ndtr = Erfcinv.apply, Ndtri.apply, LogNdtr.apply
owens_t, norm_logpdf = OwensT.apply, NormLogpdf.apply
expi, spence, lambertw = Expi.apply, Spence.apply, Lambertw.apply


def expn(n: int, x: Array) -> Array:
    """Return the exponential integral of integer order `n` ≥ 0, for positive `x`."""
    return Expn.apply(x, n=order_of("expn", n))


def exp1(x: Array) -> Array:
    """Return the exponential integral of order 1, for positive `x`."""
    return Expn.apply(x, n=1)


def ndtr(x: Array) -> Array:
    """Return the standard normal distribution function; accurate in both tails.

    >>> float(ndtr(0.0))
    0.5
    """
    return erfc(-x / math.sqrt(2)) / 2


def entr(x: Array) -> Array:
    """Return −x log x, 0 at 0 and −inf below."""
    return where(x < 0, -np.inf, -xlogy(where(x < 0, 1.0, x), where(x < 0, 1.0, x)))


def rel_entr(x: Array, y: Array) -> Array:
    """Return x log(x / y) for x, y > 0, 0 for x = 0, and inf elsewhere."""
    outside = _outside(x, y)
    x, y = where(outside, 1.0, x), where(outside, 1.0, y)
    return where(outside, np.inf, xlogy(x, x) - xlogy(x, y))


def kl_div(x: Array, y: Array) -> Array:
    """Return x log(x / y) − x + y for x, y > 0, y for x = 0, and inf elsewhere."""
    outside = _outside(x, y)
    x, y = where(outside, 1.0, x), where(outside, 1.0, y)
    return where(outside, np.inf, xlogy(x, x) - xlogy(x, y) - x + y)


def _outside(x: Array, y: Array) -> Array:
    below = np.logical_or(np.less(x, 0), np.less(y, 0))
    return np.logical_or(below, np.logical_and(np.equal(y, 0), np.greater(x, 0)))


def _complex_powers(x: Array, axis: int | tuple[int, ...] | None) -> tuple[Array, Array]:
    """Return the largest real part along `axis`, a constant, and the exponentials of complex numbers less that."""

    def largest(values: Array) -> Array:
        top = np.max(values.real, axis=axis, keepdims=True, initial=-np.inf)
        return np.where(np.isfinite(top), top, 0)

    top = plain(largest, x)
    return top, np.exp(x - top)


def logsumexp(a: Array, axis: int | tuple[int, ...] | None = None, b: Array = None, keepdims: bool = False) -> Array:
    """Return log Σ b eᵃ along `axis`, without overflow; `b` are positive weights, 1 by default."""
    a = a if b is None else a + log(b)
    if is_complex(a):
        top, powers = _complex_powers(a, axis)
        y = log(np.sum(powers, axis=axis, keepdims=True)) + top
        return y if keepdims else np.sum(y, axis=axis)  # over axes of length 1: this removes them
    return rows.logsumexp(a, axis=axis, keepdims=keepdims)


def softmax(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """Return eˣ / Σ eˣ along `axis`, by default all axes."""
    if is_complex(x):
        powers = _complex_powers(x, axis)[1]
        return powers / np.sum(powers, axis=axis, keepdims=True)
    return rows.softmax(x, axis=axis)


def log_softmax(x: Array, axis: int | tuple[int, ...] | None = None) -> Array:
    """Return the logarithm of `softmax`."""
    if is_complex(x):
        shifted = x - plain(lambda values: np.max(values, axis=axis, keepdims=True), x)
        return shifted - log(np.sum(np.exp(shifted), axis=axis, keepdims=True))
    return rows.log_softmax(x, axis=axis)


OF_SCIPY.update(
    {
        **{"erfcinv": erfcinv, "ndtri": ndtri, "log_ndtr": log_ndtr, "expi": expi, "exp1": exp1, "expn": expn},
        **{"spence": spence, "ndtr": ndtr, "entr": entr, "rel_entr": rel_entr, "kl_div": kl_div},
        "owens_t": owens_t,
    }
)
