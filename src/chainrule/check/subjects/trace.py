"""A forward pass on chainrule's own tape, on which the gradient can be followed path by path."""

import linecache
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import FunctionType
from typing import Any

import numpy as np

import chainrule.numpy as our_numpy
from chainrule.core.custom import is_floating
from chainrule.core.traces.node import Item
from chainrule.core.traces.reverse import Usable, fit
from chainrule.core.tree import flatten
from chainrule.observe.entry import Entry
from chainrule.observe.recorder import Recorder

from .subject import Array, parted

LARGEST = 4000
"""The most values of a run that is followed."""
STANDARD = str(Path(os.__file__).parent) + os.sep
"""Where Python's own library is: a line of it, such as one that calls a property's function, says nothing."""


@dataclass(frozen=True)
class Use:
    """All uses of values in one place of the code, as one argument of one operation: in a loop there are several."""

    key: tuple[Any, ...]
    producer: Entry
    user: Entry
    position: int
    shared: bool
    """Whether the value is used in other places as well."""

    @property
    def alone(self) -> bool:
        """Whether the operation has no other argument that a gradient flows to."""
        return sum(isinstance(x, Entry) and x.tracked for x in self.user.inputs) == 1


class Trace:
    """One run: its values in their order, its outputs, and the entries of its arguments."""

    def __init__(self, run: Callable[..., Any], arguments: Mapping[str, Array]) -> None:
        recorder = Recorder()
        boxes = [recorder.enter(np.array(x), name, tracked=True) for name, x in arguments.items()]
        outputs = [y for y in flatten(run(*boxes))[0] if is_floating(y)]
        self.leaves = dict(zip(arguments, map(recorder.entry_of, boxes), strict=True))
        self.outputs = [recorder.entry_of(y) for y in outputs]
        self.entries = recorder.entries
        self.values = [np.asarray(y.value if isinstance(y, Entry) else y) for y in self.outputs]

    def uses(self) -> Iterator[Use]:
        """Yield each place of use, the last of the run first."""
        seen = set()
        places: dict[Entry, set[tuple[Any, ...]]] = {}
        for entry in self.entries:
            for k, x in enumerate(entry.inputs):
                if isinstance(x, Entry):
                    places.setdefault(x, set()).add((*_place(entry), k))
        for entry in reversed(self.entries):
            if entry.node is None or entry.is_leaf or isinstance(entry.node, Item):
                continue
            for k, x in enumerate(entry.inputs):
                key = (*_place(entry), k)
                if isinstance(x, Entry) and x.tracked and key not in seen:
                    seen.add(key)
                    yield Use(key, x, entry, k, len(places[x]) > 1)

    def gradient(
        self, name: str, y_bar: Array, at: Use | None = None, change: Callable[[Any, Any], Any] | None = None
    ) -> Array | None:
        """Return the gradient of an argument; `change(x_bar, y_bar)` is what passes through the uses `at` instead."""
        waiting: dict[int, Any] = {}
        parts: dict[int, dict[int, Any]] = {}
        for output, bar in zip(self.outputs, parted(y_bar, self.values), strict=True):
            if isinstance(output, Entry) and output.node is not None:
                _add(waiting, output.node.order, bar)
        usable = Usable()
        for entry in reversed(self.entries):
            node: Any = entry.node
            if node is None or entry.is_leaf:
                continue
            bar = waiting.get(node.order)
            if isinstance(node, Item):
                if bar is not None:
                    above: Any = node.parents[0]
                    parts.setdefault(above.order, {})[entry.settings["part"]] = bar
                continue
            if entry.op.several and node.order in parts:
                bar = tuple(parts[node.order].get(k, np.zeros_like(v)) for k, v in enumerate(entry.value))
            if bar is None:
                continue
            usable.check(node)
            pulled = None if entry.op.adjoints else entry.op.pull(bar, node.saved, node.settings)
            for k, parent in enumerate(node.parents):
                if parent is None:
                    continue
                raw = entry.op.adjoints[k](bar, node.saved, node.settings) if pulled is None else pulled[k]
                x_bar = fit(raw, parent.shape, parent.dtype)
                if at is not None and change is not None and (*_place(entry), k) == at.key:
                    x_bar = change(x_bar, bar)
                _add(waiting, parent.order, x_bar)
        leaf = self.leaves[name]
        found = waiting.get(leaf.node.order) if leaf.node is not None else None
        return np.zeros(leaf.shape) if found is None else np.asarray(found)


def traced(run: Callable[..., Any], arguments: Mapping[str, Array]) -> Trace | None:
    """Return a run on the tape; None for code that does not run there, or has too many operations."""
    try:
        with np.errstate(all="ignore"):
            trace = Trace(run, arguments)
    except Exception:  # code that does not take our boxes
        return None
    return trace if trace.outputs and len(trace.entries) <= LARGEST else None


def with_our_numpy(f: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function that calls chainrule's NumPy, which takes a list of our boxes, where it calls NumPy's.

    So do the functions of the same file that it calls.
    """
    if not isinstance(f, FunctionType):
        return f
    old = f.__globals__
    new = {name: our_numpy if value is np else value for name, value in old.items()}

    def moved(g: FunctionType) -> FunctionType:
        made = FunctionType(g.__code__, new, g.__name__, g.__defaults__, g.__closure__)
        made.__kwdefaults__ = g.__kwdefaults__
        return made

    mine = {k: moved(v) for k, v in new.items() if isinstance(v, FunctionType) and v.__globals__ is old}
    new.update(mine)
    return moved(f)


def _place(entry: Entry) -> tuple[Any, ...]:
    return entry.where if entry.where is not None else (id(entry),)


def _add(waiting: dict[int, Any], order: int, bar: Any) -> None:
    waiting[order] = waiting[order] + bar if order in waiting else bar


def is_standard(file: str) -> bool:
    """Whether a file belongs to Python's own library."""
    return file.startswith(STANDARD) and not file.startswith((f"{STANDARD}site-packages", f"{STANDARD}dist-packages"))


def expression_of(entry: Entry, longest: int = 60) -> str:
    """Return the expression in the code that made a value; an empty string where there is none, or a long one."""
    if entry.where is None or is_standard(entry.where[0].co_filename):
        return ""
    code, offset = entry.where
    first, last, start, end = next(islice(code.co_positions(), offset // 2, None), (None,) * 4)
    if first is None or first != last or start is None or end is None:
        return ""
    line = linecache.getline(code.co_filename, first).encode()  # columns count bytes
    text = line[start:end].decode(errors="replace").strip()
    return text if len(text) <= longest else ""
