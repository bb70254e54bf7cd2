r"""Formulas that need more than a docstring: indices, windows, masks, and what an operation keeps.

Where the record's formula is written for a reader (`x[\mathrm{index}]`, $x_{s i + d k - p}$), it is evaluated here by
plain NumPy that follows the formula and none of the rule's code.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from .laws import Law, forward_law
from .operands import Literal, Named, Operand
from .recorder import Entry
from .symbols import Symbol
from .units import Unit

SOFTMAX = r"\hat y = \operatorname{softmax}(z)"
ATTENTION_WEIGHTS = r"P = \operatorname{softmax}(\text{scale}\,Q K^\top + M)"
MEAN = r"\frac{1}{n} \sum_k x_{ik}"
KEPT: dict[str, tuple[tuple[str, str], ...]] = {
    "softmax_cross_entropy": (("y_hat", SOFTMAX),),
    "sparse_softmax_cross_entropy": (("y_hat", SOFTMAX),),
    "scaled_dot_product_attention": (("p", ATTENTION_WEIGHTS),),
    "layer_norm": (
        (
            "sigma",
            rf"\sigma_i = \sqrt{{\frac{{1}}{{n}} \sum_k \left(x_{{ik}} - \frac{{1}}{{n}} \sum_l x_{{il}}\right)^2 + \text{{eps}}}}",
        ),
        ("x_hat", rf"\hat x_{{ij}} = \frac{{x_{{ij}} - {MEAN}}}{{\sigma_i}}"),
    ),
    "rms_norm": (
        ("sigma", r"\sigma_i = \sqrt{\frac{1}{n} \sum_k x_{ik}^2 + \text{eps}}"),
        ("x_hat", r"\hat x_{ij} = \frac{x_{ij}}{\sigma_i}"),
    ),
}
"""The definition of what an operation keeps for its backward pass."""


def value_of_input(x: Any) -> Any:
    """Return the array behind an input."""
    return x.value if isinstance(x, Entry) else x


def kept_laws(unit: Unit) -> list[tuple[str, Law]]:
    """Return the definitions of what an operation keeps, by name."""
    laws = [(name, Law(latex)) for name, latex in KEPT.get(unit.record.name, ())]
    if unit.record.name == "scaled_dot_product_attention" and not _is_masked(unit):
        laws = [(name, Law(_unmasked(law.latex))) for name, law in laws]
    return laws


def adapted(unit: Unit) -> dict[str, Operand]:
    """Return operands that the record's names do not have by themselves."""
    name, found = unit.record.name, {}
    if name == "scaled_dot_product_attention":
        found = _attention(unit)
    elif name == "reshape":
        found["shape"] = Literal(unit.output.shape, _tuple(unit.output.shape))
    elif name == "transpose":
        axes = _axes(unit)
        found["axes"] = Literal(axes, _tuple(axes))
    elif name == "sparse_softmax_cross_entropy":
        found["e"] = Literal(math.e, "e")
    elif name == "get_item" and isinstance(unit.settings.get("index"), np.ndarray):
        found["index"] = Named(Symbol("t"), unit.settings["index"])
    for key in ("axis", "n"):
        if key == "n" and "axis" in unit.settings:
            size = np.size(value_of_input(unit.inputs[0])) // max(np.size(unit.output.value), 1)
            found["n"] = Literal(float(size))
    if name in ("layer_norm", "rms_norm"):
        found["n"] = Literal(float(unit.output.shape[-1]))
    return found


def _tuple(numbers: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, numbers)) + ("," if len(numbers) == 1 else "") + ")"


def _axes(unit: Unit) -> tuple[int, ...]:
    ndim = len(unit.output.shape)
    axes = unit.settings.get("axes")
    return tuple(reversed(range(ndim))) if axes is None else tuple(int(a) % ndim for a in axes)


# Attention


def _is_masked(unit: Unit) -> bool:
    mask = np.asarray(value_of_input(unit.inputs[3]))
    return bool(unit.settings["causal"]) or mask.ndim > 0 or mask.dtype.kind == "f"


def _unmasked(latex: str) -> str:
    return latex.replace(" + M", "")


