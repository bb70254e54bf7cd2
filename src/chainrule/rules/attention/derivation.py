r"""Why attention can be computed block by block: the algebra, line by line, each line checked numerically.

In the forward pass the columns come in blocks $b = 1, 2, \ldots$; $m^{(b)}$, $l^{(b)}$ and $A^{(b)}$ are the state of a
row after b of them, from $m^{(0)} = -\infty$ and $l^{(0)} = A^{(0)} = 0$ on.

Sources: Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018), algorithm 3; Dao, Fu, Ermon, Rudra &
Ré, "FlashAttention" (2022), section 3.1 and appendix B.
"""

from typing import Any

import numpy as np

from chainrule.core.operation import Array, RuleStep

WIDTH = 2
"""Columns per block in the checks: few, so that small examples have several blocks."""
TINY = 1e-100
"""A complex step, which gives derivatives up to rounding: Squire & Trapp (1998)."""


def _scores(q: Array, k: Array, mask: Array) -> Array:
    mask = np.asarray(mask)
    added = np.where(mask, 0.0, -np.inf) if mask.dtype.kind == "b" else mask
    return np.einsum("...id,...jd->...ij", q, k) * float(q.shape[-1]) ** -0.5 + added


def _softmax(s: Array) -> Array:
    powers = np.exp(s - np.max(s.real, axis=-1, keepdims=True))
    return powers / np.sum(powers, axis=-1, keepdims=True)


def _running(s: Array, v: Array) -> tuple[Array, Array, Array]:
    """Return m, l and A after the last block."""
    top = np.full((*s.shape[:-1], 1), -np.inf)
    total, sums = np.zeros(top.shape), np.zeros(())
    for start in range(0, s.shape[-1], WIDTH):
        block = s[..., start : start + WIDTH]
        new = np.maximum(top, np.max(block, axis=-1, keepdims=True))
        safe = np.where(new == -np.inf, 0.0, new)  # a row that has seen nothing yet
        shrink, powers = np.exp(top - safe), np.exp(block - safe)
        total = shrink * total + np.sum(powers, axis=-1, keepdims=True)
        sums = shrink * sums + powers @ v[..., start : start + WIDTH, :]
        top = new
    return top[..., 0], total[..., 0], sums


def _cotangent(y: Array) -> Array:
    """Return an arbitrary cotangent: the lines hold for any."""
    return np.cos(np.arange(y.size)).reshape(y.shape)


def _backward(q: Array, k: Array, v: Array, mask: Array) -> tuple[Array, ...]:
    """Return P, the cotangents of Y and P, and those of S by complex steps."""
    s = _scores(q, k, mask)
    p = _softmax(s)
    y_bar = _cotangent(p @ v)
    p_bar = y_bar @ np.swapaxes(v, -1, -2)
    steps = TINY * 1j * np.eye(s.shape[-1])
    columns = [np.sum(p_bar * _softmax(s + step).imag / TINY, axis=-1) for step in steps]
    return p, y_bar, p_bar, np.stack(columns, axis=-1)


def _maximum(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s = _scores(q, k, mask)
    return _running(s, v)[0], np.max(s, axis=-1)


def _sum(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s = _scores(q, k, mask)
    return _running(s, v)[1], np.sum(np.exp(s - np.max(s, axis=-1, keepdims=True)), axis=-1)


def _output(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s = _scores(q, k, mask)
    _, total, sums = _running(s, v)
    return sums / total[..., None], _softmax(s) @ v


def _log_sum(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s = _scores(q, k, mask)
    top, total, _ = _running(s, v)
    return top + np.log(total), np.logaddexp.reduce(s, axis=-1)


def _weights(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s = _scores(q, k, mask)
    return np.exp(s - _log_sum(q, k, v, mask)[0][..., None]), _softmax(s)


def _row_sums(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    p, y_bar, p_bar, _ = _backward(q, k, v, mask)
    return np.sum(y_bar * (p @ v), axis=-1), np.sum(p_bar * p, axis=-1)


def _scores_bar(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    p, _, p_bar, s_bar = _backward(q, k, v, mask)
    return p * (p_bar - _row_sums(q, k, v, mask)[0][..., None]), s_bar


def _blocks_add_up(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> tuple[Array, Array]:
    s_bar = _backward(q, k, v, mask)[3]
    blocks = [slice(start, start + WIDTH) for start in range(0, s_bar.shape[-1], WIDTH)]
    return sum(s_bar[..., b] @ k[..., b, :] for b in blocks), s_bar @ k


def _attends(q: Array, k: Array, v: Array, mask: Array, *_: Any) -> bool:  # noqa: ARG001
    """Whether every row may attend to something; the others are zero by definition."""
    s = _scores(q, k, mask)
    return s.size > 0 and bool(np.all(np.max(s, axis=-1) > -np.inf))


DERIVATION = (
    RuleStep(
        "The running maximum: after the last block it is the row's",
        r"m^{(b)}_i = \max(m^{(b-1)}_i, \max_{j \in b} S_{ij})",
        _maximum,
        _attends,
    ),
    RuleStep(
        "The running sum, rescaled where the maximum has grown",
        r"l^{(b)}_i = e^{m^{(b-1)}_i - m^{(b)}_i} l^{(b-1)}_i + \sum_{j \in b} e^{S_{ij} - m^{(b)}_i}",
        _sum,
        _attends,
    ),
    RuleStep(
        "The output is rescaled alike, and divided once",
        r"A^{(b)}_i = e^{m^{(b-1)}_i - m^{(b)}_i} A^{(b-1)}_i + \sum_{j \in b} e^{S_{ij} - m^{(b)}_i} V_j,"
        r" \quad Y_i = \frac{A_i}{l_i}",
        _output,
        _attends,
    ),
    RuleStep(
        "What is kept of a row: the logarithm of its sum",
        r"L_i = m_i + \log l_i = \log \sum_j e^{S_{ij}}",
        _log_sum,
        _attends,
    ),
    RuleStep("It gives any block of weights again", r"P_{ij} = e^{S_{ij} - L_i}", _weights, _attends),
    RuleStep(
        "The row sums of softmax's adjoint need no weights",
        r"D_i = \sum_e \bar Y_{ie} Y_{ie} = \sum_j \bar P_{ij} P_{ij}",
        _row_sums,
        _attends,
    ),
    RuleStep(
        "The cotangent of a block of scores",
        r"\bar S_{ij} = P_{ij} (\bar P_{ij} - D_i)",
        _scores_bar,
        _attends,
    ),
    RuleStep(
        "The blocks' contributions add up",
        r"\bar Q_i = \text{scale} \sum_b \sum_{j \in b} \bar S_{ij} K_j",
        _blocks_add_up,
        _attends,
    ),
)
