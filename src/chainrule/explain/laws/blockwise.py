r"""Blockwise attention: why the softmax weights need not be kept.

With the log-sum-exp $\Lambda$ of each row of scores, any block of $P = e^{S - \Lambda}$ can be recomputed from Q and K;
the row sums that softmax's adjoint needs are those of $\bar O \odot O$, which does not involve P. Dao, Fu, Ermon,
Rudra & Ré, "FlashAttention" (2022), section 3.1 and appendix B.
"""

from typing import Any

import numpy as np

from chainrule.explain.derive.evaluated import Book
from chainrule.explain.derive.operands import Named, Operand
from chainrule.explain.derive.steps import Line
from chainrule.explain.derive.symbols import Symbol
from chainrule.explain.derive.unit import Unit
from chainrule.explain.write.catalogue import Catalogue
from chainrule.rules.attention.plain import ScaledDotProductAttention

from .laws import Law
from .proving import line_of


def blockwise_lines(book: Book, unit: Unit, words: Catalogue) -> list[Line]:
    """Return the identities of blockwise attention, each checked numerically; none if a row attends to nothing."""
    if unit.record is not ScaledDotProductAttention:
        return []
    operands = book.operands(unit, backward=True)
    found: dict[str, Operand] = {
        name: operands[name] for name in ("q", "k", "v", "m", "scale", "y", "y_bar", "p") if name in operands
    }
    q, k, v, mask, scale = (_value(found[name]) for name in ("q", "k", "v", "m", "scale"))
    scores = scale * np.einsum("...id,...jd->...ij", q, k) + mask
    log_sums = np.logaddexp.reduce(scores, axis=-1)
    if not np.all(np.isfinite(log_sums)):
        return []
    weights = np.exp(scores - log_sums[..., None])
    weights_bar = np.einsum("...ie,...je->...ij", _value(found["y_bar"]), v)
    sums = np.sum(weights_bar * weights, axis=-1, keepdims=True)
    found |= {"s": Named(Symbol("S"), scores), "l": Named(Symbol(r"\Lambda"), log_sums)}
    found |= {"p": Named(Symbol("P"), weights), "p_bar": Named(Symbol(r"\bar P"), weights_bar)}
    found |= {"d": Named(Symbol("D"), sums)}
    lines = (
        (words["block_scores"], r"S = \text{scale}\,Q K^\top + M", scores),
        (words["block_saved"], r"L_i = \log \sum_j e^{S_{ij}}", log_sums),
        (words["block_again"], r"P_{ij} = e^{S_{ij} - L_i}", unit.saved.get("p", weights)),
        (
            words["block_sums"],
            r"D = \operatorname{rowsum}(\bar P \odot P) = \operatorname{rowsum}(\bar Y \odot Y)",
            sums,
        ),
        (words["block_softmax"], r"\bar S = P \odot (\bar P - D)", weights * (weights_bar - sums)),
    )
    found["s_bar"] = Named(Symbol(r"\bar S"), 0.0)
    return [line_of(title, Law(latex), found, expected) for title, latex, expected in lines]


def _value(operand: Operand) -> Any:
    return np.asarray(getattr(operand, "value", 0.0))
