"""Modules that a `Function` is given along with their parameters, as those of solvers are: which tensors they use."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Slot:
    """A parameter or buffer of a module, and what is there when the function runs: an argument, by its number among
    the leaves, or a tensor.
    """

    held: dict[str, Any]
    name: str
    content: Any


@dataclass
class GivenModules:
    """The tensors that some modules use: those among the arguments that were theirs, and copies of the others."""

    slots: list[Slot] = field(default_factory=list)

    @classmethod
    def among(cls, leaves: Sequence[Any], torch: Any) -> "GivenModules":
        """Find the modules among the leaves of a call's arguments, while their tensors are in their places."""
        numbers = {id(x): k for k, x in enumerate(leaves) if isinstance(x, torch.Tensor)}
        given = [x for x in leaves if isinstance(x, torch.nn.Module)]
        modules = {id(m): m for one in given for m in one.modules()}
        slots = []
        for held in (held for m in modules.values() for held in (m._parameters, m._buffers)):
            for name, tensor in held.items():
                if tensor is not None:
                    number = numbers.get(id(tensor))
                    slots.append(Slot(held, name, tensor.detach().clone() if number is None else number))
        return cls(slots)

    @contextmanager
    def holding(self, leaves: Sequence[Any]) -> Iterator[None]:
        """Run a block in which the modules use these leaves of the arguments."""
        before = [slot.held[slot.name] for slot in self.slots]
        try:
            for slot in self.slots:
                content = leaves[slot.content] if isinstance(slot.content, int) else slot.content
                slot.held[slot.name] = content
            yield
        finally:
            for slot, tensor in zip(self.slots, before, strict=True):
                slot.held[slot.name] = tensor
