"""`to_torch` and `from_torch`: conversion of models between the two libraries."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from chainrule import nn
from chainrule.base.optional import needed
from chainrule.core.random import default_generator

from . import layers as torch_layers
from .arrays import Torch
from .composites import block_from_torch, block_to_torch
from .pairs import PAIRS, Pair, identical, made_from_torch, made_to_torch
from .state import StateName, entries, load_state_dict, reached

WRAPPERS = {"DistributedDataParallel": "module", "DataParallel": "module", "OptimizedModule": "_orig_mod"}
"""Modules that hold another, and where."""


def to_torch(model: nn.Module, wrap: bool = False) -> Torch:
    """Return a chainrule model as a `torch.nn.Module` with copies of its parameters and buffers.

    Outputs and gradients agree up to rounding. Names (those of `state_dict`), dtypes, training or evaluation mode,
    frozen parameters, and shared modules and parameters are kept. It converts the layers that both libraries have, in
    any nesting of `Sequential`, `ModuleList` and `Residual`; a `TransformerBlock` becomes a `TransformerEncoderLayer`,
    called as PyTorch's, and a `MultiheadAttention` a subclass of PyTorch's that is called as chainrule's and returns
    one tensor. The random state of both libraries is unchanged; dropout draws PyTorch's numbers.

    With `wrap`, a layer that PyTorch does not have, or a module of your own, becomes one that holds its parameters for
    PyTorch and computes by chainrule, on the CPU. It may have no buffers; all in it is in one mode.

    Raises TypeError, with its place, for such a module without `wrap`, ValueError for a setting that does not exist in
    PyTorch.

    >>> import torch, numpy as np
    >>> from chainrule import nn
    >>> model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    >>> x = np.ones((2, 4), np.float32)
    >>> np.allclose(to_torch(model)(torch.tensor(x)).detach(), model(x).numpy(), atol=1e-6)
    True
    """
    needed("torch", "to_torch")
    if not isinstance(model, nn.Module):
        raise TypeError(f"to_torch: expected a module of chainrule.nn, got {type(model).__name__}")
    made = _ToTorch(wrap).module(model, "")
    _share_in_torch(model, made)
    return made


def from_torch(module: Torch, inputs: Any = None, trace: bool = False) -> nn.Module:
    """Return a `torch.nn.Module` as a chainrule model with copies of its parameters and buffers.

    Layers that both libraries have become chainrule's, in any nesting of containers: the inverse of `to_torch`, which
    says what is converted and kept. `torch.nn.Identity` becomes an empty `Sequential`. A `MultiheadAttention` returns
    its output alone. A Softplus with PyTorch's threshold, 20, differs from ours by at most 2e-9 beyond it.

    Any other model is converted by tracing if `inputs` are given, an example of its arguments: one array or tensor, a
    tuple of them, or a dict of keyword arguments. PyTorch (`torch.export`) runs `forward` once and records each
    operator; the returned `TracedModule` runs them as chainrule operations. It takes inputs of the example's shapes;
    the first axis may have another length if it is longer than 1 in the example and the model allows it. Its parameters
    have PyTorch's names and layout. A model in training mode is traced in both modes, one in evaluation mode only in
    that mode. Its results at the example are compared with PyTorch's. With `trace`, it is traced even if all its layers
    are known.

    Raises TypeError, with its place, for a layer, a module of your own or an operator that chainrule does not have, and
    for a model that PyTorch cannot trace; ValueError for a setting that does not exist here.

    >>> import torch
    >>> from_torch(torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Tanh()))
    Sequential(
      (0): Linear(in_features=4, out_features=8, bias=True)
      (1): Tanh()
    )
    """
    torch = needed("torch", "from_torch")
    if not isinstance(module, torch.nn.Module):
        raise TypeError(f"from_torch: expected a torch.nn.Module, got {type(module).__name__}")
    if trace and inputs is None:
        raise TypeError("from_torch: trace=True runs the model once; pass an example, from_torch(module, inputs, True)")
    if trace:
        return _traced(module, inputs)
    try:
        with _random_state_kept():
            made = _FromTorch(torch).module(module, "")
    except (TypeError, ValueError) as error:
        if inputs is None:
            raise _with_hint(error) from None
    else:
        _share_here(module, made)
        return made
    return _traced(module, inputs)  # here, so that an error of the module is not one "during" the other


def _with_hint(error: Exception) -> Exception:
    if "this wraps a module" in str(error):
        return error
    return type(error)(f"{error}; or pass an example of its inputs, from_torch(module, inputs), to trace it")


def _traced(module: Torch, inputs: Any) -> nn.Module:
    from .traced.from_module import by_tracing  # its operators take a moment to import

    return by_tracing(module, inputs)


@contextmanager
def _random_state_kept() -> Iterator[None]:
    """Restore the random state after layers have drawn initial values, which are replaced here."""
    generator = default_generator().bit_generator
    before = generator.state
    try:
        yield
    finally:
        generator.state = before


def place(path: str, module: Any) -> str:
    """Describe which module of a model an error is about."""
    return f"{path or 'the model'} ({type(module).__name__})"


class _ToTorch:
    """One conversion; a module that occurs again gives the same converted module."""

    def __init__(self, wrap: bool) -> None:
        self.torch, self.wrap = needed("torch", "to_torch"), wrap
        self.found: dict[int, tuple[nn.Module, Torch]] = {}

    def module(self, module: nn.Module, path: str) -> Torch:
        if id(module) not in self.found:
            self._check_hooks(module, path)
            made = self._made(module, path)
            made.training = module.training
            self.found[id(module)] = module, made  # kept as long as its number stands for it
        return self.found[id(module)][1]

    def _made(self, module: nn.Module, path: str) -> Torch:
        if _is_container(module):
            children = {name: self.module(child, _join(path, name)) for name, child in module.named_children()}
            return self._container(module, children)
        if type(module) is nn.Residual:
            return torch_layers.Residual(self.module(module.inner, _join(path, "inner")))
        if type(module) is nn.TransformerBlock:
            what = f"to_torch: {place(path, module)}"
            return block_to_torch(module, what, lambda part, name: self.module(part, _join(path, name)))
        pair = PAIRS.get(type(module).__name__)
        if pair is None or type(module) is not pair.ours:
            return self._wrapped(module, path)
        return made_to_torch(pair, module, f"to_torch: {place(path, module)}")

    def _wrapped(self, module: nn.Module, path: str) -> Torch:
        if not self.wrap:
            raise TypeError(
                f"to_torch: {place(path, module)}: PyTorch has no such layer; write it as a torch.nn.Module and fill "
                "it from chainrule.interop.torch.state_dict(model), or pass wrap=True to run it as it is inside PyTorch"
            )
        if any(True for _ in module.buffers()):
            raise ValueError(
                f"to_torch: {place(path, module)}: has buffers, which PyTorch would not know of; write it as a "
                "torch.nn.Module and fill it from chainrule.interop.torch.state_dict(model)"
            )
        wrapped: Torch = torch_layers.Wrapped(copy.deepcopy(module))
        return wrapped

    def _container(self, module: nn.Module, children: dict[str, Torch]) -> Torch:
        made = (self.torch.nn.Sequential if isinstance(module, nn.Sequential) else self.torch.nn.ModuleList)()
        for name, child in children.items():
            made.add_module(name, child)
        return made

    def _check_hooks(self, module: nn.Module, path: str) -> None:
        hooks = module._hooks
        if hooks is not None and (hooks.forward or hooks.backward):
            raise ValueError(f"to_torch: {place(path, module)}: has hooks, which are Python code; remove them first")


def _is_container(module: nn.Module) -> bool:
    """Whether a module only holds others, and a class of the user's did not change what it does with them."""
    kinds = (nn.Sequential, nn.ModuleList)
    plain = any(isinstance(module, cls) and type(module).forward is cls.forward for cls in kinds)
    return plain and not module._parameters and not module._buffers


