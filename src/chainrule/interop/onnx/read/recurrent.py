"""ONNX's recurrent layers, in terms of chainrule's operations.

The equations and the order of the gates, iofc in LSTM and zrh in GRU, are those of the specification,
https://onnx.ai/onnx/operators/.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.interop.onnx.call import Call, reads
from chainrule.rules.arrays.join import Split, stack
from chainrule.rules.arrays.shape import swapaxes, transpose
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.network.activation import relu, sigmoid

ACTIVATIONS = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu}
USUAL = {"RNN": ["Tanh"], "GRU": ["Sigmoid", "Tanh"], "LSTM": ["Sigmoid", "Tanh", "Tanh"]}
GATES = {"RNN": 1, "GRU": 3, "LSTM": 4}
State = tuple[Any, ...]


@reads("RNN", "GRU", "LSTM", attributes="activations direction hidden_size layout linear_before_reset input_forget")
def recurrent(call: Call, x: Any, w: Any, r: Any, b: Any = None, lengths: Any = None, *more: Any) -> list[Any]:
    """Return all states, the last state, and the last cell of an LSTM."""
    layer = _Layer(call, x, w, r, b)
    states = 2 if call.kind == "LSTM" else 1
    begins, peepholes = more[:states], more[states:]
    if any(p is not None for p in peepholes):
        call.refuse("peepholes: there are none here")
    if lengths is not None and not (np.asarray(value_of(lengths)) == layer.x.shape[0]).all():
        call.refuse("sequence_lens: expected the length of the whole sequence for each sample")
    begin = [None if s is None else swapaxes(s, 0, 1) if layer.layout else s for s in begins]
    ends = [layer.run(d, [None if s is None else s[d] for s in begin]) for d in range(layer.ways)]
    y = stack([outputs for outputs, _ in ends], axis=1)
    last = [stack(parts, axis=0) for parts in zip(*(state for _, state in ends), strict=True)]
    if layer.layout:
        y, last = transpose(y, (2, 0, 1, 3)), [swapaxes(s, 0, 1) for s in last]
    return [y, *last]


class _Layer:
    """One node: its weights, and how one step makes the next state."""

    def __init__(self, call: Call, x: Any, w: Any, r: Any, b: Any) -> None:
        self.call, self.layout = call, call.get("layout", 0)
        self.x = swapaxes(x, 0, 1) if self.layout else x
        self.w, self.r, self.b = w, r, b
        self.direction = call.get("direction", "forward")
        if self.direction not in ("forward", "reverse", "bidirectional"):
            call.refuse(f"direction: got {self.direction!r}")
        self.ways = 2 if self.direction == "bidirectional" else 1
        self.hidden = int(r.shape[-1])
        wide = GATES[call.kind] * self.hidden
        wanted = {"X": [*x.shape[:2], w.shape[-1]], "W": [self.ways, wide, w.shape[-1]]}
        wanted |= {"R": [self.ways, wide, self.hidden]} | ({} if b is None else {"B": [self.ways, 2 * wide]})
        for (name, shape), found in zip(wanted.items(), (x, w, r, b), strict=False):
            if list(found.shape) != shape:
                call.refuse(f"{name}: expected shape {shape}, got {list(found.shape)}")
        if call.get("input_forget", 0):
            call.refuse("input_forget: expected 0")
        if not self.x.shape[0]:
            call.refuse("expected at least one step, got a sequence of none")
        self.functions = list(self._functions())

    def _functions(self) -> Iterator[list[Callable[..., Any]]]:
        names = [str(name).lower() for name in self.call.get("activations", USUAL[self.call.kind] * self.ways)]
        each = len(USUAL[self.call.kind])
        if len(names) != each * self.ways or not ACTIVATIONS.keys() >= set(names):
            self.call.refuse(f"activations: expected {each * self.ways} of Sigmoid, Tanh and Relu, got {names}")
        for way in range(self.ways):
            yield [ACTIVATIONS[name] for name in names[way * each : (way + 1) * each]]

    def run(self, way: int, begin: list[Any]) -> tuple[Any, State]:
        """Return the states of one direction over the sequence, in sequence order, and the last one."""
        backwards = self.direction == "reverse" or way == 1
        step = {"RNN": self._rnn, "GRU": self._gru, "LSTM": self._lstm}[self.call.kind]
        batch = self.x.shape[1]
        nothing = np.zeros((batch, self.hidden), self.x.dtype)
        state: State = tuple(nothing if s is None else s for s in begin) or (nothing,)
        if len(state) < (2 if self.call.kind == "LSTM" else 1):
            state = (*state, nothing)
        biases: Any = (None, None) if self.b is None else _pieces(self.b[way], 2)
        from_x = self.x @ transpose(self.w[way])
        from_x = from_x if biases[0] is None else from_x + biases[0]
        r = transpose(self.r[way])
        outputs = []
        order = range(self.x.shape[0])
        for t in reversed(order) if backwards else order:
            state = step(from_x[t], r, biases[1], state, self.functions[way])
            outputs.append(state[0])
        return stack(outputs[::-1] if backwards else outputs, axis=0), state

    def _rnn(self, from_x: Any, r: Any, b: Any, state: State, functions: list[Any]) -> State:
        return (functions[0](from_x + _linear(state[0], r, b)),)

    def _lstm(self, from_x: Any, r: Any, b: Any, state: State, functions: list[Any]) -> State:
        f, g, h = functions
        i, o, forget, c = _pieces(from_x + _linear(state[0], r, b), 4)
        cell = f(forget) * state[1] + f(i) * g(c)
        return f(o) * h(cell), cell

    def _gru(self, from_x: Any, r: Any, b: Any, state: State, functions: list[Any]) -> State:
        f, g = functions
        h, n = state[0], self.hidden
        x_z, x_r, x_h = _pieces(from_x, 3)
        b_h = None if b is None else b[2 * n :]
        if self.call.get("linear_before_reset", 0):
            h_z, h_r, h_h = _pieces(_linear(h, r, b), 3)
            z, reset = f(x_z + h_z), f(x_r + h_r)
            new = g(x_h + reset * h_h)
        else:
            h_z, h_r = _pieces(_linear(h, r[:, : 2 * n], None if b is None else b[: 2 * n]), 2)
            z, reset = f(x_z + h_z), f(x_r + h_r)
            new = g(x_h + _linear(reset * h, r[:, 2 * n :], b_h))
        return ((1 - z) * new + z * h,)


def _linear(x: Any, w: Any, b: Any) -> Any:
    return x @ w if b is None else x @ w + b


def _pieces(x: Any, count: int) -> Any:
    """Cut the last axis into equal pieces."""
    width = x.shape[-1] // count
    return Split.apply(x, cuts=tuple(range(width, width * count, width)), axis=-1)
