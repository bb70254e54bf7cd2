"""The tape that keeps what it computed: every operation with its inputs, its value and, afterwards, its gradient.

A `Recorder` is an ordinary tape. What a derivation shows was computed by the rules that `backward()` uses, on the
values that the forward pass made; nothing is computed a second time for the eye.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.provenance import Source
from chainrule.core.facts import Facts
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.node import Item, Node
from chainrule.core.traces.reverse import fit
from chainrule.core.traces.tape import EAGER, Tape, next_level
from chainrule.rules.arrays.shape import Astype


@dataclass(eq=False)
class Entry:
    """One value of the computation: a leaf (`op` is None), or what an operation made.

    `inputs` are entries, or plain values where a constant was passed. `node` is None for what carries no gradient.
    `arrived` holds what came back from each use, as (user, position, cotangent); `gradient` is their sum.
    """

    op: Any
    inputs: tuple[Any, ...]
    settings: Mapping[str, Any]
    value: Any
    node: Node | None
    module: str = ""
    name: str = ""
    saved: Mapping[str, Any] = field(default_factory=dict)
    arrived: list[tuple["Entry", int, Any]] = field(default_factory=list)
    gradient: Any = None
    is_parameter: bool = False

    def takes(self, other: "Entry") -> bool:
        """Whether an entry is among its inputs: by identity, since an array beside it has an equality of its own."""
        return any(x is other for x in self.inputs)

    def is_part_of(self, whole: "Entry") -> bool:
        """Whether it is one of the results of an operation with several."""
        return "part" in self.settings and self.inputs[0] is whole

    @property
    def tracked(self) -> bool:
        """Whether a gradient flows to it."""
        return self.node is not None

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made it."""
        return self.op is None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of its value."""
        return np.shape(self.value)

    @property
    def source(self) -> Source | None:
        """The line of the user's code that made it."""
        return None if self.node is None else self.node.source


def array_of(x: Any) -> Any:
    """Return the array behind an input: an entry, or a plain value."""
    return np.asarray(x.value if isinstance(x, Entry) else x)


