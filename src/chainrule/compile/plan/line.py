"""`PlanStep`: one line of a plan."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from chainrule.compile.program.groups import Group
from chainrule.compile.program.program import Instruction, Value

from .loops import Loop, describe
from .steps import Run, operations


@dataclass(eq=False)
class PlanStep:
    """One line of a plan."""

    node: Instruction | Group
    run: Run | None
    """None for a view, which costs nothing."""
    outputs: list[Value]
    loop: Loop | None = None
    copies: Sequence[tuple[Any, Any]] = ()
    """What a change in place copies first, and where to; what a join still has to copy, and where to."""
    joins: bool = False
    """Whether it joins parts of which some are in its result already."""

    @property
    def is_effect(self) -> bool:
        """Whether it has side effects."""
        return isinstance(self.node, Instruction) and self.node.kind == "effect"

    @property
    def name(self) -> str:
        """What the line is called."""
        return describe(self.node) if isinstance(self.node, Group) else self.node.name

    @property
    def op(self) -> Any:
        """The single operation that it runs, or None."""
        return self.node.op if isinstance(self.node, Instruction) else None

    @property
    def flops(self) -> int:
        """Floating-point operations, as far as they are known."""
        if isinstance(self.node, Group):
            return sum(self.node.size for _ in self.node.members)
        return operations(self.node)

    @property
    def source(self) -> str:
        """The user's line."""
        return self.node.members[0].source if isinstance(self.node, Group) else self.node.source

    @property
    def inputs(self) -> list[Value]:
        """What it reads."""
        if self.loop is not None:
            return self.loop.loaded
        assert isinstance(self.node, Instruction)
        return self.node.inputs
