"""`torch.nn.utils.parametrize`: a parameter that is computed from others whenever it is read."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...autograd.modes import no_grad
from ...face import Tensor
from ...missing import lacking as _lacking
from ..containers import ModuleDict
from ..module import Module
from ..parameter import Parameter

_CACHE: dict[tuple[int, str], Any] = {}
_CACHED = [0]


@contextmanager
def cached() -> Iterator[None]:
    """Compute each parametrized tensor once only within the block."""
    _CACHED[0] += 1
    try:
        yield
    finally:
        _CACHED[0] -= 1
        if not _CACHED[0]:
            _CACHE.clear()


class ParametrizationList(Module):
    """The parametrizations of one tensor, in order; calling it computes the tensor from the originals."""

    def __init__(self, first: Module, original: Any, unsafe: bool = False) -> None:
        super().__init__()
        self.unsafe, self.ntensors = unsafe, 0
        self.is_tensor = True
        with no_grad():
            new = first.right_inverse(original) if hasattr(first, "right_inverse") else original
        if isinstance(new, Tensor):
            self._keep("original", original if new is original else _like(original, new))
        else:
            self.is_tensor, self.ntensors = False, len(new)
            for k, one in enumerate(new):
                self._keep(f"original{k}", _like(original, one))
        self.add_module("0", first)

    def _keep(self, name: str, value: Any) -> None:
        if isinstance(value, Parameter):
            self.register_parameter(name, value)
        else:
            self.register_buffer(name, value)

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __getitem__(self, index: int) -> Any:
        return list(self._modules.values())[index]

    def originals(self) -> list[Any]:
        """Return the tensors from which the parametrized one is computed."""
        return [self.original] if self.is_tensor else [getattr(self, f"original{k}") for k in range(self.ntensors)]

    def right_inverse(self, value: Any) -> None:
        """Set the originals so that the parametrized tensor becomes `value`."""
        with no_grad():
            for one in reversed(list(self._modules.values())):
                if not hasattr(one, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(one).__name__} does not implement right_inverse, so the tensor "
                        f"cannot be assigned; change parametrizations.<name>.original instead"
                    )
                value = one.right_inverse(value)
            new = [value] if isinstance(value, Tensor) else list(value)
            for original, each in zip(self.originals(), new, strict=True):
                original.data = each.detach().clone()

    def forward(self) -> Any:
        """Return the parametrized tensor."""
        first, *others = self._modules.values()
        value = first(*self.originals())
        for one in others:
            value = one(value)
        return value


def _like(original: Any, value: Any) -> Any:
    """Return a value as a parameter if the original is one."""
    value = value.detach().clone()
    return Parameter(value, original.requires_grad) if isinstance(original, Parameter) else value


def _property(name: str) -> property:
    def get(self: Any) -> Any:
        if not _CACHED[0]:
            return self.parametrizations[name]()
        key = id(self), name
        if key not in _CACHE:
            _CACHE[key] = self.parametrizations[name]()
        return _CACHE[key]

    return property(get, lambda self, value: self.parametrizations[name].right_inverse(value))


def type_before_parametrizations(module: Any) -> type:
    """Return the class that a module had before any of its tensors were computed."""
    cls = type(module)
    return cls.__bases__[0] if "_computed" in vars(cls) else cls


def computed(module: Any) -> dict[str, property]:
    """Return the tensors of a module that are computed whenever they are read."""
    return dict(vars(type(module)).get("_computed", {}))


def compute(module: Any, properties: dict[str, property]) -> None:
    """Give a module a class of its own with these properties, or the class it had before if there are none.

    The class is made anew instead of changed, since copies of the module have it too.
    """
    cls = type_before_parametrizations(module)
    if properties:
        name = f"Parametrized{cls.__name__}" if is_parametrized(module) else cls.__name__
        cls = type(name, (cls,), {"__module__": cls.__module__, "_computed": properties, **properties})
    object.__setattr__(module, "__class__", cls)


def is_parametrized(module: Any, tensor_name: str | None = None) -> bool:
    """Return whether a module has a parametrization, or one of this tensor."""
    found = module._modules.get("parametrizations")
    return found is not None and (len(found) > 0 if tensor_name is None else tensor_name in found)


def register_parametrization(module: Any, tensor_name: str, parametrization: Any, *, unsafe: bool = False) -> Any:
    """Let a tensor of a module be `parametrization(original)`, where the original is what is trained.

    Its name in the state dict becomes `parametrizations.NAME.original`, or `original0`, `original1`, … for a
    parametrization whose `right_inverse` gives several. Raises ValueError if the module has no such tensor, and, unless
    `unsafe`, if the result has another shape or dtype.

    >>> import chainrule.torch as torch
    >>> class Positive(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.exp()
    >>> layer = torch.nn.utils.parametrize.register_parametrization(torch.nn.Linear(2, 1), "weight", Positive())
    >>> bool((layer.weight > 0).all()), list(layer.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        chain = module.parametrizations[tensor_name]
        with no_grad():
            before = getattr(module, tensor_name)
            _check(parametrization, (before,), before, tensor_name, unsafe)
        chain.add_module(str(len(chain)), parametrization)
        if hasattr(parametrization, "right_inverse"):
            chain.right_inverse(before)
        return module
    original = module._parameters.get(tensor_name, module._buffers.get(tensor_name))
    if original is None:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    chain = ParametrizationList(parametrization, original, unsafe)
    with no_grad():
        _check(parametrization, tuple(chain.originals()), original, tensor_name, unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        module.add_module("parametrizations", ModuleDict())
    module.parametrizations[tensor_name] = chain
    compute(module, {**computed(module), tensor_name: _property(tensor_name)})
    return module


def _check(parametrization: Any, originals: tuple[Any, ...], before: Any, name: str, unsafe: bool) -> None:
    value = parametrization(*originals)
    if not isinstance(value, Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__} for {name!r}.")
    if not unsafe and (tuple(value.shape), value.dtype) != (tuple(before.shape), before.dtype):
        raise ValueError(
            f"Registering a parametrization may not change the shape or dtype of the tensor {name!r}: got "
            f"{list(value.shape)} {value.dtype}, expected {list(before.shape)} {before.dtype}; pass unsafe=True to "
            f"allow it"
        )


def remove_parametrizations(module: Any, tensor_name: str, leave_parametrized: bool = True) -> Any:
    """Make a parametrized tensor a plain one again: with its present value, or else with its original.

    Raises ValueError if the tensor is not parametrized, or if there are several originals and one is asked for.
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    chain = module.parametrizations[tensor_name]
    originals = chain.originals()
    if leave_parametrized:
        with no_grad():
            value = getattr(module, tensor_name).detach().clone()
        if chain.is_tensor and tuple(value.shape) == tuple(originals[0].shape):
            originals[0].data = value
            value = originals[0]
        else:
            value = _like(originals[0], value)
    elif chain.is_tensor:
        value = originals[0]
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    del module.parametrizations[tensor_name]
    if not len(module.parametrizations):
        del module.parametrizations
    compute(module, {name: each for name, each in computed(module).items() if name != tensor_name})
    if isinstance(value, Parameter):
        module.register_parameter(tensor_name, value)
    else:
        module.register_buffer(tensor_name, value)
    return module


__getattr__ = _lacking(__name__)
