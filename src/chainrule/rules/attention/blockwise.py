r"""Attention in memory linear, not quadratic, in the length of the sequences.

The scores are computed block by block (`chainrule.kernels.attention.blocks`), and no N × M array is allocated in either
mode. The forward pass keeps the log-sum-exp L of each row, from which the backward pass recomputes each block of
weights. The composite, which defines the operation and serves higher derivatives, is the plain formula and needs its
memory.

Dropout decides on each weight by a hash of seed, head, row and column, so no mask is stored: the forward pass, both
modes of differentiation and the composite draw the same.

Sources: Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018); Rabe & Staats, "Self-attention does
not need O(n²) memory" (2021); Dao, Fu, Ermon, Rudra & Ré, "FlashAttention" (2022); Dao, "FlashAttention-2" (2023);
Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3" (2011).
"""

import math

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Constant, Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import Tensor
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.network.softmax import softmax

from .blocks import Blocks, attend, attend_by_lanes, goes_by_lanes, keys_of_heads, pull, pull_by_lanes, push
from .derivation import DERIVATION
from .scores import OPEN, check, pulled, scores_of

SEED = np.uint64(2011)
MULTIPLIER, WEYL, WORD, HALF = (np.uint64(n) for n in (0xD256D193, 0x9E3779B9, 0xFFFFFFFF, 32))


def draws(seed: Array, shape: tuple[int, ...]) -> Array:
    """Return 32 random bits for each weight, `[..., N, M]`: Philox2x32 with seven rounds, the first of its two words.

    The counter is (column, row), the key one of the head.
    """
    key = keys_of_heads(seed, math.prod(shape[:-2])).reshape(*shape[:-2], 1, 1)
    left, right = np.arange(shape[-1], dtype=np.uint64), np.arange(shape[-2], dtype=np.uint64)[:, None]
    for _ in range(7):
        product = left * MULTIPLIER
        left, right, key = (product >> HALF) ^ key ^ right, product & WORD, (key + WEYL) & WORD
    return np.broadcast_to(left, shape)


class AttentionDropout(Constant):
    r"""y = \frac{[u \ge p]}{1 - p}

    u is uniform in [0, 1) and depends only on the seed and the position of an element of x; y has the shape and dtype
    of x.
    """

    cases = (case((3, 4), SEED, p=0.5), case((2, 3, 4), SEED, p=0.25), case((0, 4), SEED, p=0.5))

    @staticmethod
    def primal(x: Array, seed: Array, *, p: float = 0.5) -> Array:
        kept = draws(seed, np.shape(x)) >= np.uint64(p * 2.0**32)
        return np.multiply(kept, 1 / (1 - p), dtype=x.dtype)


