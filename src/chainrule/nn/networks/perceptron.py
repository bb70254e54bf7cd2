"""A fully connected network on pictures."""

from collections.abc import Sequence
from math import prod
from typing import Any

from ..containers import Sequential
from ..dropout import Dropout
from ..function import ReLU
from ..layers import Flatten, Linear
from ..module import Module


class Perceptron(Module):
    """Flattened pictures `[B, C, H, W]` → (Linear → ReLU → Dropout) for each hidden width → logits `[B, classes]`.

    It does not know which pixels are neighbours, so it is what the other networks are compared with.

    >>> import numpy as np
    >>> Perceptron((1, 8, 8), 10, hidden=(32,))(np.zeros((2, 1, 8, 8))).shape
    (2, 10)
    """

    def __init__(
        self, shape: Sequence[int], classes: int, hidden: Sequence[int] = (256, 128), dropout: float = 0.3
    ) -> None:
        super().__init__()
        inputs, layers = prod(shape), list[Module]()
        for width in hidden:
            layers += [Linear(inputs, width), ReLU(), Dropout(dropout)]
            inputs = width
        self.body = Sequential(Flatten(), *layers)
        self.head = Linear(inputs, classes, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the logits `[B, classes]`."""
        return self.head(self.body(x))
