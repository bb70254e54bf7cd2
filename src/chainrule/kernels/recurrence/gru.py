"""The steps of a gated recurrent unit; the gates are r, u, n, a row [3 H] for each sample."""

from typing import Any

import numpy as np

from chainrule.kernels import functions

from .loops import Each, Steps

Array = Any


def forward(from_state: Array, z: Array, b: Array, h: Array, kept: Array, states: Array) -> Steps:
    """Return the step that sets its state, and what it keeps: what the gates let through and the state's part of n.

    `from_state` is h W; the first step begins from h.
    """
    given = [from_state, Each(z), b, Each(states, first=h), Each(kept), Each(states)]
    return Steps(_write_forward, _forward, h, given)


def reverse(h_bar: Array, y_bar: Array, kept: Array, began: Array, z_bar: Array, s_bar: Array) -> Steps:
    """Return the step that sets its gradients of both parts of the gates, given the states that the steps began from.

    It turns `h_bar`, its state's gradient, to which `y_bar` is added, into what passes by the gates.
    """
    given = [h_bar, Each(y_bar), Each(kept), Each(began), Each(z_bar), Each(s_bar)]
    return Steps(_write_reverse, _reverse, h_bar, given)


def _forward(from_state: Array, z: Array, b: Array, h: Array, kept: Array, new_h: Array) -> None:
    from_state += b
    r, u, n, m = np.split(kept, 4, axis=-1)
    for gate, of_input, of_state in zip(
        (r, u), np.split(z, 3, axis=-1), np.split(from_state, 3, axis=-1), strict=False
    ):
        np.add(of_input, of_state, out=gate)
        gate[...] = np.exp(np.minimum(gate, 0)) / (1 + np.exp(-np.abs(gate)))
    width = h.shape[1]
    m[...] = from_state[:, 2 * width :]
    np.tanh(z[:, 2 * width :] + r * m, out=n)
    np.add(n, u * (h - n), out=new_h)


def _reverse(h_bar: Array, of_h: Array, kept: Array, h: Array, z_bar: Array, s_bar: Array) -> None:
    r, u, n, m = np.split(kept, 4, axis=-1)
    r_bar, u_bar, n_bar = np.split(z_bar, 3, axis=-1)
    h_bar += of_h
    n_bar[...] = h_bar * (1 - u) * (1 - n * n)
    r_bar[...] = n_bar * m * r * (1 - r)
    u_bar[...] = h_bar * (h - n) * u * (1 - u)
    s_bar[...] = z_bar
    s_bar[:, 2 * h.shape[1] :] *= r
    h_bar *= u


def _write_forward(
    code: Any, n: Any, row: Any, from_state: Array, z: Array, b: Array, h: Array, kept: Array, new_h: Array
) -> None:
    """Write a sample's step; a loop for each gate, since LLVM would not see that the four do not overlap."""
    at, gate, let = row * n, [(row * 3 + k) * n for k in range(3)], [(row * 4 + k) * n for k in range(4)]
    for k in range(2):
        with code.loop(0, n) as j:
            place = gate[k] + j
            kept[let[k] + j] = functions.sigmoid(z[place] + (from_state[place] + b[n * k + j]))
    with code.loop(0, n) as j:
        kept[let[3] + j] = from_state[gate[2] + j] + b[n * 2 + j]
    with code.loop(0, n) as j:
        new = functions.tanh(z[gate[2] + j] + kept[let[0] + j] * kept[let[3] + j])
        kept[let[2] + j] = new
        new_h[at + j] = new + kept[let[1] + j] * (h[at + j] - new)


def _write_reverse(
    code: Any, n: Any, row: Any, h_bar: Array, of_h: Array, kept: Array, h: Array, z_bar: Array, s_bar: Array
) -> None:
    at, gate, (of_r, of_u, of_n, of_m) = (
        row * n,
        [(row * 3 + k) * n for k in range(3)],
        [(row * 4 + k) * n for k in range(4)],
    )
    with code.loop(0, n) as j:
        new, of_state = kept[of_n + j], h_bar[at + j] + of_h[at + j]
        h_bar[at + j] = of_state
        z_bar[gate[2] + j] = of_state * (1 - kept[of_u + j]) * (1 - new * new)
    with code.loop(0, n) as j:
        s_bar[gate[2] + j] = z_bar[gate[2] + j] * kept[of_r + j]
    with code.loop(0, n) as j:
        r = kept[of_r + j]
        z_bar[gate[0] + j] = z_bar[gate[2] + j] * kept[of_m + j] * r * (1 - r)
    with code.loop(0, n) as j:
        s_bar[gate[0] + j] = z_bar[gate[0] + j]
    with code.loop(0, n) as j:
        u = kept[of_u + j]
        slope = h_bar[at + j] * (h[at + j] - kept[of_n + j]) * u * (1 - u)
        z_bar[gate[1] + j] = slope
        s_bar[gate[1] + j] = slope
        h_bar[at + j] = h_bar[at + j] * u
