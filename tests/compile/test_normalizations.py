"""Batch normalisation of large arrays in compiled steps: the numbers of eager code, in few passes over the array."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import nn, optim
from chainrule.kernels.suitable import HAS_COMPILER

from .worlds import World, assert_close, compare

SHAPE = (8, 4, 32, 33)
pytestmark = pytest.mark.skipif(not HAS_COMPILER, reason="compiled batch normalisation needs the extra fast")


def images(count: int = 4, dtype: Any = np.float32) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(3)
    return [((2 + rng.normal(size=SHAPE)).astype(dtype), rng.integers(0, 3, SHAPE[0])) for _ in range(count)]


class Network(nn.Module):
    """A normalisation of the input and one with a path past it."""

    def __init__(self, dtype: Any = np.float32) -> None:
        super().__init__()
        self.first, self.second = (nn.BatchNorm2d(4, dtype=dtype) for _ in range(2))
        self.convolution = nn.Conv2d(4, 4, 3, padding=1, dtype=dtype)
        self.head = nn.Linear(4, 3, dtype=dtype)

    def forward(self, x: Any) -> Any:
        h = nn.functional.relu(self.first(x))
        h = nn.functional.relu(self.second(self.convolution(h)) + h)
        return self.head(h.mean((2, 3)))


@pytest.mark.parametrize("dtype", [np.float32, pytest.param(np.float64, marks=pytest.mark.slow)])
def test_steps_are_those_of_eager_code(dtype: Any) -> None:
    compiled = compare(lambda: World(Network(dtype), step=None), images(dtype=dtype), dtype)
    assert len(compiled.plans) == 1
    text = str(compiled.plan)
    assert text.count("moments") == 2
    assert "layer_norm" not in text
    assert "[subtract + multiply + add + relu]" in text
    assert len(compiled.plan.calls) == 1


class Rows(nn.Module):
    """Normalisations of rows, of the input and of a layer's output."""

    def __init__(self, dtype: Any = np.float32) -> None:
        super().__init__()
        self.first, self.second = nn.BatchNorm1d(40, dtype=dtype), nn.BatchNorm1d(32, dtype=dtype)
        self.linear, self.head = nn.Linear(40, 32, dtype=dtype), nn.Linear(32, 3, dtype=dtype)

    def forward(self, x: Any) -> Any:
        return self.head(nn.functional.leaky_relu(self.second(self.linear(self.first(x)))))


def rows(count: int = 4, dtype: Any = np.float32) -> list[tuple[Any, Any]]:
    rng = np.random.default_rng(4)
    return [((3 + rng.normal(size=(70, 40))).astype(dtype), rng.integers(0, 3, 70)) for _ in range(count)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_are_sums_of_columns(dtype: Any) -> None:
    compiled = compare(lambda: World(Rows(dtype)), rows(dtype=dtype), dtype)
    assert "layer_norm" not in str(compiled.plan)
    assert len(compiled.plan.calls) == 1


@walked("which", ["scale", "shift", "both"])
def test_frozen_parameters_of_rows(which: str) -> None:
    def make() -> World:
        model = Rows()
        for layer in (model.first, model.second):
            for name, parameter in layer.named_parameters():
                parameter.requires_grad_(name not in FROZEN[which])
        return World(model, optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))

    compare(make, rows())


FROZEN = {"scale": ("weight",), "shift": ("bias",), "both": ("weight", "bias")}


@pytest.mark.parametrize("which", FROZEN)
def test_parameters_that_are_frozen(which: str) -> None:
    def make() -> World:
        model = Network()
        for name, parameter in model.second.named_parameters():
            parameter.requires_grad_(name not in FROZEN[which])
        return World(model, optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1))

    compare(make, images())


def test_running_averages_follow_training_and_are_used_in_evaluation() -> None:
    def make() -> Any:
        cr.seed(0)
        return Network()

    one, other = make(), make()
    compiled = cr.compile(other)
    for k, (x, _) in enumerate(images(6)):
        for model in (one, other):
            model.train(k % 3 != 2)
        expected, found = one(x), compiled(x)
        assert_close({"y": np.asarray(found.detach())}, {"y": np.asarray(expected.detach())})
    before, after = one.state_dict(), other.state_dict()
    assert_close(after, before)
    assert not np.allclose(after["second.running_mean"], 0)


def test_second_derivatives_go_through_the_composite() -> None:
    x = images(1, np.float64)[0][0]
    gamma, beta = np.ones(4), np.zeros(4)

    def slope(x: Any) -> Any:
        y = nn.functional.batch_norm(x, None, None, gamma, beta, training=True)
        return cr.grad(lambda g: (np.tanh(nn.functional.batch_norm(x, None, None, g, beta, training=True)) * y).sum())(
            gamma
        )

    f = cr.grad(lambda x: slope(x).sum())
    np.testing.assert_allclose(cr.compile(f)(x), f(x), rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", ["batch_norm", "layer_norm", "rms_norm"])
def test_scales_that_are_arrays_of_the_users(name: str) -> None:
    """What a rule keeps then holds what watches the array as well."""
    x = images(1, np.float64)[0][0]
    gamma = np.linspace(1, 2, x.shape[1 if name == "batch_norm" else -1])

    def y(x: Any) -> Any:
        if name == "batch_norm":
            return nn.functional.batch_norm(x, None, None, gamma, 0 * gamma, training=True)
        if name == "layer_norm":
            return nn.functional.layer_norm(x, gamma.shape, gamma, 0 * gamma)
        return nn.functional.rms_norm(x, gamma.shape, gamma)

    f = cr.grad(lambda x: np.tanh(y(x)).sum())
    np.testing.assert_allclose(cr.compile(f)(x), f(x), rtol=1e-8, atol=1e-12)
