"""Show repeats once: runs of steps with the same operations and shapes, such as the blocks of a transformer."""

from collections.abc import Sequence
from dataclasses import dataclass

from .steps import Step

LEAST = 2
"""The minimum number of repeats to fold."""
SHORTEST = 3
"""The minimum number of equations that a fold must hide."""


@dataclass(frozen=True)
class RepeatedSteps:
    """Steps that repeat `times` times in a row; `hidden` is the number of steps not shown."""

    steps: tuple[Step, ...]
    times: int = 1
    hidden: int = 0


def fold(steps: Sequence[Step]) -> list[RepeatedSteps]:
    """Return the steps in blocks; at each step, the repeated run that hides the most wins."""
    keys = [step.key for step in steps]
    blocks: list[RepeatedSteps] = []
    position = 0
    while position < len(steps):
        period, times = _best(keys, position)
        hidden = period * (times - 1)
        if times >= LEAST and hidden >= SHORTEST:
            blocks.append(RepeatedSteps(tuple(steps[position : position + period]), times, hidden))
            position += period * times
        else:
            blocks.append(RepeatedSteps((steps[position],)))
            position += 1
    return blocks


def _best(keys: Sequence[tuple[object, ...]], start: int) -> tuple[int, int]:
    """Return the period and the number of repeats that hide the most steps; ties go to the shortest period."""
    best = (1, 1)
    for period in range(1, (len(keys) - start) // 2 + 1):
        times, unit = 1, keys[start : start + period]
        while keys[start + times * period : start + (times + 1) * period] == unit:
            times += 1
        if times > 1 and period * (times - 1) > best[0] * (best[1] - 1):
            best = (period, times)
    return best
