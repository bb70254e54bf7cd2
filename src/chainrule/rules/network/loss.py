"""Losses: how far a prediction is from its target.

All take `reduction`: "mean" (the default) over the individual losses, "sum", or "none". A mean over nothing is an
error, not NaN.
"""

from typing import Literal, TypeAlias

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Elementwise
from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor
from chainrule.core.traces.capturing import as_array, effect, example, known, plain
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.elementary.selection import where

from . import proofs as proofs_of
from .activation import sigmoid
from .counted import CheckShare, Counted
from .cross_entropy import (
    SoftmaxCrossEntropy,
    SparseSoftmaxCrossEntropy,
    check_classes,
    checked_classes,
    of_classes,
    one_hot,
)

Reduction: TypeAlias = Literal["mean", "sum", "none"]


def _reduced(name: str, losses: Array, reduction: Reduction) -> Array:
    if reduction == "none":
        return losses
    if reduction == "sum":
        return np.sum(losses)
    if reduction != "mean":
        raise ValueError(f'{name}: expected reduction "mean", "sum" or "none", got {reduction!r}')
    if np.size(losses) == 0:
        raise ValueError(f'{name}: the mean of no losses is not defined; use reduction="sum" if a batch may be empty')
    return np.mean(losses)


def _same_shape(name: str, prediction: Array, target: Array) -> tuple[Array, Array]:
    """Return both as arrays; broadcasting [B, 1] against [B] would go unnoticed in training, so it is refused."""
    prediction, target = arrayed(prediction), arrayed(target)
    if prediction.shape != target.shape:
        raise ValueError(
            f"{name}: expected prediction and target of one shape, got {prediction.shape} and {target.shape}; "
            f"reshape one of them"
        )
    return prediction, target


class BinaryCrossEntropyWithLogits(Elementwise):
    r"""y = \max(x, 0) - x t + \log(1 + e^{-|x|})

    This is $-t \log \sigma(x) - (1 - t) \log(1 - \sigma(x))$, without overflow and accurate for all x.
    """

    proofs = proofs_of.BINARY_LOGITS
    role = Role.SIGMOID_LOSS
    letters = {"y": r"\ell"}

    @staticmethod
    def primal(x: Array, t: Array) -> Array:
        return np.maximum(x, 0) - x * t + np.log1p(np.exp(-np.abs(x)))

    @staticmethod
    def partial_x(x: Array, t: Array) -> Array:
        r"""\frac{\partial y}{\partial x} = \sigma(x) - t"""
        return sigmoid(x) - t

    @staticmethod
    def partial_t(x: Array) -> Array:
        r"""\frac{\partial y}{\partial t} = -x"""
        return -x


def cross_entropy(
    logits: Array,
    target: Array,
    reduction: Reduction = "mean",
    *,
    weight: Array | None = None,
    ignore_index: int | None = None,
    label_smoothing: float = 0.0,
) -> Array:
    r"""Return the cross-entropy $-\sum_k t_k \log \operatorname{softmax}(z)_k$ of each row of logits, reduced.

    `logits` are `[..., K]`; `target` is class indices `[...]` (integers) or probabilities `[..., K]` (floats). The
    gradient of the mean over B rows with respect to the logits is $(\hat y - t) / B$. Finite and accurate for logits of
    any size.

    - `weight [K]` multiplies each class's term; the mean over class indices is then the weighted one.
    - `ignore_index`: rows of that class are left out of both the loss and the mean.
    - `label_smoothing` $\epsilon$: the target becomes $(1 - \epsilon)\,t + \epsilon / K$.

    All three behave as in PyTorch. Raises IndexError for a class out of range, with its position and value, and
    ValueError or TypeError for targets that do not fit the logits.

    >>> logits = np.array([[1e4, -1e4], [1.0, 1.0]])
    >>> float(cross_entropy(logits, np.array([1, 0]), reduction="none")[0])
    20000.0
    >>> float(cross_entropy(logits[1:], np.array([[0.5, 0.5]]))) == float(np.log(2))
    True
    """
    logits = arrayed(logits)
    target = _plain_classes(arrayed(target))
    is_alone = weight is None and label_smoothing == 0 and target.dtype.kind in "iu"
    if is_alone and ignore_index is not None:
        return _counted(logits, target, reduction, ignore_index)
    if weight is not None or ignore_index is not None or label_smoothing != 0:
        target, share = _prepared(logits, target, weight, ignore_index, label_smoothing)
        losses = SoftmaxCrossEntropy.apply(logits, target)
        if reduction == "mean":
            effect(CheckShare(), share, writes=())
            return np.sum(losses) / share
    elif target.dtype.kind in "iu":
        losses = SparseSoftmaxCrossEntropy.apply(logits, target)
    else:
        losses = SoftmaxCrossEntropy.apply(logits, target)
    return _reduced("cross_entropy", losses, reduction)


