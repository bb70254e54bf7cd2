"""What the body of a loop says: `Reading` finds for each of its lines whether it is the same for every element.

The lines are those of `code.Code`, one instruction each; what is not known here is refused.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .code import Loop, Update

BITS = {"i1": 1, "i8": 8, "i16": 16, "i32": 32, "i64": 64, "float": 32, "double": 64}
ARITHMETIC = frozenset(("fadd", "fsub", "fmul", "fdiv", "add", "sub", "mul", "and", "or", "xor", "shl", "ashr", "lshr"))
CASTS = frozenset(("fpext", "fptrunc", "sitofp", "uitofp", "sext", "zext", "trunc", "bitcast"))
COMPARISONS = frozenset(("fcmp", "icmp"))
INTRINSICS = frozenset(
    ("llvm.fabs", "llvm.sqrt", "llvm.floor", "llvm.ceil", "llvm.trunc", "llvm.rint", "llvm.copysign")
)
"""Those that are instructions on vectors; of others LLVM makes a call for each element."""
NAME = re.compile(r"%[\w.]+")


class NotWidened(Exception):
    """A loop cannot be written on vectors here; LLVM may be able to."""


class Alone(Exception):
    """A loop whose elements have to be computed one after another, by whomever it is compiled."""


@dataclass(frozen=True)
class Line:
    """An instruction that is done for every element."""

    name: str
    """Of its result; empty for a store."""
    type: str
    """Of its result, in one lane."""
    write: Callable[["Copy"], None]


@dataclass
class Body:
    """What is known about a loop's lines."""

    before: list[str] = field(default_factory=list)
    """Those whose result stays the same."""
    hoisted: set[int] = field(default_factory=set)
    """Their places."""
    lines: list[Line] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    """Of the results that differ from lane to lane."""
    near: dict[str, str] = field(default_factory=dict)
    """The results that are the loop's number plus something that stays the same, which is named."""
    pointers: dict[str, tuple[str, str, str]] = field(default_factory=dict)
    """Those to neighbours: root, offset, type."""
    updates: list[Update] = field(default_factory=list)
    sizes: set[int] = field(default_factory=set)
    """In bits: what is loaded and stored."""


class Copy:
    """The lines for one vector of elements."""

    def __init__(self, of: Any, suffix: str, at: str, lanes: int, mask: str = "") -> None:
        self.of, self.suffix, self.at, self.lanes, self.mask, self.text = of, suffix, at, lanes, mask, list[str]()
        self.number = 0
        """Which of the sums' vectors it adds to."""
        self._numbers: dict[str, str] = {}

    def kind(self, one: str) -> str:
        """Return the vector type of an element's."""
        return f"<{self.lanes} x {one}>"

    def add(self, line: str) -> None:
        """Add an instruction."""
        self.text.append(f"  {line}")

    def address(self, name: str) -> str:
        """Return the name that a number or a pointer has for the first of the elements."""
        if name == self.of.index:
            return self.at
        return f"{name}{self.suffix}" if name in self.of.body.near or name in self.of.body.pointers else name

    def vector(self, name: str, kind: str) -> str:
        """Return the name of an operand's vector."""
        body = self.of.body
        if name in body.types:
            return f"{name}{self.suffix}"
        if name == self.of.index or name in body.near:
            return self._counted(name)
        made: str = self.of.spread(name, kind, self.lanes)
        return made

    def _counted(self, name: str) -> str:
        """Return the vector of numbers that go up by one from lane to lane."""
        if name not in self._numbers:
            made = f"%{self.of.name}.n{len(self._numbers)}{self.suffix}"
            kind, lanes = self.kind("i64"), self.lanes
            steps = ", ".join(f"i64 {k}" for k in range(lanes))
            self.add(f"{made}.0 = insertelement {kind} poison, i64 {self.address(name)}, i64 0")
            self.add(f"{made}.1 = shufflevector {kind} {made}.0, {kind} poison, <{lanes} x i32> zeroinitializer")
            self.add(f"{made} = add {kind} {made}.1, <{steps}>")
            self._numbers[name] = made
        return self._numbers[name]


