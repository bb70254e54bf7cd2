"""Conversion of a PyTorch model to a `TracedModule`, via its graph."""

import copy
import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.core.tensor import Tensor, value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.interop.torch.arrays import array_of, check_torch_tensor
from chainrule.nn import Parameter

from .graph import Graph
from .inputs import Input, by_name, signature_of
from .module import TracedModule
from .reading import graph_of, type_of, unknown_output
from .tracing import Traced, TracingError, functions_of_users, run_once, traced

Torch = Any

CLOSE = {"float64": 1e-6, "float32": 1e-2, "float16": 1e-1, "complex128": 1e-6, "complex64": 1e-2}
"""How far outputs may be from PyTorch's, relative to the largest: a wrong operator is farther, rounding nearer."""


def by_tracing(module: Torch, inputs: Any) -> TracedModule:
    """Trace a model at example inputs and return it as a graph of operators, checked against PyTorch's own outputs.

    A model in training mode is traced in both modes; a model in evaluation mode only in that mode.

    Raises TypeError if an operator is not supported or the model cannot be traced; ValueError if an operator cannot be
    run, or if the result differs from PyTorch's.
    """
    args, settings = arguments(inputs)
    _check_hooks(module)
    names = signature_of(module.forward)
    graphs: dict[bool, Graph] = {}
    functions: dict[bool, list[str]] = {}
    pattern: Mapping[str, Any] = {}
    for training in [True, False] if module.training else [False]:
        with _in_mode(module, training):
            outputs = run_once(module, args, settings)
            _check_outputs(module, outputs)
            functions[training] = functions_of_users(outputs)
            trace = _traced(module, args, settings)
        graphs[training] = graph_of(trace, module)
        if not pattern or not training:
            pattern = _pattern(trace, by_name(names, args, settings))
    made = TracedModule(type(module).__name__, graphs, names, pattern)
    _fill(made, module)
    made.train(module.training)
    _verify(made, module, args, settings)
    for training, names_of_functions in functions.items():
        if names_of_functions and not _same_gradients(made, module, args, settings, training):
            raise TypeError(
                f"from_torch: {type(module).__name__}: runs the torch.autograd.Function {names_of_functions[0]}, whose "
                "backward is not the derivative of its forward, which is all that a trace shows; write this part as a "
                "chainrule module that calls from_torch_function(Function.apply)"
            )
    return made


