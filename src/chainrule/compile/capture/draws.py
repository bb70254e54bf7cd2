"""Random numbers that a function draws from generators of NumPy's or Python's own: a replay draws them anew.

During a capture something stands in each place where the function finds a generator, and writes down what is drawn.
Before a replay's plan runs, the very generator is asked for the same again, in the order of the function, so a compiled
function draws what it would draw uncompiled, and leaves the generator where it would leave it.
"""

import copy
import random
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from types import BuiltinMethodType, MethodType
from typing import Any, NoReturn

import numpy as np

from chainrule.core.random import SPACES, global_generator
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import boxes_in, replaced, running
from chainrule.core.traces.tape import ARRAYS

from .captured import refuse
from .looked import plain
from .numbers import Number, Numbers
from .reach import Read, found_at, put

SILENT = ("seed", "set_state", "setstate")
"""Methods that return nothing, and change nothing but the generator."""


class StandIn:
    """What stands for a generator: it hands every question to its owner."""

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        fields = object.__getattribute__(self, "__dict__")
        return fields["owner"].asked(fields["generator"], name)


_KINDS: tuple[Any, ...] = (np.random.Generator, np.random.RandomState, random.Random)
_CLASSES: dict[Any, Any] = {kind: type(kind.__name__, (StandIn, kind), {}) for kind in _KINDS}


def is_generator(x: Any) -> bool:
    """Whether something can stand for this object: it is a generator of numbers that NumPy or Python has made."""
    return type(x) in _CLASSES


def original(x: Any) -> Any:
    """Return the generator for which this stands; anything else unchanged."""
    return object.__getattribute__(x, "__dict__")["generator"] if isinstance(x, StandIn) else x


def _standing(owner: Any, generator: Any) -> Any:
    kind = _CLASSES[type(generator)]
    made = kind.__new__(kind)  # without `__init__`: it is never asked for a number of its own
    object.__getattribute__(made, "__dict__").update(owner=owner, generator=generator)
    return made


class _Method:
    """A method of a generator for which something stands."""

    def __init__(self, called: Callable[..., Any], generator: Any, name: str) -> None:
        self._called, self._generator, self.__name__ = called, generator, name

    def __call__(self, *args: Any, **settings: Any) -> Any:
        return self._called(self._generator, self.__name__, args, settings)


