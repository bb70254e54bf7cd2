"""`TracedModule`: a traced model of PyTorch as a chainrule model."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import state
from chainrule.nn import Module, Parameter

from . import operators  # noqa: F401  registers them
from .graph import Graph
from .inputs import Input, Matching, by_name


class Part(Module):
    """The parameters and buffers of one module of the traced model."""

    def extra_repr(self) -> str:
        """Return the shapes."""
        held = {**self._parameters, **self._buffers}
        return ", ".join(f"{name} {list(value.shape)}" for name, value in held.items())


class TracedModule(Module):
    """A model of PyTorch as the graph of its operators, carried out by chainrule's operations.

    It is called as the model was, with arrays, and returns what it returned: an array, or a tuple, list or dict of
    them. Parameters and buffers have their names and the layout of PyTorch (a `Linear` is `[out, in]`), so its state
    dicts fit. `graphs` holds the operators in training and in evaluation mode, as far as they were traced.

    Raises ValueError, with the argument's name, for a shape that the trace does not cover, TypeError for other
    arguments than those of the trace; ValueError, with operator and module, where an operator cannot be carried out.
    """

    def __init__(
        self, name: str, graphs: Mapping[bool, Graph], names: Sequence[str], pattern: Mapping[str, Any]
    ) -> None:
        super().__init__()
        self.model_name = name
        self.graphs = dict(graphs)
        self.names, self.pattern = tuple(names), dict(pattern)
        self.first_dtype: Any = None

    def place(self, path: str, value: Any, persistent: bool = True) -> None:
        """Put a parameter, or an array as a buffer, at a path of names; parts are made on the way."""
        *way, last = path.split(".")
        holder: Module = self
        for name in way:
            holder = holder._modules.setdefault(name, Part())
        # Not as attributes: PyTorch's modules may be called what a Module of ours has as a method.
        if isinstance(value, Parameter):
            holder._parameters[last] = value
            if self.first_dtype is None and value.dtype.kind == "f":
                self.first_dtype = value.dtype
        else:
            holder._buffers[last] = np.array(value)
            if not persistent:
                holder._transient.add(last)

    def dtype_now(self, dtype: Any) -> Any:
        """Return what a dtype of the trace is now: another one where the model was converted with `.to(dtype)`."""
        if self.first_dtype is None or dtype != self.first_dtype:
            return dtype
        first = next((p for p in self.parameters() if p.dtype.kind == "f"), None)
        return dtype if first is None else first.dtype

    def _holder(self, path: str) -> tuple[Module, str]:
        *way, last = path.split(".")
        holder: Module = self
        for name in way:
            holder = holder._modules[name]
        return holder, last

    def _value(self, path: str) -> Any:
        holder, last = self._holder(path)
        if last in holder._parameters:
            return holder._parameters[last]
        return state(holder._buffers[last], (holder._buffers, last))

    def forward(self, *args: Any, **settings: Any) -> Any:
        """Return what the model returns."""
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
        """Return the arguments with their shapes, and how many operators there are."""
        told = ", ".join(f"{name} {_shown(one)}" for name, one in self.pattern.items())
        steps = " and ".join(
            f"{len(graph.steps)} operators in {'training' if training else 'evaluation'}"
            for training, graph in sorted(self.graphs.items(), reverse=True)
        )
        return f"{self.model_name}: {told}; {steps}"

    def operators(self) -> Iterator[str]:
        """Yield the kinds of the operators in the mode that the model is in."""
        return (step.kind for step in self.graphs[self.training].steps)


def _shown(pattern: Any) -> str:
    if isinstance(pattern, Input):
        return f"[{', '.join(map(str, pattern.shape))}]"
    if isinstance(pattern, Mapping):
        return "{" + ", ".join(f"{name} {_shown(one)}" for name, one in pattern.items()) + "}"
    if isinstance(pattern, list | tuple):
        return "(" + ", ".join(map(_shown, pattern)) + ")"
    return repr(pattern)
