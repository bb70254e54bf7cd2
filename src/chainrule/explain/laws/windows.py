"""Convolution and pooling, one kernel position after another, as in their formulas.

Plain NumPy that follows the formula and shares no code with the rule; the formulas it implements are fixed here.
"""

import itertools
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.explain.derive.units import Unit
from chainrule.explain.derive.views import ConvolutionMap
from chainrule.observe.entry import array_of
from chainrule.rules.network.convolution import Convolution
from chainrule.rules.network.pooling import MaxPool, SumPool

from .laws import Law, backward_law, forward_law

_SUM = r"\sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,\bar y_{b, o, i}"
_CONVOLVED = (
    r"y_{b, o, i} = \sum_{c, k} w_{o, c, k}\,x_{b, c, s i + d k - p}",
    rf"\bar x_{{b, c, j}} = {_SUM}",
    r"\bar w_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,\bar y_{b, o, i}",
)
WINDOWED: dict[Any, tuple[str, ...]] = {
    Convolution: _CONVOLVED,
    ConvolutionMap: _CONVOLVED,
    MaxPool: (r"y_i = \max_k x_{s i + d k - p}", r"\bar x_j = \sum_{k, i: s i + d k - p = j} [x_j = y_i] \bar y_i"),
    SumPool: (r"y_i = \sum_k x_{s i + d k - p}", r"\bar x_j = \sum_{k, i: s i + d k - p = j} \bar y_i"),
}
"""The formulas implemented here, of the forward pass and of each adjoint; this code verifies no others."""


BIAS = r" + \beta_o"
BIAS_ADJOINT = r"\bar \beta_o = \sum_{b, i} \bar y_{b, o, i}"


