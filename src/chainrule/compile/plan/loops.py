"""A group as a loop, written as machine code.

The loop goes over rows and columns. Operands are flat arrays, so element (r, c) is number r · columns + c; operands
that are the same for each row or column are indexed by c or r alone. A sum over rows is kept in an array of columns, a
sum over columns or over all in a variable.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.compile.program.elements import can_fail, element_of
from chainrule.compile.program.groups import Group, is_renaming, layout, reduction_of
from chainrule.compile.program.passes import frozen
from chainrule.compile.program.program import Instruction, Value
from chainrule.core.custom import Custom
from chainrule.kernels.native.code import Index, Place
from chainrule.kernels.native.copies import axes_of
from chainrule.kernels.native.symbol import DOUBLE, Symbol
from chainrule.kernels.native.tasks import Function, Task, address
from chainrule.rules.arrays.reduce import Mean
from chainrule.rules.elementary.arithmetic import Multiply

from .footprint import footprint, may_meet

Range = tuple[Index, Index]

LONG = 4096
"""The longest float32 sums that are accumulated in float32."""
EXACT = 2**6
"""Up to this many elements a loop is compiled for its exact size: LLVM then knows how often it runs."""
SMALL = 2**16
"""Up to this many elements it is compiled for the length of its rows, whatever their number; larger ones share code.

The last batch of an epoch has fewer rows, and runs the code of the others.
"""
SHORT = 64
"""Rows of up to so many elements have code for their length in any case: of a few vectors, or of a part of one."""
KEPT = 4096
"""How many loops' texts are kept for others that are the same."""
COLUMNS = 64
"""The fewest columns in a part of a loop that is cut along columns: a few vectors."""

_texts: dict[Any, str] = {}


@dataclass(eq=False)
class Loop:
    """A group, with its inputs and the results it keeps."""

    group: Group
    stored: list[Value]
    """Its results that are needed outside."""
    loaded: list[Value]
    """Its inputs from outside."""
    columns: int | None = field(init=False)
    """How many elements a row has, where rows and columns must be told apart."""
    steps: dict[Value, int] = field(default_factory=dict)
    """How many elements lie between the rows of arrays whose rows do not follow on from one another."""

    def __post_init__(self) -> None:
        self.columns = self.group.columns if needs_split(self.group) else None

    def can_walk(self, value: Value, array: Any) -> bool:
        """Whether it can go through an array: in C order, or of rows of the loop's own length.

        Such as a slice of columns: the first one decides on the length, if nothing else does.
        """
        if array.flags.c_contiguous:
            return True
        if array.size != self.group.size or any(s % array.itemsize for s in array.strides):
            return False
        (rows, step), (columns, inner) = axes if len(axes := axes_of(array)) == 2 else ((0, 0), (0, 0))
        length = self.columns or self.group.columns or columns
        if inner != 1 or step < columns or columns != length or rows * columns != self.group.size:
            return False
        self.columns, self.steps[value] = columns, step
        return True

    def task(self, arrays: dict[Value, Any]) -> Task:
        """Return the call over all elements, given a flat array for each value that is loaded or stored."""
        return _Writer(self, arrays).task()

    def can_fail(self) -> bool:
        """Whether its code may give up at some values."""
        return any(can_fail(i) for i in self.group.members if not is_renaming(i) and reduction_of(i) is None)

    def form(self) -> Any:
        """Return a key that loops share whose code is the same, given arrays that are laid out alike."""
        number: dict[Any, int] = {}

        def named(x: Any) -> Any:
            if isinstance(x, Value):
                return number.setdefault(x, len(number)), x.shape, x.dtype
            return type(x), repr(x)

        members = tuple(
            (i.op, i.function, i.kind, tuple(map(named, i.args)), frozen(i.settings), tuple(map(named, i.outputs)))
            for i in self.group.members
        )
        steps = tuple((number[v], step) for v, step in self.steps.items())
        places = tuple(number[v] for v in (*self.loaded, *self.stored))
        return members, self.group.size, self.columns, steps, places, len(self.stored)

    def cut(self) -> str | None:
        """Return the direction in which it can be split into parallel parts: "rows", "columns", or None.

        Along rows, unless columns are summed; then along columns. No sum is ever cut, so that the result does not
        depend on the number of parts.
        """
        kinds = {reduction_of(i) for i in self.group.members}
        if kinds & {"all", "middle"} or {"rows", "columns"} <= kinds:
            return None
        return "columns" if "columns" in kinds else "rows"


def loop_of(group: Group, needed: set[Value]) -> Loop:
    """Return the loop of a group, given what is needed outside of it."""
    made = group.made
    loaded = list(dict.fromkeys(v for i in group.members for v in i.inputs if v not in made))
    alias = aliases(group)
    stored = list(dict.fromkeys(alias.get(v, v) for i in group.members for v in i.outputs if v in needed))
    return Loop(group, stored, loaded)


