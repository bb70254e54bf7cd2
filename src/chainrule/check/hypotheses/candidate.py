"""A hypothesis, and how it is compared with the data."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.check.why.context import Array, Context, norm

CODES = (
    *("sign", "factor", "transposed", "axes-swapped", "broadcast-sum", "missing-term", "other-argument"),
    *("output-for-input", "wrong-point", "partial", "detached", "accumulated-twice", "shifted", "square-only"),
    "unexplained",
)
"""Hypotheses fitted to the numbers."""
WRITTEN = (
    *("mask", "stride", "padding", "epsilon"),
    *("straight-through", "gradient-reversal", "gradient-scaling", "approximate"),
    "other-value",
)
"""Hypotheses found by changing the code under check, those that are no mistake if intended, and a wrong value."""


class Detail(dict[str, Any]):
    """The details of a hypothesis, by key for programs; printed, the sentence under "text"."""

    def __str__(self) -> str:
        return str(self["text"])


@dataclass(frozen=True)
class Hypothesis:
    """Why a gradient may be wrong.

    `explained` is the share of the squared error that vanishes if the hypothesis is true, in [0, 1]. `detail` has a
    sentence under "text", and values for programs: "factor", "axes", "rows", "term", "argument".
    """

    code: str
    detail: Detail
    explained: float
    cost: float = field(default=0.0, repr=False, compare=False)
    """How far-fetched it is, for ranking."""

    def __str__(self) -> str:
        return f"{self.code}: {self.detail} (explains {self.explained:.0%} of the error)"


@dataclass(frozen=True)
class Candidate:
    """A hypothesis to be tried.

    It has either `predicted`, the gradient that the rule under test gives if the hypothesis is true, or `repaired`, the
    gradient of a rule without the mistake. `cost` is its complexity: of two that fit equally well, the cheaper one
    wins.
    """

    code: str
    text: str
    cost: float
    predicted: Array | None = None
    repaired: Array | None = None
    detail: dict[str, Any] = field(default_factory=dict)

    def judged(self, context: Context) -> Hypothesis:
        """Compare the candidate with the data."""
        return Hypothesis(self.code, Detail(text=self.text, **self.detail), self._explained(context), self.cost)

    def _explained(self, context: Context) -> float:
        if self.predicted is not None:
            return explained(self.predicted, context.analytic, context)
        return explained(self.repaired, context.expected, context)


def explained(found: Any, target: Array, context: Context) -> float:
    """Return the share of the error that vanishes if `found` takes the place of `target`."""
    found = np.asarray(found)
    if found.shape != target.shape or not np.all(np.isfinite(found)):
        return 0.0
    residual = norm(found - target)
    if not context.same_shape:
        return float(residual <= context.noise)
    error = norm(context.error)
    if residual <= min(context.noise, 0.05 * error):
        return 1.0
    return max(0.0, 1.0 - (residual / error) ** 2) if error > 0 else 0.0


def fits(found: Any, target: Any, context: Context) -> bool:
    """Say whether `found` equals `target` up to measurement noise."""
    return explained(found, np.asarray(target), context) == 1.0


def agrees(context: Context) -> bool:
    """Say whether the analytic gradient is the expected one."""
    return context.same_shape and norm(context.error) <= context.noise
