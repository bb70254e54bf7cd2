"""What is trained: the sizes, the weights at the beginning and the batches, alike for every candidate.

Weights have chainrule's names and shapes: a linear layer's is `[in, out]`.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]
BATCHES = 8
LENET_SHAPES = {
    "0.weight": (6, 1, 5, 5),
    "0.bias": (6,),
    "3.weight": (16, 6, 5, 5),
    "3.bias": (16,),
    "7.weight": (400, 120),
    "7.bias": (120,),
    "9.weight": (120, 84),
    "9.bias": (84,),
    "11.weight": (84, 10),
    "11.bias": (10,),
}
RESNET_BLOCKS = ((16, 16, 1), (16, 32, 2), (32, 64, 2))
"""Input channels, output channels and stride of each block: He et al. 2015 for CIFAR-10, one block a stage."""


@dataclass(frozen=True)
class Product:
    """`count` products of a matrix `[m, k]` with one `[k, n]`, of its own each time."""

    m: int
    k: int
    n: int
    count: int = 1

    def backward(self, of_input: bool = True) -> "Iterator[Product]":
        """Yield the products that the two cotangents take."""
        yield Product(self.k, self.m, self.n, self.count)
        if of_input:
            yield Product(self.m, self.n, self.k, self.count)


@dataclass(frozen=True)
class Case:
    """One network with its optimiser."""

    name: str
    kind: str
    batch: int
    layers: tuple[int, ...] = ()
    """The units of a perceptron's layers."""
    depth: int = 0
    width: int = 0
    heads: int = 0
    tokens: int = 0
    """The length of a transformer's or a recurrent network's sequences."""
    vocabulary: int = 0
    decay: float = 0.0
    """AdamW's weight decay; plain Adam where it is 0."""
    lr: float = 1e-3
    compared: int = 3
    """After how many steps weights are compared."""
    no_gradient: float = 1e-9
    """Weights whose gradients are that much smaller than the largest are not compared: they are 0 but for rounding (the
    bias of attention's keys), and Adam, which divides a gradient by its own size, makes full steps of rounding."""

    def weights(self) -> Weights:
        """Return the weights at the beginning."""
        random = np.random.default_rng(0)
        return {name: _initial(random, name, shape) for name, shape in self._shapes().items()}

    def batches(self) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return the batches that are gone through in rotation."""
        random = np.random.default_rng(1)
        found = []
        for _ in range(BATCHES):
            if self.kind == "gpt":
                x, y = random.integers(0, self.vocabulary, (2, self.batch, self.tokens))
            else:
                x = random.normal(size=(self.batch, *self._of_one())).astype(np.float32)
                y = random.integers(0, self.layers[-1] if self.kind == "mlp" else 10, self.batch)
            found.append((x, y))
        return found

    def _of_one(self) -> tuple[int, ...]:
        if self.kind == "mlp":
            return (self.layers[0],)
        return {"lenet": (1, 28, 28), "resnet": (3, 32, 32), "lstm": (self.tokens, self.width)}[self.kind]

    def _shapes(self) -> dict[str, tuple[int, ...]]:
        if self.kind == "lenet":
            return LENET_SHAPES
        if self.kind == "resnet":
            return _resnet()
        if self.kind == "lstm":
            return _lstm(self.width)
        if self.kind == "mlp":
            shapes: dict[str, tuple[int, ...]] = {}
            for k, (n, m) in enumerate(pairwise(self.layers)):
                shapes |= {f"{2 * k}.weight": (n, m), f"{2 * k}.bias": (m,)}
            return shapes
        d = self.width
        shapes = {"tokens.weight": (self.vocabulary, d), "positions": (self.tokens, d)}
        for k in range(self.depth):
            shapes |= {f"blocks.{k}.{name}": shape for name, shape in _block(d).items()}
        return shapes | {"norm.weight": (d,), "norm.bias": (d,), **_linear("head", d, self.vocabulary)}

    def products(self) -> list[Product]:
        """Return the matrix products of one step, forward and backward, those of convolutions as windows @ weights."""
        if self.kind == "mlp":
            forward = [Product(self.batch, n, m) for n, m in pairwise(self.layers)]
        elif self.kind == "lenet":
            windows = [Product(self.batch * 28 * 28, 25, 6), Product(self.batch * 10 * 10, 150, 16)]
            forward = windows + [Product(self.batch, n, m) for n, m in pairwise((400, 120, 84, 10))]
        elif self.kind == "resnet":
            forward = self._windows_of_resnet()
        elif self.kind == "lstm":
            return self._products_of_lstm()
        else:
            return self._products_of_gpt()
        first, *others = forward
        return [*forward, *first.backward(of_input=False), *(b for p in others for b in p.backward())]

    def _windows_of_resnet(self) -> list[Product]:
        size = 32
        found = [Product(self.batch * size * size, 27, 16)]
        for n, m, stride in RESNET_BLOCKS:
            size //= stride
            pixels = self.batch * size * size
            found += [Product(pixels, 9 * n, m), Product(pixels, 9 * m, m)]
            found += [Product(pixels, n, m)] if n != m else []
        return [*found, Product(self.batch, 64, 10)]

    def _products_of_lstm(self) -> list[Product]:
        """Return those of an LSTM that multiplies all inputs at once, and sums a weight's gradient over all steps."""
        rows, d = self.batch * self.tokens, self.width
        steps = [Product(self.batch, d, 4 * d, self.tokens), Product(self.batch, 4 * d, d, self.tokens)]
        head = Product(self.batch, d, 10)
        return [Product(rows, d, 4 * d), *steps, Product(d, rows, 4 * d, 2), head, *head.backward()]

    def _products_of_gpt(self) -> list[Product]:
        rows, d, n = self.batch * self.tokens, self.width, self.tokens
        pairs = self.batch * self.heads
        block = [
            Product(rows, d, 3 * d),  # queries, keys and values
            Product(n, d // self.heads, n, pairs),  # scores
            Product(n, n, d // self.heads, pairs),  # weighted values
            Product(rows, d, d),
            Product(rows, d, 4 * d),
            Product(rows, 4 * d, d),
        ]
        forward = block * self.depth + [Product(rows, d, self.vocabulary)]
        return [*forward, *(b for p in forward for b in p.backward())]


def _linear(name: str, n: int, m: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}.weight": (n, m), f"{name}.bias": (m,)}


def _resnet() -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"first.weight": (16, 3, 3, 3), "norm.weight": (16,), "norm.bias": (16,)}
    for k, (n, m, _) in enumerate(RESNET_BLOCKS):
        shapes |= {f"blocks.{k}.first.weight": (m, n, 3, 3), f"blocks.{k}.second.weight": (m, m, 3, 3)}
        shapes |= {f"blocks.{k}.norm{j}.{part}": (m,) for j in (1, 2) for part in ("weight", "bias")}
        if n != m:
            shapes |= {f"blocks.{k}.short.weight": (m, n, 1, 1), f"blocks.{k}.short.bias": (m,)}
    return shapes | _linear("head", 64, 10)


def _lstm(d: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {f"cell.weight_{part}_l0": (d, 4 * d) for part in ("ih", "hh")}
    return shapes | {f"cell.bias_{part}_l0": (4 * d,) for part in ("ih", "hh")} | _linear("head", d, 10)


def _block(d: int) -> dict[str, tuple[int, ...]]:
    shapes: dict[str, tuple[int, ...]] = {"norm1.weight": (d,), "norm1.bias": (d,)}
    for name in ("query", "key", "value", "output"):
        shapes |= _linear(f"attention.{name}", d, d)
    shapes |= {"norm2.weight": (d,), "norm2.bias": (d,)}
    return shapes | _linear("mlp.0", d, 4 * d) | _linear("mlp.2", 4 * d, d)


def _initial(random: Any, name: str, shape: tuple[int, ...]) -> np.ndarray:
    """Return normal values: of variance 1 / inputs for weights, small for biases and embeddings, about 1 for scales."""
    drawn = random.normal(size=shape)
    if "norm" in name and name.endswith("weight"):
        drawn = 1 + 0.02 * drawn
    elif len(shape) == 1 or name in ("tokens.weight", "positions"):
        drawn *= 0.02
    else:
        drawn /= math.sqrt(shape[0] if len(shape) == 2 else math.prod(shape[1:]))
    return drawn.astype(np.float32)


PARTS = ("query", "key", "value")


def fused(weights: Weights) -> Weights:
    """Return the weights with queries, keys and values as one layer, "attention.all", as the peers do it."""
    found = {}
    for name, w in weights.items():
        if ".query." in name:
            parts = [weights[name.replace("query", part)] for part in PARTS]
            found[name.replace("query", "all")] = np.concatenate(parts, -1)
        elif ".key." not in name and ".value." not in name:
            found[name] = w
    return found


def unfused(weights: Weights) -> Weights:
    """Undo `fused`."""
    found = {}
    for name, w in weights.items():
        if ".all." in name:
            found |= {name.replace("all", p): part for p, part in zip(PARTS, np.split(w, 3, -1), strict=True)}
        else:
            found[name] = w
    return found


CASES = [
    Case("MLP 2-4-2", "mlp", 4, (2, 4, 2)),
    Case("MLP 64-64-10", "mlp", 32, (64, 64, 10)),
    Case("MLP 784-300-10", "mlp", 64, (784, 300, 10)),
    Case("MLP 784-512-512-10", "mlp", 128, (784, 512, 512, 10)),
    Case("MLP 784-2048-2048-10", "mlp", 256, (784, 2048, 2048, 10)),
    Case("GPT", "gpt", 16, depth=4, width=128, heads=4, tokens=128, vocabulary=65, decay=0.1),
    Case("LeNet-5", "lenet", 64),
    Case("ResNet-8", "resnet", 64, compared=1, no_gradient=1e-3),  # its first steps turn on signs of tiny gradients
    Case("LSTM", "lstm", 32, width=128, tokens=64),
]
