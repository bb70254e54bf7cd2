"""A fitted network as a module."""

from collections.abc import Callable, Sequence
from typing import Any

from chainrule import nn

from .network import ACTIVATIONS


class Activation(nn.Module):
    """An activation by its name in `chainrule.nn.functional`, or a function of the user's own."""

    def __init__(self, activation: str | Callable[[Any], Any]) -> None:
        super().__init__()
        self.activation = activation

    def forward(self, x: Any) -> Any:
        """Return the activation of `x`."""
        return (self.activation if callable(self.activation) else ACTIVATIONS[self.activation])(x)

    def extra_repr(self) -> str:
        """Return what it calls."""
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
