"""Successive halving (Jamieson and Talwalkar 2016): many settings for a few epochs, the better ones for more."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.jobs.search.workers import end_idle, in_parallel
from chainrule.present.counting import counted
from chainrule.train.saved.recipe import Recipe

RATE = 3
"""Of so many settings one goes on, to so many times as many epochs."""
LEAST_EPOCHS = 2


@dataclass(frozen=True)
class Trial:
    """A setting that was tried: for how many epochs, and its loss on the validation part; inf if it diverged."""

    place: int
    """Its place among those drawn: the smaller one wins a tie."""
    recipe: Recipe
    epochs: int
    loss: float


def halve(
    trial: Callable[..., Trial],
    shared: Any,
    recipes: Sequence[Recipe],
    epochs: int,
    jobs: int | None = None,
    say: Callable[[str], None] = print,
) -> list[Trial]:
    """Try recipes, and return each one's last trial, the best first.

    `trial(shared, place, recipe, epochs)` trains and measures one. The last round, in which two to five recipes are
    left, takes `epochs`; each round before a third as many, at least two. After Ctrl-C those of the trials so far are
    returned; KeyboardInterrupt is raised only if there are none.
    """
    last: dict[int, Trial] = {}
    left = list(enumerate(recipes))
    budgets = rounds(len(recipes), epochs)
    try:
        for k, budget in enumerate(budgets):
            what = f"{counted(len(left), 'setting')} for {counted(budget, 'epoch')}"
            say(f"search, round {k + 1} of {len(budgets)}: {what}")
            calls = [(shared, place, recipe, budget) for place, recipe in left]
            for found in in_parallel(trial, calls, jobs):
                last[found.place] = found
            ranked = sorted((last[place] for place, _ in left), key=_rank)
            left = [(one.place, one.recipe) for one in ranked[: max(1, len(ranked) // RATE)]]
    except KeyboardInterrupt:
        if not last:
            raise
        say("search interrupted; the best setting so far is taken")
    finally:
        end_idle()
    return sorted(last.values(), key=_rank)


def rounds(count: int, epochs: int) -> list[int]:
    """How many epochs each round takes, for so many settings.

    >>> rounds(20, 90), rounds(2, 90), rounds(27, 10)
    ([10, 30, 90], [90], [2, 3, 10])
    """
    number = 1
    while count // RATE**number >= 2:  # one setting has nobody to be compared with
        number += 1
    return [max(min(LEAST_EPOCHS, epochs), round(epochs / RATE ** (number - 1 - k))) for k in range(number)]


def _rank(one: Trial) -> tuple[int, float, int]:
    """Who was trained longest came furthest; among those the smaller loss is better."""
    return -one.epochs, one.loss, one.place
