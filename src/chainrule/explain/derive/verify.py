"""Does a displayed formula give what the tape computed? It is evaluated on its own, in float64, and compared."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.traces.reverse import fit
from chainrule.explain.laws.functions import NumPyFunctions
from chainrule.explain.laws.laws import Law
from chainrule.formula.evaluation import FormulaError, parse
from chainrule.formula.functions import as_double

TOLERANCE = 1e-9
"""A larger relative deviation is an error in the formula: both sides are computed in float64."""
ROUNDING = 1e-6
"""Cancellation may leave this share of `TOLERANCE`, relative to the largest input."""


@dataclass(frozen=True)
class Deviation:
    """The deviation of a formula's value from the tape's: None if it could not be evaluated, for this `reason`.

    `summed` are the axes of the formula's value that had to be summed over because of broadcasting and batches;
    `is_real_part` says that the formula's value is complex and the tape's, a real number's gradient, is its real part.
    """

    error: float | None
    reason: str = ""
    summed: tuple[int, ...] = ()
    value: Any = None
    is_real_part: bool = False

    @property
    def ok(self) -> bool:
        """Whether the formula is verified."""
        return self.error is not None and self.error <= TOLERANCE


def deviation(got: Any, expected: Any, inputs: Mapping[str, Any] | None = None) -> float:
    """Return the largest difference, relative to the largest expected number."""
    got, expected = as_double(got), as_double(expected)
    if got.shape != expected.shape:
        return float("inf")
    if not np.array_equal(np.isfinite(got), np.isfinite(expected)):
        return float("inf")
    finite = np.isfinite(expected)
    with np.errstate(invalid="ignore"):
        difference = _largest(np.where(finite, got - expected, 0.0))
    if difference == 0.0 and bool(np.all(got[~finite] == expected[~finite])):
        return 0.0
    scale = _largest(np.where(finite, expected, 0.0)) + ROUNDING * _went_in(inputs or {}, expected.size)
    return difference / scale if scale else float("inf")


def _went_in(inputs: Mapping[str, Any], count: int) -> float:
    """Return the largest input times the root of the number of inputs per result: how far rounding accumulates."""
    terms = max((np.size(x) for x in inputs.values() if isinstance(x, np.ndarray)), default=1) / max(count, 1)
    return float(max(map(_largest, inputs.values()), default=0.0) * np.sqrt(max(terms, 1.0)))


def _largest(x: Any) -> float:
    if not isinstance(x, np.ndarray | np.generic | float | int | complex):
        return 0.0
    array = np.asarray(x)
    if array.dtype.kind not in "fiubc" or array.size == 0:
        return 0.0
    with np.errstate(invalid="ignore"):
        size = float(np.max(np.abs(as_double(array))))
    return size if np.isfinite(size) else 0.0


def evaluate(reading: str, values: Mapping[str, Any], law: Law, shape: Any) -> list[Any]:
    """Return every right-hand side of a formula. Raises FormulaError if it is outside the evaluator's subset."""
    formula = parse(reading, tuple(law.functions))
    given = {"i": 1j} | {key: x for key, x in values.items() if key == "axis" or _is_number(x)}
    functions = NumPyFunctions(values, law.functions)
    try:
        return formula.evaluate_all(given, functions)
    except FormulaError:
        if not formula.indices or shape is None:
            raise
        return formula.evaluate_all(given, functions, shape=shape)


def _is_number(x: Any) -> bool:
    if isinstance(x, tuple | list):
        return all(isinstance(n, int | np.integer) for n in x)
    return isinstance(x, np.ndarray | np.generic | int | float | complex)


def verify(reading: str, values: Mapping[str, Any], law: Law, expected: Any, whole: tuple[int, ...] = ()) -> Deviation:
    """Evaluate a formula and compare all its right-hand sides with the value on the tape.

    A right-hand side that is the same along an axis of the `whole` stands for all elements of it.
    """
    if isinstance(expected, tuple):
        return Deviation(None, "several outputs")
    shape = np.shape(expected)
    try:
        got = evaluate(reading, values, law, shape)
        got = [np.broadcast_to(side, np.broadcast_shapes(np.shape(side), whole)) for side in got] if whole else got
        summed = _summed(np.shape(got[0]), shape)
        is_real_part = np.iscomplexobj(got[0]) and not np.iscomplexobj(expected)
        fitted = [_fitted(np.real(side) if is_real_part else side, shape) for side in got]
    except FormulaError as error:
        return Deviation(None, str(error))
    except (ValueError, TypeError, IndexError, KeyError, ArithmeticError) as error:
        return Deviation(None, f"{type(error).__name__}: {error}")
    worst = max(deviation(side, expected, values) for side in fitted)
    return Deviation(worst, "" if worst <= TOLERANCE else "deviates", summed, fitted[0], is_real_part)


def _fitted(side: Any, shape: tuple[int, ...]) -> Any:
    side = as_double(side)
    if [n for n in side.shape if n != 1] == [n for n in shape if n != 1]:
        return side.reshape(shape)
    return np.broadcast_to(fit(side, shape, side.dtype), shape)


def _summed(got: tuple[int, ...], shape: tuple[int, ...]) -> tuple[int, ...]:
    if [n for n in got if n != 1] == [n for n in shape if n != 1]:
        return ()
    extra = max(len(got) - len(shape), 0)
    return tuple(range(extra)) + tuple(
        k + extra for k, n in enumerate(shape[-len(got) :] if got else ()) if n == 1 != got[k + extra]
    )
