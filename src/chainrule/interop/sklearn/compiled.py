"""A training step as machine code: the gradient and the optimiser's step as one compiled program.

It writes into the solver's memory, so that what was decided here shows in nothing but the time, and in rounding.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from chainrule.compile.compiled import Compiled
from chainrule.compile.walk import Walk
from chainrule.core.errors import CaptureError
from chainrule.core.traces.capturing import effect
from chainrule.core.transforms.derivatives import no_grad
from chainrule.optim.captured import OptimizerStep
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
        self._update = _Update(solver)
        self._unweighted, self._weighted = Compiled(self._without_weights), Compiled(self._whole)
        self._walk: tuple[Walk, Array, Array | None] | None = None

    def __call__(self, batch: Batch) -> tuple[float, float]:
        """Update the parameters with the gradient of a batch's loss and penalty; return both."""
        x, targets, weight = batch
        found = self._unweighted(x, targets) if weight is None else self._weighted(x, targets, weight)
        return float(found[0]), float(found[1])

    def several(self, x: Array, targets: Array, order: Array, first: int, size: int) -> list[tuple[float, float]]:
        """Take steps on batches of so many rows, from number `first` on of an order of rows, as many as go at once.

        Return their losses and penalties; none where each step has to be taken by itself.
        """
        walk = self._unweighted.walk([x, targets], size, len(order))
        if walk is None:
            return []
        if self._walk is None or self._walk[0] is not walk:
            loss, penalty = walk.results()
            self._walk = (walk, walk.numbers(loss), walk.numbers(penalty) if isinstance(penalty, np.ndarray) else None)
        _, losses, penalties = self._walk
        those = slice(first, first + walk.take(order, first))
        found = losses[those].tolist()
        return list(zip(found, [0.0] * len(found) if penalties is None else penalties[those].tolist(), strict=True))

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
        effect(self._update, *gradients, writes=[p._value for p in parameters])
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


class _Update(OptimizerStep):
    """The effect that stores the gradients, computed in place if possible, and takes the optimiser's step."""

    def __init__(self, solver: Solver) -> None:
        assert solver.optimiser is not None
        optimiser = solver.optimiser
        super().__init__(optimiser, [(k, group["params"]) for k, group in enumerate(optimiser.param_groups)])
        self.places = solver.gradient_parts()
        self.flats = [_InPlace(leaf) for leaf in self.parameters]
        for group, flat in zip(self.groups, self.flats, strict=True):
            group.flat = flat  # type: ignore[assignment]

    def homes(self) -> list[Array]:
        """Return where each gradient should be computed."""
        return self.places

    def __call__(self, *gradients: Array) -> None:
        for place, gradient in zip(self.places, gradients, strict=True):
            if gradient is not place:
                place[...] = gradient.reshape(place.shape)
        super().__call__(*(flat.grad for flat in self.flats))

    def tasks(self, grads: Sequence[Array]) -> list[Any] | None:
        """Return the same in machine code, or None if a gradient cannot be moved."""
        from chainrule.kernels.native.copies import copied, is_movable

        moved = [(g.reshape(p.shape), p) for g, p in zip(grads, self.places, strict=True) if g is not p]
        if any(g.dtype != p.dtype or not is_movable(g, p) for g, p in moved):
            return None
        made = super().tasks([flat.grad for flat in self.flats])
        return None if made is None else [*(copied(*pair) for pair in moved), *made]

    def snapshot(self) -> Callable[[], None]:
        """Return a function that restores the current gradients, parameters and state."""
        before, restore = [place.copy() for place in self.places], super().snapshot()

        def back() -> None:
            for place, values in zip(self.places, before, strict=True):
                place[...] = values
            restore()

        return back


class _InPlace:
    """A parameter that is a flat buffer already, in place of `chainrule.optim.flat.Flat`."""

    def __init__(self, leaf: Any) -> None:
        self.value, self.grad = leaf._value, leaf.grad._value
        self.memory, self.grads = self.value, [self.grad]
        self.slots: dict[str, Array] = {}
        self.count = np.zeros(1, np.int64)
        self.version = 0

    def arrays(self, slots: Sequence[str]) -> list[Array]:
        return [self.value, self.grad, *(self.slots[slot] for slot in slots)]

    def holds_values(self) -> bool:
        return True

    def add_slots(self, names: Sequence[str]) -> None:
        for name in names:
            if name not in self.slots:
                self.slots[name] = np.zeros_like(self.value)
                self.version += 1

    def take_state(self, states: Sequence[dict[str, Array]]) -> bool:
        (state,) = states
        for name, place in self.slots.items():
            if name in state and state[name] is not place:
                place[...] = state[name]
                state[name] = place
        return True

    def held(self, states: Sequence[dict[str, Array]], names: Sequence[str]) -> list[tuple[dict[str, Any], str, Array]]:
        return [(states[0], name, self.slots[name]) for name in names]
