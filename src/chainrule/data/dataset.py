"""Data in memory: a data set ready for training, and parallel arrays."""

from dataclasses import dataclass
from math import prod
from types import EllipsisType
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from chainrule.data.checks import DataError, check_finite, check_labels
from chainrule.data.reading import PLAIN, Reading
from chainrule.data.schema import Feature, Schema

Array: TypeAlias = NDArray[Any]
Task: TypeAlias = Literal["classification", "regression"]


@dataclass(frozen=True, eq=False)
class Data:
    """One data set, ready for a network. Shapes, finite values and the range of labels are checked on construction.

    Raises :class:`DataError` if they are inconsistent.

    - ``x``: features [N, n], float64, in their original scale (see :class:`Standardizer`).
    - ``y``: [N], int64 class indices, or float64 targets of a regression.
    - ``task``: ``"classification"`` or ``"regression"``.
    - ``feature_names``: n distinct names; ``class_names``: K names, empty for a regression.
    - ``name`` and ``source``: what it is, and what to cite.
    - ``inferred``: how a table's columns were interpreted, one line for each, to be shown to the user.
    - ``image_shape``: (height, width) or (channels, height, width) if the rows of ``x`` are flattened images,
      else ``None``.
    - ``features``: the column behind each feature, and the category if the column is text (:class:`Feature`); by
      default each feature is a column of numbers.
    - ``target``: the name of the column or array that ``y`` comes from; ``target_is_text``: whether it is text.
    - ``reading``: how a table's cells were read (:class:`Reading`). Where it fills holes, ``x`` has NaN in them, for
      :class:`Imputer` to fill after the split.

    >>> Data(np.eye(2), np.array([0, 1]), "classification", ("a", "b"), ("no", "yes"), "toy", "by hand")
    Data(toy: 2 samples, 2 features, classification, 2 classes)
    """

    x: NDArray[np.float64]
    y: NDArray[np.int64] | NDArray[np.float64]
    task: Task
    feature_names: tuple[str, ...]
    class_names: tuple[str, ...]
    name: str
    source: str
    image_shape: tuple[int, ...] | None = None
    inferred: tuple[str, ...] = ()
    features: tuple[Feature, ...] = ()
    target: str | None = None
    target_is_text: bool = False
    reading: Reading = PLAIN

    def __post_init__(self) -> None:
        n = len(self.feature_names)
        for name in ("name", "source"):
            # A file name may contain bytes that are not text.
            text = getattr(self, name).encode("utf-8", "backslashreplace").decode()
            object.__setattr__(self, name, text)
        if not self.features:
            object.__setattr__(self, "features", tuple(map(Feature, self.feature_names)))
        if self.task not in get_args(Task) or (self.task == "classification") != bool(self.class_names):
            raise DataError(
                f"{self.name}: expected a classification with class_names or a regression without, "
                f"got the task {self.task!r} with {len(self.class_names)} class names"
            )
        if self.image_shape is not None and prod(self.image_shape) != n:
            raise DataError(f"{self.name}: images of shape {self.image_shape} do not have {n} features")
        if self.x.ndim != 2 or self.x.shape[1] != n or self.y.shape != self.x.shape[:1]:
            raise DataError(
                f"{self.name}: expected x [N, {n}] and y [N], got x {list(self.x.shape)} and y {list(self.y.shape)}"
            )
        if len(self.features) != n or len(set(self.feature_names)) != n:
            raise DataError(f"{self.name}: expected {n} different feature names, and as many features")
        x = np.nan_to_num(self.x, posinf=np.inf, neginf=-np.inf) if self.reading.fills else self.x
        check_finite(x, f"{self.name}: x", self.feature_names)
        if self.task == "classification":
            check_labels(self.y, len(self.class_names))
            object.__setattr__(self, "y", self.y.astype(np.int64, copy=False))
        else:
            check_finite(self.y, f"{self.name}: y")

    @property
    def schema(self) -> Schema:
        """The schema by which other data are read in the same way."""
        names, target = self.class_names, self.target
        return Schema(self.name, self.features, self.task, names, target, self.target_is_text, self.reading)

    def __repr__(self) -> str:
        samples, features = self.x.shape
        classes = f", {len(self.class_names)} classes" if self.class_names else ""
        return f"Data({self.name}: {samples} samples, {features} features, {self.task}{classes})"


