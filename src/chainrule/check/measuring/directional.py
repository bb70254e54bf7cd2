"""The derivative of a function of one number at 0, from its values alone, with an error estimate."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

ORDER = 3
"""Columns of the extrapolation: errors of order h², h⁴ and h⁶."""
ROWS = 16
"""The most times the step is halved."""
FIRST_STEP = 2.0**-6
ENOUGH = 1e-9
"""The relative error estimate at which no smaller step is tried."""
ROUNDING = 16 * float(np.finfo(np.float64).eps)
"""The relative error of one evaluation: half an ulp for each of the few roundings that do not average out."""


@dataclass(frozen=True)
class Estimate:
    """A derivative with its error.

    `error` is the disagreement of the extrapolations (infinite until there are enough of them), `noise` the
    contribution of rounding alone, `step` the step they belong to. `left` and `right` are the one-sided derivatives at
    that step, extrapolated to 0: they differ by `jump` if the function has a kink at 0. `sweep` is the plain central
    difference at each step tried.
    """

    value: float
    error: float
    noise: float
    step: float
    left: float
    right: float
    row: tuple[float, ...] = ()
    sweep: tuple[tuple[float, float], ...] = ()

    @property
    def jump(self) -> float:
        """By how much the slope changes at 0."""
        return abs(self.right - self.left)


def accurate(estimate: Estimate) -> bool:
    """Whether smaller steps are unnecessary."""
    return estimate.error <= ENOUGH * abs(estimate.value)


def derivative(
    f: Callable[[float], Any],
    first_step: float = FIRST_STEP,
    *,
    weights: Any = 1.0,
    rounding: float = ROUNDING,
    settled: Callable[[Estimate], bool] = accurate,
    rows: int = ROWS,
) -> Estimate:
    """Return the derivative of `f` at 0; if `f` returns an array, that of the sum of `weights * f`.

    Central differences (f(h) − f(−h)) / 2h for h, h/2, h/4, … are extrapolated to h = 0 (Richardson), each estimate of
    order h⁶ using three steps, and the estimate whose extrapolations agree best is chosen: large steps suffer from
    truncation and from kinks within their reach, small ones from rounding. The method is Ridders', "Accurate
    computation of F'(x) and F'(x)F''(x)", Advances in Engineering Software 4(2), 1982, without his growing table, so
    that a kink within the reach of a large step is forgotten with that step.

    Arrays are subtracted before they are summed, so that elements that do not change add no rounding error. `rounding`
    is the relative error of one evaluation. The first estimate that is `settled` is returned at once; its `row` has the
    extrapolations of each order. Steps at which `f` is not finite are skipped.

    >>> import math
    >>> abs(derivative(lambda t: math.exp(2 * t)).value - 2) < 1e-12
    True
    >>> round(derivative(lambda t: np.array([t, t * t, 3 * t]), weights=np.array([1.0, 1.0, 2.0])).value, 9)
    7.0
    """

    def slope(high: Any, low: Any, run: float) -> float:
        return float(np.sum(weights * (high - low))) / run

    here = f(0.0)
    largest = _size(weights, here)
    table: list[list[float]] = []
    sides: list[tuple[float, float]] = []
    sweep: list[tuple[float, float]] = []
    best: Estimate | None = None
    for k in range(rows):
        h = first_step / 2**k
        up, down = f(h), f(-h)
        largest = float(np.fmax(largest, np.fmax(_size(weights, up), _size(weights, down))))
        table.append(_extrapolated(slope(up, down, 2 * h), table[-1] if table else []))
        sides.append((slope(here, down, h), slope(up, here, h)))
        sweep.append((h, table[k][0]))
        value = table[k][-1]
        error = max(abs(value - table[k][-2]), abs(value - table[k - 1][-1])) if k + 1 >= ORDER else math.inf
        left, right = (2 * new - old for new, old in zip(sides[k], sides[max(k - 1, 0)], strict=True))
        found = Estimate(value, error, rounding * largest / h, h, left, right, tuple(table[k]), tuple(sweep))
        if math.isfinite(value) and settled(found):
            return found
        if math.isfinite(error) and (best is None or error < best.error):
            best = found
    return best or Estimate(math.nan, math.inf, math.inf, first_step, math.nan, math.nan, (), tuple(sweep))


def _size(weights: Any, values: Any) -> float:
    """Return the size of the weighted sum's rounding errors, in units of a relative rounding error."""
    if isinstance(values, float):
        return float(abs(weights * values))
    return float(np.sqrt(np.sum(np.square(weights * values))))


def _extrapolated(difference: float, previous: list[float]) -> list[float]:
    """Return one row of the table: the difference, and its extrapolations with the rows of twice and four times the
    step.
    """
    row = [difference]
    for order, coarser in enumerate(previous[: ORDER - 1], 1):
        row.append(row[-1] + (row[-1] - coarser) / (4**order - 1))
    return row