def aliases(group: Group) -> dict[Value, Value]:
    """Return, for what a reshape inside a group makes, the value of the group that has the same elements."""
    found: dict[Value, Value] = {}
    for i in group.members:
        if is_renaming(i):
            source = i.inputs[0]
            found[i.outputs[0]] = found.get(source, source)
    return found


def needs_split(group: Group) -> bool:
    """Whether rows and columns have to be told apart."""
    return group.columns is not None and any(
        reduction_of(i) in ("columns", "rows", "middle")
        or any(_kind(v, i) in ("row", "column", "cycle") for v in i.inputs)
        for i in group.members
    )


def _kind(value: Value, i: Instruction) -> str:
    if is_renaming(i) or reduction_of(i):
        return "full"
    found = layout(value, i.outputs[0].shape)
    assert found is not None
    return found[0]


class _Writer:
    """Writes one loop.

    `names` has what each value is called at the point that is being written. The loop over columns is innermost and its
    body straight, so that it runs on vectors.
    """

    def __init__(self, loop: Loop, arrays: dict[Value, Any]) -> None:
        self.loop, self.group = loop, loop.group
        self.split = loop.columns is not None
        self.width = loop.columns or self.group.size
        self.height = self.group.size // self.width
        self.distinct, self.place_of = _distinct({v: arrays[v] for v in (*loop.loaded, *loop.stored)})
        self.is_exact, self.is_small = self.group.size <= EXACT, self.group.size <= SMALL
        self.factors = {i: x for i in self.group.members if (x := _factor(i)) is not None}
        self.overlap = _overlap(self.distinct, {self.place_of[v] for v in loop.stored})
        self.row: Symbol | None = None
        self.names: dict[Value, Symbol] = {}
        self.totals: dict[Instruction, Any] = {}
        self.given: dict[Instruction, Symbol] = {}
        """The factors that are arguments of the function."""
        self.sums = {i: kind for i in self.group.members if (kind := reduction_of(i)) is not None}

    def task(self) -> Task:
        """Write it, and return the call."""
        cut = self.loop.cut()
        along_rows = self.split and cut != "columns"
        end = self.height if along_rows else self.width
        sizes = () if self.is_exact else (self.height, self.width)
        numbers = (*(int(np.float64(x).view(np.int64)) for x in self.factors.values()), *sizes)
        return Task(self._text(cut), self.distinct, numbers, 0, end)

    def _text(self, cut: str | None) -> str:
        """Return the function, written once for all loops that are the same."""
        sizes = (self.is_exact, self.is_small, LONG)
        form = (self.loop.form(), tuple(self.place_of.values()), self.overlap, sizes)
        key: Any = None
        with contextlib.suppress(TypeError):  # something that cannot be hashed
            hash(form)
            key = None if any(isinstance(i.op, Custom) for i in self.group.members) else form
        if key in _texts:
            return _texts[key]
        count = len(self.factors) + (0 if self.is_exact else 2)
        self.function = Function([a.dtype for a in self.distinct], count, self.overlap)
        self.code = self.function.code
        self._write(cut)
        text = self.function.text()
        if key is not None:
            if len(_texts) >= KEPT:
                _texts.clear()
            _texts[key] = text
        return text

    def _write(self, cut: str | None) -> None:
        height: Index = self.height if self.is_exact else self.function.numbers[-2]
        has_length = self.is_exact or (self.split and (self.is_small or self.width <= SHORT))
        self.columns: Index = self.width if has_length else self.function.numbers[-1]
        rows: Range = (0, height)
        columns: Range = (0, self.columns)
        part: Range = (self.function.begin, self.function.end)
        if self.split and cut != "columns":
            rows = rows if self.is_exact else part
        elif not has_length or self.width >= 2 * COLUMNS:  # else it is never cut
            columns = part
        self._load("one", 0)
        for member, number in zip(self.factors, self.function.numbers, strict=False):
            dtype = member.outputs[0].dtype if member.op is Multiply else DOUBLE
            self.given[member] = number.view(np.float64).astype(dtype)
        self._begin(columns)
        if not self.split:
            with self.code.loop(*columns) as i:
                self._elements(i, i)
        else:
            with self.code.loop(*rows) as r:
                self.row = r
                self._begin_row(r)
                base = r * self.columns
                with self.code.loop(*columns) as c:
                    self._elements(base + c, c)
                self._end_row(r)
        self._end(columns)

    def _place(self, value: Value) -> Place:
        return self.function.places[self.place_of[value]]

    def _load(self, kind: str, index: Index) -> None:
        """Load what lies in one way: before the loops, in each row or for each element."""
        for i in self.group.members:
            for value in i.inputs:
                if value in self.place_of and value not in self.names and _kind(value, i) == kind:
                    self.names[value] = self._place(value)[index]

    def _load_apart(self, c: Symbol) -> None:
        """Load the elements of inputs whose rows are apart."""
        for value in self.loop.steps:
            if value not in self.loop.stored:
                self.names[value] = self._place(value)[self._apart(value, c)]

    def _apart(self, value: Value, c: Symbol) -> Symbol:
        """Return where an element is of an array whose rows are apart."""
        assert self.row is not None
        return self.row * self.loop.steps[value] + c

    def _begin(self, columns: Range) -> None:
        for i, kind in self.sums.items():
            out = i.outputs[0]
            if kind == "all":
                self.totals[i] = self.code.variable(self._wide(i), 0)
            elif kind != "rows":
                with self.code.loop(*((0, out.size) if kind == "middle" else columns)) as c:
                    self._place(out)[c] = self.code.constant(0, out.dtype)

    def _begin_row(self, r: Symbol) -> None:
        self._load("column", r)
        for i in self.group.members:
            for value in i.inputs:
                if value in self.place_of and value not in self.names and _kind(value, i) == "cycle":
                    self.names[value] = self._place(value)[self.code.remainder(r, value.size)]
        for i, kind in self.sums.items():
            if kind in ("rows", "middle"):
                self.totals[i] = self.code.variable(self._wide(i), 0)

    def _elements(self, i: Symbol, c: Symbol) -> None:
        # All loads first: a store may overwrite something that is read.
        self._load("row", c)
        self._load_apart(c)
        self._load("full", i)
        for member in self.group.members:
            self._member(member, i, c)

    def _member(self, member: Instruction, i: Symbol, c: Symbol) -> None:
        out = member.outputs[0]
        if is_renaming(member):
            self.names[out] = self.names[member.inputs[0]]
        elif member in self.totals:
            self.totals[member].add(self.code.converted(self.names[member.inputs[0]], self.totals[member].dtype))
        elif member in self.sums:
            self._place(out)[c] = self._place(out)[c] + self.names[member.inputs[0]]
        else:
            operands = [self.names[x] if isinstance(x, Value) else self.given.get(member, x) for x in member.args]
            self.names[out] = element_of(member, operands)
            if out in self.loop.stored:
                self._place(out)[self._apart(out, c) if out in self.loop.steps else i] = self.names[out]

    def _end_row(self, r: Symbol) -> None:
        for i, kind in self.sums.items():
            out = i.outputs[0]
            if kind == "rows":
                self._place(out)[r] = self._total(i)
            elif kind == "middle":
                at = self.code.remainder(r, out.size)
                self._place(out)[at] = self._place(out)[at] + self._total(i)

    def _end(self, columns: Range) -> None:
        for i, kind in self.sums.items():
            place = self._place(i.outputs[0])
            if kind == "all":
                place[0] = self._total(i)
            elif kind == "columns" and i.op is Mean:
                with self.code.loop(*columns) as c:
                    place[c] = place[c] * self._share(i, place.dtype)

    def _total(self, i: Instruction) -> Symbol:
        total = self.totals[i].get()
        total = total * self._share(i, total.dtype) if i.op is Mean else total
        return self.code.converted(total, i.outputs[0].dtype)

    def _share(self, i: Instruction, dtype: Any) -> Symbol | float:
        """Return the factor that makes a mean of a sum."""
        return self.code.converted(self.given[i], dtype) if i in self.given else _share(i)

    def _wide(self, i: Instruction) -> Any:
        """Return the type to add up in.

        Long float32 sums accumulate in float64: a vector's few lanes do not reach NumPy's precision.
        """
        out, x = i.outputs[0], i.inputs[0]
        return out.dtype if self.sums[i] == "rows" and x.size <= LONG * out.size else DOUBLE


