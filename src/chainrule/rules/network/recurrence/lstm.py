r"""A long short-term memory over all steps of a sequence as one operation, with its backward pass through time.

Sources: Hochreiter & Schmidhuber, "Long short-term memory" (1997); Gers, Schmidhuber & Cummins, "Learning to forget"
(2000); for the backward pass Werbos, "Backpropagation through time" (1990).
"""

import numpy as np

from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.kernels import openblas
from chainrule.kernels.recurrence import lstm
from chainrule.rules.arrays.join import Split, concatenate, stack
from chainrule.rules.arrays.windows import wide
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.linalg.matmul import rows
from chainrule.rules.network.activation import sigmoid

from . import sequences


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
        sequences.check(4, z, w, b, h, c)
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
        sequences.check(4, z, w, b, h, c)
        dtype = np.result_type(z, w, b, h, c)
        z, w, b, h, c = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h, c))
        y, gates = np.empty((2, *z.shape[:2], h.shape[1]), z.dtype), np.empty(z.shape, z.dtype)
        with openblas.one_thread():
            for k in range(len(z)):
                np.matmul(h, w, out=gates[k])
                lstm.forward(gates[k], z[k], b, c, y[1, k], y[0, k])
                h, c = y[0, k], y[1, k]
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
            return _pulled(y_bar, y, w, h, c, gates)
        y_bar, states, w, h, c = (np.ascontiguousarray(x, gates.dtype) for x in (y_bar, y, w, h, c))
        z_bar = np.empty_like(gates)
        h_bar, c_bar = np.zeros_like(h), np.zeros_like(c)
        with openblas.one_thread():
            for k in range(len(gates) - 1, -1, -1):
                h_bar += y_bar[0, k]
                c_bar += y_bar[1, k]
                before = states[1, k - 1] if k else c
                lstm.reverse(h_bar, c_bar, gates[k], before, states[1, k], z_bar[k])
                np.matmul(z_bar[k], w.T, out=h_bar)
        return z_bar, *sequences.of_weights(sequences.earlier(h, states[0]), z_bar), h_bar, c_bar


def _pulled(y_bar: Array, y: Array, w: Array, h: Array, c: Array, gates: Array) -> tuple[Array, ...]:
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
    return z_bar, rows(sequences.earlier(h, y[0])).T @ rows(z_bar), z_bar.sum(axis=(0, 1)), h_bar, c_bar
