"""The body of a `scan`, captured once and turned into a function of all it reads.

The body runs once, on boxes of a trace above all others. Its operations are captured as those of a compiled function
are, by a capture of its own; what the body reads from outside, however deep in derivatives, becomes one more input.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn

import numpy as np

from chainrule.compile.capture.capture import Capture
from chainrule.compile.capture.captured import Captured
from chainrule.compile.capture.looked import Looked
from chainrule.compile.capture.looked import plain as unwatched
from chainrule.compile.capture.numbers import CapturedNumber, Number
from chainrule.compile.program.passes import drop_unused
from chainrule.compile.program.program import Instruction, Value
from chainrule.core.errors import CaptureError, GradientError
from chainrule.core.inplace import ended
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import boxes_in, captured_in, example, mapped_in, plain, replaced, running
from chainrule.core.traces.tape import ARRAYS, EAGER, next_level
from chainrule.core.transforms.derivatives import called
from chainrule.core.transforms.scan import stepped, unsuitable
from chainrule.core.tree import flatten, unflatten


class Body:
    """A body as a function of plain inputs, `(*carry, *x, *read)`, to `(*carry, *y)`; it works under any transform.

    Integers among its results are float64, so that all of them have a derivative, if only zero.
    """

    def __init__(
        self, instructions: Sequence[Instruction], inputs: Sequence[Value], outputs: Sequence[Any], carried: int
    ) -> None:
        self.instructions, self.inputs, self.outputs = instructions, inputs, outputs
        self.dtypes = [v.dtype for v in inputs[:carried]]

    def __call__(self, *values: Any) -> tuple[Any, ...]:
        """Run the captured operations."""
        given = [_as_was(x, dtype) for x, dtype in zip(values, self.dtypes, strict=False)]
        known: dict[Value, Any] = dict(zip(self.inputs, (*given, *values[len(given) :]), strict=True))

        def of(x: Any) -> Any:
            return known.get(x, x.array) if isinstance(x, Value) else x

        for i in self.instructions:
            args = replaced(i.args, of)
            y = _applied(i.op, args, replaced(i.settings, of)) if i.kind == "op" else plain(i.function, *args)
            _assign(known, i.outputs, i.structure, y)
        return tuple(in_floats(of(x)) for x in self.outputs)


def _applied(op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
    """Apply an operation; by its own function if a setting, such as an index, differs between the rows of a `vmap`."""
    trace = mapped_in(settings) if running.maps else None
    if trace is None:
        return op.apply(*args, **settings)
    if op.of_rows is None:
        trace.refuse(f"{op.name} has settings that differ between the rows")
    return op.of_rows(*args, **settings)


def _assign(known: dict[Value, Any], outputs: Sequence[Value], structure: Any, y: Any) -> None:
    if structure is None:
        if outputs:
            known[outputs[0]] = y
    elif isinstance(structure, tuple | list):
        for part, place in zip(y, structure, strict=True):
            if place is not None:
                _assign(known, outputs, place, part)
    elif isinstance(structure, dict):
        for key, place in structure.items():
            _assign(known, outputs, place, y[key])
    else:
        known[outputs[structure]] = y


def _as_was(x: Any, dtype: Any) -> Any:
    return x if x.dtype == dtype else x.astype(dtype)


def in_floats(x: Any) -> Any:
    """Return integers as float64, and everything else as it is."""
    x = x if isinstance(x, Tensor | np.ndarray) else np.asarray(x)
    return x if x.dtype.kind in "fc" else x.astype(np.float64)


class _Inside(Capture):
    """The capture of a body: what concerns the function around it, the capture of that function is told."""

    def __init__(self, outside: Capture) -> None:
        super().__init__()
        self.outside = outside
        self.read: list[tuple[Any, Value]] = []
        """What the body reads from outside, with its place in the program."""
        self._boxes: dict[int, Tensor] = {}
        self.loop = _Loop(next_level(), self)

    def box(self, array: Any) -> Tensor:
        """Return an input of the program, as an array of the capture."""
        value = self.program.value("input", np.array(array))
        return Tensor(Captured(value.array, self, value), ARRAYS, None)

    def from_outside(self, x: Any) -> Tensor:
        """Return the input that stands for a value from outside."""
        if id(x) not in self._boxes:
            running.capture = self.outside
            try:
                array = unwatched(x) if type(x) is Looked else example(self.outside.seen(x))
            finally:
                running.capture = self
            box = self.box(array)
            self._boxes[id(x)] = box
            self.read.append((x, captured_in(box)._link))
        return self._boxes[id(x)]

    def is_mine(self, x: Any) -> bool:
        """Whether a value was computed inside."""
        box = captured_in(x)
        return box is not None and box._trace is self

    def _reference(self, x: Any) -> Any:
        if (isinstance(x, Tensor) and not self.is_mine(x)) or (type(x) is Looked and x.ndim):
            x = self.from_outside(x)
        return super()._reference(x)

    def call(self, f: Callable[..., Any], args: Any) -> Any:
        if not any(box._trace is self for box in boxes_in(args)):  # it does not depend on the step
            return self._by_outside("call", f, args)
        return super().call(f, args)

    def picked_from(self, x: Any) -> Any:
        return x if isinstance(x, Tensor) and self.is_mine(x) else self.loop.box(self.from_outside(x))

    def seen(self, x: Any) -> Any:
        return self._by_outside("seen", x)

    def state(self, array: Any, holder: Any = None) -> Any:
        return self._by_outside("state", array, holder)

    def looks(self, box: Any) -> None:
        self._by_outside("looks", box)

    def looks_at(self, array: Any) -> None:
        self._by_outside("looks_at", array)

    def refuses_write(self, path: str) -> None:
        self._by_outside("refuses_write", path)

    def reads_link(self, tensor: Tensor) -> None:
        self._by_outside("reads_link", tensor)

    def reads_grad(self, leaf: Any) -> None:
        self._by_outside("reads_grad", leaf)

    def enters(self, module: Any) -> None:
        self._by_outside("enters", module)

    def _by_outside(self, name: str, *args: Any) -> Any:
        running.capture = self.outside
        try:
            return getattr(self.outside, name)(*args)
        finally:
            running.capture = self

    def effect(self, *_: Any) -> NoReturn:
        raise unsuitable("the body has a side effect")

    def draw(self, *_: Any) -> NoReturn:
        raise unsuitable("the body draws random numbers")

    def change(self, *_: Any) -> NoReturn:
        raise unsuitable("the body writes into an array in place by a function of NumPy's")

    def writes(self, x: Tensor) -> None:
        if x._trace is not EAGER or isinstance(x._value, Tensor):
            return
        if id(x) not in self.born:
            raise unsuitable("the body writes into a tensor from outside")
        self.outside.bears(x)
        self._by_outside("writes", x)

    def forgets(self, _: Any) -> NoReturn:
        raise unsuitable("the body clears gradients")


class _Loop:
    """The trace of a body: every operation of its values is taken to the capture inside."""

    __slots__ = ("inside", "level")

    def __init__(self, level: int, inside: _Inside) -> None:
        self.level, self.inside = level, inside

    def box(self, y: Any) -> Tensor:
        """Box a value; it counts as one with a gradient, so that rules of derivatives inside are followed."""
        return Tensor(y, self, self)

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to the values inside the boxes, and to inputs in place of what comes from outside."""
        y = op.apply(*replaced(args, self._entering), **replaced(dict(settings), self._setting))
        return tuple(map(self.box, y)) if op.several else self.box(y)

    def _entering(self, x: Any) -> Any:
        return self.inside.from_outside(x) if type(x) is Looked and x.ndim else self._setting(x)

    def _setting(self, x: Any) -> Any:
        if not isinstance(x, Tensor) or type(x) in (Number, CapturedNumber):
            return x
        if x._trace is self:
            return x._value
        return x if self.inside.is_mine(x) else self.inside.from_outside(x)


