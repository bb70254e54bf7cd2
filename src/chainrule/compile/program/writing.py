"""`Writer`: instructions in place of another, for passes that split one."""

from typing import Any

from chainrule.rules.arrays.reduce import Sum

from .program import Instruction, Program, Value, applied


class Writer:
    """Writes instructions in place of another."""

    def __init__(self, program: Program, i: Instruction) -> None:
        self.program, self.instruction = program, i
        self.made: list[Instruction] = []

    def __call__(self, op: Any, *args: Any, **settings: Any) -> Value:
        """Write an operation; return its result."""
        return self.add(applied(self.program, op, args, settings))[0]

    def add(self, i: Instruction) -> list[Value]:
        """Write an instruction; return its results."""
        i.source = self.instruction.source
        self.made.append(i)
        return i.outputs

    def total(self, x: Value) -> Value:
        """Write the sums of columns."""
        return self(Sum, x, axis=0, keepdims=False)
