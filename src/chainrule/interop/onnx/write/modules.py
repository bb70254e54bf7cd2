"""Modules that are a single ONNX node: recurrent layers, and batch and group normalisation."""

from typing import Any

import numpy as np

from chainrule.compile.program.program import Instruction
from chainrule.interop.onnx.graph import WRITERS, Graph, Ref
from chainrule.nn.norms import BatchNorm1d, GroupNorm
from chainrule.nn.recurrent import GRU, LSTM, RNN

from .shapes import ints, sliced

# The gates of a layer here, r z n and i f g o, in ONNX's order: z r h and i o f c.
GATES = {"LSTM": (0, 3, 1, 2), "GRU": (1, 0, 2), "RNN": (0,)}


def whole_module(graph: Graph, i: Instruction, *args: Any) -> Any:
    """Write one module, an instruction of `WholeModule`."""
    call = i.function
    names = [name for name, part in call.parts().items() if part is not None]  # type: ignore[attr-defined]
    given = list(args[: len(args) - len(names)])
    parts = {name: graph.ref(part) for name, part in zip(names, args[len(given) :], strict=True)}
    module = call.module  # type: ignore[attr-defined]
    if isinstance(module, BatchNorm1d):
        return _batch_norm(graph, module, graph.ref(given[0]), parts)
    if isinstance(module, GroupNorm):
        return _group_norm(graph, module, graph.ref(given[0]), parts)
    return _Recurrence(graph, module, parts).write(*map(graph.ref, given))


for _cls in (*BatchNorm1d.__subclasses__(), BatchNorm1d, GroupNorm, RNN, LSTM, GRU):
    WRITERS[_cls.__name__] = whole_module


def _affine(graph: Graph, module: Any, x: Ref, parts: dict[str, Ref]) -> list[Any]:
    """Return weight and bias, defaulting to ones and zeros."""
    usual = {"weight": np.ones(module.channels, x.dtype), "bias": np.zeros(module.channels, x.dtype)}
    return [parts[name] if name in parts else graph.constant(value) for name, value in usual.items()]


def _batch_norm(graph: Graph, module: Any, x: Ref, parts: dict[str, Ref]) -> str:
    moments = (parts["running_mean"], parts["running_var"])
    settings = {"epsilon": module.eps, "momentum": 1 - module.momentum}
    return str(graph.node("BatchNormalization", x, *_affine(graph, module, x, parts), *moments, **settings))


def _group_norm(graph: Graph, module: Any, x: Ref, parts: dict[str, Ref]) -> str:
    weight, bias = _affine(graph, module, x, parts)
    if graph.opset >= 21:
        settings = {"num_groups": module.num_groups, "epsilon": module.eps}
        return str(graph.node("GroupNormalization", x, weight, bias, **settings))
    ones, zeros = (np.full(module.num_groups, n, x.dtype) for n in (1, 0))
    grouped = graph.node("Reshape", x, graph.constant(ints(0, module.num_groups, -1)))
    flat = graph.node("InstanceNormalization", grouped, graph.constant(ones), graph.constant(zeros), epsilon=module.eps)
    back = graph.reshape(flat, x.shape)
    line = graph.constant(ints(-1, *[1] * (x.ndim - 2)))
    scaled = graph.node("Mul", back, graph.node("Reshape", weight, line))
    return str(graph.node("Add", scaled, graph.node("Reshape", bias, line)))


class _Recurrence:
    """A stacked recurrent layer, one ONNX node per level."""

    def __init__(self, graph: Graph, module: Any, parts: dict[str, Ref]) -> None:
        self.graph, self.module, self.parts = graph, module, parts
        self.kind = next(cls.__name__ for cls in (LSTM, GRU, RNN) if isinstance(module, cls))
        self.ways = module._ways()

    def write(self, x: Ref, *states: Ref) -> list[str]:
        """Return the names of the outputs and of the last states."""
        graph, module = self.graph, self.module
        alone = x.ndim == 2
        y: Any = x
        if alone:
            y = graph.node("Unsqueeze", x, graph.constant(ints(1)))
            states = tuple(
                Ref(graph.node("Unsqueeze", s, graph.constant(ints(1))), s.dtype, (*s.shape[:1], 1, *s.shape[1:]))
                for s in states
            )
        elif module.batch_first:
            y = graph.node("Transpose", x, perm=[1, 0, 2])
        last: list[list[str]] = [[] for _ in range(module.states)]
        for level in range(module.num_layers):
            y, *ends = self._level(y, level, states)
            for found, end in zip(last, ends, strict=True):
                found.append(end)
        ends = [found[0] if len(found) == 1 else graph.node("Concat", *found, axis=0) for found in last]
        if alone:
            y, *ends = (graph.node("Squeeze", a, graph.constant(ints(1))) for a in (y, *ends))
        elif module.batch_first:
            y = graph.node("Transpose", y, perm=[1, 0, 2])
        return [str(name) for name in (y, *ends)]

    def _level(self, x: Any, level: int, states: tuple[Ref, ...]) -> list[str]:
        graph, ways = self.graph, len(self.ways)
        begins = [sliced(graph, s, [(0, level * ways, (level + 1) * ways, 1)]) for s in states]
        weights = [self._both(f"weight_{which}_l{level}") for which in ("ih", "hh")]
        bias = None
        if self.module.bias:
            bias = graph.node("Concat", *(self._both(f"bias_{which}_l{level}") for which in ("ih", "hh")), axis=1)
        settings = {"hidden_size": self.module.hidden_size, "direction": "bidirectional" if ways == 2 else "forward"}
        if self.kind == "GRU":
            settings["linear_before_reset"] = 1
        if self.kind == "RNN":
            settings["activations"] = [{"tanh": "Tanh", "relu": "Relu"}[self.module.nonlinearity]] * ways
        y, *ends = graph.node(self.kind, x, *weights, bias, None, *begins, outputs=1 + self.module.states, **settings)
        # [T, D, B, H] to [T, B, D H].
        turned = graph.node("Transpose", y, perm=[0, 2, 1, 3])
        return [graph.node("Reshape", turned, graph.constant(ints(0, 0, -1))), *ends]

    def _both(self, name: str) -> str:
        """Return an ONNX weight, [D, G H, in] or [D, G H] with the gates in its order, built from ours."""
        graph, rows = self.graph, []
        for way in self.ways:
            part: Any = self.parts[name + way]
            if part.ndim == 2:
                part = graph.node("Transpose", part, perm=[1, 0])
            order = GATES[self.kind]
            if len(order) > 1:
                gates = graph.node("Split", part, outputs=len(order), axis=0, num_outputs=len(order))
                part = graph.node("Concat", *(gates[k] for k in order), axis=0)
            rows.append(graph.node("Unsqueeze", part, graph.constant(ints(0))))
        return str(rows[0] if len(rows) == 1 else graph.node("Concat", *rows, axis=0))
