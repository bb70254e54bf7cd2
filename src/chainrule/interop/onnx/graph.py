"""`Graph`: the ONNX graph being written, and how the values of a capture appear in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.compile.program.program import Instruction, Value
from chainrule.core.operation import Operation
from chainrule.nn import Parameter

from .tracing import Size, Traces

Writer = Callable[..., Any]

WRITERS: dict[Any, Writer] = {}
"""The writer of each operation, by its record: `(graph, instruction, *args, **settings)` returns the outputs' names.

Modules written as a whole, and functions that are not operations, are keyed by name.
"""


def writes(*records: type[Operation]) -> Callable[[Writer], Writer]:
    """Register a function that writes the operations of these records."""

    def register(writer: Writer) -> Writer:
        WRITERS.update(dict.fromkeys(records, writer))
        return writer

    return register


@dataclass(frozen=True)
class Ref:
    """An argument of an operation as a writer sees it: its name in the graph, dtype, and shape with symbolic sizes."""

    name: str
    dtype: Any
    shape: tuple[Any, ...]
    value: Value | None = None

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)


class Graph:
    """Nodes and initializers; every method returns the name of what it adds."""

    def __init__(self, traces: Traces, opset: int, names: Mapping[int, str]) -> None:
        self.onnx = needed("onnx", "export")
        self.traces, self.opset, self.names = traces, opset, names
        tensors = traces.first.capture.tensors.values()
        self.leaves = {id(array) for tensor, array, _ in tensors if isinstance(tensor, Parameter)}
        self.nodes: list[Any] = []
        self.initializers: dict[str, np.ndarray[Any, Any]] = {}
        self.parameters: list[str] = []
        self.averages: dict[int, str] = {}
        """Means over windows whose sums are also used by the program."""
        self._refs: dict[int, Ref] = {}
        self._constants: dict[Any, str] = {}
        self._lengths: dict[str, tuple[str, int]] = {}
        self._sizes: dict[Size, str] = {}
        self._used: set[str] = set()

    # Names

    def fresh(self, hint: str) -> str:
        """Return an unused name."""
        name, count = hint, 0
        while name in self._used:
            count += 1
            name = f"{hint}_{count}"
        self._used.add(name)
        return name

    def reserve(self, names: Sequence[str]) -> None:
        """Reserve names for the outputs; a ValueError if an input has one of them."""
        if taken := self._used & set(names):
            raise ValueError(f"export: {min(taken)!r} is the name of an input and of an output")
        self._used |= set(names)

    def input(self, value: Value, name: str, axes: Mapping[int, str]) -> None:
        """Make an argument of the model an input of the graph."""
        self._used.add(name)
        self._refs[value.number] = Ref(name, value.dtype, self.traces.shapes[value.number], value)
        for axis, length in axes.items():
            self._lengths.setdefault(length, (name, axis))

    def bind(self, value: Value, name: str) -> None:
        """Set the name of a program value in the graph."""
        self._refs[value.number] = Ref(name, value.dtype, self.traces.shapes[value.number], value)

    # Nodes

    def node(self, kind: str, *inputs: Any, outputs: int = 1, hint: str = "", **attributes: Any) -> Any:
        """Add a node; an input is a name, a `Ref`, or None if omitted."""
        names = [getattr(x, "name", x) or "" for x in inputs]
        while names and not names[-1]:
            names.pop()
        made = [self.fresh(hint or kind.lower()) for _ in range(outputs)]
        given = {key: value for key, value in attributes.items() if value is not None}
        self.nodes.append(self.onnx.helper.make_node(kind, names, made, name=f"{kind}_{len(self.nodes)}", **given))
        return made[0] if outputs == 1 else made

    def constant(self, array: Any, dtype: Any = None, name: str = "constant") -> str:
        """Return the name of a constant array or number."""
        array = np.asarray(array, dtype)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self.fresh(name)
            self.initializers[self._constants[key]] = np.ascontiguousarray(array).reshape(array.shape)
        return self._constants[key]

    def parameter(self, value: Value) -> Ref:
        """Return an array of the model, under its name in the model."""
        name = self.fresh(self.names.get(id(value.array), "constant"))
        self.initializers[name] = np.array(value.array)
        if id(value.array) in self.leaves:
            self.parameters.append(name)
        return Ref(name, value.dtype, value.shape, value)

    def cast(self, x: Any, dtype: Any) -> str:
        """Return `x` in another dtype."""
        return str(self.node("Cast", x, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))))

    # Arguments

    def ref(self, x: Any, dtype: Any = None) -> Ref:
        """Return an argument as a `Ref`, in a dtype if one is given."""
        if isinstance(x, Ref):
            found = x
        elif isinstance(x, Value):
            found = self._value(x)
        elif isinstance(x, Size):
            scalar = self.node("Reshape", self.sizes([x]), self.constant(np.zeros(0, np.int64)))
            found = Ref(scalar, np.dtype(np.int64), ())
        else:
            array = np.asarray(x, dtype)
            return Ref(self.constant(array), array.dtype, array.shape)
        if dtype is not None and found.dtype != dtype:
            return Ref(self.cast(found, dtype), np.dtype(dtype), found.shape, found.value)
        return found

    def _value(self, value: Value) -> Ref:
        if value.number not in self._refs:
            if value.number in self.traces.varying:
                name = self._range(value)
                self._refs[value.number] = Ref(name, value.dtype, self.traces.shapes[value.number], value)
            elif value.kind == "state":
                self._refs[value.number] = self.parameter(value)
            else:
                self._refs[value.number] = Ref(self.constant(value.array), value.dtype, value.shape, value)
        return self._refs[value.number]

    def _range(self, value: Value) -> str:
        """Return a constant array whose shape depends on dynamic lengths."""
        made = self.traces.varying[value.number]
        if not made.step:
            return str(self.node("Expand", self.constant(made.first, made.dtype), self.sizes(made.shape)))
        count = next(n for n in made.shape if isinstance(n, Size))
        stop = self.node(
            "Add",
            self.constant(made.first, np.int64),
            self.node("Mul", self.ref(count), self.constant(made.step, np.int64)),
        )
        line = self.node("Range", self.constant(made.first, np.int64), stop, self.constant(made.step, np.int64))
        shaped = self.node("Reshape", line, self.sizes(made.shape))
        return str(shaped if made.dtype == np.int64 else self.cast(shaped, made.dtype))

    def sizes(self, numbers: Sequence[Any]) -> str:
        """Return numbers, some of which may depend on dynamic lengths, as one int64 array."""
        if not any(isinstance(n, Size) for n in numbers):
            return self.constant(np.array(numbers, np.int64))
        parts = [self._size(n) if isinstance(n, Size) else self.constant(np.array([n], np.int64)) for n in numbers]
        return str(parts[0] if len(parts) == 1 else self.node("Concat", *parts, axis=0))

    def _size(self, size: Size) -> str:
        if size not in self._sizes:
            self._sizes[size] = self._computed(size)
        return self._sizes[size]

    def _computed(self, size: Size) -> str:
        made = ""
        for name in size.names:
            given, axis = self._lengths[name]
            length = self.node("Shape", given, start=axis, end=axis + 1, hint=name)
            made = self.node("Mul", made, length) if made else length
        if size.coefficient != 1:
            made = self.node("Mul", made, self.constant(np.array([size.coefficient], np.int64)))
        return str(self.node("Add", made, self.constant(np.array([size.offset], np.int64))) if size.offset else made)

    def shape_of(self, value: Value) -> tuple[Any, ...]:
        """Return a value's shape, with symbolic sizes."""
        return self.traces.shapes[value.number]

    def reshape(self, x: Any, shape: Sequence[Any], hint: str = "") -> str:
        """Return `x` in another shape; a single dynamic length needs no arithmetic."""
        moving = [k for k, n in enumerate(shape) if isinstance(n, Size)]
        if len(moving) == 1 and 0 not in shape and -1 not in shape:
            shape = [-1 if k == moving[0] else n for k, n in enumerate(shape)]
        return str(self.node("Reshape", x, self.sizes(shape), hint=hint))

    def prune(self, outputs: Sequence[str]) -> None:
        """Remove the nodes and arrays that no output needs."""
        used, kept = set(outputs), []
        for node in reversed(self.nodes):
            if used & set(node.output):
                used.update(node.input)
                kept.append(node)
        self.nodes = kept[::-1]
        self.initializers = {name: array for name, array in self.initializers.items() if name in used}
        self.parameters = [name for name in self.parameters if name in used]

    # The program

    def write(self, instruction: Instruction, args: Any, settings: Mapping[str, Any]) -> None:
        """Add the nodes of one instruction."""
        made = _written(self, instruction, args, settings)
        names = [made] if isinstance(made, str) else list(made)
        for value, name in zip(instruction.outputs, names, strict=False):
            self.bind(value, name)


def _written(graph: Graph, i: Instruction, args: Any, settings: Mapping[str, Any]) -> Any:
    if i.kind == "draw":
        raise ValueError(f"export: {i.source}: {i.name} draws random numbers, and a file of ONNX computes without any")
    if i.kind in ("effect", "change"):
        raise ValueError(f"export: {i.source}: {i.name} changes an array in place; a file of ONNX only computes")
    if i.kind == "call":
        writer = WRITERS.get(str(getattr(i.function, "__qualname__", "")) or i.name) or WRITERS.get(i.name)
    else:
        writer = WRITERS.get(i.op)
    if writer is None:
        known = ", ".join(sorted(record.name for record in WRITERS if not isinstance(record, str)))
        raise ValueError(
            f"export: {i.source}: there is no way to write the operation {i.name} in ONNX; compute it with other "
            f"operations, or outside of the exported function (written are {known})"
        )
    return writer(graph, i, *args, **settings)
