r"""Scaled dot-product attention.

$S = \alpha\,Q K^\top$, $P = \operatorname{softmax}(S)$ by rows, $Y = P V$, with $\alpha = 1/\sqrt d$ by default. The
plain form is in this file: it keeps the weights P, `[..., N, M]`, for the backward pass. The blockwise form, in
`blockwise_attention`, recomputes them; `attention_method` says which is used.

Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1; the adjoints are those of two matrix products
and of softmax.
"""

import math
from typing import Any, Literal, TypeAlias

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.kernels.suitable import HAS_COMPILER
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.network.softmax import exponentials, softmax

from . import proofs as proofs_of
from .blocks import goes_by_lanes
from .blockwise import BlockwiseAttention, blockwise_attention
from .scores import OPEN, pulled, scores_of

Method: TypeAlias = Literal["plain", "blockwise"]

WEIGHTS = r"P = \operatorname{softmax}(\text{scale}\,Q K^\top + M)"
LARGE, LARGE_HEAD = 2**20, 2**14
"""With at least this many weights, and this many per head, attention is blockwise by default.

In float32 they take 4 MiB. Heads of fewer than 128 × 128 weights gain nothing: their rows take as much as the weights.
"""


class ScaledDotProductAttention(Fused):
    r"""Y = \operatorname{softmax}(\text{scale}\,Q K^\top + M)\,V

    M is the mask where it holds floats. Booleans, and `causal`, stand for an M of 0 (may attend) and −inf.
    """

    proofs = proofs_of.ATTENTION
    role = Role.ATTENTION
    letters = {"y": "O"}
    definitions = {"p": WEIGHTS}
    keeps = ("p",)
    cases = (
        case((3, 4), (2, 5, 4), (2, 5, 2), (3, 5), scale=0.5),
        case((3, 4), (5, 4), (5, 2), OPEN, scale=0.5),
        case((2, 3, 4), (2, 3, 4), (2, 3, 2), OPEN, causal=True, scale=0.5),
        case((2, 3, 4), (5, 4), (5, 2), np.tri(3, 5, dtype=bool), scale=0.5),
        case((2, 3, 4), (2, 5, 4), (2, 5, 2), (2, 1, 5), causal=True, scale=0.5),
        case((0, 4), (5, 4), (5, 2), OPEN, scale=0.5),
        case((3, 4), (0, 4), (0, 2), OPEN, scale=0.5),
    )

    @staticmethod
    def composite(q: Array, k: Array, v: Array, mask: Array, *, causal: bool, scale: float | None) -> Array:
        return softmax(scores_of(q, k, v, mask, causal, scale)) @ v

    @staticmethod
    def primal(q: Array, k: Array, v: Array, mask: Array, *, causal: bool = False, scale: float | None = None) -> Array:
        return ScaledDotProductAttention.primal_keeping(q, k, v, mask, causal=causal, scale=scale)[0]

    @staticmethod
    def primal_keeping(
        q: Array, k: Array, v: Array, mask: Array, *, causal: bool, scale: float | None
    ) -> tuple[Array, Array]:
        _, powers, total, _ = exponentials(scores_of(q, k, v, mask, causal, scale), -1)
        weights = np.divide(powers, total, out=powers)
        return weights @ v, weights

    @staticmethod
    def vjp(
        y_bar: Array, q: Array, k: Array, v: Array, mask: Array, p: Array, *, scale: float | None
    ) -> tuple[Array, Array, Array, Array | None]:
        r"""\bar P = \bar Y V^\top,
        \quad \bar S = P \odot (\bar P - \operatorname{rowsum}(\bar P \odot P)),
        \quad \bar Q = \text{scale}\,\bar S K,
        \quad \bar K = \text{scale}\,\bar S^\top Q,
        \quad \bar V = P^\top\,\bar Y,
        \quad \bar{\text{mask}} = \bar S

        A boolean mask has no derivative.
        """
        return pulled(y_bar, q, k, v, mask, p, scale)

    @staticmethod
    def recomputing(args: tuple[Any, ...], examples: tuple[Array, ...], settings: dict[str, Any]) -> Any:
        """Return blockwise attention where it is code of vectors of queries: that is faster for any number of rows."""
        q, k, v, mask = examples
        if not goes_by_lanes(q, k, v, mask, 0.0):
            return None
        return BlockwiseAttention, (*args, np.int64(0)), {**settings, "dropout": 0.0, "mask_moves": False}


