"""Attention in several heads, from projected queries, keys and values `[B, T, E]`; a mask is true where left out."""

import math
from typing import Any

import numpy as np

from ... import elementwise, shapes
from ...face import wrapped
from .activations import dropout, scaled_dot_product_attention
from .layers import linear
from .resizing import pad


def as_scores(mask: Any, like: Any) -> Any:
    """Return a mask whose true elements are left out as numbers to add."""
    if mask.is_floating_point():
        return mask
    return wrapped(np.zeros(tuple(mask.shape), like._x.dtype)).masked_fill(mask, -math.inf)


def _split(x: Any, heads: int) -> Any:
    return x.unflatten(-1, (heads, x.shape[-1] // heads)).transpose(1, 2)


def _joint(padding: Any, mask: Any, q: Any, extra: int) -> Any:
    """Return what is added to the scores; the last `extra` keys are always seen."""
    total = None
    if mask is not None:
        total = as_scores(mask, q)
        total = total.reshape(q.shape[0], q.shape[1], *total.shape[1:]) if total.ndim == 3 else total
    if padding is not None:
        rows = as_scores(padding, q)[:, None, None, :]
        total = rows if total is None else total + rows
    return pad(total, (0, extra)) if extra and total is not None else total


def attended(
    q: Any,
    k: Any,
    v: Any,
    heads: int,
    *,
    padding: Any = None,
    mask: Any = None,
    p: float = 0.0,
    need_weights: bool = True,
    bias_k: Any = None,
    bias_v: Any = None,
    add_zero: bool = False,
) -> tuple[Any, Any]:
    """Return the heads' results `[B, T, E]` before the last projection, and the weights `[B, H, T, S]` if needed."""
    if bias_k is not None:
        k, v = (shapes.cat([x, bias.expand(len(x), 1, -1)], 1) for x, bias in ((k, bias_k), (v, bias_v)))
    q, k, v = (_split(x, heads) for x in (q, k, v))
    if add_zero:
        k, v = (pad(x, (0, 0, 0, 1)) for x in (k, v))
    joint = _joint(padding, mask, q, (bias_k is not None) + add_zero)
    if not need_weights:
        weights, out = None, scaled_dot_product_attention(q, k, v, joint, p)
    else:
        scores = (q * (1 / math.sqrt(q.shape[-1]))) @ k.transpose(-2, -1)
        weights = dropout(elementwise.softmax(scores if joint is None else scores + joint, -1), p)
        out = weights @ v
    return out.transpose(1, 2).flatten(2), weights


def multi_head_attention_forward(
    query: Any,
    key: Any,
    value: Any,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Any,
    in_proj_bias: Any,
    bias_k: Any,
    bias_v: Any,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Any,
    out_proj_bias: Any,
    training: bool = True,
    key_padding_mask: Any = None,
    need_weights: bool = True,
    attn_mask: Any = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Any = None,
    k_proj_weight: Any = None,
    v_proj_weight: Any = None,
    static_k: Any = None,
    static_v: Any = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Any, Any]:
    """Return what `MultiheadAttention` does, and its weights, for given parameters and `[T, B, E]` or `[T, E]`."""
    if query.shape[-1] != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {query.shape[-1]}")
    if static_k is not None or static_v is not None:
        raise RuntimeError("multi_head_attention_forward: static_k and static_v are not offered")
    alone = query.ndim == 2
    if alone and key_padding_mask is not None:
        key_padding_mask = key_padding_mask.unsqueeze(0)
    separate = (q_proj_weight, k_proj_weight, v_proj_weight)
    projections = separate if use_separate_proj_weight else in_proj_weight.chunk(3)
    biases = (None,) * 3 if in_proj_bias is None else in_proj_bias.chunk(3)
    inputs = (x.unsqueeze(0) if alone else x.transpose(0, 1) for x in (query, key, value))
    q, k, v = (linear(x, w, b) for x, w, b in zip(inputs, projections, biases, strict=True))
    out, weights = attended(
        *(q, k, v, num_heads),
        padding=key_padding_mask,
        mask=attn_mask,
        p=dropout_p if training else 0.0,
        need_weights=need_weights,
        bias_k=bias_k,
        bias_v=bias_v,
        add_zero=add_zero_attn,
    )
    y = linear(out, out_proj_weight, out_proj_bias)
    if weights is not None:
        weights = weights.mean(1) if average_attn_weights else weights
        weights = weights.squeeze(0) if alone else weights
    return y.squeeze(0) if alone else y.transpose(0, 1), weights


__all__ = ["multi_head_attention_forward"]
