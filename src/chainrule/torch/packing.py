"""Trees of Python objects as JSON and arrays, and back: what a file of `torch.save` holds besides numbers.

Nothing is pickled. A module, or another object of a class, is the import path of the class and its attributes; a
function or class is its import path. `Unpacker` imports such paths only where it is allowed to, and calls nothing: an
object is made without `__init__`, and gets its attributes.
"""

import contextlib
import enum
import importlib
import sys
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from .dtypes import Size, device, dtype, of_name
from .face import Tensor, values_of, wrapped
from .nn.hooks import Hooks
from .nn.module import REGISTRIES, Module
from .nn.parameter import Buffer, Parameter
from .nn.registry import Registry

Allowed = Callable[[str], bool]


class Packer:
    """Turns a tree into JSON; its arrays are put into `arrays`, by their paths."""

    def __init__(self) -> None:
        self.arrays: dict[str, Any] = {}
        self.seen: dict[int, tuple[int, Any]] = {}

    def __call__(self, x: Any, path: str = "") -> Any:
        """Return the JSON of one part of the tree."""
        if x is None or type(x) in (bool, int, float, str):
            return {"value": x}
        if isinstance(x, Tensor | np.ndarray | Module) or _is_plain(x):
            if id(x) in self.seen:
                return {"same": self.seen[id(x)][0]}
            self.seen[id(x)] = len(self.seen), x  # x itself too: its id must not be given to another object
            return self._tensor(x, path) if isinstance(x, Tensor | np.ndarray) else self._object(x, path)
        return self._simple(x, path)

    def _tensor(self, x: Any, path: str) -> Any:
        self.arrays[path] = values_of(x)
        if isinstance(x, np.ndarray):
            return {"array": path}
        if isinstance(x, Parameter):
            return {"parameter": [path, x.requires_grad]}
        if isinstance(x, Buffer):
            return {"buffer": [path, x.persistent]}
        return {"leaf" if x.requires_grad and x.is_leaf else "tensor": path}

    def _object(self, x: Any, path: str) -> Any:
        attributes = dict(vars(x))
        if isinstance(x, Module) and (hooks := attributes.pop("_hooks", None)) is not None and hooks.any():
            raise TypeError(
                f"save: {path or 'the module'} has hooks, which are functions of this run; remove them first"
            )
        state = [[key, self(value, _under(path, key))] for key, value in attributes.items()]
        return {"object": [import_path(type(x), path), state]}

    def _simple(self, x: Any, path: str) -> Any:
        if isinstance(x, enum.Enum):
            return {"enum": [import_path(type(x), path), x.name]}
        if isinstance(x, Mapping):
            kind = "odict" if isinstance(x, OrderedDict) else "dict"
            return {kind: [[_key(k), self(v, _under(path, k))] for k, v in x.items()]}
        for kind, types in (("size", Size), ("tuple", tuple), ("list", list), ("set", set | frozenset)):
            if isinstance(x, types):
                return {kind: [self(v, _under(path, k)) for k, v in enumerate(x)]}
        if isinstance(x, dtype):
            return {"dtype": x.name}
        if isinstance(x, device):
            return {"device": str(x)}
        if isinstance(x, np.generic):
            return {"value": x.item()}
        if isinstance(x, bool | int | float | str):
            return {"value": x}
        if callable(x) and hasattr(x, "__qualname__"):
            return {"name": import_path(x, path)}
        raise TypeError(
            f"save: {path or 'the object'} is a {type(x).__name__}, expected modules, tensors, numbers, strings, lists "
            f"and dicts of them; of an optimiser save optimizer.state_dict()"
        )


def _is_plain(x: Any) -> bool:
    """Whether an object is its attributes and nothing else, such as a dataclass or a namespace."""
    kind = type(x)
    return (
        hasattr(x, "__dict__")
        and not isinstance(x, type)
        and kind.__module__ != "builtins"
        and not isinstance(x, dict | list | tuple | set | frozenset | str | int | float | enum.Enum | dtype | device)
        and all(getattr(kind, name) is getattr(object, name) for name in ("__reduce__", "__new__"))
        and not any("__slots__" in vars(base) for base in kind.__mro__)
    )