class _FromTorch:
    """One conversion, the other way."""

    def __init__(self, torch: Any) -> None:
        self.torch = torch
        self.found: dict[int, tuple[Torch, nn.Module]] = {}

    def module(self, module: Torch, path: str) -> nn.Module:
        if id(module) not in self.found:
            self._check_hooks(module, path)
            made = self._made(module, path)
            made.training = module.training
            self.found[id(module)] = module, made  # kept as long as its number stands for it
        return self.found[id(module)][1]

    def _made(self, module: Torch, path: str) -> nn.Module:
        if container := self._container(module):
            # named_children() would skip a module that occurs a second time.
            children = {name: self.module(child, _join(path, name)) for name, child in module._modules.items()}
            made: nn.Module = container(children)
            return made
        if type(module) is self.torch.nn.Identity:
            return nn.Sequential()
        if type(module) is torch_layers.Residual:
            return nn.Residual(self.module(module.inner, _join(path, "inner")))
        if type(module) is torch_layers.Wrapped:
            return self._unwrapped(module)
        what = f"from_torch: {place(path, module)}"
        if type(module) is self.torch.nn.TransformerEncoderLayer:
            return block_from_torch(module, what, lambda part, name: self.module(part, _join(path, name)))
        pair = PAIRS.get(type(module).__name__)
        if pair is None or not self._is_of(module, pair):
            if inner := WRAPPERS.get(type(module).__name__):
                raise TypeError(f"{what}: this wraps a module; pass module.{inner}")
            raise TypeError(
                f"{what}: chainrule.nn has no such layer; write it as a chainrule module with the same names of "
                "attributes, fill it by chainrule.interop.torch.load_state_dict, or call it from chainrule with "
                "from_torch_function"
            )
        return made_from_torch(pair, module, what)

    def _container(self, module: Torch) -> Any:
        """Return a constructor of the container from its children, or None if the module does more than hold them."""
        forward = type(module).forward
        if module._parameters or module._buffers:
            return None
        if forward is self.torch.nn.Sequential.forward:
            return nn.Sequential
        if isinstance(module, self.torch.nn.ModuleList) and forward is self.torch.nn.Module.forward:
            return lambda children: nn.ModuleList(children.values())
        return None

    def _is_of(self, module: Torch, pair: Pair) -> bool:
        return type(module) in (getattr(self.torch.nn, pair.name), getattr(torch_layers, pair.name, None))

    def _unwrapped(self, module: Torch) -> nn.Module:
        made: nn.Module = copy.deepcopy(module.chainrule_module)
        load_state_dict(made, module.state_dict())
        return made.train(module.training)

    def _check_hooks(self, module: Torch, path: str) -> None:
        if any(getattr(module, f"_{kind}_hooks") for kind in ("forward_pre", "forward", "backward", "backward_pre")):
            raise ValueError(
                f"from_torch: {place(path, module)}: has hooks, which are Python code; remove them first "
                "(torch.nn.utils.remove_weight_norm, handle.remove())"
            )


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


