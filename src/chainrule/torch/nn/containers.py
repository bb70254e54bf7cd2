"""Modules that hold modules and parameters."""

import itertools
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self

from ..face import Tensor
from .module import Module
from .parameter import Parameter


class Sequential(Module):
    """Modules one after the other.

    >>> import chainrule.torch as torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.ReLU(), torch.nn.Linear(4, 1))
    >>> model(torch.zeros(2, 3)).shape
    torch.Size([2, 1])
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            for k, module in enumerate(args):
                if not isinstance(module, Module):
                    raise TypeError(f"{type(module).__name__} is not a Module subclass: Sequential, position {k}")
                self.add_module(str(k), module)

    def forward(self, input: Any) -> Any:
        """Return the output of the last module."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return list(self._modules.values())[index]

    def __setitem__(self, index: int, module: Any) -> None:
        self._modules[list(self._modules)[index]] = module

    def __delitem__(self, index: Any) -> None:
        names = list(self._modules)[index]
        for name in names if isinstance(index, slice) else [names]:
            del self._modules[name]
        self._numbered(list(self._modules.values()))

    def __add__(self, other: Any) -> "Sequential":
        return Sequential(*self, *other)

    def append(self, module: Any) -> Self:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Any]) -> Self:
        """Add modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Any) -> Self:
        """Add a module at a place."""
        kept = list(self._modules.values())
        kept.insert(index, module)
        self._numbered(kept)
        return self

    def _numbered(self, kept: list[Any]) -> None:
        """Have these modules, by their numbers."""
        self._modules.clear()
        self._modules.update((str(k), one) for k, one in enumerate(kept))


class ModuleList(Module):
    """A list of modules."""

    def __init__(self, modules: Iterable[Any] | None = None) -> None:
        super().__init__()
        self.extend(modules or [])

    __len__: Any = Sequential.__len__
    __iter__: Any = Sequential.__iter__
    __setitem__: Any = Sequential.__setitem__
    __delitem__: Any = Sequential.__delitem__
    append: Any = Sequential.append
    extend: Any = Sequential.extend
    insert: Any = Sequential.insert

    def __getitem__(self, index: Any) -> Any:
        found = list(self._modules.values())[index]
        return type(self)(found) if isinstance(index, slice) else found

    def __repr__(self) -> str:
        texts = [repr(module) for module in self]
        runs = [(text, len(list(run))) for text, run in itertools.groupby(texts)]
        lines, k = [], 0
        for text, count in runs:
            name, times = (f"({k})", "") if count == 1 else (f"({k}-{k + count - 1})", f"{count} x ")
            lines.append(f"{name}: {times}{text}".replace("\n", "\n  "))
            k += count
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)" if lines else f"{self._get_name()}()"

    def __add__(self, other: Any) -> "ModuleList":
        return ModuleList(itertools.chain(self, other))

    def __iadd__(self, modules: Any) -> Self:
        self.extend(modules)
        return self


class ModuleDict(Module):
    """A dict of modules."""

    def __init__(self, modules: Mapping[str, Any] | None = None) -> None:
        super().__init__()
        self.update(modules or {})

    def __getitem__(self, key: str) -> Any:
        return self._modules[key]

    def __setitem__(self, key: str, module: Any) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def keys(self) -> Any:
        """Return the names."""
        return self._modules.keys()

    def values(self) -> Any:
        """Return the modules."""
        return self._modules.values()

    def items(self) -> Any:
        """Return names and modules."""
        return self._modules.items()

    def update(self, modules: Any) -> None:
        """Add modules."""
        for key, module in modules.items() if isinstance(modules, Mapping | ModuleDict) else modules:
            self[key] = module

    def pop(self, key: str) -> Any:
        """Remove a module and return it."""
        return self._modules.pop(key)


def _as_parameter(x: Any) -> Any:
    return Parameter(x) if isinstance(x, Tensor) and not isinstance(x, Parameter) else x


class ParameterList(Module):
    """A list of parameters; other items, such as lists of parameters, are kept as they are."""

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        object.__setattr__(self, "_size", 0)
        for value in values or []:
            self.append(value)

    def append(self, value: Any) -> Self:
        """Add an item at the end; a tensor becomes a parameter."""
        setattr(self, str(self._size), _as_parameter(value))
        object.__setattr__(self, "_size", self._size + 1)
        return self

    def extend(self, values: Iterable[Any]) -> Self:
        """Add items at the end."""
        for value in values:
            self.append(value)
        return self

    def __len__(self) -> int:
        return int(self._size)

    def __getitem__(self, index: Any) -> Any:
        names = range(self._size)[index]
        return ParameterList(self[k] for k in names) if isinstance(index, slice) else getattr(self, str(names))

    def __setitem__(self, index: int, value: Any) -> None:
        setattr(self, str(range(self._size)[index]), _as_parameter(value))

    def __iter__(self) -> Iterator[Any]:
        return iter([getattr(self, str(k)) for k in range(self._size)])


class ParameterDict(Module):
    """A dict of parameters; other items, such as dicts of parameters, are kept as they are."""

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        object.__setattr__(self, "_keys", {})
        self.update(parameters or {})

    def __getitem__(self, key: str) -> Any:
        if key not in self._keys:
            raise KeyError(key)
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, _as_parameter(value))
        self._keys[key] = None

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, key)

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def update(self, parameters: Any) -> None:
        """Add items of a mapping, or pairs. Those of a plain mapping are sorted by name, as in PyTorch."""
        pairs = parameters.items() if hasattr(parameters, "items") else parameters
        is_plain = isinstance(parameters, Mapping) and not isinstance(parameters, OrderedDict)
        for key, value in sorted(pairs, key=lambda pair: pair[0]) if is_plain else pairs:
            self[key] = value

    def pop(self, key: str) -> Any:
        """Remove an item and return it."""
        found = self[key]
        del self[key]
        return found

    def get(self, key: str, default: Any = None) -> Any:
        """Return an item, or a default if there is none."""
        return getattr(self, key) if key in self._keys else default

    def keys(self) -> Any:
        """Return the names."""
        return self._keys.keys()

    def values(self) -> Any:
        """Return the items."""
        return [self[key] for key in self._keys]

    def items(self) -> Any:
        """Return names and items."""
        return [(key, self[key]) for key in self._keys]
