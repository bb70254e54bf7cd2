"""Copies of everything a function reaches, lifted to float64: closures, globals, attributes, containers.

A derivation is verified to nine digits, so nothing in it may be rounded to float32: neither the arguments nor a module
or an array that the function reaches from outside. Only the copies are modified: whatever the function changes while
it runs (a running mean, a list, a counter, a generator), the original stays as it was.
"""

import copy
import dis
import functools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.tape import EAGER
from chainrule.nn.module import Module
from chainrule.nn.parameter import Parameter

ATOMS = (bool, int, float, complex, str, bytes, type(None), type(Ellipsis), slice, range, np.dtype)
_OUTSIDE = ("site-packages", "dist-packages")


@dataclass
class Reach:
    """The copies made so far, with the names that the program has for the originals.

    `enter(value, name, tracked, is_parameter)` puts an array on the tape and returns the tensor that replaces the one
    found. `modules` are the outermost modules with the names they were found under, `root` the one that is the subject
    itself; `boxes` maps the ids of the user's tensors to their replacements.
    """

    enter: Callable[[Any, str, bool, bool], Tensor]
    root: Any = None
    modules: list[tuple[str, Module, Module]] = field(default_factory=list)
    boxes: dict[int, Tensor] = field(default_factory=dict)
    _twins: dict[int, Any] = field(default_factory=dict)  # the memo of `copy.deepcopy`
    _kept: list[Any] = field(default_factory=list)  # an id is valid only while its object is alive
    _globals: dict[int, dict[str, Any]] = field(default_factory=dict)
    _depth: int = 0

    def lift(self, x: Any, name: str = "") -> Any:
        """Return the copy of what the program calls `name`, or the object itself if it contains nothing to lift."""
        if isinstance(x, (*ATOMS, type)):
            return x
        if id(x) not in self._twins:
            self._kept.append(x)
            self._twins[id(x)] = x  # for cycles met during the copy
            self._twins[id(x)] = self._lifted(x, name)
        return self._twins[id(x)]

    def subject(self, x: Any) -> Any:
        """Return a copy of the callable (for an object, its `__call__`) with everything that it reaches."""
        call = next((vars(c)["__call__"] for c in type(x).__mro__ if "__call__" in vars(c)), None)
        if isinstance(x, Module | functools.partial) or not isinstance(call, FunctionType) or _is_library(type(x)):
            return self.lift(x)
        return MethodType(self.lift(call), self.lift(x))

    def paths(self) -> Iterator[tuple[str, Module, Module]]:
        """Yield (path, the user's module, its copy) for each module; paths begin with its name if there are several."""
        taken: set[str] = set()
        shown = [m for m in self.modules if m[1] is self.root or next(m[1].parameters(), None) is not None]
        for name, original, twin in shown:
            prefix, number = name, 1
            while prefix in taken:
                number += 1
                prefix = f"{name}{number}"
            taken.add(prefix)
            prefix = prefix if len(shown) > 1 else ""
            both = zip(original.named_modules(prefix), twin.named_modules(prefix), strict=True)
            yield from ((path, old, new) for (path, old), (_, new) in both)

    # Copying each kind of object

    def _lifted(self, x: Any, name: str) -> Any:
        if isinstance(x, Tensor):
            return self._tensor(x, name)
        if isinstance(x, np.ndarray | np.generic):
            return _array(x)
        if isinstance(x, Module):
            return self._module(x, name)
        if isinstance(x, FunctionType):
            return x if _is_library(x) else self._function(x)
        if isinstance(x, MethodType):
            return self._method(x, name)
        if isinstance(x, functools.partial):
            keywords = {key: self.lift(value, key) for key, value in x.keywords.items()}
            return type(x)(self.lift(x.func, name), *(self.lift(a, name) for a in x.args), **keywords)
        if isinstance(x, list | tuple | dict | set | frozenset | deque):
            return self._container(x, name)
        if isinstance(x, np.random.Generator | np.random.RandomState):
            return copy.deepcopy(x)
        if isinstance(x, ModuleType) or _is_library(type(x)):
            return x  # Python modules are searched by the function that names them
        return self._object(x)

    def _tensor(self, x: Tensor, name: str) -> Any:
        if x._trace is not EAGER:
            return x
        tracked = x.requires_grad and x.dtype.kind == "f"
        is_parameter = tracked or isinstance(x, Parameter)
        box = self.boxes[id(x)] = self.enter(_array(np.asarray(value_of(x))), x.name or name, tracked, is_parameter)
        return box

    def _module(self, x: Module, name: str) -> Module:
        twin: Module = object.__new__(type(x))
        self._twins[id(x)] = twin
        if not self._depth:
            self.modules.append((name, x, twin))
        self._depth += 1
        for key, value in x.__dict__.items():
            twin.__dict__[key] = self._held(value, key)
        self._depth -= 1
        self._bind(x, twin)
        return twin

    def _held(self, value: Any, key: str) -> Any:
        """Copy what a module holds; anything not searched here, such as its hooks, by `copy.deepcopy`."""
        found = self.lift(value, key)
        is_ours = type(value).__module__.startswith("chainrule.") and not isinstance(value, type | FunctionType)
        return copy.deepcopy(value, self._twins) if found is value and is_ours else found

    def _container(self, x: Any, name: str) -> Any:
        if isinstance(x, dict | list | deque):
            twin: Any = copy.copy(x)
            self._twins[id(x)] = twin
            for key, value in x.items() if isinstance(x, dict) else enumerate(x):
                own = key if isinstance(x, dict) else f"{name}{key + 1}"
                twin[key] = self.lift(value, own if isinstance(own, str) else name)
            return twin
        parts = [self.lift(value, f"{name}{k + 1}") for k, value in enumerate(x)]
        if isinstance(x, set):
            return type(x)(parts)
        if all(a is b for a, b in zip(parts, x, strict=True)):
            return x
        return type(x)(*parts) if hasattr(x, "_fields") else type(x)(parts)

    def _object(self, x: Any) -> Any:
        """Copy an object of a user-defined class, attribute by attribute."""
        try:
            twin = copy.copy(x)
        except Exception:  # its own copy method refuses: use the object as it is
            return x
        if twin is x or type(twin) is not type(x):
            return x
        self._twins[id(x)] = twin
        slots = [s for c in type(x).__mro__ for s in _slots(c)]
        held = {**{s: getattr(x, s) for s in slots if hasattr(x, s)}, **getattr(x, "__dict__", {})}
        for key, value in held.items():
            lifted = self.lift(value, key)
            if lifted is not value:
                object.__setattr__(twin, key, lifted)
        self._bind(x, twin)
        return twin

    def _bind(self, x: Any, twin: Any) -> None:
        """Rebind a copy's methods if they reach outside the object: into globals, or into a closure."""
        if not hasattr(twin, "__dict__"):
            return
        for cls in reversed(type(x).__mro__):
            if _is_library(cls):
                continue
            for name, method in vars(cls).items():
                if isinstance(method, FunctionType) and not name.startswith("__") and _looks_outside(method):
                    twin.__dict__[name] = MethodType(self.lift(method), twin)

    def _method(self, x: MethodType, name: str) -> Any:
        owner = self.lift(x.__self__, name)
        function = self.lift(x.__func__)
        return MethodType(function, owner) if (owner, function) != (x.__self__, x.__func__) else x

    def _function(self, f: FunctionType) -> FunctionType:
        names, attributes = _names_in(f.__code__)
        space = self._globals.get(id(f.__globals__))
        if space is None:
            space = self._globals[id(f.__globals__)] = dict(f.__globals__)
            self._kept.append(f.__globals__)
        cells = tuple(CellType() for _ in f.__closure__ or ())
        twin = FunctionType(f.__code__, space, f.__name__, f.__defaults__, cells)
        self._twins[id(f)] = twin
        twin.__qualname__, twin.__module__, twin.__doc__ = f.__qualname__, f.__module__, f.__doc__
        twin.__annotations__ = f.__annotations__
        for name, old, new in zip(f.__code__.co_freevars, f.__closure__ or (), cells, strict=True):
            if old != CellType():  # an empty cell stays empty: its variable is not defined yet
                new.cell_contents = self.lift(old.cell_contents, name)
        for name in names & f.__globals__.keys():
            space[name] = self._named(f.__globals__[name], name, attributes)
        if f.__defaults__:
            twin.__defaults__ = tuple(self.lift(x) for x in f.__defaults__)
        if f.__kwdefaults__:
            twin.__kwdefaults__ = {key: self.lift(x, key) for key, x in f.__kwdefaults__.items()}
        twin.__dict__.update({key: self.lift(x, key) for key, x in f.__dict__.items()})
        return twin

    def _named(self, x: Any, name: str, attributes: set[str]) -> Any:
        """Lift a global; of a user's Python module `nets`, lift what the function may read from it, `nets.model`."""
        if not isinstance(x, ModuleType) or _is_library(x):
            return self.lift(x, name)
        twin = self._twins.get(id(x))
        if twin is None:
            self._kept.append(x)
            twin = self._twins[id(x)] = ModuleType(x.__name__, x.__doc__)
            twin.__dict__.update(x.__dict__)
        for key in attributes & x.__dict__.keys():
            twin.__dict__[key] = self._named(x.__dict__[key], key, attributes)
        return twin