def _places(windows: Any, size: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Yield each kernel position k with the elements s i + d k of the padded array that it covers."""
    count = windows.count(size)
    for k in itertools.product(*map(range, windows.kernel)):
        yield (
            k,
            tuple(
                d * place + s * np.arange(n)
                for place, s, d, n in zip(k, windows.stride, windows.dilation, count, strict=True)
            ),
        )


def _over(x: Any, elements: tuple[Any, ...]) -> Any:
    return x[(..., *np.ix_(*elements))]


def _padded(x: Any, windows: Any, value: float) -> Any:
    front = [(0, 0)] * (x.ndim - windows.axes)
    return np.pad(x, [*front, *windows.padding], constant_values=value)


def _unpadded(x: Any, windows: Any) -> Any:
    cut = tuple(slice(p, n - q) for (p, q), n in zip(windows.padding, x.shape[-windows.axes :], strict=True))
    return x[(..., *cut)]


def windowed_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass."""
    windows, record = unit.settings["windows"], unit.record
    law = forward_law(unit)
    size = np.shape(array_of(unit.inputs[0]))[-windows.axes :]
    biased = len(unit.inputs) == 3
    if law is None or law.latex != WINDOWED[record][0] + (BIAS if biased else ""):
        return None
    if record.role is Role.CONVOLUTION:
        function = _convolved(unit, size)
        arguments = r"x, w, \beta" if biased else "x, w"
        reading = rf"y = \operatorname{{windowed}}({arguments})"
        return Law(_plain(law.latex, unit), reading, {"windowed": function})

    def pooled(x: Any) -> Any:
        padded = _padded(x, windows, -np.inf if record is MaxPool else 0.0)
        parts = [_over(padded, elements) for _, elements in _places(windows, size)]
        return np.max(parts, axis=0) if record is MaxPool else np.sum(parts, axis=0)

    return Law(_plain(law.latex, unit), r"y = \operatorname{windowed}(x)", {"windowed": pooled})


def _plain(latex: str, unit: Unit) -> str:
    # The records index samples and channels by b and c, which denote a bias and a constant here.
    latex = re.sub(r"(?<![\\A-Za-z])b(?=,)", "n", re.sub(r"(?<![\\A-Za-z])c(?=,)", "m", latex))
    return with_places(latex, unit)


def with_places(latex: str, unit: Unit) -> str:
    r"""Write out the stride, dilation and padding if they are the same on all axes: $x_{n, m, i + k - 1}$."""
    windows = unit.settings["windows"]
    same = [set(windows.stride), set(windows.dilation), {p for pair in windows.padding for p in pair}]
    if any(len(values) > 1 for values in same):
        return latex
    s, d, p = (values.pop() for values in same)
    place = f"{'' if s == 1 else f'{s} '}i + {'' if d == 1 else f'{d} '}k" + (f" - {p}" if p else "")
    return latex.replace("s i + d k - p", place)


def _grouped(unit: Unit, channels: int) -> Iterator[tuple[slice, slice]]:
    """Yield the input and output channels of each group."""
    groups, outputs = unit.settings["groups"], np.shape(array_of(unit.inputs[1]))[0]
    for g in range(groups):
        yield (
            slice(g * channels // groups, (g + 1) * channels // groups),
            slice(g * outputs // groups, (g + 1) * outputs // groups),
        )


def _convolved(unit: Unit, size: tuple[int, ...]) -> Callable[..., Any]:
    windows = unit.settings["windows"]

    def convolved(x: Any, w: Any, beta: Any = 0.0) -> Any:
        padded = _padded(x, windows, 0.0)
        y: Any = np.zeros(unit.output.shape)
        for k, elements in _places(windows, size):
            under = _over(padded, elements)
            for inside, out in _grouped(unit, x.shape[1]):
                y[:, out] += np.einsum("bc...,oc->bo...", under[:, inside], w[(out, slice(None), *k)])
        return y + np.reshape(beta, (-1, *[1] * windows.axes))

    return convolved


def windowed_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k."""
    law, _ = backward_law(unit, k)
    known = (*WINDOWED[unit.record], BIAS_ADJOINT)
    if law is None or law.latex != known[k + 1]:
        return None
    pulled = _convolution_adjoint if unit.record.role is Role.CONVOLUTION else _pooling_adjoint
    left = law.latex.partition("_")[0]
    return Law(_plain(law.latex, unit), rf"{left} = \operatorname{{windowed}}(\bar y)", {"windowed": pulled(unit, k)})


def _convolution_adjoint(unit: Unit, k: int) -> Callable[..., Any]:
    windows = unit.settings["windows"]
    x, w = (array_of(v) for v in unit.inputs[:2])
    size = x.shape[-windows.axes :]

    def pulled(y_bar: Any) -> Any:
        padded = _padded(x, windows, 0.0)
        x_bar: Any = np.zeros(padded.shape)
        w_bar: Any = np.zeros(w.shape)
        for place, elements in _places(windows, size):
            for inside, out in _grouped(unit, x.shape[1]):
                part = np.einsum("bo...,oc->bc...", y_bar[:, out], w[(out, slice(None), *place)])
                x_bar[:, inside][(..., *np.ix_(*elements))] += part
                under = _over(padded, elements)[:, inside]
                w_bar[(out, slice(None), *place)] = np.einsum("bcp,bop->oc", _flat(under), _flat(y_bar[:, out]))
        return _unpadded(x_bar, windows) if k == 0 else w_bar if k == 1 else _flat(y_bar).sum(axis=(0, 2))

    return pulled


def _flat(x: Any) -> Any:
    return x.reshape(*x.shape[:2], -1)


def _pooling_adjoint(unit: Unit, _k: int) -> Callable[..., Any]:
    windows, x, y = unit.settings["windows"], array_of(unit.inputs[0]), unit.output.value
    size = x.shape[-windows.axes :]

    def pulled(y_bar: Any) -> Any:
        is_max = unit.record is MaxPool
        padded = _padded(x, windows, -np.inf if is_max else 0.0)
        x_bar: Any = np.zeros(padded.shape)
        won = np.zeros(np.shape(y), bool)
        for _, elements in _places(windows, size):
            here = (_over(padded, elements) == y) & ~won if is_max else np.ones(np.shape(y), bool)
            won |= here if is_max else won
            x_bar[(..., *np.ix_(*elements))] += here * y_bar
        return _unpadded(x_bar, windows)

    return pulled
