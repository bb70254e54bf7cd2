"""A training step as machine code: the gradient as one compiled program, the optimiser's step as one kernel.

Both write into the solver's memory, so that what was decided here shows in nothing but the time, and in rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.compile.compiled import Compiled
from chainrule.core.errors import CaptureError
from chainrule.core.traces.capturing import effect
from chainrule.core.transforms.derivatives import no_grad
from chainrule.train.worth import pays

from .network import Batch, Network
from .solver import Solver

Array: TypeAlias = Any


class CompiledStep:
    """What `Solver.differentiate` and `Solver.step` do, captured at the first call; `alpha` is fixed.

    Raises CaptureError at the first call where the network or its loss cannot be captured; nothing has been changed
    then.
    """

    def __init__(self, solver: Solver, network: Network, alpha: float) -> None:
        self.solver, self.network, self.alpha = solver, network, alpha
        self._store = _Store(solver.gradient_parts())
        self._unweighted, self._weighted = Compiled(self._without_weights), Compiled(self._whole)
        self._steps = _BoundSteps(solver)

    def __call__(self, batch: Batch) -> tuple[float, float]:
        """Update the parameters with the gradient of a batch's loss and penalty; return both."""
        x, targets, weight = batch
        found = self._unweighted(x, targets) if weight is None else self._weighted(x, targets, weight)
        self._steps.take()
        return float(found[0]), float(found[1])

    def _without_weights(self, x: Array, targets: Array) -> tuple[Array, Array]:
        return self._whole(x, targets, None)

    def _whole(self, x: Array, targets: Array, weight: Array | None) -> tuple[Array, Array]:
        parameters = self.solver.parameters
        for parameter in parameters:
            parameter.grad = None
        loss = self.network.loss(parameters, (x, targets, weight))
        loss.backward()
        gradients: list[Any] = [parameter.grad for parameter in parameters]
        for parameter in parameters:
            parameter.grad = None
        penalty: Any = 0.0
        if self.alpha:
            strength = self.alpha / (x.shape[0] if weight is None else np.sum(weight))
            with no_grad():
                weights = parameters[::2]
                gradients[::2] = [g + strength * w for g, w in zip(gradients[::2], weights, strict=True)]
                penalty = 0.5 * strength * sum(np.sum(np.square(w)) for w in weights)
        effect(self._store, *gradients, writes=())
        return loss, penalty


def compiled_step(solver: Solver, network: Network, alpha: float, batch: Batch, steps: int) -> CompiledStep | None:
    """Return the compiled step of a network; None if so few steps would not pay for it.

    >>> from .losses import LOG_LOSS
    >>> solver, network = Solver([2, 3, 2], np.float64, "sgd", {"lr": 0.1}), Network("relu", LOG_LOSS, 0.0, None)
    >>> compiled_step(solver, network, 0.0, (np.eye(2), np.arange(2), None), steps=10) is None
    True
    """
    if not pays(steps, 2 * len(solver.weights), solver.flat.size, batch[0].shape[0]):
        return None
    return CompiledStep(solver, network, alpha)


def taken(step: CompiledStep, batch: Batch) -> tuple[float, float] | None:
    """Take the first step; return loss and penalty, or None, with nothing changed, if it cannot be captured."""
    try:
        return step(batch)
    except CaptureError:
        return None


class _BoundSteps:
    """The optimiser's steps, bound to the solver's memory."""

    def __init__(self, solver: Solver) -> None:
        self.solver = solver
        self._bound: list[tuple[str, Callable[[Sequence[float]], None]]] = []

    def take(self) -> None:
        """Update the parameters with `gradient`."""
        optimiser = self.solver.optimiser
        assert optimiser is not None
        self.solver.prepare_step()
        for k, group in enumerate(optimiser.param_groups):
            leaf = group["params"][0]
            state = optimiser._state_of(leaf, group)
            count = state.get("step", -1) + 1
            kernel, slots, numbers = optimiser._pass(count, group)
            if k == len(self._bound):
                self._bound.append(("", _nothing))
            if self._bound[k][0] != kernel:
                self._bound[k] = (kernel, _bind(kernel, [leaf._value, leaf.grad._value, *(state[s] for s in slots)]))
            if "step" in state:
                state["step"] = count
            self._bound[k][1]((*numbers, -1.0 if group["maximize"] else 1.0))
            leaf.mark_changed()


def _nothing(numbers: Sequence[float]) -> None:
    """A placeholder for a step that is not bound yet."""


def _bind(kernel: str, arrays: Sequence[Array]) -> Callable[[Sequence[float]], None]:
    from chainrule.kernels import optimizers

    bound: Callable[[Sequence[float]], None] = getattr(optimizers, kernel).bound(arrays)
    return bound


class _Store:
    """The effect that stores the gradients; they are computed in place if possible."""

    name = "store gradients"

    def __init__(self, places: Sequence[Array]) -> None:
        self.places = list(places)

    def homes(self) -> list[Array]:
        """Return where each gradient should be computed."""
        return self.places

    def __call__(self, *gradients: Array) -> None:
        for place, gradient in zip(self.places, gradients, strict=True):
            if gradient is not place:
                place[...] = gradient.reshape(place.shape)

    def snapshot(self) -> Callable[[], None]:
        """Return a function that restores the current gradients."""
        before = [place.copy() for place in self.places]

        def back() -> None:
            for place, values in zip(self.places, before, strict=True):
                place[...] = values

        return back