class Traced:
    """A body with the trees it takes and returns, and what it reads from outside."""

    def __init__(
        self, outside: Capture, f: Callable[..., Any], init: Any, carry: Sequence[Any], x: Sequence[Any], structure: Any
    ) -> None:
        self.inside = inside = _Inside(outside)
        trace = inside.loop
        boxes = [inside.box(value) for value in (*carry, *x)]
        inputs = [captured_in(box)._link for box in boxes]
        held = list(map(trace.box, boxes))
        tree = unflatten(flatten(init)[1], held[: len(carry)])
        entry = unflatten(structure, held[len(carry) :])
        running.capture = inside
        try:
            made = called(trace.level, lambda c, x: stepped(f, c, x), (tree, entry))
            if inside.refusal is not None:
                raise inside.refusal
            leaves, whole = flatten(made)
            leaves = ended(trace.level, leaves)
            outputs = [self._output(y) for y in leaves]
        except (CaptureError, GradientError) as error:  # the loop itself will raise it, or do without
            raise unsuitable(str(error).partition(";")[0]) from error
        finally:
            running.capture = outside
        self.carry, self.y = [flatten(part) for part in unflatten(whole, range(len(leaves)))]
        program = inside.program
        program.outputs = [y for y in outputs if isinstance(y, Value)]
        drop_unused(program)
        self.read = [x for x, _ in inside.read]
        self.body = Body(program.instructions, [*inputs, *(v for _, v in inside.read)], outputs, len(carry))
        self.dtypes = [y.dtype if isinstance(y, Value) else np.asarray(y).dtype for y in outputs]
        program.forget_examples()

    def _output(self, y: Any) -> Any:
        if isinstance(y, Tensor) or type(y) is Looked:
            return self.inside._reference(y)
        return unwatched(y) if isinstance(y, np.ndarray) else np.asarray(y)
