"""Sick networks: gradients that vanish or explode, wrong weights to begin with, dead and saturated units."""

from typing import Any

import numpy as np

from chainrule import nn

from .parts import (
    CE,
    Attending,
    Recurrent,
    adam,
    filled,
    images,
    mlp,
    normal,
    rng,
    scaled,
    series,
    sgd,
    sick,
    usual,
)

# Vanishing


@sick("10 sigmoid layers", "vanishing", "0")
def sigmoids() -> Any:
    return usual(mlp(10, nn.Sigmoid, "xavier"))


@sick("20 sigmoid layers, He initialisation", "vanishing", "0")
def more_sigmoids() -> Any:
    return usual(mlp(20, nn.Sigmoid, "kaiming"))


@sick("30 ReLU layers, Xavier initialisation", "vanishing", "0")
def xavier_relu() -> Any:
    return usual(mlp(30, nn.ReLU, "xavier", width=64))


@sick("20 tanh layers, weights half as large as they should be", "vanishing", "0")
def small_tanh() -> Any:
    return usual(mlp(20, nn.Tanh, scaled(0.5, nn.init.xavier)))


@sick("recurrent network that forgets: recurrent weights 0.5 × orthogonal, 30 times", "vanishing", "hidden")
def forgetful() -> Any:
    model = Recurrent()
    model.hidden.weight.data = 0.5 * nn.init.orthogonal((24, 24), generator=rng(1))
    return model, CE(), series(), adam(model)


# Exploding


@sick("recurrent network that explodes through time: ReLU, recurrent weights 1.9 × orthogonal", "exploding", "hidden")
def explosive() -> Any:
    model = Recurrent(activation=lambda z: np.maximum(z, 0.0))
    model.hidden.weight.data = 1.9 * nn.init.orthogonal((24, 24), generator=rng(1))
    return model, CE(), series(), sgd(model, 0.01)


@sick("16 ReLU layers, weights twice as large as He", "exploding", "0")
def double_he() -> Any:
    return usual(mlp(16, nn.ReLU, scaled(2.0)))


@sick("14 linear layers with gain 2.5", "exploding", "0")
def linears() -> Any:
    layers = [nn.Linear(20, 20, init=scaled(2.5, nn.init.lecun)) for _ in range(14)]
    return usual(nn.Sequential(*layers, nn.Linear(20, 4, init="xavier")))


@sick("40 residual blocks without normalisation", "exploding", "0")
def residuals() -> Any:
    blocks = [nn.Residual(nn.Sequential(nn.Linear(32, 32), nn.ReLU())) for _ in range(40)]
    return usual(nn.Sequential(nn.Linear(20, 32, init="lecun"), *blocks, nn.Linear(32, 4, init="xavier")), 0.01)


# Initialisation


@sick("all weights zero", "bad-initialisation", "0")
def zeros() -> Any:
    return usual(mlp(3, nn.ReLU, scaled(0.0), last=scaled(0.0)))


@sick("all weights 0.1", "bad-initialisation", "0")
def constant() -> Any:
    return usual(mlp(3, nn.Tanh, filled(0.1), last=filled(0.1)))


@sick("normal weights of 0.01 in 6 layers", "bad-initialisation", "0")
def tiny() -> Any:
    return usual(mlp(6, nn.ReLU, normal(0.01)))


@sick("tanh without scaling: normal weights of 1", "bad-initialisation", "0")
def unscaled_tanh() -> Any:
    return usual(mlp(5, nn.Tanh, normal(1.0), width=64))


@sick("ReLU without scaling: normal weights of 1 in 8 layers", "bad-initialisation", "0")
def unscaled_relu() -> Any:
    return usual(mlp(8, nn.ReLU, normal(1.0), width=64), 0.01)


@sick("one layer of eight 10,000 times too small", "bad-initialisation", "6")
def one_small() -> Any:
    model = mlp(8)
    model[6].weight.data = model[6].weight.numpy() / 1e4
    return usual(model)


@sick("one layer of six 100 times too large", "bad-initialisation", "4")
def one_large() -> Any:
    model = mlp(6)
    model[4].weight.data = model[4].weight.numpy() * 100
    return usual(model, 0.01)


# Dead units


@sick("ReLU dead by bias, in one layer", "dead-units", "2")
def dead() -> Any:
    model = mlp(3)
    model[2].bias.data = np.full(32, -20.0)
    return usual(model)


@sick("three quarters of a layer dead by bias", "dead-units", "0")
def partly_dead() -> Any:
    model = mlp(3)
    model[0].bias.data = np.where(np.arange(32) < 24, -30.0, 0.0)
    return usual(model)


@sick("XOR with 4 hidden units, of which 3 are dead", "dead-units", "0")
def xor() -> Any:
    x = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])
    model = nn.Sequential(nn.Linear(2, 4), nn.ReLU(), nn.Linear(4, 2, init="xavier"))
    model[0].weight.data = np.array([[-1.0, -0.5, 0.8, -0.7], [-0.6, -1.2, 0.9, -0.3]])
    return model, CE(), [(x, np.array([0, 1, 1, 0]))], sgd(model, 0.5)


@sick("convolution dead by bias", "dead-units", "0")
def dead_convolution() -> Any:
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(200, 4, init="xavier")
    )
    model[0].bias.data = np.full(8, -15.0)
    return model, CE(), images(), sgd(model)


# Saturated


@sick("sigmoid saturated by bias", "saturated", "2")
def biased() -> Any:
    model = mlp(3, nn.Sigmoid, "xavier")
    model[2].bias.data = np.full(32, 9.0)
    return usual(model)


@sick("tanh pushed to its ends by biases", "saturated", "0")
def ends() -> Any:
    model = mlp(2, nn.Tanh, "xavier")
    model[0].bias.data = np.where(np.arange(32) % 2 == 0, 6.0, -6.0)
    return usual(model)


@sick("attention without 1/√d, the fused operation", "saturated", "")
def unscaled_attention() -> Any:
    model = Attending(scale=1.0)
    return model, CE(), series(length=12), adam(model)


@sick("attention without 1/√d, by hand", "saturated", "")
def unscaled_by_hand() -> Any:
    model = Attending(scale=1.0, by_hand=True)
    return model, CE(), series(), adam(model)
