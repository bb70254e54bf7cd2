"""Losses, with PyTorch's arguments: classes along axis 1, `reduction`, and its two older switches."""

import math
import warnings
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import known
from chainrule.core.traces.capturing import plain as by_sample
from chainrule.nn import functional
from chainrule.rules.arrays.shape import broadcast_to
from chainrule.rules.elementary.compare import stop_gradient

from ...dtypes import floating, promoted
from ...face import faced
from ...reductions import plain, vector_norm_of


def _reduction(size_average: Any, reduce: Any, reduction: str) -> Any:
    """Return the reduction that the two older switches mean, if they are given."""
    if size_average is None and reduce is None:
        return reduction
    if reduce is False:
        return "none"
    return "sum" if size_average is False else "mean"


def _finished(losses: Any, reduction: str) -> Any:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return np.sum(losses)
    if reduction != "mean":
        raise ValueError(f"{reduction} is not a valid value for reduction")
    return np.mean(losses) if losses.size else np.sum(losses) / np.zeros((), losses.dtype)


def _of_nothing(input: Any, reduction: str) -> Any:
    """Return the loss of an empty batch: NaN for the mean."""
    return _finished(np.sum(input, axis=1 if input.ndim > 1 else 0), reduction)


def _counts_no_row(target: Any, weight: Any, ignore_index: int) -> bool:
    """Whether the mean is one of no rows: all are ignored, or of weight 0. In a capture this is not asked."""
    classes = known(target)
    if type(classes) is not np.ndarray or classes.dtype.kind == "f" or classes.ndim == 0:
        return False
    if weight is None:
        return bool(classes.flat[0] == ignore_index and np.all(classes == ignore_index))
    weights = known(weight)
    kept = classes[classes != ignore_index]
    return type(weights) is np.ndarray and not (kept.size and np.any(weights.take(kept, mode="clip")))


def _mean_of_no_row(total: Any, target: Any, ignore_index: int) -> Any:
    """Return NaN from a sum of nothing; its gradient is 0 if every row is ignored, and NaN if the weights are 0."""
    zero = np.zeros((), total.dtype)
    return total + np.nan if np.all(known(target) == ignore_index) else total / zero


def _alike(input: Any, target: Any) -> list[Any]:
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({list(target.shape)}) that is different to the input size ({list(input.shape)}). "
            f"This will likely lead to incorrect results due to broadcasting.",
            UserWarning,
            stacklevel=4,
        )
    return promoted(input, target)


@faced
def mse_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """Return the squared errors."""
    a, b = _alike(input, target)
    losses = (a - b) * (a - b)
    return _finished(losses if weight is None else losses * weight, _reduction(size_average, reduce, reduction))


@faced
def l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", weight: Any = None
) -> Any:
    """Return the absolute errors."""
    a, b = _alike(input, target)
    losses = np.absolute(a - b)
    return _finished(losses if weight is None else losses * weight, _reduction(size_average, reduce, reduction))


@faced
def smooth_l1_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean", beta: float = 1.0
) -> Any:
    """Return squared errors up to β, and absolute ones beyond."""
    a, b = np.broadcast_arrays(*_alike(input, target)) if input.shape != target.shape else _alike(input, target)
    if beta == 0:
        return _finished(np.absolute(a - b), _reduction(size_average, reduce, reduction))
    losses = functional.smooth_l1_loss(a, b, reduction="none", beta=beta)
    return _finished(losses, _reduction(size_average, reduce, reduction))


@faced
def huber_loss(input: Any, target: Any, reduction: str = "mean", delta: float = 1.0, weight: Any = None) -> Any:
    """Return half the squared errors up to δ, and linear ones beyond."""
    a, b = np.broadcast_arrays(*_alike(input, target)) if input.shape != target.shape else _alike(input, target)
    losses = functional.huber_loss(a, b, reduction="none", delta=delta)
    return _finished(losses if weight is None else losses * weight, reduction)


