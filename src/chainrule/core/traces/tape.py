"""The tape: reverse mode's trace. It records operations; `reverse` traverses the record.

`EAGER` is the one tape that is always running, at level 0: the tape of `requires_grad=True` and `backward()`. Each
`grad` or `vjp` opens its own, at a higher level.
"""

import itertools
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from chainrule.base.provenance import PACKAGE
from chainrule.core.facts import Complex
from chainrule.core.memory.changes import tick
from chainrule.core.memory.loans import borrowed, look_at_loans
from chainrule.core.memory.packing import packed, packers
from chainrule.core.memory.sealing import sealed_all
from chainrule.core.tensor import Tensor, copied

from .capturing import running
from .modes import latest
from .node import Item, Leaf, Node

FLOAT64, FLOAT32, FLOAT16 = np.dtype(np.float64), np.dtype(np.float32), np.dtype(np.float16)
DIFFERENTIABLE = (FLOAT64, FLOAT32, FLOAT16, np.dtype(np.complex128), np.dtype(np.complex64))
"""The dtypes of values that have derivatives."""

next_level = itertools.count(1).__next__


def check_differentiable(what: str, dtype: Any) -> None:
    """Raise a TypeError unless derivatives are defined for `dtype`."""
    if dtype not in DIFFERENTIABLE:
        raise TypeError(
            f"{what}: got dtype {dtype}, expected float64, float32, float16, complex128 or complex64, the dtypes that "
            f"have gradients; convert it first, for example with .astype(np.float64)"
        )


def check_real(what: str, dtype: Any) -> None:
    """Raise a TypeError unless `dtype` is one of real numbers that have derivatives."""
    check_differentiable(what, dtype)
    if dtype.kind == "c":
        raise TypeError(
            f"{what}: got dtype {dtype}, expected real numbers; keep the real and the imaginary part as two real "
            f"arrays, a and b, and compute with a + 1j * b"
        )


def _check_result(op: Any, dtype: Any) -> None:
    """Raise a TypeError if the result of an operation has no derivative."""
    if dtype.kind == "c" and op.on_complex is Complex.REFUSED:
        raise TypeError(real_only(op.name, "complex numbers"))
    check_differentiable(op.name, dtype)


def real_only(name: str, got: str) -> str:
    """Return the error of an operation that takes real numbers only."""
    return (
        f"{name}: got {got}, but it is a function of real numbers only; apply it to a real value such as z.real, "
        f"z.imag or abs(z)"
    )


def record(
    op: Any, y: Any, parents: tuple[Any, ...], saved: tuple[Any, ...], settings: Mapping[str, Any], depth: int
) -> Node:
    """Put one operation on the tape, with the first line outside this package as its source."""
    dtype = y.dtype
    if dtype is not FLOAT64 and dtype is not FLOAT32:
        _check_result(op, dtype)
    frame = sys._getframe(depth)  # `users_frame`, written out: most of the time it is the first one
    while frame.f_code.co_filename.startswith(PACKAGE) and frame.f_back is not None:
        frame = frame.f_back
    if borrowed:
        look_at_loans(saved)
    if packers:
        saved = packed(saved)
    node: Node = _new(Node)  # `Node(…)`, written out: calling `__init__` would cost as much again
    node.op = op
    node.parents = parents
    node.saved = saved
    node.settings = settings
    node.shape = y.shape
    node.dtype = dtype
    node.order = tick()
    node._code = frame.f_code
    node._offset = frame.f_lasti
    return node


_new: Any = object.__new__


class Tape:
    """Reverse mode's trace."""

    __slots__ = ("level",)

    def __init__(self, level: int) -> None:
        self.level = level

    def leaf(self, value: Any, label: str | None = None) -> Tensor:
        """Box a value that requires a gradient."""
        return Tensor(value, self, Leaf(value.shape, value.dtype, label))

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to the contents of this tape's boxes, and record it."""
        values, parents, tracked = [], [], []
        nested = False
        for x in args:
            link = None
            if isinstance(x, Tensor):
                if x._trace is self:
                    x, link = x._value, x._link
                elif x._trace is ARRAYS or (x._trace is EAGER and x._link is None):  # a write gives it another array
                    x = x._value
                else:
                    x = copied(x)  # it may be saved, and written to later
                if isinstance(x, Tensor):
                    nested = True
            values.append(x)
            parents.append(link)
            tracked.append(link is not None)
        inner = _capture_in(values) if nested else None
        if nested and inner is None and op.composite is not None:
            return op.composite(*args, **settings)
        if True not in tracked or self.level < latest.get().level or op.kind == "constant":
            return self._box(op.apply(*values, **settings))
        save = op.saver(tuple(tracked))
        kept: list[Any] = []
        if op.keeps:
            keeping = op.primal_keeping if inner is None else inner.keeping(op)
            y, *kept = keeping(*values, **settings)
        else:
            y = op.apply(*values, **settings) if nested else op.primal(*values, **settings)
        saved = save(y, *values, *kept)
        if op.foreign and settings:
            saved = sealed_all(saved, settings.items())
        if op.several:
            return self.items(op, y, tuple(parents), saved, settings)
        return Tensor(y, self, record(op, y, tuple(parents), saved, settings, 2))

    def _box(self, y: Any) -> Any:
        return tuple(Tensor(item, self, None) for item in y) if isinstance(y, tuple) else Tensor(y, self, None)

    def items(self, op: Any, outputs: Any, parents: Any, saved: Any, settings: Any) -> tuple[Tensor, ...]:
        """Record an operation with several outputs, and box them."""
        node = record(op, outputs[0], parents, saved, settings, 3)
        node.shape = tuple(y.shape for y in outputs)
        node.dtype = tuple(y.dtype for y in outputs)
        return tuple(Tensor(y, self, Item(node, k)) for k, y in enumerate(outputs))


def _capture_in(values: Iterable[Any]) -> Any:
    """Return the capture whose boxes are the innermost among the values, or None."""
    levels = [x._trace for x in values if isinstance(x, Tensor)]
    inner = max(levels, key=lambda trace: trace.level, default=None)
    return inner if inner is not None and inner.level < -1 else None


class Watched(Tape):
    """The eager tape while any thread captures: parameters enter the capture before they are used."""

    __slots__ = ()

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` as `Tape` does, involving this thread's capture, if any."""
        if running.capture is not None:
            args = tuple(map(running.capture.seen, args))
        return super().process(op, args, settings)


EAGER = Tape(0)
ARRAYS = Tape(-1)
"""The trace of boxes that represent plain arrays while a function is captured. It records nothing: an operation of an
array with a tensor gives a tensor, one with an array gives an array, as outside a capture."""