class BlockwiseAttention(Fused):
    r"""Y = (\operatorname{softmax}(\text{scale}\,Q K^\top + M) \odot R)\,V

    M is the mask where it holds floats. Booleans, and `causal`, stand for an M of 0 (may attend) and −inf. R is 1
    without dropout; with it, an element is 0 with the probability `dropout`, and 1/(1 − dropout) otherwise.
    """

    role = Role.ATTENTION
    keeps = ("lse",)
    differentiable = ("q", "k", "v", "mask")
    derivation = DERIVATION
    cases = (
        case((3, 4), (2, 5, 4), (2, 5, 2), (3, 5), SEED, scale=0.5),
        case((3, 4), (5, 4), (5, 2), OPEN, SEED, scale=0.5),
        case((2, 3, 4), (2, 3, 4), (2, 3, 2), OPEN, SEED, causal=True, scale=0.5),
        case((2, 3, 4), (5, 4), (5, 2), np.tri(3, 5, dtype=bool), SEED, scale=0.5),
        case((2, 3, 4), (2, 5, 4), (2, 5, 2), (2, 1, 5), SEED, causal=True, scale=0.5),
        case((2, 2, 3, 4), (2, 1, 5, 4), (2, 1, 5, 2), OPEN, SEED, scale=0.5, dropout=0.25),
        case((0, 4), (5, 4), (5, 2), OPEN, SEED, scale=0.5),
        case((3, 4), (0, 4), (0, 2), OPEN, SEED, scale=0.5),
    )

    @staticmethod
    def composite(
        q: Array, k: Array, v: Array, mask: Array, seed: Array, *,
        causal: bool, scale: float | None, dropout: float, mask_moves: bool,  # noqa: ARG004
    ) -> Array:  # fmt: skip
        weights = softmax(scores_of(q, k, v, mask, causal, scale))
        if dropout > 0:
            weights = weights * AttentionDropout.apply(weights, seed, p=dropout)
        return weights @ v

    @staticmethod
    def primal(
        q: Array, k: Array, v: Array, mask: Array, seed: Array, *,
        causal: bool = False, scale: float | None = None, dropout: float = 0.0, mask_moves: bool = True,
    ) -> Array:  # fmt: skip
        return BlockwiseAttention.primal_keeping(
            q, k, v, mask, seed, causal=causal, scale=scale, dropout=dropout, mask_moves=mask_moves
        )[0]

    @staticmethod
    def primal_keeping(
        q: Array, k: Array, v: Array, mask: Array, seed: Array, *,
        causal: bool, scale: float | None, dropout: float, mask_moves: bool,  # noqa: ARG004
    ) -> tuple[Array, Array]:  # fmt: skip
        check(q, k, v, mask)
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout: expected a probability from 0 to below 1, got {dropout}")
        if goes_by_lanes(q, k, v, mask, dropout):
            return attend_by_lanes(q, k, v, causal, scale)
        return attend(Blocks(q, k, v, mask, causal, scale, dropout, seed))

    @staticmethod
    def vjp(
        y_bar: Array, q: Array, k: Array, v: Array, mask: Array, seed: Array, y: Array, lse: Array, *,
        causal: bool, scale: float | None, dropout: float, mask_moves: bool,
    ) -> tuple[Array, Array, Array, Array | None, None]:  # fmt: skip
        r"""P = e^{\text{scale}\,Q K^\top + M - L},
        \quad \bar P = (\bar Y V^\top) \odot R,
        \quad \bar S = P \odot (\bar P - \operatorname{rowsum}(\bar Y \odot Y)),
        \quad \bar Q = \text{scale}\,\bar S K,
        \quad \bar K = \text{scale}\,\bar S^\top Q,
        \quad \bar V = (P \odot R)^\top\,\bar Y,
        \quad \bar{\text{mask}} = \bar S

        A boolean mask has no derivative; without `mask_moves`, no mask gets one.
        """
        if isinstance(y_bar, Tensor):  # the pullback itself is being differentiated
            p = softmax(scores_of(q, k, v, mask, causal, scale))
            kept = AttentionDropout.apply(p, seed, p=dropout) if dropout > 0 else None
            return *pulled(y_bar, q, k, v, mask, p, scale, kept), None
        if goes_by_lanes(q, k, v, mask, dropout):
            return *pull_by_lanes(q, k, v, y, lse, y_bar, causal, scale), None, None
        blocks = Blocks(q, k, v, mask, causal, scale, dropout, seed)
        return *pull(blocks, y, lse, y_bar, with_bias=mask_moves and mask.dtype.kind == "f"), None

    @staticmethod
    def jvp(
        q: Array, q_dot: Array, k: Array, k_dot: Array, v: Array, v_dot: Array, mask: Array, mask_dot: Array,
        seed: Array, y: Array, *, causal: bool, scale: float | None, dropout: float,
    ) -> Array:  # fmt: skip
        r"""P = \operatorname{softmax}(\text{scale}\,Q K^\top + M),
        \quad \dot S = \text{scale}\,(\dot Q K^\top + Q \dot K^\top) + \dot{\text{mask}},
        \quad \dot Y = (P \odot R)\,\dot V + (P \odot \dot S \odot R)\,V - \operatorname{rowsum}(P \odot \dot S) \odot Y
        """
        return push(Blocks(q, k, v, mask, causal, scale, dropout, seed), y, (q_dot, k_dot, v_dot, mask_dot))


def blockwise_attention(
    q: Array,
    k: Array,
    v: Array,
    mask: Array | None = None,
    causal: bool = False,
    scale: float | None = None,
    dropout: float = 0.0,
    seed: Array = 0,
) -> Array:
    """Return what `scaled_dot_product_attention` returns for these arguments, a block of scores at a time.

    `dropout`, from 0 to below 1, is the probability with which a weight is zeroed, and `seed` a 64-bit integer that
    determines which ones.

    Raises ValueError for shapes that do not fit and TypeError for a mask of integers.

    >>> v = np.array([[1.0], [2.0], [6.0]])
    >>> blockwise_attention(np.zeros((3, 2)), np.zeros((3, 2)), v, causal=True)
    array([[1. ], [1.5], [3. ]])
    """
    q, k, v, mask = arrayed(q), arrayed(k), arrayed(v), OPEN if mask is None else arrayed(mask)
    moves = bool(getattr(mask, "requires_grad", False))
    return BlockwiseAttention.apply(
        q, k, v, mask, arrayed(seed), causal=causal, scale=scale, dropout=dropout, mask_moves=moves
    )