@faced
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
    label_smoothing: float = 0.0,
) -> Any:
    """Return the cross-entropy of scores, with classes along axis 1, and targets: classes or probabilities."""
    if target.dtype.kind != "f" and target.ndim != max(input.ndim - 1, 0):
        raise RuntimeError(
            f"cross_entropy: expected target of shape {[*input.shape[:1], *input.shape[2:]]} for input "
            f"{list(input.shape)}, got {list(target.shape)}"
        )
    settings: dict[str, Any] = {
        "reduction": _reduction(size_average, reduce, reduction),
        "label_smoothing": label_smoothing,
    }
    axis = 1 if input.ndim > 1 else 0
    if not target.size:
        return _of_nothing(input, settings["reduction"])
    if settings["reduction"] == "mean" and _counts_no_row(target, weight, ignore_index):
        total = functional.cross_entropy(input, target, weight, ignore_index, axis=axis, reduction="sum")
        return _mean_of_no_row(total, target, ignore_index)
    return functional.cross_entropy(input, target, weight, ignore_index, axis=axis, **settings)


@faced
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    ignore_index: int = -100,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return minus the log-probability, along axis 1, of each target class."""
    how = _reduction(size_average, reduce, reduction)
    if not target.size:
        return _of_nothing(input, how)
    axis = 1 if input.ndim > 1 else 0
    if how == "mean" and _counts_no_row(target, weight, ignore_index):
        total = functional.nll_loss(input, target, weight, ignore_index, "sum", axis=axis)
        return _mean_of_no_row(total, target, ignore_index)
    return functional.nll_loss(input, target, weight, ignore_index, how, axis=axis)


def _are_probabilities(values: Any) -> Any:
    if values.size and (values.min() < 0 or values.max() > 1):
        raise RuntimeError("all elements of input should be between 0 and 1")
    return np.True_


@faced
def binary_cross_entropy(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Return the cross-entropy of probabilities and targets in [0, 1]."""
    by_sample(_are_probabilities, input)
    if input.shape != target.shape:
        raise ValueError(
            f"Using a target size ({list(target.shape)}) that is different to the input size ({list(input.shape)}) is "
            f"deprecated. Please ensure they have the same size."
        )
    losses = functional.binary_cross_entropy(input, target, reduction="none")
    return _finished(losses if weight is None else losses * weight, _reduction(size_average, reduce, reduction))


@faced
def binary_cross_entropy_with_logits(
    input: Any,
    target: Any,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    pos_weight: Any = None,
) -> Any:
    """Return the cross-entropy of scores, whose sigmoid is the probability, and targets in [0, 1]."""
    if input.shape != target.shape:
        raise ValueError(f"Target size ({list(target.shape)}) must be the same as input size ({list(input.shape)})")
    losses = functional.binary_cross_entropy_with_logits(input, target, reduction="none", pos_weight=pos_weight)
    return _finished(losses if weight is None else losses * weight, _reduction(size_average, reduce, reduction))


@faced
def kl_div(
    input: Any,
    target: Any,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
    log_target: bool = False,
) -> Any:
    """Return the Kullback-Leibler divergence of log-probabilities `input` from `target`."""
    how = _reduction(size_average, reduce, reduction)
    if log_target:
        losses = np.exp(target) * (target - input)
    else:
        positive = np.greater(target, 0)
        safe = np.where(positive, target, np.ones((), target.dtype))
        losses = np.where(positive, safe * np.log(safe), np.zeros((), target.dtype)) - target * input
    if how == "batchmean":
        return np.sum(losses) / (input.shape[0] if input.ndim else 1)
    return _finished(losses, how)


