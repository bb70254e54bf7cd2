"""How `chainrule train` trains on a series, and the network that it makes."""

from dataclasses import dataclass

from chainrule.nn.networks import Forecaster
from chainrule.nn.networks.forecaster import MODELS
from chainrule.train.saved.bounds import check_settings

MOST_STEPS, MOST_HIDDEN, MOST_CHANNELS = 100_000, 10_000, 100_000
MOST_PARAMETERS = 250_000_000
"""Of the whole network."""


@dataclass(frozen=True)
class SeriesRecipe:
    """How to train on a series: the window and horizon in rows, the network, and what AdamW is told.

    `epochs=None` is as many as make about 2,000 steps, from 10 to 200.
    """

    window: int
    horizon: int
    model: str = "gru"
    hidden: int = 32
    epochs: int | None = None
    batch_size: int = 32
    lr: float = 3e-3
    weight_decay: float = 0.01
    dropout: float = 0.1
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        for name, most in (("window", MOST_STEPS), ("horizon", MOST_STEPS), ("hidden", MOST_HIDDEN)):
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: expected 1 to {most:,}, got {getattr(self, name)}")
        if self.model not in MODELS:
            raise ValueError(f"model: expected {' or '.join(MODELS)} for a series, got {self.model!r}")
        check_settings(self)


def parameters(recipe: SeriesRecipe, channels: int) -> int:
    """Return how many parameters the network has."""
    n, h = recipe.hidden, recipe.horizon
    body, wide = (
        (3 * n * (channels + n + 2), n)
        if recipe.model == "gru"
        else (5 * n * (channels + n) + 2 * n, n * recipe.window)
    )
    return body + (wide + 1) * h + (recipe.window + 1) * h


def forecaster(recipe: SeriesRecipe, channels: int) -> Forecaster:
    """Return the network. Raises ValueError if it would have more than 250 million parameters."""
    count = parameters(recipe, channels)
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"window: {recipe.window} with horizon {recipe.horizon} makes {count:,} parameters; expected at most "
            f"{MOST_PARAMETERS:,}: choose a shorter window"
        )
    return Forecaster(recipe.window, recipe.horizon, channels, recipe.model, recipe.hidden, recipe.dropout)
