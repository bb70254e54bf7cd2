"""Conversion of a torch.fx graph to steps that do not depend on PyTorch."""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.base.optional import needed
from chainrule.interop.torch.arrays import array_of

from . import operators  # noqa: F401  registers them
from .call import Ref, Step, carrier_of, refs_in
from .graph import Graph
from .outputs import Fields
from .tracing import Traced

Torch = Any

IDLE = frozenset(
    [
        *("_assert_tensor_metadata", "_assert_scalar", "_assert_async", "sym_constrain_range"),
        *("_functional_assert_async", "sym_constrain_range_for_size", "_functional_sym_constrain_range"),
    ]
)
"""Assertions of the trace: they hold for the shapes that a model of ours accepts."""


def graph_of(trace: Traced, module: Torch) -> Graph:
    """Return the steps of a trace; raise a TypeError that lists the operators that chainrule does not support."""
    reader = _Reader(module)
    steps = [reader.step(node) for node in trace.graph.nodes if reader.wanted(node)]
    outputs = reader.structure(trace.outputs)
    writes = {name: Ref(node.name) for name, node in trace.writes.items()}
    steps = _needed(steps, [*refs_in(outputs), *(ref.name for ref in writes.values())])
    reader.check(steps)
    used = {name for step in steps for name in (*refs_in(step.args), *refs_in(step.settings))}
    used |= {*refs_in(outputs), *(ref.name for ref in writes.values())}
    constants = {name: np.array(array_of(f"from_torch: {name}", t)) for name, t in trace.constants.items()}
    return Graph(
        tuple(steps),
        {name: path for name, path in trace.state.items() if name in used},
        [name if name in used else None for name in trace.inputs],
        {name: array for name, array in {**constants, **reader.constants}.items() if name in used},
        outputs,
        writes,
    )


def _needed(steps: Sequence[Step], results: Sequence[str]) -> list[Step]:
    """Drop the steps that no result needs."""
    needed_names, kept = set(results), []
    for step in reversed(steps):
        if step.name in needed_names:
            needed_names.update(refs_in(step.args), refs_in(step.settings))
            kept.append(step)
    return kept[::-1]