@faced
def poisson_nll_loss(
    input: Any,
    target: Any,
    log_input: bool = True,
    full: bool = False,
    size_average: Any = None,
    eps: float = 1e-8,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return the negative log-likelihood of counts."""
    input, target = floating(input), floating(target)
    losses = np.exp(input) - target * input if log_input else input - target * np.log(input + eps)
    if full:
        large = np.greater(target, 1)
        safe = np.where(large, target, np.ones((), target.dtype))
        stirling = safe * np.log(safe) - safe + 0.5 * np.log(2 * math.pi * safe)
        losses = losses + np.where(large, stirling, np.zeros((), target.dtype))
    return _finished(losses, _reduction(size_average, reduce, reduction))


def _are_variances(values: Any) -> Any:
    if np.any(values < 0):
        raise ValueError("var has negative entry/entries")
    return np.True_


@faced
def gaussian_nll_loss(
    input: Any, target: Any, var: Any, full: bool = False, eps: float = 1e-6, reduction: str = "mean"
) -> Any:
    """Return the negative log-likelihood of a normal distribution with a variance for each element."""
    if not hasattr(var, "shape"):
        var = np.full(input.shape, var, input.dtype)
    if var.shape != input.shape and var.shape == input.shape[:-1]:
        var = var[..., None]
    by_sample(_are_variances, var)
    var = var + stop_gradient(np.maximum(var, np.asarray(eps, var.dtype)) - var)
    difference = input - target
    losses = 0.5 * (np.log(var) + difference * difference / var)
    return _finished(losses + 0.5 * math.log(2 * math.pi) if full else losses, reduction)


@faced
def hinge_embedding_loss(
    input: Any, target: Any, margin: float = 1.0, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Return x where the target is 1, and max(0, margin - x) where it is -1."""
    zero = np.zeros((), input.dtype)
    beyond = margin - input
    far = np.where(np.not_equal(target, 1), np.where(np.greater(beyond, 0), beyond, zero), zero)
    near = np.where(np.not_equal(target, -1), input, zero)
    return _finished(far + near, _reduction(size_average, reduce, reduction))


@faced
def soft_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Return log(1 + exp(-t x))."""
    return _finished(functional.softplus(-target * input), _reduction(size_average, reduce, reduction))


def _above_zero(x: Any) -> Any:
    return np.where(np.greater_equal(x, 0), x, np.zeros((), x.dtype))


@faced
def margin_ranking_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return max(0, -t (x1 - x2) + margin)."""
    input1, input2, target = map(floating, (input1, input2, target))
    losses = _above_zero(-target * (input1 - input2) + margin)
    return _finished(losses, _reduction(size_average, reduce, reduction))


@faced
def multi_margin_loss(
    input: Any,
    target: Any,
    p: int = 1,
    margin: float = 1.0,
    weight: Any = None,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return the mean over all other classes of how far their scores come within the margin."""
    x = np.reshape(input, (1, -1)) if input.ndim <= 1 else input
    found = functional.multi_margin_loss(x, np.reshape(target, (-1,)), p, margin, weight, "none")
    found = np.reshape(found, ()) if input.ndim <= 1 and target.ndim == 0 else found
    return _finished(found, _reduction(size_average, reduce, reduction))


@faced
def multilabel_margin_loss(
    input: Any, target: Any, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Return how far the scores of all other classes come within 1 of those of the listed ones, which end at -1."""
    x, t = np.reshape(input, (-1, input.shape[-1] if input.ndim else 1)), plain(target)
    t = t.reshape(x.shape)
    listed = np.cumprod(t >= 0, axis=1).astype(bool)
    classes = np.where(listed, t, 0)
    is_target = np.zeros(x.shape, bool)
    for row, (c, use) in enumerate(zip(classes, listed, strict=True)):
        is_target[row, c[use]] = True
    own = np.take_along_axis(x, classes, 1)
    terms = 1 - (own[:, :, None] - x[:, None, :])
    counts = listed[:, :, None] & ~is_target[:, None, :]
    losses = np.sum(np.where(counts & (plain(terms) > 0), terms, np.zeros((), x.dtype)), axis=(1, 2)) / x.shape[1]
    losses = losses if input.ndim > 1 else np.reshape(losses, ())
    return _finished(losses, _reduction(size_average, reduce, reduction))


@faced
def multilabel_soft_margin_loss(
    input: Any, target: Any, weight: Any = None, size_average: Any = None, reduce: Any = None, reduction: str = "mean"
) -> Any:
    """Return the mean over classes of the binary cross-entropy."""
    losses = -(target * functional.logsigmoid(input) + (1 - target) * functional.logsigmoid(-input))
    losses = losses if weight is None else losses * weight
    return _finished(np.mean(losses, axis=-1), _reduction(size_average, reduce, reduction))


def _distance(a: Any, b: Any, p: float, eps: float, keepdim: bool = False) -> Any:
    return vector_norm_of(floating(a) - floating(b) + eps, p, -1, keepdim)


@faced
def triplet_margin_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return max(0, d(anchor, positive) - d(anchor, negative) + margin)."""
    near, far = _distance(anchor, positive, p, eps), _distance(anchor, negative, p, eps)
    if swap:
        far = np.minimum(far, _distance(positive, negative, p, eps))
    return _finished(_above_zero(near - far + margin), _reduction(size_average, reduce, reduction))


def triplet_margin_with_distance_loss(
    anchor: Any,
    positive: Any,
    negative: Any,
    *,
    distance_function: Any = None,
    margin: float = 1.0,
    swap: bool = False,
    reduction: str = "mean",
) -> Any:
    """Return the triplet loss of a distance of one's own."""
    distance = pairwise_distance if distance_function is None else distance_function
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return _reduced_face(near - far + margin, reduction)


@faced
def _reduced_face(x: Any, reduction: str) -> Any:
    return _finished(_above_zero(x), reduction)


@faced
def pairwise_distance(x1: Any, x2: Any, p: float = 2.0, eps: float = 1e-6, keepdim: bool = False) -> Any:
    """Return the p-norm of the difference of rows."""
    return _distance(x1, x2, p, eps, keepdim)


def _cosine(a: Any, b: Any, dim: Any, eps: float) -> Any:
    product = np.sum(a * b, axis=dim)
    size = [np.sum(x * x, axis=dim) for x in (a, b)]
    lengths = [np.sqrt(np.where(np.less(n, eps * eps), np.asarray(eps * eps, n.dtype), n)) for n in size]
    return product / (lengths[0] * lengths[1])


@faced
def cosine_similarity(x1: Any, x2: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    """Return the cosine of the angle between vectors along an axis."""
    a, b = promoted(x1, x2)
    shape = np.broadcast_shapes(a.shape, b.shape)
    a, b = (x if x.shape == shape else broadcast_to(x, shape) for x in (a, b))
    return _cosine(a, b, dim if shape else None, eps)


@faced
def cosine_embedding_loss(
    input1: Any,
    input2: Any,
    target: Any,
    margin: float = 0,
    size_average: Any = None,
    reduce: Any = None,
    reduction: str = "mean",
) -> Any:
    """Return 1 - cos where the target is 1, and max(0, cos - margin) where it is -1."""
    input1, input2, tiny = floating(input1), floating(input2), 1e-12
    product = np.sum(input1 * input2, axis=-1)
    sizes = [np.sum(x * x, axis=-1) + tiny for x in (input1, input2)]
    cosine = product / np.sqrt(sizes[0] * sizes[1])
    zero = np.zeros((), cosine.dtype)
    near = np.where(np.equal(target, 1), 1 - cosine, zero)
    far = np.where(np.equal(target, -1), _above_zero(cosine - margin), zero)
    return _finished(near + far, _reduction(size_average, reduce, reduction))


@faced
def ctc_loss(
    log_probs: Any,
    targets: Any,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: str = "mean",
    zero_infinity: bool = False,
) -> Any:
    """Return minus the log-probability of label sequences, summed over all alignments with blanks."""
    x = log_probs if log_probs.ndim == 3 else log_probs[:, None]
    lengths, counts = plain(input_lengths).reshape(-1), plain(target_lengths).reshape(-1)
    labels = plain(targets)
    starts = np.r_[0, np.cumsum(counts)]
    losses = []
    for b in range(x.shape[1]):
        row = labels[starts[b] : starts[b + 1]] if labels.ndim == 1 else labels[b, : counts[b]]
        losses.append(_alignment(x[: int(lengths[b]), b], row, blank))
    found = np.stack(losses)
    if zero_infinity:
        infinite = np.isinf(plain(found))
        found = np.where(infinite, np.zeros((), found.dtype), found)
    if reduction == "mean":
        return np.mean(found / np.maximum(counts, 1).astype(found.dtype))
    found = found if log_probs.ndim == 3 else np.reshape(found, ())
    return _finished(found, reduction)


def _alignment(x: Any, labels: Any, blank: int) -> Any:
    """Return minus the log-probability of one label sequence under `x [T, K]`, by the forward recursion."""
    path = np.full(2 * len(labels) + 1, blank)
    path[1::2] = labels
    n, low = len(path), np.asarray(-1e30, x.dtype)
    skips = np.r_[False, False, (path[2:] != blank) & (path[2:] != path[:-2])][:n]
    scores = x[:, path]
    first = np.where(np.arange(n) < 2, scores[0], low)
    for t in range(1, len(scores)):
        one = np.concatenate([np.full(1, low), first[:-1]])
        two = np.where(skips, np.concatenate([np.full(min(2, n), low), first[: max(n - 2, 0)]]), low)
        first = functional.logsumexp(np.stack([first, one, two]), 0) + scores[t]
    total = functional.logsumexp(first[-2:], 0)
    impossible = plain(total) < -1e29
    return np.where(impossible, np.asarray(math.inf, x.dtype), -total)
