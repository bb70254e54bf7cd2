"""How `chainrule train` trains on pictures, and the networks that it makes for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from chainrule import nn
from chainrule.data.pictures import augment
from chainrule.data.pictures.decode import FITS, MOST_SIDE
from chainrule.nn.networks import ConvNet, Perceptron, ResNet, VisionTransformer
from chainrule.train.saved.bounds import check_settings

MODELS = ("mlp", "cnn", "resnet8", "vit-tiny")
LEARNING_RATES: Mapping[str, float] = MappingProxyType({"mlp": 1e-3, "cnn": 2e-3, "resnet8": 4e-3, "vit-tiny": 1e-3})
"""The highest learning rate, unless another is given."""
_STAGES = (32, 64, 128, 128, 128)


@dataclass(frozen=True)
class PictureRecipe:
    """How to train on pictures; the optimiser is AdamW, its learning rate rises and then falls to zero along a cosine.

    - `model`: one of `MODELS`, or "auto" (`chosen_model`); `lr`: its own rate if None.
    - `size`: (height, width) of the pictures, their own if None (`chosen_form`); `fit`: "crop" or "stretch".
    - `augment`: how much training pictures are changed: "none", "light" or "strong".
    - `epochs`: if None, as many as make 2,500 steps, at least 10.

    Raises ValueError for a value that cannot work.
    """

    model: str = "auto"
    epochs: int | None = None
    batch_size: int = 64
    lr: float | None = None
    weight_decay: float = 0.05
    label_smoothing: float = 0.1
    augment: str = "light"
    size: tuple[int, int] | None = None
    fit: str = "crop"
    held_out: float = 0.2
    seed: int = 0

    def __post_init__(self) -> None:
        check_settings(self)
        for name, choices in (("model", ("auto", *MODELS)), ("augment", augment.LEVELS), ("fit", FITS)):
            if getattr(self, name) not in choices:
                raise ValueError(f"--{name}: expected one of {', '.join(choices)}, got {getattr(self, name)!r}")
        if self.size is not None and not all(1 <= side <= MOST_SIDE for side in self.size):
            raise ValueError(f"--size: expected sides from 1 to {MOST_SIDE} pixels, got {self.size[0]}×{self.size[1]}")


def chosen_model(shape: Sequence[int]) -> str:
    """Return the network that suits pictures of a shape (C, H, W): the smallest that does well.

    >>> chosen_model((1, 28, 28)), chosen_model((3, 32, 32)), chosen_model((1, 3, 3))
    ('cnn', 'resnet8', 'mlp')
    """
    channels, *sides = shape
    if min(sides) < 4:
        return "mlp"
    return "cnn" if channels == 1 and max(sides) <= 32 else "resnet8"


def picture_network(model: str, shape: Sequence[int], classes: int) -> nn.Module:
    """Create a network for pictures of a shape (C, H, W), drawing its weights from the default generator.

    The larger the pictures are, the more stages "cnn" has, and the larger are the patches of "vit-tiny"; "resnet8"
    halves pictures of more than 32 pixels in its first layer.
    """
    side = min(shape[1:])
    if model == "mlp":
        return Perceptron(shape, classes)
    if model == "cnn":
        return ConvNet(shape, classes, _STAGES[: _stages(side)])
    if model == "resnet8":
        return ResNet(shape[0], classes, stride=2 if side > 32 else 1)
    return VisionTransformer(shape, classes, patch=max(1, round(side / 8)))


def _stages(side: int) -> int:
    """Return how often pictures are halved: until 8 pixels or fewer are left, at least once."""
    stages = 1
    while side >> stages > 8 and stages < len(_STAGES):
        stages += 1
    return max(stages, 2) if side >= 8 else stages
