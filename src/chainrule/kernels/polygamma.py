"""Derivatives of the digamma function over whole arrays.

SciPy sums Hurwitz's zeta function number by number, with a power for each term. Here all numbers take the same steps:
`SHIFT` terms of the sum, and the Euler-Maclaurin formula for the rest (DLMF 25.11.5), in which every power is an
integer one. All terms are positive but those of the formula, which are small there, so no digit is lost.
"""

import math
from functools import cache
from typing import Any

import numpy as np

SHIFT = 10
HIGHEST = 6
"""The order up to which the terms of the formula that are written here are as good as float64."""
FEW = 256
"""Numbers below which SciPy's loop is faster."""
BERNOULLI = (
    *(1 / 6, -1 / 30, 1 / 42, -1 / 30, 5 / 66, -691 / 2730, 7 / 6, -3617 / 510, 43867 / 798, -174611 / 330),
    *(854513 / 138, -236364091 / 2730),
)


def polygamma(n: int, x: Any) -> Any:
    """Return the derivative of order n ≥ 1 of the digamma function, as SciPy does."""
    from scipy.special import zeta

    factor = (1.0 if n % 2 else -1.0) * math.factorial(n)
    if x.size < FEW or n > HIGHEST or x.dtype.kind != "f" or not x.min() > 0:
        return factor * zeta(n + 1.0, x)
    with np.errstate(over="ignore", under="ignore", invalid="ignore", divide="ignore"):
        return factor * _zeta(n + 1, x.astype(np.float64, copy=False))


def _zeta(s: int, x: Any) -> Any:
    """Return the sum of (x + k)^-s over k ≥ 0, for x > 0."""
    total = _power(1 / x, s)
    for k in range(1, SHIFT):
        total += _power(1 / (x + k), s)
    r = 1 / (x + SHIFT)
    square, series = r * r, np.zeros_like(r)
    for c in reversed(_coefficients(s)):
        series *= square
        series += c
    # Σ_{k ≥ SHIFT} = r^(s-1) / (s-1) + r^s / 2 + Σ_j c_j r^(s+2j-1)
    return total + _power(r, s - 1) * (1 / (s - 1) + r * (0.5 + r * series))


@cache
def _coefficients(s: int) -> list[float]:
    """Return B_2j / (2j)! · s (s+1) … (s+2j-2) for j = 1, 2, …, as long as a term of the formula counts."""
    found = []
    for j, b in enumerate(BERNOULLI, 1):
        found.append(b * math.prod(range(s, s + 2 * j - 1)) / math.factorial(2 * j))
        if abs(found[-1]) < 1e-17 * SHIFT ** (2 * j):
            break
    return found


def _power(x: Any, s: int) -> Any:
    """Return x^s by products."""
    result, square = None, x
    while True:
        if s & 1:
            result = square if result is None else result * square
        s >>= 1
        if not s:
            return result
        square = square * square
