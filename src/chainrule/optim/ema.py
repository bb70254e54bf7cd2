"""Averages of the weights during training."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.base.overlapping import Overlapping
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import effect

from .checks import UP_TO_ONE, count, named, number


class EMA:
    r"""The exponential moving average of parameters: $\bar\theta \leftarrow d\,\bar\theta + (1 - d)\,\theta$.

    Call `update()` after each step of the optimiser; evaluate or save the model with the averages inside `with
    ema.applied():`, or write them to the parameters for good with `copy_to_parameters()`. d is `decay`; the first
    update copies the parameters, as PyTorch's `AveragedModel` does. The averages have the parameters' dtype. Buffers
    are not averaged: batch normalisation keeps the model's own running statistics.

    Sources: Polyak & Juditsky, "Acceleration of stochastic approximation by averaging" (1992), for the plain mean;
    Kingma & Ba, "Adam" (2015), section 7.2.

    >>> import chainrule as cr
    >>> from chainrule import optim
    >>> w = cr.tensor([0.0], requires_grad=True)
    >>> ema = optim.EMA([w], decay=0.9)
    >>> ema.update()
    >>> w.data = [1.0]
    >>> ema.update()
    >>> with ema.applied():
    ...     print(w.numpy())
    [0.1]
    >>> w.numpy()
    array([1.])
    """

    def __init__(self, params: Any, decay: float = 0.999) -> None:
        self.decay = number("EMA: decay", decay, UP_TO_ONE)
        self._parameters = named("EMA", params)
        if not self._parameters:
            raise ValueError("EMA: got no parameters; a generator that was already used is empty")
        self.updates = 0
        self.averages = self._values()
        self._applied: Overlapping[dict[str, Any]] = Overlapping()

    def _values(self) -> dict[str, Any]:
        return {name: np.array(value_of(parameter)) for name, parameter in self._parameters.items()}

    def update(self) -> None:
        """Update the averages with the current parameters."""
        effect(self._follow, *self._parameters.values(), writes=())

    def _follow(self, *values: Any) -> None:
        self.updates += 1
        for average, value in zip(self.averages.values(), values, strict=True):
            average += (1.0 if self.updates == 1 else 1 - self.decay) * (value - average)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Set the parameters to the averages for the duration of the block, and restore them afterwards.

        Where blocks overlap, the last one to end restores them.
        """
        entry = self._applied.enter(self._values())
        try:
            self.copy_to_parameters()
            yield
        finally:
            for before in self._applied.leave(entry):
                self._write(before)

    def copy_to_parameters(self) -> None:
        """Set the parameters to the averages."""
        self._write(self.averages)

    def _write(self, values: Mapping[str, Any]) -> None:
        for name, parameter in self._parameters.items():
            parameter.data = values[name]

    def state_dict(self) -> dict[str, Any]:
        """Return the averages, copied, the decay and the number of updates."""
        averages = {name: average.copy() for name, average in self.averages.items()}
        return {"decay": self.decay, "updates": self.updates, "averages": averages}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore a `state_dict`; raises ValueError or TypeError, with nothing changed, if it does not fit."""
        what = "EMA.load_state_dict"
        if not isinstance(state, Mapping) or set(state) != {"decay", "updates", "averages"}:
            raise TypeError(f"{what}: expected a dict with 'decay', 'updates' and 'averages'")
        if list(state["averages"]) != list(self.averages):
            raise ValueError(f"{what}: got the averages of {list(state['averages'])}, expected {list(self.averages)}")
        new = {name: np.asarray(value_of(array)) for name, array in state["averages"].items()}
        for name, array in new.items():
            mine = self.averages[name]
            if array.shape != mine.shape or array.dtype.kind != "f":
                got = f"{array.dtype} {list(array.shape)}"
                raise ValueError(f"{what}: {name}: expected floats of shape {list(mine.shape)}, got {got}")
        decay = number(f"{what}: decay", state["decay"], UP_TO_ONE)
        updates = count(f"{what}: updates", state["updates"], 0)
        self.decay, self.updates = decay, updates
        self.averages = {name: np.array(array, self.averages[name].dtype) for name, array in new.items()}
