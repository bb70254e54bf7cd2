"""Python numbers that may change from call to call: arguments of a compiled function, and variables outside of it.

A number takes part in two kinds of arithmetic. With other Python numbers it stays Python's, with its types and errors:
that arithmetic is written down, and Python does it again before each replay. With an array it becomes an element of the
dtype that NumPy gives it there (a float leaves float32 alone), which the plan reads from memory.

A comparison of variables' numbers (`min(self.steps / 100, 1)`, `if self.steps > 10`) is made again before each replay:
the plan is for the calls in which it comes out the same. Whatever else Python does with a number (count to it, index by
it, print it, look it up, branch on an argument) would be fixed by the capture. So it is refused, and the function is
captured again for this one value.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import numpy as np

from chainrule.base.asking import made_of
from chainrule.core.operands.faces import is_face
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import captured_in
from chainrule.core.traces.tape import ARRAYS

from .captured import Captured, refuse
from .reach import Read, put

PAIRS = {
    **{"add": "+", "sub": "-", "mul": "*", "truediv": "/", "floordiv": "//", "mod": "%", "pow": "**"},
    **{"and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"},
}
"""Python's arithmetic of two numbers: names and signs."""
SINGLE = {"neg": "-", "pos": "+", "invert": "~"}
COMPARED = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
LOOKED_AT = (
    *("float", "int", "index", "complex", "round", "floor", "ceil", "trunc", "divmod", "rdivmod", "array"),
    *("repr", "str", "format", "hash", "copy", "deepcopy", "reduce", "reduce_ex", "iter", "len", "getitem", "contains"),
)
"""Methods by which Python looks at a number."""


_NAME = re.compile(r"\bn\d+\b")
_CONSTANT = re.compile(r"\bc\d+\b")


class Number(Tensor):
    """A Python number whose value differs from call to call. It has what a Python number has, and stands for one."""

    __slots__ = ()

    def __init__(self, held: "CapturedNumber") -> None:
        super().__init__(held, ARRAYS, None)

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name == "as_element":
            return object.__getattribute__(self, name)
        held: CapturedNumber = object.__getattribute__(self, "_value")
        if hasattr(held.held, name):
            held.refuse()
        raise AttributeError(f"'{type(held.held).__name__}' object has no attribute '{name}'")

    def as_element(self, dtype: Any) -> Tensor:
        """Return an array of one element, which has the number's value in each call."""
        return Tensor(self._value.numbers.element(self._value, np.dtype(dtype)), ARRAYS, None)


