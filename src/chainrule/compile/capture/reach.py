"""What a function reaches: every variable, attribute and item outside of it that its code may read.

A replay runs no Python, so whatever Python read during the capture must not have changed. This walk finds it before the
capture, starting from the function's own variables: an attribute counts if some function on the way names it, an item
of a container always. It errs on the safe side: a change of something that was never read costs a second capture, a
missed change would make the result wrong.
"""

import enum
import functools
import io
import random
import sys
from argparse import Namespace
from array import array as typed_array
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from types import BuiltinMethodType, CellType, FunctionType, MappingProxyType, MethodType, ModuleType, SimpleNamespace
from typing import Any

import numpy as np

from chainrule.core.errors import CaptureError
from chainrule.core.operands.faces import is_face
from chainrule.core.tensor import Tensor

from .read_names import is_of_package, is_of_user, names_of

PLAIN = (int, float, complex, bool, str, bytes, type(None), np.generic, np.dtype, enum.Enum, range, slice)
"""What never changes."""
CONTAINERS = (list, dict, set, deque)
NO_CODE_OF_THE_CALL = frozenset(
    {"__init_subclass__", "__class_getitem__", "__repr__", "__str__", "__reduce__", "__hash__"}
)
TOOLS = frozenset(
    [
        *("threading", "_thread", "queue", "multiprocessing", "concurrent", "asyncio", "contextvars", "logging"),
        *("warnings", "time", "datetime", "pathlib", "re", "weakref", "decimal", "fractions", "tqdm", "rich"),
    ]
)
"""Packages whose objects a function does not compute with, or that never change."""
MOST = 20_000
"""The most variables that are watched."""


class Missing:
    """Placeholder for a variable that does not exist."""

    def __repr__(self) -> str:
        return "nothing"


MISSING = Missing()


@dataclass(eq=False, slots=True)
class Read:
    """One thing that may have been read.

    `kind` says how `owner` is asked for it: "cell", "item" (a key of a dict), "attribute", "setting" (an item that this
    package reads, and that is fixed in a plan even where it is a number); or what of a container is watched: "list",
    "dict", "keys", "set", "size", and "content" of a buffer.
    """

    path: str
    kind: str
    owner: Any
    key: Any
    value: Any
    is_open: bool = False
    """Whether it is a Python number that may have another value at each replay."""
    is_own: bool = False
    """Whether only the user's code reads it, so that a replay may assign it at its end."""
    is_announced: bool = False
    """Whether `changes.settings` counts its changes, so that it is looked at only after one."""

    def now(self) -> Any:
        """Return its current value."""
        return LOOKS[self.kind](self.owner, self.key)

    def source(self, owner: str) -> str | None:
        """Return the expression of its value, where `owner` names the owner; None where there is no short one."""
        if self.kind == "cell":
            return f"{owner}.cell_contents"
        if self.kind == "attribute" and self.key.isidentifier():
            return f"{owner}.{self.key}"
        return f"{owner}[{self.key!r}]" if self.kind in ("item", "setting") else None


def _cell(cell: CellType, _: Any) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING


def _content(owner: Any, _: Any) -> bytes:
    return bytes(owner) if isinstance(owner, bytearray | memoryview | typed_array) else np.asarray(owner).tobytes()


LOOKS: dict[str, Callable[[Any, Any], Any]] = {
    "cell": _cell,
    "item": lambda owner, key: owner.get(key, MISSING),
    "setting": lambda owner, key: owner.get(key, MISSING),
    "attribute": lambda owner, key: getattr(owner, key, MISSING),
    "list": lambda owner, _: tuple(owner),
    "dict": lambda owner, _: (tuple(owner), tuple(dict.values(owner))),
    "keys": lambda owner, _: tuple(owner),
    "set": lambda owner, _: frozenset(owner),
    "size": lambda owner, _: len(owner),
    "content": _content,
}


def put(read: Read, key: Any, value: Any) -> None:
    """Put a value where something was read."""
    if read.kind == "cell":
        read.owner.cell_contents = value
    elif read.kind == "attribute":
        setattr(read.owner, key, value)
    elif isinstance(read.owner, dict):
        dict.__setitem__(read.owner, key, value)
    elif isinstance(read.owner, list):
        list.__setitem__(read.owner, key, value)
    else:
        read.owner[key] = value


