"""The parameters of one group in a compiled program: their step as machine code, or through Python."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor

from .checks import Range
from .flat import Flat

Array = Any


class GroupStep:
    """The step of the parameters of one group that have a gradient.

    `step` takes it, over the flat buffers where it can. `tasks` are the same in machine code, which also counts the
    steps and computes the numbers that depend on the count; `prepared` makes them ready.
    """

    def __init__(self, optimizer: Any, number: int, parameters: list[Tensor]) -> None:
        self.optimizer, self.number, self.parameters = optimizer, number, parameters
        self.what = f"{type(optimizer).__name__}: group {number}"
        self.flat: Flat | None = None
        self._keys = [key for key in self.group if key not in ("params", "names")]
        self._values: list[Any] = []
        """The settings checked last, as they were in the group."""
        self.is_plain = False
        """Whether the settings are immutable, such as numbers."""
        self._slots: tuple[str, ...] = ()
        self._arrays_of_state: tuple[str, ...] = ()
        self._settings: dict[str, Any] = {}
        self._states: list[Any] = [None] * len(parameters)
        self._held: list[tuple[dict[str, Any], str, Any]] = []
        """Each parameter's state, the names of its arrays, and the arrays themselves."""
        self._kernel, self._version = "", -1
        self._run: Any = None
        self._form: Any = None
        """What the tasks were made for: the kernel, whether steps are counted, the flags."""
        self._made_for = -1
        """The version of the buffers that they are for."""
        self._tasks: list[Any] = []
        self._counts = False
        self._asked: dict[str, Any] | None = None
        """The group as it was when the tasks were made ready last."""
        self._marker: Any = None

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
        if self.is_plain and values == self._values:
            self._values = values  # the objects that `questions` asks for: a loaded state brings equal ones
        else:
            self._settings = self.optimizer._checked(self.what, group)
            self._values = values
            self.is_plain = all(map(_cannot_change, values))
            slots = tuple(self.optimizer._slots(self._settings))
            if slots != self._slots:
                self._slots, self._states = slots, [None] * len(self.parameters)
                self._arrays_of_state = tuple(name for name in slots if name != "step")
                if self.flat is not None:
                    self.flat.add_slots(self._arrays_of_state)

    def questions(self, space: dict[str, Any]) -> list[str]:
        """Return the conditions, as source, that all settings are the same objects; these go into `space`."""
        place, found = f"g{self.number}", []
        space[place] = self._asked = self.group
        space[f"{place}values"] = self._values  # in which `takes_rate` replaces one
        for k, (key, value) in enumerate(zip(self._keys, self._values, strict=True)):
            if key == "lr":
                found.append(f"{place}[{key!r}] is {place}values[{k}]")
                continue
            space[f"{place}v{k}"] = value
            found.append(f"{place}[{key!r}] is {place}v{k}")
        return [f"groups[{self.number}] is {place}", *found]

    def takes_rate(self) -> bool:
        """Take over another learning rate, which schedules set at every step; False if another setting differs."""
        group, limits = self.group, self.optimizer.ranges.get("lr")
        if group is not self._asked or not self.is_plain or not isinstance(limits, Range):
            return False
        for key, value in zip(self._keys, self._values, strict=True):
            if group[key] is not value and key != "lr":
                return False
        rate = group["lr"]
        if not (isinstance(rate, float) or type(rate) is int) or not limits.holds(float(rate)):
            return False
        self._values[self._keys.index("lr")] = rate
        self._settings["lr"] = float(rate)
        self._tasks[0].arrays[1][_place_of("lr", self.optimizer.ranges)] = rate
        return True

    # Through Python

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
        self.mark()

    def mark(self) -> None:
        """Record that the parameters have changed."""
        assert self.flat is not None
        if self._marker is None:
            self._marker = changes.marker(self.flat.memory)
        when = self._marker()
        for parameter in self.parameters:
            parameter._link.changed = when

    def marks(self) -> tuple[dict[Any, int], Any, list[Any]]:
        """Return where the time of a change is noted: a dict and its key, and the links of the parameters."""
        assert self.flat is not None
        return *changes.place(self.flat.memory), [parameter._link for parameter in self.parameters]

    def _bind(self, kernel: str, slots: tuple[str, ...]) -> None:
        from chainrule.kernels import optimizers

        assert self.flat is not None
        self._version = self.flat.version
        self._kernel, self._run = kernel, getattr(optimizers, kernel).bound(self.flat.arrays(slots))

    # In machine code

    def tasks(self, grads: Sequence[Array]) -> list[Any] | None:
        """Return the step on gradients as tasks, or None where there is no kernel for it."""
        from chainrule.kernels.native.copies import copied, is_movable

        flat = self.flat
        if flat is None:
            return None
        moved = [(g, view) for g, view in zip(grads, flat.grads, strict=True) if g is not view and g.size]
        if any(g.shape != view.shape or g.dtype != view.dtype or not is_movable(g, view) for g, view in moved):
            return None
        self.check()
        self._make_tasks("step" in self._slots)
        return [*(copied(g, view) for g, view in moved), *self._tasks]

    def _make_tasks(self, counts: bool) -> None:
        """Make the tasks for the settings as they are, or turn those that there are into them."""
        from chainrule.kernels import optimizers

        assert self.flat is not None
        flat, optimizer, settings = self.flat, self.optimizer, self._settings
        kernel, slots = optimizer._kernel(settings)
        form = (kernel, counts, *(settings[name] for name in optimizer.flags))
        memory = np.array(_numbers_of(settings, optimizer.ranges), np.float64)
        if form == self._form:
            first, second = self._tasks
            first.arrays[1][:] = memory
            if flat.version != self._made_for:
                second.become(getattr(optimizers, kernel).task(flat.arrays(slots), first.arrays[2]))
                self._made_for = flat.version
            return

        def formula(step: Any, given: Sequence[Any]) -> tuple[Any, ...]:
            named = {**settings, **_settings_of(given, optimizer.ranges)}
            return *optimizer._numbers(kernel, step, named), -1.0 if settings.get("maximize") else 1.0

        step = getattr(optimizers, kernel)
        numbers = np.empty(step.numbers)
        made = [
            optimizers.numbers_task(formula, [flat.count, memory, numbers], counts),
            step.task(flat.arrays(slots), numbers),
        ]
        if not self._tasks:
            self._tasks = made
        else:
            for old, new in zip(self._tasks, made, strict=True):
                old.become(new)
        self._form, self._counts, self._made_for = form, counts, flat.version

    def prepared(self) -> bool:
        """Make the tasks ready for the settings and the state as they are; False where they cannot take the step."""
        flat = self.flat
        if flat is None or not self.is_plain or not flat.holds_values():
            return False
        known = self.optimizer._state
        if any(p not in known for p in self.parameters):  # the first step makes the state
            return False
        steps = self._steps()
        if steps is None:
            return False
        flat.count[0] = steps
        self._make_tasks(steps >= 0)
        return True

    def settle(self) -> None:
        """Write the count of steps into the state of each parameter."""
        assert self.flat is not None
        if self._counts:
            steps = int(self.flat.count[0])
            for state in self._states:
                state["step"] = steps

    # State

    def _steps(self) -> int | None:
        """Return how many steps were taken, −1 if steps are not counted, None if parameters differ in their number.

        State that was replaced from outside is first moved into the flat buffers.
        """
        state = self.optimizer._state
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


def _numbers_of(settings: dict[str, Any], ranges: Any) -> list[float]:
    """Return the settings that are numbers, in their order."""
    found: list[float] = []
    for name in ranges:
        found += settings[name] if isinstance(settings[name], tuple) else [settings[name]]
    return found


def _place_of(name: str, ranges: Any) -> int:
    """Return where `_numbers_of` has a setting that is one number.

    >>> _place_of("eps", {"lr": Range("", bool), "betas": (Range("", bool), Range("", bool)), "eps": Range("", bool)})
    3
    """
    before = list(ranges)[: list(ranges).index(name)]
    return sum(1 if isinstance(ranges[one], Range) else len(ranges[one]) for one in before)


def _settings_of(numbers: Sequence[Any], ranges: Any) -> dict[str, Any]:
    """Return what `_numbers_of` has made numbers of, by name."""
    rest = iter(numbers)
    return {
        name: next(rest) if isinstance(limits, Range) else tuple(next(rest) for _ in limits)
        for name, limits in ranges.items()
    }
