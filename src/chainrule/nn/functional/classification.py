"""Losses of scores against classes.

Each computes in the dtype of its scores. `reduction` is "mean" (the default), "sum" or "none".
"""

from typing import Any

import numpy as np

from chainrule.core.operands.meanings import warn
from chainrule.core.tensor import value_of
from chainrule.core.traces.capturing import effect, every_value, example, is_captured, known, plain
from chainrule.rules.arrays.shape import moveaxis
from chainrule.rules.network import loss
from chainrule.rules.network.activation import logsigmoid, relu
from chainrule.rules.network.binary_cross_entropy import BinaryCrossEntropy
from chainrule.rules.network.cross_entropy import check_classes, of_classes, one_hot

from ..inputs import accepts_dim, in_dtype_of
from .arguments import arrayed, compared
from .reduction import Reduction, alike, reduced, weighted

IGNORED = -100
"""The class that is ignored by default, as in PyTorch."""


def _classes_last(name: str, input: Any, target: Any, axis: int | None) -> tuple[Any, Any]:
    """Return scores with their classes along the last axis, and matching targets.

    Without an axis there is a warning if the targets also fit PyTorch's choice, axis 1.
    """
    input, target = arrayed(input), arrayed(target)
    probabilities = target.dtype.kind == "f"
    if not probabilities:
        target = known(target)
    elif input.dtype.kind == "f":
        target = in_dtype_of(input, target, f"{name}: target")
    if axis is None:
        axis = -1
        if (
            input.ndim > 2
            and target.shape in (input.shape, (*input.shape[:1], *input.shape[2:]))
            and (probabilities or target.shape == input.shape[:-1])
        ):
            warn(
                f"{name}: no axis is named, and input {list(input.shape)} with target {list(target.shape)} may have "
                f"its classes along the last one, which is taken, or along axis 1, as in PyTorch; write axis=-1 or 1"
            )
    if not -input.ndim <= axis < input.ndim:
        raise ValueError(f"{name}: axis {axis} is out of range for input {list(input.shape)}")
    if axis % input.ndim == input.ndim - 1:
        in_second = not probabilities and input.ndim > 2 and target.shape == (*input.shape[:1], *input.shape[2:])
        if in_second and target.shape != input.shape[:-1]:
            raise ValueError(
                f"{name}: expected target {list(input.shape[:-1])} for input {list(input.shape)}, got "
                f"{list(target.shape)}; where the classes are along axis 1, as in PyTorch, pass axis=1"
            )
        return input, target
    if probabilities and target.ndim == input.ndim:
        target = moveaxis(target, axis, -1)
    return moveaxis(input, axis, -1), target


@accepts_dim
def cross_entropy(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = IGNORED,
    reduction: Reduction = "mean",
    label_smoothing: float = 0.0,
    axis: int | None = None,
) -> Any:
    r"""Return the cross-entropy $-\sum_k t_k \log \operatorname{softmax}(z)_k$ of scores and targets, reduced.

    `input` are scores `[..., K]`; `target` is classes `[...]` (integers) or probabilities `[..., K]` (floats). Finite
    and accurate for scores of any size. PyTorch has the classes along axis 1, `[B, K, …]`: pass `axis=1`. The default
    is the last axis, with a `PyTorchMeaningWarning` if the shapes would also fit PyTorch's.

    - `weight [K]` multiplies each class's term; the mean over classes is then the weighted one.
    - `ignore_index`: targets of that class are left out of both the loss and the mean.
    - `label_smoothing` $\epsilon$: the target becomes $(1 - \epsilon)\,t + \epsilon / K$.

    Raises IndexError for a class out of range, with its position and value, and ValueError or TypeError for targets
    that do not fit the scores.

    >>> float(cross_entropy(np.array([[0.0, 0.0]]), np.array([[0.5, 0.5]]))) == float(np.log(2))
    True
    """
    input, target = _classes_last("cross_entropy", input, target, axis)
    ignored = ignore_index if target.dtype.kind != "f" and _may_ignore(input, target, ignore_index) else None
    return loss.cross_entropy(
        input, target, reduction, weight=weight, ignore_index=ignored, label_smoothing=label_smoothing
    )


@accepts_dim
def nll_loss(
    input: Any,
    target: Any,
    weight: Any = None,
    ignore_index: int = IGNORED,
    reduction: Reduction = "mean",
    axis: int | None = None,
) -> Any:
    """Return minus the log-probability `[..., K]` of each class `[...]`, reduced.

    `cross_entropy` of scores is this loss of their `log_softmax`; it documents the settings. Raises IndexError for a
    class out of range.

    >>> nll_loss(np.log(np.array([[0.25, 0.75]])), np.array([1])) == -np.log(0.75)
    np.True_
    """
    input, target = _classes_last("nll_loss", input, target, axis)
    if weight is None and not _may_ignore(input, target, ignore_index):
        return loss.nll_loss(input, target, reduction)
    like = example(input)

    def shares(target: Any) -> tuple[Any, Any, Any]:
        counts = target != ignore_index
        classes = _checked("nll_loss", like, np.where(counts, target, 0))
        share = _of_class("nll_loss", like, classes, weight) * counts
        return classes, share, share.sum()

    classes, share, total = plain(shares, target)
    return reduced("nll_loss", -of_classes(input, classes) * share, reduction, total)


