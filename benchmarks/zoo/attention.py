"""Scaled dot-product attention."""
# A rule takes every argument of its operation, whether it needs it or not.

import math

import numpy as np

from .entry import Array, Operation, bug, normal, softmax


def scores(q: Array, k: Array) -> Array:
    return q @ k.swapaxes(-1, -2) / math.sqrt(q.shape[-1])


def attention(q: Array, k: Array, v: Array) -> Array:
    return softmax(scores(q, k)) @ v


def attention_rule(
    c: Array, q: Array, k: Array, v: Array, scale: float | None = None, total: float = 1.0
) -> tuple[Array, ...]:
    p = softmax(scores(q, k))
    dp = c @ v.swapaxes(-1, -2)
    ds = p * (dp - total * (dp * p).sum(-1, keepdims=True))
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    return ds @ k * scale, ds.swapaxes(-1, -2) @ q * scale, p.swapaxes(-1, -2) @ c


def _changed(place: int, value: Array, c: Array, *a: Array) -> tuple[Array, ...]:
    grads = attention_rule(c, *a)
    return (*grads[:place], value, *grads[place + 1 :])


def _masked(c: Array, q: Array, k: Array, v: Array) -> tuple[Array, ...]:
    """Apply a causal mask in the backward pass only."""
    p = softmax(scores(q, k)) * np.tri(q.shape[-2], k.shape[-2])
    return _changed(2, p.swapaxes(-1, -2) @ c, c, q, k, v)


ATTENTION = Operation(
    "attention",
    attention,
    attention_rule,
    {"q": normal(2, 5, 4, seed=50), "k": normal(2, 5, 4, seed=51), "v": normal(2, 5, 4, seed=52)},
    (
        bug("scale forgotten", "factor", lambda c, *a: attention_rule(c, *a, scale=1.0)),
        bug("scale twice", "factor", lambda c, *a: attention_rule(c, *a, scale=1 / a[0].shape[-1])),
        bug("sum of the softmax left out", "missing-term", lambda c, *a: attention_rule(c, *a, total=0.0)),
        bug(
            "dq and dk exchanged",
            "other-argument",
            lambda c, *a: (*attention_rule(c, *a)[1::-1], attention_rule(c, *a)[2]),
        ),
        bug("dv for dk", "other-argument", lambda c, *a: _changed(1, attention_rule(c, *a)[2], c, *a)),
        bug(
            "weights not transposed in dv",
            "transposed axes-swapped",
            lambda c, q, k, v: _changed(2, softmax(scores(q, k)) @ c, c, q, k, v),
        ),
        bug("one head only", "partial", lambda c, *a: _changed(0, attention_rule(c, *a)[0] * [[[1]], [[0]]], c, *a)),
        bug(
            "last position left out",
            "partial",
            lambda c, *a: _changed(2, attention_rule(c, *a)[2] * [[1], [1], [1], [1], [0]], c, *a),
        ),
        bug(
            "queries for keys", "other-argument", lambda c, q, k, v: _changed(0, _with_queries(c, q, k, v), c, q, k, v)
        ),
        bug("sign of dk", "sign", lambda c, *a: _changed(1, -attention_rule(c, *a)[1], c, *a)),
        bug(
            "positions off by one",
            "shifted",
            lambda c, *a: _changed(2, np.roll(attention_rule(c, *a)[2], -1, 1), c, *a),
        ),
        bug("masked in the backward pass only", "partial unexplained", _masked),
        bug("sum over the queries", "unexplained axes-swapped missing-term", lambda c, *a: _wrong_sum(c, *a)),
    ),
)


def _with_queries(c: Array, q: Array, k: Array, v: Array) -> Array:
    p = softmax(scores(q, k))
    dp = c @ v.swapaxes(-1, -2)
    return p * (dp - (dp * p).sum(-1, keepdims=True)) @ q / math.sqrt(q.shape[-1])


def _wrong_sum(c: Array, q: Array, k: Array, v: Array) -> tuple[Array, ...]:
    p = softmax(scores(q, k))
    dp = c @ v.swapaxes(-1, -2)
    ds = p * (dp - (dp * p).sum(-2, keepdims=True)) / math.sqrt(q.shape[-1])
    return ds @ k, ds.swapaxes(-1, -2) @ q, p.swapaxes(-1, -2) @ c


OPERATIONS = (ATTENTION,)