def _traced(module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    try:
        return traced(module, args, settings)
    except TracingError as error:
        raise TypeError(
            f"from_torch: {type(module).__name__}: PyTorch cannot trace it: {error}; let the code of forward not "
            "depend on values of tensors, or write it as a chainrule module and load its parameters by load_state_dict"
        ) from error


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return example inputs (a tensor, a tuple or list of them, or a dict) as positional and keyword arguments."""
    if isinstance(inputs, Mapping):
        return (), {str(name): _in_torch(value) for name, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(map(_in_torch, inputs)), {}
    return (_in_torch(inputs),), {}


def _in_torch(x: Any) -> Any:
    """Convert arrays, at any depth, to PyTorch tensors that do not require gradients."""
    torch = needed("torch", "from_torch")
    if isinstance(x, torch.Tensor):
        return x.detach()
    if isinstance(x, Tensor | np.ndarray | np.generic):
        return torch.from_numpy(np.array(value_of(x)))
    if isinstance(x, Mapping):
        return {name: _in_torch(value) for name, value in x.items()}
    if type(x) in (tuple, list):
        return type(x)(map(_in_torch, x))
    return x


def _is_dataclass(x: Any) -> bool:
    """Whether something is an object of a dataclass."""
    return dataclasses.is_dataclass(x) and not isinstance(x, type)


@contextmanager
def _in_mode(module: Torch, training: bool) -> Iterator[None]:
    """Put the whole model in evaluation mode unless `training`; restore the modes of all modules afterwards."""
    before = {one: one.training for one in module.modules()}
    try:
        if not training:
            module.eval()
        yield
    finally:
        for one, mode in before.items():
            one.training = mode


def _check_outputs(module: Torch, outputs: Any) -> None:
    """Raise a TypeError if an output is an object that PyTorch's tracing cannot look into, such as a cache.

    Classes of dataclasses are made known to PyTorch.
    """
    torch = needed("torch", "from_torch")
    pytree = torch.utils._pytree
    while new := {type(leaf) for leaf in pytree.tree_leaves(outputs) if _is_dataclass(leaf)}:
        for kind in new:
            pytree.register_dataclass(kind)
    for leaf in pytree.tree_leaves(outputs):
        if not isinstance(leaf, torch.Tensor | bool | int | float | str | None):
            raise TypeError(unknown_output(module, leaf))


def _check_hooks(module: Torch) -> None:
    for path, one in module.named_modules():
        if one._backward_hooks or one._backward_pre_hooks:
            raise ValueError(
                f"from_torch: {path or 'the model'} ({type(one).__name__}): has backward hooks, which a trace does not "
                "show; remove them first (handle.remove())"
            )


def _pattern(trace: Traced, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments with an `Input` at each tensor, in the order of the trace's inputs."""
    torch = needed("torch", "from_torch")
    leaves, lengths = iter(trace.leaves), dict[str, str]()

    def length(n: Any) -> int | str:
        # A PyTorch symbol or an expression of symbols; the first one is the batch.
        count = len(lengths) + 1
        return n if isinstance(n, int) else lengths.setdefault(str(n), "batch" if count == 1 else f"batch{count}")

    def described(x: Any, what: str) -> Any:
        if isinstance(x, Mapping):
            return {name: described(value, f"{what}[{name!r}]") for name, value in x.items()}
        if isinstance(x, tuple | list):
            return type_of(x)(described(value, what) for value in x)
        fake = next(leaves)
        if not isinstance(x, torch.Tensor):
            return x
        check_torch_tensor(f"from_torch: input {what}", x)
        return Input(np.dtype(str(x.dtype).removeprefix("torch.")), tuple(map(length, fake.shape)))

    return {name: described(value, name) for name, value in given.items()}


def _fill(made: TracedModule, module: Torch) -> None:
    """Give the model the submodules, and copies of all parameters and buffers; shared parameters stay shared."""
    torch = needed("torch", "from_torch")
    for path, owner in module.named_modules():
        if path:
            part = made.part(path)
            part.kind, part.told = type(owner).__name__, owner.extra_repr()
            for name in ("normalized_shape", "num_groups", "eps"):
                if hasattr(owner, name):
                    setattr(part, name, getattr(owner, name))
    found: dict[int, Parameter] = {}
    for path, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) not in found:
            real = torch.view_as_real(parameter) if parameter.is_complex() else parameter
            array = np.array(array_of(f"from_torch: {path}", real))
            found[id(parameter)] = Parameter(array, requires_grad=parameter.requires_grad, name=path)
        made.place(path, found[id(parameter)])
        if parameter.is_complex():
            way, _, last = path.rpartition(".")
            made.part(way).pairs.add(last)
    for path, owner in module.named_modules():
        for name, buffer in owner._buffers.items():
            if buffer is not None:
                full = f"{path}.{name}" if path else name
                made.place(full, array_of(f"from_torch: {full}", buffer), name not in owner._non_persistent_buffers_set)


