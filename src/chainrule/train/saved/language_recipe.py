"""How `chainrule train` trains on a text, and the network that it makes."""

from dataclasses import dataclass

from chainrule.nn.networks import LanguageModel
from chainrule.train.saved.bounds import check_settings

MOST_LAYERS, MOST_WIDTH, MOST_CONTEXT = 100, 16_384, 16_384
MOST_PARAMETERS = 250_000_000
"""Of the whole network."""
STEP = 2048
"""Tokens per step, unless the command line says otherwise."""


@dataclass(frozen=True)
class LanguageRecipe:
    """How to train on a text: the tokens, the network's sizes, and what AdamW is told.

    `epochs=None` is as many as make about 4,000 steps, or fewer for a short text (`passes`).
    """

    tokens: str = "char"
    layers: int = 4
    heads: int = 4
    width: int = 128
    context: int = 128
    epochs: int | None = None
    batch_size: int = 16
    lr: float = 3e-3
    weight_decay: float = 0.1
    dropout: float = 0.0
    held_out: float = 0.1
    seed: int = 0

    def __post_init__(self) -> None:
        bounds = {"layers": MOST_LAYERS, "heads": MOST_WIDTH, "width": MOST_WIDTH, "context": MOST_CONTEXT}
        for name, most in bounds.items():
            if not 1 <= getattr(self, name) <= most:
                raise ValueError(f"{name}: expected 1 to {most:,}, got {getattr(self, name)}")
        check_settings(self)
        if self.width % self.heads:
            raise ValueError(f"heads: expected a divisor of the width {self.width}, got {self.heads}")


def sizes(tokens: int) -> dict[str, int | float]:
    """Return the sizes that suit a training text of so many tokens: a short text is learned by heart otherwise.

    >>> sizes(1_000_000)
    {'layers': 4, 'heads': 4, 'width': 128, 'context': 128, 'dropout': 0.0}
    """
    if tokens < 20_000:
        found = (2, 2, 64, 32, 0.2)
    elif tokens < 300_000:
        found = (3, 4, 96, 64, 0.1)
    else:
        found = (4, 4, 128, 128, 0.0) if tokens < 20_000_000 else (6, 6, 192, 128, 0.0)
    return dict(zip(("layers", "heads", "width", "context", "dropout"), found, strict=True))


def passes(batches: int) -> int:
    """Return how many epochs of so many batches a text is trained for: 8, but at least 600 steps and at most 4,000.

    >>> passes(490), passes(20), passes(2000)
    (8, 30, 2)
    """
    return max(1, -(-min(max(8 * batches, 600), 4000) // batches))


def parameters(recipe: LanguageRecipe, vocabulary: int) -> int:
    """Return how many parameters the network has."""
    d = recipe.width
    return (vocabulary + recipe.context) * d + recipe.layers * (12 * d * d + 13 * d) + 2 * d


def language_network(recipe: LanguageRecipe, vocabulary: int) -> LanguageModel:
    """Return the network. Raises ValueError if it would have more than 250 million parameters."""
    count = parameters(recipe, vocabulary)
    if count > MOST_PARAMETERS:
        raise ValueError(
            f"width: {recipe.width} with {recipe.layers} layers makes {count:,} parameters; expected at most "
            f"{MOST_PARAMETERS:,}: choose a smaller width"
        )
    return LanguageModel(vocabulary, recipe.context, recipe.width, recipe.layers, recipe.heads, recipe.dropout)
