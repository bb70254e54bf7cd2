r"""Recurrent layers over all steps of a sequence, each as one operation with its backward pass through time.

Sources: Elman, "Finding structure in time" (1990); Hochreiter & Schmidhuber, "Long short-term memory" (1997); Gers,
Schmidhuber & Cummins, "Learning to forget" (2000); Cho et al., "Learning phrase representations using RNN
encoder–decoder" (2014), with r after the matrix product, as in PyTorch; for the backward passes Werbos,
"Backpropagation through time" (1990).
"""

import numpy as np

from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.kernels import outputs, sums
from chainrule.kernels.recurrence import gru, lstm, rnn
from chainrule.kernels.recurrence.loops import Each
from chainrule.kernels.recurrence.sweep import Product, backwards, forwards
from chainrule.rules.arrays.join import Split, concatenate, stack
from chainrule.rules.arrays.windows import wide
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.linalg.matmul import product, rows

from .activation import relu, sigmoid


def _check(gates: int, z: Array, w: Array, b: Array, *states: Array) -> None:
    """Raise ValueError unless z is [T, B, G H], w [H, G H], b [G H] and each state [B, H]."""
    given = [np.shape(x) for x in (z, w, b, *states)]
    if len(given[0]) == 3 and len(given[3]) == 2 and given[0][0]:
        (_, batch, wide), width = given[0], given[3][1]
        expected = [(width, wide), (wide,), *[(batch, width)] * len(states)]
        if wide == gates * width and given[1:] == expected:
            return
    many = f"{gates} H" if gates > 1 else "H"
    names = "h and c" if len(states) == 2 else "h"
    raise ValueError(
        f"expected z [T, B, {many}] with at least one step, w [H, {many}], b [{many}], {names} [B, H], "
        f"got the shapes {given}"
    )


def _earlier(h: Array, states: Array) -> Array:
    """Return the state that each step began from, [T, B, H]."""
    return np.concatenate([h[None], states[:-1]])


def _turned(w: Array) -> Array:
    """Return the transpose, laid out anew: a product of few rows with it takes half the time, and each step has one."""
    return np.ascontiguousarray(w.T)


def _of_weights(began: Array, bar: Array) -> tuple[Array, Array]:
    """Return the gradients of w and b: one product over the steps and samples, and one sum."""
    return product(rows(began).T, rows(bar)), sums.of_rows(bar)


class RNN(Fused):
    r"""y = (h_1, \dots, h_T),
    \quad h_t = \varphi(z_t + h_{t-1} W + b)

    Of z [T, B, H], w [H, H], b [H] and the first h [B, H]; y is [T, B, H]. φ is tanh, or relu with
    `nonlinearity="relu"`: either slope follows from the state itself.
    """

    cases = (
        case((3, 2, 2), (2, 2), (2,), (2, 2), nonlinearity="tanh"),
        case((1, 1, 3), (3, 3), (3,), (1, 3), nonlinearity="relu"),
    )

    @staticmethod
    def composite(z: Array, w: Array, b: Array, h: Array, *, nonlinearity: str) -> Array:
        _check(1, z, w, b, h)
        states = []
        for k in range(z.shape[0]):
            h = (tanh if nonlinearity == "tanh" else relu)(z[k] + (h @ w + b))
            states.append(h)
        return stack(states)

    @staticmethod
    def primal(z: Array, w: Array, b: Array, h: Array, *, nonlinearity: str) -> Array:
        _check(1, z, w, b, h)
        dtype = np.result_type(z, w, b, h)
        z, w, b, h = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h))
        y = z + b
        forwards(Product(Each(y, first=h), w, Each(y), adds=True), rnn.forward(y, h, nonlinearity))
        return y.astype(dtype, copy=False)

    @staticmethod
    def vjp(y_bar: Array, y: Array, w: Array, h: Array, *, nonlinearity: str) -> tuple[Array, ...]:
        r"""\bar h_t = \bar y_t + \bar z_{t+1} W^\top,
        \quad \bar z_t = \bar h_t \odot \varphi'_t,
        \quad \bar W = \sum_t h_{t-1}^\top\,\bar z_t,
        \quad \bar b = \sum_t \sum_k \bar z_{tk}
        """
        states = wide(y)
        slope = (1 - states * states) if nonlinearity == "tanh" else (states > 0).astype(states.dtype)
        if isinstance(y_bar, Tensor):  # the pullback itself is being differentiated
            return _rnn_pulled(y_bar, states, w, h, slope)
        y_bar, w, h = (np.ascontiguousarray(x, states.dtype) for x in (y_bar, w, h))
        h_bar, z_bar = np.zeros_like(h), slope
        backwards(rnn.reverse(h_bar, y_bar, z_bar), Product(Each(z_bar), _turned(w), h_bar))
        return z_bar, *_of_weights(_earlier(h, states), z_bar), h_bar


