"""A plain convolutional network."""

from collections.abc import Sequence
from typing import Any

from ..containers import Sequential
from ..convolutions import Conv2d
from ..dropout import Dropout
from ..function import MaxPool2d, ReLU
from ..layers import Flatten, Linear
from ..module import Module
from ..norms import BatchNorm1d, BatchNorm2d


class ConvNet(Module):
    """Stages of 3×3 convolution → batch normalisation → ReLU → 2×2 maximum, then two linear layers.

    Takes pictures `[B, C, H, W]` of the `shape` `(C, H, W)` and returns logits `[B, classes]`. Each of the `widths` is
    the channels of a stage, which halves height and width; `hidden` is the width of the layer before the last.

    Raises ValueError for pictures that are too small for so many stages.

    Source: the arrangement of LeCun et al., "Gradient-based learning applied to document recognition" (1998), with the
    batch normalisation of Ioffe & Szegedy (2015).

    >>> import numpy as np
    >>> ConvNet((1, 28, 28), 10)(np.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        shape: Sequence[int],
        classes: int,
        widths: Sequence[int] = (32, 64),
        hidden: int = 128,
        dropout: float = 0.3,
    ) -> None:
        super().__init__()
        channels, height, width = shape
        if min(height, width) >> len(widths) < 1:
            raise ValueError(
                f"ConvNet: {len(widths)} stages halve the height and width; expected at least "
                f"{2 ** len(widths)} pixels, got {height}×{width}"
            )
        stages = list[Module]()
        for outputs in widths:
            convolution = Conv2d(channels, outputs, 3, padding=1, bias=False)
            stages += [convolution, BatchNorm2d(outputs), ReLU(), MaxPool2d(2)]
            channels, height, width = outputs, height // 2, width // 2
        self.features = Sequential(*stages)
        # Behind a ReLU all inputs are positive, so that without the normalisation many of these units would be dead.
        inner = Linear(channels * height * width, hidden, bias=False)
        self.body = Sequential(Flatten(), inner, BatchNorm1d(hidden), ReLU(), Dropout(dropout))
        self.head = Linear(hidden, classes, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the logits `[B, classes]`."""
        return self.head(self.body(self.features(x)))
