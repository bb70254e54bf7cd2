"""The final check: rerun the recorded computation with a parameter perturbed and measure the change of the loss."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.check.measuring.directional import Estimate, derivative
from chainrule.check.subjects.parameters import THRESHOLD
from chainrule.observe.entry import Entry, leading_to

from .evaluated import Book
from .rests import Rests, cleared
from .steps import Confirmation
from .subject import Recording

MANY = 3_000_000
"""Above this many elements over all runs, all parameters are perturbed together, along one direction."""
RUNS = 10
"""Approximate number of runs per direction."""


def confirm(recording: Recording, book: Book) -> list[Confirmation]:
    """Compare each requested gradient with a numerical derivative along a random direction."""
    wanted = [e for e in recording.parameters if e.tracked and e.gradient is not None and e.value.size]
    needed = _needed(recording)
    replay = PrimalReplay(needed, recording.loss)
    rng = np.random.default_rng(0)
    cost = sum(_elements(e.value) for e in needed) * RUNS * len(wanted)
    directions = {e: _direction(e.value, rng) for e in wanted}
    if cost > MANY and len(wanted) > 1:
        symbols = ", ".join(book.symbol(e).latex() for e in wanted[:2]) + r", \ldots"
        return [_compared(replay, directions, "", symbols, book.rests)]
    return [_compared(replay, {e: directions[e]}, e.name, book.symbol(e).latex(), book.rests) for e in wanted]


def _compared(
    replay: "PrimalReplay", directions: Mapping[Entry, Any], name: str, symbol: str, rests: Rests
) -> Confirmation:
    gradients = {e: cleared(e.gradient, rests.gradient(e)) for e in directions}
    analytic = float(sum(np.sum(np.real(np.where(d == 0, 0.0, gradients[e]) * d)) for e, d in directions.items()))
    found = derivative(replay.along(directions), settled=_precise)
    larger = max(abs(analytic), abs(found.value))
    difference = abs(analytic - found.value)
    error = difference / (larger + found.noise / THRESHOLD) if difference else 0.0
    has_jump = error > THRESHOLD and found.jump > 10 * (THRESHOLD * larger + found.noise)
    at_kink = has_jump and any(map(_may_kink, replay.entries))
    ok = error <= THRESHOLD or at_kink
    measured = 0.0 if ok and not at_kink and analytic == 0.0 else found.value
    return Confirmation(symbol, name, analytic, measured, error, ok, "kink" if at_kink else "")


def _may_kink(entry: Entry) -> bool:
    """Whether an operation may have kinks: its record says so, or it is user-defined and does not say."""
    is_record = isinstance(entry.op, type) and entry.op.__module__.startswith("chainrule.")
    return not is_record or bool(entry.op.kinks)


def _precise(estimate: Estimate) -> bool:
    """Whether the measurement is good enough to tell right from wrong."""
    return estimate.error <= 0.01 * THRESHOLD * abs(estimate.value)


def _direction(value: Any, rng: np.random.Generator) -> Any:
    """Return a random direction of the size of the value, along its finite elements; a complex one for complex ones."""
    finite = np.isfinite(value)
    size = float(np.sqrt(np.mean(np.square(np.abs(value[finite]))))) if np.any(finite) else 0.0
    drawn = rng.standard_normal(np.shape(value))
    if np.iscomplexobj(value):
        drawn = drawn + 1j * rng.standard_normal(np.shape(value))
    return np.where(finite, drawn * (size or 0.1), 0.0)


def _elements(value: Any) -> int:
    return sum(map(np.size, value)) if isinstance(value, tuple) else int(np.size(value))


def _needed(recording: Recording) -> list[Entry]:
    reached = leading_to(recording.loss)
    return [e for e in recording.entries if e in reached and e.tracked and not e.is_leaf]


class PrimalReplay:
    """Reruns the recorded operations from different leaves, using primals only and no rules.

    Values that carry no gradient (masks, comparisons, detached values) are kept as recorded.
    """

    def __init__(self, entries: Sequence[Entry], loss: Entry) -> None:
        self.entries = entries
        self.loss = loss

    def along(self, directions: Mapping[Entry, Any]) -> Callable[[float], float]:
        """Return the loss as a function of the step size along the given directions of some leaves."""

        def moved(t: float) -> float:
            values: dict[Entry, Any] = {e: e.value + t * d for e, d in directions.items()}
            for entry in self.entries:
                if "part" in entry.settings and isinstance(entry.inputs[0].value, tuple):
                    if entry.inputs[0] in values:
                        values[entry] = values[entry.inputs[0]][entry.settings["part"]]
                elif any(isinstance(x, Entry) and x in values for x in entry.inputs):
                    args = [values.get(x, x.value) if isinstance(x, Entry) else x for x in entry.inputs]
                    values[entry] = entry.op.primal(*args, **entry.settings)
            return float(values.get(self.loss, self.loss.value))

        return moved
