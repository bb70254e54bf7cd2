"""A module of `chainrule.torch` as a module of the engine, for `cr.check`, `cr.explain`, `cr.doctor`, `cr.train`.

Its parameters are the same objects under the same paths, and its submodules are called as the engine's, so that hooks
and reports see every layer.
"""

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor as Engine
from chainrule.nn.module import Module as EngineModule
from chainrule.nn.parameter import Parameter as EngineParameter

from ..face import unwrapped, wrapped


def set_mode(module: Any, mode: bool) -> None:
    """Put a module into training or evaluation mode, without those below it."""
    object.__setattr__(module, "training", mode)
    changes.settings += 1


class Adapted(EngineModule):
    """Calls a module of tensors on the engine's values."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        object.__setattr__(self, "_face", module)
        for name, parameter in module._parameters.items():
            if parameter is not None and isinstance(parameter._x, EngineParameter):
                setattr(self, name, parameter._x)
        for name, child in module._modules.items():
            if child is not None:
                setattr(self, name, adapted(child))
        self.train(module.training)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module returns, as engine values."""
        face = self.__dict__["_face"]
        with _Swapped(self, face):
            result = face.forward(*map(self._entering, args), **{k: self._entering(v) for k, v in kwargs.items()})
        return unwrapped(result)

    def _entering(self, x: Any) -> Any:
        """Return a value as a tensor, floats in the dtype of the parameters, as the engine's layers convert them."""
        if not isinstance(x, Engine | np.ndarray | np.generic):
            return x
        like = next(self.parameters(), None)
        if like is not None and x.dtype.kind == "f" and x.dtype != like.dtype:
            x = x.astype(like.dtype)
        return wrapped(x)

    def extra_repr(self) -> str:
        """Return what the module says."""
        return str(self.__dict__["_face"].extra_repr())


@functools.cache
def _named(name: str) -> type[Adapted]:
    return type(name, (Adapted,), {"__module__": __name__})


def adapted(module: Any) -> Adapted:
    """Return a module as one of the engine's, of a class with the same name."""
    return _named(type(module).__name__)(module)


class _Stand:
    """Stands for a submodule during a call: it is called as the engine's module, and is the module in all else."""

    def __init__(self, inner: EngineModule, face: Any) -> None:
        self._inner, self._face = inner, face

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return wrapped(self._inner(*map(unwrapped, args), **{key: unwrapped(value) for key, value in kwargs.items()}))

    def __getattr__(self, name: str) -> Any:
        return getattr(self.__dict__["_face"], name)

    def __getitem__(self, index: Any) -> Any:
        return self._face[index]

    def __iter__(self) -> Any:
        return iter(self._face)

    def __len__(self) -> int:
        return len(self._face)


def faced(x: Any) -> Any:
    """Return a module of the engine that stands for one of ours as one that takes tensors; values as tensors."""
    return _Stand(x, x.__dict__["_face"]) if isinstance(x, Adapted) else wrapped(x)


def _is_list(module: Any) -> bool:
    return type(module).__name__ in ("ModuleList", "ModuleDict", "ParameterList", "ParameterDict")


def _below(inner: Any, face: Any) -> Iterator[tuple[Any, Any]]:
    """Yield a module and all below it, each with what it stands for."""
    yield inner, face
    for name, child in face._modules.items():
        if child is not None:
            yield from _below(inner._modules[name], child._face if isinstance(child, _Stand) else child)


class _Swapped:
    """During a call, parameters have the engine's values of this moment, and submodules are called as the engine's.

    The parameters are those of all modules below as well: a module may use them without calling the one that has them.
    """

    def __init__(self, inner: Any, face: Any) -> None:
        self.face, self.inner = face, inner
        self.modules = dict(face._modules)
        self.below = list(_below(inner, face))
        self.parameters = [(f._parameters[name], value) for i, f in self.below for name, value in i._parameters.items()]

    def __enter__(self) -> None:
        self.before = [parameter._x for parameter, _ in self.parameters]
        self.modes = [face.training for _, face in self.below]
        for inner, face in self.below:
            set_mode(face, inner.training)
        for parameter, value in self.parameters:
            parameter._x = value
        for name, child in self.modules.items():
            if child is not None:
                self.face._modules[name] = _Stand(self.inner._modules[name], child)
        # A ModuleList is not called itself, so its members are replaced together with it.
        self.lists = [
            _Swapped(self.inner._modules[name], child) for name, child in self.modules.items() if _is_list(child)
        ]
        for one in self.lists:
            one.__enter__()

    def __exit__(self, *_: object) -> None:
        for one in self.lists:
            one.__exit__()
        for (_inner, face), mode in zip(self.below, self.modes, strict=True):
            set_mode(face, mode)
        for (parameter, _value), before in reversed(list(zip(self.parameters, self.before, strict=True))):
            parameter._x = before
        self.face._modules.update(self.modules)
