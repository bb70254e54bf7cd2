"""The rows of a `vmap`: boxes that look like one row to the function, and the trace that computes all of them.

A row's values differ from those of the next, so code that asks for them (`if x > 0`, `float(x)`) gets an error that
says what to write instead. Everything else that rules do with values goes through `plain` and the like, which ask the
trace.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, NoReturn

import numpy as np

from chainrule.base.provenance import Source, users_line
from chainrule.core.errors import VmapError
from chainrule.core.operands.plain import NUMPY, is_written_into_array, refuse_array_write
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in, constant_of, mapped_in, plain, running

from .batch import Batch, Batched, lifted


class Mapped(Batched):
    """The rows of a mapped array, as the function sees them: one of them."""

    __slots__ = ()
    is_variable = True
    is_mapped: ClassVar[bool] = True

    @property
    def requires_grad(self) -> bool:
        """Whether a derivative outside of the `vmap` flows through the rows."""
        return isinstance(self._value, Tensor) and self._value.requires_grad

    def _stands_for(self) -> type:
        """Return the class of one row: that of a scalar if it has no axes."""
        return np.ndarray if self.ndim else self.dtype.type

    __class__ = property(_stands_for, Tensor._turn_into)

    def _refuse(self, what: str) -> NoReturn:
        refuse: Callable[[str], NoReturn] = self._trace.refuse
        refuse(what)

    def __bool__(self) -> bool:
        self._refuse("`if`, `while`, `and`, `or` or `not` asked whether a mapped value is true")

    def __index__(self) -> int:
        self._refuse("a mapped integer was used as a Python number, such as a length or an index of a plain array")

    def __int__(self) -> int:
        self._refuse("int(x) asked for the value of one row")

    def __float__(self) -> float:
        self._stored()
        self._refuse("float(x) asked for the value of one row")

    def __complex__(self) -> complex:
        self._refuse("complex(x) asked for the value of one row")

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        self._stored()
        self._refuse("a plain NumPy array was asked for, by np.asarray or by code that is not differentiable")

    def _stored(self) -> None:
        if is_written_into_array():
            refuse_array_write(kind=VmapError)

    def item(self) -> Any:
        """Refuse: every row has another value."""
        self._refuse("x.item() asked for the value of one row")


@dataclass
class Report:
    """How each operation of a mapped function ran: on whole stacks, or row by row.

    `together` and `alone` count the calls by operation; `lines` has the first line of those that ran row by row.
    """

    size: int
    together: dict[str, int] = field(default_factory=dict)
    alone: dict[str, int] = field(default_factory=dict)
    lines: dict[str, Source] = field(default_factory=dict)

    def count(self, name: str, stacked: bool) -> bool:
        """Count a call; return whether it is the first of that operation that runs row by row."""
        calls = self.together if stacked else self.alone
        calls[name] = calls.get(name, 0) + 1
        if stacked or name in self.lines:
            return False
        self.lines[name] = users_line(NUMPY)
        return True

    def __str__(self) -> str:
        rows = [f"vmap over {self.size} rows"]
        rows += [f"  {name}: {n} x on whole stacks" for name, n in sorted(self.together.items())]
        rows += [
            f"  {name}: {n} x row by row, first at {self.lines[name].place}" for name, n in sorted(self.alone.items())
        ]
        return "\n".join(rows)


class MapTrace(Batch):
    """The trace of one call of a mapped function. `warn(name, line)` is called for an operation that runs in a loop."""

    __slots__ = ("name", "randomness", "report", "warn")

    def __init__(self, level: int, size: int, name: str, randomness: str, warn: Callable[[str, Source], None]) -> None:
        super().__init__(level, size)
        self.name, self.randomness, self.warn = name, randomness, warn
        self.report = Report(size)

    def box(self, stack: Any) -> Mapped:
        """Box a stack of rows."""
        return Mapped(stack, self, None)

    def stack(self, x: Any) -> Any:
        """Return the stack in a box, or a stack of equal rows for any other value, without a copy."""
        return x._value if self.holds(x) else np.broadcast_to(x, (self.size, *np.shape(x)))

    def process(self, op: Any, args: tuple[Any, ...], settings: Mapping[str, Any]) -> Any:
        """Apply `op` to whole stacks if there is a rule, through its composite if it has one, or row by row."""
        found = self.together(op, args, settings)
        if found is not None:
            self.report.count(op.name, True)
            return found
        if op.composite is not None:
            return op.composite(*args, **settings)
        if op.is_shaped_by_values:
            self.refuse(f"{op.name} gives each row a result of another shape")
        if not self.size:
            raise ValueError(f"vmap: {op.name} runs row by row, and there are no rows; map over an axis that has some")
        if self.report.count(op.name, False):
            self.warn(op.name, self.report.lines[op.name])
        return self.each(lambda *row: op.apply(*row, **settings), args)

    def plainly(self, f: Callable[..., Any], args: tuple[Any, ...], stacks: bool) -> Any:
        """Return `f(*args)` for plain arrays, row by row, or once if it takes stacks."""
        if stacks:
            ndim = max(np.ndim(x) for x in args)
            return self.box(plain(f, *(lifted(x._value, ndim) if self.holds(x) else x for x in args), stacks=True))
        return self._joined([plain(f, *self.row(args, k)) for k in range(self.size)])

    def _joined(self, found: Sequence[Any]) -> Any:
        """Return the results of the rows as boxes of stacks; tuples of results as tuples of boxes."""
        first = found[0] if found else None
        if first is None:
            return None
        if isinstance(first, tuple | list):
            parts = [self._joined(part) for part in zip(*found, strict=True)]
            return type(first)(*parts) if hasattr(first, "_fields") else type(first)(parts)
        if len({np.shape(x) for x in found}) > 1:
            self.refuse("a step gives each row a result of another shape")
        return self.box(np.stack(found))

    def like(self, x: Any) -> Any:
        """Return the first row of a value, as a plain array."""
        shape, dtype, depth = x.shape, x.dtype, 0
        while isinstance(x, Tensor) and captured_in(x) is not x:
            depth, x = depth + x.is_mapped, x._value
        array = getattr(x, "held", x)
        return array[(0,) * depth] if array.size else np.zeros(shape, dtype)

    def shown(self, x: Any) -> str:
        """Return a text for an array of rows: what a `print` inside the function shows."""
        inner, sizes = constant_of(x), []
        while isinstance(inner, Mapped):
            sizes.append(inner._trace.size)
            inner = inner._value
        body = np.array2string(np.asarray(inner), separator=", ", prefix="tensor(", threshold=100)
        return f"tensor({body}, rows of vmap: {' x '.join(map(str, sizes[::-1]))})"

    def drawn(self, name: str, draw: Callable[[], Any]) -> Any:
        """Return random numbers, drawn by `draw` in the order in which nested loops over the rows would draw them."""
        maps = running.maps
        if any(trace.randomness == "error" for trace in maps):
            raise VmapError(
                f"vmap: {name} draws random numbers ({users_line(NUMPY).place}), and randomness is 'error'; pass "
                f"randomness='different' for numbers of its own for each row, as a loop would draw them, or 'same'"
            )
        several = [trace for trace in maps if trace.randomness == "different"]
        with mapping():
            if not several:
                return draw()
            rows = [draw() for _ in range(math.prod(trace.size for trace in several))]
        y: Any = np.stack(rows).reshape((*(trace.size for trace in several), *np.shape(rows[0])))
        y = y._value if isinstance(y, Tensor) and y._trace.level == 0 else y
        for trace in several:
            y = trace.box(y)
        return y

    def draws_outside_of_operations(self) -> None:
        """Refuse to draw numbers that would be the same for every row without being asked for."""
        if any(trace.randomness != "same" for trace in running.maps):
            self.refuse("random numbers were drawn outside of an operation, such as for new parameters")

    def refuse(self, what: str) -> NoReturn:
        """Raise an error about code that asks for the value of one row."""
        raise VmapError(
            f"vmap: {what} ({users_line(NUMPY).place}); all {self.size} rows of {self.name} run at once, and differ. "
            f"Choose between values with cr.where(condition, a, b), keep what is the same for every row out of the "
            f"mapped arguments (in_axes=None), and put a model in evaluation mode with .eval()"
        )


@contextmanager
def mapping(trace: MapTrace | None = None) -> Iterator[None]:
    """Run a block inside one more `vmap`, or outside of all."""
    before = running.maps
    running.maps = () if trace is None else (*before, trace)
    try:
        yield
    finally:
        running.maps = before


def is_mapped(x: Any) -> bool:
    """Whether a value holds rows of a `vmap`."""
    return bool(running.maps) and mapped_in(x) is not None


def constant_like(value: Any, x: Tensor) -> Tensor:
    """Return a value as a box like `x`, without a derivative; a box stays as it is."""
    if isinstance(value, Tensor):
        return value
    return x._trace.box(x._trace.stack(value)) if x.is_mapped else Tensor(value, x._trace, None)
