"""Standardising columns, and undoing it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import DataError, check_finite


@dataclass(frozen=True, eq=False)
class Standardizer:
    """Shift and scale that give each column mean 0 and standard deviation 1.

    Made by :meth:`fit` from the training part only, then applied to every part. A column that is constant (up to
    rounding) gets the scale 1. ``mean`` and ``scale`` are float64 [n], or scalars for targets [N].

    >>> scaling = Standardizer.fit([[1.0, 5.0], [3.0, 5.0]])
    >>> scaling.transform([[1.0, 5.0], [2.0, 6.0]]).tolist()
    [[-1.0, 0.0], [0.0, 1.0]]
    >>> Standardizer.from_dict(scaling.to_dict()).scale.tolist()
    [1.0, 1.0]
    """

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def fit(cls, x: ArrayLike) -> Self:
        """Fit to ``x`` [N, n] (or [N]); raises :class:`DataError` if it is empty or not finite."""
        check_finite(x, "Standardizer.fit: x")
        x = np.asarray(x, np.float64)
        if x.ndim == 0 or len(x) == 0:
            raise DataError(f"Standardizer.fit: expected samples [N, n], got shape {list(x.shape)}")
        size = np.abs(x).max(axis=0)
        unit = np.exp2(np.frexp(size)[1] - 1)  # a power of two: exact, and no square overflows or underflows
        z = x / unit
        float64 = np.finfo(np.float64)
        scale = z.std(axis=0) * unit
        constant = (np.ptp(z, axis=0) <= 4 * float64.eps * size / unit) | (scale < float64.smallest_normal)
        scale = np.where(constant, 1.0, scale)
        return cls(np.asarray(z.mean(axis=0) * unit), scale)

    def transform(self, x: ArrayLike) -> NDArray[np.float64]:
        """(x − mean) / scale, float64, for ``x`` of shape [N, n]."""
        return (self._samples(x, "transform") - self.mean) / self.scale

    def inverse(self, z: ArrayLike) -> NDArray[np.float64]:
        """Undo :meth:`transform`: z · scale + mean, to get predictions in their original unit."""
        return self._samples(z, "inverse") * self.scale + self.mean

    def _samples(self, x: ArrayLike, method: str) -> NDArray[np.float64]:
        x = np.asarray(x, np.float64)
        if x.shape[1:] != self.mean.shape or x.ndim == 0:
            expected = ", ".join(["N", *map(str, self.mean.shape)])
            raise ValueError(f"Standardizer.{method}: expected shape [{expected}], got {list(x.shape)}")
        return x

    def to_dict(self) -> dict[str, Any]:
        """Plain lists for JSON; floats are restored exactly."""
        return {"mean": self.mean.tolist(), "scale": self.scale.tolist()}

    @classmethod
    def from_dict(cls, state: Mapping[str, Any]) -> Self:
        """The inverse of :meth:`to_dict`; raises :class:`DataError` for anything else."""
        if set(state) != {"mean", "scale"}:
            raise DataError(f"Standardizer.from_dict: expected the keys mean and scale, got {sorted(state)}")
        try:
            mean, scale = np.asarray(state["mean"], np.float64), np.asarray(state["scale"], np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(f"Standardizer.from_dict: mean and scale are not arrays of numbers: {error}") from error
        check_finite(mean, "Standardizer.from_dict: mean")
        if mean.shape != scale.shape or not ((scale > 0) & np.isfinite(scale)).all():
            raise DataError(
                "Standardizer.from_dict: expected as many positive scales as means, "
                f"got mean {list(mean.shape)} and scale {list(scale.shape)}"
            )
        return cls(mean, scale)
