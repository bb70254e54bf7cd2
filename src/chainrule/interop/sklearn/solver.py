"""The parameters of a network in one contiguous array, and the optimiser that updates them.

All weights come first, then all biases: an optimiser step is a few passes over one array instead of over each
parameter.
"""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule import optim
from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Leaf
from chainrule.core.traces.tape import EAGER

from .network import Batch, Network, loss_and_gradients

Array: TypeAlias = Any


class Adam(optim.Adam):
    """Adam with scikit-learn's ε, added to √v before v is bias-corrected: the "epsilon hat" of its paper."""

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        return _with_hat(super()._numbers(kernel, step, settings))


class AdamW(optim.AdamW):
    """AdamW with the same ε."""

    def _numbers(self, kernel: str, step: Any, settings: Mapping[str, Any]) -> tuple[Any, ...]:
        return _with_hat(super()._numbers(kernel, step, settings))


def _with_hat(numbers: tuple[Any, ...]) -> tuple[Any, ...]:
    rate, beta1, beta2, divisor, eps, *rest = numbers
    return rate, beta1, beta2, divisor, eps / divisor, *rest


OPTIMISERS = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": optim.SGD,
    "rmsprop": optim.RMSprop,
    "adagrad": optim.Adagrad,
}
SMALLEST_RATE = 1e-6
"""The smallest rate of `learning_rate="adaptive"`, as in scikit-learn."""


class Solver:
    """Parameters for the given layer sizes `[n, …, outputs]` in one dtype, and an optimiser given by name and settings.

    `weights` and `biases` are views, one of each per layer; writing to them changes the network.
    """

    def __init__(self, sizes: Sequence[int], dtype: Any, name: str, settings: dict[str, Any]) -> None:
        self.sizes = list(sizes)
        self.name, self.settings = name, settings
        pairs = list(zip(self.sizes, self.sizes[1:], strict=False))
        self.split = sum(a * b for a, b in pairs)
        self.flat = np.zeros(self.split + sum(self.sizes[1:]), dtype)
        self._arrange()

    def _arrange(self) -> None:
        """Create the views of the memory and a fresh optimiser."""
        self.weights: list[Array] = []
        self.biases: list[Array] = []
        start, bias = 0, self.split
        for a, b in zip(self.sizes, self.sizes[1:], strict=False):
            self.weights.append(self.flat[start : start + a * b].reshape(a, b))
            self.biases.append(self.flat[bias : bias + b])
            start, bias = start + a * b, bias + b
        pairs = zip(self.weights, self.biases, strict=True)
        self.parameters = [_leaf(view) for pair in pairs for view in pair]
        self.gradient = np.zeros_like(self.flat)
        self.optimiser = None if self.name == "lbfgs" else self._optimiser()

    def _optimiser(self) -> optim.Optimizer:
        groups: list[dict[str, Any]] = []
        for part, decays in ((slice(None, self.split), True), (slice(self.split, None), False)):
            leaf = _leaf(self.flat[part])
            leaf.grad = self.gradient[part]  # the same memory from here on
            groups.append({"params": [leaf]} if decays else {"params": [leaf], "weight_decay": 0.0})
        if self.name != "adamw":  # weights and biases are treated alike, so one array will do
            leaf = _leaf(self.flat)
            leaf.grad = self.gradient
            groups = [{"params": [leaf]}]
        make: Any = OPTIMISERS[self.name]
        settings = {"eps" if key == "epsilon" else key: value for key, value in self.settings.items()}
        optimiser: optim.Optimizer = make(groups, **settings)
        return optimiser

    # Steps

    def differentiate(self, network: Network, batch: Batch, alpha: float) -> tuple[float, float]:
        """Write the gradient of the batch's loss and penalty to `gradient`; return loss and penalty.

        The penalty is scikit-learn's: ½ α ‖W‖² divided by the batch's rows, or by the sum of their weights.
        """
        loss, gradients = loss_and_gradients(network, self.parameters, batch)
        np.concatenate([g.reshape(-1) for g in (*gradients[::2], *gradients[1::2])], out=self.gradient)
        if not alpha:
            return loss, 0.0
        x, _, weight = batch
        strength = alpha / (x.shape[0] if weight is None else float(weight.sum()))
        weights = self.flat[: self.split]
        self.gradient[: self.split] += strength * weights
        return loss, 0.5 * strength * float(np.dot(weights, weights))

    def gradient_parts(self) -> list[Array]:
        """Return the view of `gradient` for each parameter."""
        pieces = (self.gradient[: self.split], self.gradient[self.split :])
        ends = [np.cumsum([view.size for view in views])[:-1] for views in (self.weights, self.biases)]
        of_weights, of_biases = (np.split(piece, end) for piece, end in zip(pieces, ends, strict=True))
        of_weights = [part.reshape(view.shape) for part, view in zip(of_weights, self.weights, strict=True)]
        return [part for pair in zip(of_weights, of_biases, strict=True) for part in pair]

    def step(self) -> None:
        """Update the parameters with the gradient."""
        assert self.optimiser is not None
        self.optimiser.step()

    @property
    def rate(self) -> float:
        """The learning rate of the next step."""
        assert self.optimiser is not None
        return float(self.optimiser.param_groups[0]["lr"])

    def set_rate(self, rate: float) -> None:
        """Set the learning rate.

        The momentum of scikit-learn's gradient descent accumulates steps, that of `SGD` gradients: it is rescaled so
        that the accumulated steps stay the same.
        """
        assert self.optimiser is not None
        before = self.rate
        for group in self.optimiser.param_groups:
            group["lr"] = rate
            for leaf in group["params"]:
                buffer = self.optimiser._state.get(leaf, {}).get("momentum_buffer")
                if buffer is not None:
                    buffer *= before / rate

    # Copies

    def take(self, weights: Sequence[Array], biases: Sequence[Array]) -> None:
        """Copy other parameters of the same shapes into this memory, unless they are already in it."""
        for view, new in zip((*self.weights, *self.biases), (*weights, *biases), strict=True):
            if view is not new:
                view[...] = new

    def __getstate__(self) -> dict[str, Any]:
        """Return what a copy needs: the values and the optimiser's state, not the views."""
        kept = {key: getattr(self, key) for key in ("sizes", "name", "settings", "split", "flat")}
        return {**kept, "optimiser": self.optimiser and self.optimiser.state_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        memory = state.pop("optimiser")
        self.__dict__.update(state)
        self.flat = np.array(self.flat)  # it may be a read-only memory map of a file
        self._arrange()
        if self.optimiser is not None:
            self.optimiser.load_state_dict(memory)
            for group in self.optimiser.param_groups:
                if "epsilon" in self.settings:  # earlier versions have changed it at every step
                    group["eps"] = self.settings["epsilon"]


def _leaf(view: Array) -> Tensor:
    """Return a leaf of the eager tape over this very memory."""
    return Tensor(view, EAGER, Leaf(view.shape, view.dtype))
