"""Evaluation of a model on data."""

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data.checks import check_labels
from chainrule.nn.mode import in_mode

from .batches import EVALUATION_BATCH, Batch, are_classes, batches, cast, check_classes, in_order, model_dtype, setting


class Score:
    """The loss and, for class indices as targets, the accuracy, each a mean over samples."""

    def __init__(self, loss: Any) -> None:
        self._is_sum = setting(loss, "reduction") == "sum"
        self._ignored = setting(loss, "ignore_index")
        self.samples = self._labels = self._right = 0
        self._total = 0.0

    def add(self, value: float, output: Any, y: Any) -> None:
        """Count one batch: its loss, the model's output and the targets."""
        self.samples += len(y)
        self._total += value if self._is_sum else value * len(y)
        if are_classes(y, output):
            counted = y != self._ignored
            self._labels += int(np.sum(counted))
            self._right += int(np.sum(counted & (output.argmax(axis=-1) == y)))

    def add_steps(self, values: list[float], size: int, labels: int, right: int) -> None:
        """Count batches of one size: their losses, and how many of how many labels were right."""
        self.samples += size * len(values)
        for value in values:  # in the order and with the rounding of one batch after the other
            self._total += value if self._is_sum else value * size
        self._labels += labels
        self._right += right

    def sums(self) -> tuple[float, float, float, float]:
        """Return the running sums: samples, losses, labels, and correct labels."""
        return self.samples, self._total, self._labels, self._right

    def set_sums(self, samples: float, total: float, labels: float, right: float) -> None:
        """Continue from these sums, such as those over several processes."""
        self.samples, self._labels, self._right = int(samples), int(labels), int(right)
        self._total = total

    def means(self, prefix: str = "") -> dict[str, float]:
        """Return `loss` and, if there were class indices, `accuracy`."""
        found = {f"{prefix}loss": self._total / self.samples}
        if self._labels:
            found[f"{prefix}accuracy"] = self._right / self._labels
        return found


class Norms:
    """The norms of an epoch's gradients: how many, their sum and the largest one."""

    def __init__(self) -> None:
        self.count, self.total, self.largest = 0, 0.0, 0.0

    def append(self, norm: float) -> None:
        """Count one."""
        self.extend((norm,))

    def extend(self, norms: Iterable[float]) -> None:
        """Count several, one after the other: the sum has the same bits wherever an epoch was interrupted."""
        for norm in norms:
            self.largest = norm if self.count == 0 or norm > self.largest or norm != norm else self.largest
            self.count += 1
            self.total += norm

    def go_on(self, count: float, total: float, largest: float) -> None:
        """Continue from here."""
        self.count, self.total, self.largest = int(count), total, largest


def evaluate(model: Any, loss: Any, data: Any) -> dict[str, Any]:
    """Measure a model on data, in evaluation mode, without learning from them.

    `data` is a DataLoader, a pair of arrays (x, y), a data set, or an iterable of batches (x, y). All of a loader's
    data are read in their own order, without advancing the loader.

    Returns `loss`, the mean over samples; `samples`, their number; `predictions` [N, …], in the data's order: classes
    if the targets are class indices, else the model's outputs; and in the first case `accuracy` and `confusion` [K, K]
    (see `confusion_matrix`).

    Raises DataError for a label out of range, and ValueError for no data.

    >>> from chainrule import nn
    >>> model = nn.Linear(2, 2)
    >>> model.load_state_dict({"weight": np.eye(2), "bias": np.zeros(2)})
    Mismatch(missing=[], unexpected=[])
    >>> found = evaluate(model, nn.CrossEntropyLoss(), (np.eye(2), np.array([0, 0])))
    >>> found["accuracy"], found["predictions"].tolist(), found["confusion"].tolist()
    (0.5, [0, 1], [[1, 1], [0, 0]])
    """
    score, predictions, labels, classes = Score(loss), [], [], 0
    with in_mode(model, training=False), no_grad():
        for output, y in _scored(model, loss, data, score):
            if are_classes(y, output):
                labels.append(y.reshape(-1))
                classes, output = output.shape[-1], output.argmax(axis=-1)
            predictions.append(output)
    found: dict[str, Any] = {
        **score.means(),
        "samples": score.samples,
        "predictions": np.concatenate(predictions),
    }
    if labels:
        targets, predicted = np.concatenate(labels), found["predictions"].reshape(-1)
        counted = targets != setting(loss, "ignore_index")
        found["confusion"] = confusion_matrix(targets[counted], predicted[counted], classes)
    return found


def measure(model: Any, loss: Any, data: Any) -> dict[str, float]:
    """Return `loss` and, with class indices, `accuracy` as `evaluate` does, without keeping the predictions.

    >>> from chainrule import nn
    >>> sorted(measure(nn.Linear(2, 2), nn.CrossEntropyLoss(), (np.eye(2), np.array([0, 0]))))
    ['accuracy', 'loss']
    """
    score = Score(loss)
    with in_mode(model, training=False), no_grad():
        for _ in _scored(model, loss, data, score):
            pass
    return score.means()


def _scored(model: Any, loss: Any, data: Any, score: Score) -> Iterator[Batch]:
    """Count the batches of data in a score, and yield the model's output and the targets of each."""
    dtype = model_dtype(model)
    for batch in batches(in_order(data), "evaluate"):
        value, output, y = forward(model, loss, batch, dtype, "evaluate")
        score.add(float(value_of(value)), output, y)
        yield output, y
    if not score.samples:
        raise ValueError("evaluate: the data gave no batch; a generator can be read only once")


def forward(model: Any, loss: Any, batch: Batch, dtype: Any, what: str, checked: bool = False) -> tuple[Any, Any, Any]:
    """Return the loss of a batch, the model's output as an array, and the targets as passed to the loss.

    Labels are checked before the loss sees them, unless all of them were `checked`.
    """
    x, y = (cast(part, dtype) for part in batch)
    output = model(x)
    values = value_of(output)
    if not checked:
        check_classes(loss, values, y)
    value = loss(output, y)
    if np.shape(value) != ():
        raise ValueError(f"{what}: the loss must be one number, got shape {list(np.shape(value))}; use its mean")
    return value, values, y


def predict(model: Any, x: ArrayLike, batch_size: int = EVALUATION_BATCH) -> NDArray[Any]:
    """Return the model's outputs for `x` [N, …], computed in evaluation mode and in batches.

    >>> from chainrule import nn
    >>> predict(nn.Linear(4, 3), np.zeros((10, 4))).shape
    (10, 3)
    """
    values, dtype = np.asarray(value_of(x)), model_dtype(model)
    starts = range(0, max(len(values), 1), batch_size)
    with in_mode(model, training=False), no_grad():
        parts = [value_of(model(cast(values[start : start + batch_size], dtype))) for start in starts]
    return np.concatenate(parts)


def confusion_matrix(y: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count, in row i and column j of [K, K], the samples of class i for which class j was predicted.

    Raises DataError for a class out of range, and ValueError for unequal lengths.

    >>> confusion_matrix([0, 0, 1], [0, 1, 1], classes=2)
    array([[1, 1],
           [0, 1]])
    """
    rows, columns = np.asarray(y), np.asarray(predicted)
    if rows.shape != columns.shape:
        raise ValueError(f"confusion_matrix: y has shape {list(rows.shape)}, predicted {list(columns.shape)}")
    for labels in (rows, columns):
        check_labels(labels, classes)
    counts = np.bincount(rows.astype(np.int64) * classes + columns.astype(np.int64), minlength=classes**2)
    return counts.reshape(classes, classes).astype(np.int64)
