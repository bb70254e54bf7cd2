r"""Elman's recurrence over all steps of a sequence as one operation, with its backward pass through time.

Sources: Elman, "Finding structure in time" (1990); for the backward pass Werbos, "Backpropagation through time" (1990).
"""

import numpy as np

from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.kernels import openblas
from chainrule.rules.arrays.join import stack
from chainrule.rules.arrays.windows import wide
from chainrule.rules.elementary.trigonometric import tanh
from chainrule.rules.linalg.matmul import rows
from chainrule.rules.network.activation import relu

from . import sequences


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
        sequences.check(1, z, w, b, h)
        states = []
        for k in range(z.shape[0]):
            h = (tanh if nonlinearity == "tanh" else relu)(z[k] + (h @ w + b))
            states.append(h)
        return stack(states)

    @staticmethod
    def primal(z: Array, w: Array, b: Array, h: Array, *, nonlinearity: str) -> Array:
        sequences.check(1, z, w, b, h)
        dtype = np.result_type(z, w, b, h)
        z, w, b, h = (np.ascontiguousarray(wide(x)) for x in (z, w, b, h))
        y = z + b
        with openblas.one_thread():
            for k in range(len(z)):
                y[k] += h @ w
                h = np.tanh(y[k], out=y[k]) if nonlinearity == "tanh" else np.maximum(y[k], 0, out=y[k])
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
            return _pulled(y_bar, states, w, h, slope)
        y_bar, w, h = (np.ascontiguousarray(x, states.dtype) for x in (y_bar, w, h))
        h_bar, z_bar = np.zeros_like(h), slope
        with openblas.one_thread():
            for k in range(len(slope) - 1, -1, -1):
                h_bar += y_bar[k]
                z_bar[k] *= h_bar
                np.matmul(z_bar[k], w.T, out=h_bar)
        return z_bar, *sequences.of_weights(sequences.earlier(h, states), z_bar), h_bar


def _pulled(y_bar: Array, y: Array, w: Array, h: Array, slope: Array) -> tuple[Array, ...]:
    """Return what `RNN.vjp` does, in operations: it is linear in `y_bar`."""
    h_bar, found = np.zeros(h.shape, slope.dtype), []
    for k in range(len(slope) - 1, -1, -1):
        found.append((h_bar + y_bar[k]) * slope[k])
        h_bar = found[-1] @ w.T
    z_bar = stack(found[::-1])
    return z_bar, rows(sequences.earlier(h, y)).T @ rows(z_bar), z_bar.sum(axis=(0, 1)), h_bar
