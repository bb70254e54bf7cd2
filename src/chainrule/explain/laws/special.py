r"""Formulas that need more than a docstring: indices, windows, masks, and what an operation keeps.

If the record's formula is written for readers only (`x[\mathrm{index}]`, $x_{s i + d k - p}$), it is evaluated here by
plain NumPy that follows the formula and none of the rule's code.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.explain.derive.operands import Literal, Named, Operand
from chainrule.explain.derive.symbols import Symbol
from chainrule.explain.derive.unit import Unit
from chainrule.observe.entry import array_of
from chainrule.rules.arrays.join import Split
from chainrule.rules.arrays.shape import Reshape, Transpose
from chainrule.rules.attention.plain import ScaledDotProductAttention
from chainrule.rules.linalg.decompositions import Eigh
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy
from chainrule.rules.network.softmax import Softmax

from . import indexing, spectra
from .decompositions import DECOMPOSED, hermitian
from .indexing import index_text
from .laws import Law, forward_law
from .readers import WHOLE, whole_backward, whole_forward
from .windows import WINDOWED, windowed_backward, windowed_forward

LARGEST_POWER = 700.0
"""A larger exponent overflows in float64, and its negative leaves 0."""


def kept_laws(unit: Unit) -> list[tuple[str, Law]]:
    """Return the definitions of what an operation keeps, by name."""
    is_unmasked = unit.record is ScaledDotProductAttention and not _is_masked(unit)
    definitions = unit.record.definitions.items()
    return [(name, Law(_unmasked(latex) if is_unmasked else latex)) for name, latex in definitions]


def law_without_places(law: Law, unit: Unit) -> Law:
    """Return the law of an operation on channels as it is for a table, which has samples and channels, but no places.

    It is evaluated as it stands.
    """
    shown = without_places(law.latex, unit)
    return law if shown == law.latex else replace(law, latex=shown, reading=law.reading or law.latex)


def without_places(latex: str, unit: Unit) -> str:
    r"""Drop the index of the places from a formula, if the unit's values have none."""
    if not hasattr(unit.record, "arrange") or len(unit.output.shape) != 2:
        return latex
    for long, short in (("n m i", "n m"), ("l m k", "l m"), ("n, i", "n"), ("l, k", "l"), (r"\,[i = k]", "")):
        latex = latex.replace(long, short)
    return latex


