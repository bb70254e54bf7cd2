"""An optimiser's step in a compiled program: one call of a kernel for each group, over flat buffers."""

from collections.abc import Callable
from operator import is_
from typing import Any

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor

from .flat import Flat

SEVERAL = 2**18
"""The number of elements from which a step is worth a second core."""


class Groups:
    """The current parameters of an optimiser's groups."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.lists = [list(group["params"]) for group in optimizer.param_groups]

    def watched_by(self, capture: Any) -> None:
        """Let replays of a capture look at the groups, once."""
        known = (getattr(check, "__self__", None) for check in capture.checks)
        if not any(isinstance(other, Groups) and other.optimizer is self.optimizer for other in known):
            capture.checks.append(self.hold)

    def hold(self) -> bool:
        """Whether the optimiser still has the same groups and parameters."""
        now = self.optimizer.param_groups
        if len(now) != len(self.lists):
            return False
        for group, before in zip(now, self.lists, strict=True):  # at every call: written out for speed
            params = group["params"]
            if len(params) != len(before) or not all(map(is_, params, before)):
                return False
        return True


class OptimizerStep:
    """The effect that a program records for `optimizer.step()`: called with the gradients, at each replay.

    `homes` says where the gradients should be computed: in the flat buffers of their groups.
    """

    def __init__(self, optimizer: Any, groups: list[tuple[int, list[Tensor]]]) -> None:
        self.optimizer = optimizer
        self.name = f"{type(optimizer).__name__}.step"
        self.parameters = [p for _, parameters in groups for p in parameters]
        self.groups = [_Group(optimizer, number, parameters) for number, parameters in groups]

    def homes(self) -> list[Any]:
        """Return for each gradient the array where it should be computed, or None."""
        return [home for group in self.groups for home in group.homes()]

    def __call__(self, *grads: Any) -> None:
        """Take the step; raises ValueError, before anything is changed, if a setting has become invalid."""
        for group in self.groups:
            group.check()
        start = 0
        for group in self.groups:
            end = start + len(group.parameters)
            group.step(grads[start:end])
            start = end

    def snapshot(self) -> Callable[[], None]:
        """Return a function that restores the current parameters and state."""
        optimizer = self.optimizer
        values = [(p, p._value.copy()) for p in self.parameters]
        state = optimizer.state_dict()

        def back() -> None:
            for parameter, value in values:
                parameter._value[...] = value
                parameter.mark_changed()
            optimizer.load_state_dict(state)

        return back


class _Group:
    """The parameters of one group that have a gradient."""

    def __init__(self, optimizer: Any, number: int, parameters: list[Tensor]) -> None:
        self.optimizer, self.number, self.parameters = optimizer, number, parameters
        self.what = f"{type(optimizer).__name__}: group {number}"
        self.flat: Flat | None = None
        self._keys = [key for key in self.group if key not in ("params", "names")]
        self._values: list[Any] = []
        """The settings checked last, as they were in the group."""
        self._is_plain = False
        """Whether the settings are immutable, such as numbers."""
        self._slots: tuple[str, ...] = ()
        self._arrays_of_state: tuple[str, ...] = ()
        self._settings: dict[str, Any] = {}
        self._states: list[Any] = [None] * len(parameters)
        self._held: list[tuple[dict[str, Any], str, Any]] = []
        """Each parameter's state, the names of its arrays, and the arrays themselves."""
        self._kernel, self._version = "", -1
        self._run: Any = None

    @property
    def group(self) -> dict[str, Any]:
        """The optimiser's group, looked up each time because loading a state replaces the dict."""
        return self.optimizer.param_groups[self.number]  # type: ignore[no-any-return]

    def homes(self) -> list[Any]:
        """Return where the gradients should be computed."""
        self.flat = self.optimizer._flat(self.parameters, self.group)
        return [None] * len(self.parameters) if self.flat is None else self.flat.grads

    def check(self) -> None:
        """Check the settings if they have changed since the last step."""
        group = self.group
        values = [group[key] for key in self._keys]
        if not self._is_plain or values != self._values:
            self._settings = self.optimizer._checked(self.what, group)
            self._values = values
            self._is_plain = all(map(_cannot_change, values))
            slots = tuple(self.optimizer._slots(self._settings))
            if slots != self._slots:
                self._slots, self._states = slots, [None] * len(self.parameters)
                self._arrays_of_state = tuple(name for name in slots if name != "step")
                if self.flat is not None:
                    self.flat.add_slots(self._arrays_of_state)

    def step(self, grads: tuple[Any, ...]) -> None:
        """Change the parameters and the state."""
        flat, settings = self.flat, self._settings
        steps = self._steps()
        if flat is None or steps is None or not flat.holds_values():
            for parameter, grad in zip(self.parameters, grads, strict=True):
                self.optimizer._take_step(parameter, grad, settings)
            return
        for view, grad in zip(flat.grads, grads, strict=True):
            if grad is not view:
                view[...] = grad
        counts = steps >= 0
        kernel, slots, numbers = self.optimizer._pass(steps + 1, settings)
        if kernel != self._kernel or flat.version != self._version:
            self._bind(kernel, slots)
        numbers = (*numbers, -1.0 if settings.get("maximize") else 1.0)
        self._run(numbers)
        if counts:
            for state in self._states:
                state["step"] = steps + 1
        when = changes.mark(flat.memory)
        for parameter in self.parameters:
            parameter._link.changed = when

    def _bind(self, kernel: str, slots: tuple[str, ...]) -> None:
        from chainrule.kernels import optimizers

        assert self.flat is not None
        self._version = self.flat.version
        arrays = [self.flat.value, self.flat.grad, *(self.flat.slots[slot] for slot in slots)]
        step = getattr(optimizers, kernel)
        bind = step.bound if self.flat.value.size < SEVERAL else step.bound_on_cores
        self._kernel, self._run = kernel, bind(arrays)

    def _steps(self) -> int | None:
        """Return how many steps were taken, −1 if steps are not counted, None if parameters differ in their number.

        State that was replaced from outside is first moved into the flat buffers.
        """
        state = self.optimizer.state
        for parameter, mine in zip(self.parameters, self._states, strict=True):
            if mine is None or state.get(parameter) is not mine:
                if not self._takes_state():
                    return None
                break
        else:
            if not self._holds_state() and not self._takes_state():
                return None
        if "step" not in self._states[0]:
            return -1
        first: int = self._states[0]["step"]
        for state in self._states:
            if state["step"] != first:
                return None
        return first

    def _takes_state(self) -> bool:
        """Move the state of all parameters into the flat buffers; False if something else holds a part of it."""
        self._states = [None] * len(self.parameters)
        states = [self.optimizer._state_of(p, self._settings) for p in self.parameters]
        if self.flat is not None and not self.flat.take_state(states):
            return False
        self._states = states
        self._held = [] if self.flat is None else self.flat.held(states, self._arrays_of_state)
        return True

    def _holds_state(self) -> bool:
        """Whether the arrays of the state are still those in the flat buffers."""
        try:
            for state, name, place in self._held:  # at every step: written out for speed
                if state[name] is not place:
                    return False
        except KeyError:
            return False
        return True


def _cannot_change(setting: Any) -> bool:
    """Whether a setting is immutable: the numbers in a list may be replaced."""
    if isinstance(setting, tuple):
        return all(map(_cannot_change, setting))
    return isinstance(setting, int | float | bool | str | None | np.generic)
