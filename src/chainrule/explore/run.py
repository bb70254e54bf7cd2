"""One run of what is explored: its boxes, and the order in which the two passes reach them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.explain.derive.equations import Equation
from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.naming import Names, name_all
from chainrule.explain.derive.rests import Rests, cleared
from chainrule.explain.derive.subject import Recording
from chainrule.explain.derive.symbols import Symbol, from_name
from chainrule.explain.derive.unit import Unit
from chainrule.explain.derive.units import single_units, units_of
from chainrule.observe.entry import Entry, leading_to

from .naming import ascii_name, free_name
from .subject import Slot, Subject, Values


@dataclass(eq=False)
class Box:
    """One value of the run: a parameter, an input, or the result of an operation.

    `sources` are the numbers of the boxes that it is computed from, `users` of those that use it. `forward` and
    `backward` say at which step of each pass its value and its gradient are known, from 1; a value that nobody computes
    is known at step 0. `backward` is 0 if it gets no gradient.
    """

    number: int
    name: str
    symbol: Symbol
    kind: str
    entry: Entry | None
    constant: Any = None
    sources: list[int] = field(default_factory=list)
    users: list[int] = field(default_factory=list)
    slot: Slot | None = None
    forward: int = 0
    backward: int = 0

    @property
    def op(self) -> Any:
        """The record of its operation; None for a value that no operation made."""
        return None if self.entry is None else self.entry.op

    @property
    def operation(self) -> str:
        """The name of its operation, or its kind."""
        return self.kind if self.op is None else str(self.op.name)

    @property
    def value(self) -> Any:
        """Its value; a tuple for an operation with several results."""
        return self.constant if self.entry is None else self.entry.value

    @property
    def gradient(self) -> Any:
        """The derivative of the loss with respect to it; None if there is none."""
        return None if self.entry is None else self.entry.gradient

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value."""
        return () if isinstance(self.value, tuple) else np.shape(self.value)

    @property
    def source(self) -> Source | None:
        """The line of the program that computes it."""
        return None if self.entry is None or self.entry.op is None else self.entry.source

    @property
    def module(self) -> str:
        """The path of the module that computes it."""
        return "" if self.entry is None else self.entry.module