def adapted(unit: Unit) -> dict[str, Operand]:
    """Return additional operands for names in the record's formulas."""
    found = ADAPTED[unit.record](unit) if unit.record in ADAPTED else {}
    if unit.record not in ADAPTED and "index" in unit.settings:
        found["index"] = Literal(0.0, index_text(unit.settings["index"]))
    if "axis" in unit.settings:
        size = np.size(array_of(unit.inputs[0])) // max(math.prod(unit.output.shape), 1)
        found["n"] = Literal(float(size))
    if unit.record.role is Role.NORM:
        found["n"] = Literal(float(unit.output.shape[-1]))
    if hasattr(unit.record, "arrange"):
        found["N"] = Literal(float(unit.output.value.size // unit.output.shape[1]))
    return found


def _reshaped(unit: Unit) -> dict[str, Operand]:
    return {"shape": Literal(unit.output.shape, _tuple(unit.output.shape))}


def _transposed(unit: Unit) -> dict[str, Operand]:
    axes = _axes(unit)
    back = tuple(int(k) for k in np.argsort(axes))
    return {"axes": Literal(axes, _tuple(axes)), "back": Literal(back, _tuple(back))}


def _natural(_: Unit) -> dict[str, Operand]:
    return {"e": Literal(math.e, "e")}


def as_rows(unit: Unit, value: Any) -> Any:
    """Return a value of a row-wise operation with all its rows along one axis; any other unit's value unchanged."""
    if not isinstance(value, np.ndarray | np.generic):
        return value
    if hasattr(unit.record, "arrange"):
        return unit.record.arrange(value) if value.shape == unit.output.shape else value
    if unit.record.role is Role.NORM and np.ndim(array_of(unit.inputs[0])) == 1:
        return np.asarray(value)[None]
    logits: Any = array_of(unit.inputs[0]) if unit.record.role is Role.SOFTMAX_LOSS else None
    if logits is None or logits.ndim == 2:
        return value
    if np.shape(value) == logits.shape:
        return np.reshape(value, (-1, logits.shape[-1]))
    return np.reshape(value, -1) if np.shape(value) == logits.shape[:-1] else value


def in_rows(unit: Unit, operands: dict[str, Operand]) -> dict[str, Operand]:
    """Return operands with the rows of their values along one axis, for a row-wise loss."""
    if unit.record.role is Role.NORM and np.ndim(array_of(unit.inputs[0])) == 1:
        return {name: _as_row(unit, name, o) for name, o in operands.items()}
    if unit.record.role is not Role.SOFTMAX_LOSS and not hasattr(unit.record, "arrange"):
        return operands
    return {name: _in_rows(unit, name, o) for name, o in operands.items()}


def _as_row(unit: Unit, key: str, operand: Operand) -> Operand:
    """Return an operand of a single sample as that of a batch of one; a layer's parameters belong to no sample."""
    if not isinstance(operand, Named) or key.removesuffix("_bar") in {*unit.record.letters} - {"y"}:
        return operand
    return replace(operand, value=np.asarray(operand.value)[None])


def _in_rows(unit: Unit, name: str, operand: Operand) -> Operand:
    if isinstance(operand, Named):
        return replace(operand, value=as_rows(unit, operand.value))
    if name == "t" and isinstance(operand, Literal):  # the class of a single sample
        return Named(Symbol("y"), np.reshape(operand.value, -1))
    return operand


def _tuple(numbers: tuple[int, ...]) -> str:
    return "(" + ", ".join(map(str, numbers)) + ("," if len(numbers) == 1 else "") + ")"


def _axes(unit: Unit) -> tuple[int, ...]:
    ndim = len(unit.output.shape)
    axes = unit.settings.get("axes")
    return tuple(reversed(range(ndim))) if axes is None else tuple(int(a) % ndim for a in axes)


def _swaps_last(unit: Unit) -> bool:
    axes = _axes(unit)
    ndim = len(axes)
    return ndim >= 2 and axes == (*range(ndim - 2), ndim - 1, ndim - 2)


# Attention


def _is_masked(unit: Unit) -> bool:
    mask = array_of(unit.inputs[3])
    return bool(unit.settings["causal"]) or mask.ndim > 0 or mask.dtype.kind == "f"


def _unmasked(latex: str) -> str:
    return latex.replace(" + M", "")


def _attention(unit: Unit) -> dict[str, Operand]:
    q, k, _, mask = (array_of(x) for x in unit.inputs)
    scale = unit.settings["scale"]
    text = "" if scale is not None else rf"\frac{{1}}{{\sqrt{{{q.shape[-1]}}}}}"
    found: dict[str, Operand] = {"scale": Literal(q.shape[-1] ** -0.5 if scale is None else float(scale), text)}
    rows, columns = q.shape[-2], k.shape[-2]
    added = np.where(mask, 0.0, -np.inf) if mask.dtype.kind == "b" else mask
    if unit.settings["causal"]:
        added = added + np.where(np.tri(rows, columns, dtype=bool), 0.0, -np.inf)
    found["m"] = Named(Symbol("M"), added)
    return found


ADAPTED: Mapping[Any, Callable[[Unit], dict[str, Operand]]] = {
    ScaledDotProductAttention: _attention,
    Reshape: _reshaped,
    Transpose: _transposed,
    SparseSoftmaxCrossEntropy: _natural,
}
"""Additional operands for names in the records' formulas, by record."""


# The forward pass


def _attended(unit: Unit) -> Law | None:
    law = None if _is_masked(unit) else forward_law(unit)
    return None if law is None else Law(_unmasked(law.latex))


def _softmax(unit: Unit) -> Law | None:
    """Return the law of softmax; if its powers leave the range of numbers, it is evaluated relative to the largest."""
    law, x, axis = forward_law(unit), array_of(unit.inputs[0]), unit.settings["axis"]
    most = np.max(x, axis=axis) if np.size(x) else np.zeros(1)
    if law is None or np.abs(most).max() < LARGEST_POWER:
        return law

    def shifted(x: Any) -> Any:
        powers = np.exp(x - np.max(x, axis=axis, keepdims=True))
        return powers / np.sum(powers, axis=axis, keepdims=True)

    return Law(law.latex, r"y = \operatorname{shifted}(x)", {"shifted": shifted})


def _turned(unit: Unit) -> Law | None:
    return Law(r"y = x^\top") if _swaps_last(unit) else None


FORWARD: Mapping[Any, Callable[[Unit], Law | None]] = {
    ScaledDotProductAttention: _attended,
    Softmax: _softmax,
    Transpose: _turned,
    **dict.fromkeys(spectra.TRANSFORMS, spectra.spectral_forward),
    **dict.fromkeys(WINDOWED, windowed_forward),
    **dict.fromkeys(WHOLE, whole_forward),
    **indexing.FORWARD,
}


def special_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass if the record's formula alone cannot be evaluated."""
    return FORWARD[unit.record](unit) if unit.record in FORWARD else None


def part_law(unit: Unit, k: int) -> Law:
    """Return the law of part k of an operation with several results."""
    x = array_of(unit.inputs[0])
    if unit.record in DECOMPOSED:
        name, decomposed = DECOMPOSED[unit.record]
        of = "x" if unit.record is not Eigh or np.array_equal(x, hermitian(x)) else r"\operatorname{symmetric}(x)"
        shown = rf"y = {name}({of})_{k + 1}"
        made = decomposed(x)
    elif unit.record is Split:
        shown = rf"y = x[\text{{part {k + 1}}}]"
        made = np.split(x, unit.settings["cuts"], axis=unit.settings["axis"])
    else:  # nothing here computes it apart from the engine, so it stays unverified
        return Law(rf"y = \operatorname{{{unit.record.name}}}(x)_{k + 1}")
    return Law(shown, r"y = \operatorname{part}(x)", {"part": lambda _: made[k]})


# The backward pass


def _turned_back(unit: Unit, _: int, __: tuple[int, ...]) -> Law:
    plain = _swaps_last(unit)
    return Law(r"\bar x = \bar y^\top" if plain else r"\bar x = \operatorname{transpose}(\bar y, \mathrm{back})")


def _reshaped_back(_: Unit, __: int, shape: tuple[int, ...]) -> Law:
    return Law(r"\bar x = \operatorname{reshape}(\bar y)", functions={"reshape": lambda y: np.reshape(y, shape)})


BACKWARD: Mapping[Any, Callable[[Unit, int, tuple[int, ...]], Law | None]] = {
    Transpose: _turned_back,
    Reshape: _reshaped_back,
    **indexing.BACKWARD,
    **dict.fromkeys(spectra.TRANSFORMS, spectra.spectral_backward),
    **dict.fromkeys(WINDOWED, lambda unit, k, _: windowed_backward(unit, k)),
    **dict.fromkeys(WHOLE, lambda unit, k, _: whole_backward(unit, k)),
}


def special_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k if the record's formula alone cannot be evaluated."""
    if unit.record not in BACKWARD:
        return None
    return BACKWARD[unit.record](unit, k, np.shape(array_of(unit.inputs[k])))
