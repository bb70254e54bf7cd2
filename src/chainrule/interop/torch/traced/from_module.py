"""A model of PyTorch, by its graph, as a `TracedModule`."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor, value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.base.optional import needed
from chainrule.interop.torch.arrays import array_of, check_torch_tensor
from chainrule.nn import Parameter

from .graph import Graph
from .inputs import Input, by_name, signature_of
from .module import TracedModule
from .reading import graph_of, type_of
from .tracing import Traced, TracingError, check_functions, run_once, traced

Torch = Any

CLOSE = {"float64": 1e-6, "float32": 1e-2, "float16": 1e-1}
"""How far outputs may be from PyTorch's, relative to the largest: a wrong operator is farther, rounding nearer."""


def by_tracing(module: Torch, inputs: Any) -> TracedModule:
    """Return a model as the graph of its operators at example inputs, checked against PyTorch's own outputs.

    A model in training mode is traced in both modes, one in evaluation mode in that alone.

    Raises TypeError where an operator has no function here, or something cannot be traced; ValueError where an operator
    cannot be carried out, or the result is not PyTorch's.
    """
    args, settings = arguments(inputs)
    _check_hooks(module)
    names = signature_of(module.forward)
    graphs: dict[bool, Graph] = {}
    pattern: Mapping[str, Any] = {}
    for training in [True, False] if module.training else [False]:
        with _in_mode(module, training):
            check_functions(module, run_once(module, args, settings))
            trace = _traced(module, args, settings)
        graphs[training] = graph_of(trace, module)
        if not pattern or not training:
            pattern = _pattern(trace, by_name(names, args, settings))
    made = TracedModule(type(module).__name__, graphs, names, pattern)
    _fill(made, module)
    made.train(module.training)
    _verify(made, module, args, settings)
    return made


def _traced(module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> Traced:
    try:
        return traced(module, args, settings)
    except TracingError as error:
        raise TypeError(
            f"from_torch: {type(module).__name__}: PyTorch cannot trace it: {error}; let the code of forward not depend "
            "on values of tensors, or write it as a chainrule module and load its parameters by load_state_dict"
        ) from error


def arguments(inputs: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return example inputs as arguments in order and by name: one tensor, a tuple or list of them, or a dict."""
    if isinstance(inputs, Mapping):
        return (), {str(name): _in_torch(value) for name, value in inputs.items()}
    if isinstance(inputs, tuple | list):
        return tuple(map(_in_torch, inputs)), {}
    return (_in_torch(inputs),), {}


def _in_torch(x: Any) -> Any:
    """Return arrays, at any depth, as tensors of PyTorch without a gradient."""
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


@contextmanager
def _in_mode(module: Torch, training: bool) -> Iterator[None]:
    """Let a model be in a mode: its own as it is, evaluation all of it; and afterwards as it was."""
    before = {one: one.training for one in module.modules()}
    try:
        if not training:
            module.eval()
        yield
    finally:
        for one, mode in before.items():
            one.training = mode


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
    leaves = iter(trace.leaves)

    def described(x: Any, what: str) -> Any:
        if isinstance(x, Mapping):
            return {name: described(value, f"{what}[{name!r}]") for name, value in x.items()}
        if isinstance(x, tuple | list):
            return type_of(x)(described(value, what) for value in x)
        fake = next(leaves)
        if not isinstance(x, torch.Tensor):
            return x
        check_torch_tensor(f"from_torch: input {what}", x)
        return Input(np.dtype(str(x.dtype).removeprefix("torch.")), tuple(map(_length, fake.shape)))

    return {name: described(value, name) for name, value in given.items()}


def _length(n: Any) -> int | str:
    return n if isinstance(n, int) else str(n)


def _fill(made: TracedModule, module: Torch) -> None:
    """Give the model copies of all parameters and buffers; what is one parameter there is one here."""
    found: dict[int, Parameter] = {}
    for path, parameter in module.named_parameters(remove_duplicate=False):
        if id(parameter) not in found:
            array = np.array(array_of(f"from_torch: {path}", parameter))
            found[id(parameter)] = Parameter(array, requires_grad=parameter.requires_grad, name=path)
        made.place(path, found[id(parameter)])
    for path, owner in module.named_modules():
        for name, buffer in owner._buffers.items():
            if buffer is not None:
                full = f"{path}.{name}" if path else name
                made.place(full, array_of(f"from_torch: {full}", buffer), name not in owner._non_persistent_buffers_set)


def _verify(made: TracedModule, module: Torch, args: tuple[Any, ...], settings: dict[str, Any]) -> None:
    """Run the model once and hold it against PyTorch; a ValueError where the outputs are not the same."""
    torch = needed("torch", "from_torch")
    graph = made.graphs[False]
    with _in_mode(module, False):
        expected = torch.utils._pytree.tree_leaves(run_once(module, args, settings))
    copied = copy.deepcopy(made).eval()
    ours = _leaves(_run(copied, args, settings))
    theirs = [y.detach().numpy() for y in expected if isinstance(y, torch.Tensor)]
    if graph.random:
        return
    for k, (y, y_torch) in enumerate(zip(ours, theirs, strict=True)):
        if y.shape != y_torch.shape or y.dtype != y_torch.dtype:
            _differs(module, k, f"{y.dtype} {list(y.shape)} instead of {y_torch.dtype} {list(y_torch.shape)}")
        if y.dtype.kind == "f" and y.size:
            finite = np.isfinite(y_torch)
            scale = float(np.abs(y_torch[finite]).max(initial=0.0)) or 1.0
            apart = float(np.abs(y[finite] - y_torch[finite]).max(initial=0.0)) / scale
            if not apart <= CLOSE[y.dtype.name]:
                _differs(module, k, f"off by {apart:.1e} of the largest value")


def _run(made: TracedModule, args: tuple[Any, ...], settings: dict[str, Any]) -> Any:
    torch = needed("torch", "from_torch")
    args, settings = torch.utils._pytree.tree_map(
        lambda x: array_of("from_torch: input", x) if isinstance(x, torch.Tensor) else x, (args, settings)
    )
    with no_grad():
        return made(*args, **settings)


def _leaves(tree: Any) -> list[Any]:
    if isinstance(tree, Mapping):
        return [leaf for item in tree.values() for leaf in _leaves(item)]
    if isinstance(tree, tuple | list):
        return [leaf for item in tree for leaf in _leaves(item)]
    return [np.asarray(value_of(tree))] if hasattr(tree, "dtype") else []


def _differs(module: Torch, k: int, how: str) -> None:
    raise ValueError(
        f"from_torch: {type(module).__name__}: output {k} of the converted model is not PyTorch's: {how}; this is a "
        "fault of the conversion: please report the model, and write it as a chainrule module until then"
    )
