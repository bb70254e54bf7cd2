"""The steps of a long short-term memory on plain arrays: gates and cell in one loop each way, besides the products.

The gates of a step are a row [4 H] for each sample, in PyTorch's order i, f, g, o. Every array is of one dtype, float32
or float64, in C order; nothing checks this. The formulas are those of `chainrule.rules.network.recurrence`.
"""

import functools
from typing import Any

import numpy as np

from . import functions
from .suitable import HAS_COMPILER

Array = Any
LEAST = 2**10
"""Elements of a state from which on a loop is worth the call."""


def forward(gates: Array, z: Array, b: Array, c: Array, new_c: Array, h: Array) -> None:
    """Set a step's cell and state, and `gates`, which are h W before, to what the gates let through."""
    if not _by_loop(c):
        _forward(gates, z, b, c, new_c, h)
        return
    _call("forward", c.shape, c.dtype)([gates, z, b, c, new_c, h])


def reverse(h_bar: Array, c_bar: Array, gates: Array, c: Array, new_c: Array, z_bar: Array) -> None:
    """Set `z_bar`, and `c_bar` from the new cell's gradient to the old one's, given the gradient of the state."""
    if not _by_loop(c):
        _reverse(h_bar, c_bar, gates, c, new_c, z_bar)
        return
    _call("reverse", c.shape, c.dtype)([h_bar, c_bar, gates, c, new_c, z_bar])


def _by_loop(c: Array) -> bool:
    return HAS_COMPILER and c.size >= LEAST and c.dtype in (np.float32, np.float64)


def _forward(gates: Array, z: Array, b: Array, c: Array, new_c: Array, h: Array) -> None:
    gates += z
    gates += b
    i, f, g, o = np.split(gates, 4, axis=-1)
    for gate in (i, f, o):
        gate[...] = np.exp(np.minimum(gate, 0)) / (1 + np.exp(-np.abs(gate)))
    np.tanh(g, out=g)
    np.add(f * c, i * g, out=new_c)
    np.multiply(o, np.tanh(new_c), out=h)


def _reverse(h_bar: Array, c_bar: Array, gates: Array, c: Array, new_c: Array, z_bar: Array) -> None:
    i, f, g, o = np.split(gates, 4, axis=-1)
    i_bar, f_bar, g_bar, o_bar = np.split(z_bar, 4, axis=-1)
    seen = np.tanh(new_c)
    c_bar += h_bar * o * (1 - seen * seen)
    o_bar[...] = h_bar * seen * o * (1 - o)
    i_bar[...] = c_bar * g * i * (1 - i)
    f_bar[...] = c_bar * c * f * (1 - f)
    g_bar[...] = c_bar * i * (1 - g * g)
    c_bar *= f


@functools.lru_cache(256)
def _call(which: str, shape: tuple[int, int], dtype: Any) -> Any:
    from .native.tasks import Call, Task

    rows, width = shape
    arrays = [np.empty(0, dtype) for _ in range(6)]
    return Call([Task(_text(which, dtype), arrays, [width], 0, rows)], arrays)


@functools.cache
def _text(which: str, dtype: Any) -> str:
    """Return the loop over a range of samples."""
    from .native.tasks import Function

    function = Function([dtype] * 6, 1)
    code, (width,) = function.code, function.numbers
    with code.loop(function.begin, function.end) as row:
        write = _write_forward if which == "forward" else _write_reverse
        write(code, width, row * width, [(row * 4 + k) * width for k in range(4)], *function.places)
    return function.text()


def _write_forward(
    code: Any, n: Any, at: Any, gate: list[Any], gates: Array, z: Array, b: Array, c: Array, new_c: Array, h: Array
) -> None:
    """Write a sample's step; a loop for each gate, since LLVM would not see that the four do not overlap."""
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
    code: Any, n: Any, at: Any, gate: list[Any], h_bar: Array, c_bar: Array, gates: Array, c: Array, new_c: Array,
    z_bar: Array,
) -> None:  # fmt: skip
    of_i, of_f, of_g, of_o = gate
    with code.loop(0, n) as j:
        seen, of_h, o = functions.tanh(new_c[at + j]), h_bar[at + j], gates[of_o + j]
        c_bar[at + j] = c_bar[at + j] + of_h * o * (1 - seen * seen)
        z_bar[of_o + j] = of_h * seen * o * (1 - o)
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
