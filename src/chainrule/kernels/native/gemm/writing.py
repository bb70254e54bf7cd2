"""What the functions of the product are written with: `Part`, one function that others of the same text call."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.kernels.native import ufuncs as ufuncs  # arithmetic on symbols
from chainrule.kernels.native.code import Code, Index, Place, plain
from chainrule.kernels.native.nests import Written
from chainrule.kernels.native.symbol import LLVM, LONG, Symbol
from chainrule.kernels.native.vectors import Vectors


class Part(Code):
    """A function under construction, with the parameters of a list of types and names, in which `real` is the dtype."""

    def __init__(self, name: str, parameters: str, dtype: Any, lanes: int) -> None:
        super().__init__()
        self.name, self.dtype = name, np.dtype(dtype)
        self.real = LLVM[self.dtype]
        self.parameters = parameters.format(real=self.real)
        self.vectors = Vectors(self, dtype, lanes)

    def whole(self, name: str) -> Symbol:
        """Return a parameter that is a 64-bit integer."""
        return Symbol(self, LONG, f"%{name}")

    def number(self, name: str) -> Symbol:
        """Return a parameter that is a number of the dtype."""
        return Symbol(self, self.dtype, f"%{name}")

    def place(self, name: str) -> Place:
        """Return a parameter that is an array."""
        return Place(self, f"%{name}", self.dtype)

    def behind(self, place: Place, index: Index) -> Place:
        """Return the array that begins at an element of another."""
        return self._pointer(f"getelementptr {self.real}, ptr {place.name}, i64 {self.index(index)}")

    def fetch(self, place: Place, index: Index) -> None:
        """Have the line of an element, which need not exist, brought into the first cache."""
        self.declared.add("declare void @llvm.prefetch.p0(ptr, i32, i32, i32)")
        self.write(f"call void @llvm.prefetch.p0(ptr {self.behind(place, index).name}, i32 0, i32 3, i32 1)")

    def named(self, name: str) -> Place:
        """Return a function."""
        return Place(self, f"@{name}", self.dtype)

    def function(self, condition: Symbol, a: str, b: str) -> Place:
        """Return one of two functions."""
        return self._pointer(f"select i1 {condition}, ptr @{a}, ptr @{b}")

    def wide_enough(self, columns: Symbol, lanes: int, functions: Sequence[Place]) -> Place:
        """Return the first of some functions, of one vector of columns, two and so on, that reaches the last column."""
        found = functions[0]
        for vectors, larger in enumerate(functions[1:], 1):
            found = self.either(columns > vectors * lanes, larger, found)
        return found

    def memory(self, count: Symbol, border: int) -> tuple[Place, str]:
        """Return room for so many elements, which begins at a multiple of `border` bytes, and what is to be freed."""
        self.declared |= {"declare ptr @malloc(i64)", "declare void @free(ptr)"}
        begin = self._pointer(f"call ptr @malloc(i64 {count * self.dtype.itemsize + border})").name
        at = self.made(LONG, f"ptrtoint ptr {begin} to i64") + (border - 1) & -border
        return self._pointer(f"inttoptr i64 {at} to ptr"), begin

    def call(self, function: str, parameters: str, given: Sequence[Any]) -> None:
        """Call a function with these parameters."""
        kinds = [one.split()[0] for one in parameters.format(real=self.real).split(", ")]
        names = [x.name if isinstance(x, Place) else x for x in given]
        self.write(f"call void {function}({', '.join(f'{kind} {x}' for kind, x in zip(kinds, names, strict=True))})")

    def text(self, linkage: str = "internal ", vectors: Written | None = None) -> str:
        """Return the finished function behind the declarations of what it calls, on vectors where these are given."""
        of = vectors or Written(self.first, plain(self.lines), self.declared)
        head = f"define {linkage}void @{self.name}({self.parameters}) noinline nounwind {{"
        return "\n".join([*sorted(of.declared), head, "entry:", *of.first, *of.lines, "  ret void", "}"])

    def _pointer(self, text: str) -> Place:
        name = f"%{self.fresh()}"
        self.write(f"{name} = {text}")
        return Place(self, name, self.dtype)


def least(a: Any, b: Any) -> Symbol:
    """Return the smaller of two numbers."""
    found: Symbol = np.minimum(a, b)
    return found


def quotient(number: Any, divisor: int) -> Any:
    """Return a number divided by a positive one, rounded up."""
    return rounded_down(number + (divisor - 1), divisor)


def rounded_down(number: Any, divisor: int) -> Any:
    """Return a number that is not negative divided by a positive one, rounded down."""
    if isinstance(number, int):
        return number // divisor
    is_power = divisor & (divisor - 1) == 0
    return number >> divisor.bit_length() - 1 if is_power else number.code.made(LONG, f"udiv i64 {number}, {divisor}")


def joined(parts: Sequence[str]) -> str:
    """Return functions as one text, with each declaration once."""
    lines = [line for part in parts for line in part.splitlines()]
    declared = dict.fromkeys(line for line in lines if line.startswith("declare"))
    return "\n".join([*declared, *(line for line in lines if line not in declared)]) + "\n"
