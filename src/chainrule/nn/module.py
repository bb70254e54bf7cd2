"""`Module`: parameters, buffers and submodules, and the function that they define together.

A module is a pytree whose leaves are its parameters, each once, so `chainrule.grad(lambda m: loss(m(x)))(model)` is a
module of gradients. Transforms nest: if the parameters themselves require gradients, that module can be differentiated
again with `backward()`. If you do not need that, freeze the model with `requires_grad_(False)`, which is faster.
"""

import functools
from collections.abc import Callable, Iterator, Mapping
from reprlib import recursive_repr
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.traces.capturing import effect, forgetting, is_captured, running, state
from chainrule.core.traces.tape import check_real
from chainrule.core.tree import register

from .hooks import Hook, HookHandle, Hooks
from .parameter import Parameter

_CALL_INIT = "call super().__init__() first in its __init__"


class Mismatch(NamedTuple):
    """What `load_state_dict(strict=False)` skipped: names without a value, and values without a name."""

    missing: list[str]
    unexpected: list[str]


class Module:
    """The base of every layer and network: define `forward`, assign parameters and modules as attributes.

    Assigning a `Parameter` or a `Module` registers it under the attribute's name. Layers compute in their parameters'
    dtype: float64 data passed to a float32 layer are converted to float32, and the output is float32.

    >>> import numpy as np
    >>> from chainrule import nn
    >>> class Scale(nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = nn.Parameter(np.array(2.0))
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> model = Scale()
    >>> [name for name, _ in model.named_parameters()], model(3.0).item()
    (['factor'], 6.0)
    """

    training: bool
    """Whether the module is in training mode; `Dropout` and batch normalisation depend on it."""
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, "Module"]
    _transient: set[str]
    _hooks: Hooks | None = None
    _registries: ClassVar[tuple[str, ...]] = ("_parameters", "_buffers", "_modules")
    """The attributes under which a module keeps what is registered in it; a compiled function asks for them as well."""
    _bookkeeping: ClassVar[frozenset[str]] = frozenset({*_registries, "_transient", "_hooks"})
    """Those, and its other attributes that are none of the user's."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        register(cls, _take_apart, _put_together)

    def __init__(self) -> None:
        for registry in self._registries:
            self.__dict__[registry] = {}
        self.__dict__["_transient"] = set()
        self.training = True

    def forward(self, *args: Any, **kwargs: Any) -> Any:  # noqa: ARG002
        """Compute the output; every subclass defines its own, and calling the module calls it."""
        raise TypeError(f"{type(self).__name__}: has no forward method; define forward(self, x)")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return `forward(*args, **kwargs)`, and call the hooks."""
        if running.capture is not None:
            running.capture.enters(self)
        return self.forward(*args, **kwargs) if self._hooks is None else self._hooks.call(self, args, kwargs)

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        registry = "_parameters" if isinstance(value, Parameter) else "_modules" if isinstance(value, Module) else None
        if registry is None:
            self._set_plain(name, value)
            return
        if registry not in self.__dict__:
            raise AttributeError(f"{type(self).__name__}: cannot assign {name!r} yet; {_CALL_INIT}")
        if name not in self.__dict__[registry]:
            self._forget(name)
        self.__dict__[registry][name] = value
        changes.replaced += 1
        self._name_parameters(name, value)

    def _set_plain(self, name: str, value: Any) -> None:
        kept = next((r for r in self._registries if name in self.__dict__.get(r, ())), None)
        if kept is not None and value is not None:
            if kept != "_buffers":
                kind = kept[1:-1].capitalize()
                step = "; its values are replaced by `.data = array`" if kind == "Parameter" else ""
                raise TypeError(
                    f"{type(self).__name__}.{name}: got {type(value).__name__}, expected a {kind} or None{step}"
                )
            if is_captured(value):
                effect(functools.partial(_write_buffer, self._buffers, name), value, writes=[self._buffers[name]])
            else:
                _write_buffer(self._buffers, name, value)
            return
        items = value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ()
        if any(isinstance(item, Module | Parameter) for item in items):
            raise TypeError(
                f"{type(self).__name__}.{name}: a {type(value).__name__} hides modules and parameters, which would "
                f"not be trained; use nn.ModuleList or nn.Sequential, or an attribute for each"
            )
        self._forget(name)
        object.__setattr__(self, name, value)
        changes.replaced += 1

    def _forget(self, name: str) -> None:
        for registry in self._registries:
            self.__dict__.get(registry, {}).pop(name, None)
        self.__dict__.get("_transient", set()).discard(name)
        self.__dict__.pop(name, None)

    def _name_parameters(self, name: str, value: Any) -> None:
        """Name each new parameter by its path in this module, unless it already has a name."""
        if isinstance(value, Parameter):
            if value.name is None:
                value.rename(name)
            return
        for path, parameter in value.named_parameters():
            if parameter.name == path and isinstance(parameter, Parameter):
                parameter.rename(f"{name}.{path}")

    def __getattr__(self, name: str) -> Any:
        for registry in self._registries:
            found = self.__dict__.get(registry, {})
            if name in found:
                return state(found[name], (found, name)) if registry == "_buffers" else found[name]
        step = "" if "_parameters" in self.__dict__ else f"; {_CALL_INIT}"
        if name in ("cuda", "cpu", "mps"):
            step = f"; chainrule computes on the CPU: leave .{name}() out"
        elif name in ("half", "bfloat16"):
            step = "; convert it with .float(), .double() or .to(np.float16)"
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{step}")

    def __delattr__(self, name: str) -> None:
        if not any(name in self.__dict__.get(r, ()) for r in self._registries):
            object.__delattr__(self, name)
        self._forget(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for r in self._registries for name in self.__dict__.get(r, ()))})

    def register_buffer(self, name: str, value: Any, persistent: bool = True) -> None:
        """Register an array that belongs to the module but is not a parameter; it is saved if `persistent`.

        The attribute is a NumPy array, and assigning to it writes to that array.
        """
        if hasattr(self, name):
            raise ValueError(f"{type(self).__name__}: register_buffer: attribute {name!r} already exists")
        self._buffers[name] = np.array(value_of(value))
        if not persistent:
            self._transient.add(name)

    # Contents

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Yield the direct submodules of this module, with their names."""
        yield from self._modules.items()

    def children(self) -> Iterator["Module"]:
        """Yield the direct submodules of this module."""
        yield from self._modules.values()

    def named_modules(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """Yield this module and all below it, each once, with its path."""
        yield from self._walk(prefix, set())

    def _walk(self, path: str, seen: set[int]) -> Iterator[tuple[str, "Module"]]:
        if id(self) in seen:
            return
        seen.add(id(self))
        yield path, self
        for name, child in self._modules.items():
            yield from child._walk(f"{path}.{name}" if path else name, seen)

    def modules(self) -> Iterator["Module"]:
        """Yield this module and all below it, each once."""
        return (module for _, module in self.named_modules())

    def _named(self, registry: str, prefix: str = "") -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        for path, module in self.named_modules(prefix):
            for name, value in getattr(module, registry).items():
                if id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield all parameters, each once, with their paths: `layers.0.weight`."""
        return self._named("_parameters", prefix)

    def parameters(self) -> Iterator[Any]:
        """Yield all parameters, each once; pass them to an optimiser."""
        return (parameter for _, parameter in self.named_parameters())

    def named_buffers(self, prefix: str = "") -> Iterator[tuple[str, Any]]:
        """Yield all buffers, with their paths."""
        return self._named("_buffers", prefix)

    def buffers(self) -> Iterator[Any]:
        """Yield all buffers."""
        return (buffer for _, buffer in self.named_buffers())

    # State

    def _state(self) -> dict[str, Any]:
        transient = {
            f"{path}.{name}" if path else name for path, module in self.named_modules() for name in module._transient
        }
        kept = {name: buffer for name, buffer in self.named_buffers() if name not in transient}
        return {**dict(self.named_parameters()), **kept}

    def state_dict(self) -> dict[str, Any]:
        """Return copies of all parameters and persistent buffers by name, as plain NumPy arrays.

        >>> from chainrule import nn
        >>> {name: array.shape for name, array in nn.Linear(4, 3).state_dict().items()}
        {'weight': (4, 3), 'bias': (3,)}
        """
        return {name: np.array(value_of(value)) for name, value in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any], strict: bool = True) -> Mismatch:
        """Copy the arrays of a `state_dict` into the parameters and buffers, in place; all of them or none.

        Floating-point values are rounded to the dtype they are written to. Without `strict`, names that only one side
        has are skipped and returned.

        Raises ValueError for missing or unexpected names and for a wrong shape, TypeError for a wrong kind of dtype; in
        that case nothing is written.
        """
        what = f"{type(self).__name__}.load_state_dict"
        if not isinstance(state, Mapping):
            raise TypeError(f"{what}: expected a dict of arrays, got {type(state).__name__}")
        targets = self._state()
        mismatch = Mismatch([n for n in targets if n not in state], [n for n in state if n not in targets])
        if strict and any(mismatch):
            parts = [f"{kind} {', '.join(names)}" for kind, names in mismatch._asdict().items() if names]
            raise ValueError(f"{what}: {'; '.join(parts)}; pass strict=False to load the rest")
        new = {name: _converted(f"{what}: {name}", state[name], targets[name]) for name in targets if name in state}
        for name, array in new.items():
            value_of(targets[name])[...] = array
            if isinstance(targets[name], Tensor):
                targets[name].mark_changed()
        return mismatch

    # Changing the whole module

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode, or into evaluation mode with `mode=False`."""
        if not isinstance(mode, bool):
            raise TypeError(f"{type(self).__name__}.train: expected True or False, got {type(mode).__name__}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients, or set those that exist to zero."""
        if set_to_none:
            forgetting(self.parameters())
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else np.zeros(parameter.shape, parameter.dtype)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch the gradients of all parameters on, or off to freeze them."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def to(self, dtype: Any) -> Self:
        """Convert all parameters and floating-point buffers, in place; the module then computes in this dtype."""
        if isinstance(dtype, str) and dtype.partition(":")[0] in ("cpu", "cuda", "mps"):
            raise TypeError(
                f"{type(self).__name__}.to: got the device {dtype!r}, expected a dtype; chainrule computes on the CPU: "
                f"leave .to({dtype!r}) out"
            )
        dtype = np.dtype(dtype)
        check_real(f"{type(self).__name__}.to", dtype)
        for parameter in self.parameters():
            parameter.convert(dtype)
        for module in self.modules():
            for name, buffer in module._buffers.items():
                if buffer.dtype.kind == "f":
                    module._buffers[name] = buffer.astype(dtype)
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self.to(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self.to(np.float64)

    def apply(self, function: Callable[["Module"], Any]) -> Self:
        """Call `function` on every module, submodules first, and return this module."""
        for module in reversed(list(self.modules())):
            function(module)
        return self

    # Hooks

    def register_forward_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(module, args, output)` after each `forward`; a result other than None replaces the output.

        `args` are the positional arguments. Remove the hook with the returned handle's `remove()`, or use the handle in
        a `with` block.

        >>> import numpy as np
        >>> from chainrule import nn
        >>> layer = nn.Linear(4, 3)
        >>> with layer.register_forward_hook(lambda module, args, output: print(output.shape)):
        ...     _ = layer(np.zeros((2, 4)))
        (2, 3)
        """
        return HookHandle(self._own_hooks().forward, hook)

    def register_full_backward_hook(self, hook: Hook) -> HookHandle:
        """Call `hook(module, grad_input, grad_output)` in each backward pass, once the inputs' gradients are known.

        `grad_output` has one gradient for each output that depends on a tensor with a gradient, `grad_input` one for
        each positional argument, which is None if the argument has no gradient or is not a tensor. The hook may return
        new gradients, which replace `grad_input`. In a first-order pass gradients are plain arrays.

        >>> import chainrule as cr
        >>> from chainrule import nn
        >>> layer = nn.Linear(4, 3)
        >>> handle = layer.register_full_backward_hook(lambda module, grad_input, grad_output: print(grad_output[0]))
        >>> layer(cr.zeros(1, 4)).sum().backward()
        [[1. 1. 1.]]
        """
        return HookHandle(self._own_hooks().backward, hook)

    def _own_hooks(self) -> Hooks:
        if self._hooks is None:
            object.__setattr__(self, "_hooks", Hooks())
        assert self._hooks is not None
        return self._hooks

    # Display

    def extra_repr(self) -> str:
        """Return the text between the parentheses of the module's `repr`."""
        return ""

    def _class_name(self) -> str:
        """Return the name of the class to show; a module that stands for one of another library gives that one's."""
        return type(self).__name__

    @recursive_repr()
    def __repr__(self) -> str:
        name, extra = self._class_name(), self.extra_repr()
        if not self._modules:
            return f"{name}({extra})"
        lines = [extra] if extra else []
        lines += [f"({key}): {child!r}" for key, child in self._modules.items()]
        return "\n  ".join([f"{name}(", *(line.replace("\n", "\n  ") for line in lines)]) + "\n)"

    # As a pytree

    def _with(self, replaced: Mapping[int, Any], copies: dict[int, "Module"]) -> "Module":
        """Return this module with other parameters; everything else is shared, including the buffers' arrays."""
        if id(self) not in copies:
            copy = copies[id(self)] = object.__new__(type(self))
            copy.__dict__.update(self.__dict__)
            copy.__dict__["_parameters"] = {name: replaced[id(p)] for name, p in self._parameters.items()}
            copy.__dict__["_modules"] = {name: child._with(replaced, copies) for name, child in self._modules.items()}
        return copies[id(self)]


class _Skeleton:
    """A module without its parameters' values: its structure in a pytree."""

    def __init__(self, module: Module) -> None:
        self.module = module

    def _key(self) -> tuple[Any, ...]:
        modules = tuple((path, type(module)) for path, module in self.module.named_modules())
        return modules, tuple(name for name, _ in self.module.named_parameters())

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Skeleton) and (self.module is other.module or self._key() == other._key())

    def __hash__(self) -> int:
        return hash(self._key())

    def __repr__(self) -> str:
        return type(self.module).__name__


def _take_apart(module: Module) -> tuple[list[Any], _Skeleton, list[str]]:
    named = dict(module.named_parameters())
    return list(named.values()), _Skeleton(module), list(named)


def _put_together(skeleton: _Skeleton, parameters: Any) -> Module:
    replaced = {id(old): new for old, new in zip(skeleton.module.parameters(), parameters, strict=True)}
    return skeleton.module._with(replaced, {})


def _write_buffer(buffers: dict[str, Any], name: str, value: Any) -> None:
    # In place, because the copy of a module that a transform works on shares its buffers with the module itself.
    old, new = buffers[name], np.asarray(value_of(value))
    if old.shape == new.shape and old.dtype == new.dtype:
        old[...] = new
    else:
        buffers[name] = np.array(new)


def _converted(what: str, value: Any, like: Any) -> Any:
    """Return a value of a state as an array that can be written to `like`."""
    array = np.asarray(value_of(value))
    if array.shape != like.shape:
        raise ValueError(f"{what}: expected shape {list(like.shape)}, got {list(array.shape)}")
    if array.dtype.kind != like.dtype.kind:
        raise TypeError(f"{what}: expected dtype {like.dtype}, got {array.dtype}; convert it first with .astype")
    try:
        with np.errstate(over="raise"):
            return array.astype(like.dtype)
    except FloatingPointError:
        raise ValueError(f"{what}: has values too large for {like.dtype}; use .to({array.dtype}) first") from None
