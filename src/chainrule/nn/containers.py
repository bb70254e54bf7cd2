"""Modules that contain other modules."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .inputs import in_dtype_of
from .module import Module


def _check_module(what: str, module: Any) -> None:
    if isinstance(module, type) and issubclass(module, Module):
        raise TypeError(f"{what}: got the class {module.__name__}, expected a module; write {module.__name__}(…)")
    if not isinstance(module, Module):
        raise TypeError(f"{what}: expected a module, got {type(module).__name__}")


class ModuleList(Module):
    """A list that registers its modules as "0", "1", …; how they are called is up to you.

    >>> from chainrule import nn
    >>> layers = nn.ModuleList([nn.Linear(3, 3), nn.ReLU()])
    >>> layers.append(nn.Tanh())
    >>> len(layers), layers[-1], [name for name, _ in layers.named_parameters()]
    (3, Tanh(), ['0.weight', '0.bias'])
    """

    def __init__(self, modules: Iterable[Module] = ()) -> None:
        super().__init__()
        for module in modules:
            self.append(module)

    def append(self, module: Module) -> None:
        """Add a module at the end."""
        self._add(str(len(self)), module)

    def _add(self, name: str, module: Module) -> None:
        _check_module(f"{type(self).__name__}: {name}", module)
        if not name or "." in name or name in dir(type(self)):
            raise ValueError(f"{type(self).__name__}: a module cannot be called {name!r}")
        setattr(self, name, module)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def __getitem__(self, index: int | slice) -> Any:
        found = list(self._modules.values())[index]
        if isinstance(found, Module):
            return found
        part = type(self)()
        for module in found:
            part.append(module)
        return part


class Sequential(ModuleList):
    """A chain of modules: each takes the output of the one before. A dict of modules gives them names.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> model(np.zeros((5, 4))).shape
    (5, 3)
    >>> model
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=3, bias=True)
    )
    """

    def __init__(self, *modules: Any) -> None:
        super().__init__()
        named = modules[0].items() if len(modules) == 1 and isinstance(modules[0], Mapping) else enumerate(modules)
        for name, module in named:
            self._add(str(name), module)

    def forward(self, x: Any) -> Any:
        """Return the output of the last module."""
        for module in self._modules.values():
            x = module(x)
        return x


class Residual(Module):
    r"""$y = x + \mathrm{inner}(x)$: a shortcut around the inner module along which gradients do not shrink.

    The inner module must keep the shape; ValueError otherwise.

    Source: He, Zhang, Ren & Sun, "Deep Residual Learning for Image Recognition" (2016), equation 1.

    >>> from chainrule import nn
    >>> nn.Residual(nn.ReLU())([-1.0, 2.0])
    array([-1.,  4.])
    """

    def __init__(self, inner: Module) -> None:
        super().__init__()
        _check_module("Residual", inner)
        self.inner = inner

    def forward(self, x: Any) -> Any:
        """Return the sum."""
        y = self.inner(x)
        x = in_dtype_of(y, x, "Residual")
        if x.shape != y.shape:
            raise ValueError(
                f"Residual: expected the inner {type(self.inner).__name__} to keep the shape {list(x.shape)}, "
                f"got {list(y.shape)}"
            )
        return x + y
