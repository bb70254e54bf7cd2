"""What is minimised: a loss per row, the mean over rows, and the matching output activation.

The standard losses are scikit-learn's: log loss, half the squared error, half the Poisson deviance. As there, gradients
are those of the sum over the outputs.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from chainrule.nn import functional
from chainrule.rules.network.cross_entropy import SparseSoftmaxCrossEntropy

Array: TypeAlias = Any
Rows: TypeAlias = Callable[[Array, Array], Array]

CLASS_LOSSES = ("cross_entropy", "multi_margin_loss", "nll_loss")
"""The losses of `chainrule.nn.functional` whose target is a class index."""
VALUE_LOSSES = (
    *("binary_cross_entropy_with_logits", "hinge_embedding_loss", "huber_loss", "l1_loss", "mse_loss"),
    *("poisson_nll_loss", "smooth_l1_loss", "soft_margin_loss"),
)
"""Those whose target has the shape of the outputs."""


@dataclass(frozen=True)
class RowLoss:
    """A loss of outputs `[B, K]` and targets: one number per row, or per output."""

    rows: Rows
    activation: str
    """The output activation: "softmax", "logistic", "exp" or "identity"."""
    factor: float = 1.0
    averages: bool = False
    """Whether a row's loss is the mean over its outputs; otherwise it is their sum."""
    reports_mean: bool = False
    """Whether the reported loss is the mean over the outputs although the gradient is that of the sum."""

    def mean(self, outputs: Array, targets: Array, weight: Array | None = None) -> Array:
        """Return the weighted mean over the rows, a scalar.

        Raises ValueError if the loss is one number and rows have weights, or its shape does not match the rows.
        """
        losses = self.rows(outputs, targets)
        shape = np.shape(losses)
        if shape == ():
            return self._whole(losses, weight)
        if shape[0] != outputs.shape[0] or len(shape) > 2:
            raise ValueError(
                f"loss: expected one number, or one for each of the {outputs.shape[0]} rows, got shape {shape}"
            )
        count: Any = shape[0]
        if weight is not None:
            count = np.sum(weight)  # an array, not a float: a compiled step gets new weights each time
            losses = losses * (weight if len(shape) == 1 else weight[:, None])
        if self.averages and len(shape) == 2:
            count = count * shape[1]
        return np.sum(losses) * (self.factor / count)

    def _whole(self, loss: Array, weight: Array | None) -> Array:
        if weight is not None:
            raise ValueError(
                "loss: it returned one number for the batch, so rows cannot be weighted; return one loss for each row, "
                "or leave out sample_weight and class_weight"
            )
        if not hasattr(loss, "backward") and not np.issubdtype(np.asarray(loss).dtype, np.floating):
            raise TypeError(f"loss: expected floating numbers, got {type(loss).__name__}")
        return loss

    def reported(self, mean: float, outputs: int) -> float:
        """Return what `loss_curve_` shows for a mean loss."""
        return mean / outputs if self.reports_mean else mean


def _cross_entropy(outputs: Array, targets: Array) -> Array:
    # The bare operation, which does not inspect the targets' values: a compiled step may take them as an argument.
    return SparseSoftmaxCrossEntropy.apply(outputs, targets)


def _binary(outputs: Array, targets: Array) -> Array:
    return functional.binary_cross_entropy_with_logits(outputs, targets, reduction="none")


def _squares(outputs: Array, targets: Array) -> Array:
    return np.square(outputs - targets)


def _poisson(outputs: Array, targets: Array) -> Array:
    # t log t - t does not depend on the network; with it the loss is 0 where the prediction is right.
    offset = targets * np.log(np.where(targets > 0, targets, 1)) - targets
    return functional.poisson_nll_loss(outputs, targets, reduction="none") + offset


LOG_LOSS = RowLoss(_cross_entropy, "softmax")
LOG_LOSS_OF_EACH = RowLoss(_binary, "logistic")
REGRESSION = {
    "squared_error": RowLoss(_squares, "identity", factor=0.5, reports_mean=True),
    "poisson": RowLoss(_poisson, "exp"),
}


def other_loss(loss: str | Rows, activation: str) -> RowLoss:
    """Return a loss, given by its name in `chainrule.nn.functional` or as a user's function."""
    if callable(loss):
        return RowLoss(loss, activation, averages=True)
    function = getattr(functional, loss)
    return RowLoss(lambda outputs, targets: function(outputs, targets, reduction="none"), activation, averages=True)


def activated(outputs: Array, activation: str) -> Array:
    """Return the outputs `[B, K]` after the output activation."""
    if activation == "softmax":
        return functional.softmax(outputs, axis=-1)
    if activation == "logistic":
        return functional.sigmoid(outputs)
    return np.exp(outputs) if activation == "exp" else outputs
