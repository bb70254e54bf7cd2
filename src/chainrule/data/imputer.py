"""Filling holes with what the training part knows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import DataError
from chainrule.data.schema import Feature, feature_names


@dataclass(frozen=True, eq=False)
class Imputer:
    """What each feature is filled with where it is missing (NaN): ``values``, float64 [n].

    Made by :meth:`fit` from the training part only, then applied to every part.

    >>> features = [Feature("age"), Feature("colour", "blue"), Feature("colour", "red")]
    >>> x = [[20.0, 0, 1], [np.nan, 0, 1], [40.0, np.nan, np.nan]]
    >>> Imputer.fit(x, features, "mean").transform(x).tolist()
    [[20.0, 0.0, 1.0], [30.0, 0.0, 1.0], [40.0, 0.0, 1.0]]
    """

    values: NDArray[np.float64]

    @classmethod
    def fit(cls, x: ArrayLike, features: Sequence[Feature], strategy: str = "median") -> Self:
        """Fit to ``x`` [N, n] with NaN for what is missing.

        ``strategy`` is "mean", or "median" (as "indicator" too); the categories of one column of text are filled
        together, with the most frequent one. Raises :class:`DataError` for a feature that has no value at all.
        """
        if strategy not in ("mean", "median", "indicator"):
            raise ValueError(f"Imputer.fit: strategy: expected mean, median or indicator, got {strategy!r}")
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1] != len(features):
            raise DataError(f"Imputer.fit: expected x [N, {len(features)}], got {list(x.shape)}")
        empty = np.flatnonzero(np.isnan(x).all(axis=0))
        if empty.size:
            name = feature_names(features)[empty[0]]
            raise DataError(f"{name!r} has no value in the training part to fill its holes with; leave its column out")
        values = np.nanmean(x, axis=0) if strategy == "mean" else np.nanmedian(x, axis=0)
        groups: dict[str, list[int]] = {}
        for j, feature in enumerate(features):
            if feature.category is not None:
                groups.setdefault(feature.column, []).append(j)
        for places in groups.values():
            chosen = places[int(np.nansum(x[:, places], axis=0).argmax())]
            values[places] = 0.0
            values[chosen] = 1.0
        return cls(values)

    def transform(self, x: ArrayLike) -> NDArray[np.float64]:
        """``x`` [N, n] with its holes filled."""
        x = np.asarray(x, np.float64)
        if x.ndim != 2 or x.shape[1:] != self.values.shape:
            raise ValueError(f"Imputer.transform: expected shape [N, {len(self.values)}], got {list(x.shape)}")
        return np.where(np.isnan(x), self.values, x)

    def to_list(self) -> list[Any]:
        """Plain numbers for JSON."""
        return list(self.values.tolist())
