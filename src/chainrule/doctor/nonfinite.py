"""`detect_nonfinite`: the first operation, forward or backward, that produces a NaN or an infinity.

It costs nothing while it is off: the engine calls `record` for each operation that it puts on a tape, and only within
a block is that function replaced by one that inspects the result first. An operation recorded in such a block gets
rules that inspect what they return.
"""

import math
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import numpy as np

from chainrule.base.overlapping import OpenBlock
from chainrule.base.provenance import Source
from chainrule.core.errors import Portable
from chainrule.core.tensor import value_of
from chainrule.core.traces import shortcuts, tape
from chainrule.core.traces.capturing import observed
from chainrule.core.traces.node import Item, Leaf, Node

STEPS_BACK = 8
"""How many operations leading to the offending one are named."""


class NonFiniteOperation(Portable, FloatingPointError):
    """An operation produced a NaN or an infinity.

    `operation` is its name, `direction` "forward" or "backward", `source` your line that called it, `kind` "NaN" or
    "infinity", `index` the first such element. `inputs` has, for each argument, its name, its shape and, if it can be
    determined, the value that went into that element. `history` names the operations that led to it, latest first.
    """

    def __init__(
        self,
        operation: str,
        direction: str,
        source: Source | None,
        kind: str,
        index: tuple[int, ...],
        inputs: tuple[tuple[str, tuple[int, ...], str], ...],
        history: tuple[str, ...],
        note: str = "",
    ) -> None:
        self.operation, self.direction, self.source, self.kind = operation, direction, source, kind
        self.index, self.inputs, self.history = index, inputs, history
        place = f"[{', '.join(map(str, index))}]" if index else ""
        verb = note or ("made" if direction == "forward" else "its backward pass made")
        lines = [f"{operation}: {verb} the first {kind}{', in element ' + place if place else ''}"]
        if source is not None:
            lines.append(f"  at {source}" + (f": {source.text}" if source.text else ""))
        lines += [f"  {name} {list(shape)}{': ' + text if text else ''}" for name, shape, text in inputs]
        lines += [f"  from {step}" for step in history]
        super().__init__("\n".join(lines))


class _State:
    """The number of open blocks, over all threads, and the engine's own function."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.depth = 0
        self.record = tape.record


_state = _State()


@contextmanager
def detect_nonfinite() -> Iterator[None]:
    """Raise NonFiniteOperation at the first operation in the block that produces a NaN or an infinity.

    Forward, this is an operation whose result has a NaN that none of its arguments had, or an infinity although they
    were finite; also the first operation that takes a NaN as data. An infinity passed in, as in a mask of −∞, does not
    count. Backward, it is an operation whose gradient is not finite although the incoming one was; the forward pass
    must have run in the block too.

    Only operations on tensors that require a gradient are seen. In the block, compiled functions run uncompiled and
    NumPy's own warnings are silenced. It applies to all threads.

    >>> import numpy as np
    >>> import chainrule as cr
    >>> x = cr.tensor([1.0, 0.0], requires_grad=True)
    >>> with detect_nonfinite():
    ...     np.sqrt(x - 1).sum()
    Traceback (most recent call last):
    chainrule.doctor.nonfinite.NonFiniteOperation: sqrt: made the first NaN, in element [1]
      at ...
      x [2]: -1.0
      from subtract, ...
    """
    with _state.lock:
        _state.depth += 1
        observed.blocks += 1
        _install(_checking)
    try:
        with _silent():
            yield
    finally:
        with _state.lock:
            _state.depth -= 1
            observed.blocks -= 1
            if _state.depth == 0:
                _install(_state.record)


_silenced: ContextVar[tuple[OpenBlock[Any], ...]] = ContextVar("silenced", default=())


@contextmanager
def _silent() -> Iterator[None]:
    """Silence NumPy's warnings; unlike `np.errstate` blocks, these may end in any order."""
    entry = OpenBlock(np.geterr())
    _silenced.set((*_silenced.get(), entry))
    np.seterr(divide="ignore", over="ignore", invalid="ignore")
    try:
        yield
    finally:
        here = _silenced.get()
        if entry in here:  # not in another thread, which has its own state
            place = here.index(entry)
            _silenced.set(here[:place] + here[place + 1 :])
            if place == len(here) - 1:
                np.seterr(**entry.before)
            else:
                here[place + 1].before = entry.before


def _install(record: Any) -> None:
    """Make the engine record with this function."""
    for module in (shortcuts, tape):
        vars(module)["record"] = record


def _checking(op: Any, y: Any, parents: Any, saved: Any, settings: Any, depth: int) -> Node:
    """Record an operation as the engine does, after inspecting its result."""
    node = _state.record(op, y, parents, saved, settings, depth + 1)
    if not _finite(y):
        _judge_forward(node, y, _arguments(sys._getframe(1), saved))
    node.op = _Looking(op, node)
    return node


