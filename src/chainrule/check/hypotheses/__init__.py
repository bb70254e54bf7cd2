"""Why is this gradient wrong? Hypotheses, fitted to the data and ranked by how much of the error they explain."""

from collections.abc import Callable, Iterator

import numpy as np

from chainrule.check.why.context import Context

from .arrangement import rearranged
from .broadcasting import sums, times_output
from .candidate import CODES, Candidate, Detail, Hypothesis
from .factors import elementwise, multiples
from .parts import contributions, partial
from .paths import along_paths
from .rows import balanced, shared_out
from .squares import right_when_square
from .substitutions import recotangented, substituted
from .terms import lacking

__all__ = ["CODES", "Hypothesis", "explain", "without_reason"]

Family = Callable[[Context], Iterator[Candidate]]

STAGES: tuple[tuple[float, tuple[Family, ...]], ...] = (
    (0.0, (multiples,)),
    (2.0, (rearranged,)),
    (2.0, (sums, recotangented)),
    (2.7, (partial, balanced, shared_out, along_paths, lacking, contributions)),
    (3.0, (substituted, times_output, right_when_square, elementwise)),
)
"""The families of hypotheses, each stage with the cost of its simplest member: a stage is skipped once there is an
exact explanation that is at least as simple. The last stage evaluates f and the rule elsewhere; the others need only
gradients and the Jacobian."""

ENOUGH = 0.99
"""The share of the error that a hypothesis must explain to be accepted."""
WORTH_SAYING = 0.5
"""The share of the error that it must explain to be mentioned."""


def explain(context: Context) -> list[Hypothesis]:
    """Return hypotheses of why a gradient is wrong, most likely first.

    Each is fitted to the data: its predicted gradient is compared with the analytic one, or its repaired gradient with
    the measured one. Of those that explain the error completely, the simplest comes first; of the others, only those
    that explain nearly all of it are kept. If nothing explains 99 % of the squared error, or a gradient is not finite,
    the first is `unexplained`, followed by those that explain half.

    >>> import numpy as np
    >>> x, y_bar = np.array([1.0, 2.0, 4.0]), np.array([0.5, 1.0, -2.0])
    >>> wrong, right = {"x": -2 * x * y_bar}, {"x": 2 * x * y_bar}
    >>> for hypothesis in explain(Context(y_bar, x**2, {"x": x}, "x", lambda a: a["x"] ** 2, wrong, right)):
    ...     print(hypothesis)
    sign: the sign is wrong (explains 100% of the error)
    """
    found: list[tuple[float, Hypothesis]] = []
    with np.errstate(all="ignore"):
        finite = np.all(np.isfinite(context.analytic)) and np.all(np.isfinite(context.expected))
        for least, families in STAGES if finite else ():
            if any(h.explained == 1 and cost <= least for cost, h in found):
                break
            judged = ((c.cost, c.judged(context)) for family in families for c in _in_time(family, context))
            found += [(cost, h) for cost, h in judged if h.explained >= WORTH_SAYING]
    found.sort(key=lambda pair: (-pair[1].explained, pair[0]))
    ranked = _first_of_each(h for _, h in found)
    if ranked and ranked[0].explained == 1:
        return [h for h in ranked if h.explained > ENOUGH]
    if not ranked or ranked[0].explained < ENOUGH:
        ranked.insert(0, Hypothesis("unexplained", Detail(text=without_reason(context)), 0.0))
    return ranked


def without_reason(context: Context, otherwise: str = "no known mistake explains the error") -> str:
    """Return what is said where no reason is known."""
    if context.same_shape and not np.any(np.abs(context.expected) > context.noise):
        return "the function does not depend on it here, so that its gradient must be 0"
    return otherwise


def _in_time(family: Family, context: Context) -> Iterator[Candidate]:
    """Yield the candidates of a family until the time is over: each may run a slow function many times."""
    if not context.expired():
        for candidate in family(context):
            yield candidate
            if context.expired():
                return


def _first_of_each(hypotheses: Iterator[Hypothesis]) -> list[Hypothesis]:
    """Keep the best hypothesis of each code."""
    best: dict[str, Hypothesis] = {}
    for hypothesis in hypotheses:
        best.setdefault(hypothesis.code, hypothesis)
    return list(best.values())
