"""An optimiser's step in a compiled program: one call of a kernel for each group, over flat buffers."""

from collections.abc import Callable, Sequence
from operator import is_
from typing import Any

from chainrule.base.asking import asking
from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor

from .group import GroupStep

FEW = 16
"""Up to so many parameters of a group are compared one by one."""


class Groups:
    """The current parameters of an optimiser's groups."""

    def __init__(self, optimizer: Any) -> None:
        self.optimizer = optimizer
        self.lists = [list(group["params"]) for group in optimizer.param_groups]
        self._are_same_objects: Callable[[], bool] = _no

    def watched_by(self, capture: Any) -> None:
        """Let replays of a capture look at the groups, once."""
        known = (getattr(check, "__self__", None) for check in capture.checks)
        if not any(isinstance(other, Groups) and other.optimizer is self.optimizer for other in known):
            capture.checks.append(self.hold)

    def hold(self) -> bool:
        """Whether the optimiser still has the same groups and parameters."""
        try:
            if self._are_same_objects():
                return True
        except (KeyError, IndexError):
            pass
        now = self.optimizer.param_groups
        if len(now) != len(self.lists):
            return False
        for group, before in zip(now, self.lists, strict=True):
            params = group["params"]
            if len(params) != len(before) or not all(map(is_, params, before)):
                return False
        self._are_same_objects = self._question()  # in other lists or dicts than before
        return True

    def _question(self) -> Callable[[], bool]:
        """Return the function that says whether groups and parameters are the same objects, in the same lists."""
        groups = self.optimizer.param_groups
        space: dict[str, Any] = {"optimizer": self.optimizer, "groups": groups, "is_": is_}
        parts = ["optimizer.param_groups is groups", f"len(groups) == {len(groups)}"]
        for k, (group, before) in enumerate(zip(groups, self.lists, strict=True)):
            space |= {f"g{k}": group, f"p{k}": group["params"], f"b{k}": before}
            parts += [f"groups[{k}] is g{k}", f"g{k}['params'] is p{k}", f"len(p{k}) == {len(before)}"]
            if len(before) > FEW:
                parts.append(f"all(map(is_, p{k}, b{k}))")
                continue
            for j, parameter in enumerate(before):
                space[f"b{k}x{j}"] = parameter
                parts.append(f"p{k}[{j}] is b{k}x{j}")
        return asking(parts, space)


class OptimizerStep:
    """The effect that a program records for `optimizer.step()`: called with the gradients, at each replay.

    `homes` says where the gradients should be computed: in the flat buffers of their groups. `tasks` are the step in
    machine code. They may run if `ready()` says so, before anything of the replay has, and `done()` is called after
    them. What they read and write lies in memory: the settings, the count of steps, parameters and state.
    """

    def __init__(self, optimizer: Any, groups: list[tuple[int, list[Tensor]]]) -> None:
        self.optimizer = optimizer
        self.name = f"{type(optimizer).__name__}.step"
        self.parameters = [p for _, parameters in groups for p in parameters]
        self.groups = [GroupStep(optimizer, number, parameters) for number, parameters in groups]
        self._are_settings_same: Callable[[], bool] = _no
        self._visits = self._replaced = -1

    def homes(self) -> list[Any]:
        """Return for each gradient the array where it should be computed, or None."""
        return [home for group in self.groups for home in group.homes()]

    def __call__(self, *grads: Any) -> None:
        """Take the step; raises ValueError, before anything is changed, if a setting has become invalid."""
        self.optimizer._takes_back_state()
        for group in self.groups:
            group.check()
        start = 0
        for group in self.groups:
            end = start + len(group.parameters)
            group.step(grads[start:end])
            start = end

    # In machine code

    def tasks(self, grads: Sequence[Any]) -> list[Any] | None:
        """Return the step as tasks, or None if a group cannot be one."""
        found: list[Any] = []
        rest = iter(grads)
        for group in self.groups:
            tasks = group.tasks([next(rest) for _ in group.parameters])
            if tasks is None:
                return None
            found += tasks
        return found

    def ready(self) -> bool:
        """Whether the tasks can take the next step; raises ValueError if a setting has become invalid."""
        try:
            if self.goes_on():
                return True
        except (KeyError, IndexError):
            pass
        return self._prepared()

    def goes_on(self) -> bool:
        """Whether all is as when the tasks were made ready last, but for learning rates, which are taken over.

        Raises KeyError or IndexError where a setting is missing.
        """
        if self.optimizer._visits != self._visits or changes.replaced != self._replaced:
            return False
        return self._are_settings_same() or all(group.takes_rate() for group in self.groups)

    def _prepared(self) -> bool:
        optimizer = self.optimizer
        self._are_settings_same, self._visits = _no, -1
        optimizer._settle()
        for group in self.groups:
            group.check()
        if not all(group.prepared() for group in self.groups):
            return False
        optimizer._counts_natively(self.groups)
        if not optimizer._is_shown:
            self._visits, self._replaced = optimizer._visits, changes.replaced
            self._are_settings_same = self._question()
        return True

    def _question(self) -> Callable[[], bool]:
        """Return the function that says whether all settings are the same objects as now."""
        groups = self.optimizer.param_groups
        space: dict[str, Any] = {"optimizer": self.optimizer, "groups": groups}
        parts = [question for group in self.groups for question in group.questions(space)]
        return asking(["optimizer.param_groups is groups", *parts], space)

    def done(self) -> None:
        """Note that the tasks have run."""
        for group in self.groups:
            group.mark()
        if self._are_settings_same is _no:  # somebody may look at the state
            self.optimizer._takes_back_state()

    def marks(self) -> list[tuple[dict[Any, int], Any, list[Any]]]:
        """Return what `done` marks where the settings are the same as before: see `GroupStep.marks`."""
        return [group.marks() for group in self.groups]

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


def _no() -> bool:
    return False
