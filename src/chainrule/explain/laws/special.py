r"""Formulas that need more than a docstring: indices, windows, masks, and what an operation keeps.

Where the record's formula is written for a reader (`x[\mathrm{index}]`, $x_{s i + d k - p}$), it is evaluated here by
plain NumPy that follows the formula and none of the rule's code.
"""

import math
from dataclasses import replace
from typing import Any

import numpy as np

from chainrule.explain.derive.operands import Literal, Named, Operand
from chainrule.explain.derive.recorder import array_of
from chainrule.explain.derive.symbols import Symbol
from chainrule.explain.derive.units import Unit

from .indexing import INDEXED, index_text, indexed_backward, indexed_forward
from .laws import Law, forward_law
from .windows import WINDOWED, windowed_backward, windowed_forward

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
            r"\sigma_i = \sqrt{\frac{1}{n} \sum_k \left(x_{ik} - \frac{1}{n} \sum_l x_{il}\right)^2 + \text{eps}}",
        ),
        ("x_hat", rf"\hat x_{{ij}} = \frac{{x_{{ij}} - {MEAN}}}{{\sigma_i}}"),
    ),
    "rms_norm": (
        ("sigma", r"\sigma_i = \sqrt{\frac{1}{n} \sum_k x_{ik}^2 + \text{eps}}"),
        ("x_hat", r"\hat x_{ij} = \frac{x_{ij}}{\sigma_i}"),
    ),
}
"""The definition of what an operation keeps for its backward pass."""


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
        back = tuple(int(k) for k in np.argsort(axes))
        found["axes"], found["back"] = Literal(axes, _tuple(axes)), Literal(back, _tuple(back))
    elif name == "sparse_softmax_cross_entropy":
        found["e"] = Literal(math.e, "e")
    elif "index" in unit.settings:
        found["index"] = Literal(0.0, index_text(unit.settings["index"]))
    for key in ("axis", "n"):
        if key == "n" and "axis" in unit.settings:
            size = np.size(array_of(unit.inputs[0])) // max(np.size(unit.output.value), 1)
            found["n"] = Literal(float(size))
    if name in ("layer_norm", "rms_norm"):
        found["n"] = Literal(float(unit.output.shape[-1]))
    return found


ROW_LOSSES = frozenset({"softmax_cross_entropy", "sparse_softmax_cross_entropy"})
"""Losses whose formulas count the rows with one index, whatever axes the rows are laid out along."""


def as_rows(unit: Unit, value: Any) -> Any:
    """Return what belongs to a loss of rows with all its rows along one axis; any other unit's value as it is."""
    logits = array_of(unit.inputs[0]) if unit.record.name in ROW_LOSSES else None
    if logits is None or logits.ndim < 3 or not isinstance(value, np.ndarray):
        return value
    if value.shape == logits.shape:
        return value.reshape(-1, value.shape[-1])
    return value.reshape(-1) if value.shape == logits.shape[:-1] else value


def in_rows(unit: Unit, operands: dict[str, Operand]) -> dict[str, Operand]:
    """Return operands with the rows of their values along one axis, for a loss of rows."""
    if unit.record.name not in ROW_LOSSES:
        return operands
    return {
        name: replace(o, value=as_rows(unit, o.value)) if isinstance(o, Named) else o for name, o in operands.items()
    }


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


# The forward pass


def special_forward(unit: Unit) -> Law | None:
    """Return the law of the forward pass where the record's formula alone cannot be evaluated."""
    name = unit.record.name
    if name == "scaled_dot_product_attention" and not _is_masked(unit):
        law = forward_law(unit)
        return None if law is None else Law(_unmasked(law.latex))
    if name == "transpose" and _swaps_last(unit):
        return Law(r"y = x^\top")
    if name in INDEXED:
        return indexed_forward(unit)
    if name in WINDOWED:
        return windowed_forward(unit)
    return None


# The backward pass


def special_backward(unit: Unit, k: int) -> Law | None:
    """Return the law for the cotangent of input k where the record's formula alone cannot be evaluated."""
    name = unit.record.name
    shape = np.shape(array_of(unit.inputs[k]))
    if name in INDEXED:
        return indexed_backward(unit, k, shape)
    if name == "transpose":
        return Law(
            r"\bar x = \bar y^\top"
            if _swaps_last(unit)
            else r"\bar x = \operatorname{transpose}(\bar y, \mathrm{back})"
        )
    if name == "reshape":
        return Law(r"\bar x = \operatorname{reshape}(\bar y)", functions={"reshape": lambda y: np.reshape(y, shape)})
    if name in WINDOWED:
        return windowed_backward(unit, k)
    return None
