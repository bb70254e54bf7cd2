r"""The derivatives of the incomplete gamma and beta functions with respect to their shapes, which SciPy does not have.

Both functions are a factor times a series of positive terms (DLMF 8.7.1 and 8.17.8, the latter by Kummer's relation
15.8.1), whose logarithmic derivatives are finite harmonic sums: the series is differentiated term by term, as in
R. J. Moore, "Algorithm AS 187: Derivatives of the incomplete gamma integral", Applied Statistics 31 (1982), 330-335.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array

from .exponential import exp, log, log1p
from .special_functions import Gammaln, Polygamma, scipy_special

MOST = 100_000
"""Terms of a series; those that need more have shapes beyond 10⁵, where the rest is left out."""

BLOCK = 2**14
"""How many terms are computed together, of all elements."""

NOTHING = 1e-290
"""Where less than this is left above x, P is 1 whatever a is; the terms of the series would overflow."""


def _floating(*args: Array) -> tuple[Any, ...]:
    """Return the dtype of the result, and the arguments in float64 and of one shape."""
    dtype = np.result_type(*args)
    if dtype.kind == "c":
        raise TypeError(f"expected real numbers, got {dtype}")
    wide = np.broadcast_arrays(*(np.asarray(x, np.float64) for x in args))
    return dtype if dtype.kind == "f" else np.dtype(np.float64), *(x.ravel() for x in wide)


def _places(first: int, size: int) -> Iterator[Array]:
    """Yield the places of a series' terms, in columns: several at once for few elements, where calls cost most."""
    count = max(1, min(32, BLOCK // max(size, 1)))
    for start in range(first, MOST, count):
        yield np.arange(start, start + count)[:, None]


def _running(function: np.ufunc, before: Array, steps: Array) -> Array:
    """Return what a function makes of all that came before and of each further step."""
    return function(before, function.accumulate(steps, axis=0) if len(steps) > 1 else steps)


def _added(before: Array, terms: Array) -> Array:
    return before + (terms.sum(axis=0) if len(terms) > 1 else terms[0])


def _gamma_slope(a: Array, x: Array) -> Array:
    """Return ∂P/∂a = P (log x − ψ(a)) − xᵃ e⁻ˣ / Γ(a) Σₙ tₙ hₙ for tₙ = xⁿ / (a)ₙ₊₁ and hₙ = −(log tₙ)′."""
    special = scipy_special("gammainc")
    term, harmonic = 1 / a, 1 / a
    total = term * harmonic
    for n in _places(1, a.size):
        shapes = a + n
        terms = _running(np.multiply, term, x / shapes)
        harmonics = _running(np.add, harmonic, 1 / shapes)
        total = _added(total, terms * harmonics)
        term, harmonic = terms[-1], harmonics[-1]
        if np.all(~(term * harmonic > 1e-17 * total) & (shapes[-1] > x)):
            break
    factor = np.exp(a * np.log(x) - x - special.gammaln(a))
    return special.gammainc(a, x) * (np.log(x) - special.digamma(a)) - factor * total


def _beta_slope(a: Array, b: Array, x: Array) -> tuple[Array, Array]:
    """Return ∂I/∂a and ∂I/∂b where the series of I, 1 / a Σₙ (a + b)ₙ / (a + 1)ₙ xⁿ, converges fast."""
    special = scipy_special("betainc")
    term = np.ones_like(x)
    over, under = np.zeros_like(x), np.zeros_like(x)
    total, by_a, by_b = term, np.zeros_like(x), np.zeros_like(x)
    for n in _places(0, a.size):
        above, below = a + b + n, a + 1 + n
        terms = _running(np.multiply, term, x * above / below)
        overs, unders = _running(np.add, over, 1 / above), _running(np.add, under, 1 / below)
        total = _added(total, terms)
        by_a, by_b = _added(by_a, terms * (overs - unders)), _added(by_b, terms * overs)
        term, over, under = terms[-1], overs[-1], unders[-1]
        if np.all(~(term * (1 + over) > 1e-17 * total)):
            break
    value, both = special.betainc(a, b, x), special.digamma(a + b)
    slope_a = value * (np.log(x) - 1 / a - special.digamma(a) + both + by_a / total)
    slope_b = value * (np.log1p(-x) - special.digamma(b) + both + by_b / total)
    return slope_a, slope_b


class GammaincSlope(Elementwise):
    r"""y = \operatorname{DaP}(a, x)

    The derivative of the regularised lower incomplete gamma function with respect to its shape a.
    """

    domain = {"a": (0.4, 4.0), "x": (0.2, 5.0)}

    @staticmethod
    def primal(a: Array, x: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(a), np.shape(x))
        dtype, a, x = _floating(a, x)
        rest = scipy_special("gammaincc").gammaincc(a, x)
        inside = (a > 0) & (x > 0) & np.isfinite(a) & (rest > NOTHING)
        y = np.where((x == 0) | (rest <= NOTHING), 0.0, np.nan)
        y[inside] = _gamma_slope(a[inside], x[inside])
        return y.reshape(shape).astype(dtype, copy=False)[()]

    @staticmethod
    def partial_x(a: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} =
        e^{(a - 1) \log(x) - x - \operatorname{gammaln}(a)} (\log(x) - \operatorname{polygamma}(0, a))
        """
        return exp((a - 1) * log(x) - x - Gammaln.apply(a)) * (log(x) - Polygamma.apply(a, n=0))


class BetaincSlope(Elementwise):
    r"""y = \operatorname{DaI}(a, b, x)

    The derivative of the regularised incomplete beta function with respect to its first shape a.
    """

    domain = {"a": (0.4, 4.0), "b": (0.4, 4.0), "x": (0.05, 0.95)}

    @staticmethod
    def primal(a: Array, b: Array, x: Array) -> Array:
        shape = np.broadcast_shapes(np.shape(a), np.shape(b), np.shape(x))
        dtype, a, b, x = _floating(a, b, x)
        inside = (a > 0) & (b > 0) & (x > 0) & (x < 1) & np.isfinite(a) & np.isfinite(b)
        y = np.where((x == 0) | (x == 1), 0.0, np.nan)
        early = x <= (a + 1) / (a + b + 2)  # beyond it, the series of 1 − I(b, a, 1 − x) converges faster
        near, far = inside & early, inside & ~early
        y[near] = _beta_slope(a[near], b[near], x[near])[0]
        y[far] = -_beta_slope(b[far], a[far], 1 - x[far])[1]
        return y.reshape(shape).astype(dtype, copy=False)[()]

    @staticmethod
    def partial_x(a: Array, b: Array, x: Array) -> Array:
        r"""\frac{\partial y}{\partial x} =
        \frac{e^{(a - 1) \log(x) + (b - 1) \log(1 - x) + \operatorname{gammaln}(a + b)}}{
        e^{\operatorname{gammaln}(a) + \operatorname{gammaln}(b)}}
        (\log(x) - \operatorname{polygamma}(0, a) + \operatorname{polygamma}(0, a + b))
        """
        density = exp(
            (a - 1) * log(x) + (b - 1) * log1p(-x) + Gammaln.apply(a + b) - Gammaln.apply(a) - Gammaln.apply(b)
        )
        return density * (log(x) - Polygamma.apply(a, n=0) + Polygamma.apply(a + b, n=0))