def _counted(logits: Array, target: Array, reduction: Reduction, ignore_index: int) -> Array:
    """Return the cross-entropy of the rows whose class is not the one that is ignored, reduced."""
    classes, counts, share = plain(Counted(example(logits), ignore_index), target)
    losses = where(counts, SparseSoftmaxCrossEntropy.apply(logits, classes), 0.0)
    if reduction != "mean":
        return _reduced("cross_entropy", losses, reduction)
    effect(CheckShare(), share, writes=())
    return np.sum(losses) / share


def _plain_classes(target: Array) -> Array:
    """Unbox integers, which have no gradient."""
    return known(target) if isinstance(target, Tensor) and target.dtype.kind in "iu" else target


def _prepared(
    logits: Array, target: Array, weight: Array | None, ignore_index: int | None, smoothing: float
) -> tuple[Array, Array]:
    """Return the target as probabilities with all three options applied, and the divisor of the mean."""
    if not 0 <= smoothing <= 1:
        raise ValueError(f"cross_entropy: expected label_smoothing from 0 to 1, got {smoothing}")
    count = logits.shape[-1] if logits.ndim else 0
    weights = np.ones(count, logits.dtype) if weight is None else as_array(weight).astype(logits.dtype, copy=False)
    if weights.shape != (count,):
        raise ValueError(f"cross_entropy: expected weight of shape ({count},), one for each class, got {weights.shape}")
    if target.dtype.kind in "iu":

        def prepare(target: Array) -> tuple[Array, Array]:
            used = target != ignore_index if ignore_index is not None else np.ones(target.shape, bool)
            classes = np.where(used, target, 0)
            check_classes(like, classes)
            scale = weights * used[..., None]
            share = np.sum(weights[classes] * used)
            return ((1 - smoothing) * one_hot(classes, count, like.dtype) + smoothing / count) * scale, share

        like = example(logits)
        probabilities, share = plain(prepare, target)
        return probabilities, share
    if ignore_index is not None:
        raise ValueError("cross_entropy: ignore_index needs class indices as the target, got probabilities")
    return ((1 - smoothing) * target + smoothing / count) * weights, float(np.prod(target.shape[:-1]))


