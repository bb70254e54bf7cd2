"""A module of `chainrule.torch` as a module of the engine, for `cr.check`, `cr.explain`, `cr.doctor`, `cr.train`."""

from typing import Any

from chainrule.core.tensor import Tensor as Engine
from chainrule.nn.module import Module as EngineModule
from chainrule.nn.parameter import Parameter as EngineParameter

from ..face import Tensor, unwrapped, wrapped


class Adapted(EngineModule):
    """Calls a module with tensors, on the engine's values; its parameters are the same objects under the same paths."""

    def __init__(self, module: Any) -> None:
        super().__init__()
        object.__setattr__(self, "_face", module)
        for name, parameter in module._parameters.items():
            if parameter is not None and isinstance(parameter._x, EngineParameter):
                setattr(self, name, parameter._x)
        for name, child in module._modules.items():
            if child is not None:
                self._modules[name] = Adapted(child)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Return what the module returns, as engine values."""
        face = self.__dict__["_face"]
        with _Swapped(self):
            face.train(self.training)
            result = face(*map(_entering, args), **{key: _entering(value) for key, value in kwargs.items()})
        return unwrapped(result)


def _entering(x: Any) -> Any:
    return wrapped(x) if isinstance(x, Engine) or hasattr(x, "__array_interface__") else x


class _Swapped:
    """Puts the values that the engine's module holds now, such as those of a transform, into the parameters."""

    def __init__(self, adapted: Adapted) -> None:
        self.pairs: list[tuple[Tensor, Any]] = []
        for path, value in adapted.named_parameters():
            *way, name = path.split(".")
            module = adapted.__dict__["_face"]
            for part in way:
                module = module._modules[part]
            self.pairs.append((module._parameters[name], value))

    def __enter__(self) -> None:
        self.before = [parameter._x for parameter, _ in self.pairs]
        for parameter, value in self.pairs:
            parameter._x = value

    def __exit__(self, *_: object) -> None:
        for (parameter, _value), before in zip(self.pairs, self.before, strict=True):
            parameter._x = before
