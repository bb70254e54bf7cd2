"""`TracedModule`: a traced PyTorch model as a chainrule model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import state
from chainrule.nn import Module, Parameter
from chainrule.rules.elementary.complex_parts import with_parts

from . import operators  # noqa: F401  registers them
from .graph import Graph, Running
from .inputs import Input, Matching, by_name


def _of_pairs(dtype: Any) -> Any:
    """Return the dtype of complex numbers whose parts have this dtype."""
    return np.result_type(dtype, np.complex64)


class Part(Module):
    """One submodule of the traced model: its parameters and buffers, and in a run the steps of its call.

    `kind` is its class in PyTorch and `told` what PyTorch prints about it. `normalized_shape`, `num_groups` and `eps`
    are those of a normalisation. `pairs` are the names of complex parameters: parameters are real here, so these have
    a last axis more, of real and imaginary parts.
    """

    def __init__(self, kind: str = "", told: str = "") -> None:
        super().__init__()
        self.kind, self.told = kind, told
        self.pairs: set[str] = set()

    def forward(self, *inputs: Any, running: Running) -> Any:
        """Run the steps of one call and return its outputs."""
        return running.run(inputs)

    def _class_name(self) -> str:
        return self.kind or type(self).__name__

    def extra_repr(self) -> str:
        """Return PyTorch's description, or the shapes of the parameters and buffers."""
        if self.told:
            return self.told
        held = {**self._parameters, **self._buffers}
        return ", ".join(f"{name} {list(value.shape)}" for name, value in held.items())


class TracedModule(Module):
    """A PyTorch model as the graph of its operators, run with chainrule's operations.

    It is called like the original model, but with arrays, and returns the same structure: an array, or a tuple, list or
    dict of them. Parameters and buffers keep PyTorch's names and layout (a `Linear` is `[out, in]`), so PyTorch state
    dicts fit; a complex parameter is one of real numbers here, with an axis of length 2 at the end. `graphs` holds the
    operators of training and evaluation mode, for the modes that were traced.

    Raises ValueError, naming the argument, for a shape that the trace does not cover; TypeError for arguments that do
    not match those of the trace; ValueError, naming operator and module, if an operator cannot be run.
    """

    def __init__(
        self, name: str, graphs: Mapping[bool, Graph], names: Sequence[str], pattern: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.model_name = name
        self.graphs = dict(graphs)
        self.names, self.pattern = tuple(names), dict(pattern)
        self.first_dtype: Any = None
        self.pairs: set[str] = set()

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of the original model's arguments, in order."""
        return self.names

    def part(self, path: str) -> Part:
        """Return the submodule at a path of names, created if it is not there."""
        holder: Any = self
        for name in path.split(".") if path else ():
            holder = holder._modules.setdefault(name, Part())
        found: Part = holder
        return found

    def place(self, path: str, value: Any, persistent: bool = True) -> None:
        """Store a parameter, or an array as a buffer, at a path of names, creating parts on the way."""
        way, _, last = path.rpartition(".")
        holder: Module = self.part(way)
        # Not as attributes: the name of a PyTorch submodule may be that of a method of our Module.
        if isinstance(value, Parameter):
            holder._parameters[last] = value
            if self.first_dtype is None and value.dtype.kind == "f":
                self.first_dtype = value.dtype
        else:
            holder._buffers[last] = np.array(value)
            if not persistent:
                holder._transient.add(last)

    def dtype_now(self, dtype: Any) -> Any:
        """Return the current counterpart of a traced dtype; it differs after a conversion with `.to(dtype)`."""
        if self.first_dtype is None or dtype not in (self.first_dtype, _of_pairs(self.first_dtype)):
            return dtype
        now = next((p.dtype for p in self.parameters() if p.dtype.kind == "f"), self.first_dtype)
        return now if dtype == self.first_dtype else _of_pairs(now)

    def _holder(self, path: str) -> tuple[Module, str]:
        *way, last = path.split(".")
        holder: Module = self
        for name in way:
            holder = holder._modules[name]
        return holder, last

    def _value(self, path: str) -> Any:
        holder, last = self._holder(path)
        if last in holder._parameters:
            found = holder._parameters[last]
            return with_parts(found[..., 0], found[..., 1]) if last in getattr(holder, "pairs", ()) else found
        return state(holder._buffers[last], (holder._buffers, last))

    def forward(self, *args: Any, **settings: Any) -> Any:
        """Run the model and return its outputs."""
        graph = self.graphs.get(self.training)
        if graph is None:
            asked, other = ("training", "train") if self.training else ("evaluation", "eval")
            raise ValueError(
                f"TracedModule: {self.model_name} was traced in one mode only, and not in {asked} mode; call "
                f"module.{other}() in PyTorch before from_torch(module, inputs, trace=True)"
            )
        matching = Matching(self.dtype_now)
        matching.match(self.pattern, by_name(self.names, args, settings), "arguments")
        given = {name: x for name, x in zip(graph.inputs, matching.found, strict=True) if name is not None}
        given |= {name: self._value(path) for name, path in graph.state.items()}
        given |= {name: self._constant(array) for name, array in graph.constants.items()}
        outputs, written = graph.run(self, given)
        for path, value in written.items():
            holder, last = self._holder(path)
            holder._set_plain(last, value)
        return outputs

    def _constant(self, array: Any) -> Any:
        dtype = self.dtype_now(array.dtype)
        return array if array.dtype == dtype else array.astype(dtype)

    def extra_repr(self) -> str:
        """Return the arguments with their shapes, and the number of operators."""
        told = ", ".join(f"{name} {_shown(one)}" for name, one in self.pattern.items())
        steps = " and ".join(
            f"{len(graph.steps)} operators in {'training' if training else 'evaluation'}"
            for training, graph in sorted(self.graphs.items(), reverse=True)
        )
        return f"traced from PyTorch: {told}; {steps}"

    def _class_name(self) -> str:
        return self.model_name

    def operators(self) -> Iterator[str]:
        """Yield the kinds of the operators in the current mode of the model."""
        return (step.kind for step in self.graphs[self.training].steps)


def _shown(pattern: Any) -> str:
    if isinstance(pattern, Input):
        return f"[{', '.join(map(str, pattern.shape))}]"
    if isinstance(pattern, Mapping):
        return "{" + ", ".join(f"{name} {_shown(one)}" for name, one in pattern.items()) + "}"
    if isinstance(pattern, list | tuple):
        return "(" + ", ".join(map(_shown, pattern)) + ")"
    return repr(pattern)
