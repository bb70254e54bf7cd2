"""How `chainrule train` trains, and the network that it makes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from reprlib import repr as short

from chainrule import nn
from chainrule.train.saved.bounds import check_settings

MOST_UNITS, MOST_LAYERS = 100_000, 1000
"""The widest hidden layer, and how many there may be."""
MOST_PARAMETERS = 250_000_000
"""Of the whole network."""


@dataclass(frozen=True)
class Recipe:
    """How to train: layer widths, epochs, and what the optimiser AdamW is told. The defaults suit small tables.

    `epochs=None` is as many as make 2,500 steps, at least 10.
    """

    hidden: tuple[int, ...] = (256, 128)
    epochs: int | None = None
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.05
    dropout: float = 0.3
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self)
        if any(not 1 <= width <= MOST_UNITS for width in self.hidden) or len(self.hidden) > MOST_LAYERS:
            raise ValueError(
                f"hidden: expected at most {MOST_LAYERS} positive layer widths of at most {MOST_UNITS:,}, "
                f"got {short(list(self.hidden))}"
            )


def network(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    """Linear → ReLU → Dropout for each hidden width, then Linear to the outputs (logits, or one value)."""
    widths = [inputs, *hidden, outputs]
    size = sum(a * b + b for a, b in pairwise(widths))
    if size > MOST_PARAMETERS:
        raise ValueError(
            f"hidden: {short(list(hidden))} between {inputs:,} inputs and {outputs:,} outputs make {size:,} "
            f"parameters; expected at most {MOST_PARAMETERS:,}, which take {16 * MOST_PARAMETERS / 1e9:g} GB to train: "
            "choose smaller widths"
        )
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs, init="xavier"))