class Reading:
    """One loop, read."""

    def __init__(self, loop: Loop, roots: dict[str, str]) -> None:
        self.loop, self.roots = loop, roots
        self.name, self.index = loop.name, f"%{loop.name}"
        self.body = Body()
        self._known: dict[str, str] = {}
        self._alias: dict[str, str] = {}
        """What stays the same, by how it is computed, and for each name the first one of the same."""
        self._once: list[str] = []
        """The pointers from which is loaded what stays the same."""
        self._stored: set[str] = set()
        self._loaded: set[str] = set()
        """The pointers from which is loaded what differs from element to element."""
        self._read()
        self._check()

    def _read(self) -> None:
        lines = self.loop.lines
        for line in lines:  # what is stored decides on what may be loaded once
            if isinstance(line, str) and line.startswith("  store "):
                self._stored.add(line)
        for number, line in enumerate(lines):
            if isinstance(line, Loop):
                raise NotWidened("a loop in it")
            if isinstance(line, Update):
                self._update(line)
            elif " = " in line:
                name, text = line.strip().split(" = ", 1)
                if not self._result(name, text):
                    self.body.hoisted.add(number)
                    self.body.before.append(line)
                    text = NAME.sub(lambda found: self._alias.get(found[0], found[0]), text)
                    self._alias[name] = self._known.setdefault(text, name)
            else:
                self._statement(line.strip())

    def _varies(self, name: str) -> bool:
        body = self.body
        return name == self.index or name in body.types or name in body.near or name in body.pointers

    def _result(self, name: str, text: str) -> bool:
        """Read an instruction with a result; return whether that differs from element to element."""
        if "<" in text:
            raise Alone("vectors already")
        word = text.split(" ", 1)[0]
        reader = READERS.get(word)
        if reader is None:
            raise (Alone if word in ("call", "load") else NotWidened)(text)
        return bool(reader(self, name, text))

    def _statement(self, text: str) -> None:
        if text.startswith("store "):
            head, at = text[6:].rsplit(", ptr ", 1)
            kind, value = head.split(" ", 1)
            if at in self.body.pointers:
                self.body.sizes.add(BITS[kind])
                self._take("", kind, lambda c: c.of.store(c, kind, c.vector(value, kind), at))
                return
            raise Alone(text)  # what one element leaves is there for the next
        if text.startswith(("ret ", "call ")) or "leave" in text:
            raise Alone(text)
        raise NotWidened(text)

    def _take(self, name: str, kind: str, write: Callable[[Copy], None]) -> bool:
        if name:
            self.body.types[name] = kind
        self.body.lines.append(Line(name, kind, write))
        return True

    def _update(self, update: Update) -> None:
        if not self._varies(update.term):
            raise NotWidened("a sum of what stays the same")
        number = len(self.body.updates)
        self.body.updates.append(update)
        self._take("", update.kind, lambda c: c.of.collect(c, number))

    def _arithmetic(self, name: str, text: str) -> bool:
        head, b = text.rsplit(", ", 1)
        start, a = head.rsplit(" ", 1)
        how, kind = start.rsplit(" ", 1)
        varying = [x for x in (a, b) if self._varies(x)]
        if not varying:
            return False
        near = [x for x in varying if x == self.index or x in self.body.near]
        if how == "add" and kind == "i64" and len(near) == len(varying) == 1:
            other = b if near[0] == a else a
            self.body.near[name] = f"{self.body.near.get(near[0], '')}+{self._alias.get(other, other)}"
            self.body.lines.append(
                Line(name, kind, lambda c: c.add(f"{c.address(name)} = {start} {c.address(a)}, {c.address(b)}"))
            )
            return True

        def write(c: Copy) -> None:
            c.add(f"{name}{c.suffix} = {how} {c.kind(kind)} {c.vector(a, kind)}, {c.vector(b, kind)}")

        return self._take(name, "i1" if how.startswith(("fcmp", "icmp")) else kind, write)

    def _negated(self, name: str, text: str) -> bool:
        start, x = text.rsplit(" ", 1)
        how, kind = start.rsplit(" ", 1)
        if not self._varies(x):
            return False
        return self._take(name, kind, lambda c: c.add(f"{name}{c.suffix} = {how} {c.kind(kind)} {c.vector(x, kind)}"))

    def _cast(self, name: str, text: str) -> bool:
        how, old, x, _, new = text.split(" ")
        if not self._varies(x):
            return False
        if (how, old) == ("uitofp", "i1"):
            return self._take(name, new, lambda c: _as_number(c, name, x, new))
        return self._take(
            name,
            new,
            lambda c: c.add(f"{name}{c.suffix} = {how} {c.kind(old)} {c.vector(x, old)} to {c.kind(new)}"),
        )

    def _select(self, name: str, text: str) -> bool:
        condition, first, second = (part.rsplit(" ", 1) for part in text[len("select ") :].split(", "))
        (_, test), (kind, a), (_, b) = condition, first, second
        if kind == "ptr":
            raise NotWidened(text)
        if not any(map(self._varies, (test, a, b))):
            return False

        def write(c: Copy) -> None:
            is_one = self._varies(test)
            chooser = f"{c.kind('i1')} {c.vector(test, 'i1')}" if is_one else f"i1 {test}"
            wide = c.kind(kind)
            c.add(f"{name}{c.suffix} = select {chooser}, {wide} {c.vector(a, kind)}, {wide} {c.vector(b, kind)}")

        return self._take(name, kind, write)

    def _pointer(self, name: str, text: str) -> bool:
        found = re.fullmatch(r"getelementptr (inbounds )?(\S+), ptr (\S+), i64 (\S+)", text)
        if found is None:
            raise NotWidened(text)
        _, kind, base, at = found.groups()
        if base in self.body.pointers:
            raise NotWidened(text)
        if not self._varies(at):
            return False
        if at != self.index and at not in self.body.near:
            raise NotWidened("elements that are apart")
        self.body.pointers[name] = (self.roots.get(name, ""), self.body.near.get(at, ""), kind)
        head = text.rsplit(" ", 1)[0]
        self.body.lines.append(Line(name, "ptr", lambda c: c.add(f"{c.address(name)} = {head} {c.address(at)}")))
        return True

    def _load(self, name: str, text: str) -> bool:
        kind, at = text[len("load ") :].split(", ptr ")
        if at in self.body.pointers:
            self.body.sizes.add(BITS[kind])
            self._loaded.add(at)
            return self._take(name, kind, lambda c: c.of.load(c, kind, f"{name}{c.suffix}", at))
        if kind == "ptr":
            raise NotWidened(text)
        self._once.append(at)
        return False

    def _call(self, name: str, text: str) -> bool:
        found = re.fullmatch(r"call (.*?)(float|double) @(llvm\.\w+)\.(f32|f64)\((.*)\)", text)
        if found is None or found[3] not in INTRINSICS:
            raise Alone(text)
        flags, kind, what, short, given = found.groups()
        operands = [x.rsplit(" ", 1)[1] for x in given.split(", ")]
        if not any(map(self._varies, operands)):
            return False

        def write(c: Copy) -> None:
            wide, called = c.kind(kind), f"@{what}.v{c.lanes}{short}"
            c.of.declared.add(f"declare {wide} {called}({', '.join([wide] * len(operands))})")
            values = ", ".join(f"{wide} {c.vector(x, kind)}" for x in operands)
            c.add(f"{name}{c.suffix} = call {flags}{wide} {called}({values})")

        return self._take(name, kind, write)

    def _is_known(self, root: str) -> bool:
        """Whether it is an argument, or room that was made: two of them share no memory."""
        return root.startswith("%p") or (root != "" and self.roots.get(root) == root)

    def _check(self) -> None:
        """Refuse what might be changed by an element before another one reads it."""
        stored: dict[str, str] = {}
        for line in self._stored:
            at = line.rsplit(", ptr ", 1)[1]
            root, offset, kind = self.body.pointers[at]
            if stored.setdefault(root, f"{offset} {kind}") != f"{offset} {kind}":
                raise NotWidened("stores at several places of an array")
        for root, offset, kind in self.body.pointers.values():
            if stored.get(root, f"{offset} {kind}") != f"{offset} {kind}":
                raise NotWidened("an array is read where it is not written to")
        if stored and not all(self._is_known(root) for root, _, _ in self.body.pointers.values()):
            raise NotWidened("an array that is not known")
        for at in self._once:
            root = self.roots.get(at, at)
            if root in stored or (stored and not root.startswith(("%p", "%v"))):
                raise NotWidened("a number is read that may be written to")


def _as_number(c: Copy, name: str, x: str, kind: str) -> None:
    """Add what makes 1 and 0 of truths: chosen by a mask, which takes one instruction instead of three."""
    one, zero = f"splat ({kind} 1.0)", "zeroinitializer"
    c.add(f"{name}{c.suffix} = select {c.kind('i1')} {c.vector(x, 'i1')}, {c.kind(kind)} {one}, {c.kind(kind)} {zero}")


READERS: dict[str, Callable[[Reading, str, str], bool]] = {
    **dict.fromkeys((*ARITHMETIC, *COMPARISONS), Reading._arithmetic),
    **dict.fromkeys(CASTS, Reading._cast),
    "fneg": Reading._negated,
    "select": Reading._select,
    "getelementptr": Reading._pointer,
    "load": Reading._load,
    "call": Reading._call,
}