class ArrayDataset:
    """Parallel arrays: sample ``i`` is row ``i`` of each.

    Indexing with an integer, a slice, or an array of indices or booleans returns a tuple with that part of every array
    (a slice gives views, as in NumPy). Raises ``ValueError`` for no arrays, no samples, or unequal lengths.

    >>> points = ArrayDataset(np.eye(3), np.array([0, 1, 2]))
    >>> len(points)
    3
    >>> x, y = points[[2, 0]]
    >>> x.shape, y.tolist()
    ((2, 3), [2, 0])
    """

    def __init__(self, *arrays: ArrayLike) -> None:
        if not arrays:
            raise ValueError("ArrayDataset: expected at least one array, as in ArrayDataset(x, y)")
        self.arrays: tuple[Array, ...] = tuple(np.asarray(a) for a in arrays)
        shapes = ", ".join(str(list(a.shape)) for a in self.arrays)
        if any(a.ndim == 0 for a in self.arrays):
            raise ValueError(f"ArrayDataset: every array needs a first axis of samples, got shapes {shapes}")
        if len({len(a) for a in self.arrays}) > 1:
            raise ValueError(f"ArrayDataset: the first lengths must be equal, got shapes {shapes}")
        if len(self) == 0:
            raise ValueError(f"ArrayDataset: the data set is empty, got shapes {shapes}")

    def __len__(self) -> int:
        return len(self.arrays[0])

    def __getitem__(self, index: int | slice | ArrayLike) -> tuple[Array, ...]:
        if isinstance(index, tuple | EllipsisType | None):
            raise TypeError(f"ArrayDataset: expected an integer, a slice or an array of indices, got {index!r}")
        chosen: Any = index if isinstance(index, int | slice) else np.asarray(index)
        return tuple(np.asarray(a[chosen]) for a in self.arrays)

    def __repr__(self) -> str:
        return f"ArrayDataset({', '.join(f'{a.dtype}{list(a.shape)}' for a in self.arrays)})"

    def split(
        self, held_out: float = 0.2, seed: int = 0, stratify: ArrayLike | None = None
    ) -> tuple["ArrayDataset", "ArrayDataset"]:
        """Split into two disjoint parts in random order: the samples to train on, and a fraction ``held_out`` of all.

        With labels in ``stratify`` [N], each class is divided in that proportion, to within one sample, and no class is
        held out completely. The same seed gives the same parts. Raises ``ValueError`` if a part would be empty.

        >>> x, y = np.arange(10), np.array([0] * 5 + [1] * 5)
        >>> kept, held = ArrayDataset(x, y).split(held_out=0.4, stratify=y)
        >>> len(kept), sorted(held.arrays[1].tolist())
        (6, [0, 0, 1, 1])
        """
        kept, held = split_rows(len(self), held_out, seed, stratify)
        return ArrayDataset(*self[kept]), ArrayDataset(*self[held])


def split_rows(
    count: int, held_out: float = 0.2, seed: int = 0, stratify: ArrayLike | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The rows of both parts of :meth:`ArrayDataset.split`, of ``count`` in all, in random order.

    >>> kept, held = split_rows(5, held_out=0.4)
    >>> len(kept), len(held), np.union1d(kept, held).tolist()
    (3, 2, [0, 1, 2, 3, 4])
    """
    if not 0 < held_out < 1:
        raise ValueError(f"split: held_out must be between 0 and 1, got {held_out!r}")
    labels = np.zeros(count, np.int64) if stratify is None else np.asarray(stratify)
    if labels.shape != (count,):
        raise ValueError(
            f"split: stratify needs one label for each of the {count} samples, got shape {list(labels.shape)}"
        )
    order = np.random.default_rng(seed).permutation(count)
    _, classes = np.unique(labels[order], return_inverse=True)
    held = np.zeros(count, bool)
    for k, quota in enumerate(_quotas(np.bincount(classes), held_out)):
        held[np.flatnonzero(classes == k)[:quota]] = True
    if not held.any():
        raise ValueError(
            f"split: none of the {count} samples can be held out without emptying a class; "
            "add samples, or leave out stratify"
        )
    return order[~held], order[held]


def _quotas(counts: NDArray[np.int64], fraction: float) -> NDArray[np.int64]:
    """How many of each class to hold out, by the largest remainder method, leaving each class at least one."""
    exact = counts * fraction
    quotas: NDArray[np.int64] = np.minimum(np.floor(exact).astype(np.int64), counts - 1)
    total = max(1, round(float(exact.sum())))
    by_remainder = np.argsort(quotas - exact, kind="stable")
    spare = by_remainder[quotas[by_remainder] + 1 < counts[by_remainder]]
    quotas[spare[: total - quotas.sum()]] += 1
    return quotas
