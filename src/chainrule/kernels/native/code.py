"""`Code`: one function in LLVM IR, written line by line.

Arrays are `Place`s: `place[i]` reads, `place[i] = x` writes. Loops are `with code.loop(begin, end) as i:`, and a value
that changes in one is a `Variable`. Conditional values are selected; `with code.when(condition):` is a branch.
"""

import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from .symbol import BOOL, DOUBLE, INT, LLVM, LONG, NotSymbolic, Symbol

CONTRACT = "contract "
"""The flags of all arithmetic: products may be fused with sums. NaN and infinity are what they are, quotients stay
quotients, and what is written in an order is computed in it."""
REORDER = "reassoc nsz contract "
"""The flags of sums over many elements: their order may change, which vectors need."""
Index = Symbol | int
Lines = list[Any]
"""Instructions and labels as text, and what is more than that: a `Loop` or an `Update`."""


@dataclass(frozen=True)
class Update:
    """A variable that a term is added to, or that becomes the term where that is larger, in no particular order."""

    variable: str
    kind: str
    """LLVM's name for its type."""
    term: str
    name: str
    """What the names begin with that its instructions need."""
    is_sum: bool

    def instructions(self, made: str, before: str, term: str, kind: str, mask: str) -> list[str]:
        """Return what makes the value of its value before and a term, in a type of one or more lanes."""
        if self.is_sum:
            return [f"{made} = fadd {REORDER}{kind} {before}, {term}"]
        test = f"{made}.is = icmp sgt {kind} {term}, {before}"
        return [test, f"{made} = select {mask} {made}.is, {kind} {term}, {kind} {before}"]

    def lines(self) -> list[str]:
        """Return it for one element."""
        made = self.instructions(f"{self.name}.new", f"{self.name}.old", self.term, self.kind, "i1")
        load = f"{self.name}.old = load {self.kind}, ptr {self.variable}"
        return [f"  {x}" for x in (load, *made, f"store {self.kind} {self.name}.new, ptr {self.variable}")]


@dataclass
class Loop:
    """A loop with what is written inside, which is entered from the block `before` and left to the block NAME.end."""

    name: str
    begin: Symbol
    end: Symbol
    before: str
    lines: Lines

    def around(self, inside: Sequence[str], begin: Any = None, before: str = "", end: str = "end") -> list[str]:
        """Return the loop with lines inside; from another beginning and block, and to another one, where given."""
        name = self.name
        return [
            f"  br label %{name}.head",
            f"{name}.head:",
            f"  %{name} = phi i64 [ {begin or self.begin}, %{before or self.before} ], [ %{name}.next, %{name}.latch ]",
            f"  %{name}.on = icmp slt i64 %{name}, {self.end}",
            f"  br i1 %{name}.on, label %{name}.body, label %{name}.{end}",
            f"{name}.body:",
            *inside,
            f"  br label %{name}.latch",
            f"{name}.latch:",
            f"  %{name}.next = add nuw nsw i64 %{name}, 1",
            f"  br label %{name}.head",
            f"{name}.{end}:",
        ]


def plain(lines: Lines) -> list[str]:
    """Return lines with loops and updates written out as they are."""
    found: list[str] = []
    for line in lines:
        if isinstance(line, str):
            found.append(line)
        else:
            found += line.lines() if isinstance(line, Update) else line.around(plain(line.lines))
    return found


