"""The steps of a long short-term memory; the gates are i, f, g, o, a row [4 H] for each sample."""

from typing import Any

import numpy as np

from chainrule.kernels import functions

from .loops import Each, Steps

Array = Any


def forward(gates: Array, z: Array, b: Array, c: Array, cells: Array, states: Array) -> Steps:
    """Return the step that sets its cell and state, and its gates, which are h W before, to what these let through.

    The first begins from the cell c.
    """
    given = [Each(gates), Each(z), b, Each(cells, first=c), Each(cells), Each(states)]
    return Steps(_write_forward, _forward, c, given)


def reverse(h_bar: Array, c_bar: Array, y_bar: Array, gates: Array, c: Array, cells: Array, z_bar: Array) -> Steps:
    """Return the step that sets its `z_bar`, and `c_bar` from its cell's gradient to the one's before it.

    `h_bar` is the gradient of its state; `y_bar`, [2, T, B, H], is added to both.
    """
    given = [h_bar, c_bar, Each(y_bar[0]), Each(y_bar[1]), Each(gates), Each(cells, first=c), Each(cells), Each(z_bar)]
    return Steps(_write_reverse, _reverse, c, given)


def _forward(gates: Array, z: Array, b: Array, c: Array, new_c: Array, h: Array) -> None:
    gates += z
    gates += b
    i, f, g, o = np.split(gates, 4, axis=-1)
    for gate in (i, f, o):
        gate[...] = np.exp(np.minimum(gate, 0)) / (1 + np.exp(-np.abs(gate)))
    np.tanh(g, out=g)
    np.add(f * c, i * g, out=new_c)
    np.multiply(o, np.tanh(new_c), out=h)


def _reverse(
    h_bar: Array, c_bar: Array, of_h: Array, of_c: Array, gates: Array, c: Array, new_c: Array, z_bar: Array
) -> None:
    i, f, g, o = np.split(gates, 4, axis=-1)
    i_bar, f_bar, g_bar, o_bar = np.split(z_bar, 4, axis=-1)
    seen = np.tanh(new_c)
    h_bar += of_h
    c_bar += of_c + h_bar * o * (1 - seen * seen)
    o_bar[...] = h_bar * seen * o * (1 - o)
    i_bar[...] = c_bar * g * i * (1 - i)
    f_bar[...] = c_bar * c * f * (1 - f)
    g_bar[...] = c_bar * i * (1 - g * g)
    c_bar *= f


def _write_forward(
    code: Any, n: Any, row: Any, gates: Array, z: Array, b: Array, c: Array, new_c: Array, h: Array
) -> None:
    """Write a sample's step; a loop for each gate, since LLVM would not see that the four do not overlap."""
    at, gate = row * n, [(row * 4 + k) * n for k in range(4)]
    for k in range(4):
        let_through = functions.tanh if k == 2 else functions.sigmoid
        with code.loop(0, n) as j:
            place = gate[k] + j
            gates[place] = let_through(gates[place] + z[place] + b[n * k + j])
    with code.loop(0, n) as j:
        i, f, g, o = (gates[start + j] for start in gate)
        cell = f * c[at + j] + i * g
        new_c[at + j] = cell
        h[at + j] = o * functions.tanh(cell)


def _write_reverse(
    code: Any,
    n: Any,
    row: Any,
    h_bar: Array,
    c_bar: Array,
    of_h: Array,
    of_c: Array,
    gates: Array,
    c: Array,
    new_c: Array,
    z_bar: Array,
) -> None:
    at, (of_i, of_f, of_g, of_o) = row * n, [(row * 4 + k) * n for k in range(4)]
    with code.loop(0, n) as j:
        seen, of_state, o = functions.tanh(new_c[at + j]), h_bar[at + j] + of_h[at + j], gates[of_o + j]
        c_bar[at + j] = c_bar[at + j] + of_c[at + j] + of_state * o * (1 - seen * seen)
        z_bar[of_o + j] = of_state * seen * o * (1 - o)
    with code.loop(0, n) as j:
        i = gates[of_i + j]
        z_bar[of_i + j] = c_bar[at + j] * gates[of_g + j] * i * (1 - i)
    with code.loop(0, n) as j:
        g = gates[of_g + j]
        z_bar[of_g + j] = c_bar[at + j] * gates[of_i + j] * (1 - g * g)
    with code.loop(0, n) as j:
        f = gates[of_f + j]
        z_bar[of_f + j] = c_bar[at + j] * c[at + j] * f * (1 - f)
        c_bar[at + j] = c_bar[at + j] * f
