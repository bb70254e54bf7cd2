"""The results on held-out rows that are not all in memory: sums, and a sample of them to draw."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data import DataLoader, Standardizer, Stream
from chainrule.jobs.training.table import Score
from chainrule.nn.mode import in_mode
from chainrule.train.batches import model_dtype
from chainrule.train.evaluation import Score as Sums
from chainrule.train.evaluation import confusion_matrix, forward

BATCH = 1024
DRAWN, WORST, MISTAKES = 980, 20, 12
"""How many rows of a regression are kept at random and because they are far off, and how many mistakes."""


@dataclass(frozen=True)
class StreamedScore(Score):
    """The score of a table, with the truth and the predictions of some of the rows.

    `mistakes` are some of the samples, as the network takes them, that were taken for another class.
    """

    mistakes: NDArray[Any] = field(default_factory=lambda: np.zeros(0))


def scored(model: Any, loss: Any, data: Stream, target_scaling: Standardizer | None, seed: int) -> StreamedScore:
    """Evaluate a model on a stream."""
    sums, dtype = Sums(loss), model_dtype(model)
    seen = _Classes(len(data.class_names)) if target_scaling is None else _Values(target_scaling, seed)
    with in_mode(model, training=False), no_grad():
        for x, y in DataLoader(data, BATCH, seed=0):
            value, output, target = forward(model, loss, (x, y), dtype, "evaluate")
            sums.add(float(value_of(value)), output, target)
            seen.add(x, output, target)
    means = sums.means()
    return seen.score(sums.samples, means["loss"], means.get("accuracy"))


class _Classes:
    """A confusion matrix, and some mistakes."""

    def __init__(self, classes: int) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        self.kept: list[tuple[NDArray[Any], NDArray[Any], NDArray[Any]]] = []

    def add(self, x: NDArray[Any], output: NDArray[Any], y: NDArray[Any]) -> None:
        predicted = output.argmax(axis=-1)
        self.confusion += confusion_matrix(y, predicted, len(self.confusion))
        wrong = np.flatnonzero(predicted != y)[: MISTAKES - sum(len(truth) for _, truth, _ in self.kept)]
        if len(wrong):
            self.kept.append((x[wrong], y[wrong], predicted[wrong]))

    def score(self, samples: int, loss: float, accuracy: float | None) -> StreamedScore:
        none = np.zeros(0, np.int64)
        x, truth, predicted = (
            (np.concatenate(part) for part in zip(*self.kept, strict=True)) if self.kept else (none,) * 3
        )
        return StreamedScore(samples, loss, truth, predicted, accuracy, self.confusion, mistakes=x)


class _Values:
    """The squares of residuals, a random sample of the rows, and those that are farthest off."""

    def __init__(self, scaling: Standardizer, seed: int) -> None:
        self.scaling, self.rng = scaling, np.random.default_rng(seed)
        self.squares, self.rows = 0.0, np.zeros((0, 3))
        """Rows: a random number, the truth, the prediction."""
        self.worst = np.zeros((0, 3))

    def add(self, _x: NDArray[Any], output: NDArray[Any], y: NDArray[Any]) -> None:
        truth, predicted = (self.scaling.inverse(part[:, 0]) for part in (y, output))
        self.squares += float(np.sum((truth - predicted) ** 2))
        new = np.stack([self.rng.random(len(truth)), truth, predicted], axis=1)
        rows = np.concatenate([self.rows, new])
        self.rows = rows[np.argsort(rows[:, 0], kind="stable")[:DRAWN]]
        worst = np.concatenate([self.worst, new])
        self.worst = worst[np.argsort(-np.abs(worst[:, 1] - worst[:, 2]), kind="stable")[:WORST]]

    def score(self, samples: int, loss: float, _accuracy: float | None) -> StreamedScore:
        found = np.unique(np.concatenate([self.rows, self.worst]), axis=0)
        rmse = float(np.sqrt(self.squares / samples))
        return StreamedScore(samples, loss, found[:, 1], found[:, 2], rmse=rmse)
