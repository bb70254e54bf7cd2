"""`Tensor`: a value in a box that carries its trace.

A trace is one running transform: the tape that `backward()` reads, one `grad`, one `jvp`, one capture. Traces are
numbered, inner ones higher, and a box holds

- `_value`: a NumPy array, or a box of an outer trace: that is how transforms nest;
- `_trace`: the trace it belongs to;
- `_link`: what the trace knows about it: a `Node` of a tape, a tangent, or None for a constant.

An operation on boxes is handed to the innermost trace among them, which opens its own boxes, applies the operation to
what is inside, and records. Because every transform has its own number, derivatives inside derivatives cannot be
mixed up.

The operators and methods that are operations themselves (`+`, `@`, `.sum()`, …) are attached by `chainrule.rules`.
"""

import math
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from .errors import GradientError
from .memory.alias import Owner, alias_of, connect_detached, innermost, refresh_values
from .memory.changes import changes, tick
from .memory.loans import lend, lend_to_write
from .memory.sealing import shown
from .memory.written import Written
from .operands.plain import is_written_into_array, refuse_array_write, refuse_number
from .traces.capturing import captured_in, is_captured, running
from .traces.node import Leaf, Node, keep_grad


class Trace(Protocol):
    """One running transform."""

    level: int

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to arguments of which at least one belongs to this trace, and none to an inner one."""


def value_of(box: Any) -> Any:
    """Return the innermost array of a box, or the argument itself where it is no box."""
    if running.capture is not None:
        running.capture.looks(box)
    while isinstance(box, Tensor):
        box = box._value
    return box


def real_array(what: str, value: Any, dtype: Any) -> Any:
    """Return a value as a plain array of `dtype`, a TypeError where it is not made of real numbers."""
    array = np.asarray(value_of(value))
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what}: got dtype {array.dtype}, expected real numbers")
    return array.astype(dtype, copy=False)


def _references(box: Any) -> int:
    """Return how many hold a box's array; each node that saved it, or a view of it, does."""
    value = value_of(box)
    return sys.getrefcount(value)


def _same_elements(a: Any, b: Any) -> bool:
    """Whether two arrays of one shape and dtype are the same memory, element by element."""
    return bool(a.strides == b.strides and a.__array_interface__["data"] == b.__array_interface__["data"])


def is_array(x: Any) -> bool:
    """Whether a value is an array, and no box that stands for one: inside a transform a box says it is one."""
    return isinstance(x, np.ndarray) and not isinstance(x, Tensor)


def copied(x: Any) -> Any:
    """Return a box with the same contents, which a write into this one does not change; anything else as it is."""
    if not isinstance(x, Tensor) or not x.is_variable:
        return x
    if running.capture is not None and x._trace.level == 0:
        return x  # a capture knows these by their identity, and sees to it that they stay what they are
    return Tensor(x._value, x._trace, x._link)


def outer(x: Any) -> Any:
    """Return an argument that belongs to an outer trace as an inner one keeps it: with what is in it now."""
    return x._value if isinstance(x, Tensor) and x._trace.level == -1 else copied(x)


