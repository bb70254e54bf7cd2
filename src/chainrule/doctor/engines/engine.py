"""What the doctor asks of a library of networks: that a model of it can be run, watched, copied and changed."""

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
"""Up to so many parameters a model is small."""
DEFAULT_LR = 3e-3
"""The step of Adam in trials, where no optimiser was given."""


class Engine(ABC):
    """One library. It keeps nothing of a model."""

    nn: Any
    """The namespace of its modules: Linear, ReLU, Sequential, …"""
    home: str
    """What the names of its own modules' files begin with."""
    errors: tuple[type[Exception], ...]
    """What a model raises that cannot run on a batch."""
    code: Mapping[str, str]
    """Lines of code that remedies are shown with."""

    def __deepcopy__(self, memo: Any) -> "Engine":
        """Return itself: a loss to be copied may be one of its methods."""
        return self

    # What is given

    @abstractmethod
    def unwrapped(self, model: Any) -> Any:
        """Return the model itself, without what only runs it; raise TypeError for one that cannot be watched."""

    @abstractmethod
    def plain(self, part: Any) -> Any:
        """Return a batch's part as an array; what is none as it is."""

    @contextmanager
    def untouched(self, model: Any, batches: Any, seed: int) -> Iterator[None]:  # noqa: ARG002
        """Leave generators, gradients and modes as they were; inside, the default generators start from `seed`."""
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
        """Start every default generator from `seed`."""
        generators.seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        random.seed(seed)

    def copied(self, *parts: Any) -> tuple[Any, ...]:
        """Return copies of a model, a loss, an optimiser that belong together."""
        return copy.deepcopy(parts)

    # Run

    @abstractmethod
    def run(self, model: Any, loss: Any, batch: tuple[tuple[Any, ...], Any]) -> tuple[Any, Any]:
        """Return the loss of a batch of arrays, and the model's output; data get the model's dtype."""

    @abstractmethod
    def backward(self, loss: Any) -> None:
        """Add the gradients to the parameters', where the loss leads to any."""

    @abstractmethod
    def clip(self, model: Any, most: float) -> None:
        """Bound the norm of all gradients."""

    @abstractmethod
    def watched(
        self, model: Any, patches: frozenset[str] = frozenset(), keep: bool = True
    ) -> AbstractContextManager[Record]:
        """Give a record of what a model does in the block; without `keep`, only the patches act. Give it a copy."""

    @abstractmethod
    def loss_of(self, loss: Any, output: Any, y: Any) -> float:
        """Return a loss of arrays as a number."""

    @abstractmethod
    def number(self, value: Any) -> float:
        """Return a loss as a number."""

    @abstractmethod
    def array(self, value: Any) -> Any:
        """Return a parameter, an output, a gradient as an array; None for what is none."""

    # Optimisers

    @abstractmethod
    def adam(self, model: Any) -> Any:
        """Return Adam for a model, for where no optimiser was given."""

    @abstractmethod
    def rebuilt(self, optimizer: Any, model: Any, **settings: Any) -> Any:
        """Return an optimiser of the same kind and the first group's settings, for another model's parameters."""

    # Change

    @abstractmethod
    def put(self, p: Any, value: Any) -> None:
        """Give a parameter other values."""

    @abstractmethod
    def put_grad(self, p: Any, gradient: Any) -> None:
        """Give a parameter a gradient."""

    @abstractmethod
    def initialise(self, owner: Any, p: Any, name: str, generator: np.random.Generator) -> None:
        """Draw a parameter of a module anew, by the name of an initialisation."""

    @abstractmethod
    def layer_norm(self, features: int, like: Any) -> Any:
        """Return a LayerNorm with the dtype of a parameter."""

    @abstractmethod
    def group_norm(self, channels: int, like: Any) -> Any:
        """Return a GroupNorm of one group."""

    @abstractmethod
    def residual(self, inner: Any) -> Any:
        """Return a module that adds what an inner one makes to its input."""

    def is_residual(self, module: Any) -> bool:
        """Whether a module is one that `residual` makes."""
        return type(module).__name__ == "Residual"

    @abstractmethod
    def likelihood(self, output: Any, y: Any) -> Any:
        """Return the loss that probabilities ask for: the mean of −log p of the right class."""

    # Show

    def channels(self, norm: Any) -> int:
        """Return over how many channels a batch normalisation runs."""
        return int(getattr(norm, "channels", 0) or norm.num_features)

    @abstractmethod
    def init_argument(self, name: str) -> str:
        """Return what a linear layer's line says of its initialisation, "" where that is no argument."""

    @abstractmethod
    def lines_after(self, model: Any, init_name: str) -> Sequence[str]:
        """Return lines that a model's code needs beside its modules."""