class Recorder(Tape):
    """A tape that notes an `Entry` for each operation, in order."""

    __slots__ = ("_boxes", "_by_box", "_by_node", "_lifts", "entries", "path")

    def __init__(self) -> None:
        super().__init__(next_level())
        self.entries: list[Entry] = []
        self.path: list[str] = []
        self._by_node: dict[int, Entry] = {}
        self._by_box: dict[int, Entry] = {}
        self._boxes: list[Any] = []  # kept alive: what is found by its id must not be replaced by another
        self._lifts: dict[int, Tensor] = {}

    def enter(self, value: Any, name: str, tracked: bool, is_parameter: bool = False) -> Tensor:
        """Box an input of the computation."""
        box = self.leaf(value, name) if tracked else Tensor(value, self, None)
        entry = Entry(None, (), {}, value, box._link, name=name, is_parameter=is_parameter)
        self._keep(entry, box)
        return box

    def entry_of(self, x: Any) -> Any:
        """Return the entry of a box, or the plain value of anything else."""
        if not isinstance(x, Tensor):
            return x
        found = self._by_node.get(x._link.order) if isinstance(x._link, Node) else self._by_box.get(id(x))
        if found is not None and found.node is None and found.value is not value_of(x):
            found = None  # it was written into
        return self._same_values(x) if found is None else found

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` as every tape does, and note what went in and what came out."""
        args = tuple(map(self._lifted, args))
        if op is Astype:  # to another floating dtype: all of this is computed in float64
            settings = {**settings, "dtype": np.dtype(np.float64)}
        y = super().process(op, args, settings)
        inputs = tuple(map(self.entry_of, args))
        path = self.path[-1] if self.path else ""
        if not isinstance(y, tuple):
            self._keep(self._made(op, inputs, settings, y, y._link, path), y)
            return y
        parent = y[0]._link.parents[0] if isinstance(y[0]._link, Item) else None
        whole = self._made(op, inputs, settings, y, parent, path)
        self._keep(whole, None)
        for k, part in enumerate(y):
            self._keep(Entry(op, (whole,), {"part": k}, value_of(part), part._link, path), part)
        return y

    def _made(
        self, op: Any, inputs: tuple[Any, ...], settings: Mapping[str, Any], y: Any, node: Node | None, path: str
    ) -> Entry:
        saved = dict(zip(op.residuals, node.saved or (), strict=False)) if node is not None else {}
        value = tuple(map(value_of, y)) if isinstance(y, tuple) else value_of(y)
        return Entry(op, inputs, settings, value, node, path, saved=saved)

    def _keep(self, entry: Entry, box: Tensor | None) -> None:
        self.entries.append(entry)
        if entry.node is not None:
            self._by_node[entry.node.order] = entry
        if box is not None:
            self._by_box[id(box)] = entry
            self._boxes.append(box)

    def _lifted(self, x: Any) -> Any:
        """Bring a tensor of the eager tape, which a function uses without taking it as an argument, onto this one."""
        if not isinstance(x, Tensor) or x._trace is not EAGER:
            return x
        if id(x) not in self._lifts:
            self._boxes.append(x)
            tracked = x.requires_grad and x.dtype.kind == "f"
            value = x._value.astype(np.float64) if x.dtype.kind == "f" else x._value
            self._lifts[id(x)] = self.enter(value, x.name or "", tracked, tracked)
        return self._lifts[id(x)]

    def _same_values(self, x: Tensor) -> Any:
        """Return the entry that a detached box shares its values with, as one without a gradient; else the values."""
        value = value_of(x)
        for entry in reversed(self.entries):
            if entry.value is value:
                detached = Entry(Detached, (entry,), {}, value, None, entry.module)
                self._keep(detached, x)
                return detached
        return value

    @contextmanager
    def inside(self, path: str) -> Iterator[None]:
        """Note for each entry which module made it."""
        self.path.append(path)
        try:
            yield
        finally:
            self.path.pop()


class Detached(Facts):
    """What stands for `x.detach()`, which is no operation."""

    name = "detach"
    kind = "constant"
    arguments = ("x",)


def leading_to(loss: Entry) -> set[Entry]:
    """Return every entry that a value was computed from, and its own."""
    found, stack = {loss}, [loss]
    while stack:
        for x in stack.pop().inputs:
            if isinstance(x, Entry) and x not in found:
                found.add(x)
                stack.append(x)
    return found


def pull_back(entries: Sequence[Entry], loss: Entry, seed: Any = None) -> None:
    """Fill in the gradient of every entry that the loss depends on, with the adjoints of the records.

    This is the engine's walk with every edge kept: the same rules, in the same order, on the same saved values.
    """
    by_order = {e.node.order: e for e in entries if e.node is not None}
    parts: dict[Entry, dict[int, Any]] = {}
    loss.gradient = np.ones(loss.shape) if seed is None else seed
    for entry in reversed(entries):
        if entry.node is None or entry.is_leaf:
            continue
        if isinstance(entry.node, Item):
            if entry.gradient is not None:
                parts.setdefault(entry.inputs[0], {})[entry.settings["part"]] = entry.gradient
            continue
        y_bar = entry.gradient
        if entry.op.several:
            if entry not in parts:
                continue
            y_bar = tuple(parts[entry].get(k, np.zeros(np.shape(v))) for k, v in enumerate(entry.value))
            entry.gradient = y_bar
        if y_bar is not None:
            _send(entry, y_bar, by_order)


def _send(entry: Entry, y_bar: Any, by_order: Mapping[int, Entry]) -> None:
    node: Any = entry.node
    pulled = None if entry.op.adjoints else entry.op.pull(y_bar, node.saved, node.settings)
    for k, parent in enumerate(node.parents):
        if parent is None:
            continue
        raw = entry.op.adjoints[k](y_bar, node.saved, node.settings) if pulled is None else pulled[k]
        x_bar = fit(raw, parent.shape, parent.dtype)
        target = by_order[parent.order]
        target.arrived.append((entry, k, x_bar))
        target.gradient = x_bar if target.gradient is None else target.gradient + x_bar
