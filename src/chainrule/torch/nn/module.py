"""`Module`: PyTorch's, with its registries, its state dicts and its hooks."""

from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, Self

import numpy as np

from chainrule.core.memory.changes import changes
from chainrule.core.tensor import Tensor as Engine
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import forgetting

from ..autograd.hooks import RemovableHandle
from ..dtypes import dtype, numpy_dtype
from ..face import Tensor, unwrapped, values_of, wrapped
from ..writing import assign
from .adapted import adapted, faced, set_mode
from .hooks import Hooks, added
from .parameter import Buffer, Parameter
from .registry import Registry
from .state_hooks import StateHooks, without_hooks


class IncompatibleKeys(NamedTuple):
    """What `load_state_dict` returns."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return f"IncompatibleKeys(missing_keys={self.missing_keys}, unexpected_keys={self.unexpected_keys})"


REGISTRIES = ("_parameters", "_buffers", "_modules")


class Module(StateHooks):
    """The base of every network: define `forward`, assign parameters and modules as attributes.

    >>> import chainrule.torch as torch
    >>> class Scale(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = torch.nn.Parameter(torch.tensor(2.0))
    ...
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> Scale()(torch.tensor(3.0)).item()
    6.0
    """

    training: bool
    _parameters: dict[str, Any]
    _buffers: dict[str, Any]
    _modules: dict[str, Any]
    _transient: set[str]
    _hooks: Hooks

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        object.__setattr__(self, "training", True)
        for name in REGISTRIES:
            object.__setattr__(self, name, Registry())
        object.__setattr__(self, "_transient", set())
        object.__setattr__(self, "_hooks", Hooks())

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Compute the output; every subclass defines its own."""
        raise TypeError(f'Module [{type(self).__name__}] is missing the required "forward" function')

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Return `forward(*args, **kwargs)`, and call the hooks."""
        hooks = self._hooks
        if hooks.before or hooks.after or hooks.backward:
            return hooks.call(self, args, kwargs)
        return self.forward(*args, **kwargs)

    def __chainrule__(self) -> Any:
        """Return this module as one of the engine's."""
        return adapted(self)

    __chainrule_face__ = staticmethod(faced)

    # Attributes

    def __setattr__(self, name: str, value: Any) -> None:
        changes.settings += 1
        registry = None
        if isinstance(value, Parameter):
            registry = "_parameters"
        elif isinstance(value, Module):
            registry = "_modules"
        elif isinstance(value, Buffer):
            registry = "_buffers"
        if registry is not None:
            if registry not in self.__dict__:
                raise AttributeError(f"cannot assign {registry[1:-1]} before Module.__init__() call")
            self.__dict__.pop(name, None)
            for other in REGISTRIES:
                if other != registry:
                    self.__dict__[other].pop(name, None)
            self.__dict__[registry][name] = value  # one that is replaced keeps its place in the order
            return
        for table in REGISTRIES:
            kept = self.__dict__.get(table)
            if kept is not None and name in kept:
                if value is None or (table == "_buffers" and isinstance(value, Tensor)):
                    kept[name] = value
                    return
                kind = {"_parameters": "torch.nn.Parameter", "_buffers": "torch.Tensor", "_modules": "torch.nn.Module"}
                raise TypeError(
                    f"cannot assign '{type(value).__name__}' as {table[1:-1]} '{name}' ({kind[table]} or None expected)"
                )
        object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for table in REGISTRIES:
            found = self.__dict__.get(table, {})
            if name in found:
                return found[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __delattr__(self, name: str) -> None:
        changes.settings += 1
        for table in REGISTRIES:
            if name in self.__dict__.get(table, {}):
                del self.__dict__[table][name]
                self._transient.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *(name for table in REGISTRIES for name in self.__dict__[table])})

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """Register a tensor that belongs to the state without being trained; it is saved if `persistent`."""
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(
                f"cannot assign '{type(tensor).__name__}' object to buffer '{name}' (torch Tensor or None required)"
            )
        if hasattr(self, name) and name not in self._buffers:
            raise KeyError(f"attribute '{name}' already exists")
        self._buffers[name] = tensor
        if persistent:
            self._transient.discard(name)
        else:
            self._transient.add(name)

    def register_parameter(self, name: str, param: Any) -> None:
        """Register a parameter, or None for one that is left out."""
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{type(param).__name__}' object to parameter '{name}' "
                f"(torch.nn.Parameter or None required)"
            )
        self.__dict__.pop(name, None)
        self._parameters[name] = param

    def register_module(self, name: str, module: Any) -> None:
        """Register a submodule."""
        self._modules[name] = module

    add_module = register_module

    # Contents

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """Yield the direct submodules with their names."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def children(self) -> Iterator["Module"]:
        """Yield the direct submodules."""
        return (module for _, module in self.named_children())

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """Yield this module and all below it, with their paths."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        if remove_duplicate:
            memo.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator["Module"]:
        """Yield this module and all below it."""
        return (module for _, module in self.named_modules())

    def _named(
        self, table: str, prefix: str, recurse: bool, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate) if recurse else [(prefix, self)]
        for path, module in modules:
            for name, value in getattr(module, table).items():
                if value is not None and not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield all parameters, each once, with their paths."""
        return self._named("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Any]:
        """Yield all parameters, each once."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """Yield all buffers with their paths."""
        return self._named("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """Yield all buffers."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def get_submodule(self, target: str) -> Any:
        """Return the module at a path."""
        module: Any = self
        for part in target.split(".") if target else ():
            module = getattr(module, part)
        return module

    def get_parameter(self, target: str) -> Any:
        """Return the parameter at a path."""
        path, _, name = target.rpartition(".")
        return getattr(self.get_submodule(path), name)

    get_buffer = get_parameter

    # State

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Return parameters and persistent buffers by name; their values are shared, not copied."""
        found: dict[str, Any] = OrderedDict() if destination is None else destination
        self._begin_state(prefix, keep_vars)
        for name, value in self._parameters.items():
            if value is not None:
                found[prefix + name] = value if keep_vars else value.detach()
        for name, value in self._buffers.items():
            if value is not None and name not in self._transient:
                found[prefix + name] = value if keep_vars else value.detach()
        for name, module in self._modules.items():
            if module is not None:
                module.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return self._end_state(found, prefix)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Copy the tensors of a state dict into parameters and buffers; also PyTorch's tensors, and arrays.

        Raises RuntimeError for missing or unexpected names and for wrong shapes; nothing is written then.
        """
        state_dict, modules = OrderedDict(state_dict), list(self.named_modules())
        missing, unexpected, problems = [], [], []  # type: tuple[list[str], list[str], list[str]]
        for path, module in modules:
            prefix = f"{path}." if path else ""
            if hasattr(module, "initialize_from"):
                module.initialize_from(state_dict, prefix)
            module._begin_load(state_dict, prefix, strict, missing, unexpected, problems)
        with without_hooks():
            targets = self.state_dict(keep_vars=True)
        missing += [name for name in targets if name not in state_dict]
        unexpected += [name for name in state_dict if name not in targets]
        new = {}
        for name in (name for name in targets if name in state_dict):
            array, shape = _array(state_dict[name]), tuple(targets[name].shape)
            if array.shape != shape and not (array.shape == (1,) and shape == ()):
                problems.append(
                    f"size mismatch for {name}: copying a param with shape {list(array.shape)} from checkpoint, the "
                    f"shape in current model is {list(shape)}."
                )
            new[name] = array
        loaded, after = IncompatibleKeys(missing, unexpected), [m for _, m in reversed(modules) if m._hooks.after_load]
        if after and not problems:  # hooks see what was loaded, and may say that nothing is missing
            self._load(targets, new, after, loaded)
        for kind, names in (("Missing", missing), ("Unexpected", unexpected)) if strict else ():
            if names:
                problems.insert(0, f"{kind} key(s) in state_dict: " + ", ".join(f'"{name}"' for name in names) + ".")
        if problems:
            raise RuntimeError(f"Error(s) in loading state_dict for {type(self).__name__}:\n\t" + "\n\t".join(problems))
        if not after:
            self._load(targets, new, after, loaded)
        return loaded

    @staticmethod
    def _load(targets: dict[str, Any], new: dict[str, Any], after: list["Module"], loaded: Any) -> None:
        for name, array in new.items():
            _write(targets[name], array.reshape(tuple(targets[name].shape)))
        for module in after:
            for hook in list(module._hooks.after_load.values()):
                hook(module, loaded)

    # Changing the whole module

    def train(self, mode: bool = True) -> Self:
        """Put this module and all below it into training mode, or into evaluation mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        set_mode(self, mode)
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> Self:
        """Put this module and all below it into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch the gradients of all parameters on or off."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Clear all gradients, or set them to zero."""
        forgetting([parameter._x for parameter in self.parameters()])
        for parameter in self.parameters():
            if parameter.grad is not None:
                parameter.grad = None if set_to_none else wrapped(np.zeros(tuple(parameter.shape), parameter._x.dtype))

    def apply(self, fn: Callable[["Module"], Any]) -> Self:
        """Call a function on every module, submodules first."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """Convert all floating-point parameters and buffers to a dtype, in place; there is one device, the CPU.

        On PyTorch's device "meta" a module has no values, and is used for its structure by `func.functional_call`;
        here it keeps them.
        """
        if "meta" in (*map(str, args[:1]), str(kwargs.get("device"))):
            args, kwargs = args[1:], {key: value for key, value in kwargs.items() if key != "device"}
        target = kwargs.get("dtype")
        probe = wrapped(np.zeros(1, np.float32)).to(*args, **{k: v for k, v in kwargs.items() if k != "dtype"})
        if target is None and any(isinstance(one, dtype | Tensor) for one in args):
            target = probe.dtype
        return self if target is None else self._converted(target)

    def _converted(self, target: Any) -> Self:
        kind = numpy_dtype(target)
        if kind.kind != "f":
            raise TypeError(
                f"nn.Module.to only accepts floating point or complex dtypes, but got desired dtype={target}"
            )
        for module in self.modules():
            for parameter in module._parameters.values():
                if parameter is not None and isinstance(parameter._x, Engine):
                    parameter._x.convert(kind)
            for name, buffer in module._buffers.items():
                if buffer is not None and buffer.is_floating_point():
                    module._buffers[name] = wrapped(buffer._x.astype(kind))
        return self

    def float(self) -> Self:
        """Convert to float32."""
        return self._converted(np.float32)

    def double(self) -> Self:
        """Convert to float64."""
        return self._converted(np.float64)

    def half(self) -> Self:
        """Convert to float16."""
        return self._converted(np.float16)

    def type(self, dst_type: Any) -> Self:
        """Convert to a dtype."""
        return self._converted(dst_type)

    def cpu(self) -> Self:
        """Return the module: it is on the CPU."""
        return self

    def cuda(self, device: Any = None) -> Self:
        """Refused: there is no GPU here."""
        raise RuntimeError("cuda: chainrule computes on the CPU; leave .cuda() out, or use .to(device) with 'cpu'")

    def share_memory(self) -> Self:
        """Return the module; its memory belongs to this process."""
        return self

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """Leave the module as it is; `torch.compile(module)` returns a compiled one."""

    # Hooks

    def register_forward_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False, always_call: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args, output)` after each forward pass; a result replaces the output."""
        handle = added(self._hooks.after, hook, prepend)
        if with_kwargs:
            self._hooks.with_kwargs.add(handle.id)
        return handle

    def register_forward_pre_hook(
        self, hook: Any, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call `hook(module, args)` before each forward pass; a result replaces the arguments."""
        handle = added(self._hooks.before, hook, prepend)
        if with_kwargs:
            self._hooks.with_kwargs.add(handle.id)
        return handle

    def register_full_backward_hook(self, hook: Any, prepend: bool = False) -> RemovableHandle:
        """Call `hook(module, grad_input, grad_output)` in each backward pass; a result replaces `grad_input`."""
        return added(self._hooks.backward, hook, prepend)

    register_backward_hook = register_full_backward_hook

    @property
    def _forward_hooks(self) -> dict[int, Any]:
        return self._hooks.after

    @property
    def _forward_pre_hooks(self) -> dict[int, Any]:
        return self._hooks.before

    @property
    def _backward_hooks(self) -> dict[int, Any]:
        return self._hooks.backward

    # Text

    def extra_repr(self) -> str:
        """Return what the text of the module says between its parentheses."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = []
        for name, module in self._modules.items():
            text = repr(module).replace("\n", "\n  ")
            children.append(f"({name}): {text}")
        if not children:
            return (
                f"{self._get_name()}({', '.join(lines)})"
                if len(lines) < 2
                else (f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)")
            )
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


def _array(value: Any) -> Any:
    """Return a value of a state dict, ours or PyTorch's, as an array."""
    if isinstance(value, Tensor):
        return values_of(value)
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    return np.asarray(value_of(unwrapped(value)))


def _write(target: Tensor, array: Any) -> None:
    if isinstance(target._x, Engine) and target.requires_grad:
        target.data = wrapped(array.astype(target._x.dtype))
    else:
        assign(target, "load_state_dict", array.copy(), unsafe=True)
