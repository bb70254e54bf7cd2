"""Settings to try: drawn at random, with what the user fixed left as it is."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from chainrule.train.saved.recipe import Recipe

WIDTHS = ((64,), (128,), (256,), (64, 32), (128, 64), (256, 128), (512, 256), (128, 128, 128), (256, 128, 64))
DROPOUTS = (0.0, 0.1, 0.2, 0.3, 0.5)
BATCHES = (16, 32, 64, 128)


def _log_uniform(low: float, high: float) -> Callable[[np.random.Generator], float]:
    """Three digits are as good as all, and can be typed."""
    return lambda rng: float(f"{np.exp(rng.uniform(np.log(low), np.log(high))):.2e}")


SPACE: Mapping[str, Callable[[np.random.Generator], Any]] = MappingProxyType(
    {
        "hidden": lambda rng: WIDTHS[rng.integers(len(WIDTHS))],
        "lr": _log_uniform(3e-4, 1e-2),
        "dropout": lambda rng: DROPOUTS[rng.integers(len(DROPOUTS))],
        "weight_decay": _log_uniform(1e-4, 0.3),
        "batch_size": lambda rng: BATCHES[rng.integers(len(BATCHES))],
    }
)
"""How each setting is drawn."""


def draw(recipe: Recipe, count: int, fixed: Collection[str] = ()) -> list[Recipe]:
    """Return `count` recipes to try: the given one first, then drawn ones that differ where nothing is `fixed`.

    The recipe's seed fixes them. Raises ValueError for a count below 2, and if everything is fixed.

    >>> [found.lr for found in draw(Recipe(), 3, fixed=["hidden", "dropout"])][0]
    0.002
    """
    if count < 2:
        raise ValueError(f"--search: expected at least 2 settings to choose from, got {count}")
    free = [name for name in SPACE if name not in fixed]
    if not free:
        raise ValueError("--search: hidden, lr, dropout, weight-decay and batch-size are all given; leave one open")
    rng = np.random.default_rng(recipe.seed)
    return [recipe, *(replace(recipe, **{name: SPACE[name](rng) for name in free}) for _ in range(count - 1))]