class Run:
    """A run with these values; `boxes` in the order of the forward pass, the loss last.

    `forward_order` and `backward_order` hold the number of the box that each step of a pass works on.
    """

    def __init__(self, subject: Subject, values: Values, before: "Run | None" = None) -> None:
        self.subject, self.values = subject, values
        self.recording, self._slots = subject.record(values)
        self.names = self._names(before)
        self.boxes: list[Box] = []
        self.box_of: dict[Entry, Box] = {}
        self._taken: set[str] = set()
        self._constants: dict[int, Box] = {}
        self._equations: dict[Unit, tuple[Equation, list[Equation]]] = {}
        for entry in self._reached():
            self._add(entry)
        self.forward_order = [box.number for box in self.boxes if box.op is not None]
        self.backward_order = self._number()
        self.by_name = {box.name: box for box in self.boxes}
        self._check_real()

    def _names(self, before: "Run | None") -> Names:
        """Return the symbols: those of the run before, if this one did the same, since finding them takes long."""
        if before is not None and _operations(before.recording) == _operations(self.recording):
            pairs = zip(self.recording.entries, before.recording.entries, strict=True)
            symbols = {new: before.names.symbols[old] for new, old in pairs if old in before.names.symbols}
            return Names(symbols, set(before.names.taken))
        return name_all(self.recording, units_of(self.recording))

    # Boxes

    def _reached(self) -> Iterator[Entry]:
        reached = leading_to(self.recording.loss)
        return (entry for entry in self.recording.entries if entry in reached)

    def _add(self, entry: Entry) -> None:
        constants = [] if entry.is_leaf else [self._constant(entry, k) for k in range(len(entry.inputs))]
        settings = [found for x in _arrays(entry.settings) if (found := self._whole_numbers(x)) is not None]
        kind = "operation" if entry.op is not None else "parameter" if entry.tracked else "input"
        box = self._new(self._symbol(entry), kind, entry)
        box.slot = self._slots.get(entry)
        self.box_of[entry] = box
        for setting in settings:
            box.sources.append(setting.number)
            setting.users.append(box.number)
        for x, constant in zip(entry.inputs, constants, strict=False):
            source = self.box_of.get(x) if isinstance(x, Entry) else constant
            if source is not None:
                box.sources.append(source.number)
                if box.number not in source.users:
                    source.users.append(box.number)

    def _symbol(self, entry: Entry) -> Symbol:
        """Return the derivation's symbol; what the derivation combines with its user is a u of its own."""
        if entry not in self.names.symbols:
            self.names.give(entry, Symbol("u"))
        return self.names.of(entry)

    def _new(self, symbol: Symbol, kind: str, entry: Entry | None) -> Box:
        name = free_name(ascii_name(symbol), self._taken)
        self._taken.add(name)
        box = Box(len(self.boxes), name, symbol, kind, entry)
        self.boxes.append(box)
        return box

    def _constant(self, entry: Entry, k: int) -> Box | None:
        """Return the box of an array that the program uses and that carries no gradient; numbers have none."""
        x = entry.inputs[k]
        if isinstance(x, Entry) or not isinstance(x, np.ndarray) or x.ndim == 0:
            return None
        found = self._whole_numbers(x)
        if found is None:
            names: tuple[str, ...] = entry.op.arguments
            name = self.recording.name_of_constant(x) or names[min(k, len(names) - 1)]
            found = self._kept(x, from_name(name), None)
        return found

    def _whole_numbers(self, x: Any) -> Box | None:
        """Return the box of whole numbers that are an argument or the target; None for any other array."""
        if id(x) in self._constants:
            return self._constants[id(x)]
        slot = self.subject.slot_of_whole_numbers(self._before(x)) if x.dtype.kind in "iu" else None
        if slot is None:
            return None
        name = "y" if slot == ("target", 0) else self.subject.name_of_argument(slot)
        return self._kept(x, from_name(name), slot)

    def _kept(self, x: Any, symbol: Symbol, slot: Slot | None) -> Box:
        box = self._new(symbol, "input", None)
        box.constant, box.slot = x, slot
        self._constants[id(x)] = box
        return box

    def _before(self, x: Any) -> Any:
        """Return the array that the subject was made with where `x` replaces it."""
        for slot, value in self.values.items():
            if slot[0] != "leaf" and np.shape(value) == x.shape and np.array_equal(value, x):
                return self.subject.original(slot)
        return x

    def _check_real(self) -> None:
        """Raise ValueError for complex numbers: the equations that are shown are those of real ones."""
        for box in self.boxes:
            if not isinstance(box.value, tuple) and np.iscomplexobj(box.value):
                raise ValueError(
                    f"explore: {box.name} ({box.operation}) is complex, and only real numbers can be explored; "
                    f"cr.graph draws the computation, cr.check checks its gradient"
                )

    def shown_value(self, box: Box) -> Any:
        """Return a box's value as it is shown: with 0 in the place of what is only rounding."""
        return box.value if box.entry is None else cleared(box.value, self.rests.value(box.entry))

    def shown_gradient(self, box: Box) -> Any:
        """Return a box's gradient as it is shown."""
        return box.gradient if box.entry is None else cleared(box.gradient, self.rests.gradient(box.entry))

    # The two passes

    def _number(self) -> list[int]:
        """Number the steps; return the boxes that send their gradient on, in the order of the backward pass."""
        for step, number in enumerate(self.forward_order, 1):
            self.boxes[number].forward = step
        order = [n for n in reversed(self.forward_order) if self.boxes[n].gradient is not None]
        sent = {number: step for step, number in enumerate(order, 1)}
        for box in self.boxes:
            if box.gradient is not None:
                steps = [sent[user] for user in box.users if user in sent]
                box.backward = max(steps, default=1)
        return order

    def signature(self) -> tuple[Any, ...]:
        """Return what determines the drawing: runs with the same signature differ in their numbers only."""
        return tuple((box.name, box.kind, box.operation, box.shape, tuple(box.sources)) for box in self.boxes)

    @property
    def loss(self) -> float:
        """The value of the loss."""
        return float(self.recording.loss.value)

    @cached_property
    def rests(self) -> Rests:
        """The numbers that are only rounding."""
        return Rests(self.recording.entries)

    # Equations

    @cached_property
    def units(self) -> dict[Entry, Unit]:
        """The unit of each operation, nothing combined."""
        return {unit.output: unit for unit in single_units(self.recording)}

    @cached_property
    def book(self) -> Book:
        """The equations, one operation at a time."""
        return Book(self.recording, list(self.units.values()), self.names)

    def forward_equation(self, unit: Unit) -> tuple[Equation, list[Equation]]:
        """Return the equation of an operation, and those that it depends on; it is written once."""
        if unit not in self._equations:
            self._equations[unit] = self.book.forward(unit)
        return self._equations[unit]

    def trained(self) -> Sequence[Box]:
        """Return the parameters that a training step changes."""
        return [box for box in self.boxes if box.kind == "parameter" and box.gradient is not None]


def _operations(recording: Recording) -> list[tuple[Any, Any]]:
    return [(entry.op, entry.shape if not isinstance(entry.value, tuple) else None) for entry in recording.entries]


def _arrays(settings: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the arrays among an operation's settings, such as the rows that a lookup takes."""
    for value in settings.values():
        yield from (
            x for x in (value if isinstance(value, tuple) else (value,)) if isinstance(x, np.ndarray) and x.ndim
        )
