"""Which columns a network's predictions rest on: by permuting them, and by its gradient.

Permutation (Breiman 2001, Random Forests, section 10) measures how much worse the predictions get when a column's
values are dealt out anew; the gradient, how strongly the output reacts to a small change. Columns that say the same can
be permuted singly without harm, and a column far from any boundary has a small gradient: the two complete each other.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import grad, no_grad
from chainrule.jobs.training.table import TableJob
from chainrule.nn.mode import in_mode

REPEATS = 5
MOST_SAMPLES, MOST_COLUMNS = 2000, 30
"""The samples that are looked at, and the columns that are permuted: those with the largest gradients."""


@dataclass(frozen=True)
class Importance:
    """A column's importance: how much the score falls if it is permuted, and mean |∂output/∂x| · σ."""

    column: str
    permuted: float
    gradient: float


def importance(job: TableJob) -> list[Importance]:
    """Return the most important columns of a trained job, measured on its held-out part, the most important first.

    The score is the accuracy, or for a regression minus the root mean square error; the output is the predicted class's
    logit, or the prediction in the target's unit. The features of one column (categories, parts of a date) are permuted
    together, and their gradients summed.
    """
    x, y = (array[:MOST_SAMPLES] for array in job.held_out.arrays)
    groups: dict[str, list[int]] = {}
    for j, feature in enumerate(job.data.features):
        groups.setdefault(feature.column, []).append(j)
    with in_mode(job.model, False):
        by_feature = _gradients(job, x)
        sizes = {column: float(by_feature[places].sum()) for column, places in groups.items()}
        chosen = sorted(groups, key=lambda column: -sizes[column])[:MOST_COLUMNS]
        found = [Importance(column, _permuted(job, x, y, groups[column]), sizes[column]) for column in chosen]
    return sorted(found, key=lambda one: (-one.permuted, -one.gradient))


def _gradients(job: TableJob, x: NDArray[np.float32]) -> NDArray[np.float64]:
    """Mean |∂output/∂x| of each feature, for features of deviation 1: those of the scaled inputs."""
    unit = 1.0 if job.target_scaling is None else float(job.target_scaling.scale)
    with no_grad():
        predicted = np.asarray(job.model(x).numpy()).argmax(axis=1)

    # Rows do not influence each other, so the gradient of the sum is every row's own.
    slopes = grad(lambda inputs: job.model(inputs)[np.arange(len(x)), predicted].sum())(x)
    sizes: NDArray[np.float64] = unit * np.abs(np.asarray(value_of(slopes), np.float64)).mean(axis=0)
    return sizes


def _permuted(job: TableJob, x: NDArray[np.float32], y: NDArray[np.float64], places: list[int]) -> float:
    rng = np.random.default_rng(job.recipe.seed)
    before, lost = _score(job, x, y), 0.0
    for _ in range(REPEATS):
        other = x.copy()
        other[:, places] = x[rng.permutation(len(x))][:, places]
        lost += before - _score(job, other, y)
    return lost / REPEATS


def _score(job: TableJob, x: NDArray[np.float32], y: NDArray[np.float64]) -> float:
    with no_grad():
        output = np.asarray(job.model(x).numpy(), np.float64)
    if job.target_scaling is None:
        return float(np.mean(output.argmax(axis=1) == y))
    return -float(job.target_scaling.scale * np.sqrt(np.mean((output - y) ** 2)))
