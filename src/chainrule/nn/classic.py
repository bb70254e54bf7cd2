r"""Backpropagation written out by hand: layers with a `forward` and a `backward`, without the engine.

Everything here is plain NumPy in float64, to be read alongside the derivation: a layer keeps what its backward pass
needs, takes ∂L/∂(output), returns ∂L/∂(input), and leaves its parameters' gradients in `dW` and `db`. L is the mean
over the batch; its factor 1/B is in ∂L/∂(logits) and is carried along from there.

`backprop` computes the same gradients for any number of layers with chainrule's engine.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.random import default_generator
from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import grad
from chainrule.rules.network.activation import relu
from chainrule.rules.network.linear import linear
from chainrule.rules.network.loss import cross_entropy

from .init import Generator, kaiming
from .inputs import positive_size

Layers = Sequence[tuple[Any, Any]]


class Linear:
    r"""$z = x W + b$: $\mathrm{dW} = x^\top\,\mathrm{dout}$, $\mathrm{db} = \sum_\text{rows} \mathrm{dout}$,
    $\mathrm{dx} = \mathrm{dout}\,W^\top$.

    `W [in, out]` gets He initialisation, √(2/in) (He et al. 2015), and `b [out]` starts at zero.

    >>> layer = Linear(2, 3)
    >>> layer.forward(np.ones((4, 2))).shape, layer.backward(np.ones((4, 3))).shape, layer.dW.shape
    ((4, 3), (4, 2), (2, 3))
    """

    def __init__(self, in_features: int, out_features: int, generator: Generator = None) -> None:
        self.W = kaiming((in_features, out_features), generator=generator)
        self.b = np.zeros(out_features)
        self.dW = np.zeros_like(self.W)
        self.db = np.zeros_like(self.b)

    def forward(self, x: Any) -> Any:
        """Return `[B, out]` for `x [B, in]`."""
        self.x = _batch("Linear", x, self.W.shape[0])
        return self.x @ self.W + self.b

    def backward(self, dout: Any) -> Any:
        """Set `dW` and `db` and return ∂L/∂x, for `dout` = ∂L/∂z `[B, out]`."""
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T


class ReLU:
    """max(0, x), with the derivative 0 at 0."""

    def forward(self, x: Any) -> Any:
        """Return `x` where it is positive, else 0."""
        self.positive = np.asarray(x) > 0
        return np.where(self.positive, x, 0.0)

    def backward(self, dout: Any) -> Any:
        """Return `dout` where `x` was positive, else 0."""
        return np.where(self.positive, dout, 0.0)


class Softmax:
    r"""$\hat y_i = e^{z_i} / \sum_j e^{z_j}$ by rows, with the derivative $\hat y_i ([i = j] - \hat y_j)$."""

    def forward(self, z: Any) -> Any:
        """Return probabilities `[B, k]`; the largest logit is subtracted first, so nothing overflows."""
        powers = np.exp(z - np.max(z, axis=-1, keepdims=True))
        self.y = powers / powers.sum(axis=-1, keepdims=True)
        return self.y

    def backward(self, dout: Any) -> Any:
        r"""Return $\hat y \odot (\mathrm{dout} - \operatorname{rowsum}(\mathrm{dout} \odot \hat y))$."""
        return self.y * (dout - (dout * self.y).sum(axis=-1, keepdims=True))


class CrossEntropyLoss:
    r"""$L = -\frac{1}{B} \sum_{bi} y_{bi} \log \operatorname{softmax}(z)_{bi}$ of logits, by log-sum-exp.

    >>> loss = CrossEntropyLoss()
    >>> float(loss.forward(np.array([[1e4, 0.0]]), np.array([[0.0, 1.0]])))
    10000.0
    >>> loss.backward()
    array([[ 1., -1.]])
    """

    def forward(self, z: Any, y: Any) -> float:
        """Return the mean loss of logits `[B, k]` and targets, probabilities `[B, k]` or classes `[B]`."""
        self.y = _targets(y, z.shape)
        shifted = z - z.max(axis=-1, keepdims=True)
        log_p = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
        self.y_hat = np.exp(log_p)
        return float(-(self.y * log_p).sum() / len(z))

    def backward(self) -> Any:
        r"""Return ∂L/∂z $= (\hat y \sum_i y_i - y) / B$, which is $(\hat y - y) / B$ as targets sum to one."""
        return (self.y_hat * self.y.sum(axis=-1, keepdims=True) - self.y) / len(self.y)


class NeuralNetwork:
    """Linear → ReLU → Linear → Softmax, trained with cross-entropy by gradient descent.

    `seed` fixes the initial weights; without it they come from the default generator. Inputs are `[B, input_dim]`,
    targets probabilities (one-hot rows) `[B, output_dim]` or class indices `[B]`.

    >>> x = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> y = np.array([0, 1, 1, 0])
    >>> network = NeuralNetwork(2, 8, 2, seed=0)
    >>> losses = [network.train_step(x, y, lr=0.5) for _ in range(500)]
    >>> network.predict(x)
    array([0, 1, 1, 0])
    """

    def __init__(self, input_dim: int, hidden_dim: int, output_dim: int, seed: int | None = None) -> None:
        sizes = {"input_dim": input_dim, "hidden_dim": hidden_dim, "output_dim": output_dim}
        for name, size in sizes.items():
            positive_size(f"NeuralNetwork: {name}", size)
        generator = default_generator() if seed is None else np.random.default_rng(seed)
        self.linear1 = Linear(input_dim, hidden_dim, generator)
        self.relu = ReLU()
        self.linear2 = Linear(hidden_dim, output_dim, generator)
        self.softmax = Softmax()
        self.loss = CrossEntropyLoss()

    def logits(self, x: Any) -> Any:
        """Return the logits, the softmax's input, `[B, output_dim]`."""
        return self.linear2.forward(self.relu.forward(self.linear1.forward(x)))

    def forward(self, x: Any) -> Any:
        """Return the probabilities `[B, output_dim]`."""
        return self.softmax.forward(self.logits(x))

    def backward(self, dout: Any) -> Any:
        """Set all gradients and return ∂L/∂x, for `dout` = ∂L/∂(probabilities); call `forward` first."""
        return self._backward_from_logits(self.softmax.backward(dout))

    def _backward_from_logits(self, dz: Any) -> Any:
        return self.linear1.backward(self.relu.backward(self.linear2.backward(dz)))

    def update(self, lr: float) -> None:
        """Take one step of gradient descent: every parameter minus `lr` times its gradient."""
        if not 0 <= lr < math.inf:
            raise ValueError(f"NeuralNetwork.update: lr: expected a finite number, 0 or more, got {lr}")
        for layer in (self.linear1, self.linear2):
            layer.W -= lr * layer.dW
            layer.b -= lr * layer.db

    def train_step(self, x: Any, y: Any, lr: float) -> float:
        """Take one step on a batch and return its loss before the step.

        The gradient starts at the logits, where softmax and cross-entropy together have the derivative (ŷ − y) / B.
        """
        loss = self.loss.forward(self.logits(x), y)
        self._backward_from_logits(self.loss.backward())
        self.update(lr)
        return loss

    def predict(self, x: Any) -> Any:
        """Return the most probable class of each row, integers `[B]`."""
        return self.logits(x).argmax(axis=-1)


