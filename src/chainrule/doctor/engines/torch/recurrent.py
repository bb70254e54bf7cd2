"""PyTorch's recurrent operations, step by step: a single call would hide how the gradient evolves through time.

The equations and the order of gates are those of `torch.nn.RNN`, `LSTM` and `GRU`.
"""

from collections.abc import Sequence
from typing import Any

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "lstm": 4, "gru": 3}


def can_unroll(name: str, args: Sequence[Any]) -> bool:
    """Whether a call is one of these, on a padded batch and without projections."""
    if name.removesuffix("_cell") not in GATES:
        return False
    if name.endswith("_cell"):
        return len(args) == 6
    if len(args) != 9 or not isinstance(args[2], list):  # a packed sequence has its sizes as the second argument
        return False
    weights, biases, layers, both = args[2], args[3], args[4], args[7]
    return bool(len(weights) == (4 if biases else 2) * layers * (2 if both else 1))


def unrolled(torch: Any, name: str, args: Sequence[Any]) -> Any:
    """Return the operation's result, computed step by step."""
    kind = name.removesuffix("_cell")
    if name.endswith("_cell"):
        x, state, w_ih, w_hh, b_ih, b_hh = args
        linear = torch.nn.functional.linear
        parts = tuple(state) if kind == "lstm" else (state,)
        found = _step(torch, kind, linear(x, w_ih, b_ih), linear(parts[0], w_hh, b_hh), parts)
        return found if kind == "lstm" else found[0]
    return _layers(torch, kind, args)


def _layers(torch: Any, kind: str, args: Sequence[Any]) -> Any:
    x, begin, weights, biases, layers, dropout, training, both, batch_first = args
    begin = tuple(begin) if kind == "lstm" else (begin,)
    x = x.transpose(0, 1) if batch_first else x
    per, ways = 4 if biases else 2, 2 if both else 1
    last = []
    for layer in range(layers):
        if layer and dropout:
            x = torch.nn.functional.dropout(x, dropout, training)
        outputs = []
        for way in range(ways):
            k = layer * ways + way
            own = weights[k * per : (k + 1) * per]
            y, state = _way(torch, kind, x, tuple(part[k] for part in begin), own, backwards=bool(way))
            outputs.append(y)
            last.append(state)
        x = outputs[0] if ways == 1 else torch.cat(outputs, -1)
    final = tuple(torch.stack(parts) for parts in zip(*last, strict=True))
    return (x.transpose(0, 1) if batch_first else x, *final)


def _way(
    torch: Any, kind: str, x: Any, state: tuple[Any, ...], weights: Sequence[Any], backwards: bool
) -> tuple[Any, tuple[Any, ...]]:
    """Run one layer in one direction over `x [T, B, in]`."""
    w_ih, w_hh, b_ih, b_hh = (*weights, None, None)[:4]
    linear = torch.nn.functional.linear
    from_input = linear(x, w_ih, b_ih).unbind(0)
    outputs = []
    for part in reversed(from_input) if backwards else from_input:
        state = _step(torch, kind, part, linear(state[0], w_hh, b_hh), state)
        outputs.append(state[0])
    return torch.stack(outputs[::-1] if backwards else outputs), state


def _step(torch: Any, kind: str, from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    if kind == "lstm":
        i, f, g, o = (from_input + from_state).chunk(4, -1)
        cell = torch.sigmoid(f) * state[1] + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(cell), cell
    if kind == "gru":
        (r, z, n), (hr, hz, hn) = from_input.chunk(3, -1), from_state.chunk(3, -1)
        reset, update = torch.sigmoid(r + hr), torch.sigmoid(z + hz)
        new = torch.tanh(n + reset * hn)
        return (new + update * (state[0] - new),)
    return (getattr(torch, kind.removeprefix("rnn_"))(from_input + from_state),)
