r"""Operations on windows: their formulas, evaluated one tap of the kernel after another.

Plain NumPy that follows the formula and shares no code with the rule; the formulas it implements are fixed here.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.explain.derive.unit import Unit
from chainrule.explain.derive.views import ConvolutionMap
from chainrule.observe.entry import array_of
from chainrule.rules.arrays.windows import Fold, Unfold
from chainrule.rules.network.convolution import Convolution, ConvolutionKernel, ConvolutionTranspose
from chainrule.rules.network.pooling import MaxPool, PoolAt, SumPool, SumUnpool, UnpoolAt
from chainrule.rules.network.written_out import convolved, flat, input_adjoint, scattered, under, weight_adjoint

from .laws import Law, backward_law, forward_law

Function = Callable[..., Any]


@dataclass(frozen=True)
class Written:
    """An operation written out: its formulas, of the forward pass and of each adjoint, and the code for each.

    The code verifies these formulas and no others: a record that states something else is not verified.
    """

    formulas: tuple[str, ...]
    forward: Function
    adjoints: tuple[Function, ...]


def _how(unit: Unit) -> tuple[Any, int]:
    return unit.settings["windows"], unit.settings.get("groups", 1)


def _bias(unit: Unit) -> Any:
    return np.reshape(array_of(unit.inputs[2]), (-1, 1)) if len(unit.inputs) == 3 else 0.0


def _values(unit: Unit) -> tuple[Any, ...]:
    return tuple(array_of(x) for x in unit.inputs)


def _shape(unit: Unit, k: int) -> tuple[int, ...]:
    return tuple(np.shape(array_of(unit.inputs[k])))


def _maximum(unit: Unit, x: Any) -> Any:
    return np.max(under(x, unit.settings["windows"], -np.inf), axis=-2)


def _maximum_adjoint(unit: Unit, y_bar: Any) -> Any:
    """Return the gradient for the first of the largest elements of each window."""
    windows, x = unit.settings["windows"], array_of(unit.inputs[0])
    below = under(x, windows, -np.inf)
    won = np.arange(below.shape[-2])[:, None] == np.argmax(below, axis=-2)[..., None, :]
    return scattered(won * _positions(unit, y_bar)[..., None, :], x.shape, windows)


def _positions(unit: Unit, y: Any) -> Any:
    axes = unit.settings["windows"].axes
    return y.reshape(*y.shape[: y.ndim - axes], -1)


def _spread(unit: Unit, y: Any, shape: tuple[int, ...]) -> Any:
    """Return the sum over all windows that contain an element."""
    windows = unit.settings["windows"]
    return scattered(np.repeat(_positions(unit, y)[..., None, :], windows.places, axis=-2), shape, windows)


def _folded(unit: Unit, x: Any, shape: tuple[int, ...]) -> Any:
    return scattered(x, shape, unit.settings["windows"])


def _taken(unit: Unit, x: Any) -> Any:
    """Return what lies under the tap that each window names."""
    below = under(x, unit.settings["windows"], -np.inf)
    taps = _positions(unit, array_of(unit.inputs[1])).astype(int)
    return np.take_along_axis(below, taps[..., None, :], axis=-2)[..., 0, :]


def _put(unit: Unit, y: Any, shape: tuple[int, ...]) -> Any:
    """Return each element added under the tap that its window names."""
    windows, taps = unit.settings["windows"], _positions(unit, array_of(unit.inputs[1]))
    named = np.arange(windows.places)[:, None] == taps[..., None, :]
    return scattered(named * _positions(unit, y)[..., None, :], shape, windows)


SUM = r"\sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,\bar y_{b, o, i}"
BIAS = r" + \beta_o"
_CONVOLUTION = Written(
    (
        r"y_{b, o, i} = \sum_{c, k} w_{o, c, k}\,x_{b, c, s i + d k - p}",
        rf"\bar x_{{b, c, j}} = {SUM}",
        r"\bar w_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,\bar y_{b, o, i}",
        r"\bar \beta_o = \sum_{b, i} \bar y_{b, o, i}",
    ),
    lambda unit, x, w, *_: convolved(x, w, *_how(unit)) + _bias(unit),
    (
        lambda unit, y_bar: input_adjoint(y_bar, array_of(unit.inputs[1]), _shape(unit, 0), *_how(unit)),
        lambda unit, y_bar: weight_adjoint(y_bar, array_of(unit.inputs[0]), _shape(unit, 1), *_how(unit)),
        lambda _, y_bar: flat(y_bar).sum(axis=(0, 2)),
    ),
)
WINDOWED: dict[Any, Written] = {
    Convolution: _CONVOLUTION,
    ConvolutionMap: _CONVOLUTION,
    ConvolutionTranspose: Written(
        (
            r"y_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,z_{b, o, i}",
            r"\bar z_{b, o, i} = \sum_{c, k} w_{o, c, k}\,\bar y_{b, c, s i + d k - p}",
            r"\bar w_{o, c, k} = \sum_{b, i} \bar y_{b, c, s i + d k - p}\,z_{b, o, i}",
        ),
        lambda unit, z, w: input_adjoint(z, w, unit.output.shape, *_how(unit)),
        (
            lambda unit, y_bar: convolved(y_bar, array_of(unit.inputs[1]), *_how(unit)),
            lambda unit, y_bar: weight_adjoint(array_of(unit.inputs[0]), y_bar, _shape(unit, 1), *_how(unit)),
        ),
    ),
    ConvolutionKernel: Written(
        (
            r"y_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,z_{b, o, i}",
            r"\bar x_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} \bar y_{o, c, k}\,z_{b, o, i}",
            r"\bar z_{b, o, i} = \sum_{c, k} \bar y_{o, c, k}\,x_{b, c, s i + d k - p}",
        ),
        lambda unit, x, z: weight_adjoint(z, x, unit.output.shape, *_how(unit)),
        (
            lambda unit, y_bar: input_adjoint(array_of(unit.inputs[1]), y_bar, _shape(unit, 0), *_how(unit)),
            lambda unit, y_bar: convolved(array_of(unit.inputs[0]), y_bar, *_how(unit)),
        ),
    ),
    MaxPool: Written(
        (r"y_i = \max_k x_{s i + d k - p}", r"\bar x_j = \sum_{k, i: s i + d k - p = j} [x_j = y_i] \bar y_i"),
        _maximum,
        (_maximum_adjoint,),
    ),
    SumPool: Written(
        (r"y_i = \sum_k x_{s i + d k - p}", r"\bar x_j = \sum_{k, i: s i + d k - p = j} \bar y_i"),
        lambda unit, x: under(x, unit.settings["windows"]).sum(axis=-2),
        (lambda unit, y_bar: _spread(unit, y_bar, _shape(unit, 0)),),
    ),
    SumUnpool: Written(
        (r"y_j = \sum_{k, i: s i + d k - p = j} x_i", r"\bar x_i = \sum_k \bar y_{s i + d k - p}"),
        lambda unit, x: _spread(unit, x, unit.output.shape),
        (lambda unit, y_bar: under(y_bar, unit.settings["windows"]).sum(axis=-2),),
    ),
    PoolAt: Written(
        (r"y_i = x_{s i + d k_i - p}", r"\bar x_j = \sum_{i: s i + d k_i - p = j} \bar y_i"),
        lambda unit, x, _: _taken(unit, x),
        (lambda unit, y_bar: _put(unit, y_bar, _shape(unit, 0)),),
    ),
    UnpoolAt: Written(
        (r"y_j = \sum_{i: s i + d k_i - p = j} x_i", r"\bar x_i = \bar y_{s i + d k_i - p}"),
        lambda unit, x, _: _put(unit, x, unit.output.shape),
        (lambda unit, y_bar: _taken(unit, y_bar),),
    ),
    Unfold: Written(
        (r"y_{k, i} = x_{s i + d k - p}", r"\bar x_j = \sum_{k, i: s i + d k - p = j} \bar y_{k, i}"),
        lambda unit, x: under(x, unit.settings["windows"]),
        (lambda unit, y_bar: _folded(unit, y_bar, _shape(unit, 0)),),
    ),
    Fold: Written(
        (r"y_j = \sum_{k, i: s i + d k - p = j} x_{k, i}", r"\bar x_{k, i} = \bar y_{s i + d k - p}"),
        lambda unit, x: _folded(unit, x, unit.output.shape),
        (lambda unit, y_bar: under(y_bar, unit.settings["windows"]),),
    ),
}


def windowed_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass."""
    law, written = forward_law(unit), WINDOWED[unit.record]
    if law is None or law.latex != written.formulas[0] + (BIAS if len(unit.inputs) == 3 else ""):
        return None

    def forward(*_: Any) -> Any:
        return written.forward(unit, *_values(unit)).reshape(unit.output.shape)

    reading = rf"y = \operatorname{{windowed}}({unit.argument_names[0]})"
    return Law(_plain(law.latex, unit), reading, {"windowed": forward})


