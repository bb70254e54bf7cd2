"""`Recorder`: a tape that keeps what it computed, as entries in order.

It is an ordinary tape, so recording does not alter the run. `check` uses it to find the operation with a wrong
gradient, `explain` to derive a gradient, `doctor` to measure the flow through a network; each has its own view of the
entries.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.base.provenance import users_frame
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.node import Item, Leaf, Node
from chainrule.core.traces.tape import Tape, next_level

from .entry import Detached, Entry


class Recorder(Tape):
    """A tape that records an `Entry` for each input and each operation, constant ones included.

    >>> import numpy as np
    >>> tape = Recorder()
    >>> x = tape.enter(np.array([1.0, 2.0]), "x", tracked=True)
    >>> y = np.sum(x * x)
    >>> [(entry.op.name, entry.value) for entry in tape.entries if not entry.is_leaf]
    [('multiply', array([1., 4.])), ('sum', np.float64(5.0))]
    """

    __slots__ = ("_boxes", "_by_box", "_by_node", "_stack", "entries", "failed")

    def __init__(self) -> None:
        super().__init__(next_level())
        self.entries: list[Entry] = []
        self.failed = ""
        """The path of the module in which an exception was raised."""
        self._stack: list[str] = []
        self._by_node: dict[int, Entry] = {}
        self._by_box: dict[int, Entry] = {}
        self._boxes: list[Any] = []  # kept alive, so that no id is reused

    # Inputs

    def enter(self, value: Any, name: str, tracked: bool, is_parameter: bool = False) -> Tensor:
        """Box an input of the run and record it."""
        box = self.leaf(value, name) if tracked else Tensor(value, self, None)
        self.adopt(box, name, is_parameter)
        return box

    def adopt(self, box: Tensor, name: str, is_parameter: bool = False) -> Entry:
        """Record a box already on this tape as an input of the run."""
        entry = Entry(None, (), {}, value_of(box), box._link, name=name, is_parameter=is_parameter)
        self._keep(entry, box)
        return entry

    # Operations

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` as any tape does, and record its inputs and its output."""
        y = super().process(op, args, settings)
        inputs = tuple(map(self.entry_of, args))
        if not isinstance(y, tuple):
            self._keep(self._made(op, inputs, settings, y, y._link), y)
            return y
        parent = y[0]._link.parents[0] if isinstance(y[0]._link, Item) else None
        whole = self._made(op, inputs, settings, y, parent)
        self._keep(whole, None)
        for k, part in enumerate(y):
            entry = Entry(op, (whole,), {"part": k}, value_of(part), part._link, self.path, where=whole.where)
            self._keep(entry, part)
        return y

    def _made(self, op: Any, inputs: tuple[Any, ...], settings: Mapping[str, Any], y: Any, node: Node | None) -> Entry:
        saved = dict(zip(op.residuals, node.saved or (), strict=False)) if node is not None else {}
        value = tuple(map(value_of, y)) if isinstance(y, tuple) else value_of(y)
        frame = users_frame()
        return Entry(op, inputs, settings, value, node, self.path, saved=saved, where=(frame.f_code, frame.f_lasti))

    def _keep(self, entry: Entry, box: Tensor | None) -> None:
        self.entries.append(entry)
        if entry.node is not None:
            self._by_node[entry.node.order] = entry
        if box is not None:
            self._by_box[id(box)] = entry
            self._boxes.append(box)

    # Lookup

    def entry_of(self, x: Any) -> Any:
        """Return the entry of a box of this tape, or the plain value of anything else."""
        if not isinstance(x, Tensor):
            return x
        if x._trace is not self:
            return value_of(x)
        found = self._by_node.get(x._link.order) if isinstance(x._link, Node) else self._by_box.get(id(x))
        if found is not None and found.node is None and found.value is not value_of(x):
            found = None  # it was modified in place
        if found is None and isinstance(x._link, Leaf):
            return self.adopt(x, x.name or "")
        return self._same_values(x) if found is None else found

    def _same_values(self, x: Tensor) -> Any:
        """Return a gradient-free entry for the one whose values a detached box shares; else the values."""
        value = value_of(x)
        for entry in reversed(self.entries):
            if entry.value is value or _lent_by(entry.value, value):
                frame = users_frame()  # the line that uses it first: the one that detaches it calls no operation
                detached = Entry(Detached, (entry,), {}, value, None, entry.module, where=(frame.f_code, frame.f_lasti))
                self._keep(detached, x)
                return detached
        return value

    # Modules

    @property
    def path(self) -> str:
        """The path of the module that is running."""
        return self._stack[-1] if self._stack else ""

    @contextmanager
    def inside(self, path: str) -> Iterator[None]:
        """Record the module that makes each entry, and the one that raises an exception."""
        self._stack.append(path)
        try:
            yield
        except Exception:
            self.failed = self.failed or path
            raise
        finally:
            self._stack.pop()

    def announced(self, path: str, module: Any) -> Callable[..., Any]:
        """Return a replacement for a module's `forward` that reports when it runs."""
        forward = module.forward

        def announced(*args: Any, **kwargs: Any) -> Any:
            with self.inside(path):
                output = forward(*args, **kwargs)
            self.returned(path, module, args, output)
            return output

        return announced

    def returned(self, path: str, module: Any, args: tuple[Any, ...], output: Any) -> None:
        """Called after each module call; a hook for subclasses that record more than entries."""


def _lent_by(whole: Any, value: Any) -> bool:
    """Whether an array is a view of all of another: that of a parameter is lent so."""
    return (
        isinstance(value, np.ndarray) and value.base is not None and value.base is whole and value.shape == whole.shape
    )