class Code:
    """The body of a function under construction."""

    def __init__(self, flags: str = CONTRACT) -> None:
        self.flags = flags
        """The flags of arithmetic: none where each operation is rounded by itself, as in Python."""
        self.lines: Lines = []
        self.first: list[str] = []
        """Room on the stack, which belongs before everything else."""
        self.declared: set[str] = set()
        self.roots: dict[str, str] = {}
        """For each address in an array, the array; "" where it may be one of several."""
        self.block = "entry"
        self._count = 0
        self._outermost = self.lines
        self.doubted: Variable | None = None
        """More than 0 where some code could not do its work for what it met."""

    def fresh(self) -> str:
        """Return an unused name."""
        self._count += 1
        return f"v{self._count}"

    def write(self, line: str) -> None:
        """Add an instruction without a result."""
        self.lines.append(f"  {line}")

    def made(self, dtype: Any, text: str) -> Symbol:
        """Add an instruction and return its result."""
        name = f"%{self.fresh()}"
        self.lines.append(f"  {name} = {text}")
        return Symbol(self, dtype, name)

    def constant(self, number: float, dtype: Any) -> Symbol:
        """Return a constant of the given type."""
        dtype = np.dtype(dtype)
        if dtype.kind == "f":
            with np.errstate(over="ignore"):
                value = float(dtype.type(number))
            return Symbol(self, dtype, f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}", value)
        if dtype == BOOL:
            return Symbol(self, dtype, "true" if number else "false", bool(number))
        if not np.iinfo(dtype).min <= number <= np.iinfo(dtype).max:
            raise NotSymbolic(f"{number} is out of the range of {dtype}")
        return Symbol(self, dtype, str(int(number)), int(number))

    def index(self, number: Index) -> Symbol:
        """Return a number as an index."""
        return number if isinstance(number, Symbol) else self.constant(number, LONG)

    def remainder(self, number: Symbol, divisor: int) -> Symbol:
        """Return the remainder of an index divided by a number."""
        return self.made(LONG, f"urem i64 {number}, {divisor}")

    def intrinsic(self, name: str, *args: Symbol) -> Symbol:
        """Call an LLVM intrinsic on floats of one type."""
        kind = args[0].type
        if args[0].dtype.kind != "f":
            raise NotSymbolic(f"{name} of {args[0].dtype}")
        full = f"llvm.{name}.{'f32' if kind == 'float' else 'f64'}"
        self.declared.add(f"declare {kind} @{full}({', '.join([kind] * len(args))})")
        given = ", ".join(f"{kind} {x}" for x in args)
        return self.made(args[0].dtype, f"call {self.flags}{kind} @{full}({given})")

    def library(self, name: str, *args: Symbol) -> Symbol:
        """Call a function of C's library on float64, the one that Python's own arithmetic calls."""
        self.declared.add(f"declare double @{name}({', '.join(['double'] * len(args))})")
        given = ", ".join(f"double {self.converted(x, DOUBLE)}" for x in args)
        return self.made(DOUBLE, f"call double @{name}({given}) nobuiltin")

    def chosen(self, condition: Symbol, a: Symbol, b: Symbol) -> Symbol:
        """Return a where the condition holds, else b; both have the same type."""
        return self.made(a.dtype, f"select i1 {condition}, {a.type} {a}, {b.type} {b}")

    def either(self, condition: Symbol, a: "Place", b: "Place") -> "Place":
        """Return one of two arrays of one type."""
        name = f"%{self.fresh()}"
        self.write(f"{name} = select i1 {condition}, ptr {a.name}, ptr {b.name}")
        self.roots[name] = ""
        return Place(self, name, a.dtype)

    def converted(self, x: Symbol, dtype: Any) -> Symbol:
        """Return x converted to another type."""
        if x.dtype == dtype:
            return x
        if dtype not in LLVM or (x.dtype.kind == "f" and dtype.kind in "iu"):
            # The result for NaN differs between machines.
            raise NotSymbolic(f"no conversion of {x.dtype} to {dtype}")
        if x.value is not None:
            return self.constant(x.value, dtype)
        if dtype == BOOL:
            test = "fcmp une" if x.dtype.kind == "f" else "icmp ne"
            return self.made(dtype, f"{test} {x.type} {x}, {self.constant(0, x.dtype)}")
        return self.made(dtype, f"{_conversion(x.dtype, dtype)} {x.type} {x} to {LLVM[dtype]}")

    def reinterpreted(self, x: Symbol, dtype: Any) -> Symbol:
        """Return x with its bits reinterpreted as another type."""
        if dtype.itemsize != x.dtype.itemsize:
            raise NotSymbolic(f"no view of {x.dtype} as {dtype}")
        return x if dtype == x.dtype else self.made(dtype, f"bitcast {x.type} {x} to {LLVM[dtype]}")

    # Control flow

    def label(self, name: str) -> None:
        """Begin a basic block."""
        self.lines.append(f"{name}:")
        self.block = name

    @contextmanager
    def loop(self, begin: Index, end: Index) -> Iterator[Symbol]:
        """Repeat the code written inside for begin, begin + 1, …, end − 1."""
        loop = Loop(self.fresh(), self.index(begin), self.index(end), self.block, [])
        outside, self.lines, self.block = self.lines, loop.lines, f"{loop.name}.body"
        try:
            yield Symbol(self, LONG, f"%{loop.name}")
        finally:
            self.lines, self.block = outside, f"{loop.name}.end"
        self.lines.append(loop)

    @contextmanager
    def when(self, condition: Symbol) -> Iterator[None]:
        """Run the code written inside where a condition holds."""
        name = self.fresh()
        self.write(f"br i1 {condition}, label %{name}.then, label %{name}.on")
        self.label(f"{name}.then")
        yield
        self.write(f"br label %{name}.on")
        self.label(f"{name}.on")

    def leave_if(self, condition: Symbol, result: Symbol) -> None:
        """Return an index from the function if the condition holds."""
        name = self.fresh()
        self.write(f"br i1 {condition}, label %{name}.leave, label %{name}.stay")
        self.label(f"{name}.leave")
        self.write(f"ret i64 {result}")
        self.label(f"{name}.stay")

    def doubt(self, condition: Symbol) -> None:
        """Where a condition holds, let the function say in the end that it has failed."""
        if self.doubted is None:
            self.doubted = Variable(self, INT)
            self._outermost.insert(0, f"  store i32 0, ptr {self.doubted.name}")
        self.doubted.raise_to(self.converted(condition, INT))

    def settle(self) -> None:
        """Leave the function with a failure if there was a doubt."""
        if self.doubted is not None:
            self.leave_if(self.doubted.get() > 0, self.index(0))
            self.doubted = None

    def variable(self, dtype: Any, initial: float | Symbol) -> "Variable":
        """Return a variable, initialised at this point."""
        made = Variable(self, np.dtype(dtype))
        made.set(initial)
        return made