def backprop(network: Layers, x: Any, y: Any) -> list[tuple[Any, Any]]:
    r"""Return `[(dW, db), …]`, the gradients of the mean loss with respect to the layers `[(W, b), …]`.

    `W [in, out]`, `b [out]`; ReLU between the layers, softmax and cross-entropy after the last. `x [B, in]`; `y` are
    probabilities (one-hot rows) `[B, out]` or class indices `[B]`. With $\delta^{(L)} = (\hat y - y) / B$ and
    $\delta^{(l)} = \delta^{(l+1)} W^{(l+1)\top} \odot [z^{(l)} > 0]$,
    $\mathrm{dW}^{(l)} = a^{(l-1)\top} \delta^{(l)}$ and $\mathrm{db}^{(l)} = \sum_\text{rows} \delta^{(l)}$.

    Raises ValueError or TypeError, with the layer's number, for shapes that do not match.

    >>> network = [(np.eye(2), np.zeros(2)), (np.eye(2), np.zeros(2))]
    >>> (dW1, db1), (dW2, db2) = backprop(network, np.array([[1.0, 1.0]]), np.array([[1.0, 0.0]]))
    >>> db2
    array([-0.5,  0.5])
    """
    layers = _checked_layers(network)
    x = _batch("backprop", x, layers[0][0].shape[0])
    y = _targets(y, (len(x), layers[-1][0].shape[1]))

    def loss(parameters: list[tuple[Any, Any]]) -> Any:
        a = x
        for W, b in parameters[:-1]:
            a = relu(linear(a, W, b))
        return cross_entropy(linear(a, *parameters[-1]), y)

    return grad(loss)(layers)  # type: ignore[no-any-return]


def _checked_layers(network: Layers) -> list[tuple[Any, Any]]:
    layers: list[tuple[Any, Any]] = []
    for number, layer in enumerate(network, 1):
        what = f"backprop: layer {number}"
        if not isinstance(layer, tuple | list) or len(layer) != 2:
            raise TypeError(f"{what}: expected a pair (W, b), got {type(layer).__name__}")
        W, b = (np.asarray(value_of(part), np.float64) for part in layer)
        if W.ndim != 2 or b.shape != W.shape[1:]:
            raise ValueError(f"{what}: expected W [in, out] and b [out], got {list(W.shape)} and {list(b.shape)}")
        if layers and layers[-1][0].shape[1] != W.shape[0]:
            raise ValueError(
                f"{what}: expected W with {layers[-1][0].shape[1]} rows, the outputs of layer {number - 1}, "
                f"got {list(W.shape)}"
            )
        layers.append((W, b))
    if not layers:
        raise ValueError("backprop: expected at least one layer (W, b), got none")
    return layers


def _batch(what: str, x: Any, features: int) -> Any:
    x = np.asarray(value_of(x), np.float64)
    if x.ndim != 2 or x.shape[1] != features:
        raise ValueError(f"{what}: x: expected [batch, {features}], got {list(x.shape)}")
    if not len(x):
        raise ValueError(f"{what}: x: expected at least one row; the mean loss of none is not defined")
    return x


def _targets(y: Any, shape: tuple[int, int]) -> Any:
    """Return targets as probabilities of this shape, from probabilities or class indices."""
    y = np.asarray(value_of(y))
    rows, classes = shape
    if y.shape == (rows,) and y.dtype.kind in "iu":
        if y.min() < 0 or y.max() >= classes:
            raise ValueError(f"y: expected classes from 0 to {classes - 1}, got {y.min()} to {y.max()}")
        return np.eye(classes)[y]
    if y.shape != shape or y.dtype.kind not in "fiub":
        raise ValueError(
            f"y: expected probabilities [{rows}, {classes}] or class indices [{rows}], got {y.dtype} {list(y.shape)}"
        )
    return y.astype(np.float64)
