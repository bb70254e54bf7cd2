"""Sick networks: inputs of a wrong scale, a wrong learning rate, a loss that does not fit."""

from typing import Any

import numpy as np

from chainrule import nn

from .parts import (
    CE,
    adam,
    classes,
    images,
    mlp,
    numbers,
    sgd,
    sick,
    usual,
)

# Inputs


@sick("pixels from 0 to 255", "bad-input-scale", "0")
def pixels() -> Any:
    model = mlp(2, features=144)
    batches = [(np.clip(127 + 80 * x.reshape(len(x), -1), 0, 255), y) for x, y in images()]
    return model, CE(), batches, sgd(model)


@sick("features in unlike units", "bad-input-scale", "0")
def units() -> Any:
    scale = np.array([1e3, 1.0, 1e-1, 300.0] * 5)
    model = mlp(2)
    return model, CE(), [(x * scale, y) for x, y in classes()], sgd(model, 0.01)


@sick("inputs far from zero", "bad-input-scale", "0")
def offset() -> Any:
    model = mlp(2, nn.Tanh, "xavier")
    return model, CE(), [(0.2 * x + 10, y) for x, y in classes()], sgd(model)


@sick("inputs of 1e-4", "bad-input-scale", "0")
def small_inputs() -> Any:
    model = mlp(2)
    return model, CE(), [(1e-4 * x, y) for x, y in classes()], sgd(model)


# The learning rate


@sick("SGD, learning rate × 100", "learning-rate-too-high", "")
def fast_sgd() -> Any:
    return usual(mlp(2), 10.0)


@sick("Adam, learning rate × 100", "learning-rate-too-high", "")
def fast_adam() -> Any:
    model = mlp(3)
    return model, CE(), classes(), adam(model, 0.3)


@sick("regression, learning rate × 100", "learning-rate-too-high", "")
def fast_regression() -> Any:
    model = mlp(2, features=12, out=2)
    return model, nn.MSELoss(), numbers(), sgd(model, 5.0)


@sick("SGD, learning rate ÷ 10,000", "learning-rate-too-low", "")
def slow_sgd() -> Any:
    return usual(mlp(2), 1e-5)


@sick("Adam, learning rate ÷ 10,000", "learning-rate-too-low", "")
def slow_adam() -> Any:
    model = mlp(3)
    return model, CE(), classes(), adam(model, 3e-7)


# The loss


@sick("softmax twice", "loss-mismatch", "5")
def double_softmax() -> Any:
    model = nn.Sequential(*mlp(2), nn.Softmax())
    return usual(model)


@sick("sigmoid twice", "loss-mismatch", "5")
def double_sigmoid() -> Any:
    model = nn.Sequential(*mlp(2, out=1), nn.Sigmoid())
    batches = [(x, (y[:, None] > 1).astype(np.float32)) for x, y in classes()]
    return model, nn.BCEWithLogitsLoss(), batches, sgd(model)


@sick("negative log-likelihood of probabilities", "loss-mismatch", "5")
def likelihood() -> Any:
    model = nn.Sequential(*mlp(2), nn.Softmax())
    return model, nn.NLLLoss(), classes(), sgd(model)


@sick("a sum instead of a mean", "loss-mismatch", "loss")
def summed() -> Any:
    model = mlp(2)
    return model, CE(reduction="sum"), classes(size=64), sgd(model)


@sick("targets beyond tanh", "loss-mismatch", "5")
def beyond() -> Any:
    model = nn.Sequential(*mlp(2, features=12, out=2), nn.Tanh())
    return model, nn.MSELoss(), numbers(scale=8.0), sgd(model, 0.03)


@sick("logits cut off by a ReLU", "loss-mismatch", "5")
def cut_logits() -> Any:
    return usual(nn.Sequential(*mlp(2), nn.ReLU()))
