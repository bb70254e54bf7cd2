"""Does differentiating a function change its value? A rule that returns the value, too, may return another one."""

import math

import numpy as np

from chainrule.check.hypotheses.candidate import Detail, Hypothesis
from chainrule.check.report.found import Finding
from chainrule.check.subjects.subject import Array, Subject, eps_of, first_place

SAME = 1e-6
"""How far apart, relative to the largest value, the two may be in float64: one may stop at a solver's tolerance."""
ROUNDING = 1e4
"""The same in rounding errors, which counts in a narrower dtype."""


def other_value(subject: Subject, y: Array) -> Finding | None:
    """Return the finding that the value is another one where it is differentiated; `y` is the function's own."""
    if _apart(subject, y) is None:
        return None
    for part in subject.parts():  # the first that does so itself is to blame
        apart = _apart(part, np.asarray(part.forward({n: np.array(x) for n, x in part.arguments.items()})))
        if apart is not None:
            return _finding(part, *apart)
    apart = _apart(subject, y)
    return None if apart is None else _finding(subject, *apart)


def _apart(subject: Subject, y: Array) -> tuple[Array, Array] | None:
    """Return the value where it is differentiated and the function's own, if they differ."""
    with np.errstate(all="ignore"):
        try:
            found = subject.value_beside({name: np.array(x) for name, x in subject.arguments.items()})
        except Exception:  # what the derivative raises is reported with the gradients
            return None
    if found is None or found.shape != y.shape:
        return None
    return (found, y) if np.any(_distances(found, y) > _near(y)) else None


def _near(y: Array) -> float:
    finite = np.abs(y[np.isfinite(y)])
    return max(SAME, ROUNDING * eps_of(y)) * float(np.max(finite, initial=0.0))


def _distances(found: Array, y: Array) -> Array:
    """Return how far apart the values are: infinitely far where only one of them is a number, or infinite."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(found - y)
    same = (found == y) | (np.isnan(found) & np.isnan(y))
    return np.where(same, 0.0, np.where(np.isnan(apart), np.inf, apart))


def _finding(subject: Subject, found: Array, y: Array) -> Finding:
    name, source = subject.beside_name or subject.name, subject.beside_source or subject.source
    apart = _distances(found, y)
    index = first_place(apart == np.max(apart))
    place = f" at {list(index)}" if index else ""
    message = f"differentiating it changes its value: {found[index]:.6g}{place} instead of {y[index]:.6g}"
    text = f"{name} returns another value than {subject.name}"
    why = Hypothesis("other-value", Detail(text=text), math.nan)
    return Finding("wrong", "", message, why.code, operation=name, source=source, detail=why.detail, hypotheses=(why,))
