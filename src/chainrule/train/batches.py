"""Batches as training and evaluation see them: (x, y), in the model's dtype, and checked."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.tensor import value_of
from chainrule.core.transforms.derivatives import no_grad
from chainrule.data.checks import check_finite, check_labels
from chainrule.data.dataset import ArrayDataset, Data
from chainrule.data.loader import DataLoader
from chainrule.data.streams import Stream, Streamed
from chainrule.nn.mode import in_mode

Batch = tuple[Any, Any]

EVALUATION_BATCH = 256


def batches(source: Any, what: str) -> Iterator[Batch]:
    """Yield the batches of a loader or another iterable, as arrays. Raises TypeError for anything but (x, y)."""
    for item in source:
        if not isinstance(item, tuple | list) or len(item) != 2:
            got = f"{len(item)} of them" if isinstance(item, tuple | list) else f"one {type(item).__name__}"
            raise TypeError(
                f"{what}: expected batches of two arrays (x, y), got {got}. {what} takes a DataLoader or batches; "
                f"wrap the arrays: DataLoader((X, y), batch_size=32)"
            )
        x, y = (np.asarray(value_of(part)) for part in item)
        if x.ndim == 0 or y.ndim == 0 or len(x) != len(y):
            raise ValueError(
                f"{what}: x and y of a batch need a first axis of the same length, got shapes {list(x.shape)} and "
                f"{list(y.shape)}"
            )
        yield x, y


def in_order(source: Any) -> Any:
    """Return a source of batches in the data's own order: from a loader's data set, a pair (x, y), or given batches.

    Evaluating a loader neither shuffles nor advances it, and skips no sample.
    """
    if isinstance(source, DataLoader):
        return DataLoader(source.dataset, source.batch_size, seed=0)
    is_pair = isinstance(source, tuple) and len(source) == 2 and all(hasattr(part, "shape") for part in source)
    if is_pair:
        return DataLoader(ArrayDataset(*(np.asarray(value_of(part)) for part in source)), EVALUATION_BATCH, seed=0)
    if isinstance(source, Data | ArrayDataset | Streamed):
        return DataLoader(source, EVALUATION_BATCH, seed=0)
    return source


def length(loader: Any, unknown: int) -> int:
    """Return how many batches an epoch has, or another number where a loader does not know.

    >>> length([1, 2], 1000), length(iter([1, 2]), 1000)
    (2, 1000)
    """
    try:
        return len(loader)
    except TypeError:
        return unknown


def model_dtype(model: Any) -> Any:
    """Return the dtype of the model's parameters, or None if it has none."""
    return next((parameter.dtype for parameter in model.parameters()), None)


def cast(array: Any, dtype: Any) -> Any:
    """Convert floating values to the model's dtype; integers and booleans stay."""
    return array.astype(dtype, copy=False) if dtype is not None and array.dtype.kind == "f" else array


def setting(loss: Any, name: str, default: Any = None) -> Any:
    """Return a setting of a loss: an attribute, or an entry of the `settings` of chainrule's own losses."""
    return getattr(loss, name, getattr(loss, "settings", {}).get(name, default))


def are_classes(y: Any, output: Any) -> bool:
    """Whether targets are class indices [...] of an output [..., K]."""
    return y.dtype.kind in "iu" and output.shape[:-1] == y.shape and output.ndim > y.ndim and output.shape[-1] > 1


def check_set(model: Any, loss: Any, loader: Any) -> bool:
    """Check all data of a loader before the first step, if they are in memory; return whether they are.

    Raises DataError, which locates the first value that is not finite or the first label out of range.
    """
    dataset = getattr(loader, "dataset", None)
    if isinstance(dataset, Stream):
        return dataset.is_checked and _fits_classes(model, loss, dataset)
    if not isinstance(dataset, ArrayDataset) or len(dataset.arrays) != 2:
        return False
    x, y = dataset.arrays
    check_finite(x, "x")
    check_finite(y, "y")
    if y.dtype.kind in "iu":
        with in_mode(model, training=False), no_grad():
            output = model(cast(x[:1], model_dtype(model)))
        check_classes(loss, np.asarray(value_of(output)), y, output_of=1)
    return True


def _fits_classes(model: Any, loss: Any, dataset: Stream) -> bool:
    """Check that a model has an output for each class of a stream, whose values have been looked at already."""
    if dataset.class_names:
        with in_mode(model, training=False), no_grad():
            output = model(cast(dataset.first(1)[0], model_dtype(model)))
        check_classes(loss, np.asarray(value_of(output)), np.array([len(dataset.class_names) - 1]))
    return True


def check_classes(loss: Any, output: Any, y: Any, output_of: int | None = None) -> None:
    """Raise DataError for a label without an output; `output` may cover only the first `output_of` samples.

    Labels that the loss ignores (its `ignore_index`) may be anything.
    """
    if are_classes(y[:output_of], output):
        ignored = setting(loss, "ignore_index")
        labels = y if ignored is None else np.where(y == ignored, 0, y)
        check_labels(labels.reshape(-1), output.shape[-1])
