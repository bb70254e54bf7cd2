"""A transformer on the patches of pictures.

Source: Dosovitskiy et al., "An Image is Worth 16x16 Words: Transformers for Image Recognition at Scale" (2021); the
mean over the patches in place of a class token is from Beyer, Zhai & Kolesnikov, "Better plain ViT baselines for
ImageNet-1k" (2022).
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.random import default_generator

from ..attention import TransformerBlock
from ..containers import Sequential
from ..convolutions import Conv2d
from ..layers import Linear
from ..module import Module
from ..norms import LayerNorm
from ..parameter import Parameter


class VisionTransformer(Module):
    """Patches as tokens of `width` numbers, learned positions, transformer blocks, the mean over the tokens, logits.

    Takes pictures `[B, C, H, W]` of the `shape` `(C, H, W)` and returns `[B, classes]`. What is left over at the right
    and bottom edge, where the `patch` does not divide the size, is not seen.

    Raises ValueError for pictures that are smaller than a patch.

    >>> import numpy as np
    >>> VisionTransformer((1, 28, 28), 10)(np.zeros((2, 1, 28, 28))).shape
    (2, 10)
    """

    def __init__(
        self,
        shape: Sequence[int],
        classes: int,
        patch: int = 4,
        width: int = 64,
        depth: int = 4,
        heads: int = 4,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        channels, rows, columns = shape[0], shape[1] // patch, shape[2] // patch
        if not rows * columns:
            raise ValueError(
                f"VisionTransformer: expected at least one patch of {patch}×{patch} pixels, got pictures of "
                f"{shape[1]}×{shape[2]}; choose a smaller patch"
            )
        self.patches = Conv2d(channels, width, patch, stride=patch, init="lecun")
        positions = 0.02 * default_generator().standard_normal((rows * columns, width))
        self.positions = Parameter(positions.astype(np.float32))
        blocks = [TransformerBlock(width, heads, 2 * width, dropout) for _ in range(depth)]
        self.blocks = Sequential(*blocks)
        self.norm = LayerNorm(width)
        self.head = Linear(width, classes, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the logits `[B, classes]`."""
        y = self.patches(x)
        tokens = y.reshape((*y.shape[:2], -1)).swapaxes(1, 2) + self.positions
        return self.head(self.norm(self.blocks(tokens)).mean(1))
