"""Networks that are well, also where a hasty look would say otherwise."""

from typing import Any

import numpy as np

from chainrule import nn

from .parts import (
    CE,
    Attending,
    Language,
    Recurrent,
    adam,
    classes,
    images,
    mlp,
    numbers,
    scaled,
    series,
    sgd,
    tokens,
    trained,
    well,
)


@well("small ReLU network")
def small() -> Any:
    model = mlp(2)
    return model, CE(), classes(), sgd(model)


@well("small network at the end of its training")
def finished() -> Any:
    model, batches = mlp(2), classes()
    trained(model, CE(), batches, adam(model), 60)
    return model, CE(), batches, adam(model, 1e-3)


@well("30 ReLU layers, He initialisation")
def he() -> Any:
    model = mlp(30)
    return model, CE(), classes(), sgd(model, 0.01, momentum=0.9)


@well("24 residual blocks with layer normalisation")
def deep_residual() -> Any:
    blocks = [
        nn.Residual(nn.Sequential(nn.LayerNorm(32), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32, init="xavier")))
        for _ in range(24)
    ]
    model = nn.Sequential(nn.Linear(20, 32), *blocks, nn.LayerNorm(32), nn.Linear(32, 4, init="xavier"))
    return model, CE(), classes(), adam(model, 1e-3)


@well("transformer on tokens")
def transformer() -> Any:
    model = Language()
    return model, CE(), tokens(), adam(model)


@well("transformer at the end of its training")
def finished_transformer() -> Any:
    model, batches = Language(), tokens()
    trained(model, CE(), batches, adam(model), 30)
    return model, CE(), batches, adam(model, 1e-3)


@well("attention with its scale")
def attention() -> Any:
    model = Attending()
    return model, CE(), series(length=12), adam(model)


@well("recurrent network, orthogonal")
def recurrent() -> Any:
    model = Recurrent()
    return model, CE(), series(length=12), adam(model)


@well("convolutions with batch normalisation")
def convolutions() -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(72, 4, init="xavier"),
    )  # fmt: skip
    return model, CE(), images(), adam(model)


@well("5 tanh layers, Xavier initialisation")
def tanh() -> Any:
    model = mlp(5, nn.Tanh, "xavier")
    return model, CE(), classes(), sgd(model)


@well("GELU and dropout")
def dropout() -> Any:
    layers = [nn.Linear(20, 64), nn.GELU(), nn.Dropout(0.2), nn.Linear(64, 64), nn.GELU(), nn.Dropout(0.2)]
    model = nn.Sequential(*layers, nn.Linear(64, 4, init="xavier"))
    return model, CE(), classes(), adam(model)


@well("linear regression")
def regression() -> Any:
    model = nn.Linear(12, 2, init="xavier")
    return model, nn.MSELoss(), numbers(), sgd(model)


@well("a yes-or-no answer: one logit")
def binary() -> Any:
    model = mlp(2, out=1)
    batches = [(x, (y[:, None] > 1).astype(np.float32)) for x, y in classes()]
    return model, nn.BCEWithLogitsLoss(), batches, sgd(model)


@well("frozen first layers")
def frozen() -> Any:
    model = mlp(3)
    for layer in (model[0], model[2]):
        layer.requires_grad_(False)
    return model, CE(), classes(), adam(model, 1e-2)


class Tied(nn.Module):
    """An autoencoder whose decoder is its encoder, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Linear(12, 8, init="xavier")
        self.bias = nn.Parameter(np.zeros(12, np.float32))

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        return np.tanh(self.encoder(x)) @ self.encoder.weight.T + self.bias


@well("autoencoder with shared weights")
def tied() -> Any:
    model = Tied()
    return model, nn.MSELoss(), [(x, x) for x, _ in numbers()], adam(model, 1e-2)


@well("a last layer that begins with zeros")
def zero_last() -> Any:
    model = mlp(2, last=scaled(0.0))
    return model, CE(), classes(), sgd(model)


@well("batches of several sizes")
def mixed() -> Any:
    model = mlp(2)
    batches = [(x[:n], y[:n]) for (x, y), n in zip(classes(), (32, 8, 32, 5, 16, 32, 32, 11), strict=True)]
    return model, CE(), batches, sgd(model)
