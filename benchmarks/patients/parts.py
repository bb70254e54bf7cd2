"""What patients are made of: data, builders, and the record of one patient."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import chainrule as cr
from chainrule import nn, optim

CE = nn.CrossEntropyLoss
Batches = list[tuple[np.ndarray, np.ndarray]]


@dataclass(frozen=True)
class Patient:
    """A network, and what is wrong with it: the code and the layer ("" for the whole of it). `code` "healthy" is well.

    `build()` returns model, loss, batches, optimiser.
    """

    name: str
    code: str
    layer: str
    build: Callable[[], tuple[Any, Any, Any, Any]]


SICK: list[Patient] = []
HEALTHY: list[Patient] = []


def sick(name: str, code: str, layer: str) -> Any:
    """Register what the decorated function builds."""
    return _registering(SICK, name, code, layer)


def well(name: str) -> Any:
    """Register what the decorated function builds."""
    return _registering(HEALTHY, name, "healthy", "")


def _registering(where: list[Patient], name: str, code: str, layer: str) -> Any:
    def register(build: Any) -> Any:
        where.append(Patient(name, code, layer, build))
        return build

    return register


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def classes(samples: int = 256, size: int = 32, features: int = 20, k: int = 4, seed: int = 0) -> Batches:
    """Samples whose class is the largest of some linear functions: any sound network learns it."""
    r = rng(seed)
    x = r.normal(size=(samples, features)).astype(np.float32)
    return cut(x, (x @ r.normal(size=(features, k))).argmax(axis=1), size)


def numbers(samples: int = 256, size: int = 32, features: int = 12, targets: int = 2, scale: float = 1.0) -> Batches:
    """Samples with smooth targets of about the given scale."""
    r = rng(1)
    x = r.normal(size=(samples, features)).astype(np.float32)
    y = scale * np.tanh(x @ r.normal(size=(features, targets)) / 2) + scale * 0.05 * r.normal(size=(samples, targets))
    return cut(x, y.astype(np.float32), size)


def images(samples: int = 128, size: int = 32) -> Batches:
    """Images [1, 12, 12] with a bright square in one of four corners."""
    r = rng(2)
    y = r.integers(0, 4, samples)
    x = 0.3 * r.normal(size=(samples, 1, 12, 12))
    for k, corner in enumerate(y):
        row, column = 6 * (corner // 2), 6 * (corner % 2)
        x[k, 0, row : row + 5, column : column + 5] += 1.5
    return cut(x.astype(np.float32), y, size)


def tokens(samples: int = 96, size: int = 16, length: int = 12, vocabulary: int = 11) -> Batches:
    """Sequences in which each token is a fixed function of the one before; the target is the next token."""
    r = rng(3)
    follows = r.permutation(vocabulary)
    rows = [r.integers(0, vocabulary, samples)]
    for _ in range(length):
        rows.append(follows[rows[-1]])
    sequence = np.stack(rows, axis=1)
    return cut(sequence[:, :-1], sequence[:, 1:], size)


def series(samples: int = 128, size: int = 32, length: int = 30, features: int = 4) -> Batches:
    """Series whose class is the sign of the sum of the first feature over all times."""
    r = rng(4)
    x = r.normal(size=(samples, length, features)).astype(np.float32)
    x[:, 0, 0] += 3 * r.choice([-1, 1], samples)
    return cut(x, (x[:, 0, 0] > 0).astype(np.int64), size)


def cut(x: np.ndarray, y: np.ndarray, size: int) -> Batches:
    return [(x[i : i + size], y[i : i + size]) for i in range(0, len(x), size)]


def mlp(
    depth: int,
    activation: Callable[[], nn.Module] = nn.ReLU,
    init: Any = "kaiming",
    width: int = 32,
    features: int = 20,
    out: int = 4,
    last: Any = "xavier",
) -> nn.Sequential:
    """`depth` hidden layers and a linear one."""
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(features, width, init=init), activation()]
        features = width
    return nn.Sequential(*layers, nn.Linear(features, out, init=last))


def normal(std: float) -> Callable[..., np.ndarray]:
    """An initialisation with a fixed standard deviation."""

    def draw(shape: Any, generator: Any = None, dtype: Any = np.float32) -> np.ndarray:
        source = generator or rng(5)
        return (std * source.standard_normal(shape)).astype(dtype)

    return draw


def scaled(factor: float, init: Any = nn.init.kaiming) -> Callable[..., np.ndarray]:
    """Another initialisation, times a factor."""
    return lambda shape, generator=None, dtype=np.float32: factor * init(shape, generator=generator, dtype=dtype)


def filled(value: float) -> Callable[..., np.ndarray]:
    """An initialisation that gives every weight one value."""
    return lambda shape, dtype=np.float32, **_: np.full(shape, value, dtype)


def sgd(model: nn.Module, lr: float = 0.1, **settings: Any) -> optim.Optimizer:
    return optim.SGD(model.parameters(), lr=lr, **settings)


def adam(model: nn.Module, lr: float = 3e-3) -> optim.Optimizer:
    return optim.Adam(model.parameters(), lr=lr)


class Recurrent(nn.Module):
    """A plain recurrent network: h ← f(x W + h U), and a linear layer on the last h."""

    def __init__(self, features: int = 4, width: int = 24, out: int = 2, activation: Any = np.tanh) -> None:
        super().__init__()
        self.input = nn.Linear(features, width, init="xavier")
        self.hidden = nn.Linear(width, width, bias=False, init="orthogonal")
        self.output = nn.Linear(width, out, init="xavier")
        self.activation = activation
        self.width = width

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        h = np.zeros((len(x), self.width), np.float32)
        for t in range(x.shape[1]):
            h = self.activation(self.input(x[:, t]) + self.hidden(h))
        return self.output(h)


class Attending(nn.Module):
    """One attention over a sequence of vectors, by hand or by the fused operation, and a linear layer on its mean."""

    def __init__(self, d: int = 64, scale: float | None = None, by_hand: bool = False, out: int = 2) -> None:
        super().__init__()
        self.embed = nn.Linear(4, d, init="lecun")
        self.norm = nn.LayerNorm(d)
        self.query = nn.Linear(d, d, init="lecun")
        self.key = nn.Linear(d, d, init="lecun")
        self.value = nn.Linear(d, d, init="lecun")
        self.output = nn.Linear(d, out, init="xavier")
        self.scale, self.by_hand, self.d = scale, by_hand, d

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        h = self.norm(self.embed(x))
        q, k, v = self.query(h), self.key(h), self.value(h)
        if self.by_hand:
            scale = self.d**-0.5 if self.scale is None else self.scale
            y = cr.softmax(q @ np.swapaxes(k, -1, -2) * np.float32(scale)) @ v
        else:
            y = nn.functional.scaled_dot_product_attention(q, k, v, scale=self.scale)
        return self.output(y.mean(axis=1))


class Language(nn.Module):
    """A small GPT: embeddings of tokens and places, blocks, a last normalisation, logits."""

    def __init__(self, blocks: int = 2, d: int = 32, vocabulary: int = 11, length: int = 12) -> None:
        super().__init__()
        self.token = nn.Embedding(vocabulary, d)
        self.place = nn.Embedding(length, d)
        self.blocks = nn.Sequential(*(nn.TransformerBlock(d, 4) for _ in range(blocks)))
        self.norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, vocabulary, init="xavier")

    def forward(self, x: Any) -> Any:
        """Return the outputs."""
        h = self.token(x) + self.place(np.arange(x.shape[1]))
        for block in self.blocks:
            h = block(h, causal=True)
        return self.head(self.norm(h))


def trained(model: nn.Module, loss: Any, batches: Batches, optimizer: Any, epochs: int) -> nn.Module:
    """Train a model, as far as the doctor is to see it."""
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            loss(model(x), y).backward()
            optimizer.step()
    return model


def usual(model: nn.Module, lr: float = 0.1) -> tuple[Any, Any, Any, Any]:
    """The task and the optimiser that most patients share."""
    return model, CE(), classes(), sgd(model, lr)
