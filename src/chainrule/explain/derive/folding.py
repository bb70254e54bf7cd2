"""What repeats is shown once: runs of steps with the same operations and shapes, as the blocks of a transformer."""

from collections.abc import Sequence
from dataclasses import dataclass

from .steps import Step

LEAST = 2
"""How often something must come, at least, to be folded."""
SHORTEST = 3
"""How many equations must disappear, at least."""


@dataclass(frozen=True)
class RepeatedSteps:
    """Steps that come `times` times in a row; `hidden` is how many of them are not shown."""

    steps: tuple[Step, ...]
    times: int = 1
    hidden: int = 0


def fold(steps: Sequence[Step]) -> list[RepeatedSteps]:
    """Return the steps in blocks, the longest repeated run first wherever one begins."""
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
    """Return the period and the number of repeats that hide the most; of equal ones, the shortest period."""
    best = (1, 1)
    for period in range(1, (len(keys) - start) // 2 + 1):
        times, unit = 1, keys[start : start + period]
        while keys[start + times * period : start + (times + 1) * period] == unit:
            times += 1
        if times > 1 and period * (times - 1) > best[0] * (best[1] - 1):
            best = (period, times)
    return best
