"""A residual convolutional network.

Source: He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition" (2016), section 4.2.
"""

from collections.abc import Sequence
from typing import Any

from ..containers import Sequential
from ..convolutions import Conv2d
from ..functional import relu
from ..layers import Linear
from ..module import Module
from ..norms import BatchNorm2d


class ResidualBlock(Module):
    """Two 3×3 convolutions with batch normalisation, and a shortcut around both.

    Where the number of channels or the `stride` changes, the shortcut is a 1×1 convolution.

    >>> import numpy as np
    >>> ResidualBlock(4, 8, stride=2)(np.zeros((2, 4, 8, 8))).shape
    (2, 8, 4, 4)
    """

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = Conv2d(inputs, outputs, 3, stride=stride, padding=1, bias=False)
        self.norm1 = BatchNorm2d(outputs)
        self.second = Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norm2 = BatchNorm2d(outputs)
        changes = stride > 1 or inputs != outputs
        self.shortcut = Conv2d(inputs, outputs, 1, stride=stride, bias=False) if changes else None

    def forward(self, x: Any) -> Any:
        """Return `[B, outputs, H / stride, W / stride]`."""
        y = self.norm2(self.second(relu(self.norm1(self.first(x)))))
        return relu(y + (x if self.shortcut is None else self.shortcut(x)))


class ResNet(Module):
    """A 3×3 convolution, one residual block for each of the `widths`, the mean over all places, and logits.

    Takes pictures `[B, C, H, W]` of any size and returns `[B, classes]`. Each block but the first halves height and
    width; with `stride` 2, the first convolution does so, too. Three blocks make ResNet-8, the paper's network for
    CIFAR-10 with one block in each stage.

    >>> import numpy as np
    >>> ResNet(3, 10)(np.zeros((2, 3, 32, 32))).shape
    (2, 10)
    """

    def __init__(self, channels: int, classes: int, widths: Sequence[int] = (16, 32, 64), stride: int = 1) -> None:
        super().__init__()
        self.stem = Conv2d(channels, widths[0], 3, stride=stride, padding=1, bias=False)
        self.norm = BatchNorm2d(widths[0])
        inputs = (widths[0], *widths)
        strides = (1, *[2] * (len(widths) - 1))
        self.blocks = Sequential(*map(ResidualBlock, inputs, widths, strides))
        self.head = Linear(widths[-1], classes, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the logits `[B, classes]`."""
        y = self.blocks(relu(self.norm(self.stem(x))))
        return self.head(y.mean((2, 3)))
