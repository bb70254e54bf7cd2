"""The steps of a plain recurrent layer."""

from typing import Any

import numpy as np

from chainrule.kernels import functions

from .loops import Each, Steps

Array = Any


def forward(y: Array, state: Array, nonlinearity: str) -> Steps:
    """Return the step that lets its sum, which it finds in `y`, through tanh or relu; the state is any one."""
    if nonlinearity == "tanh":
        return Steps(_write_tanh, _tanh, state, [Each(y)])
    return Steps(_write_relu, _relu, state, [Each(y)])


def reverse(h_bar: Array, y_bar: Array, z_bar: Array) -> Steps:
    """Return the step that multiplies the slope in `z_bar` by its state's gradient, `h_bar + y_bar`."""
    return Steps(_write_reverse, _reverse, h_bar, [h_bar, Each(y_bar), Each(z_bar)])


def _tanh(y: Array) -> None:
    np.tanh(y, out=y)


def _relu(y: Array) -> None:
    np.maximum(y, 0, out=y)


def _reverse(h_bar: Array, y_bar: Array, z_bar: Array) -> None:
    h_bar += y_bar
    z_bar *= h_bar


def _write_tanh(code: Any, n: Any, row: Any, y: Array) -> None:
    with code.loop(0, n) as j:
        y[row * n + j] = functions.tanh(y[row * n + j])


def _write_relu(code: Any, n: Any, row: Any, y: Array) -> None:
    with code.loop(0, n) as j:
        y[row * n + j] = np.maximum(y[row * n + j], 0.0)


def _write_reverse(code: Any, n: Any, row: Any, h_bar: Array, y_bar: Array, z_bar: Array) -> None:
    with code.loop(0, n) as j:
        z_bar[row * n + j] = z_bar[row * n + j] * (h_bar[row * n + j] + y_bar[row * n + j])