class Tensor:
    """An array that can be differentiated.

    Made by `chainrule.tensor` and by every function of chainrule. Has the operators, methods and functions of a NumPy
    array, and PyTorch's `requires_grad`, `backward()` and `grad`.
    """

    __slots__ = ("__weakref__", "_alias", "_label", "_link", "_trace", "_value")
    _alias: Any
    _label: str | None
    is_variable: ClassVar[bool] = True
    """Whether a write may change what is in the box."""
    __array_priority__: ClassVar[float] = 1000.0
    __hash__ = object.__hash__

    def __init__(self, value: Any, trace: Any, link: Any) -> None:
        self._value = value
        self._trace = trace
        self._link = link

    def _stands_for(self) -> type:
        """Return the class that `isinstance` takes the box for, besides `Tensor`.

        Inside a transform a box stands for a plain value, and code that asks for a class means that value's.
        """
        level = self._trace.level
        if level == -1:  # what stands for an array has a capture's box in it, which holds an example
            return type(getattr(self._value, "held", self._value))
        return type(innermost(self)) if level > 0 else type(self)

    def _turn_into(self, cls: type) -> None:
        object.__dict__["__class__"].__set__(self, cls)

    __class__ = property(_stands_for, _turn_into)

    # What an array says of itself

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape, a tuple of ints."""
        return self._value.shape  # type: ignore[no-any-return]

    @property
    def dtype(self) -> Any:
        """The NumPy dtype."""
        return self._value.dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return self._value.ndim  # type: ignore[no-any-return]

    @property
    def size(self) -> int:
        """The number of elements."""
        return self._value.size  # type: ignore[no-any-return]

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        self._looked_at()
        return bool(self._value)

    def __float__(self) -> float:
        self._leaves("float")
        return float(self.item())

    def __int__(self) -> int:
        self._leaves("int")
        return int(self.item())

    def __complex__(self) -> complex:
        self._leaves("complex")
        return complex(self.item())

    def __round__(self, ndigits: int | None = None) -> Any:
        self._leaves("round")
        return round(self.item(), ndigits)

    def __floor__(self) -> int:
        self._leaves("math.floor")
        number: int = math.floor(self.item())
        return number

    def __ceil__(self) -> int:
        self._leaves("math.ceil")
        number: int = math.ceil(self.item())
        return number

    def __trunc__(self) -> int:
        self._leaves("math.trunc")
        number: int = math.trunc(self.item())
        return number

    def _leaves(self, what: str) -> None:
        """Refuse to become a Python number where a derivative would be lost."""
        if self.requires_grad:
            if is_written_into_array():
                refuse_array_write()
            if self._trace.level:
                refuse_number(what)

    def __index__(self) -> int:
        self._looked_at()
        return self._value.__index__()  # type: ignore[no-any-return]

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else format(str(self), spec)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; use .item() for its value")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        body = np.array2string(np.asarray(value_of(self)), separator=", ", prefix="tensor(", threshold=100)
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        name = "" if self.name is None else f", name={self.name!r}"
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}{dtype}{name}{grad})"

    # The way out of the box

    def item(self) -> Any:
        """Return the only element as a Python number; a ValueError where there is more than one."""
        self._looked_at()
        return self._value.item()

    def detach(self) -> "Tensor":
        """Return the values as a constant, at every level; they are shared, not copied.

        What is written into the tensor later is seen here too. A write into the constant is an error as long as the
        tensor is there: take `x.detach().copy()` for values of its own.
        """
        value = self._value if running.capture is None else running.capture.seen(self)._value
        inner = value.detach() if isinstance(value, Tensor) else lend(value) if isinstance(self._link, Leaf) else value
        detached = Tensor(inner, self._trace, None)
        connect_detached(detached, self)
        return detached

    def _looked_at(self) -> None:
        """Tell a capture that Python is about to see the values."""
        if running.capture is not None:
            running.capture.looks(self)

    def tolist(self) -> Any:
        """Return the values as nested Python lists."""
        return value_of(self).tolist()

    def numpy(self) -> Any:
        """Return the values as a read-only NumPy view; nothing done with it is differentiated."""
        value = np.asarray(value_of(self))
        return shown(lend(value) if self.is_leaf else value)

    def __dlpack__(self, **settings: Any) -> Any:
        """Share the values with another library without a copy, as `torch.from_dlpack(x)` asks for."""
        if self.requires_grad:
            raise BufferError("__dlpack__: this tensor requires a gradient, which would end here; pass x.detach()")
        array = np.asarray(value_of(self))
        # Not every reader asks: PyTorch ends the process at a negative stride, and writes to read-only memory.
        if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
            raise BufferError("__dlpack__: read-only memory or a negative stride cannot be shared; pass a copy")
        return lend_to_write(array).__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        """Say that the values are in the CPU's memory."""
        return np.asarray(value_of(self)).__dlpack_device__()

    # PyTorch's way to gradients

    @property
    def requires_grad(self) -> bool:
        """Whether a derivative flows through this tensor."""
        if running.capture is not None:
            running.capture.reads_link(self)
        return self._link is not None or (isinstance(self._value, Tensor) and self._value.requires_grad)

    @property
    def is_leaf(self) -> bool:
        """Whether no operation made this tensor."""
        return self._link is None or isinstance(self._link, Leaf)

    @property
    def node(self) -> Node | None:
        """The tape's node that made this tensor, or None for a constant."""
        return self._link if isinstance(self._link, Node) else None

    @property
    def name(self) -> str | None:
        """The name given at creation."""
        return self._link.label if isinstance(self._link, Leaf) else getattr(self, "_label", None)

    @property
    def grad(self) -> "Tensor | None":
        """The gradient that `backward()` has added up here; None before the first."""
        if running.capture is not None:
            running.capture.reads_link(self)
            if isinstance(self._link, Leaf):
                running.capture.reads_grad(self._link)
        return getattr(self._link, "grad", None)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(self._link, Leaf):
                raise GradientError("grad: this tensor is no leaf that requires a gradient, so it cannot hold one")
            got = np.shape(value)
            if got != self.shape:
                raise ValueError(f"grad: expected shape {self.shape}, the tensor's own, got {got}")
            array = captured_in(value) if is_captured(value) else real_array("grad", value, self.dtype)
            value = Tensor(array, self._trace, None)
        if self._link is not None:
            if running.capture is not None:
                running.capture.forgets([self])
            self._link.grad = value

    def retain_grad(self) -> None:
        """Keep this tensor's gradient in `.grad` during `backward()`, though it is no leaf."""
        if self._link is None:
            raise GradientError("retain_grad: this tensor does not require a gradient")
        keep_grad(self._link)

    @property
    def data(self) -> Any:
        """The values as a NumPy array.

        Writing into it is seen by every tape that still needs the old values: its backward pass then says so, also
        where the write goes past NumPy's own functions, into `np.asarray(x.data)`, a memoryview or a tensor of PyTorch
        that shares the memory. Only for a write to its bare address call `x.mark_changed()`. For the result of an
        operation it is a read-only view.
        """
        if not self.is_leaf:
            return self.numpy()
        saved = _references(self) > _ALONE
        value = value_of(self)
        if not isinstance(value, np.ndarray):
            return value
        # What is a view itself may have been saved as another view of the same memory.
        return Written.over(lend_to_write(value, self._link, saved or value.base is not None), self.mark_changed)

    @data.setter
    def data(self, value: Any) -> None:
        if not self.is_leaf:
            raise GradientError("data: this tensor is the result of an operation; only a leaf's values can be replaced")
        if is_captured(value):
            running.capture.assigns(self, value)
            if type(alias_of(self)) is Owner:
                refresh_values(self, running.capture.seen(self)._value)
            return
        array = real_array("data", value, self.dtype)
        if array.shape != self.shape:
            raise ValueError(f"data: expected shape {self.shape}, the tensor's own, got {array.shape}")
        # `x.data -= …` has already written into the buffer; anything else gets a copy, so old tapes stay right.
        if not _same_elements(array, np.asarray(value_of(self))):
            self._value = np.array(array)
            changes.replaced += 1
            if isinstance(self._link, Leaf):
                self._link.changed = changes.last = tick()
            if type(alias_of(self)) is Owner:
                refresh_values(self, self._value)

    def mark_changed(self) -> None:
        """Note that the values were changed in place: tapes recorded before can no longer use them."""
        value = value_of(self)
        if isinstance(value, np.ndarray):
            when = changes.mark(value)
            if isinstance(self._link, Leaf):
                self._link.changed = when

    if TYPE_CHECKING:  # attached by chainrule.rules.attach

        def __getitem__(self, index: Any) -> "Tensor": ...
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __pow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: Any) -> "Tensor": ...
        def __rmatmul__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __getattr__(self, name: str) -> Any: ...
        def backward(self, cotangent: Any = None, retain_graph: bool = False) -> None:
            """See `reverse.backward`."""


_ALONE = _references(Tensor(np.zeros(1), None, None))
"""What `_references` says where only the box holds the array."""