def windowed_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k."""
    (law, _), written = backward_law(unit, k), WINDOWED[unit.record]
    if law is None or law.latex != written.formulas[k + 1]:
        return None

    def pulled(y_bar: Any) -> Any:
        return written.adjoints[k](unit, y_bar).reshape(_shape(unit, k))

    left = law.latex.partition("_")[0]
    return Law(_plain(law.latex, unit), rf"{left} = \operatorname{{windowed}}(\bar y)", {"windowed": pulled})


def _plain(latex: str, unit: Unit) -> str:
    # The records index samples and channels by b and c, which denote a bias and a constant here.
    latex = re.sub(r"(?<![\\A-Za-z])b(?=,)", "n", re.sub(r"(?<![\\A-Za-z])c(?=,)", "m", latex))
    return with_places(_in_groups(latex, unit), unit)


def _in_groups(latex: str, unit: Unit) -> str:
    r"""Write out which channels belong together: kernel o takes the channels of its group only.

    With M input and P output channels in each group, its m-th input channel is M \lfloor o/P \rfloor + m of all.
    """
    groups = unit.settings.get("groups", 1)
    if groups == 1:
        return latex
    inputs = {name: _shape(unit, k) for k, name in enumerate(unit.record.arguments[: len(unit.inputs)])}
    kernels = inputs.get("w", unit.output.shape)  # the adjoint with respect to kernels makes them
    inner, outer = kernels[1], kernels[0] // groups
    of_group = "o" if outer == 1 else rf"\lfloor o/{outer} \rfloor"
    channel = of_group if inner == 1 else rf"{inner} {of_group} + m"
    left, _, right = latex.partition(" = ")
    right = right.replace("_{n, m, s i + d k - p}", f"_{{n, {channel}, s i + d k - p}}")
    if r"\sum_{o, k, i: s i + d k - p = j}" in right:  # m counts all input channels here
        own = "m" if inner == 1 else rf"\lfloor m/{inner} \rfloor"
        together = rf"\sum_{{o, k, i: {of_group} = {own}, s i + d k - p = j}}"
        right = right.replace(r"\sum_{o, k, i: s i + d k - p = j}", together)
        right = right.replace("_{o, m, k}", "_{o, 0, k}" if inner == 1 else rf"_{{o, m \bmod {inner}, k}}")
    elif inner == 1:
        right = right.replace(r"\sum_{m, k}", r"\sum_{k}").replace("_{o, m, k}", "_{o, 0, k}")
    return f"{left} = {right}"


def with_places(latex: str, unit: Unit) -> str:
    r"""Write out the stride, dilation and padding if they are the same on all axes: $x_{n, m, i + k - 1}$."""
    windows = unit.settings.get("windows")
    if windows is None:
        return latex
    same = [set(windows.stride), set(windows.dilation), {p for pair in windows.padding for p in pair}]
    if any(len(values) > 1 for values in same):
        return latex
    s, d, p = (values.pop() for values in same)
    place = f"{'' if s == 1 else f'{s} '}i + {'' if d == 1 else f'{d} '}k" + (f" - {p}" if p else "")
    return latex.replace("s i + d k - p", place)