def found_at(read: Read, accepts: Callable[[Any], bool]) -> list[tuple[Any, Any]]:
    """Return what is accepted of the objects found where something was read, each with its key in a container."""
    now = read.now()
    if isinstance(read.owner, type | MappingProxyType):
        return []
    if read.kind in ("cell", "item", "attribute"):
        found = [(read.key, now)]
    elif read.kind == "list":
        found = list(enumerate(now))
    elif read.kind == "dict":
        found = list(zip(*now, strict=True))
    else:
        return []
    return [(key, x) for key, x in found if accepts(x)]


class OlderGenerator:
    """A generator of NumPy's older kind, or of Python's, whose state is where a Generator has it."""

    def __init__(self, generator: np.random.RandomState | random.Random) -> None:
        self.generator = generator

    @property
    def bit_generator(self) -> "OlderGenerator":
        """What has the state: the object itself."""
        return self

    @property
    def state(self) -> Any:
        """All that the next numbers depend on."""
        x = self.generator
        return x.getstate() if isinstance(x, random.Random) else x.get_state(legacy=False)

    @state.setter
    def state(self, value: Any) -> None:
        x = self.generator
        if isinstance(x, random.Random):
            x.setstate(value)
        else:
            x.set_state(value)


@dataclass(eq=False)
class Reach:
    """The walk from a function, and from arguments that are objects."""

    reads: list[Read] = field(default_factory=list)
    generators: dict[str, Any] = field(default_factory=dict)
    """The random number generators that were found."""
    modules: dict[int, tuple[Any, str]] = field(default_factory=dict)
    """The modules that were found, with their paths. They announce changes, and are watched elsewhere."""
    arrays: list[Any] = field(default_factory=list)
    """Arrays that cannot be replaced where they are, as in a tuple."""
    names: dict[str, None] = field(default_factory=dict)
    """The attributes that code on the way names, in order."""
    stored: dict[str, None] = field(default_factory=dict)
    """The attributes that such code assigns, which matter where they are numbers: a replay assigns these, too."""
    is_wide: bool = False
    """Whether code on the way looks up attributes by computed names."""
    copies: bool = False
    """Whether code on the way may copy arrays without notice."""
    _seen: dict[int, Any] = field(default_factory=dict)
    _open: list[tuple[str, Any, set[str]]] = field(default_factory=list)
    """Objects and classes, with the names already looked up on them."""
    _todo: list[tuple[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, f: Callable[..., Any], arguments: Iterable[tuple[str, Any]] = ()) -> "Reach":
        """Return what `f` and the objects among its arguments reach."""
        made = cls()
        made._todo = [(getattr(f, "__name__", type(f).__name__), f), *arguments]
        made._walk()
        return made

    def unwatched(self) -> list[Any]:
        """Return the arrays whose content counts as read, since nothing would report a read."""
        found = [read.value for read in self.reads] if self.copies else []
        return [*self.arrays, *(x for x in found if isinstance(x, np.ndarray))]

    def is_own(self, read: Read) -> bool:
        """Whether only the user's code looks at a variable, and not this package, at any time during a replay."""
        if isinstance(read.owner, dict) and "params" in read.owner:  # a group of an optimiser
            return False
        holders = [x for _, x, _ in self._open if x is read.owner or getattr(x, "__dict__", None) is read.owner]
        ours = [cls for x in holders for cls in type(x).__mro__ if is_of_package(cls)]
        return not any(read.key in vars(cls) or read.key in _names_in(cls) for cls in ours)

    def _walk(self) -> None:
        while self._todo:
            while self._todo:
                self._visit(*self._todo.pop(0))
            # What was found names new attributes: look for them on what was found earlier.
            for path, x, done in list(self._open):
                self._attributes(path, x, done)

    def _read(self, path: str, kind: str, owner: Any, key: Any = None, is_announced: bool = False) -> None:
        value = LOOKS[kind](owner, key)
        if len(self.reads) >= MOST:
            raise CaptureError(
                f"compile: the function reaches more than {MOST} variables, the last one {path}: too many to look at "
                f"before each call; pass what it needs as arguments"
            )
        self.reads.append(Read(path, kind, owner, key, value, is_announced=is_announced))
        if isinstance(value, np.ndarray) and (
            type(value) is not np.ndarray or isinstance(owner, type | MappingProxyType)
        ):
            self.arrays.append(value)
        if kind in ("cell", "item", "setting", "attribute"):
            self._todo.append((path, value))

    # What things are

    def _visit(self, path: str, x: Any) -> None:
        if isinstance(x, (*PLAIN, Tensor, Missing, np.ndarray)) or id(x) in self._seen:
            return
        self._seen[id(x)] = x
        if isinstance(x, CONTAINERS):
            self._container(path, x)
        elif isinstance(x, tuple | frozenset):
            for key, item in enumerate(x):
                self._item(f"{path}[{key}]", item)
        elif isinstance(x, np.random.Generator):
            self.generators[path] = x
        elif isinstance(x, np.random.RandomState | random.Random):
            self.generators[path] = OlderGenerator(x)
        elif isinstance(x, FunctionType):
            self._function(path, x)
        elif isinstance(x, type | ModuleType):
            self._opened(path, x)
        elif isinstance(x, functools.partial):
            self._todo += [(path, x.func), (path, x.args), (path, x.keywords)]
        elif isinstance(x, MethodType):
            self._todo += [(path, x.__func__), (_owner_of(path), x.__self__)]
        elif isinstance(x, BuiltinMethodType):
            self._todo.append((path, x.__self__))
        else:
            self._object(path, x)

    def _container(self, path: str, x: Any) -> None:
        self._read(path, next(k for k in ("list", "dict", "set") if isinstance(x, _CONTAINER[k])), x)
        items: Iterable[tuple[Any, Any]] = dict.items(x) if isinstance(x, dict) else enumerate(x)
        for key, item in list(items):
            self._item(f"{path}[{key!r}]", item)
        if hasattr(x, "__dict__"):
            self._opened(path, x)

    def _item(self, path: str, item: Any) -> None:
        if isinstance(item, np.ndarray):
            self.arrays.append(item)
        self._todo.append((path, item))

    def _function(self, path: str, f: FunctionType) -> None:
        if not is_of_user(f.__code__.co_filename):
            # A decorator's or transform's: what it calls may be the user's.
            inner = [_cell(cell, None) for cell in f.__closure__ or ()]
            self._todo += [(path, x) for x in (*inner, getattr(f, "__wrapped__", None)) for x in _callables(x)]
            return
        names = names_of(f.__code__)
        self.names.update(dict.fromkeys(names.attributes))
        self.stored.update(dict.fromkeys(names.stored))
        self.is_wide |= names.is_wide
        self.copies |= names.copies
        for name, cell in zip(f.__code__.co_freevars, f.__closure__ or (), strict=True):
            self._read(name, "cell", cell)
        for name in names.variables:
            if name in f.__globals__:
                self._read(name, "item", f.__globals__, name)
        for name in names.stored:
            if name not in names.variables and type(f.__globals__.get(name)) in (int, float):
                self._read(name, "item", f.__globals__, name)
        for module, name in names.imports:
            if module in sys.modules:
                self._read(f"{module}.{name}", "item", vars(sys.modules[module]), name)
        for name in ("__defaults__", "__kwdefaults__"):
            if getattr(f, name):
                self._read(f"{path}.{name}", "attribute", f, name)
        if vars(f):
            self._opened(path, f)

    def _object(self, path: str, x: Any) -> None:
        home = type(x).__module__.partition(".")[0]
        if is_face_of_module(x):
            self._hooked(path, x)
        if is_module(x):
            self.modules[id(x)] = (x, path)
            self._todo += [(f"{path}.{name}", child) for name, child in x._modules.items()]
            if id(type(x)) not in self._seen and is_of_package(type(x)):
                self._seen[id(type(x))] = type(x)
                self._read(f"{type(x).__name__}.forward", "attribute", type(x), "forward")
            self._opened(path, x)
        elif is_face(x) and type(getattr(x, "_x", None)) is np.ndarray:  # a tensor of whole numbers or conditions
            self._read(path, "attribute", x, "_x")
        elif home == "chainrule":
            if is_face_of_module(x):
                self._layer(path, x)
            self._todo += [(path, value) for found in _fields(x).values() for value in _callables(found)]
            if "param_groups" in self.names and hasattr(x, "param_groups"):
                self._read(f"{path}.param_groups", "attribute", x, "param_groups")
        elif isinstance(x, bytearray | memoryview | typed_array) or (home in ("torch", "pandas") and _is_numeric(x)):
            self._read(path, "content", x)
        elif home == "builtins" and isinstance(x, Iterator):
            raise CaptureError(
                f"compile: {path} is a {type(x).__name__}, which gives something else each time, and a replay would "
                f"use the same again; take from it outside of the compiled function, and pass that as an argument"
            )
        elif home not in TOOLS and not isinstance(x, io.IOBase):
            self._opened(path, x)

    def _layer(self, path: str, x: Any) -> None:
        """Read what one of this package's layers under another library's names computes with."""
        own = vars(x)
        for name in (name for name in own if not name.startswith("_")):
            self._read(f"{path}.{name}", "setting", own, name, is_announced=True)
        self._read(path, "size", own, is_announced=True)
        self._classed(path, x)
        for kind in ("_parameters", "_buffers", "_modules"):
            announces = getattr(type(own[kind]), "announces", False)
            self.reads.append(Read(path, "setting", own, kind, own[kind], is_announced=True))
            self._read(path, "dict", own[kind], is_announced=announces)
            self._todo += [(f"{path}.{name}", part) for name, part in own[kind].items()]

    def _hooked(self, path: str, x: Any) -> None:
        """Read the hooks of a module under another library's names."""
        for table in (x._hooks.before, x._hooks.after, x._hooks.backward):
            self._read(f"{path}'s hooks", "dict", table, is_announced=True)
            self._todo += [(path, hook) for hook in table.values()]

    # Attributes

    def _classed(self, path: str, x: Any) -> None:
        """Read the class of an object, which may be given another one; `chainrule.nn`'s modules announce that."""
        if not isinstance(x, FunctionType) and not is_module(x):
            self._read(f"{path}.__class__", "attribute", x, "__class__", is_announced=is_face_of_module(x))

    def _opened(self, path: str, x: Any) -> None:
        done: set[str] = set()
        self._open.append((path, x, done))
        self._attributes(path, x, done)
        if isinstance(x, ModuleType):
            return
        if not isinstance(x, type):
            self._todo.append((type(x).__name__, type(x)))
            self._classed(path, x)
            for raw in (getattr(x, name, None) for name in ("fget", "__func__", "func", "__wrapped__")):
                self._todo += [(path, f) for f in _callables(raw)]
            if not is_module(x) and isinstance(getattr(x, "__dict__", None), dict):
                # A new attribute may hide one of the class.
                self._read(path, "size", vars(x))

    def _attributes(self, path: str, x: Any, done: set[str]) -> None:
        if isinstance(x, type):
            self._class(path, x, done)
        elif isinstance(x, ModuleType):
            if is_of_user(_file_of_module(x)):
                self._named(path, vars(x), done)
        elif is_module(x):
            self._module(path, x, done)
        else:
            fields = getattr(x, "__dict__", None)
            if isinstance(fields, dict):
                # The code of Python's own classes cannot be read: it may use anything.
                self._named(path, fields, done, self.is_wide or not is_opened(x))
            for name in _slots(type(x)):
                if (
                    name not in done
                    and hasattr(x, name)
                    and (self.is_wide or name in self.names or self._is_set(name, getattr(x, name)))
                ):
                    done.add(name)
                    self._read(f"{path}.{name}", "attribute", x, name)

    def _named(self, path: str, fields: dict[str, Any], done: set[str], everything: bool = False) -> None:
        for name in sorted(fields, key=str):
            if name not in done and (everything or name in self.names or self._is_set(name, fields[name])):
                done.add(name)
                self._read(f"{path}.{name}", "item", fields, name)

    def _is_set(self, name: str, value: Any) -> bool:
        return name in self.stored and type(value) in (int, float)

    def _module(self, path: str, x: Any, done: set[str]) -> None:
        """Visit the attributes that a user's class may read; layers of this package report theirs."""
        if is_of_package(type(x)):
            for name, value in vars(x).items():
                if name not in done and not name.startswith("_"):
                    done.add(name)
                    self._todo += [(f"{path}.{name}", f) for f in _callables(value)]
            return
        own = {name: value for name, value in vars(x).items() if name not in x._bookkeeping}
        for name in sorted(own):
            if name not in done and (self.is_wide or name in self.names or self._is_set(name, own[name])):
                done.add(name)
                self._read(f"{path}.{name}", "item", vars(x), name)

    def _class(self, path: str, x: type, done: set[str]) -> None:
        """Visit the functions and attributes of a class that code names, and those that operators call."""
        # This package may itself call what a class overrides of one of its own.
        overrides = not is_of_package(x) and any(map(is_of_package, x.__mro__))
        for cls in x.__mro__:
            for name, raw in list(vars(cls).items()) if is_of_user(_file_of(cls)) else ():
                is_called = isinstance(raw, FunctionType) and (
                    overrides or (name.startswith("__") and name not in NO_CODE_OF_THE_CALL)
                )
                if name in done or not (is_called or name in self.names) or _is_generated(cls, raw):
                    continue
                done.add(name)
                if isinstance(raw, classmethod | staticmethod) or getattr(x, name, MISSING) is not raw:
                    self._read(f"{path}.{name}", "item", vars(cls), name)
                else:
                    self._read(f"{path}.{name}", "attribute", x, name)


def _is_generated(cls: type, method: Any) -> bool:
    """Whether a dataclass has made a method: such as `__eq__`, which names all fields."""
    return (
        hasattr(cls, "__dataclass_fields__")
        and getattr(method, "__code__", None) is not None
        and (method.__code__.co_filename == "<string>")
    )


def is_module(x: Any) -> bool:
    """Whether an object is one of `chainrule.nn`'s modules, which this package must not import."""
    return hasattr(type(x), "_registries") and "_modules" in vars(x)


def is_face_of_module(x: Any) -> bool:
    """Whether an object is a module under another library's names: these announce no changes."""
    return is_face(x) and "_modules" in vars(x) and "_hooks" in vars(x)


def is_opened(x: Any) -> bool:
    """Whether only the attributes that code names matter: the code of the object's class has been read."""
    if type(x) in (SimpleNamespace, Namespace):
        return True
    return isinstance(getattr(x, "__dict__", None), dict) and is_of_user(_file_of(type(x))) and not callable(x)


def _names_in(cls: type) -> set[str]:
    """Return the names in the code of a class's own functions."""
    return {name for f in vars(cls).values() if isinstance(f, FunctionType) for name in f.__code__.co_names}


def _file_of(cls: type) -> str:
    return getattr(sys.modules.get(cls.__module__), "__file__", None) or f"<{cls.__module__}>"


_CONTAINER: dict[str, Any] = {"list": (list, deque), "dict": dict, "set": set}


def _file_of_module(x: ModuleType) -> str:
    """Return a module's file; one that code has made, or that is typed in, has none and is the user's."""
    is_made = getattr(x, "__spec__", None) is None
    return getattr(x, "__file__", None) or (f"<{x.__name__}>" if is_made else "")


def _owner_of(path: str) -> str:
    return path.rpartition(".")[0] or "self"


def _callables(x: Any) -> Iterator[Any]:
    """Yield the callables in a value, also inside containers."""
    if isinstance(x, dict | list | tuple) and len(x) < 1000:
        for item in dict.values(x) if isinstance(x, dict) else x:
            yield from _callables(item)
    elif (callable(x) and not isinstance(x, type)) or isinstance(x, classmethod | staticmethod):
        yield x


def _fields(x: Any) -> dict[str, Any]:
    named = getattr(x, "__dict__", {})
    return {**{name: getattr(x, name, None) for name in _slots(type(x))}, **named}


def _slots(cls: type) -> Iterator[str]:
    for base in cls.__mro__:
        slots = vars(base).get("__slots__", ())
        yield from (slots,) if isinstance(slots, str) else slots


def _is_numeric(x: Any) -> bool:
    try:
        return np.asarray(x).dtype.kind in "fiubc"
    except Exception:  # a library's own refusal, such as that of a tensor that requires a gradient
        return False
