"""What is explored: a model or a function with its data, run again and again with other numbers."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.tree import flatten, unflatten
from chainrule.explain.derive.recorder import DoubleRecorder
from chainrule.explain.derive.subject import Recording, calling_line, record
from chainrule.nn.module import Module

Slot = tuple[str, int]
"""Where a number of the run comes from: ("leaf", k), the k-th array put on the tape, ("argument", k), or ("target", 0).

Floating-point arrays are leaves. Whole numbers, such as classes and tokens, are arguments or the target.
"""
Values = Mapping[Slot, Any]


class Replacing(DoubleRecorder):
    """A recorder that puts other values on itself than those that it is given.

    The k-th array that enters takes the value `values["leaf", k]`, if there is one. With `all_tracked` every array gets
    a gradient. `slots` maps each leaf's entry to its slot.
    """

    __slots__ = ("_all_tracked", "_count", "_values", "slots")

    def __init__(self, values: Values, all_tracked: bool = False) -> None:
        super().__init__()
        self._values, self._all_tracked, self._count = values, all_tracked, 0
        self.slots: dict[Any, Slot] = {}

    def enter(self, value: Any, name: str, tracked: bool, is_parameter: bool = False) -> Tensor:
        """Box an input of the run, with the value in its place, and record it."""
        slot = ("leaf", self._count)
        self._count += 1
        is_floating = getattr(value, "dtype", None) is not None and value.dtype.kind == "f"
        box = super().enter(self._values.get(slot, value), name, tracked or (self._all_tracked and is_floating))
        entry = self.entries[-1]
        entry.is_parameter = is_parameter
        self.slots[entry] = slot
        return box


@dataclass(frozen=True)
class Subject:
    """A model or a function, its arguments, and for a model its loss and target."""

    function: Any
    args: tuple[Any, ...]
    loss: Any = None
    target: Any = None
    argnums: Any = None

    def record(self, values: Values, all_tracked: bool = False) -> tuple[Recording, dict[Any, Slot]]:
        """Run it once with some values replaced; return the recording, and the slot of each leaf.

        Raises what `cr.explain` raises; a loss that is not finite is allowed.
        """
        tape = Replacing(values, all_tracked)
        args = self._arguments(values)
        target = values.get(("target", 0), self.target)
        with np.errstate(all="ignore"):
            found = record(self.function, args, self.loss, target, self.argnums, calling_line(), False, tape)
        return found, tape.slots

    def _arguments(self, values: Values) -> tuple[Any, ...]:
        if not any(kind == "argument" for kind, _ in values):
            return self.args
        leaves, structure = flatten(list(self.args))
        replaced = [values.get(("argument", k), leaf) for k, leaf in enumerate(leaves)]
        return tuple(unflatten(structure, replaced))

    def slot_of_whole_numbers(self, array: Any) -> Slot | None:
        """Return where an array of whole numbers comes from, found by its contents; None if it is the program's own."""
        target = self.target if self.target is None else np.asarray(value_of(self.target))
        if target is not None and _is_same(target, array):
            return ("target", 0)
        for k, leaf in enumerate(flatten(list(self.args))[0]):
            if _is_same(np.asarray(value_of(leaf)), array):
                return ("argument", k)
        return None

    def name_of_argument(self, slot: Slot) -> str:
        """Return the name that the function has for the argument that a slot belongs to; `x` if it has none."""
        called = self.function.forward if isinstance(self.function, Module) else self.function
        sizes = [len(flatten(argument)[0]) for argument in self.args]
        place = next(k for k in range(len(sizes)) if sum(sizes[: k + 1]) > slot[1])
        try:
            names = [
                p.name
                for p in signature(called).parameters.values()
                if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)
            ]
        except (TypeError, ValueError):
            names = []
        return names[place] if place < len(names) else "x"

    def original(self, slot: Slot) -> Any:
        """Return the whole numbers that a slot held at the beginning."""
        kind, k = slot
        return np.asarray(value_of(self.target if kind == "target" else flatten(list(self.args))[0][k]))


def _is_same(own: Any, array: Any) -> bool:
    return own.dtype.kind in "iu" and own.shape == np.shape(array) and bool(np.array_equal(own, array))


def copied(tree: Any) -> Any:
    """Return a copy of arguments, so that what the caller does to them later changes nothing here."""
    leaves, structure = flatten(tree)
    return unflatten(structure, [_copy(leaf) for leaf in leaves])


def _copy(leaf: Any) -> Any:
    if isinstance(leaf, np.ndarray):
        return leaf.copy()
    return leaf
