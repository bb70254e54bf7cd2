"""`OnnxModule`: an ONNX graph as a chainrule model."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.nn import Module, Parameter

from .call import Call
from .running import made_by


@dataclass(frozen=True)
class Input:
    """An input of a graph: its name, dtype and lengths (a name or None for any length; None for any shape)."""

    name: str
    dtype: Any
    shape: tuple[Any, ...] | None


@dataclass
class Contents:
    """What a file holds besides the parameters."""

    inputs: Sequence[Input]
    outputs: Sequence[str]
    calls: Sequence[Call]
    constants: Mapping[str, Any]


class Part(Module):
    """Parameters whose names in the file share a prefix."""


class OnnxModule(Module):
    """A graph of ONNX operators, run by chainrule operations.

    It is called with the inputs of the graph, in their order or by name, and returns its output, or a tuple of them.
    Floating initializers are parameters, or buffers if they are the running moments of a BatchNormalization, under
    their names in the file; a dot in a name makes a submodule: `model.layers.weight`. In training mode Dropout is
    active, and BatchNormalization uses the batch's moments. `contents` holds the rest.

    Raises TypeError or ValueError, with the input's name, for arguments that do not fit, and ValueError, with the
    node's name, if a node cannot process its inputs.
    """

    def __init__(self, contents: Contents, parameters: Mapping[str, Any], buffers: Mapping[str, Any]) -> None:
        super().__init__()
        self.contents = contents
        self.places: dict[str, tuple[str, ...]] = {}
        """The location of each array: the names of submodules, then of the attribute."""
        for name, array in parameters.items():
            holder, *_, last = self._place(name)
            setattr(holder, last, Parameter(array, name=name))
        for name, array in buffers.items():
            holder, *_, last = self._place(name)
            holder.register_buffer(last, array)
        first = next(iter(parameters.values()), None)
        self.first_dtype = None if first is None else first.dtype
        self.last_uses = _last_uses(contents)

    @property
    def argument_names(self) -> tuple[str, ...]:
        """The names of the graph's inputs, in order."""
        return tuple(one.name for one in self.contents.inputs)

    def _place(self, name: str) -> tuple[Module, str]:
        """Return the module for an array and the attribute's name; record both."""
        holder: Module = self
        *parts, last = name.split(".") if 0 < name.count(".") < 16 else [name.replace(".", "_")]
        for k, part in enumerate(parts):
            found = holder._modules.get(part)
            if found is None and (not part or hasattr(holder, part)):
                parts, holder, last = [], self, name.replace(".", "_")
                break
            if found is None:
                found = Part()
                setattr(holder, part, found)
            holder = found
            del k
        while not last or hasattr(holder, last):
            last += "_"
        self.places[name] = (*parts, last)
        return holder, last

    @property
    def dtype_now(self) -> tuple[Any, Any] | None:
        """The dtype of the first parameter in the file and now; None without parameters."""
        first = next(self.parameters(), None)
        return None if first is None or self.first_dtype is None else (self.first_dtype, first.dtype)

    def forward(self, *args: Any, **named: Any) -> Any:
        """Return the outputs of the graph."""
        values: dict[str, Any] = dict(self.contents.constants)
        for name, (*parts, last) in self.places.items():
            holder: Any = self
            for part in parts:
                holder = holder._modules[part]
            values[name] = getattr(holder, last)
        values.update(self._given(args, named))
        for k, call in enumerate(self.contents.calls):
            values.update(made_by(call, values, self))
            for name in self.last_uses[k]:
                del values[name]
        found = tuple(values[name] for name in self.contents.outputs)
        return found[0] if len(found) == 1 else found

    def _given(self, args: tuple[Any, ...], named: dict[str, Any]) -> dict[str, Any]:
        inputs = self.contents.inputs
        names = [one.name for one in inputs]
        given = dict(zip(names, args, strict=False)) | named
        if len(args) > len(inputs) or len(given) != len(args) + len(named) or set(given) != set(names):
            got = ", ".join([f"{len(args)} in order", *named])
            raise TypeError(f"OnnxModule: expected the inputs {', '.join(names)}, got {got}")
        lengths: dict[str, int] = {}
        return {one.name: self._checked(one, given[one.name], lengths) for one in inputs}

    def _checked(self, one: Input, x: Any, lengths: dict[str, int]) -> Any:
        x = x if isinstance(x, Tensor) else np.asarray(x)
        what = f"OnnxModule: input {one.name}"
        if x.dtype.kind not in "fiub" or (one.dtype.kind in "iub" and x.dtype.kind == "f"):
            raise TypeError(f"{what}: expected {one.dtype}, got {x.dtype}; convert it with .astype")
        if one.shape is not None:
            known = [n if isinstance(n, int) else lengths.setdefault(n, m) if n else m
                     for n, m in zip(one.shape, x.shape, strict=False)]  # fmt: skip
            if len(one.shape) != x.ndim or known != list(x.shape):
                wanted = ", ".join("?" if n is None else str(n) for n in one.shape)
                raise ValueError(f"{what}: expected shape [{wanted}], got {list(x.shape)}")
        now = self.dtype_now
        dtype = now[1] if now is not None and one.dtype == now[0] else one.dtype
        return x if x.dtype == dtype else x.astype(dtype)

    def extra_repr(self) -> str:
        """Return the inputs, the outputs and the number of nodes."""
        names = ", ".join(one.name for one in self.contents.inputs)
        return f"{names} → {', '.join(self.contents.outputs)}, {len(self.contents.calls)} nodes"


def _last_uses(contents: Contents) -> list[list[str]]:
    """Return the node after which each value is no longer needed."""
    last: dict[str, int] = {}
    made = {name for call in contents.calls for name in call.outputs if name}
    for k, call in enumerate(contents.calls):
        for name in (*call.inputs, *call.outputs):
            if name in made:
                last[name] = k
    found: list[list[str]] = [[] for _ in contents.calls]
    for name, k in last.items():
        if name not in contents.outputs:
            found[k].append(name)
    return found