def _attention(unit: Unit) -> dict[str, Operand]:
    q, k, _, mask = (np.asarray(value_of_input(x)) for x in unit.inputs)
    scale = unit.settings["scale"]
    text = "" if scale is not None else rf"\frac{{1}}{{\sqrt{{{q.shape[-1]}}}}}"
    found: dict[str, Operand] = {"scale": Literal(q.shape[-1] ** -0.5 if scale is None else float(scale), text)}
    rows, columns = q.shape[-2], k.shape[-2]
    added = np.where(mask, 0.0, -np.inf) if mask.dtype.kind == "b" else mask
    if unit.settings["causal"]:
        added = added + np.where(np.tri(rows, columns, dtype=bool), 0.0, -np.inf)
    found["m"] = Named(Symbol("M"), added)
    return found


# The forward pass


def special_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass where the record's formula alone cannot be evaluated."""
    name = unit.record.name
    if name == "scaled_dot_product_attention" and not _is_masked(unit):
        law = forward_law(unit)
        return None if law is None else Law(_unmasked(law.latex))
    if name in ("concatenate", "stack"):
        listed = ", ".join(unit.argument_names)
        join = np.concatenate if name == "concatenate" else np.stack
        axis = unit.settings["axis"]
        return Law(rf"y = \operatorname{{{name}}}({listed})", functions={name: lambda *xs: join(xs, axis=axis)})
    if name == "get_item":
        return Law(r"y = x[\mathrm{index}]", r"y = \operatorname{taken}(x)", {"taken": _picker(unit)})
    if name == "dropout_mask":
        return Law(r"y = \text{mask}", r"y = x", {})
    if name in _WINDOWED:
        return _windowed_forward(unit)
    return None


def _picker(unit: Unit) -> Callable[..., Any]:
    index = unit.settings["index"]
    return lambda x: np.asarray(x)[index]


# The backward pass


def special_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k where the record's formula alone cannot be evaluated."""
    name, argument = unit.record.name, unit.argument_names[k]
    shape = np.shape(value_of_input(unit.inputs[k]))
    if name in ("concatenate", "stack"):
        part = _part(unit, k)
        return Law(
            rf"\bar {{\mathrm{{{argument}}}}} = \bar y[\text{{part }} {k + 1}]",
            rf"\bar {{\mathrm{{{argument}}}}} = \operatorname{{part}}(\bar y)",
            {"part": part},
        )
    if name == "get_item":
        latex = (
            r"\bar x_m = \sum_{i: \mathrm{index}_i = m} \bar y_i"
            if isinstance(unit.settings.get("index"), np.ndarray)
            else r"\bar x[\mathrm{index}] = \bar y"
        )
        return Law(latex, r"\bar x = \operatorname{scattered}(\bar y)", {"scattered": _scatterer(unit, shape)})
    if name == "reshape":
        return Law(r"\bar x = \operatorname{reshape}(\bar y)", functions={"reshape": lambda y: np.reshape(y, shape)})
    if name in _WINDOWED:
        return _windowed_backward(unit, k)
    return None


def _part(unit: Unit, k: int) -> Callable[..., Any]:
    axis = unit.settings["axis"]
    if unit.record.name == "stack":
        return lambda y: np.take(y, k, axis=axis)
    lengths = [np.shape(value_of_input(x))[axis] for x in unit.inputs]
    start = sum(lengths[:k])
    return lambda y: np.take(y, range(start, start + lengths[k]), axis=axis)


def _scatterer(unit: Unit, shape: tuple[int, ...]) -> Callable[..., Any]:
    index = unit.settings["index"]

    def scattered(y_bar: Any) -> Any:
        x_bar = np.zeros(shape)
        np.add.at(x_bar, index, y_bar)
        return x_bar

    return scattered


# Windows: convolution and pooling, one place of the kernel after another

_WINDOWED = frozenset({"convolution", "max_pool", "sum_pool"})


def _places(windows: Any, size: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], tuple[Any, ...]]]:
    """Yield each place k of the kernel with the elements s i + d k of the padded array that it lies over."""
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


def _windowed_forward(unit: Unit) -> Law | None:
    windows, name = unit.settings["windows"], unit.record.name
    law = forward_law(unit)
    size = np.shape(value_of_input(unit.inputs[0]))[-windows.axes :]
    if law is None:
        return None
    if name == "convolution":
        function = _convolved(unit, size)
        return Law(_plain_convolution(law.latex, unit), r"y = \operatorname{windowed}(x, w)", {"windowed": function})

    def pooled(x: Any) -> Any:
        padded = _padded(x, windows, -np.inf if name == "max_pool" else 0.0)
        parts = [_over(padded, elements) for _, elements in _places(windows, size)]
        return np.max(parts, axis=0) if name == "max_pool" else np.sum(parts, axis=0)

    return Law(law.latex, r"y = \operatorname{windowed}(x)", {"windowed": pooled})