def nll_loss(log_probabilities: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """Return minus the log-probability `[..., K]` of each row's class `[...]`, reduced.

    `cross_entropy` of logits is this loss of their `log_softmax`. Raises IndexError for a class out of range.

    >>> nll_loss(np.log(np.array([[0.25, 0.75]])), np.array([1])) == -np.log(0.75)
    np.True_
    """
    log_probabilities = arrayed(log_probabilities)
    try:
        classes = checked_classes(log_probabilities, target)
    except (IndexError, TypeError, ValueError) as error:
        raise type(error)(f"nll_loss: {error}") from None
    return _reduced("nll_loss", -of_classes(log_probabilities, classes), reduction)


def binary_cross_entropy_with_logits(logits: Array, target: Array, reduction: Reduction = "mean") -> Array:
    r"""Return $-t \log \sigma(x) - (1 - t) \log(1 - \sigma(x))$ for each logit x and target t from 0 to 1, reduced.

    Raises ValueError where the shapes differ.

    >>> binary_cross_entropy_with_logits(np.array([1e4, 0.0]), np.array([0.0, 1.0]), reduction="none")
    array([1.00000000e+04, 6.93147181e-01])
    """
    logits, target = _same_shape("binary_cross_entropy_with_logits", logits, target)
    losses = BinaryCrossEntropyWithLogits.apply(logits, target)
    return _reduced("binary_cross_entropy_with_logits", losses, reduction)


def mse_loss(prediction: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """Return the squared error of each element, reduced. Raises ValueError where the shapes differ.

    >>> float(mse_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    2.0
    """
    prediction, target = _same_shape("mse_loss", prediction, target)
    return _reduced("mse_loss", np.square(prediction - target), reduction)


def l1_loss(prediction: Array, target: Array, reduction: Reduction = "mean") -> Array:
    """Return the absolute error of each element, reduced; its gradient is 0 where the error is 0.

    Raises ValueError where the shapes differ.

    >>> float(l1_loss(np.array([1.0, 2.0]), np.array([1.0, 4.0])))
    1.0
    """
    prediction, target = _same_shape("l1_loss", prediction, target)
    return _reduced("l1_loss", np.abs(prediction - target), reduction)


def huber_loss(prediction: Array, target: Array, reduction: Reduction = "mean", delta: float = 1.0) -> Array:
    r"""Return $\frac{1}{2} d^2$ for errors d up to `delta` and $\delta (|d| - \frac{1}{2} \delta)$ beyond, reduced.

    Raises ValueError if the shapes differ or `delta` is not positive.

    Source: Huber, "Robust estimation of a location parameter", Ann. Math. Statist. 35 (1964).

    >>> huber_loss(np.array([0.5, -3.0]), np.zeros(2), reduction="none")
    array([0.125, 2.5  ])
    """
    prediction, target = _same_shape("huber_loss", prediction, target)
    return _reduced("huber_loss", _huber("huber_loss", prediction - target, "delta", delta), reduction)


def smooth_l1_loss(prediction: Array, target: Array, reduction: Reduction = "mean", beta: float = 1.0) -> Array:
    """Return the Huber loss with `delta=beta`, divided by `beta`: beyond `beta` its slope is 1.

    Raises ValueError if the shapes differ or `beta` is not positive; `l1_loss` is the limit as `beta` goes to 0.

    >>> smooth_l1_loss(np.array([0.5, -3.0]), np.zeros(2), reduction="none", beta=0.5)
    array([0.25, 2.75])
    """
    prediction, target = _same_shape("smooth_l1_loss", prediction, target)
    losses = _huber("smooth_l1_loss", prediction - target, "beta", beta) / beta
    return _reduced("smooth_l1_loss", losses, reduction)


def _huber(name: str, d: Array, setting: str, delta: float) -> Array:
    if not delta > 0:
        raise ValueError(f"{name}: expected {setting} > 0, got {delta}")
    # With c = d clipped to ±δ, both branches are c (d − c/2), whose derivative is c: no kink and no branch at 0.
    c = np.clip(d, -delta, delta)
    return c * (d - 0.5 * c)


def kl_div(log_prediction: Array, target: Array, reduction: Reduction | Literal["batchmean"] = "batchmean") -> Array:
    r"""Return the Kullback-Leibler divergence, $t (\log t - \log p)$ for each element, reduced; 0 where t is 0.

    `log_prediction` and the probabilities `target` are `[B, …, K]`. "batchmean", which is the mathematical mean,
    divides the sum by B; "mean" divides it by the number of elements, as PyTorch does by default. Raises ValueError if
    the shapes differ.

    >>> p = np.array([[0.5, 0.5]])
    >>> float(kl_div(np.log(p), np.array([[1.0, 0.0]]))) == float(np.log(2))
    True
    """
    log_prediction, target = _same_shape("kl_div", log_prediction, target)
    given = target > 0
    log_ratio = np.log(np.where(given, target, 1.0)) - np.where(given, log_prediction, 0.0)
    losses = np.where(given, target, 0.0) * log_ratio
    if reduction != "batchmean":
        return _reduced("kl_div", losses, reduction)
    if target.ndim == 0 or target.shape[0] == 0:
        raise ValueError(f'kl_div: "batchmean" divides by the first axis, got shape {target.shape}')
    return np.sum(losses) / target.shape[0]
