"""Recurrent layers and cells, with PyTorch's weights: `weight_ih_l0 [G H, in]`, `weight_hh_l0 [G H, H]`."""

import math
from typing import Any, ClassVar

import numpy as np

from chainrule.nn.recurrent import is_one_operation
from chainrule.rules.network import recurrence

from .. import elementwise, shapes
from ..face import wrapped
from . import functional as F
from . import init
from .layers import made
from .module import Module
from .utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence


def _rnn_step(kind: str) -> Any:
    act = elementwise.tanh if kind == "tanh" else elementwise.relu

    def step(from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return (act(from_input + from_state),)

    return step


def _lstm_step(from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    i, f, g, o = shapes.chunk(from_input + from_state, 4, -1)
    c = elementwise.sigmoid(f) * state[1] + elementwise.sigmoid(i) * elementwise.tanh(g)
    return elementwise.sigmoid(o) * elementwise.tanh(c), c


def _gru_step(from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
    r, z, n = shapes.chunk(from_input, 3, -1)
    rs, zs, ns = shapes.chunk(from_state, 3, -1)
    z = elementwise.sigmoid(z + zs)
    new = elementwise.tanh(n + elementwise.sigmoid(r + rs) * ns)
    return (new + z * (state[0] - new),)


def _reversed(steps: int, lengths: Any) -> Any:
    """Return the index that turns round the steps, of each sequence those it has; a second time turns them back."""
    if lengths is None:
        return slice(None, None, -1)
    k = np.arange(steps)[:, None]
    return np.where(k < lengths, lengths - 1 - k, k), np.arange(len(lengths))


class RNNBase(Module):
    """What recurrent layers share: stacked layers, in one direction or both.

    Takes `[T, B, in]`, `[B, T, in]` with `batch_first`, `[T, in]`, or a `PackedSequence`, and the initial state;
    returns the outputs of the last layer and the last state of every layer.
    """

    gates: ClassVar[int] = 1
    states: ClassVar[int] = 1

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional = bidirectional
        wide = self.gates * hidden_size
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else hidden_size * len(self._ways())
            for way in self._ways():
                setattr(self, f"weight_ih_l{layer}{way}", made((wide, inputs), dtype))
                setattr(self, f"weight_hh_l{layer}{way}", made((wide, hidden_size), dtype))
                if bias:
                    setattr(self, f"bias_ih_l{layer}{way}", made((wide,), dtype))
                    setattr(self, f"bias_hh_l{layer}{way}", made((wide,), dtype))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters again."""
        limit = 1 / math.sqrt(self.hidden_size) if self.hidden_size else 0
        for parameter in self.parameters():
            init.uniform_(parameter, -limit, limit)

    @property
    def _flat_weights_names(self) -> list[str]:
        return list(self._parameters)

    @property
    def _flat_weights(self) -> list[Any]:
        return list(self._parameters.values())

    def flatten_parameters(self) -> None:
        """Do nothing: it is an optimisation for GPUs."""

    def _ways(self) -> tuple[str, ...]:
        return ("", "_reverse") if self.bidirectional else ("",)

    def _step(self, from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__}: no step")

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """Return the outputs and the last state."""
        if isinstance(input, PackedSequence):
            return self._packed(input, hx)
        if input.ndim not in (2, 3) or input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"{type(self).__name__}: input.size(-1) must be equal to input_size. Expected {self.input_size}, got "
                f"{list(input.shape)}"
            )
        alone = input.ndim == 2
        x = input.unsqueeze(1) if alone else input.transpose(0, 1) if self.batch_first else input
        y, last = self._run(x, self._begin(x, hx, alone))
        if alone:
            return y.squeeze(1), self._state([part.squeeze(1) for part in last])
        return y.transpose(0, 1) if self.batch_first else y, self._state(last)

    def _state(self, parts: list[Any]) -> Any:
        return parts[0] if self.states == 1 else tuple(parts)

    def _begin(self, x: Any, hx: Any, alone: bool) -> list[Any]:
        count = self.num_layers * len(self._ways())
        if hx is None:
            zeros = wrapped(np.zeros((count, x.shape[1], self.hidden_size), x._x.dtype))
            return [zeros] * self.states
        parts = [hx] if self.states == 1 else list(hx)
        parts = [part.unsqueeze(1) if alone else part for part in parts]
        expected = (count, x.shape[1], self.hidden_size)
        for part in parts:
            if tuple(part.shape) != expected:
                raise RuntimeError(f"Expected hidden size {expected}, got {list(part.shape)}")
        return parts

    def _run(self, x: Any, begin: list[Any], lengths: Any = None) -> tuple[Any, list[Any]]:
        last: list[tuple[Any, ...]] = []
        for layer in range(self.num_layers):
            if layer:
                x = F.dropout(x, self.dropout, self.training)
            outputs = []
            for way in self._ways():
                state = tuple(part[len(last)] for part in begin)
                y, state = self._unrolled(x, state, f"_l{layer}{way}", bool(way), lengths)
                outputs.append(y)
                last.append(state)
            x = outputs[0] if len(outputs) == 1 else shapes.cat(outputs, -1)
        return x, [shapes.stack([state[k] for state in last]) for k in range(self.states)]

    def _unrolled(
        self, x: Any, state: tuple[Any, ...], which: str, backwards: bool, lengths: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        w_ih, w_hh = getattr(self, f"weight_ih{which}"), getattr(self, f"weight_hh{which}")
        b_ih, b_hh = (getattr(self, f"bias_ih{which}"), getattr(self, f"bias_hh{which}")) if self.bias else (None, None)
        z = F.linear(x, w_ih, b_ih)
        if is_one_operation(z._x):
            return self._at_once(z, w_hh, b_hh, state, backwards, lengths)
        steps = shapes.unbind(z)
        outputs: list[Any] = [None] * len(steps)
        for t in reversed(range(len(steps))) if backwards else range(len(steps)):
            new = self._step(steps[t], F.linear(state[0], w_hh, b_hh), state)
            if lengths is not None:  # a sequence that has ended, or not begun from its end, keeps its state
                runs = wrapped((t < lengths)[:, None])
                new = tuple(elementwise.where(runs, a, b) for a, b in zip(new, state, strict=True))
            state = new
            outputs[t] = state[0]
        return shapes.stack(outputs), state

    def _at_once(
        self, z: Any, w_hh: Any, b_hh: Any, state: tuple[Any, ...], backwards: bool, lengths: Any
    ) -> tuple[Any, tuple[Any, ...]]:
        """Return what `_unrolled` does by one operation over all steps.

        What it computes behind the end of a shorter sequence is read by nobody; a reverse direction begins with the
        last step that a sequence has.
        """
        order = _reversed(len(z), lengths) if backwards else None
        z = z._x if order is None else z._x[order]
        b = np.zeros(z.shape[-1], z.dtype) if b_hh is None else b_hh._x
        parts = self._together(z, w_hh._x.swapaxes(0, 1), b, *(part._x for part in state))
        end = -1 if lengths is None else (lengths - 1, np.arange(len(lengths)))
        last = tuple(wrapped(part[end]) for part in parts)
        return wrapped(parts[0] if order is None else parts[0][order]), last

    def _together(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        raise TypeError(f"{type(self).__name__}: no step")

    def _packed(self, input: PackedSequence, hx: Any) -> tuple[Any, Any]:
        x, lengths = pad_packed_sequence(PackedSequence(input.data, input.batch_sizes))
        begin = self._begin(x, hx, False)
        if input.sorted_indices is not None and hx is not None:
            begin = [part.index_select(1, input.sorted_indices) for part in begin]
        y, last = self._run(x, begin, np.asarray(lengths._x))
        packed = pack_padded_sequence(y, lengths)
        if input.unsorted_indices is not None:
            last = [part.index_select(1, input.unsorted_indices) for part in last]
        found = PackedSequence(packed.data, input.batch_sizes, input.sorted_indices, input.unsorted_indices)
        return found, self._state(last)

    def extra_repr(self) -> str:
        """Return the sizes, and the settings that differ from their defaults."""
        usual = {"num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0, "bidirectional": False}
        told = [f"{key}={getattr(self, key)}" for key, value in usual.items() if getattr(self, key) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *told])

    @property
    def all_weights(self) -> list[Any]:
        """The parameters of each layer and direction."""
        suffixes = [f"_l{k}{way}" for k in range(self.num_layers) for way in self._ways()]
        return [[p for name, p in self._parameters.items() if name.endswith(s)] for s in suffixes]


class RNN(RNNBase):
    """h' = tanh(W x + b + U h + c), or relu of it."""

    def __init__(self, *args: Any, nonlinearity: str = "tanh", **kwargs: Any) -> None:
        if len(args) > 3 and isinstance(args[3], str):
            nonlinearity, args = args[3], (*args[:3], *args[4:])
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"Unknown nonlinearity '{nonlinearity}'. Select from 'tanh' or 'relu'.")
        super().__init__(*args, **kwargs)
        self.nonlinearity = nonlinearity

    def _step(self, from_input: Any, from_state: Any, state: tuple[Any, ...]) -> tuple[Any, ...]:
        return _rnn_step(self.nonlinearity)(from_input, from_state, state)  # type: ignore[no-any-return]

    def _together(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        return (recurrence.RNN.apply(z, w, b, *state, nonlinearity=self.nonlinearity),)


class LSTM(RNNBase):
    """Long short-term memory; the state is `(h, c)`."""

    gates, states = 4, 2

    def __init__(self, *args: Any, proj_size: int = 0, **kwargs: Any) -> None:
        if proj_size:
            raise RuntimeError("LSTM: proj_size is not offered; put a Linear layer behind it")
        super().__init__(*args, **kwargs)

    _step = staticmethod(_lstm_step)

    def _together(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        y = recurrence.LSTM.apply(z, w, b, *state)
        return y[0], y[1]


class GRU(RNNBase):
    """Gated recurrent unit."""

    gates = 3
    _step = staticmethod(_gru_step)

    def _together(self, z: Any, w: Any, b: Any, *state: Any) -> tuple[Any, ...]:
        return (recurrence.GRU.apply(z, w, b, *state),)


class _Cell(Module):
    gates: ClassVar[int] = 1

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        wide = self.gates * hidden_size
        self.weight_ih, self.weight_hh = made((wide, input_size), dtype), made((wide, hidden_size), dtype)
        self.register_parameter("bias_ih", made((wide,), dtype) if bias else None)
        self.register_parameter("bias_hh", made((wide,), dtype) if bias else None)
        limit = 1 / math.sqrt(hidden_size)
        for parameter in self.parameters():
            init.uniform_(parameter, -limit, limit)

    def _sums(self, input: Any, h: Any) -> tuple[Any, Any]:
        return F.linear(input, self.weight_ih, self.bias_ih), F.linear(h, self.weight_hh, self.bias_hh)

    def _zeros(self, input: Any) -> Any:
        return wrapped(np.zeros((*input.shape[:-1], self.hidden_size), input._x.dtype))

    def extra_repr(self) -> str:
        """Return the sizes."""
        return f"{self.input_size}, {self.hidden_size}"


class RNNCell(_Cell):
    """One step of `RNN`."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", **kw: Any
    ) -> None:
        super().__init__(input_size, hidden_size, bias, **kw)
        self.nonlinearity = nonlinearity

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state."""
        h = self._zeros(input) if hx is None else hx
        return _rnn_step(self.nonlinearity)(*self._sums(input, h), (h,))[0]


class LSTMCell(_Cell):
    """One step of `LSTM`."""

    gates = 4

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next `(h, c)`."""
        state = (self._zeros(input),) * 2 if hx is None else tuple(hx)
        return _lstm_step(*self._sums(input, state[0]), state)


class GRUCell(_Cell):
    """One step of `GRU`."""

    gates = 3

    def forward(self, input: Any, hx: Any = None) -> Any:
        """Return the next state."""
        h = self._zeros(input) if hx is None else hx
        return _gru_step(*self._sums(input, h), (h,))[0]
