r"""Scaled dot-product attention.

$S = \alpha\,Q K^\top$, $P = \operatorname{softmax}(S)$ by rows, $Y = P V$, with $\alpha = 1/\sqrt d$ by default. The
weights P, `[..., N, M]`, are kept for the backward pass.

Source: Vaswani et al., "Attention Is All You Need" (2017), equation 1; the adjoints are those of two matrix products
and of softmax.
"""

import numpy as np

from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.tensor import value_of

from .matmul import transposed
from .reduce import arrayed
from .softmax import exponentials, softmax

OPEN = np.True_
"""The mask that hides nothing."""


def _scale(q: Array, scale: float | None) -> float:
    return float(q.shape[-1]) ** -0.5 if scale is None else scale


def _check(q: Array, k: Array, v: Array, mask: Array) -> None:
    shapes = f"got q {q.shape}, k {k.shape}, v {v.shape}"
    if min(q.ndim, k.ndim, v.ndim) < 2 or q.shape[-1] != k.shape[-1] or k.shape[-2] != v.shape[-2]:
        raise ValueError(f"expected q [..., N, d], k [..., M, d] and v [..., M, e], {shapes}")
    if q.shape[-1] == 0:
        raise ValueError(f"expected at least one feature, {shapes}")
    if mask.dtype.kind not in "bf":
        raise TypeError(f"expected a boolean mask (True: may attend) or floats to add to the scores, got {mask.dtype}")
    scores = (*np.broadcast_shapes(q.shape[:-2], k.shape[:-2]), q.shape[-2], k.shape[-2])
    try:
        fits = np.broadcast_shapes(scores, mask.shape)[-2:] == scores[-2:]
    except ValueError:
        fits = False
    if not fits:
        raise ValueError(f"expected a mask that broadcasts to the scores {scores}, got shape {mask.shape}; {shapes}")


def _allowed(mask: Array, causal: bool, shape: tuple[int, ...]) -> Array | None:
    """Return where scores of this shape count, as a boolean array, or None where all do."""
    mask = value_of(mask)
    given = mask if mask.dtype.kind == "b" and not (mask.ndim == 0 and mask) else None
    if not causal:
        return given
    below = np.tri(*shape[-2:], dtype=np.bool_)
    return below if given is None else below & given


def _scores(q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float | None) -> Array:
    """Return the scores, -inf where a row may not attend, for arrays and tensors alike."""
    _check(q, k, v, mask)
    scores = (q * _scale(q, scale)) @ transposed(k)
    if mask.dtype.kind == "f":
        scores = scores + mask
    allowed = _allowed(mask, causal, scores.shape)
    return scores if allowed is None else np.where(allowed, scores, -np.inf)


class ScaledDotProductAttention(Fused):
    r"""Y = \operatorname{softmax}(\text{scale}\,Q K^\top + M)\,V

    M is the mask where it holds floats. Booleans, and `causal`, stand for an M of 0 (may attend) and −inf.
    """

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
        return softmax(_scores(q, k, v, mask, causal, scale)) @ v

    @staticmethod
    def primal(q: Array, k: Array, v: Array, mask: Array, *, causal: bool = False, scale: float | None = None) -> Array:
        return ScaledDotProductAttention.primal_keeping(q, k, v, mask, causal=causal, scale=scale)[0]

    @staticmethod
    def primal_keeping(
        q: Array, k: Array, v: Array, mask: Array, *, causal: bool, scale: float | None
    ) -> tuple[Array, Array]:
        _, powers, total, _ = exponentials(_scores(q, k, v, mask, causal, scale), -1)
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

        Of a boolean mask there is no derivative.
        """
        p_bar = y_bar @ transposed(v)
        s_bar = p * (p_bar - np.einsum("...ij,...ij->...i", p_bar, p)[..., None])
        alpha = _scale(q, scale)
        q_bar = s_bar @ (k * alpha)
        k_bar = transposed(s_bar) @ (q * alpha)
        return q_bar, k_bar, transposed(p) @ y_bar, s_bar if mask.dtype.kind == "f" else None


def scaled_dot_product_attention(
    q: Array, k: Array, v: Array, mask: Array | None = None, causal: bool = False, scale: float | None = None
) -> Array:
    r"""Return $\operatorname{softmax}(\alpha\,Q K^\top)\,V$, `[..., N, e]`, with $\alpha = 1/\sqrt d$ or `scale`.

    `q [..., N, d]`, `k [..., M, d]`, `v [..., M, e]`; the axes in front broadcast. `mask` broadcasts to the scores
    `[..., N, M]`: booleans (True: row i may attend to j), or floats that are added to the scores (−inf hides; they are
    differentiable as well). With `causal`, row i attends to j ≤ i, counted from the first row and column as in
    PyTorch, and within the mask if there is one. A row that may attend to nothing gets 0, and so does its gradient.

    Raises ValueError for shapes that do not fit and TypeError for a mask of integers.

    >>> v = np.array([[1.0], [2.0], [6.0]])
    >>> scaled_dot_product_attention(np.zeros((3, 2)), np.zeros((3, 2)), v, causal=True)
    array([[1. ], [1.5], [3. ]])
    """
    q, k, v, mask = arrayed(q), arrayed(k), arrayed(v), OPEN if mask is None else arrayed(mask)
    return ScaledDotProductAttention.apply(q, k, v, mask, causal=causal, scale=scale)