class Draws:
    """The draws of one capture, and those of the replay that is running."""

    def __init__(self, numbers: Numbers) -> None:
        self.numbers = numbers
        self.made: list[Any] = []
        """What has been drawn for the replay that is running, kept until that is done: where the function itself has to
        be called instead, it gets these."""
        self._calls: list[tuple[Any, str]] = []
        self._copies: dict[int, tuple[Any, Any]] = {}
        """For each generator, itself and the copy that the capture draws from."""
        self._by_operations: dict[int, Any] = {}
        self._thread = threading.get_ident()

    @property
    def exist(self) -> bool:
        """Whether anything is drawn."""
        return bool(self._calls)

    @property
    def _listens(self) -> bool:
        """Whether the function draws: not another thread, nor an operation, which a replay runs again."""
        return threading.get_ident() == self._thread and not self.numbers.capture.runs_plain

    def also_by_operations(self, generator: Any) -> None:
        """Note that an operation of the plan draws from a generator, and so not in the order of the function."""
        self._by_operations[id(generator)] = generator
        if id(generator) in self._copies:
            _refuse_both()

    def argument(self, x: Any) -> Any:
        """Return what stands for an argument that is a generator; any other unchanged."""
        return _standing(self, x) if is_generator(x) else x

    def placed(self, reads: Iterable[Read] | None) -> AbstractContextManager[None]:
        """Put what stands for generators in their places inside the block; with None in none."""
        return nullcontext() if reads is None else _placed(self, reads)

    def asked(self, generator: Any, name: str) -> Any:
        """Return what stands for an attribute of a generator, or where the function does not ask, the attribute."""
        found = getattr(generator, name)
        if not self._listens:
            return found
        if not callable(found):
            refuse(f"{name} of a generator of random numbers was looked at")
        return _Method(self.called, generator, name)

    def called(self, generator: Any, name: str, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Draw from a copy of the generator, and write that down."""
        if not self._listens:
            return getattr(generator, name)(*args, **settings)
        if running.capture is not self.numbers.capture:
            refuse(
                "the body of a scan drew random numbers",
                "draw those of all steps before the scan, and let it walk over them",
            )
        if any(True for _ in boxes_in(([x for x in args if type(x) is not Number], settings))):
            refuse(
                f"random numbers were drawn by {name} with parameters that are computed",
                "draw standard ones, and shift and scale them, or pass them as an argument",
            )
        if id(generator) in self._by_operations:
            _refuse_both()
        if id(generator) not in self._copies:
            self._copies[id(generator)] = generator, copy.deepcopy(generator)
        args, settings = replaced((args, settings), plain)
        method = getattr(self._copies[id(generator)][1], name)
        k = len(self._calls)
        self._calls.append((generator, name))

        def draw(*given: Any) -> Any:
            if k == len(self.made):
                self.made.append(getattr(generator, name)(*given, **settings))
            return self.made[k]

        return self._noted(draw, name, args, method(*map(_held, args), **settings))

    def _noted(self, draw: Callable[..., Any], name: str, args: tuple[Any, ...], drawn: Any) -> Any:
        """Write down a draw, and return what stands for its numbers."""
        text = self.numbers.called(draw, args)
        if type(drawn) in (int, float):
            return self.numbers.noted(text, drawn, frozenset())
        if drawn is None and name in SILENT:
            self.numbers.noted(text, 0, frozenset())
            return None
        if not isinstance(drawn, np.ndarray | np.generic) or drawn.dtype.kind not in "fiub":
            refuse(
                f"{name} of a generator of random numbers was called",
                "draw numbers as new arrays: permutation instead of shuffle, an index instead of an item",
            )
        return Tensor(self.numbers.array(text, drawn), ARRAYS, None)

    @contextmanager
    def given_again(self, reads: Iterable[Read], leaves: Iterable[Any]) -> Iterator[list[Any]]:
        """Let the function, called in the block with these arguments, draw what has been drawn for it already."""
        again = _Again(self._calls, self.made)
        self.made.clear()
        with _placed(again, reads):
            yield [_standing(again, x) if is_generator(x) else x for x in leaves]


class _Again:
    """What gives the numbers again that have been drawn, and then those that a generator gives."""

    def __init__(self, calls: Iterable[Any], made: Iterable[Any]) -> None:
        self.left = list(zip(calls, made, strict=False))

    def asked(self, generator: Any, name: str) -> Any:
        """Return an attribute of a generator, or a method that gives what has been drawn."""
        found = getattr(generator, name)
        return _Method(self.called, generator, name) if callable(found) else found

    def called(self, generator: Any, name: str, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
        """Give the next numbers that have been drawn, or draw."""
        if self.left and self.left[0][0] == (generator, name):
            return self.left.pop(0)[1]
        self.left.clear()
        return getattr(generator, name)(*args, **settings)


def _refuse_both() -> NoReturn:
    refuse(
        "random numbers were drawn from one generator by its own method and by an operation of this package",
        "use a generator for each",
    )


def _held(x: Any) -> Any:
    if type(x) is not Number:
        return x
    if type(x._value.held) is int:  # it may be a size, which a plan fixes
        x._value.refuse()
    return x._value.held


@contextmanager
def _placed(owner: Any, reads: Iterable[Read]) -> Iterator[None]:
    """Put what stands for generators, and for their methods, wherever a function finds them."""
    stands: dict[int, Any] = {}

    def instead_of(x: Any) -> Any:
        if x is _DEFAULT_RNG:
            return _default_rng
        generator = x if is_generator(x) else x.__self__
        stand = stands.setdefault(id(generator), _standing(owner, generator))
        return stand if x is generator else getattr(stand, x.__name__)

    global_generator()  # which is made at first use, without a seed
    placed: list[tuple[Read, Any, Any]] = []
    spaces = [(space, *_switched(space)) for space in (vars(np.random), vars(random), *SPACES)]
    _owners.append(owner)
    try:
        for read in reads:
            for key, x in found_at(read, lambda x: is_generator(x) or _is_method(x) or x is _DEFAULT_RNG):
                put(read, key, instead_of(x))
                placed.append((read, key, x))
        for space, _, switches in spaces:
            space.update(switches)
        yield
    finally:
        _owners.pop()
        for space, methods, _ in spaces:
            space.update(methods)
        for read, key, x in reversed(placed):
            if any(at == key for at, _ in found_at(read, _is_instead)):
                put(read, key, x)


_owners: list[Any] = []
"""What the functions of modules are handed to, the innermost last."""
_known: dict[int, tuple[dict[str, Any], dict[str, Any]]] = {}


def _switched(space: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the functions of a module that draw from a global generator, and what stands for them, by name.

    Both are kept from one capture to the next: a small function is captured in two milliseconds.
    """
    kept = _known.get(id(space))
    if kept is None or any(space.get(name) is not method for name, method in kept[0].items()):
        methods = {name: x for name, x in space.items() if _is_method(x) or x is _DEFAULT_RNG}
        kept = methods, {name: _default_rng if x is _DEFAULT_RNG else _switch(x) for name, x in methods.items()}
        _known[id(space)] = kept
    return kept


def _switch(method: Any) -> Callable[..., Any]:
    generator, name = method.__self__, method.__name__

    def draw(*args: Any, **settings: Any) -> Any:
        found = _owners[-1].asked(generator, name) if _owners else method
        return found(*args, **settings)

    return draw


def _is_method(x: Any) -> bool:
    return isinstance(x, BuiltinMethodType | MethodType) and type(x.__self__) in _CLASSES


def _is_instead(x: Any) -> bool:
    return isinstance(x, StandIn | _Method) or x is _default_rng


_DEFAULT_RNG = np.random.default_rng


def _default_rng(seed: Any = None) -> Any:
    """Make a generator, as NumPy does."""
    if seed is None and running.capture is not None:
        refuse("a generator of random numbers was made without a seed", "make it outside of the compiled function")
    return _DEFAULT_RNG(seed)