class CapturedNumber(Captured):
    """The capture's own box of a number: `held` is its value in the captured call, a Python number."""

    __slots__ = ("numbers", "places", "text")

    def __init__(self, numbers: "Numbers", text: str, held: Any, places: frozenset[Any]) -> None:
        super().__init__(held, numbers.capture, None)  # type: ignore[arg-type]
        self.numbers, self.text, self.places = numbers, text, places

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of a number."""
        return ()

    @property
    def dtype(self) -> Any:
        """The dtype of a number without an array."""
        return np.asarray(self.held).dtype

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return 0

    @property
    def size(self) -> int:
        """The number of elements."""
        return 1

    def refuse(self) -> NoReturn:
        """Refuse to be looked at: the arguments that it depends on are to be fixed."""
        if not self.places:
            refuse("Python looked at a number that was drawn at random", "use np.where(condition, a, b) on it")
        self.numbers.refused |= self.places
        refuse("Python looked at a number among the arguments")


class Numbers:
    """The numbers of one capture, and what Python computed from them."""

    def __init__(self, capture: Any) -> None:
        self.capture = capture
        self.refused: set[Any] = set()
        """What Python has looked at: the places of arguments, and the paths of variables."""
        self.counted: list[tuple[Read, str, type]] = []
        """The variables that the function assigns: the expression of the new number, and its type."""
        self._new: list[Any] = []
        """Their new values in the current replay."""
        self._lines: list[str] = []
        self._space: dict[str, Any] = {}
        self._drawn: set[str] = set()
        """The names of numbers that are drawn at random."""
        self._decided: dict[str, bool] = {}
        """Comparisons, and how they came out."""
        self._values: dict[tuple[str, Any], Any] = {}
        """The value of the program for each number and dtype, or for each array (with None)."""

    def argument(self, k: int, x: Any) -> Number:
        """Return the number that stands for argument `k`."""
        return Number(CapturedNumber(self, f"args[{k}]", x, frozenset({k})))

    def variable(self, read: Read) -> Number:
        """Return the number that stands for a variable outside of the function."""
        owner = self._written(read.owner)
        return self.noted(read.source(owner) or "", read.value, frozenset({read.path}))

    @contextmanager
    def placed(self, reads: Iterable[Read]) -> Iterator[None]:
        """Put such numbers in the place of variables inside the block; note what the function assigns."""
        placed = [(read, self.variable(read)) for read in reads]
        try:
            for read, number in placed:
                put(read, read.key, number)
            yield
        finally:
            for read, number in placed:
                if (now := read.now()) is not number:
                    self._assigned(read, now)
                put(read, read.key, read.value)

    def _assigned(self, read: Read, now: Any) -> None:
        """Note the new number of a variable; refuse what is none, and what this package may read meanwhile."""
        box = now._value if type(now) is Number else None
        held = now if box is None else box.held
        if type(held) is not type(read.value) or not read.is_own or (box is not None and box.numbers is not self):
            self.refused.add(read.path)
        else:
            self.counted.append((read, self._written(now if box is None else box), type(held)))

    def computed(self, f: Callable[..., Any], text: str, *parts: Any) -> Number:
        """Return what Python computes from numbers; `text` has a `{}` for each part."""
        held = [x._value if isinstance(x, Number) else x for x in parts]
        made = f(*(x.held if isinstance(x, CapturedNumber) else x for x in held))
        boxes = [x for x in held if isinstance(x, CapturedNumber)]
        if type(made) not in (int, float):
            boxes[0].refuse()
        places = frozenset[Any]().union(*(x.places for x in boxes))
        return self.noted(text.format(*map(self._written, held)), made, places)

    def noted(self, source: str, held: Any, places: frozenset[Any]) -> Number:
        """Return the number that Python computes by this expression before each replay."""
        name = self._named(source)
        if not places:
            self._drawn.add(name)
        return Number(CapturedNumber(self, name, held, places))

    def decided(self, f: Callable[..., bool], text: str, *parts: Any) -> bool:
        """Return how a comparison of variables comes out, as it has to before each replay."""
        held = [x._value if isinstance(x, Number) else x for x in parts]
        boxes = [x for x in held if isinstance(x, CapturedNumber)]
        lines = self._behind(box.text for box in boxes)
        for box in boxes:
            if not all(isinstance(place, str) for place in box.places) or self._drawn & lines.keys():
                box.refuse()
        found = f(*(x.held if isinstance(x, CapturedNumber) else x for x in held))
        question = text.format(*map(self._written, held))
        if question not in self._decided:
            self._decided[question] = found
            body = [*lines.values(), f"return ({question}) is {found}"]
            names = {name: self._space[name] for line in body for name in _CONSTANT.findall(line)}
            body = ["try:", *(f"    {line}" for line in body), "except (ArithmeticError, LookupError, TypeError):"]
            self.capture.checks.append(made_of([*body, "    return False"], names))
        return found

    def _behind(self, texts: Iterable[str]) -> dict[str, str]:
        """Return the lines that compute some numbers, by their names and in order."""
        needed = {name for text in texts for name in _NAME.findall(text)}
        found = {}
        for line in reversed(self._lines):
            name, _, source = line.partition(" = ")
            if name in needed:
                found[name] = line
                needed.update(_NAME.findall(source))
        return dict(reversed(found.items()))

    def _named(self, source: str) -> str:
        name = f"n{len(self._lines)}"
        self._lines.append(f"{name} = {source}")
        return name

    def called(self, f: Callable[..., Any], args: Iterable[Any]) -> str:
        """Return the expression of a call of `f` before each replay; numbers may be among the arguments."""
        given = [self._written(x._value if type(x) is Number else x) for x in args]
        return f"{self._written(f)}({', '.join(given)})"

    def array(self, source: str, held: Any) -> Captured:
        """Return the array that an expression gives before each replay."""
        value = self.capture.program.value("input", np.array(held))
        self._values[self._named(source), None] = value, type(held)
        return Captured(value.array if isinstance(held, np.ndarray) else held, self.capture, value)

    def _written(self, x: Any) -> str:
        if isinstance(x, CapturedNumber):
            return x.text
        name = f"c{len(self._space)}"
        self._space[name] = x
        return name

    def met(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Return the arguments of an operation with numbers as elements of the dtype that NumPy gives them there."""
        if not any(type(x) in (Number, CapturedNumber) for x in args):
            return args
        args = tuple(x._value if type(x) is Number else x for x in args)
        kinds = [x.held if type(x) is CapturedNumber else _kind(x) for x in args]
        dtype = np.result_type(*(kind for kind in kinds if kind is not None))
        return tuple(x.numbers.element(x, dtype) if type(x) is CapturedNumber else x for x in args)

    def confirm(self, found: Any, expected: Any, given: tuple[Any, ...]) -> None:
        """Refuse the numbers of an operation in which elements have other dtypes than Python numbers."""
        pairs = zip(found, expected, strict=True) if isinstance(found, tuple) else [(found, expected)]
        if any(np.asarray(a).dtype != np.asarray(b).dtype for a, b in pairs):
            next(x for x in map(captured_in, given) if type(x) is CapturedNumber).refuse()

    def element(self, box: CapturedNumber, dtype: Any) -> Captured:
        """Return an element of a dtype that has the number's value."""
        key = box.text, dtype
        if key not in self._values:
            self._values[key] = self.capture.program.value("input", np.array(box.held, dtype)), type(box.held)
        value, _ = self._values[key]
        return Captured(value.array[()], self.capture, value)

    @property
    def are_used(self) -> bool:
        """Whether a plan reads any, or any is drawn."""
        return bool(self._values or self.counted) or self.capture.draws.exist

    @property
    def inputs(self) -> list[Any]:
        """The values of the program that are numbers."""
        return [value for value, _ in self._values.values()]

    def filling(self, buffers: dict[Any, Any]) -> Callable[[tuple[Any, ...]], bool]:
        """Return the function of the leaves of a call that puts the numbers into the plan's buffers.

        It returns False where the plan says nothing: the arithmetic fails, gives another type than in the captured
        call, or a result that the dtype does not hold. Then the function itself has to say what happens.
        """
        if not self.are_used:
            return lambda _: True
        space = dict(self._space)
        lines = list(self._lines)
        for count, ((name, _), (value, kind)) in enumerate(self._values.items()):
            if value in buffers:
                space[f"b{count}"], space[f"k{count}"] = buffers[value], kind
                other = f"type({name}) is not k{count}"
                if kind is np.ndarray:
                    other += f" or {name}.shape != b{count}.shape or {name}.dtype != b{count}.dtype"
                lines += [f"if {other}:", "    return False", f"b{count}[...] = {name}"]
        for count, (_, text, kind) in enumerate(self.counted):
            space[f"t{count}"] = kind
            lines += [f"if type({text}) is not t{count}:", "    return False"]
        if self.counted:
            space["new"] = self._new
            lines.append(f"new[:] = {', '.join(text for _, text, _ in self.counted)},")
        body = ["try:", *(f"    {line}" for line in lines), "    return True"]
        made: Callable[[tuple[Any, ...]], bool] = made_of(
            [*body, "except (ArithmeticError, TypeError, ValueError):", "    return False"], space, "args"
        )
        return made

    def settle(self) -> None:
        """Give the variables that the function assigns their new values, once a replay has run."""
        for (read, *_), new in zip(self.counted, self._new, strict=True):
            put(read, read.key, new)