def _factor(i: Instruction) -> float | None:
    """Return the number by which an instruction multiplies, where it is one that may depend on the number of rows."""
    if i.op is Mean:
        return _share(i)
    if i.op is Multiply and i.outputs[0].dtype.kind == "f":
        return next((x for x in i.args if type(x) is float), None)
    return None


def _share(i: Instruction) -> float:
    return i.outputs[0].size / i.inputs[0].size


def _distinct(arrays: dict[Value, Any]) -> tuple[list[Any], dict[Value, int]]:
    """Return the arrays without aliases, and which of them each value is.

    Two names for the same memory would keep the loop from running on vectors.
    """
    found: dict[tuple[int, int, Any, tuple[int, ...]], int] = {}
    distinct: list[Any] = []
    place_of = {}
    for value, array in arrays.items():
        key = (address(array), array.size, array.dtype, array.strides)
        if key not in found:
            found[key] = len(distinct)
            distinct.append(array)
        place_of[value] = found[key]
    return distinct, place_of


def _overlap(arrays: Sequence[Any], written: set[int]) -> bool:
    """Whether an array that is written to shares memory with another."""
    places = [footprint(a) for a in arrays]
    return any(may_meet(places[w], other) for w in written for k, other in enumerate(places) if k != w)


def describe(group: Group) -> str:
    """Return the names of a group's operations, as a program prints them."""
    return " + ".join(i.name for i in group.members if not is_renaming(i))