def _verify(made: TracedModule, module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> None:
    """Compare the model with PyTorch, at the example and at a variation; raise a ValueError if the outputs differ.

    The example alone would not expose a trace that has baked in a value as a constant.
    """
    pytree = needed("torch", "from_torch").utils._pytree
    _compare(made, module, args, settings, "the example")
    other_args, other_settings = pytree.tree_map(_varied, (args, settings))
    try:
        with _in_mode(module, False):
            run_once(module, other_args, other_settings)
    except Exception:  # the model itself rejects it: nothing to compare
        return
    _compare(made, module, other_args, other_settings, "another example")


def _compare(made: TracedModule, module: Torch, args: tuple[Any, ...], settings: dict[str, Any], where: str) -> None:
    torch = needed("torch", "from_torch")
    with _in_mode(module, False):
        expected = torch.utils._pytree.tree_leaves(run_once(module, args, settings))
    with no_grad():
        outputs = _leaves_of(_called(copy.deepcopy(made).eval(), args, settings))
    if made.graphs[False].random:
        return
    theirs = [y.detach().resolve_conj().resolve_neg().numpy() for y in expected if isinstance(y, torch.Tensor)]
    for k, (y, y_torch) in enumerate(zip(outputs, theirs, strict=True)):
        if how := _difference(np.asarray(value_of(y)), y_torch):
            raise ValueError(
                f"from_torch: {type(module).__name__}: output {k} of the converted model is not PyTorch's at {where}: "
                f"{how}; if forward uses values of tensors in Python, as .item() and .numpy() do, compute with the "
                "tensors; otherwise please report the model"
            )


def _varied(x: Any) -> Any:
    """Return a variation of an input: the samples in reverse order, numbers slightly smaller."""
    if not isinstance(x, needed("torch", "from_torch").Tensor):
        return x
    x = x.flip(0) if x.ndim else x
    return x * 0.95 if x.is_floating_point() else x


def _difference(y: Any, expected: Any) -> str:
    """Describe how far an output is from PyTorch's; return an empty string if it is close enough."""
    if y.shape != expected.shape or y.dtype != expected.dtype:
        return f"{y.dtype} {list(y.shape)} instead of {expected.dtype} {list(expected.shape)}"
    if y.dtype.kind not in "fc" or not y.size:
        return ""
    finite = np.isfinite(expected)
    scale = float(np.abs(expected[finite]).max(initial=0.0)) or 1.0
    apart = float(np.abs(y[finite] - expected[finite]).max(initial=0.0)) / scale
    return "" if apart <= CLOSE[y.dtype.name] else f"off by {apart:.1e} of the largest value"


def _called(made: TracedModule, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    torch = needed("torch", "from_torch")
    args, settings = torch.utils._pytree.tree_map(
        lambda x: array_of("from_torch: input", x) if isinstance(x, torch.Tensor) else x, (args, settings)
    )
    return made(*args, **settings)


def _same_gradients(
    made: TracedModule, module: Torch, args: tuple[Any, ...], settings: dict[str, Any], training: bool
) -> bool:
    """Whether the parameters' gradients at the example match PyTorch's; False if the model draws random numbers."""
    torch = needed("torch", "from_torch")
    if made.graphs[training].random:
        return False
    with _in_mode(module, training):
        outputs = torch.utils._pytree.tree_leaves(run_once(module, args, settings))
    outputs = [y for y in outputs if isinstance(y, torch.Tensor) and y.requires_grad]
    parameters = {name: p for name, p in module.named_parameters() if p.requires_grad}
    bars = [np.random.default_rng(k).normal(size=y.shape) for k, y in enumerate(outputs)]
    total = sum((y * torch.from_numpy(bar).to(y)).sum() for y, bar in zip(outputs, bars, strict=True))
    theirs = torch.autograd.grad(total, list(parameters.values()), allow_unused=True)
    copied = copy.deepcopy(made).train(training)
    ours = [y for y in _leaves_of(_called(copied, args, settings)) if getattr(y, "requires_grad", False)]
    sum((y * bar.astype(y.dtype)).sum() for y, bar in zip(ours, bars, strict=True)).backward()
    found = dict(copied.named_parameters())
    for name, g in zip(parameters, theirs, strict=True):
        expected = (
            np.zeros(found[name].shape) if g is None else array_of(name, torch.view_as_real(g) if g.is_complex() else g)
        )
        grad = found[name].grad
        gradient = np.zeros(found[name].shape) if grad is None else grad.numpy()
        scale = float(np.abs(expected).max(initial=0.0)) or 1.0
        if not float(np.abs(gradient - expected).max(initial=0.0)) <= CLOSE[found[name].dtype.name] * scale:
            return False
    return True


def _leaves_of(tree: Any) -> list[Any]:
    """Return the arrays in nested outputs."""
    if isinstance(tree, Mapping):
        return [leaf for item in tree.values() for leaf in _leaves_of(item)]
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in _leaves_of(item)]
    return [tree] if hasattr(tree, "dtype") else []
