"""Conversion between class labels and a loss's targets."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import check_classification_targets, type_of_target

Array: TypeAlias = Any


@dataclass(frozen=True)
class Labels:
    """The classes of the samples: one per sample, or with `multilabel` any number."""

    classes: Array
    multilabel: bool

    @classmethod
    def of(cls, y: Array) -> "Labels":
        """Return the labels that occur in `y`: `[N]`, or `[N, K]` of 0 and 1 for multilabel targets.

        Raises ValueError for targets that are not labels.
        """
        check_classification_targets(y)
        if type_of_target(y) == "multilabel-indicator":
            return cls(np.arange(y.shape[1]), True)
        return cls(np.unique(_column(y)), False)

    def indices(self, y: Array) -> Array:
        """Return the index of each sample's class `[N]`, or the labels as 0 and 1 `[N, K]`.

        Raises ValueError for an unknown class, or labels of another kind.
        """
        if self.multilabel:
            if y.ndim != 2 or y.shape[1] != len(self.classes):
                raise ValueError(f"y: expected {len(self.classes)} labels for each sample, got shape {y.shape}")
            return y
        y = _column(y)
        unknown = np.setdiff1d(y, self.classes)
        if len(unknown):
            raise ValueError(f"y: the classes {unknown} are not among those that are known: {self.classes}")
        return np.searchsorted(self.classes, y)

    def decided(self, probabilities: Array) -> Array:
        """Return the labels for probabilities `[N, K]`, K = 1 for the second of two classes."""
        if self.multilabel:
            return (probabilities > 0.5).astype(np.int64)
        if probabilities.shape[1] == 1:
            second = np.minimum(probabilities[:, 0] > 0.5, len(self.classes) - 1)
            return self.classes[second.astype(np.intp)]
        return self.classes[probabilities.argmax(axis=1)]


def _column(y: Array) -> Array:
    if y.ndim == 2 and y.shape[1] > 1:
        raise ValueError(
            f"y: expected one class for each sample, or several labels as 0 and 1, got shape {y.shape} with the values "
            f"{np.unique(y)[:5]}"
        )
    return column_or_1d(y, warn=True)
