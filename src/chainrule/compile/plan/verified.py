"""The invariant of every plan: nothing is read before a step has written it, or after another has overwritten it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.compile.program.groups import Group
from chainrule.compile.program.program import Instruction, Program, Value
from chainrule.core.errors import CaptureError

from .footprint import Footprint, footprint, may_meet
from .loops import aliases


def check_written(
    program: Program, buffers: Mapping[Value, Any], first: Sequence[Any], rest: Sequence[Any], barrier: Any = None
) -> None:
    """Go through the steps of a plan in their order, and raise CaptureError where one reads what is not there.

    `first` runs at a call, and `rest` behind `barrier`, when the cotangents have come. What the barrier names must be
    there at the end of the first part, everything else that goes out at the end.
    """
    late = {v for v in program.inputs if barrier is not None and v.after is barrier}
    memory = _Memory(buffers)
    for value in buffers:
        if value.kind in ("state", "constant") or (value.kind == "input" and value not in late):
            memory.write(value)
    memory.run(first)
    if barrier is not None:
        memory.read(barrier.inputs, "the results")
        for value in late & buffers.keys():
            memory.write(value)
        memory.run(rest)
    memory.read(program.outputs, "the results")


FAULT = "this is a fault of chainrule's: call the function as it is, without compile, and report it"


class _Memory:
    """Which values are in their buffers at a moment."""

    def __init__(self, buffers: Mapping[Value, Any]) -> None:
        self.buffers = buffers
        self.there: dict[int, dict[Value, Footprint]] = {}
        """By the owner of the memory: the values that are there, and where they lie."""
        self.made: set[Value] = set()
        self._places = {value: _place(array) for value, array in buffers.items()}

    def run(self, steps: Iterable[Any]) -> None:
        for step in steps:
            self.read(step.inputs, step.name)
            if step.run is None or step.joins:  # a view is there if what it looks at is, and parts stay where they are
                for value in step.outputs:
                    self._add(value)
            else:
                self.written(step.node, step.outputs)

    def written(self, node: Instruction | Group, outputs: Iterable[Value]) -> None:
        for value in outputs:
            self.write(value)
        if isinstance(node, Group):
            stored = set(outputs)
            for out, source in aliases(node).items():
                if source in stored and out in self.buffers:
                    self._add(out)

    def read(self, values: Iterable[Value], reader: str) -> None:
        for value in values:
            if value not in self._places:  # a constant or a state that goes out as it is
                continue
            owner, _ = self._places[value]
            if value not in self.there.get(owner, ()):
                raise CaptureError(
                    f"compile: {reader} would read {value!r}, which is not in its buffer at that point; {FAULT}"
                )

    def write(self, value: Value) -> None:
        """Record that a value is now in its buffer, and that it overwrote what was there."""
        if value in self.made:
            raise CaptureError(f"compile: {value!r} would be written twice; {FAULT}")
        self.made.add(value)
        owner, place = self._places[value]
        others = self.there.setdefault(owner, {})
        for other in [o for o, there in others.items() if o is not value and may_meet(there, place)]:
            if other.kind not in ("state", "constant") or value.kind not in ("state", "constant"):
                del others[other]
        others[value] = place

    def _add(self, value: Value) -> None:
        owner, place = self._places[value]
        self.there.setdefault(owner, {})[value] = place


def _place(array: Any) -> tuple[int, Footprint]:
    """Return the owner of an array's memory, and where in it the array lies."""
    owner = array
    while isinstance(owner.base, np.ndarray):
        owner = owner.base
    return id(owner), footprint(array)