# Parameters: which are frozen, and which are shared

_SEPARATE = "give each its own first, with a copy of the values"


def _share_in_torch(model: nn.Module, made: Torch) -> None:
    """Freeze and share the same parameters as in the chainrule model."""
    first: dict[int, StateName] = {}
    there = dict(made.named_parameters(remove_duplicate=False))
    for entry in entries(model):
        if entry.theirs not in there or not entry.ours:
            continue
        identical("to_torch", entry)
        made.get_parameter(entry.theirs).requires_grad_(entry.values[0].requires_grad)
        parts = list(map(id, entry.values))
        for part in parts:
            other = first.setdefault(part, entry)
            if list(map(id, other.values)) != parts or len(set(parts)) < len(parts):
                raise ValueError(f"to_torch: {other.theirs} and {entry.theirs} share a part only; {_SEPARATE}")
        other = first[parts[0]]
        if other.theirs != entry.theirs:
            _check_layouts("to_torch", other, entry)
            _put(made, entry.theirs, made.get_parameter(other.theirs))


def _share_here(module: Torch, made: nn.Module) -> None:
    """Freeze and share the same parameters as in the PyTorch model."""
    first: dict[int, StateName] = {}
    parameters = dict(module.named_parameters(remove_duplicate=False))
    for entry in entries(made):
        if entry.theirs not in parameters:
            continue
        parameter = parameters[entry.theirs]
        for value in entry.values:
            value.requires_grad_(parameter.requires_grad)
        other = first.setdefault(id(parameter), entry)
        if other.theirs != entry.theirs:
            _check_layouts("from_torch", other, entry)
            for path, other_path in zip(entry.ours, other.ours, strict=True):
                _put(made, path, reached(made, other_path))


def _check_layouts(what: str, one: StateName, other: StateName) -> None:
    if one.layout is not other.layout or len(one.ours) != len(other.ours):
        raise ValueError(
            f"{what}: {one.theirs} and {other.theirs} are one parameter, which the other library holds in two layouts; "
            f"{_SEPARATE}"
        )


def _put(module: Any, path: str, value: Any) -> None:
    *way, name = path.split(".")
    setattr(reached(module, ".".join(way)) if way else module, name, value)
