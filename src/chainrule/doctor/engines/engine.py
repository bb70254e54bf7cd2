"""The doctor's interface to a library of networks: running, watching, copying and changing its models."""

import copy
import random
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import numpy as np

from chainrule.core import random as generators

from .trace import Record

FEW = 200_000
"""The most parameters of a small model."""
DEFAULT_LR = 3e-3
"""Adam's learning rate in trials if no optimiser was given."""


class Engine(ABC):
    """One library. It holds no model state."""

    nn: Any
    """The namespace of its modules: Linear, ReLU, Sequential, …"""
    home: str
    """The prefix of its own modules' names."""
    errors: tuple[type[Exception], ...]
    """The exceptions of a model that cannot run on a batch."""
    code: Mapping[str, str]
    """Lines of code for displaying remedies."""

    def __deepcopy__(self, memo: Any) -> "Engine":
        """Return the engine itself: a loss to be copied may be one of its methods."""
        return self

    # Input

    @abstractmethod
    def unwrapped(self, model: Any) -> Any:
        """Return the model without any wrapper that only runs it; raise TypeError if it cannot be watched."""

    @abstractmethod
    def plain(self, part: Any) -> Any:
        """Return a part of a batch as an array, or unchanged if it is not array-like."""

    @contextmanager
    def untouched(self, model: Any, batches: Any, seed: int) -> Iterator[None]:  # noqa: ARG002
        """Restore generators, gradients and modes on exit; inside, the default generators start from `seed`."""
        before, legacy, plain = list(generators._generators), np.random.get_state(), random.getstate()  # noqa: NPY002
        try:
            self.reseed(seed)
            with np.errstate(all="ignore"):
                yield
        finally:
            generators._generators[:] = before
            np.random.set_state(legacy)  # noqa: NPY002 - users' code may draw from it
            random.setstate(plain)

    def reseed(self, seed: int) -> None:
        """Seed every default generator."""
        generators.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    def copied(self, *parts: Any) -> tuple[Any, ...]:
        """Return copies of a model, a loss and an optimiser that refer to each other."""
        return copy.deepcopy(parts)

    # Running

    @abstractmethod
    def run(self, model: Any, loss: Any, batch: tuple[tuple[Any, ...], Any]) -> tuple[Any, Any]:
        """Return the loss of a batch of arrays, and the model's output; data are cast to the model's dtype."""

    @abstractmethod
    def backward(self, loss: Any) -> None:
        """Accumulate gradients into the parameters that the loss depends on, if any."""

    @abstractmethod
    def clip(self, model: Any, most: float) -> None:
        """Clip the joint norm of all gradients."""

    @abstractmethod
    def watched(
        self, model: Any, patches: frozenset[str] = frozenset(), keep: bool = True
    ) -> AbstractContextManager[Record]:
        """Yield a record of what a model does in the block; without `keep`, only apply the patches. Pass a copy."""

    @abstractmethod
    def loss_of(self, loss: Any, output: Any, y: Any) -> float:
        """Return the loss of two arrays as a number."""

    @abstractmethod
    def number(self, value: Any) -> float:
        """Return a loss as a number."""

    @abstractmethod
    def array(self, value: Any) -> Any:
        """Return a parameter, an output or a gradient as an array; None for anything else."""

    def unregistered(self, model: Any) -> list[tuple[str, str]]:  # noqa: ARG002
        """Return what is trainable in plain containers of modules, and hence no parameter: names, and the containers'.

        There is none where the library's modules refuse such containers.
        """
        return []

    # Optimisers

    @abstractmethod
    def adam(self, model: Any) -> Any:
        """Return Adam for a model, for use if no optimiser was given."""

    @abstractmethod
    def rebuilt(self, optimizer: Any, groups: list[dict[str, Any]]) -> Any:
        """Return an optimiser of the same class for groups of parameters with their settings, without any state."""

    # Changes

    @abstractmethod
    def put(self, p: Any, value: Any) -> None:
        """Set a parameter's values."""

    @abstractmethod
    def put_grad(self, p: Any, gradient: Any) -> None:
        """Set a parameter's gradient."""

    @abstractmethod
    def initialise(self, owner: Any, p: Any, name: str, generator: np.random.Generator) -> None:
        """Reinitialise a module's parameter by a named scheme."""

    @abstractmethod
    def layer_norm(self, features: int, like: Any) -> Any:
        """Return a LayerNorm with the dtype of a parameter."""

    @abstractmethod
    def group_norm(self, channels: int, like: Any) -> Any:
        """Return a GroupNorm with one group."""

    @abstractmethod
    def residual(self, inner: Any) -> Any:
        """Return a module that adds an inner module's output to its input."""

    def is_residual(self, module: Any) -> bool:
        """Whether a module was made by `residual`."""
        return type(module).__name__ == "Residual"

    @abstractmethod
    def likelihood(self, output: Any, y: Any) -> Any:
        """Return the proper loss for probabilities: the mean of −log p of the true class."""

    # Display

    def channels(self, norm: Any) -> int:
        """Return the number of channels of a batch normalisation."""
        return int(getattr(norm, "channels", 0) or norm.num_features)

    @abstractmethod
    def init_argument(self, name: str) -> str:
        """Return the initialisation argument in a linear layer's code, "" if there is no such argument."""

    @abstractmethod
    def lines_after(self, model: Any, init_name: str) -> Sequence[str]:
        """Return lines that a model's code needs besides its modules."""
