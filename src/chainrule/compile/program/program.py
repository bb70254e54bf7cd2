"""What a capture records: values, and the instructions that make them, in execution order."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeGuard

import numpy as np

from chainrule.core.traces.capturing import replaced
from chainrule.rules.arrays.join import Split


@dataclass(eq=False, slots=True)
class Value:
    """An array of a program.

    `kind` is "input" (an argument), "state" (an array that the program reads but was not passed: a parameter, a
    buffer), "constant", or "result". `array` holds the array itself for state and constants; for the others an example
    of what it may be, until the plan is made.
    """

    number: int
    kind: str
    array: Any
    shape: tuple[int, ...]
    dtype: Any
    maker: "Instruction | None" = None
    after: "Instruction | None" = None
    """The effect that last wrote to this state before it is read as this value."""

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Its size in bytes."""
        return self.size * int(self.dtype.itemsize)

    def __repr__(self) -> str:
        letter = {"input": "x", "state": "s", "constant": "c", "result": "v"}[self.kind]
        return f"{letter}{self.number}"


@dataclass(eq=False, slots=True)
class Instruction:
    """One call: `function(*args, **settings)` makes `outputs`; `args` and `settings` are trees of values.

    `kind` is "op" (an operation's primal), "call" (a rule or another function on plain arrays), "draw" (random numbers:
    drawn in program order), "change" (its first outputs are its inputs, changed in place) or "effect" (it has side
    effects, so it is never dropped or moved past another one).
    """

    name: str
    kind: str
    function: Callable[..., Any]
    args: Any
    settings: dict[str, Any]
    outputs: list[Value]
    structure: Any = None
    """How the outputs are nested in the function's result: a tree of their positions, or None for a single array."""
    op: Any = None
    writes: tuple[Any, ...] | None = ()
    """The state that an effect changes, as arrays; None where it may be any."""
    source: str = ""
    generator: Any = None
    """What a draw draws from; None for the default generator."""
    inputs: list[Value] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs = list(dict.fromkeys(values_in((self.args, self.settings))))

    @property
    def rule(self) -> tuple[Any, str] | None:
        """The record and the name of the rule that a call runs, or None if it is not a record's rule."""
        found = getattr(self.function, "rule", None) if self.kind == "call" else None
        return found if isinstance(found, tuple) else None

    @property
    def is_fixed(self) -> bool:
        """Whether it must stay even if its outputs are unused."""
        return self.kind in ("effect", "draw")

    def substitute(self, new: dict[Value, Value]) -> None:
        """Replace some of the values it uses."""
        if any(value in new for value in self.inputs):
            self.args = replaced(self.args, lambda x: new.get(x, x) if isinstance(x, Value) else x)
            self.settings = replaced(self.settings, lambda x: new.get(x, x) if isinstance(x, Value) else x)
            self.inputs = list(dict.fromkeys(values_in((self.args, self.settings))))

    def __repr__(self) -> str:
        made = ", ".join(map(repr, self.outputs))
        return f"{made}{' = ' if made else ''}{self.name}({', '.join(map(repr, self.inputs))})"


def values_in(tree: Any) -> Iterator[Value]:
    """Yield the values in nested tuples, lists and dicts."""
    if isinstance(tree, Value):
        yield tree
    elif isinstance(tree, tuple | list):
        for item in tree:
            yield from values_in(item)
    elif isinstance(tree, dict):
        yield from values_in(tuple(tree.values()))


class Program:
    """Instructions in order, with the program's inputs and outputs."""

    def __init__(self) -> None:
        self.instructions: list[Instruction] = []
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        """What must exist at the end: results and gradients."""
        self.renamed: dict[Value, Value] = {}
        """The replacements of values that passes have removed."""
        self.values: list[Value] = []
        self.relied: list[Any] = []
        """Arrays on whose content passes have relied."""

    def value(self, kind: str, array: Any, maker: Instruction | None = None) -> Value:
        """Make a new value."""
        array = np.asarray(array) if not isinstance(array, np.ndarray) else array
        made = Value(len(self.values), kind, array, array.shape, array.dtype, maker)
        self.values.append(made)
        return made

    def forget_examples(self) -> None:
        """Free the example arrays of inputs and results that the plan was made from."""
        for value in self.values:
            if value.kind in ("input", "result"):
                value.array = None

    def add(self, instruction: Instruction) -> None:
        """Append an instruction."""
        for value in instruction.outputs:
            value.maker = instruction
        self.instructions.append(instruction)

    def users(self) -> dict[Value, list[Instruction]]:
        """Return which instructions use each value."""
        found: dict[Value, list[Instruction]] = {}
        for instruction in self.instructions:
            for value in instruction.inputs:
                found.setdefault(value, []).append(instruction)
        return found

    def substitute(self, new: dict[Value, Value]) -> None:
        """Replace some values everywhere."""
        for old in list(new):
            while new[old] in new:
                new[old] = new[new[old]]
        for instruction in self.instructions:
            instruction.substitute(new)
        self.outputs = [new.get(value, value) for value in self.outputs]
        self.renamed = {old: new.get(value, value) for old, value in self.renamed.items()} | new

    def now(self, value: Value) -> Value:
        """Return the current replacement of one of the capture's values."""
        return self.renamed.get(value, value)

    def __str__(self) -> str:
        return "\n".join(map(repr, self.instructions))


def example(x: Any) -> Any:
    """Return the example array of a value."""
    return x.array if isinstance(x, Value) else x


def applied(program: Program, op: Any, args: tuple[Any, ...], settings: dict[str, Any]) -> Instruction:
    """Return an instruction that applies an operation of one output, without adding it to the program."""
    made = Instruction(op.name, "op", op.primal, args, settings, [], op=op)
    with np.errstate(all="ignore"):
        array = op.primal(*map(example, args), **settings)
    made.outputs = [program.value("result", array, made)]
    return made


def may_be_view(i: Instruction | None) -> TypeGuard[Instruction]:
    """Whether the results of an instruction may be views of what it reads."""
    if i is None or i.kind != "op" or i.op is None or len(i.args) != 1:
        return False
    return i.op.moves is not None or i.op is Split


def state_under(value: Value) -> Value | None:
    """Return the state that a value is, or may be a view of, or None."""
    while may_be_view(value.maker) and isinstance(value.maker.args[0], Value):
        value = value.maker.args[0]
    return value if value.kind == "state" else None


def waits_for(instructions: Sequence[Instruction]) -> dict[Instruction, set[Instruction]]:
    """Return what must have run before each instruction.

    The makers of its inputs; for effects and draws the one before; for a reader of state the effect that wrote it; for
    an effect every earlier reader of what it writes, also through a view.
    """
    needs: dict[Instruction, set[Instruction]] = {}
    present, last, readers = set(instructions), None, dict[int, list[Instruction]]()
    for i in instructions:
        mine = {v.maker for v in i.inputs} | {v.after for v in i.inputs}
        if i.is_fixed and last is not None:
            mine.add(last)
        if i.kind == "effect":
            arrays = readers.keys() if i.writes is None else map(id, i.writes)
            mine.update(*(readers.get(key, ()) for key in arrays))
        if i.is_fixed:
            last = i
        for value in i.inputs:
            if (state := state_under(value)) is not None:
                readers.setdefault(id(state.array), []).append(i)
        needs[i] = {x for x in mine if x is not None and x in present} - {i}
    return needs
