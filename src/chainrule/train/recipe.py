"""How `chainrule train` trains, and the network that it makes."""

from collections.abc import Sequence
from dataclasses import dataclass

from chainrule import nn


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
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden: expected positive layer widths, got {self.hidden}")
        if not 0 < self.held_out < 1:
            raise ValueError(f"held_out: expected a share between 0 and 1, got {self.held_out}")
        if not self.lr > 0:
            raise ValueError(f"lr: expected a positive learning rate, got {self.lr}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout: expected a share from 0 to below 1, got {self.dropout}")


def network(inputs: int, hidden: Sequence[int], outputs: int, dropout: float) -> nn.Sequential:
    """Linear → ReLU → Dropout for each hidden width, then Linear to the outputs (logits, or one value)."""
    layers: list[nn.Module] = []
    for width in hidden:
        layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
        inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs, init="xavier"))
