"""Networks that are sick, each in one known way."""

from typing import Any

import numpy as np
from doctor_patients import (
    CE,
    Attending,
    Patient,
    Recurrent,
    adam,
    classes,
    cut,
    images,
    mlp,
    normal,
    numbers,
    rng,
    scaled,
    series,
    sgd,
)

import chainrule as cr
from chainrule import nn

SICK: list[Patient] = []


def sick(name: str, code: str, layer: str) -> Any:
    """Register what the decorated function builds."""

    def register(build: Any) -> Any:
        SICK.append(Patient(name, code, layer, build))
        return build

    return register


def usual(model: nn.Module, lr: float = 0.1) -> tuple[Any, Any, Any, Any]:
    """The task and the optimiser that most patients share."""
    return model, CE(), classes(), sgd(model, lr)


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


@sick("recurrent network that explodes through time: ReLU, recurrent weights 1.6 × orthogonal", "exploding", "hidden")
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
    fill = lambda shape, generator=None, dtype=np.float32: np.full(shape, 0.1, dtype)  # noqa: E731, ARG005
    return usual(mlp(3, nn.Tanh, fill, last=fill))


@sick("normal weights of 0.01 in 6 layers", "bad-initialisation", "0")
def tiny() -> Any:
    return usual(mlp(6, nn.ReLU, normal(0.01)))


@sick("tanh without scaling: normal weights of 1", "bad-initialisation", "0")
def unscaled_tanh() -> Any:
    return usual(mlp(5, nn.Tanh, normal(1.0), width=64))


@sick("ReLU without scaling: normal weights of 1 in 8 layers", "bad-initialisation", "2")
def unscaled_relu() -> Any:
    return usual(mlp(8, nn.ReLU, normal(1.0), width=64), 0.01)


@sick("one layer of eight 1,000 times too small", "bad-initialisation", "6")
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
    model = Attending(128, scale=1.0)
    return model, CE(), series(), adam(model)


@sick("attention without 1/√d, by hand", "saturated", "")
def unscaled_by_hand() -> Any:
    model = Attending(128, scale=1.0, by_hand=True)
    return model, CE(), series(), adam(model)


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


# Gradients that are cut


class Detached(nn.Module):
    """Two branches, one of them detached."""

    def __init__(self) -> None:
        super().__init__()
        self.main = nn.Linear(10, 16)
        self.branch = nn.Linear(10, 16)
        self.head = nn.Linear(32, 4, init="xavier")

    def forward(self, x: Any) -> Any:
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
        return self.head(cr.stop_gradient(np.tanh(self.trunk(x))))


class Plain(nn.Module):
    """Values that leave the tape and come back."""

    def __init__(self) -> None:
        super().__init__()
        self.trunk = nn.Linear(20, 16)
        self.head = nn.Linear(16, 4, init="xavier")

    def forward(self, x: Any) -> Any:
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
    model = nn.Sequential(
        nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 1, init="xavier"), nn.LayerNorm(1)
    )
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
        return self.head(np.log(self.first(x)))


class Root(nn.Module):
    """A norm by hand: the root's slope at 0 is infinite."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(20, 16)
        self.head = nn.Linear(16, 4, init="xavier")

    def forward(self, x: Any) -> Any:
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