def _under(path: str, key: Any) -> str:
    """Return the path of an attribute or item; registries of modules have none, as in state dicts."""
    key = "" if key in REGISTRIES else str(key)
    return f"{path}.{key}" if path and key else path or key


def _key(k: Any) -> Any:
    if not isinstance(k, str | int):
        raise TypeError(
            f"save: expected keys that are strings or integers, got {type(k).__name__}; "
            f"of an optimiser save optimizer.state_dict()"
        )
    return k


def import_path(x: Any, path: str = "") -> str:
    """Return where a class or function can be imported from, `package.module:Name`.

    Raises TypeError for one that cannot, such as a lambda.
    """
    module, name = getattr(x, "__module__", None) or "", getattr(x, "__qualname__", None)
    # A function made by another one is found under the name that its module gives it.
    names = [name, *(key for key, value in vars(sys.modules.get(module, object)).items() if value is x)]
    for where in (f"{module}:{one}" for one in names):
        with contextlib.suppress(ImportError, AttributeError, ValueError):
            if imported(where) is x:
                return where
    where = f"{module}:{name}"
    raise TypeError(
        f"save: {path or 'the object'} is or has the class {where}, which cannot be imported by that name; define it "
        f"at the top of a module, or save model.state_dict()"
    )


def imported(where: str) -> Any:
    """Return what `package.module:Name` names."""
    module, _, name = where.partition(":")
    found: Any = sys.modules.get(module) or importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


class Unpacker:
    """Turns JSON and arrays into the tree again; `allowed` says which import paths may be used."""

    def __init__(self, arrays: dict[str, Any], allowed: Allowed) -> None:
        self.arrays, self.allowed = arrays, allowed
        self.made: list[Any] = []

    def __call__(self, x: Any) -> Any:
        """Return one part of the tree."""
        ((kind, value),) = x.items()
        if kind in ("value", "same"):
            return value if kind == "value" else self.made[value]
        if kind in ("tensor", "array", "leaf", "parameter", "buffer"):
            self.made.append(self._tensor(kind, value))
            return self.made[-1]
        if kind == "object":
            return self._object(*value)
        if kind in ("dict", "odict"):
            items = ((k, self(v)) for k, v in value)
            return dict(items) if kind == "dict" else OrderedDict(items)
        if kind in ("list", "tuple", "set", "size"):
            return {"list": list, "tuple": tuple, "set": set, "size": Size}[kind](map(self, value))
        if kind == "enum":
            return self._named(value[0])[value[1]]
        read: dict[str, Callable[[Any], Any]] = {"dtype": of_name, "device": device, "name": self._named}
        return read[kind](value)

    def _tensor(self, kind: str, value: Any) -> Any:
        if kind == "parameter":
            return Parameter(wrapped(self.arrays[value[0]]), requires_grad=value[1])
        if kind == "buffer":
            return Buffer(wrapped(self.arrays[value[0]]), persistent=value[1])
        array = self.arrays[value]
        if kind == "array":
            return array
        return wrapped(array).requires_grad_() if kind == "leaf" else wrapped(array)

    def _named(self, where: str) -> Any:
        if not self.allowed(where):
            raise ValueError(
                f"load: the file has an object of {where}, which weights_only=True does not import; if you trust the "
                f"file, pass weights_only=False, or allow the class by torch.serialization.add_safe_globals"
            )
        try:
            return imported(where)
        except (ImportError, AttributeError) as error:
            raise ValueError(
                f"load: the file has an object of {where}, which cannot be imported here ({error}); define or import "
                f"the class first, under the name it was saved with"
            ) from None

    def _object(self, where: str, state: Any) -> Any:
        cls = self._named(where)
        if not isinstance(cls, type):
            raise ValueError(f"load: {where} is no class, expected one; the file is damaged")
        made: Any = object.__new__(cls)
        self.made.append(made)
        if issubclass(cls, Module):
            object.__setattr__(made, "_hooks", Hooks())
        vars(made).update((key, self(value)) for key, value in state)
        if issubclass(cls, Module):
            tables = {name: x for name, x in vars(made).items() if type(x) is OrderedDict and name in REGISTRIES}
            vars(made).update({name: Registry(x) for name, x in tables.items()})
        return made
