"""What a plan assumed to be fixed, and whether it still is."""

from collections.abc import Container, Iterable
from dataclasses import dataclass, field
from typing import Any

from chainrule.compile.plan.plan import Plan
from chainrule.core.memory.alias import is_shared
from chainrule.core.memory.changes import changes
from chainrule.core.memory.loans import is_lent

from .capture import Capture
from .contents import is_unchanged
from .modules import ModuleState
from .watch import Watch


@dataclass(eq=False)
class Guards:
    """What a capture saw of the world around the function."""

    capture: Capture
    plan: Plan
    watch: Watch
    seen: int = -1
    modules: list[ModuleState] = field(default_factory=list)

    def __post_init__(self) -> None:
        states = [v for v in self.plan.buffers if v.kind == "state"]
        self.arrays = {id(v.array): self.plan.buffers[v] for v in states}
        read = self.capture.read_grads
        self.with_grad = [x for x, value in self.capture.entry_grads if value in self.plan.buffers or id(x) in read]
        used = {id(leaf) for leaf in self.with_grad}
        self.without_grad = [
            leaf
            for key, (leaf, grad) in self.capture.grads.items()
            if grad is None
            and key not in used
            and (key in read or (leaf in self.plan.final_grads and key not in self.capture.forgotten))
        ]
        self.looked = self.capture.looked
        self.is_simple = not (self.without_grad or self.with_grad or self.looked)
        """Whether only variables and optimisers are to be looked at while no array is replaced."""

    def hold(self, leaves: Iterable[Any] = ()) -> bool:
        """Whether the plan still fits; arrays replaced by others of the same shape and dtype are accepted.

        `leaves` are the arguments, which a replacement must not be one of: it is copied, and what is then written into
        the argument would be lost.
        """
        if not self.watch.hold():
            return False
        if self.seen == changes.replaced and self.is_simple:  # written out for speed
            return self._checks_hold()
        if self.without_grad and any(leaf.grad is not None for leaf in self.without_grad):
            return False
        if self.with_grad and any(leaf.grad is None for leaf in self.with_grad):
            return False
        for array, before in self.looked:
            if not is_unchanged(array, before):
                return False
        if not self._checks_hold():
            return False
        if self.seen != changes.replaced:
            if not self._look({id(x) for x in leaves}):
                return False
            self.seen = changes.replaced
        return True

    def _checks_hold(self) -> bool:
        for check in self.capture.checks:  # noqa: SIM110 - at every call: a generator takes longer
            if not check():
                return False
        return True

    def changed(self) -> str | None:
        """Return what has changed, in words, or None."""
        if (path := self.watch.changed()) is not None:
            return path
        for module in self.modules:
            if (name := module.changed()) is not None:
                return f"{type(module.module).__name__}.{name}"
        if not all(is_unchanged(array, before) for array, before in self.looked):
            return "the content of an array at which the function looks"
        if any(tensor._link is not link for tensor, _, link in self.capture.tensors.values()):
            return "whether a parameter is frozen"
        return None if self.hold() else "a parameter, a buffer, or whether there is a gradient"

    def _look(self, leaves: Container[int]) -> bool:
        if not all(module.holds() for module in self.modules):
            return False
        for holder, name, array in self.capture.holders.values():
            if holder.get(name) is not array:
                return False
        for tensor, array, link in self.capture.tensors.values():
            if tensor._link is not link:
                return False
            home = self.arrays.get(id(array))
            if home is None and tensor._value is not array:
                return False
            if home is not None and tensor._value is not home:
                if any(home is seen for seen, _ in self.looked):
                    return False
                value = tensor._value
                if value.shape != home.shape or value.dtype != home.dtype or not home.flags.writeable:
                    return False
                if is_lent(value) or is_lent(home):  # somebody can write to the one, or means the other to stay
                    return False
                if is_shared(tensor) or id(value) in leaves:
                    return False
                home[...] = value
                tensor._value = home
                changes.replaced += 1  # another plan may have moved it
        return True
