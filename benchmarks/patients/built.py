"""Sick networks: cut gradients, misplaced normalisations, noise, values that are not finite."""

from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn

from .parts import (
    CE,
    classes,
    cut,
    mlp,
    numbers,
    rng,
    scaled,
    sgd,
    sick,
    usual,
)

# Gradients that are cut


class Detached(nn.Module):
    """Two branches, one of them detached."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(10, 16)
        self.branch = nn.Linear(10, 16)
        self.head = nn.Linear(32, 4, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        a = cr.relu(self.main(x[:, :10]))
        b = cr.relu(self.branch(x[:, 10:])).detach()
        return self.head(np.concatenate([a, b], axis=1))


class Stopped(nn.Module):
    """A trunk behind a stopped gradient."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(20, 3)
        self.head = nn.Linear(3, 4, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        return self.head(cr.stop_gradient(np.tanh(self.trunk(x))))


class Plain(nn.Module):
    """Values that leave the tape and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(20, 16)
        self.head = nn.Linear(16, 4, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        h = np.sign(self.trunk(x))
        return self.head(h)


@sick("a detached branch", "gradient-cut", "branch")
def detached() -> Any:
    return usual(Detached())


@sick("a trunk behind stop_gradient", "gradient-cut", "trunk")
def stopped() -> Any:
    return usual(Stopped())


@sick("a sign without a derivative", "gradient-cut", "trunk")
def signs() -> Any:
    return usual(Plain())


# Normalisation


@sick("batch normalisation with batches of one", "normalisation-misplaced", "1")
def batch_of_one() -> Any:
    model = nn.Sequential(nn.Linear(20, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 4, init="xavier"))
    return model, CE(), classes(8, 1), sgd(model)


@sick("layer normalisation of a single number", "normalisation-misplaced", "3")
def norm_of_one() -> Any:
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1, init="xavier"), nn.LayerNorm(1))
    return model, nn.MSELoss(), numbers(targets=1), sgd(model)


@sick("normalised outputs of a regression", "normalisation-misplaced", "3")
def normalised_outputs() -> Any:
    model = nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 2, init="xavier"), nn.LayerNorm(2))
    batches = [(x, y * np.array([3.0, 0.2], np.float32)) for x, y in numbers()]
    return model, nn.MSELoss(), batches, sgd(model, 0.03)


# Noise and chance


@sick("labels of pure noise", "noise-dominates", "")
def label_noise() -> Any:
    model = mlp(1, width=8, features=4)
    r = rng(6)
    x = r.normal(size=(2048, 4)).astype(np.float32)
    return model, CE(), cut(x, r.integers(0, 4, 2048), 256), sgd(model, 0.3)


@sick("batches of two with noisy targets", "noise-dominates", "")
def small_batches() -> Any:
    r = rng(7)
    x = r.normal(size=(16, 12)).astype(np.float32)
    y = (0.3 * x[:, :1] + 3 * r.normal(size=(16, 1))).astype(np.float32)
    model = nn.Linear(12, 1, init=scaled(0.0))
    return model, nn.MSELoss(), cut(x, y, 2), sgd(model, 1e-3)


@sick("inputs that say nothing", "loss-at-chance", "")
def uninformative() -> Any:
    model = mlp(2, nn.Tanh, "xavier")
    return model, CE(), [(np.ones_like(x), y) for x, y in classes()], sgd(model)


# Not finite


class Logarithm(nn.Module):
    """A logarithm of what may be negative."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(20, 16)
        self.head = nn.Linear(16, 4, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        return self.head(np.log(self.first(x)))


class Root(nn.Module):
    """A norm by hand: the root's slope at 0 is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(20, 16)
        self.head = nn.Linear(16, 4, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        return self.head(np.sqrt(cr.relu(self.first(x))))


@sick("a logarithm of negative numbers", "not-finite", "")
def logarithm() -> Any:
    return usual(Logarithm())


@sick("a root at zero: finite forward, not backward", "not-finite", "")
def root() -> Any:
    return usual(Root())


@sick("a NaN in the data", "not-finite", "input")
def hole() -> Any:
    model, batches = mlp(2), classes()
    batches[3][0][4, 7] = np.nan
    return model, CE(), batches, sgd(model)
