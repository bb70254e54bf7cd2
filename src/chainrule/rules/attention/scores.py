"""What plain and blockwise attention share: scores, masks, and shape checks."""

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.traces.capturing import constant_of, is_captured
from chainrule.core.transforms.mapped import is_mapped
from chainrule.rules.linalg.matmul import transposed

OPEN = np.True_
"""The mask that hides nothing."""


def scale_of(q: Array, scale: float | None) -> float:
    """Return the scale of the scores: by default 1/√d."""
    return float(q.shape[-1]) ** -0.5 if scale is None else scale


def check(q: Array, k: Array, v: Array, mask: Array) -> None:
    """Raise an error unless the shapes match and the mask is valid."""
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


def allowed(mask: Array, causal: bool, shape: tuple[int, ...]) -> Array | None:
    """Return which scores of this shape count, as a boolean array, or None if all do."""
    mask = constant_of(mask)  # a captured one stays so: it may be another at the next call
    given = mask if mask.dtype.kind == "b" and (mask.ndim or is_mapped(mask) or is_captured(mask) or not mask) else None
    if not causal:
        return given
    below = np.tri(*shape[-2:], dtype=np.bool_)
    return below if given is None else np.logical_and(below, given)


def scores_of(q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float | None) -> Array:
    """Return the scores, -inf where a row may not attend, for arrays and tensors alike."""
    check(q, k, v, mask)
    scores = (q * scale_of(q, scale)) @ transposed(k)
    if mask.dtype.kind == "f":
        scores = scores + mask
    visible = allowed(mask, causal, scores.shape)
    return scores if visible is None else np.where(visible, scores, -np.inf)


def pulled(
    y_bar: Array, q: Array, k: Array, v: Array, mask: Array, p: Array, scale: float | None, kept: Array | None = None
) -> tuple[Array, Array, Array, Array | None]:
    """Return the cotangents of q, k, v and an added mask, given the weights P and the dropout factors."""
    p_bar = y_bar @ transposed(v)
    if kept is not None:
        p_bar = p_bar * kept
    s_bar = p * (p_bar - np.einsum("...ij,...ij->...i", p_bar, p)[..., None])
    alpha = scale_of(q, scale)
    q_bar = s_bar @ (k * alpha)
    k_bar = transposed(s_bar) @ (q * alpha)
    v_bar = transposed(p if kept is None else p * kept) @ y_bar
    return q_bar, k_bar, v_bar, s_bar if mask.dtype.kind == "f" else None
