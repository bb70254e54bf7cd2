"""The derivative of a function of one number at 0, from its values alone, with what is known about the error."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

ORDER = 3
"""Columns of the extrapolation: errors of order h², h⁴ and h⁶."""
ROWS = 16
"""Halvings of the step at most."""
FIRST_STEP = 2.0**-6
ENOUGH = 1e-9
"""A relative error estimate at which no smaller step is tried."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""The relative error of one evaluation: half an ulp for each of the few roundings that do not average out."""


@dataclass(frozen=True)
class Estimate:
    """A derivative with its error.

    `error` is the disagreement of the extrapolations, `noise` what rounding alone contributes, `step` the step they
    belong to. `left` and `right` are the one-sided derivatives at that step, extrapolated to 0: they differ by `jump`
    where the function has a kink at 0.
    """

    value: float
    error: float
    noise: float
    step: float
    left: float
    right: float

    @property
    def jump(self) -> float:
        """By how much the slope changes at 0."""
        return abs(self.right - self.left)


def derivative(f: Callable[[float], float], first_step: float = FIRST_STEP) -> Estimate:
    """Return the derivative of `f` at 0.

    Central differences (f(h) − f(−h)) / 2h for h, h/2, h/4, … are extrapolated to h = 0 (Richardson), each estimate of
    order h⁶ from three steps, and the estimate whose extrapolations agree best is taken: large steps err by truncation
    and by kinks in their reach, small ones by rounding. Ridders, "Accurate computation of F'(x) and F'(x)F''(x)",
    Advances in Engineering Software 4(2), 1982; we give up his growing table, so that a kink in the reach of a large
    step is forgotten with that step.

    >>> import math
    >>> abs(derivative(lambda t: math.exp(2 * t)).value - 2) < 1e-12
    True
    """
    here = f(0.0)
    largest = abs(here)
    table: list[list[float]] = []
    sides: list[tuple[float, float]] = []
    best: Estimate | None = None
    for k in range(ROWS):
        h = first_step / 2**k
        up, down = f(h), f(-h)
        largest = max(largest, abs(up), abs(down))
        table.append(_extrapolated((up - down) / (2 * h), table[-1] if table else []))
        sides.append(((here - down) / h, (up - here) / h))
        if k + 1 < ORDER:
            continue
        value = table[k][-1]
        error = max(abs(value - table[k][-2]), abs(value - table[k - 1][-1]))
        if not math.isfinite(error):
            continue
        if best is None or error < best.error:
            left, right = (2 * new - old for new, old in zip(sides[k], sides[k - 1], strict=True))
            best = Estimate(value, error, ROUNDING * largest / h, h, left, right)
        if error <= ENOUGH * abs(value):
            break
    return best or Estimate(math.nan, math.inf, math.inf, first_step, math.nan, math.nan)


def _extrapolated(difference: float, previous: list[float]) -> list[float]:
    """Return one row of the table: the difference, and what it gives with the rows of twice and four times its step."""
    row = [difference]
    for order, coarser in enumerate(previous[: ORDER - 1], 1):
        row.append(row[-1] + (row[-1] - coarser) / (4**order - 1))
    return row
