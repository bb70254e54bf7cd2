r"""A gated recurrent unit over all steps of a sequence as one operation, with its backward pass through time.

Source: Cho et al., "Learning phrase representations using RNN encoder–decoder" (2014), with r after the matrix product,
as in PyTorch; for the backward pass Werbos, "Backpropagation through time" (1990).
"""

import numpy as np

from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.kernels import openblas
from chainrule.kernels.recurrence import gru
from chainrule.rules.arrays.join import Split, concatenate, stack
from chainrule.rules.arrays.windows import wide
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.linalg.matmul import rows
from chainrule.rules.network.activation import sigmoid

from . import sequences


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
        sequences.check(3, z, w, b, h)
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
        sequences.check(3, z, w, b, h)
        dtype = np.result_type(z, w, b, h)
        z, w, b, h = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h))
        y, gates = np.empty((len(z), *h.shape), z.dtype), np.empty((len(z), len(h), 4 * h.shape[1]), z.dtype)
        from_state = np.empty(z.shape[1:], z.dtype)
        with openblas.one_thread():
            for k in range(len(z)):
                np.matmul(h, w, out=from_state)
                gru.forward(from_state, z[k], b, h, gates[k], y[k])
                h = y[k]
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
            return _pulled(y_bar, y, w, h, gates)
        y_bar, states, w, h = (np.ascontiguousarray(x, gates.dtype) for x in (y_bar, y, w, h))
        z_bar = np.empty((*y.shape[:2], 3 * h.shape[1]), gates.dtype)
        s_bar, h_bar, from_step = np.empty_like(z_bar), np.zeros_like(h), np.zeros_like(h)
        began = sequences.earlier(h, states)
        with openblas.one_thread():
            for k in range(len(gates) - 1, -1, -1):
                h_bar += y_bar[k]
                gru.reverse(h_bar, gates[k], began[k], z_bar[k], s_bar[k])
                np.matmul(s_bar[k], w.T, out=from_step)
                h_bar += from_step
        return z_bar, *sequences.of_weights(began, s_bar), h_bar


def _pulled(y_bar: Array, y: Array, w: Array, h: Array, gates: Array) -> tuple[Array, ...]:
    """Return what `GRU.vjp` does, in operations: it is linear in `y_bar`."""
    h_bar = np.zeros(h.shape, gates.dtype)
    began, of_inputs, of_states = sequences.earlier(h, y), [], []
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
