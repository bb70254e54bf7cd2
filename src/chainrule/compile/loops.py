"""The source of a group's loop.

The loop goes over rows and columns. Operands are flat arrays, so element (r, c) is number r · columns + c; operands
that are the same for each row or column are indexed by c or r alone. A sum over rows is kept in an array of columns, a
sum over columns or over all in a variable.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .expressions import expression
from .groups import Group, is_renaming, layout, reduction_of
from .program import Instruction, Value

LONG = 4096
"""The longest sums that float32 numbers are added up in as they are."""
TYPES = {np.dtype(np.float32): "float32", np.dtype(np.float64): "float64", np.dtype(np.bool_): "bool_"}


@dataclass(eq=False)
class Loop:
    """A group as lines of Python, for arrays under given names."""

    group: Group
    stored: list[Value]
    """What it makes that is needed outside."""
    loaded: list[Value]
    """What it reads that others made."""

    def lines(self, name: Callable[[Value], str], over: "Ranges") -> list[str]:
        """Return the lines that go over a range of elements, or of rows and columns."""
        return _Writer(self, name, over).lines()

    def cut(self) -> str | None:
        """Return along what it can be cut into parts that run at the same time: "rows", "columns", or None.

        Along rows, unless each column is added up; then along columns. No sum is ever cut, so that the result does not
        depend on the number of parts.
        """
        kinds = {reduction_of(i) for i in self.group.members}
        if kinds & {"all", "middle"} or {"rows", "columns"} <= kinds:
            return None
        return "columns" if "columns" in kinds else "rows"


@dataclass(frozen=True)
class Ranges:
    """What a loop goes over, as arguments of `range`: all elements in one loop, or rows and columns."""

    elements: str = ""
    rows: str = ""
    columns: str = ""
    width: str = ""
    """The number of all columns."""


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
    def __init__(self, loop: Loop, name: Callable[[Value], str], over: Ranges) -> None:
        self.loop, self.name, self.over = loop, name, over
        self.names: dict[Value, str] = {}
        self.count = 0
        self.before: list[str] = []
        self.row_start: list[str] = []
        self.loads: list[str] = []
        self.body: list[str] = []
        self.row_end: list[str] = []
        self.after: list[str] = []

    def lines(self) -> list[str]:
        for i in self.loop.group.members:
            for value in i.inputs:
                self._load(value, i)
            self._member(i)
        if self.over.elements:
            # All loads first: what is stored may go where something that was read stood.
            inner = [f"for i in range({self.over.elements}):", *_indented([*self.loads, *self.body])]
            return [*self.before, *inner, *self.row_end, *self.after]
        # The loop over columns is innermost and its body straight, so that it runs on vectors.
        body = [f"base = r * {self.over.width}", *self.row_start, f"for c in range({self.over.columns}):"]
        body += _indented(["i = base + c", *self.loads, *self.body]) + self.row_end
        return [*self.before, f"for r in range({self.over.rows}):", *_indented(body), *self.after]

    def _new_name(self) -> str:
        """Return the next name: counted in this loop, so that equal loops have equal source and are compiled once."""
        self.count += 1
        return f"v{self.count}"

    def _load(self, value: Value, i: Instruction) -> None:
        if value in self.names:
            return
        local, array = self._new_name(), self.name(value)
        kind = _kind(value, i)
        self.names[value] = local
        if kind == "one":
            self.before.append(f"{local} = {array}[0]")
        elif kind == "column":
            self.row_start.append(f"{local} = {array}[r]")
        elif kind == "cycle":
            self.row_start.append(f"{local} = {array}[int64(r) % {value.size}]")
        else:
            self.loads.append(f"{local} = {array}[{'c' if kind == 'row' else 'i'}]")

    def _member(self, i: Instruction) -> None:
        out = i.outputs[0]
        if is_renaming(i):
            self.names[out] = self.names[i.inputs[0]]
            return
        reduction = reduction_of(i)
        if reduction is not None:
            self._sum(i, reduction)
            return
        local = self.names[out] = self._new_name()
        self.body.append(f"{local} = {self._expression(i)}")
        if out in self.loop.stored:
            self.body.append(f"{self.name(out)}[i] = {local}")

    def _expression(self, i: Instruction) -> str:
        out = i.outputs[0]
        floats = [v.dtype for v in (out, *i.inputs) if TYPES.get(v.dtype, "").startswith("float")]
        kind = TYPES[floats[0]] if floats else "float64"

        def literal(number: float) -> str:
            return f"{kind}({float(number)!r})"

        operands = []
        for position, x in enumerate(i.args):
            if not isinstance(x, Value):
                is_condition = i.name == "where" and position == 0
                plain = f"c({float(x):g})" if i.name == "power" else literal(x)
                operands.append(str(bool(x)) if is_condition else plain)
            elif x.dtype == np.bool_ and out.dtype != np.bool_ and not (i.name == "where" and position == 0):
                operands.append(f"({literal(1)} if {self.names[x]} else {literal(0)})")
            else:
                operands.append(self.names[x])
        found = expression(i.name, i.settings, literal, operands)
        assert found is not None
        return found

    def _sum(self, i: Instruction, reduction: str) -> None:
        out, x = i.outputs[0], i.inputs[0]
        kind, array, local = TYPES[out.dtype], self.name(out), self.names[x]
        share = f" * {kind}({out.size / x.size!r})" if i.name == "mean" else ""
        if reduction == "columns":
            self.before += [f"for c in range({self.over.columns}):", f"    {array}[c] = {kind}(0)"]
            self.body.append(f"{array}[c] += {local}")
            if share:
                self.after += [f"for c in range({self.over.columns}):", f"    {array}[c] = {array}[c]{share}"]
            return
        total = self._new_name()
        # Many float32 are added up in float64: the lanes of a vector are too few for NumPy's precision.
        wide = kind if reduction == "rows" and x.size <= LONG * out.size else "float64"
        self.body.append(f"{total} += {wide}({local})")
        share = f" * {wide}({out.size / x.size!r})" if i.name == "mean" else ""
        if reduction == "middle":
            self.before += [f"for c in range({out.size}):", f"    {array}[c] = {kind}(0)"]
            self.row_start.append(f"{total} = {wide}(0)")
            self.row_end.append(f"{array}[int64(r) % {out.size}] += {kind}({total}{share})")
        elif reduction == "all":
            self.before.append(f"{total} = {wide}(0)")
            self.after.append(f"{array}[0] = {kind}({total}{share})")
        else:
            self.row_start.append(f"{total} = {wide}(0)")
            self.row_end.append(f"{array}[r] = {kind}({total}{share})")


def _indented(lines: list[str]) -> list[str]:
    return [f"    {line}" for line in lines]


def describe(group: Group) -> str:
    """Return the names of a group's operations, as a program prints them."""
    return " + ".join(i.name for i in group.members if not is_renaming(i))
