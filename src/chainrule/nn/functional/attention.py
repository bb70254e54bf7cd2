"""Attention, with dropout of its weights."""

import functools
from typing import Any

import numpy as np

from chainrule.rules import attention

from ..dropout import dropout as drop
from ..init import Generator


def scaled_dot_product_attention(
    q: Any,
    k: Any,
    v: Any,
    mask: Any = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    generator: Generator = None,
) -> Any:
    r"""Return $\operatorname{softmax}(\alpha\,Q K^\top)\,V$, `[..., N, e]`, with $\alpha = 1/\sqrt d$ or `scale`.

    `q [..., N, d]`, `k [..., M, d]`, `v [..., M, e]`. `mask` broadcasts to `[..., N, M]`: booleans (True: may attend),
    or floats that are added to the scores. With `causal`, row i attends to j ≤ i. `dropout` is the probability with
    which each weight is zero, drawn from `generator`; pass 0 in evaluation.

    Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1.

    >>> scaled_dot_product_attention(np.zeros((1, 2)), np.zeros((2, 2)), np.array([[1.0], [3.0]]))
    array([[2.]])
    """
    attend = functools.partial(attention.scaled_dot_product_attention, mask=mask, causal=causal, scale=scale)
    if dropout == 0:
        return attend(q, k, v)
    weights = attend(q, k, np.eye(k.shape[-2], dtype=k.dtype))
    return drop(weights, dropout, generator=generator) @ v
