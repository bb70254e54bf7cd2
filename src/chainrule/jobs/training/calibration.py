"""Whether a classifier is right as often as it says (Guo et al. 2017, On Calibration of Modern Neural Networks)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 10


@dataclass(frozen=True)
class Bin:
    """The samples whose confidence is between two bounds: how many, their mean confidence, and how many are right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Calibration:
    """The bins that have samples, and the expected calibration error: Σ share of samples · |accuracy − confidence|."""

    bins: tuple[Bin, ...]
    error: float


def calibration(probabilities: NDArray[np.float64], truth: NDArray[np.int64], bins: int = BINS) -> Calibration:
    """Compare the confidence, the largest of the `probabilities` [N, K], with the accuracy, in `bins` of equal width.

    >>> found = calibration(np.array([[0.9, 0.1], [0.9, 0.1], [0.35, 0.65]]), np.array([0, 1, 1]))
    >>> [(round(b.confidence, 2), b.accuracy) for b in found.bins], round(found.error, 3)
    ([(0.65, 1.0), (0.9, 0.5)], 0.383)
    """
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == truth
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    found = []
    for k in np.unique(place):
        here = place == k
        mean = float(confidence[here].mean())
        found.append(Bin(int(k) / bins, (int(k) + 1) / bins, int(here.sum()), mean, float(right[here].mean())))
    error = sum(b.count * abs(b.accuracy - b.confidence) for b in found) / len(truth)
    return Calibration(tuple(found), error)
