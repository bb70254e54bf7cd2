"""What simpler and other models make of the same split: whether a network is worth it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec

import numpy as np
from numpy.typing import NDArray

from chainrule.jobs.training.table import TableJob
from chainrule.train import NonFiniteError
from chainrule.train.step import AS_WRITTEN

MOST_CELLS = 20_000_000
"""Trees are grown on at most so many numbers, times the classes; on more they would take longer than the network."""
LEAST_ROWS = 200
"""Trees, whose leaves take 20 samples each, are not grown on fewer."""
STEPS = 1000
"""About how many steps the linear model is trained."""


@dataclass(frozen=True)
class Baseline:
    """A model's result on the held-out part: accuracy, or for a regression root mean square error."""

    key: str
    """Of its name in the catalogue."""
    result: float


def baselines(job: TableJob) -> list[Baseline]:
    """Return the results of the most frequent class or the mean, a linear model, and gradient-boosted trees.

    All are fitted to the job's training part, which is filled and scaled as for the network, and measured on the
    held-out part. Trees need scikit-learn, and are left out for images and for very small and very large tables.
    """
    return [*_baselines(job)]


def _baselines(job: TableJob) -> Iterator[Baseline]:
    truth, (x, _) = job.truth(), job.held_out.arrays
    training = job.truth(job.training)
    if job.is_classification:
        most = int(np.bincount(training, minlength=len(job.data.class_names)).argmax())
        yield Baseline("majority", float(np.mean(truth == most)))
    else:
        yield Baseline("mean", _rmse(truth, np.full(len(truth), training.mean())))
    linear = _linear(job)
    if linear is not None:
        yield Baseline("linear", linear)
    trees = _trees(job, training, truth, x)
    if trees is not None:
        yield Baseline("trees", trees)


def _linear(job: TableJob) -> float | None:
    """Logistic or linear regression by this package's own engine; None if it diverges."""
    size = max(job.recipe.batch_size, len(job.training) // 50)
    epochs = max(10, min(200, round(STEPS * size / len(job.training))))
    recipe = replace(job.recipe, hidden=(), dropout=0.0, lr=0.01, weight_decay=0.0, batch_size=size, epochs=epochs)
    linear = TableJob(job.data, recipe)
    if job.history.decided != AS_WRITTEN:  # the compiler is there, and has what both steps are made of
        linear.history.decided = job.history.decided
    try:
        linear.train()
    except NonFiniteError:
        return None
    score = linear.score()
    return score.accuracy if job.is_classification else score.rmse


def _trees(
    job: TableJob, training: NDArray[np.float64], truth: NDArray[np.float64], x: NDArray[np.float64]
) -> float | None:
    outputs = len(job.data.class_names) if len(job.data.class_names) > 2 else 1
    too_many = job.training.arrays[0].size * outputs > MOST_CELLS
    too_few = len(training) < LEAST_ROWS
    if job.data.image_shape is not None or too_few or too_many or find_spec("sklearn") is None:
        return None
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    kind = HistGradientBoostingClassifier if job.is_classification else HistGradientBoostingRegressor
    # Without early stopping, whose own split may leave a rare class without a sample.
    trees = kind(random_state=job.recipe.seed, early_stopping=False).fit(job.training.arrays[0], training)
    predicted = trees.predict(x)
    return float(np.mean(predicted == truth)) if job.is_classification else _rmse(truth, predicted)


def _rmse(truth: NDArray[np.float64], predicted: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.mean((truth - predicted) ** 2)))