def _finite(x: Any) -> bool:
    """Whether all elements are finite. The sum nearly always decides it: one pass, without a boolean array."""
    x = value_of(x)
    total = np.add.reduce(x, axis=None) if isinstance(x, np.ndarray) else x
    return math.isfinite(total) or bool(np.isfinite(x).all())


def _arguments(frame: Any, saved: Any) -> tuple[Any, ...]:
    """Return the operation's arguments, read from the engine's frame."""
    local = frame.f_locals
    if "values" in local:
        return tuple(local["values"])
    if "z" in local:
        return local["x"], local["y"]
    return (local["value"],) if "value" in local else tuple(saved)


def _judge_forward(node: Node, y: Any, arguments: tuple[Any, ...]) -> None:
    """Raise, unless the non-finite values came from the arguments."""
    arrays = [np.asarray(value_of(x)) for x in arguments]
    floats = [x for x in arrays if x.dtype.kind == "f"]
    result = np.asarray(value_of(y))
    has_nan = bool(np.isnan(result).any())
    came_nan = any(np.isnan(x).any() for x in floats)
    came_infinite = any(np.isinf(x).any() for x in floats)
    if not has_nan and (came_infinite or came_nan):
        return
    bad = np.isnan(result) if has_nan else np.isinf(result)
    note = "took in" if has_nan and came_nan else ""
    _raise(node, "forward", "NaN" if has_nan else "infinity", bad, arrays, note)


def _raise(node: Node, direction: str, kind: str, bad: Any, arrays: list[Any], note: str = "") -> None:
    index = tuple(int(i) for i in np.argwhere(bad)[0]) if np.ndim(bad) else ()
    op = node.op
    names = [f"{op.arguments[0]}[{k}]" for k in range(len(arrays))] if op.variadic else op.arguments
    inputs = tuple((n, x.shape, _described(x, index)) for n, x in zip(names, arrays, strict=False))
    raise NonFiniteOperation(str(op.name), direction, node.source, kind, index, inputs, _history(node), note)


def _described(x: Any, index: tuple[int, ...]) -> str:
    """Return the element that broadcasts to `index`, or the range of values if the shapes do not match."""
    if x.ndim == 0:
        return str(x.item())
    if x.ndim <= len(index):
        own = tuple(0 if n == 1 else i for n, i in zip(x.shape, index[len(index) - x.ndim :], strict=True))
        if all(i < n for i, n in zip(own, x.shape, strict=True)):
            return str(x[own].item())
    return f"{x.min()} to {x.max()}" if x.size else ""


def _history(node: Node) -> tuple[str, ...]:
    """Return the operations that led to a node, following the first argument that has any."""
    found: list[str] = []
    current: Any = node
    while len(found) < STEPS_BACK:
        current = next((p for p in current.parents if p is not None), None)
        if current is None:
            break
        if isinstance(current, Item):
            continue
        if isinstance(current, Leaf):
            found.append(f"{current.name}, a leaf {list(current.shape)}")
            break
        found.append(f"{current.name}, {current.source}")
    return tuple(found)


class _Looking:
    """An operation's record whose reverse rules inspect what they return."""

    __slots__ = ("node", "op")

    def __init__(self, op: Any, node: Node) -> None:
        self.op, self.node = op, node

    def __getattr__(self, name: str) -> Any:
        return getattr(self.op, name)

    @property
    def adjoints(self) -> tuple[Any, ...]:
        return tuple(self._looking(rule) for rule in self.op.adjoints)

    def _looking(self, rule: Any) -> Any:
        def adjoint(y_bar: Any, saved: Any, settings: Any) -> Any:
            x_bar = rule(y_bar, saved, settings)
            self._look(y_bar, x_bar, saved)
            return x_bar

        return adjoint

    def pull(self, y_bar: Any, saved: Any, settings: Any) -> Any:
        """Return the cotangents of all arguments."""
        found = self.op.pull(y_bar, saved, settings)
        for x_bar in found:
            self._look(y_bar, x_bar, saved)
        return found

    def _look(self, y_bar: Any, x_bar: Any, saved: Any) -> None:
        if _state.depth == 0 or x_bar is None or _finite(x_bar):
            return
        incoming = y_bar if isinstance(y_bar, tuple) else (y_bar,)
        if not all(_finite(part) for part in incoming):
            return
        result = np.asarray(value_of(x_bar))
        has_nan = bool(np.isnan(result).any())
        bad = np.isnan(result) if has_nan else np.isinf(result)
        named = dict(zip(self.op.residuals, saved, strict=False))
        _raise_backward(self.node, "NaN" if has_nan else "infinity", bad, {"gradient of y": incoming[0], **named})


def _raise_backward(node: Node, kind: str, bad: Any, named: dict[str, Any]) -> None:
    index = tuple(int(i) for i in np.argwhere(bad)[0]) if np.ndim(bad) else ()
    arrays = {name: np.asarray(value_of(x)) for name, x in named.items() if hasattr(value_of(x), "dtype")}
    inputs = tuple((name, x.shape, _described(x, index)) for name, x in arrays.items())
    raise NonFiniteOperation(str(node.name), "backward", node.source, kind, index, inputs, _history(node))