def _rnn_pulled(y_bar: Array, y: Array, w: Array, h: Array, slope: Array) -> tuple[Array, ...]:
    """Return what `RNN.vjp` does, in operations: it is linear in `y_bar`."""
    h_bar, found = np.zeros(h.shape, slope.dtype), []
    for k in range(len(slope) - 1, -1, -1):
        found.append((h_bar + y_bar[k]) * slope[k])
        h_bar = found[-1] @ w.T
    z_bar = stack(found[::-1])
    return z_bar, rows(_earlier(h, y)).T @ rows(z_bar), z_bar.sum(axis=(0, 1)), h_bar


class LSTM(Fused):
    r"""y = \begin{pmatrix} h_1, \dots, h_T \\ c_1, \dots, c_T \end{pmatrix},
    \quad (i, f, g, o)_t = z_t + h_{t-1} W + b,
    \quad c_t = \sigma(f_t) \odot c_{t-1} + \sigma(i_t) \odot \tanh(g_t),
    \quad h_t = \sigma(o_t) \odot \tanh(c_t)

    Of z [T, B, 4 H], w [H, 4 H], b [4 H] and the first h and c [B, H]; y is [2, T, B, H]. Kept is what the gates let
    through, [T, B, 4 H].
    """

    keeps = ("gates",)
    cases = (
        case((3, 2, 8), (2, 8), (8,), (2, 2), (2, 2)),
        case((1, 1, 12), (3, 12), (12,), (1, 3), (1, 3)),
    )

    @staticmethod
    def composite(z: Array, w: Array, b: Array, h: Array, c: Array) -> Array:
        _check(4, z, w, b, h, c)
        width, states, cells = h.shape[1], [], []
        for k in range(z.shape[0]):
            i, f, g, o = Split.apply(z[k] + (h @ w + b), cuts=(width, 2 * width, 3 * width), axis=-1)
            c = sigmoid(f) * c + sigmoid(i) * tanh(g)
            h = sigmoid(o) * tanh(c)
            states.append(h)
            cells.append(c)
        return stack([stack(states), stack(cells)])

    @staticmethod
    def primal(z: Array, w: Array, b: Array, h: Array, c: Array) -> Array:
        return LSTM.primal_keeping(z, w, b, h, c)[0]

    @staticmethod
    def primal_keeping(z: Array, w: Array, b: Array, h: Array, c: Array) -> tuple[Array, Array]:
        _check(4, z, w, b, h, c)
        dtype = np.result_type(z, w, b, h, c)
        z, w, b, h, c = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h, c))
        y, gates = outputs.empty((2, *z.shape[:2], h.shape[1]), z.dtype), outputs.empty(z.shape, z.dtype)
        forwards(Product(Each(y[0], first=h), w, Each(gates)), lstm.forward(gates, z, b, c, y[1], y[0]))
        return y.astype(dtype, copy=False), gates

    @staticmethod
    def vjp(y_bar: Array, y: Array, w: Array, h: Array, c: Array, gates: Array) -> tuple[Array, ...]:
        r"""\bar h_t = \bar y_{1t} + \bar z_{t+1} W^\top,
        \quad \bar c_t = \bar y_{2t} + \bar c_{t+1} \odot \sigma(f_{t+1})
        + \bar h_t \odot \sigma(o_t) \odot (1 - \tanh^2(c_t)),
        \quad \bar o_t = \bar h_t \odot \tanh(c_t) \odot \sigma'(o_t),
        \quad \bar i_t = \bar c_t \odot \tanh(g_t) \odot \sigma'(i_t),
        \quad \bar f_t = \bar c_t \odot c_{t-1} \odot \sigma'(f_t),
        \quad \bar g_t = \bar c_t \odot \sigma(i_t) \odot \tanh'(g_t),
        \quad \bar z_t = (\bar i, \bar f, \bar g, \bar o)_t,
        \quad \bar W = \sum_t h_{t-1}^\top\,\bar z_t,
        \quad \bar b = \sum_t \sum_n \bar z_{tn}
        """
        if isinstance(y_bar, Tensor):  # the pullback itself is being differentiated
            return _lstm_pulled(y_bar, y, w, h, c, gates)
        y_bar, states, w, h, c = (np.ascontiguousarray(x, gates.dtype) for x in (y_bar, y, w, h, c))
        z_bar, h_bar, c_bar = outputs.empty(gates.shape, gates.dtype), np.zeros_like(h), np.zeros_like(c)
        steps = lstm.reverse(h_bar, c_bar, y_bar, gates, c, states[1], z_bar)
        backwards(steps, Product(Each(z_bar), _turned(w), h_bar))
        return z_bar, *_of_weights(_earlier(h, states[0]), z_bar), h_bar, c_bar