class _Reader:
    """A reader of one graph; `constants` are the tensors that the graph holds as attributes."""

    def __init__(self, module: Torch) -> None:
        self.torch = needed("torch", "from_torch")
        self.module = module
        self.paths = {path for path, _ in module.named_modules() if path}
        self.constants: dict[str, Any] = {}

    def wanted(self, node: Torch) -> bool:
        """Whether a node is an operator; if it is a constant tensor, record it."""
        if node.op == "get_attr":
            value = node.graph.owning_module
            for name in node.target.split("."):
                value = getattr(value, name)
            if isinstance(value, self.torch.Tensor):
                self.constants[node.name] = np.array(array_of(f"from_torch: {node.target}", value))
        return node.op == "call_function" and _kind(self.torch, node).partition(".")[0] not in IDLE

    def step(self, node: Torch) -> Step:
        """Return a node as a step."""
        path, place = self._place(node)
        return Step(
            _kind(self.torch, node),
            node.name,
            tuple(self._argument(item, place) for item in node.args),
            {name: self._argument(item, place) for name, item in node.kwargs.items()},
            self._dtypes(node, place),
            path,
            place,
            self._calls(node),
        )

    def _place(self, node: Torch) -> tuple[str, str]:
        """Return the path of the module that a node belongs to, and its name in messages."""
        path, kind = "", type(self.module)
        for found, cls in node.meta.get("nn_module_stack", {}).values():
            if not found.startswith("_empty"):
                path, kind = _path(found), cls
        name = kind.rpartition(".")[2] if isinstance(kind, str) else kind.__name__
        return path, f"{path or 'the model'} ({name})"

    def _calls(self, node: Torch) -> tuple[tuple[str, str], ...]:
        """Return the running calls of submodules: for each its name in the trace, and the submodule's path."""
        found: dict[str, str] = {}
        for call, _ in node.meta.get("nn_module_stack", {}).values():
            path = _path(call)
            if path in self.paths and path not in found.values():
                found[call] = path
        return tuple(found.items())

    def _argument(self, x: Any, place: str) -> Any:
        torch = self.torch
        if isinstance(x, torch.fx.Node):
            return Ref(x.name)
        if isinstance(x, list | tuple):
            return type_of(x)(self._argument(item, place) for item in x)
        if isinstance(x, Mapping):
            return {name: self._argument(item, place) for name, item in x.items()}
        if isinstance(x, torch.dtype):
            return self._dtype(x, place)
        if isinstance(x, slice):
            return slice(*(self._argument(item, place) for item in (x.start, x.stop, x.step)))
        if isinstance(x, torch.device | torch.layout | torch.memory_format):
            return str(x)
        return x

    def _dtype(self, dtype: Any, place: str) -> Any:
        name = str(dtype).removeprefix("torch.")
        if name in ("bfloat16", "complex32") or name.startswith("float8"):
            raise TypeError(
                f"from_torch: {place}: computes in {name}, which chainrule does not have; call .float() first"
            )
        return np.dtype(name)

    def _dtypes(self, node: Torch, place: str) -> Any:
        value = node.meta.get("val")
        if isinstance(value, self.torch.Tensor):
            return self._dtype(value.dtype, place)
        if not isinstance(value, list | tuple):
            return None
        asked = {user.args[1] for user in node.users if _kind(self.torch, user) == "python.getitem"}
        tensors = [isinstance(one, self.torch.Tensor) and k in asked for k, one in enumerate(value)]
        return tuple(self._dtype(one.dtype, place) if yes else None for one, yes in zip(value, tensors, strict=True))

    def structure(self, tree: Any) -> Any:
        """Return outputs as tuples, lists and dicts with a `Ref` at each tensor."""
        if isinstance(tree, self.torch.fx.Node):
            return Ref(tree.name)
        if isinstance(tree, Mapping):
            kind = Fields if dataclasses.is_dataclass(tree) else dict
            return kind({name: self.structure(item) for name, item in tree.items()})
        if hasattr(tree, "_fields"):
            return type(tree)(*map(self.structure, tree))
        if isinstance(tree, list | tuple):
            return type_of(tree)(self.structure(item) for item in tree)
        if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
            return Fields({one.name: self.structure(getattr(tree, one.name)) for one in dataclasses.fields(tree)})
        if tree is None or isinstance(tree, bool | int | float | str):
            return tree
        raise TypeError(unknown_output(self.module, tree))

    def check(self, steps: Sequence[Step]) -> None:
        """Raise a TypeError that lists the unsupported operators."""
        missing = {step.kind: step.place for step in steps[::-1] if carrier_of(step.kind) is None}
        if missing:
            told = "; ".join(f"{kind}, in {place}" for kind, place in sorted(missing.items()))
            raise TypeError(
                f"from_torch: chainrule has no function for {told}: write that module as a chainrule module and load "
                "its parameters by load_state_dict, or call it from chainrule with from_torch_function"
            )


def unknown_output(module: Torch, leaf: Any) -> str:
    """Return the words for an output that is neither a tensor nor a tuple, list or dict."""
    return (
        f"from_torch: {type(module).__name__}: returns a {type(leaf).__name__}, expected tensors in tuples, lists and "
        "dicts; return less of it (of a model of transformers, with config.use_cache = False)"
    )


def _path(call: str) -> str:
    """Return the path of a module from its name in a trace, which counts its calls: `act@1`."""
    return re.sub(r"@\d+|^L\['self'\]\.?", "", call)


def type_of(x: Any) -> type:
    """Return list or tuple, whichever base type a sequence has."""
    return list if isinstance(x, list) else tuple


def _kind(torch: Torch, node: Torch) -> str:
    if isinstance(node.target, torch._ops.OpOverload):
        return str(node.target).removeprefix("aten.").removeprefix("chainrule.").removesuffix(".default")
    if isinstance(node.target, torch._ops.HigherOrderOperator):
        return str(node.target)
    return f"python.{getattr(node.target, '__name__', node.target)}"
