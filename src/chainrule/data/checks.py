"""Checks of data before training, and bounds on the memory that a file may ask for."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


class DataError(ValueError):
    """Data that cannot be used as they are; the message says which data, where, and what to do."""


def check_finite(array: ArrayLike, what: str, names: Sequence[str] | None = None) -> None:
    """Raise :class:`DataError` unless ``array`` (any shape) contains finite numbers only.

    The message calls it ``what``, counts the NaN and infinite values and locates the first of them (row-major order,
    from 0); ``names`` names the columns of an array of shape [N, n].

    >>> check_finite([[1.0, 2.0], [3.0, float("nan")]], "x", ["width", "height"])
    Traceback (most recent call last):
    chainrule.data.checks.DataError: x: 1 of 4 values is not finite; the first is nan at row 1, column 1
    ('height'). Remove or fill in such values first
    """
    values = np.asarray(array)
    if values.dtype.kind not in "biuf":
        raise DataError(f"{what}: expected real numbers, got dtype {values.dtype}; encode or convert it first")
    finite = np.isfinite(values)
    if finite.all():
        return
    bad = np.argwhere(~finite)
    count, verb = len(bad), "is" if len(bad) == 1 else "are"
    first = tuple(int(i) for i in bad[0])
    raise DataError(
        f"{what}: {count} of {values.size} values {verb} not finite; the first is {values[first]} at "
        f"{_place(first, names)}. Remove or fill in such values first"
    )


def _place(index: tuple[int, ...], names: Sequence[str] | None) -> str:
    if len(index) != 2:
        return f"index {index[0] if len(index) == 1 else index}"
    row, column = index
    name = f" ({names[column]!r})" if names is not None else ""
    return f"row {row}, column {column}{name}"


def check_labels(y: ArrayLike, classes: int) -> None:
    """Raise :class:`DataError` unless ``y`` [N] holds whole numbers from 0 to ``classes`` − 1.

    Their dtype may be an integer or a floating-point one; the message locates the first value that is not valid.

    >>> check_labels([0, 2, 3], classes=3)
    Traceback (most recent call last):
    chainrule.data.checks.DataError: y[2] = 3 is not a class index: 3 classes are numbered 0 to 2
    """
    y = np.asarray(y)
    if y.ndim != 1 or y.dtype.kind not in "iuf":
        raise DataError(
            f"y: expected integer class indices of shape [N], got dtype {y.dtype} and shape {list(y.shape)}; "
            "convert with y.astype(np.int64), or one-hot rows with y.argmax(axis=1)"
        )
    wrong = np.flatnonzero(~((y >= 0) & (y < classes) & (y == np.floor(y))))  # NaN fails every comparison
    if wrong.size:
        first = int(wrong[0])
        raise DataError(
            f"y[{first}] = {y[first]} is not a class index: {classes} classes are numbered 0 to {classes - 1}"
        )


MOST_INDICATORS = 100_000_000
"""How many zeros and ones a table's text columns may become when one-hot encoded: 0.8 GB."""
FREE_BYTES = 100_000_000
"""An array of an archive up to this size is unpacked, however small it is in the file."""
MOST_TIMES = 200
"""How many times its size in the file a larger array may have."""


def check_indicators(name: str, rows: int, categories: int) -> None:
    """Raise :class:`DataError` if so many categories of text would become too many features."""
    if rows * categories > MOST_INDICATORS:
        raise DataError(
            f"{name}: its text columns have {categories:,} categories in {rows:,} rows, which would become "
            f"{rows * categories:,} zeros and ones, and at most {MOST_INDICATORS:,} are allowed; remove columns that "
            "identify rows, or turn them into numbers"
        )


def check_unpacked(name: str, array: str, packed: int, unpacked: int) -> None:
    """Raise :class:`DataError` if an array would be out of proportion to its size in the file."""
    if unpacked > max(FREE_BYTES, MOST_TIMES * packed):
        raise DataError(
            f"{name}: {array} would unpack {packed:,} bytes to {unpacked:,}; above {FREE_BYTES:,} bytes, at "
            f"most {MOST_TIMES} times the packed size is allowed; save it uncompressed, an .npz by np.savez"
        )
