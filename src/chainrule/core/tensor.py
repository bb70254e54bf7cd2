"""`Tensor`: a value in a box that carries its trace.

A trace is one running transform: the tape that `backward()` reads, one `grad`, one `jvp`, one capture. Traces are
numbered, inner ones higher, and a box holds

- `_value`: a NumPy array, or a box of an outer trace, which is how transforms nest; - `_trace`: the trace it belongs
to; - `_link`: what the trace knows about it: a `Node` of a tape, a tangent, or None for a constant.

An operation on boxes is passed to the innermost trace among them, which opens its own boxes, applies the operation to
their contents, and records it. Because every transform has its own number, nested derivatives cannot be confused.

The operators and methods that are operations themselves (`+`, `@`, `.sum()`, …) are attached by `chainrule.rules`.
"""

import math
import operator
import sys
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from .errors import GradientError
from .memory import heap as heap  # which acts when it is imported
from .memory.alias import Owner, alias_of, connect_detached, innermost, refresh_values
from .memory.changes import changes, tick
from .memory.loans import lend, lend_to_write
from .memory.sealing import shown
from .memory.written import Written
from .operands.plain import is_written_into_array, refuse_array_write, refuse_number
from .traces.capturing import captured_in, is_captured, mapped_in, running
from .traces.node import Leaf, Node, keep_grad
from .tree import add_leaf_type


class Trace(Protocol):
    """One running transform."""

    level: int

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to arguments, at least one of which belongs to this trace and none to an inner one."""


def value_of(box: Any) -> Any:
    """Return the innermost array of a box, or the argument itself if it is not a box."""
    if running.capture is not None:
        running.capture.looks(box)
    if running.maps and (trace := mapped_in(box)) is not None:
        trace.refuse("the values of a mapped array were looked at")
    while isinstance(box, Tensor):
        box = box._value
    return box


def array_of(what: str, value: Any, dtype: Any) -> Any:
    """Return a value as a plain array of `dtype`; raise a TypeError unless `dtype` holds its numbers."""
    array = np.asarray(value_of(value))
    if array.dtype.kind not in ("fiubc" if dtype.kind == "c" else "fiub"):
        expected = "numbers" if dtype.kind == "c" else "real numbers"
        raise TypeError(f"{what}: got dtype {array.dtype}, expected {expected}")
    return array.astype(dtype, copy=False)


def _references(box: Any) -> int:
    """Return how many references to a box's array exist; each node that saved it, or a view of it, has one."""
    value = value_of(box)
    return sys.getrefcount(value)


def _same_elements(a: Any, b: Any) -> bool:
    """Whether two arrays of the same shape and dtype are the same memory, element by element."""
    return bool(a.strides == b.strides and a.__array_interface__["data"] == b.__array_interface__["data"])


def is_array(x: Any) -> bool:
    """Whether a value is really an array: inside a transform a box claims to be one, too."""
    return type(x) is np.ndarray or (isinstance(x, np.ndarray) and not isinstance(x, Tensor))


def copied(x: Any) -> Any:
    """Return a box with the same contents that is not affected by writes to this one; anything else as it is."""
    if not isinstance(x, Tensor) or not x.is_variable:
        return x
    if running.capture is not None and x._trace.level == 0:
        return x  # a capture knows these by their identity, and makes sure that they do not change
    return (type(x) if x.is_mapped else Tensor)(x._value, x._trace, x._link)


def outer(x: Any) -> Any:
    """Return an argument from an outer trace in the form that an inner one keeps: with its current contents."""
    return x._value if isinstance(x, Tensor) and x._trace.level == -1 else copied(x)