def _kind(x: Any) -> Any:
    """Return what decides on a result's dtype: an array's dtype, or a Python number; None for anything else."""
    if isinstance(x, bool | int | float):
        return x
    return getattr(x, "dtype", None)


def _is_python(x: Any) -> bool:
    return isinstance(x, Number) or type(x) in (int, float, bool)


def _of_two(name: str, sign: str) -> None:
    f, text = getattr(operator, f"{name}_" if name in ("and", "or") else name), f"{{}} {sign} {{}}"

    def operation(prefix: str) -> Callable[[Number, Any], Any]:
        def method(self: Number, other: Any) -> Any:
            if _is_python(other):
                pair = (other, self) if prefix else (self, other)
                return self._value.numbers.computed(f, text, *pair)
            return NotImplemented if is_face(other) else getattr(Tensor, f"__{prefix}{name}__")(self, other)

        return method

    plain = operation("")
    for prefix, method in (("", plain), ("i", plain), ("r", operation("r"))):
        setattr(Number, f"__{prefix}{name}__", method)


def _of_one(name: str, text: str) -> None:
    f = abs if name == "abs" else getattr(operator, name)
    setattr(Number, f"__{name}__", lambda self: self._value.numbers.computed(f, text, self))


def _compared(name: str, sign: str) -> None:
    f = getattr(operator, name)

    def method(self: Number, other: Any) -> Any:
        if is_face(other):
            return NotImplemented
        if isinstance(other, Tensor | np.ndarray | np.generic) and not isinstance(other, Number):
            return getattr(Tensor, f"__{name}__")(self, other)
        return self._value.numbers.decided(f, f"{{}} {sign} {{}}", self, other) if _is_python(other) else NotImplemented

    setattr(Number, f"__{name}__", method)


def _looked(name: str) -> None:
    setattr(Number, f"__{name}__", lambda self, *_: self._value.refuse())


for _name, _sign in PAIRS.items():
    _of_two(_name, _sign)
for _name, _sign in SINGLE.items():
    _of_one(_name, f"{_sign}{{}}")
_of_one("abs", "abs({})")
for _name, _sign in COMPARED.items():
    _compared(_name, _sign)
setattr(Number, "__bool__", lambda self: self._value.numbers.decided(bool, "bool({})", self))  # noqa: B010
for _name in LOOKED_AT:
    _looked(_name)