def _plain_convolution(latex: str, unit: Unit) -> str:
    r"""Write out the stride, dilation and padding where all axes have the same: $x_{b, c, i + k - 1}$."""
    windows = unit.settings["windows"]
    same = [set(windows.stride), set(windows.dilation), {p for pair in windows.padding for p in pair}]
    if any(len(values) > 1 for values in same):
        return latex
    s, d, p = (values.pop() for values in same)
    place = f"{'' if s == 1 else f'{s} '}i + {'' if d == 1 else f'{d} '}k" + (f" - {p}" if p else "")
    return latex.replace("s i + d k - p", place)


def _grouped(unit: Unit, channels: int) -> Iterator[tuple[slice, slice]]:
    """Yield the input and output channels of each group."""
    groups, outputs = unit.settings["groups"], np.shape(value_of_input(unit.inputs[1]))[0]
    for g in range(groups):
        yield (
            slice(g * channels // groups, (g + 1) * channels // groups),
            slice(g * outputs // groups, (g + 1) * outputs // groups),
        )


def _convolved(unit: Unit, size: tuple[int, ...]) -> Callable[..., Any]:
    windows = unit.settings["windows"]

    def convolved(x: Any, w: Any) -> Any:
        padded, y = _padded(x, windows, 0.0), np.zeros(unit.output.shape)
        for k, elements in _places(windows, size):
            under = _over(padded, elements)
            for inside, out in _grouped(unit, x.shape[1]):
                y[:, out] += np.einsum("bc...,oc->bo...", under[:, inside], w[(out, slice(None), *k)])
        return y

    return convolved


def _windowed_backward(unit: Unit, k: int) -> Law | None:
    from .laws import backward_law

    law, _ = backward_law(unit, k)
    if law is None:
        return None
    function = {"convolution": _convolution_adjoint}.get(unit.record.name, _pooling_adjoint)(unit, k)
    left = law.latex.partition("_")[0]
    latex = _plain_convolution(law.latex, unit) if unit.record.name == "convolution" else law.latex
    return Law(latex, rf"{left} = \operatorname{{windowed}}(\bar y)", {"windowed": function})


def _convolution_adjoint(unit: Unit, k: int) -> Callable[..., Any]:
    windows = unit.settings["windows"]
    x, w = (value_of_input(v) for v in unit.inputs)
    size = x.shape[-windows.axes :]

    def pulled(y_bar: Any) -> Any:
        padded = _padded(x, windows, 0.0)
        x_bar, w_bar = np.zeros(padded.shape), np.zeros(w.shape)
        for place, elements in _places(windows, size):
            for inside, out in _grouped(unit, x.shape[1]):
                part = np.einsum("bo...,oc->bc...", y_bar[:, out], w[(out, slice(None), *place)])
                x_bar[:, inside][(..., *np.ix_(*elements))] += part
                under = _over(padded, elements)[:, inside]
                w_bar[(out, slice(None), *place)] = np.einsum("bc...,bo...->oc", under, y_bar[:, out])
        return _unpadded(x_bar, windows) if k == 0 else w_bar

    return pulled


def _pooling_adjoint(unit: Unit, k: int) -> Callable[..., Any]:  # noqa: ARG001
    windows, x, y = unit.settings["windows"], value_of_input(unit.inputs[0]), unit.output.value
    size = x.shape[-windows.axes :]

    def pulled(y_bar: Any) -> Any:
        is_max = unit.record.name == "max_pool"
        padded = _padded(x, windows, -np.inf if is_max else 0.0)
        x_bar, won = np.zeros(padded.shape), np.zeros(np.shape(y), bool)
        for _, elements in _places(windows, size):
            here = (_over(padded, elements) == y) & ~won if is_max else np.ones(np.shape(y), bool)
            won |= here if is_max else won
            x_bar[(..., *np.ix_(*elements))] += here * y_bar
        return _unpadded(x_bar, windows)

    return pulled
