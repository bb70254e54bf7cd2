r"""Recurrent layers: each step of a sequence updates a state.

All three share one recurrence; each layer defines only how a step makes the next state. The gates, their order and the
equations are PyTorch's, with weights stored as `[in, out]`: PyTorch's weights are the transposes of ours of the same
name.

Backpropagation through time reaches back to the initial state. To truncate it, cut the state between two segments of a
long sequence, `state = chainrule.stop_gradient(state)`: its values are passed on, gradients are not (Williams & Peng,
"An efficient gradient-based algorithm for on-line training of recurrent network trajectories", 1990).
"""

import math
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any, ClassVar

import numpy as np

from chainrule.core.operands.keywords import explained
from chainrule.core.random import default_generator
from chainrule.core.traces.capturing import observed, running
from chainrule.kernels.suitable import HAS_COMPILER, LARGE
from chainrule.rules.arrays.join import Split, concatenate
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.network import recurrence
from chainrule.rules.network.activation import relu, sigmoid

from . import functional
from .dropout import check_probability, dropout
from .init import Generator
from .inputs import floating, in_dtype_of, positive_size
from .module import Module
from .parameter import Parameter

State = tuple[Any, ...]

_PIECES = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class Recurrent(Module):
    """The recurrence that `RNN`, `LSTM` and `GRU` share: stacked layers, forward or bidirectional.

    Takes `x [T, B, in]`, `[B, T, in]` with `batch_first`, or one sequence `[T, in]`, and the initial state (default:
    zeros); returns the outputs of the last layer `[T, B, D H]`, arranged like `x`, and the state after the last step. A
    state is an array `[layers D, B, H]`, without B for a single sequence; D is 2 if `bidirectional`, else 1.

    Layer k has `weight_ih_l{k} [in, G H]`, `weight_hh_l{k} [H, G H]` and, with `bias`, `bias_ih_l{k}` and `bias_hh_l{k}
    [G H]` for the layer's G gates, and the same with the suffix `_reverse` for the reverse direction; all are
    initialised uniformly in ±1/√H. In training, `dropout` drops elements of what one layer passes to the next.

    Raises ValueError for an input or a state of the wrong shape, and for a sequence without steps.
    """

    gates: ClassVar[int]
    states: ClassVar[int] = 1
    """How many arrays make up the state; the first is the output."""

    @explained
    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        generator: Generator = None,
        dtype: Any = np.float32,
    ) -> None:
        super().__init__()
        name = type(self).__name__
        self.input_size = positive_size(f"{name}: input_size", input_size)
        self.hidden_size = positive_size(f"{name}: hidden_size", hidden_size)
        self.num_layers = positive_size(f"{name}: num_layers", num_layers)
        check_probability(f"{name}: dropout", dropout)
        self.bias, self.batch_first, self.dropout = bool(bias), bool(batch_first), float(dropout)
        self.bidirectional, self.generator = bool(bidirectional), generator
        self._draw(floating(name, dtype))

    def _draw(self, dtype: Any) -> None:
        source, limit = self.generator or default_generator(), 1 / math.sqrt(self.hidden_size)
        wide, ways = self.gates * self.hidden_size, len(self._ways())
        for layer in range(self.num_layers):
            inputs = self.input_size if layer == 0 else ways * self.hidden_size
            for way in self._ways():
                shapes = ((inputs, wide), (self.hidden_size, wide), (wide,), (wide,))
                for piece, shape in zip(_PIECES, shapes, strict=True):
                    if self.bias or len(shape) == 2:
                        drawn = source.uniform(-limit, limit, shape)
                        setattr(self, f"{piece}_l{layer}{way}", Parameter(drawn, dtype=dtype))

    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    @abstractmethod
    def _step(self, from_input: Any, from_state: Any, state: State) -> State:
        """Return the next state, given `x W_ih + b_ih`, `h W_hh + b_hh` and the previous state."""

    @abstractmethod
    def _at_once(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        """Return the states [T, B, H] after every step as one operation, given `x W_ih + b_ih` of all steps."""

    def forward(self, x: Any, state: Any = None) -> tuple[Any, Any]:
        """Return the outputs and the last state."""
        name = f"{type(self).__name__}({self.input_size} → {self.hidden_size})"
        x = in_dtype_of(self.weight_hh_l0, x, name)
        if x.ndim not in (2, 3) or x.shape[-1] != self.input_size:
            order = "B, T" if self.batch_first else "T, B"
            raise ValueError(
                f"{name}: expected [{order}, {self.input_size}] or [T, {self.input_size}], got {list(x.shape)}"
            )
        alone = x.ndim == 2
        x = x[:, None] if alone else x.swapaxes(0, 1) if self.batch_first else x
        if len(x) == 0:
            raise ValueError(f"{name}: expected at least one step, got a sequence of none")
        y, last = self._layers(x, self._beginning(name, x, state, alone))
        found = [concatenate(parts) for parts in zip(*last, strict=True)]
        if alone:
            y, found = y[:, 0], [part[:, 0] for part in found]
        elif self.batch_first:
            y = y.swapaxes(0, 1)
        return y, found[0] if self.states == 1 else tuple(found)

    def _beginning(self, name: str, x: Any, state: Any, alone: bool) -> Iterator[State]:
        """Yield the initial state of each layer and direction: arrays [1, B, H]."""
        count = self.num_layers * len(self._ways())
        shape = [count, *([] if alone else [x.shape[1]]), self.hidden_size]
        if state is None:
            nothing = np.zeros((1, x.shape[1], self.hidden_size), x.dtype)
            return iter([(nothing,) * self.states] * count)
        parts = (state,) if self.states == 1 else tuple(state)
        parts = tuple(in_dtype_of(self.weight_hh_l0, part, f"{name}: state") for part in parts)
        if [list(part.shape) for part in parts] != [shape] * self.states:
            got = ", ".join(str(list(part.shape)) for part in parts)
            raise ValueError(f"{name}: state: expected {self.states} of shape {shape}, got {got}")
        parts = tuple(part[:, None] if alone else part for part in parts)
        return zip(*(_pieces(part, count) for part in parts), strict=True)

    def _layers(self, x: Any, begin: Iterator[State]) -> tuple[Any, list[State]]:
        last = []
        for layer in range(self.num_layers):
            if layer:
                x = dropout(x, self.dropout, self.training, self.generator)
            outputs = []
            for way in self._ways():
                y, state = self._unrolled(x, next(begin), f"_l{layer}{way}", backwards=bool(way))
                outputs.append(y)
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else concatenate(outputs, axis=-1)
        return x, last

    def _unrolled(self, x: Any, state: State, which: str, backwards: bool) -> tuple[Any, State]:
        """Run one layer in one direction over `x [T, B, in]`; return its outputs and its last state."""
        w_ih, w_hh, b_ih, b_hh = (getattr(self, piece + which, None) for piece in _PIECES)
        # All inputs in one product: only the state has to wait for the previous step.
        z = functional.linear(x, w_ih, b_ih)
        if is_one_operation(z):
            b = np.zeros(z.shape[-1], z.dtype) if b_hh is None else b_hh
            y, *last = self._at_once(z[::-1] if backwards else z, w_hh, b, *(part[0] for part in state))
            return y[::-1] if backwards else y, (y[-1:], *(part[-1:] for part in last))
        steps = _pieces(z, len(x))
        outputs = []
        for from_input in reversed(steps) if backwards else steps:
            state = self._step(from_input, functional.linear(state[0], w_hh, b_hh), state)
            outputs.append(state[0])
        return concatenate(outputs[::-1] if backwards else outputs), state

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that differ from their defaults."""
        settings = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        told = [f"{key}={getattr(self, key)}" for key, usual in settings.items() if getattr(self, key) != usual]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *told])


class RNN(Recurrent):
    r"""$h_t = \tanh(x_t W_{ih} + b_{ih} + h_{t-1} W_{hh} + b_{hh})$, or relu with `nonlinearity="relu"`.

    `Recurrent` describes its inputs, outputs and parameters.

    Source: Elman, "Finding structure in time" (1990).

    >>> y, state = RNN(4, 8)(np.zeros((5, 3, 4)))
    >>> y.shape, state.shape
    ((5, 3, 8), (1, 3, 8))
    """

    gates = 1

    @explained
    def __init__(self, *sizes: Any, nonlinearity: str = "tanh", **settings: Any) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity: expected 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(*sizes, **settings)
        self.nonlinearity = nonlinearity

    def _step(self, from_input: Any, from_state: Any, state: State) -> State:  # noqa: ARG002
        return ((tanh if self.nonlinearity == "tanh" else relu)(from_input + from_state),)

    def _at_once(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        return (recurrence.RNN.apply(z, w, b, *state, nonlinearity=self.nonlinearity),)


class LSTM(Recurrent):
    r"""Long short-term memory: gates that add to a cell $c$, from which the output $h$ is read.

    $(i, f, g, o) = x_t W_{ih} + b_{ih} + h_{t-1} W_{hh} + b_{hh}$,
    $c_t = \sigma(f) c_{t-1} + \sigma(i) \tanh(g)$, $h_t = \sigma(o) \tanh(c_t)$. The state is `(h, c)`;
    `Recurrent` describes the rest.

    Sources: Hochreiter & Schmidhuber, "Long short-term memory" (1997); the forget gate f is due to Gers, Schmidhuber &
    Cummins, "Learning to forget" (2000).

    >>> y, (h, c) = LSTM(4, 8, num_layers=2, bidirectional=True)(np.zeros((5, 3, 4)))
    >>> y.shape, c.shape
    ((5, 3, 16), (4, 3, 8))
    """

    gates, states = 4, 2

    def _at_once(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        y = recurrence.LSTM.apply(z, w, b, *state)
        return y[0], y[1]

    def _step(self, from_input: Any, from_state: Any, state: State) -> State:
        i, f, g, o = _pieces(from_input + from_state, 4, axis=-1)
        c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c


class GRU(Recurrent):
    r"""Gated recurrent unit: a gate z between the old state and a new one, and a gate r on the new one's input.

    With $(r, z, n)$ the parts of $x_t W_{ih} + b_{ih}$ and $(r', z', n')$ those of $h_{t-1} W_{hh} + b_{hh}$:
    $\tilde h = \tanh(n + \sigma(r + r')\,n')$, $h_t = (1 - \zeta)\,\tilde h + \zeta\,h_{t-1}$ with
    $\zeta = \sigma(z + z')$. `Recurrent` says the rest.

    Source: Cho et al., "Learning phrase representations using RNN encoder–decoder" (2014), with r after the matrix
    product instead of before it, as in PyTorch.

    >>> y, state = GRU(4, 8, batch_first=True)(np.zeros((3, 5, 4)))
    >>> y.shape, state.shape
    ((3, 5, 8), (1, 3, 8))
    """

    gates = 3

    def _step(self, from_input: Any, from_state: Any, state: State) -> State:
        r, z, n = _pieces(from_input, 3, axis=-1)
        r_state, z_state, n_state = _pieces(from_state, 3, axis=-1)
        new = tanh(n + sigmoid(r + r_state) * n_state)
        return (new + sigmoid(z + z_state) * (state[0] - new),)

    def _at_once(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        return (recurrence.GRU.apply(z, w, b, *state),)


def is_one_operation(z: Any) -> bool:
    """Whether all steps are one operation, which is faster: of large arrays, where nobody looks at single steps.

    `vmap` and those who observe a run see each of them.
    """
    if not HAS_COMPILER or running.maps or observed.blocks:
        return False
    return z.ndim == 3 and z.dtype in (np.float32, np.float64) and z.size >= LARGE


def _pieces(x: Any, count: int, axis: int = 0) -> Sequence[Any]:
    """Split an axis into equal pieces; one operation, whose gradient is one concatenation."""
    width = x.shape[axis] // count
    pieces: Sequence[Any] = Split.apply(x, cuts=tuple(range(width, x.shape[axis], width)), axis=axis)
    return pieces
