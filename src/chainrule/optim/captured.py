"""An optimiser's step in a compiled program: one call of a kernel for each group, over flat buffers."""

from collections.abc import Callable
from typing import Any

from chainrule.core.changes import changes
from chainrule.core.tensor import Tensor

from .flat import Flat

SEVERAL = 2**18
"""Elements from which on a step is worth a second core."""


class OptimizerStep:
    """The effect that a program notes for `optimizer.step()`: called with the gradients, at each replay.

    `homes` says where the gradients should be computed: in the flat buffers of their groups.
    """

    def __init__(self, optimizer: Any, groups: list[tuple[int, list[Tensor]]]) -> None:
        self.optimizer = optimizer
        self.name = f"{type(optimizer).__name__}.step"
        self._lists = [(group["params"], len(group["params"])) for group in optimizer.param_groups]
        self.parameters = [p for _, parameters in groups for p in parameters]
        self.groups = [_Group(optimizer, number, parameters) for number, parameters in groups]

    def homes(self) -> list[Any]:
        """Return for each gradient the array where it should be computed, or None."""
        return [home for group in self.groups for home in group.homes()]

    def holds(self) -> bool:
        """Whether the optimiser has the groups and parameters that it had."""
        now = self.optimizer.param_groups
        return len(now) == len(self._lists) and all(
            group["params"] is params and len(params) == count
            for group, (params, count) in zip(now, self._lists, strict=True)
        )

    def __call__(self, *grads: Any) -> None:
        """Take the step; raises ValueError, before anything is changed, where a setting has become wrong."""
        for group in self.groups:
            group.check()
        start = 0
        for group in self.groups:
            end = start + len(group.parameters)
            group.step(grads[start:end])
            start = end

    def snapshot(self) -> Callable[[], None]:
        """Return what puts parameters and state back to what they are now."""
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
        self._settings: dict[str, Any] = {}
        self._states: list[Any] = [None] * len(parameters)
        self._kernel = ""
        self._run: Any = None

    @property
    def group(self) -> dict[str, Any]:
        """The optimiser's group: loading a state puts another dict in its place."""
        return self.optimizer.param_groups[self.number]  # type: ignore[no-any-return]

    def homes(self) -> list[Any]:
        """Return where the gradients should be computed."""
        self.flat = self.optimizer._flat(self.parameters, self.group)
        return [None] * len(self.parameters) if self.flat is None else self.flat.grads

    def check(self) -> None:
        """Look at the settings where they have changed since the last step."""
        group = self.group
        values = [group[key] for key in self._keys]
        if values != self._values:
            self._settings = self.optimizer._checked(self.what, group)
            self._values = values

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
        if kernel != self._kernel:
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
        arrays = [self.flat.value, self.flat.grad, *(self.flat.slots[slot] for slot in slots)]
        step = getattr(optimizers, kernel)
        self._kernel, self._run = (
            kernel,
            (step.bound if self.flat.value.size < SEVERAL else step.bound_on_cores)(arrays),
        )

    def _steps(self) -> int | None:
        """Return how many steps were taken, −1 where nobody counts, None where it is not the same for all.

        State that somebody else has put in place is taken into the flat buffers first.
        """
        state = self.optimizer.state
        for parameter, mine in zip(self.parameters, self._states, strict=True):
            if mine is None or state.get(parameter) is not mine:
                self._states = [self.optimizer._state_of(p, self._settings) for p in self.parameters]
                if self.flat is not None:
                    self.flat.take_state(self._states)
                break
        if "step" not in self._states[0]:
            return -1
        first: int = self._states[0]["step"]
        for state in self._states:
            if state["step"] != first:
                return None
        return first
