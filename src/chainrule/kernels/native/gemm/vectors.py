"""`Vectors`: a function on vectors, written line by line.

Numbers are symbols as in `Code`. Pointers and vectors are known by the names of the values alone; all vectors of a
function have as many lanes.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.kernels.native import ufuncs as ufuncs  # arithmetic on symbols
from chainrule.kernels.native.code import Code, Index
from chainrule.kernels.native.symbol import BOOL, LLVM, LONG, Symbol


class Vectors(Code):
    """A function on vectors of one type, under construction."""

    def __init__(self, dtype: Any, lanes: int) -> None:
        super().__init__()
        self.dtype, self.lanes = np.dtype(dtype), lanes
        self.real = LLVM[self.dtype]
        self.vector = f"<{lanes} x {self.real}>"
        self.mask = f"<{lanes} x i1>"
        kind = f"v{lanes}f{8 * self.dtype.itemsize}"
        self._fma = f"@llvm.fma.{kind}"
        self._load, self._store = f"@llvm.masked.load.{kind}.p0", f"@llvm.masked.store.{kind}.p0"
        self.declared |= {
            f"declare {self.vector} {self._fma}({self.vector}, {self.vector}, {self.vector})",
            f"declare {self.vector} {self._load}(ptr, i32, {self.mask}, {self.vector})",
            f"declare void {self._store}({self.vector}, ptr, i32, {self.mask})",
        }

    def given(self, name: str) -> Symbol:
        """Return a parameter that is a 64-bit integer."""
        return Symbol(self, LONG, f"%{name}")

    def named(self, text: str) -> str:
        """Add an instruction and return the name of its result."""
        name = f"%{self.fresh()}"
        self.write(f"{name} = {text}")
        return name

    # Pointers

    def at(self, pointer: str, index: Index) -> str:
        """Return the address of an element."""
        return self.named(f"getelementptr {self.real}, ptr {pointer}, i64 {self.index(index)}")

    def number(self, pointer: str) -> str:
        """Return the number at an address, in all lanes."""
        return self.spread(self.named(f"load {self.real}, ptr {pointer}"))

    def load(self, pointer: str) -> str:
        """Return the vector at an address."""
        return self.named(f"load {self.vector}, ptr {pointer}, align {self.dtype.itemsize}")

    def load_some(self, pointer: str, lanes: str) -> str:
        """Return the vector at an address, with 0 in the lanes that are masked, which are not read."""
        size = self.dtype.itemsize
        return self.named(
            f"call {self.vector} {self._load}(ptr {pointer}, i32 {size}, {self.mask} {lanes}, "
            f"{self.vector} zeroinitializer)"
        )

    def store(self, vector: str, pointer: str) -> None:
        """Write a vector."""
        self.write(f"store {self.vector} {vector}, ptr {pointer}, align {self.dtype.itemsize}")

    def store_some(self, vector: str, pointer: str, lanes: str) -> None:
        """Write those lanes of a vector that are not masked."""
        size = self.dtype.itemsize
        self.write(f"call void {self._store}({self.vector} {vector}, ptr {pointer}, i32 {size}, {self.mask} {lanes})")

    # Vectors

    def spread(self, number: str, kind: str = "") -> str:
        """Return a vector with a number in every lane."""
        kind = kind or self.real
        vector = f"<{self.lanes} x {kind}>"
        one = self.named(f"insertelement {vector} poison, {kind} {number}, i32 0")
        return self.named(f"shufflevector {vector} {one}, {vector} poison, <{self.lanes} x i32> zeroinitializer")

    def below(self, count: Symbol) -> str:
        """Return the mask of the first lanes: as many as `count` says, none if it is negative."""
        numbers = f"<{self.lanes} x i64>"
        lanes = ", ".join(f"i64 {k}" for k in range(self.lanes))
        return self.named(f"icmp slt {numbers} <{lanes}>, {self.spread(str(count), 'i64')}")

    def both(self, mask: str, condition: Symbol) -> str:
        """Return a mask where a condition holds, and no lane at all where it does not."""
        return self.named(f"select i1 {condition}, {self.mask} {mask}, {self.mask} zeroinitializer")

    def times(self, a: str, b: str) -> str:
        """Return a · b."""
        return self.named(f"fmul {self.vector} {a}, {b}")

    def fused(self, a: str, b: str, c: str) -> str:
        """Return a · b + c, rounded once."""
        return self.named(f"call {self.vector} {self._fma}({self.vector} {a}, {self.vector} {b}, {self.vector} {c})")

    def shuffled(self, a: str, b: str, lanes: list[int]) -> str:
        """Return the lanes with these numbers, where those of `b` are counted behind those of `a`."""
        order = ", ".join(f"i32 {k}" for k in lanes)
        return self.named(f"shufflevector {self.vector} {a}, {self.vector} {b}, <{self.lanes} x i32> <{order}>")

    def variable_vector(self, initial: str = "zeroinitializer") -> "VariableVector":
        """Return a variable, initialised at this point."""
        made = VariableVector(self)
        made.set(initial)
        return made

    # Choices

    def pointer_if(self, condition: Symbol, a: str, b: str) -> str:
        """Return one of two pointers."""
        return self.named(f"select i1 {condition}, ptr {a}, ptr {b}")

    @contextmanager
    def when(self, condition: Symbol) -> Iterator[None]:
        """Run the code written inside where a condition holds."""
        name = self.fresh()
        self.write(f"br i1 {condition}, label %{name}.then, label %{name}.on")
        self.label(f"{name}.then")
        yield
        self.write(f"br label %{name}.on")
        self.label(f"{name}.on")

    def is_not_zero(self, real: str) -> Symbol:
        """Whether a number differs from zero."""
        return self.made(BOOL, f"fcmp une {self.real} {real}, 0.0")

    def call(self, function: str, parameters: str, given: Sequence[Any]) -> None:
        """Call a function, or what a pointer to one points to, that has the parameters of a list of types and names."""
        kinds = [one.split()[0] for one in parameters.format(real=self.real).split(", ")]
        self.write(f"call void {function}({', '.join(f'{kind} {x}' for kind, x in zip(kinds, given, strict=True))})")

    def function(self, name: str, parameters: str, linkage: str = "internal ") -> str:
        """Return the finished function."""
        head = f"define {linkage}void @{name}({parameters}) noinline nounwind {{"
        return "\n".join([head, "entry:", *self.first, *self.lines, "  ret void", "}"])


class VariableVector:
    """A vector that changes: written as a stack slot, promoted to a register by LLVM."""

    def __init__(self, code: Vectors) -> None:
        self.code, self.name = code, f"%{code.fresh()}"
        code.first.append(f"  {self.name} = alloca {code.vector}")

    def get(self) -> str:
        """Return the current value."""
        return self.code.named(f"load {self.code.vector}, ptr {self.name}")

    def set(self, vector: str) -> None:
        """Assign a new value."""
        self.code.write(f"store {self.code.vector} {vector}, ptr {self.name}")