class Tensor:
    """An array that can be differentiated.

    It is made by `chainrule.tensor` and by every function of chainrule, and has the operators, methods and functions of
    a NumPy array, and PyTorch's `requires_grad`, `backward()` and `grad`.
    """

    # The rules attach more methods. Their examples (`>>>`) are run as this file's.

    __slots__ = ("__weakref__", "_alias", "_label", "_link", "_trace", "_value")
    _alias: Any
    _label: str | None
    is_variable: ClassVar[bool] = True
    """Whether a write may change the contents of the box."""
    is_mapped: ClassVar[bool] = False
    """Whether it holds the rows of a `vmap`, along an axis that its shape does not show."""
    __array_priority__: ClassVar[float] = 1000.0
    _named: ClassVar[Any] = staticmethod(lambda cls: cls)
    """The class that a box inside a transform claims to have, for the class of its value."""
    __hash__ = object.__hash__

    def __init__(self, value: Any, trace: Any, link: Any) -> None:
        self._value = value
        self._trace = trace
        self._link = link
        self._alias = None  # an empty slot would cost every view microseconds: `__getattr__` looks for it too

    def _stands_for(self) -> type:
        """Return the class that `isinstance` accepts for the box, besides `Tensor`.

        Inside a transform a box represents a plain value, and code that checks for a class means that of the value.
        """
        level = self._trace.level
        if level == -1:  # the box of an array contains a capture's box, which holds an example
            return type(getattr(self._value, "held", self._value))
        return self._named(type(innermost(self))) if level > 0 else type(self)

    def _turn_into(self, cls: type) -> None:
        object.__dict__["__class__"].__set__(self, cls)

    __class__ = property(_stands_for, _turn_into)

    # Attributes of an array

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
        """Refuse to become a Python number if a derivative would be lost."""
        if self.requires_grad:
            if is_written_into_array():
                refuse_array_write()
            if self._trace.level:
                refuse_number(what)

    def __index__(self) -> int:
        self._looked_at()
        return operator.index(self._value)

    def __format__(self, spec: str) -> str:
        return format(self.item(), spec) if spec and self.ndim == 0 else format(str(self), spec)

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d tensor; use .item() for its value")
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        if running.maps and (trace := mapped_in(self)) is not None:
            return trace.shown(self)  # type: ignore[no-any-return]
        body = np.array2string(np.asarray(value_of(self)), separator=", ", prefix="tensor(", threshold=100)
        dtype = "" if self.dtype == np.float64 else f", dtype={self.dtype}"
        name = "" if self.name is None else f", name={self.name!r}"
        grad = ", requires_grad=True" if self.requires_grad else ""
        return f"tensor({body}{dtype}{name}{grad})"

    # Getting values out of the box

    def item(self) -> Any:
        """Return the only element as a Python number; raises ValueError if there is more than one."""
        self._looked_at()
        self._left()
        return self._value.item()

    def detach(self) -> "Tensor":
        """Return the values as a constant, at every level; they are shared, not copied.

        Later writes to the tensor are seen here, too. A write to the constant is an error as long as the tensor exists
        and has a gradient; use `x.detach().copy()` to get independent values.
        """
        value = self._value if running.capture is None else running.capture.seen(self)._value
        inner = value.detach() if isinstance(value, Tensor) else lend(value) if isinstance(self._link, Leaf) else value
        detached = Tensor(inner, self._trace, None)
        connect_detached(detached, self)
        return detached

    def _looked_at(self) -> None:
        """Tell a capture that Python is about to look at the values."""
        if running.capture is not None:
            running.capture.looks(self)

    def _left(self) -> None:
        """Tell a trace that takes notes that the values leave it, as numbers without a gradient."""
        left = getattr(self._trace, "left", None)
        if left is not None:
            left(self)

    def tolist(self) -> Any:
        """Return the values as nested Python lists."""
        self._left()
        return value_of(self).tolist()

    def numpy(self) -> Any:
        """Return the values as a read-only NumPy view; operations on it are not differentiated."""
        value = np.asarray(value_of(self))
        return shown(lend(value) if self.is_leaf else value)

    def __dlpack__(self, **settings: Any) -> Any:
        """Share the values with another library without a copy, as `torch.from_dlpack(x)` asks for."""
        if self.requires_grad:
            raise BufferError("__dlpack__: this tensor requires a gradient, which would end here; pass x.detach()")
        array = np.asarray(value_of(self))
        # Not every consumer checks: PyTorch crashes on a negative stride, and writes to read-only memory.
        if any(stride < 0 for stride in array.strides) or not array.flags.writeable:
            raise BufferError("__dlpack__: read-only memory or a negative stride cannot be shared; pass a copy")
        return lend_to_write(array).__dlpack__(**settings)

    def __dlpack_device__(self) -> Any:
        """Return that the values are in CPU memory."""
        return np.asarray(value_of(self)).__dlpack_device__()

    # Gradients as in PyTorch

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow through this tensor."""
        if running.capture is not None:
            running.capture.reads_link(self)
        return self._link is not None or (isinstance(self._value, Tensor) and self._value.requires_grad)

    @property
    def is_leaf(self) -> bool:
        """Whether this tensor was not made by an operation."""
        return self._link is None or isinstance(self._link, Leaf)

    @property
    def node(self) -> Node | None:
        """The node of the tape that made this tensor, or None for a constant."""
        return self._link if isinstance(self._link, Node) else None

    @property
    def name(self) -> str | None:
        """The name given at creation."""
        return self._link.label if isinstance(self._link, Leaf) else getattr(self, "_label", None)

    @property
    def grad(self) -> "Tensor | None":
        """The gradient accumulated by `backward()`; None before the first call."""
        if running.capture is not None:
            running.capture.reads_link(self)
            if isinstance(self._link, Leaf):
                running.capture.reads_grad(self._link)
        return getattr(self._link, "grad", None)

    @grad.setter
    def grad(self, value: Any) -> None:
        if value is not None:
            if not isinstance(self._link, Leaf):
                raise GradientError("grad: this tensor is not a leaf that requires a gradient, so it cannot hold one")
            got = np.shape(value)
            if got != self.shape:
                raise ValueError(f"grad: expected shape {self.shape}, the tensor's own, got {got}")
            array = captured_in(value) if is_captured(value) else array_of("grad", value, self.dtype)
            value = Tensor(array, self._trace, None)
        if self._link is not None:
            if running.capture is not None:
                running.capture.forgets([self])
            self._link.grad = value

    def retain_grad(self) -> None:
        """Keep this tensor's gradient in `.grad` during `backward()`, although it is not a leaf."""
        if self._link is None:
            raise GradientError("retain_grad: this tensor does not require a gradient")
        keep_grad(self._link)

    @property
    def data(self) -> Any:
        """The values as a NumPy array.

        A write to it is noticed by every tape that still needs the old values, whose backward pass then raises an
        error; this includes writes to `np.asarray(x.data)`, a memoryview or a PyTorch tensor that shares the memory.
        Only after a write to its raw address call `x.mark_changed()`. For the result of an operation it is a read-only
        view.
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
        array = array_of("data", value, self.dtype)
        if array.shape != self.shape:
            raise ValueError(f"data: expected shape {self.shape}, the tensor's own, got {array.shape}")
        # `x.data -= …` has already written to the buffer; anything else is copied, so that old tapes stay right.
        if not _same_elements(array, np.asarray(value_of(self))):
            self._value = np.array(array)
            changes.replaced += 1
            if isinstance(self._link, Leaf):
                self._link.changed = changes.last = tick()
            if type(alias_of(self)) is Owner:
                refresh_values(self, self._value)

    def mark_changed(self) -> None:
        """Declare that the values were changed in place: tapes recorded earlier can no longer use them."""
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
"""What `_references` returns if only the box holds the array."""
add_leaf_type(Tensor)