def _array(x: Any) -> Any:
    made = np.array(x, np.float64 if x.dtype.kind == "f" else None, subok=True)
    return made if isinstance(x, np.ndarray) else made[()]


def _slots(cls: type) -> tuple[str, ...]:
    slots = vars(cls).get("__slots__", ())
    found = (slots,) if isinstance(slots, str) else tuple(slots)
    return tuple(s for s in found if s not in ("__dict__", "__weakref__"))


def _names_in(code: CodeType) -> tuple[set[str], set[str]]:
    """Return the names of the globals and attributes that a function and its nested functions read."""
    found = {i.argval for i in dis.get_instructions(code) if i.opname in ("LOAD_GLOBAL", "LOAD_NAME")}
    attributes = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            more = _names_in(constant)
            found, attributes = found | more[0], attributes | more[1]
    return found, attributes


def _looks_outside(f: FunctionType) -> bool:
    cells = [c.cell_contents for c in f.__closure__ or () if c != CellType()]
    names = _names_in(f.__code__)[0] & f.__globals__.keys()
    return any(
        not (isinstance(x, (*ATOMS, type)) or _is_library(x)) for x in [*cells, *(f.__globals__[n] for n in names)]
    )


def _is_library(x: Any) -> bool:
    """Whether a class, function or Python module is library code (chainrule included), not the user's.

    False for any other object.
    """
    if isinstance(x, FunctionType):
        return _is_library_name(x.__module__ or "", x.__code__.co_filename)
    if isinstance(x, type):
        return _is_library_name(x.__module__, getattr(sys.modules.get(x.__module__), "__file__", None) or "")
    if isinstance(x, ModuleType):
        return _is_library_name(x.__name__, getattr(x, "__file__", None) or "")
    return False


def _is_library_name(module: str, file: str) -> bool:
    root = module.partition(".")[0]
    return root == "chainrule" or root in sys.stdlib_module_names or any(part in file for part in _OUTSIDE)
