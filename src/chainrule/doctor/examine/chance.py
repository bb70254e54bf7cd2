"""The loss of a model that ignores its input: that of the best constant prediction."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from chainrule.train.batches import are_classes

Outputs = list[tuple[Any, Any]]
LossOf = Callable[[Any, Any], float]
"""Computes the loss of an output and a target, both arrays."""


def chance_level(loss: LossOf, outputs: Outputs) -> float:
    """Return the smallest mean loss over several constant predictions, nan if none can be computed.

    If all targets are equal, a constant answer is the right one, and its loss says nothing.

    For classes these are the class frequencies, as logits, log-probabilities and probabilities; for numbers the mean,
    and its logit. With cross-entropy the result is the entropy of the labels, with the squared error their variance.
    """
    found = [_mean_loss(loss, outputs, answer) for answer in _answers(outputs)]
    finite = [value for value in found if math.isfinite(value)]
    return min(finite, default=math.nan)


def _answers(outputs: Outputs) -> list[Any]:
    if not outputs:
        return []
    first, y = outputs[0]
    if not isinstance(y, np.ndarray) or first.ndim == 0:
        return []
    if are_classes(y, first):
        k = first.shape[-1]
        labels = np.concatenate([t.ravel() for _, t in outputs])
        counts = np.bincount(labels[(labels >= 0) & (labels < k)], minlength=k)
        if (counts > 0).sum() < 2:
            return []
        shares = (counts + 1e-6) / (counts.sum() + k * 1e-6)
        # Shares in place of logarithms would be an answer that such a model cannot give, with a loss below any entropy.
        return [np.log(shares)] if min(o.min() for o, _ in outputs) < 0 else [np.log(shares), shares]
    if y.shape == first.shape:
        rows = np.concatenate([t.reshape(-1, t.shape[-1]) if t.ndim > 1 else t[:, None] for _, t in outputs])
        if np.ptp(rows) == 0:
            return []
        mean = rows.mean(axis=0) if first.ndim > 1 else rows.mean()
        answers = [mean, np.median(rows, axis=0) if first.ndim > 1 else np.median(rows)]
        if np.all((mean >= 0) & (mean <= 1)):
            inside = np.clip(mean, 1e-6, 1 - 1e-6)
            answers += [np.log(inside / (1 - inside)), np.log(inside)]
        return answers
    return []


def _mean_loss(loss: LossOf, outputs: Outputs, answer: Any) -> float:
    values = []
    for output, y in outputs:
        constant = np.broadcast_to(answer, output.shape).astype(output.dtype)
        try:
            values.append(loss(constant, y))
        except (ValueError, TypeError, IndexError, RuntimeError):
            return math.nan
    return float(np.mean(values))


def is_summed(loss: LossOf, outputs: Outputs) -> bool:
    """Whether the loss doubles with the batch, so that it is a sum over samples and not a mean."""
    if not outputs:
        return False
    output, y = outputs[0]
    if not isinstance(y, np.ndarray) or output.ndim == 0 or y.ndim == 0 or len(output) != len(y):
        return False
    try:
        once = loss(output, y)
        twice = loss(np.concatenate([output, output]), np.concatenate([y, y]))
    except (ValueError, TypeError, IndexError, RuntimeError):
        return False
    return abs(once) > 0 and math.isclose(twice, 2 * once, rel_tol=0.01)