def _may_ignore(input: Any, target: Any, ignore_index: int) -> bool:
    """Whether some targets are ignored.

    If a capture has seen none, a later one must raise an error, out of range, so that the function itself is called
    again. For a class in range, a capture takes the path that ignores it.
    """
    if is_captured(target) and 0 <= ignore_index < input.shape[-1]:
        return True
    return bool((every_value(target) == ignore_index).any())


def _checked(name: str, input: Any, classes: Any) -> Any:
    """Return the classes if all are in range; otherwise raise an error starting with `name`."""
    try:
        check_classes(input, np.asarray(classes))
    except (IndexError, TypeError, ValueError) as error:
        raise type(error)(f"{name}: {error}") from None
    return np.asarray(classes)


def _of_class(name: str, input: Any, classes: Any, weight: Any) -> Any:
    """Return the weight of each target's class."""
    if weight is None:
        return np.ones(classes.shape, input.dtype)
    weight = np.asarray(value_of(weight), input.dtype)
    if weight.shape != input.shape[-1:]:
        raise ValueError(f"{name}: expected weight {list(input.shape[-1:])}, one for each class, got {weight.shape}")
    return weight[classes]


def binary_cross_entropy(input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean") -> Any:
    r"""Return $-t \log x - (1 - t) \log(1 - x)$ for probabilities x and targets t, reduced.

    The logarithms stop at −100, and the gradient $(x - t) / (x (1 - x))$ at a denominator of $10^{-12}$, as in
    PyTorch; `binary_cross_entropy_with_logits` needs neither. `weight` multiplies the losses.

    Raises ValueError if the shapes differ or a probability is outside 0 to 1.

    >>> binary_cross_entropy(np.array([0.5, 0.0]), np.array([1.0, 1.0]), reduction="none")
    array([  0.69314718, 100.        ])
    """
    name = "binary_cross_entropy"
    input, target = alike(name, input, target)

    def check(values: Any) -> None:
        if not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"{name}: expected probabilities from 0 to 1; for logits use {name}_with_logits")

    effect(check, input, writes=())
    return reduced(name, weighted(name, BinaryCrossEntropy.apply(input, target), weight), reduction)


def binary_cross_entropy_with_logits(
    input: Any, target: Any, weight: Any = None, reduction: Reduction = "mean", pos_weight: Any = None
) -> Any:
    r"""Return $-p t \log \sigma(x) - (1 - t) \log(1 - \sigma(x))$ for logits x and targets t from 0 to 1, reduced.

    `weight` multiplies the losses; `pos_weight` p, by default 1, the terms of positive targets. Both broadcast.

    >>> binary_cross_entropy_with_logits(np.array([1e4, 0.0]), np.array([0.0, 1.0]), reduction="none")
    array([1.00000000e+04, 6.93147181e-01])
    """
    name = "binary_cross_entropy_with_logits"
    input, target = alike(name, input, target)
    if pos_weight is None:
        losses = loss.binary_cross_entropy_with_logits(input, target, "none")
    else:
        # The unweighted loss plus p − 1 times its positive part.
        positive = (1 - target) * input - (1 - target) * logsigmoid(input)
        losses = positive - weighted(name, target * logsigmoid(input), pos_weight)
    return reduced(name, weighted(name, losses, weight), reduction)


def multi_margin_loss(
    input: Any, target: Any, p: int = 1, margin: float = 1.0, weight: Any = None, reduction: Reduction = "mean"
) -> Any:
    r"""Return $\frac{1}{K} \sum_{k \ne t} w_t \max(0, \text{margin} - x_t + x_k)^p$ for scores `[B, K]`, reduced.

    `target` is classes `[B]`, `p` 1 or 2, `weight [K]`; the first axis of both may be missing.

    Source: Crammer & Singer, "On the algorithmic implementation of multiclass kernel-based vector machines" (2001).

    >>> multi_margin_loss(np.array([[0.0, 0.5]]), np.array([0]), reduction="none")
    array([0.75])
    """
    name = "multi_margin_loss"
    (input,) = compared(name, input)
    if p not in (1, 2):
        raise ValueError(f"{name}: p: expected 1 or 2, got {p}")
    count, like = input.shape[-1], example(input)
    classes = plain(lambda classes: _checked(name, like, classes), target)
    others = 1 - plain(lambda classes: one_hot(classes, count, like.dtype), classes)
    gaps = relu(margin - of_classes(input, classes)[..., None] + input) * others
    losses = (gaps if p == 1 else gaps * gaps).sum(axis=-1) / count
    return reduced(name, losses * plain(lambda classes: _of_class(name, like, classes, weight), classes), reduction)
