"""The measurements that the pictures show: the same programs as in the chapters."""

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim


def norms(activation: Callable[[Any], Any], std: float, depth: int = 12, width: int = 32) -> list[float]:
    """Return the norm of the error of every layer, first layer first, as chapter 7 does."""
    rng = np.random.default_rng(0)
    weights = [rng.normal(size=(width, width)) * std for _ in range(depth)]
    x, target = rng.normal(size=(64, width)), rng.normal(size=(64, width))
    shifts = [np.zeros((64, width)) for _ in range(depth)]

    def loss(*shifts: Any) -> Any:
        a = x
        for W, shift in zip(weights, shifts, strict=True):
            a = activation(a @ W + shift)
        return ((a - target) ** 2).mean()

    return [float(np.linalg.norm(error)) for error in cr.grad(loss, argnums=tuple(range(depth)))(*shifts)]


@cache
def xor_losses(seed: int) -> list[float]:
    """Return the loss at every tenth of 1,000 steps, and after the last, as chapter 8 trains."""
    points = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    network = nn.NeuralNetwork(2, 4, 2, seed=seed)
    return [network.train_step(points, np.array([0, 1, 1, 0]), 0.5) for _ in range(1001)][::10]


@cache
def everyday_losses(rule: str) -> list[float]:
    """Return the loss on 300 points at every fifth of 200 steps on all of them, by "SGD" or "Adam"."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(300, 2))
    labels = (x[:, 0] * x[:, 1] > 0).astype(int)
    model = nn.Sequential(
        nn.Linear(2, 16, generator=rng, dtype=np.float64),
        nn.ReLU(),
        nn.Linear(16, 2, generator=rng, dtype=np.float64),
    )
    optimizer: Any = getattr(optim, rule)(model.parameters(), lr=0.01)
    losses = []
    for _ in range(201):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses[::5]
