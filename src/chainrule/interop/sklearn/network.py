"""The network and its loss as pure functions of the parameters and a batch: what a training step differentiates."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule import nn
from chainrule.core.tensor import value_of
from chainrule.nn import functional
from chainrule.nn.dropout import dropout

from .losses import RowLoss

Array: TypeAlias = Any
Batch: TypeAlias = tuple[Array, Array, Array | None]
"""The rows `[B, n]`, their targets, and the weight of each row, or None if all weights are equal."""

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "identity": lambda x: x,
    "logistic": functional.sigmoid,
    **{
        name: getattr(functional, name)
        for name in (
            *("celu", "elu", "gelu", "hardsigmoid", "hardswish", "hardtanh", "leaky_relu", "logsigmoid", "mish"),
            *("relu", "relu6", "selu", "sigmoid", "silu", "softplus", "softsign", "tanh", "tanhshrink"),
        )
    },
}
"""What `activation` may name: scikit-learn's four, and the elementwise functions of `chainrule.nn.functional`."""


class Network:
    """Linear layers with one activation between them; the parameters, `[W1, b1, W2, b2, …]`, are passed to each call.

    `drop` is the probability with which each hidden unit is dropped in training, by `generator`.
    """

    def __init__(self, activation: str | Callable[[Array], Array], loss: RowLoss, drop: float, generator: Any) -> None:
        self.activation = activation if callable(activation) else ACTIVATIONS[activation]
        self.criterion = loss
        self.drop = drop
        self.generator = generator

    def outputs(self, parameters: Sequence[Array], x: Array, training: bool = False) -> Array:
        """Return the last layer's result for the rows `x`, before the output activation."""
        for k in range(0, len(parameters), 2):
            if k:
                x = self._activated(x)
                if training and self.drop:
                    x = dropout(x, self.drop, True, self.generator)
            w, b = parameters[k : k + 2]
            x = x @ w + b if hasattr(x, "tocsr") else functional.linear(x, w, b)  # sparse rows need their own product
        return x

    def _activated(self, x: Array) -> Array:
        y = self.activation(x)
        if getattr(y, "shape", None) != x.shape:
            raise ValueError(
                f"activation: expected an array of the shape {x.shape} that it was given, got "
                f"{getattr(y, 'shape', type(y).__name__)}"
            )
        return y

    def loss(self, parameters: Sequence[Array], batch: Batch) -> Array:
        """Return the mean loss of a batch in training, without the penalty: a scalar."""
        x, targets, weight = batch
        return self.criterion.mean(self.outputs(parameters, x, training=True), targets, weight)


def loss_and_gradients(network: Network, parameters: Sequence[Array], batch: Batch) -> tuple[float, list[Array]]:
    """Return a batch's loss and its gradient with respect to each parameter, from one function per step.

    `parameters` are leaves of the eager tape, which costs less per step than a transform.
    """
    loss = network.loss(parameters, batch)
    loss.backward()
    gradients = []
    for parameter in parameters:
        gradients.append(value_of(parameter.grad))
        parameter.grad = None
    return float(np.asarray(value_of(loss))), gradients


class Activation(nn.Module):
    """An activation, given by its name in `chainrule.nn.functional` or as a user's function."""

    def __init__(self, activation: str | Callable[[Any], Any]) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`."""
        return (self.activation if callable(self.activation) else ACTIVATIONS[self.activation])(x)

    def extra_repr(self) -> str:
        """Return the function it calls."""
        return self.activation if isinstance(self.activation, str) else repr(self.activation)


MODULES: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "logistic": nn.Sigmoid,
    "sigmoid": nn.Sigmoid,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "leaky_relu": nn.LeakyReLU,
    "softplus": nn.Softplus,
}


def sequential(weights: Sequence[Any], biases: Sequence[Any], activation: Any, dropout: float) -> nn.Sequential:
    """Return linear layers with the activation between them, in evaluation mode."""
    modules: list[nn.Module] = []
    for k, (w, b) in enumerate(zip(weights, biases, strict=True)):
        if k:
            known = MODULES.get(activation) if isinstance(activation, str) else None
            modules += [known() if known else Activation(activation), *([nn.Dropout(dropout)] if dropout else [])]
        layer = nn.Linear(w.shape[0], w.shape[1], dtype=w.dtype)
        layer.load_state_dict({"weight": w, "bias": b})
        modules.append(layer)
    model = nn.Sequential(*modules)
    model.eval()
    return model