def attention_method(q_shape: tuple[int, ...], k_shape: tuple[int, ...]) -> Method:
    """Return how attention is computed by default for these shapes, `[..., N, d]` and `[..., M, d]`.

    `"plain"` keeps the weights of the forward pass, `[..., N, M]`; `"blockwise"` recomputes them in the backward pass
    and needs memory for only a few blocks. It is used from 2²⁰ weights on, if each head has at least 2¹⁴.

    >>> attention_method((8, 128, 64), (8, 128, 64)), attention_method((8, 2048, 64), (8, 2048, 64))
    ('plain', 'blockwise')
    """
    heads = math.prod(np.broadcast_shapes(q_shape[:-2], k_shape[:-2]))
    weights = math.prod(q_shape[-2:-1]) * math.prod(k_shape[-2:-1])
    if not HAS_COMPILER:  # the blocks are a kernel's
        return "plain"
    return "blockwise" if weights >= LARGE_HEAD and heads * weights >= LARGE else "plain"


def chosen(method: str, q: Array, k: Array) -> Method:
    """Return `method`, or for "auto" the choice of `attention_method`; a ValueError for an unknown method."""
    if method == "plain":
        return "plain"
    if method == "blockwise":
        return "blockwise"
    if method != "auto":
        raise ValueError(f"method: expected 'auto', 'plain' or 'blockwise', got {method!r}")
    try:
        return attention_method(q.shape, k.shape)
    except ValueError:  # shapes that do not fit: the operation raises the error
        return "plain"


def grouped(q: Array, k: Array, v: Array, mask: Array | None) -> tuple[Array, Array, Array, Array | None]:
    """Split the H heads of q, `[..., H, N, d]`, into as many groups as k and v have heads, `[..., G, M, d]`.

    They become `[..., G, H/G, N, d]` and `[..., G, 1, M, d]`, which broadcast: no head of k and v is repeated in
    memory. Source: Ainslie et al., "GQA" (2023).

    Raises ValueError if there are no heads, k and v have different numbers of them, or G does not divide H.
    """
    heads, groups = (x.shape[-3] if x.ndim > 2 else 0 for x in (q, k))
    if v.ndim < 3 or v.shape[-3] != groups or groups == 0 or heads % groups:
        raise ValueError(
            f"scaled_dot_product_attention: enable_gqa: expected q [..., H, N, d], k [..., G, M, d] and "
            f"v [..., G, M, e] with G a divisor of H, got q {q.shape}, k {k.shape}, v {v.shape}"
        )
    q = q.reshape((*q.shape[:-3], groups, heads // groups, *q.shape[-2:]))
    k, v = (x.reshape((*x.shape[:-2], 1, *x.shape[-2:])) for x in (k, v))
    if mask is not None and mask.ndim > 2:
        many = mask.shape[-3]
        split = (1, 1) if many == 1 else (groups, heads // groups)
        if many != math.prod(split):
            raise ValueError(
                f"scaled_dot_product_attention: expected a mask that broadcasts to the {heads} heads of q, got shape "
                f"{mask.shape}"
            )
        mask = mask.reshape((*mask.shape[:-3], *split, *mask.shape[-2:]))
    return q, k, v, mask


def ungrouped(y: Array) -> Array:
    """Return `[..., H, N, e]` for the result `[..., G, H/G, N, e]` of grouped heads."""
    return y.reshape((*y.shape[:-4], y.shape[-4] * y.shape[-3], *y.shape[-2:]))


def scaled_dot_product_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
    method: str = "auto",
) -> Array:
    r"""Return $\operatorname{softmax}(\alpha\,Q K^\top)\,V$, `[..., N, e]`, with $\alpha = 1/\sqrt d$ or `scale`.

    `q [..., N, d]`, `k [..., M, d]`, `v [..., M, e]`; leading axes broadcast. `mask` broadcasts to the scores
    `[..., N, M]`: booleans (True: row i may attend to j), or floats that are added to the scores (−inf hides; they are
    differentiable as well). With `causal`, row i attends to j ≤ i, counted from the first row and column as in
    PyTorch, and within the mask if there is one. A row that may attend to nothing gets 0, and its gradient is 0.

    With `enable_gqa`, k and v may have fewer heads than q, in the third axis from the right: each serves an equal
    number of consecutive heads of q. `method` is "plain", "blockwise", or "auto", the choice of `attention_method`.
    Both agree up to rounding; blockwise needs memory for N + M rows instead of N × M weights, in either mode.

    Raises ValueError for shapes that do not fit and TypeError for a mask of integers.

    >>> v = np.array([[1.0], [2.0], [6.0]])
    >>> scaled_dot_product_attention(np.zeros((3, 2)), np.zeros((3, 2)), v, causal=True)
    array([[1. ], [1.5], [3. ]])
    """
    q, k, v, mask = arrayed(q), arrayed(k), arrayed(v), None if mask is None else arrayed(mask)
    if enable_gqa:
        return ungrouped(scaled_dot_product_attention(*grouped(q, k, v, mask), causal, scale, method=method))
    if chosen(method, q, k) == "blockwise":
        return blockwise_attention(q, k, v, mask, causal, scale)
    return ScaledDotProductAttention.apply(q, k, v, OPEN if mask is None else mask, causal=causal, scale=scale)
