"""An optimiser's step inside a compiled function: taken by the engine's optimiser where there is one.

The engine's has the same parameters, and reads settings and state where PyTorch's form keeps them, so that schedules,
state dicts and steps outside of the compiled function see and change the same numbers.
"""

from collections.abc import Callable, Iterator, Mapping
from copy import deepcopy
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import effect, forgetting, running
from chainrule.optim.captured import OptimizerStep


def forgets(optimizer: Any) -> None:
    """Tell a capture that the gradients are about to be cleared, and that replays depend on the parameters' list."""
    _Parameters(optimizer).watched()
    forgetting([p._x for p in _parameters(optimizer)])


def note_step(optimizer: Any) -> None:
    """Record, in a capture, the step of the parameters that have a gradient."""
    _Parameters(optimizer).watched()
    groups = [(k, [p for p in g["params"] if p.grad is not None]) for k, g in enumerate(optimizer.param_groups)]
    groups = [(k, some) for k, some in groups if some]
    moved = [p for _, some in groups for p in some]
    if optimizer.engine is None or any(p._x.dtype.kind == "c" for p in moved):
        step: Any = _Step(optimizer, groups)
    else:
        step = _EngineStep(optimizer, groups)
    effect(step, *(p._x.grad for p in moved), writes=[p._x._value for p in moved])


def _parameters(optimizer: Any) -> list[Any]:
    return [p for group in optimizer.param_groups for p in group["params"]]


class _Parameters:
    """The parameters of an optimiser at capture, and the engine's tensors in them."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.lists = [[(p, p._x) for p in group["params"]] for group in optimizer.param_groups]

    def watched(self) -> None:
        """Let replays of the running capture look at them, once."""
        checks = running.capture.checks
        known = (getattr(check, "__self__", None) for check in checks)
        if not any(isinstance(other, _Parameters) and other.optimizer is self.optimizer for other in known):
            checks.append(self.hold)

    def hold(self) -> bool:
        """Whether they are the same."""
        now = self.optimizer.param_groups
        if len(now) != len(self.lists):
            return False
        for group, before in zip(now, self.lists, strict=True):
            params = group["params"]
            if len(params) != len(before):
                return False
            for p, (known, x) in zip(params, before, strict=True):
                if p is not known or p._x is not x:
                    return False
        return True


class _Step:
    """A step that each replay takes as the optimiser does outside of a compiled function."""

    def __init__(self, optimizer: Any, groups: list[tuple[int, list[Any]]]) -> None:
        self.optimizer, self.groups = optimizer, groups
        self.name = f"{type(optimizer).__name__}.step"

    def __call__(self, *grads: Any) -> None:
        """Take the step."""
        rest = iter(grads)
        for number, parameters in self.groups:
            for p in parameters:
                grad = next(rest)
                grad = np.conjugate(grad) if grad.dtype.kind == "c" else grad  # PyTorch's is the engine's conjugate
                self.optimizer._take(p, grad, self.optimizer.param_groups[number])

    def snapshot(self) -> Callable[[], None]:
        """Return a function that restores the current parameters and state."""
        return _snapshot(self.optimizer, [p._x for _, some in self.groups for p in some])


class _EngineStep(OptimizerStep):
    """A step that the engine's optimiser takes, in machine code where it can."""

    def __init__(self, optimizer: Any, groups: list[tuple[int, list[Any]]]) -> None:
        super().__init__(engine_of(optimizer), [(k, [p._x for p in some]) for k, some in groups])

    def snapshot(self) -> Callable[[], None]:
        """Return a function that restores the current parameters and state."""
        return _snapshot(self.optimizer.face, self.parameters)


def _snapshot(optimizer: Any, parameters: list[Any]) -> Callable[[], None]:
    values = [(x, np.array(value_of(x))) for x in parameters]
    state = {p: deepcopy(kept) for p, kept in optimizer._settled().items()}

    def back() -> None:
        for x, value in values:
            x._value[...] = value
            x.mark_changed()
        optimizer._takes_back_state()
        optimizer._state.clear()
        optimizer._state.update(state)

    return back


def engine_of(optimizer: Any) -> Any:
    """Return the engine's optimiser of the same parameters, settings and state: one, as long as those are the same."""
    known = optimizer._engine
    if known is None or not known.parameters.hold():
        known = optimizer._engine = object.__new__(_mirror(optimizer.engine))
        known.face, known.parameters = optimizer, _Parameters(optimizer)
        known.param_groups = [_Group(optimizer, number) for number in range(len(optimizer.param_groups))]
        known._state, known._flats = _State(optimizer), {}
    return known


_MIRRORS: dict[Any, Any] = {}


def _mirror(engine: Any) -> Any:
    """Return the class of the engine's optimisers that have another's settings and state."""

    def shows_state(self: Any) -> None:
        """Let each step look at the state from now on: whoever holds it may change it at any time."""
        self._takes_back_state()
        self._is_shown = True

    own = {"face": None, "parameters": None, "shows_state": shows_state}
    return _MIRRORS.setdefault(engine, type(engine.__name__, (engine,), own))


class _Group(Mapping[str, Any]):
    """The settings of a group as the engine's optimiser reads them."""

    def __init__(self, optimizer: Any, number: int) -> None:
        self.optimizer, self.number = optimizer, number
        self.names = ("params", *optimizer.names)
        self.params = [p._x for p in optimizer.param_groups[number]["params"]]

    def __getitem__(self, name: str) -> Any:
        if name == "params":
            return self.params
        found = self.optimizer.param_groups[self.number][name]
        return found.item() if hasattr(found, "item") else found

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)


class _State:
    """The state of each parameter, by the engine's tensor."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.faces = {id(p._x): p for p in _parameters(optimizer)}

    def __contains__(self, x: Any) -> bool:
        return self.faces[id(x)] in self.optimizer._state

    def get(self, x: Any, other: Any = None) -> Any:
        """Return the state of a parameter, or something else where there is none."""
        return self.optimizer._state.get(self.faces[id(x)], other)

    def setdefault(self, x: Any, made: dict[str, Any]) -> dict[str, Any]:
        """Return the state of a parameter, in the form of the engine's; where there is none it is made."""
        found: dict[str, Any] = self.optimizer._state.setdefault(self.faces[id(x)], made)
        self.optimizer._completes(found)
        return found
