"""Attention, with dropout on its weights."""

import functools
from typing import Any

import numpy as np

from chainrule.core.kinds import Constant
from chainrule.core.operation import Array
from chainrule.core.random import source
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.attention import plain as attention
from chainrule.rules.attention.blockwise import blockwise_attention
from chainrule.rules.attention.plain import attention_method as attention_method

from ..dropout import check_probability
from ..dropout import dropout as drop
from ..init import Generator


class DropoutSeed(Constant, register=False):
    r"""y = \text{seed}

    A 64-bit integer, redrawn at each run. It is an operation rather than a number so that a captured program draws
    again when it is replayed.
    """

    @staticmethod
    def primal(x: Array, *, generator: Generator = None) -> Array:  # noqa: ARG004
        """Draw the seed; `x` is what it is for."""
        return np.asarray(source(generator).integers(0, 2**63), np.uint64)


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    generator: Generator = None,
    enable_gqa: bool = False,
    method: str = "auto",
) -> Any:
    r"""Return $\operatorname{softmax}(\alpha\,Q K^\top)\,V$, `[..., N, e]`, with $\alpha = 1/\sqrt d$ or `scale`.

    `q [..., N, d]`, `k [..., M, d]`, `v [..., M, e]`. `mask` broadcasts to `[..., N, M]`: booleans (True: may attend),
    or floats that are added to the scores. With `causal`, row i attends to j ≤ i. `dropout` is the probability with
    which each weight is zeroed, drawn from `generator`; pass 0 in evaluation.

    With `enable_gqa`, k and v `[..., G, M, d]` may have fewer heads than q `[..., H, N, d]`, as long as G divides H.
    `method` is how it is computed: "plain" keeps the weights, `[..., N, M]`; "blockwise" computes them block by block
    and only needs memory for the rows; "auto" chooses by `attention_method(q.shape, k.shape)`.

    Raises ValueError for shapes that do not fit, a dropout outside 0 to 1 and an unknown method, and TypeError for an
    integer mask.

    Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1; for the blocks, Dao et al.,
    "FlashAttention" (2022).

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.zeros((2, 2)), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    check_probability("scaled_dot_product_attention: dropout", dropout)
    if dropout == 0:
        return attention.scaled_dot_product_attention(q, k, v, mask, causal, scale, enable_gqa, method)
    q, k, v, mask = arrayed(q), arrayed(k), arrayed(v), None if mask is None else arrayed(mask)
    if enable_gqa:
        q, k, v, mask = attention.grouped(q, k, v, mask)
    y = _with_dropout(q, k, v, mask, causal, scale, float(dropout), generator, attention.chosen(method, q, k))
    return attention.ungrouped(y) if enable_gqa else y


def _with_dropout(
    q: Any, k: Any, v: Any, mask: Any, causal: bool, scale: float | None, p: float, generator: Generator, method: str
) -> Any:
    if method == "blockwise":
        if p == 1:
            return blockwise_attention(q, k, v, mask, causal, scale) * 0
        return blockwise_attention(q, k, v, mask, causal, scale, p, DropoutSeed.apply(q, generator=generator))
    attend = functools.partial(attention.scaled_dot_product_attention, mask=mask, causal=causal, scale=scale)
    weights = attend(q, k, np.eye(k.shape[-2], dtype=k.dtype), method="plain")
    return drop(weights, p, generator=generator) @ v