def _conversion(old: Any, new: Any) -> str:
    signed = old.kind == "i"
    if new.kind == "f":
        if old.kind == "f":
            return "fpext" if new.itemsize > old.itemsize else "fptrunc"
        return "sitofp" if signed else "uitofp"
    if old != BOOL and new.itemsize < old.itemsize:
        return "trunc"
    if old != BOOL and new.itemsize == old.itemsize:
        return "bitcast"
    return "sext" if signed else "zext"


class Variable:
    """A mutable number: written as a stack slot, promoted to a register by LLVM."""

    def __init__(self, code: Code, dtype: Any) -> None:
        self.code, self.dtype, self.name = code, dtype, f"%{code.fresh()}"
        code.first.append(f"  {self.name} = alloca {LLVM[dtype]}")

    def get(self) -> Symbol:
        """Return the current value."""
        return self.code.made(self.dtype, f"load {LLVM[self.dtype]}, ptr {self.name}")

    def set(self, x: float | Symbol) -> None:
        """Assign a new value."""
        x = self.code.converted(x, self.dtype) if isinstance(x, Symbol) else self.code.constant(x, self.dtype)
        self.code.write(f"store {x.type} {x}, ptr {self.name}")

    def add(self, x: Symbol) -> None:
        """Add a term of a sum whose order does not matter."""
        self._update(self.code.converted(x, self.dtype), is_sum=True)

    def raise_to(self, x: Symbol) -> None:
        """Become an integer of its type where that is larger, whatever the order of several."""
        self._update(x, is_sum=False)

    def _update(self, x: Symbol, is_sum: bool) -> None:
        self.code.lines.append(Update(self.name, LLVM[self.dtype], str(x), f"%{self.code.fresh()}", is_sum))


class Place:
    """A flat array in memory, of one type."""

    def __init__(self, code: Code, name: str, dtype: Any) -> None:
        self.code, self.name, self.dtype = code, name, np.dtype(dtype)

    def _at(self, index: Index) -> str:
        kind = "i8" if self.dtype == BOOL else LLVM[self.dtype]
        at = self.code.fresh()
        self.code.write(f"%{at} = getelementptr inbounds {kind}, ptr {self.name}, i64 {self.code.index(index)}")
        self.code.roots[f"%{at}"] = self.code.roots.get(self.name, self.name)
        return f"%{at}"

    def behind(self, index: Index) -> "Place":
        """Return the array that begins at an element of this one."""
        return Place(self.code, self._at(index), self.dtype)

    def __getitem__(self, index: Index) -> Symbol:
        at = self._at(index)
        if self.dtype == BOOL:
            byte = self.code.made(np.dtype(np.uint8), f"load i8, ptr {at}")
            return self.code.made(BOOL, f"icmp ne i8 {byte}, 0")
        return self.code.made(self.dtype, f"load {LLVM[self.dtype]}, ptr {at}")

    def __setitem__(self, index: Index, x: Symbol) -> None:
        x = self.code.converted(x, self.dtype)
        at = self._at(index)
        if self.dtype == BOOL:
            x = self.code.made(np.dtype(np.uint8), f"zext i1 {x} to i8")
        self.code.write(f"store {x.type} {x}, ptr {at}")