def _lstm_pulled(y_bar: Array, y: Array, w: Array, h: Array, c: Array, gates: Array) -> tuple[Array, ...]:
    """Return what `LSTM.vjp` does, in operations: it is linear in `y_bar`."""
    h_bar = c_bar = np.zeros(h.shape, gates.dtype)
    found = []
    for k in range(len(gates) - 1, -1, -1):
        (i, f, g, o), seen = np.split(gates[k], 4, axis=-1), np.tanh(y[1, k])
        h_bar = h_bar + y_bar[0, k]
        c_bar = c_bar + y_bar[1, k] + h_bar * (o * (1 - seen * seen))
        before = y[1, k - 1] if k else c
        of_gates = (c_bar * (g * i * (1 - i)), c_bar * (before * f * (1 - f)), c_bar * (i * (1 - g * g)))
        found.append(concatenate([*of_gates, h_bar * (seen * o * (1 - o))], axis=-1))
        h_bar, c_bar = found[-1] @ w.T, c_bar * f
    z_bar = stack(found[::-1])
    return z_bar, rows(_earlier(h, y[0])).T @ rows(z_bar), z_bar.sum(axis=(0, 1)), h_bar, c_bar


class GRU(Fused):
    r"""y = (h_1, \dots, h_T),
    \quad (r', u', n')_t = h_{t-1} W + b,
    \quad \tilde h_t = \tanh(n_t + \sigma(r_t + r'_t) \odot n'_t),
    \quad h_t = \tilde h_t + \sigma(u_t + u'_t) \odot (h_{t-1} - \tilde h_t)

    Of z = (r, u, n) [T, B, 3 H], w [H, 3 H], b [3 H] and the first h [B, H]; y is [T, B, H]. Kept are
    $(\sigma(r_t + r'_t), \sigma(u_t + u'_t), \tilde h_t, n'_t)$, [T, B, 4 H].
    """

    keeps = ("gates",)
    cases = (case((3, 2, 6), (2, 6), (6,), (2, 2)), case((1, 1, 9), (3, 9), (9,), (1, 3)))

    @staticmethod
    def composite(z: Array, w: Array, b: Array, h: Array) -> Array:
        _check(3, z, w, b, h)
        cuts = (h.shape[1], 2 * h.shape[1])
        states = []
        for k in range(z.shape[0]):
            r, u, n = Split.apply(z[k], cuts=cuts, axis=-1)
            of_r, of_u, of_n = Split.apply(h @ w + b, cuts=cuts, axis=-1)
            new = tanh(n + sigmoid(r + of_r) * of_n)
            h = new + sigmoid(u + of_u) * (h - new)
            states.append(h)
        return stack(states)

    @staticmethod
    def primal(z: Array, w: Array, b: Array, h: Array) -> Array:
        return GRU.primal_keeping(z, w, b, h)[0]

    @staticmethod
    def primal_keeping(z: Array, w: Array, b: Array, h: Array) -> tuple[Array, Array]:
        _check(3, z, w, b, h)
        dtype = np.result_type(z, w, b, h)
        z, w, b, h = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h))
        kept = len(z), len(h), 4 * h.shape[1]
        y, gates = outputs.empty((len(z), *h.shape), z.dtype), outputs.empty(kept, z.dtype)
        from_state = np.empty(z.shape[1:], z.dtype)
        forwards(Product(Each(y, first=h), w, from_state), gru.forward(from_state, z, b, h, gates, y))
        return y.astype(dtype, copy=False), gates

    @staticmethod
    def vjp(y_bar: Array, y: Array, w: Array, h: Array, gates: Array) -> tuple[Array, ...]:
        r"""\bar h_t = \bar y_t + \bar h_{t+1} \odot \sigma(u_{t+1} + u'_{t+1}) + \bar s_{t+1} W^\top,
        \quad \bar n_t = \bar h_t \odot (1 - \sigma(u_t + u'_t)) \odot (1 - \tilde h_t^2),
        \quad \bar r_t = \bar n_t \odot n'_t \odot \sigma'(r_t + r'_t),
        \quad \bar u_t = \bar h_t \odot (h_{t-1} - \tilde h_t) \odot \sigma'(u_t + u'_t),
        \quad \bar z_t = (\bar r, \bar u, \bar n)_t,
        \quad \bar s_t = (\bar r_t, \bar u_t, \bar n_t \odot \sigma(r_t + r'_t)),
        \quad \bar W = \sum_t h_{t-1}^\top\,\bar s_t,
        \quad \bar b = \sum_t \sum_k \bar s_{tk}
        """
        if isinstance(y_bar, Tensor):  # the pullback itself is being differentiated
            return _gru_pulled(y_bar, y, w, h, gates)
        y_bar, states, w, h = (np.ascontiguousarray(x, gates.dtype) for x in (y_bar, y, w, h))
        z_bar = outputs.empty((*y.shape[:2], 3 * h.shape[1]), gates.dtype)
        s_bar, h_bar, began = np.empty_like(z_bar), np.zeros_like(h), _earlier(h, states)
        steps = gru.reverse(h_bar, y_bar, gates, began, z_bar, s_bar)
        backwards(steps, Product(Each(s_bar), _turned(w), h_bar, adds=True))
        return z_bar, *_of_weights(began, s_bar), h_bar


def _gru_pulled(y_bar: Array, y: Array, w: Array, h: Array, gates: Array) -> tuple[Array, ...]:
    """Return what `GRU.vjp` does, in operations: it is linear in `y_bar`."""
    h_bar = np.zeros(h.shape, gates.dtype)
    began, of_inputs, of_states = _earlier(h, y), [], []
    for k in range(len(gates) - 1, -1, -1):
        r, u, n, m = np.split(gates[k], 4, axis=-1)
        h_bar = h_bar + y_bar[k]
        n_bar = h_bar * ((1 - u) * (1 - n * n))
        r_bar, u_bar = n_bar * (m * r * (1 - r)), h_bar * ((began[k] - n) * u * (1 - u))
        of_inputs.append(concatenate([r_bar, u_bar, n_bar], axis=-1))
        of_states.append(concatenate([r_bar, u_bar, n_bar * r], axis=-1))
        h_bar = h_bar * u + of_states[-1] @ w.T
    s_bar = stack(of_states[::-1])
    return stack(of_inputs[::-1]), rows(began).T @ rows(s_bar), s_bar.sum(axis=(0, 1)), h_bar
