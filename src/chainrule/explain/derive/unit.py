"""`Unit`: one line of the forward pass."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from chainrule.observe.entry import Entry


@dataclass(eq=False)
class Unit:
    """One line of the forward pass.

    `record` is the operation whose formulas apply, `inputs` are its arguments, and `edges` locate the cotangent of each
    input on the tape: an (entry, position).
    """

    record: Any
    inputs: tuple[Any, ...]
    output: Entry
    settings: Mapping[str, Any]
    saved: Mapping[str, Any]
    edges: tuple[tuple[Entry, int], ...]
    inlined: bool = False
    consumers: list["Unit"] = field(default_factory=list)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The record's names for the inputs; those of a variadic operation are numbered."""
        if getattr(self.record, "variadic", False):
            return tuple(f"{self.record.arguments[0]}{k}" for k in range(len(self.inputs)))
        return tuple(self.record.arguments)

    def tracked_inputs(self) -> Iterable[tuple[int, Entry]]:
        """Yield the inputs that a gradient flows to, with their positions."""
        return ((k, x) for k, x in enumerate(self.inputs) if isinstance(x, Entry) and x.tracked)

    def contribution(self, k: int) -> Any:
        """Return the cotangent that this unit sends to its input k."""
        user, position = self.edges[k]
        return next(x_bar for u, p, x_bar in self.inputs[k].arrived if u is user and p == position)
