"""Losses that pull vectors together or push them apart.

`reduction` is "mean" (the default), "sum" or "none".
"""

from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.rules.elementary.selection import clip, minimum, where

from .arguments import compared
from .products import pairwise_distance
from .reduction import Reduction, reduced


def margin_ranking_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: Reduction = "mean"
) -> Any:
    """Return max(0, −t (x₁ − x₂) + `margin`): the first should be larger where t is 1, the second where −1; reduced.

    >>> margin_ranking_loss(np.array([1.0, 1.0]), np.array([3.0, 3.0]), np.array([1, -1]), reduction="none")
    array([2., 0.])
    """
    name = "margin_ranking_loss"
    input1, input2, target = compared(name, input1, input2=input2, target=target)
    if not input1.ndim == input2.ndim == target.ndim:
        shapes = ", ".join(str(list(x.shape)) for x in (input1, input2, target))
        raise ValueError(f"{name}: expected input1, input2 and target with as many axes, got {shapes}")
    return reduced(name, clip(margin - target * (input1 - input2), 0.0), reduction)


def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2.0,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: Reduction = "mean",
) -> Any:
    """Return max(0, d(anchor, positive) − d(anchor, negative) + `margin`) of vectors `[..., D]`, reduced.

    d is `pairwise_distance` with `p` and `eps`; `swap` takes d(positive, negative) where that is the smaller one.

    Source: Balntas, Riba, Ponsa & Mikolajczyk, "Learning local feature descriptors with triplets …" (2016).

    >>> triplet_margin_loss(np.zeros((1, 2)), np.ones((1, 2)), np.full((1, 2), 9.0), reduction="none")
    array([0.])
    """
    name = "triplet_margin_loss"
    anchor, positive, negative = compared(name, anchor, positive=positive, negative=negative)
    if not margin > 0:
        raise ValueError(f"{name}: margin: expected a positive number, got {margin}")
    near = pairwise_distance(anchor, positive, p, eps)
    far = pairwise_distance(anchor, negative, p, eps)
    if swap:
        far = minimum(far, pairwise_distance(positive, negative, p, eps))
    return reduced(name, clip(near - far + margin, 0.0), reduction)


def cosine_embedding_loss(
    input1: Any, input2: Any, target: Any, margin: float = 0.0, reduction: Reduction = "mean"
) -> Any:
    """Return 1 − cos where the target is 1, and max(0, cos − `margin`) where it is −1, for pairs of vectors, reduced.

    `input1` and `input2` are `[B, D]` with `target [B]`, or `[D]` with a number.

    >>> x = np.array([[1.0, 0.0], [0.0, 2.0]])
    >>> cosine_embedding_loss(x, x, np.array([1, -1]), reduction="none").round(6)
    array([0., 1.])
    """
    name = "cosine_embedding_loss"
    input1, input2 = compared(name, input1, input2=input2)
    target = np.asarray(value_of(target))
    if input1.shape != input2.shape or input1.ndim not in (1, 2) or target.shape != input1.shape[:-1]:
        raise ValueError(
            f"{name}: expected input1 and input2 [B, D] and target [B], or [D] and a number, got "
            f"{list(input1.shape)}, {list(input2.shape)} and {list(target.shape)}"
        )
    # PyTorch's guard against zero vectors.
    squares = ((input1 * input1).sum(axis=-1) + 1e-12) * ((input2 * input2).sum(axis=-1) + 1e-12)
    cosine = (input1 * input2).sum(axis=-1) / np.sqrt(squares)
    losses = where(target == 1, 1 - cosine, 0.0) + where(target == -1, clip(cosine - margin, 0.0), 0.0)
    return reduced(name, losses, reduction)
