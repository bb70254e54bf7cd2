"""ATen's recurrent layers, with chainrule's operations, unrolled step by step as in `chainrule.nn.recurrent`."""

# ruff: noqa: ARG001  # ATen's arguments, also those that say nothing here

from collections.abc import Callable, Sequence
from typing import Any

from chainrule.interop.torch.traced.call import Call, carries
from chainrule.nn.dropout import dropout as dropped
from chainrule.rules.arrays.join import Split, concatenate
from chainrule.rules.arrays.shape import swapaxes, transpose
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.network.activation import relu, sigmoid
from chainrule.rules.network.linear import linear as linear_map

State = tuple[Any, ...]
Stepping = Callable[[Any, Any, State], State]


def _pieces(x: Any, count: int, axis: int = 0) -> Sequence[Any]:
    width = x.shape[axis] // count
    pieces: Sequence[Any] = Split.apply(x, cuts=tuple(range(width, x.shape[axis], width)), axis=axis)
    return pieces


def _lstm_step(from_input: Any, from_state: Any, state: State) -> State:
    i, f, g, o = _pieces(from_input + from_state, 4, axis=-1)
    c = sigmoid(f) * state[1] + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def _gru_step(from_input: Any, from_state: Any, state: State) -> State:
    r, z, n = _pieces(from_input, 3, axis=-1)
    r_state, z_state, n_state = _pieces(from_state, 3, axis=-1)
    new = tanh(n + sigmoid(r + r_state) * n_state)
    return (new + sigmoid(z + z_state) * (state[0] - new),)


def _plain_step(function: Callable[[Any], Any]) -> Stepping:
    def step(from_input: Any, from_state: Any, state: State) -> State:
        return (function(from_input + from_state),)

    return step


def _map(x: Any, weight: Any, bias: Any) -> Any:
    return x @ transpose(weight) if bias is None else linear_map(x, transpose(weight), bias)


def _unrolled(x: Any, state: State, weights: Sequence[Any], step: Stepping, backwards: bool) -> tuple[Any, State]:
    """Run one layer in one direction over `x [T, B, in]`; return its outputs and its last state, each `[1, B, H]`."""
    w_ih, w_hh, b_ih, b_hh = [*weights, None, None][:4]
    steps = _pieces(_map(x, w_ih, b_ih), x.shape[0])
    outputs = []
    for from_input in reversed(steps) if backwards else steps:
        state = step(from_input, _map(state[0], w_hh, b_hh), state)
        outputs.append(state[0])
    return concatenate(outputs[::-1] if backwards else outputs), state


def _layers(
    call: Call, step: Stepping, x: Any, begin: Sequence[Any], params: Sequence[Any], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Any, ...]:  # fmt: skip
    """Run all layers; return the outputs and each part of the last state."""
    each, ways = 4 if has_biases else 2, 2 if bidirectional else 1
    if len(params) != each * ways * num_layers:
        call.refuse("proj_size: expected 0; project the outputs by a Linear")
    x = swapaxes(x, 0, 1) if batch_first else x
    last = []
    for layer in range(num_layers):
        x = dropped(x, dropout, train) if layer and dropout else x
        outputs = []
        for way in range(ways):
            k = layer * ways + way
            state = tuple(part[k : k + 1] for part in begin)
            y, state = _unrolled(x, state, params[k * each : (k + 1) * each], step, bool(way))
            outputs.append(y)
            last.append(state)
        x = outputs[0] if ways == 1 else concatenate(outputs, axis=-1)
    return swapaxes(x, 0, 1) if batch_first else x, *(concatenate(parts) for parts in zip(*last, strict=True))


@carries("lstm.input")
def lstm(call: Call, x: Any, hx: Sequence[Any], params: Sequence[Any], *settings: Any) -> Any:
    """Return the outputs, the last state and the last cell of a long short-term memory."""
    return _layers(call, _lstm_step, x, hx, params, *settings)


@carries("gru.input")
def gru(call: Call, x: Any, hx: Any, params: Sequence[Any], *settings: Any) -> Any:
    """Return the outputs and the last state of a gated recurrent unit."""
    return _layers(call, _gru_step, x, [hx], params, *settings)


@carries("rnn_tanh.input")
def rnn_tanh(call: Call, x: Any, hx: Any, params: Sequence[Any], *settings: Any) -> Any:
    """Return the outputs and the last state of a plain recurrent layer."""
    return _layers(call, _plain_step(tanh), x, [hx], params, *settings)


@carries("rnn_relu.input")
def rnn_relu(call: Call, x: Any, hx: Any, params: Sequence[Any], *settings: Any) -> Any:
    """Return the outputs and the last state of a plain recurrent layer with relu."""
    return _layers(call, _plain_step(relu), x, [hx], params, *settings)


@carries("lstm_cell")
def lstm_cell(call: Call, x: Any, hx: Sequence[Any], w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """Return the next state and cell of a long short-term memory."""
    return _lstm_step(_map(x, w_ih, b_ih), _map(hx[0], w_hh, b_hh), tuple(hx))


@carries("gru_cell")
def gru_cell(call: Call, x: Any, hx: Any, w_ih: Any, w_hh: Any, b_ih: Any = None, b_hh: Any = None) -> Any:
    """Return the next state of a gated recurrent unit."""
    return _gru_step(_map(x, w_ih, b_ih), _map(hx, w_hh, b_hh), (hx,))[0]
