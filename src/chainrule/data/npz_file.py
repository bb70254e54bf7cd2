"""Arrays `x` and `y` in NumPy's .npz archives."""

import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from math import prod
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError, check_finite, check_unpacked
from chainrule.data.dataset import Data
from chainrule.data.schema import Schema
from chainrule.data.target import described_target, encode_as, encode_target

HEADER_FAULTS = (ValueError, TypeError, OSError, EOFError, SyntaxError, TokenError, MemoryError, OverflowError)
"""What NumPy raises for an array whose header is damaged: it reads it as Python."""


def read_npz(path: str | Path, target: str | None = None, task: str = "auto") -> Data:
    """Read features ``x`` [N, n], or images [N, height, width] that are flattened, and the target ``y`` [N].

    Pickled objects are never loaded. ``target`` names an array other than ``y``; :func:`encode_target` describes when
    it is a classification, and what ``task`` does. Strings ``feature_names`` [n] are used if the archive has them.

    Raises :class:`DataError` for a damaged archive, missing arrays, wrong shapes, and values that are not finite.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "line.npz")
    ...     np.savez(path, x=[[0.0], [1.0], [2.0]], y=[0.5, 1.5, 2.5])
    ...     read_npz(path)
    Data(line.npz: 3 samples, 1 features, regression)
    """
    path = Path(path)
    label = "y" if target is None else target
    x, names, shape, values = _content(path, label)
    assert values is not None  # there is a label
    y, class_names = encode_target(values, f"{path.name}: the target {label!r}", task)
    return Data(
        x=x,
        y=y,
        task="classification" if class_names else "regression",
        feature_names=names,
        class_names=class_names,
        name=path.name,
        source=f"file {path.name}",
        image_shape=shape if len(shape) > 1 else None,
        inferred=(f"{label}: the target; {described_target(values, class_names, task)}",),
        target=label,
        target_is_text=not isinstance(values, np.ndarray),
    )


def npz_features(path: Path) -> tuple[NDArray[np.float64], tuple[str, ...]]:
    """The features [N, n] of such a file and their names; it needs no target."""
    x, names, _, _ = _content(path, None)
    return x, names


def read_npz_as(path: Path, schema: Schema) -> Data:
    """Read such a file by the schema of a network's training data: its features in order, and its target.

    Raises :class:`DataError` if they do not match, and for a class that the network was not trained on.
    """
    label = schema.target or "y"
    x, names, shape, values = _content(path, label)
    assert values is not None  # there is a label
    y = encode_as(values, schema, f"{path.name}: the target {label!r}", lambda row: f"row {row}")
    return Data(
        x=x[:, places(path.name, names, schema)],
        y=y,
        task="classification" if schema.class_names else "regression",
        feature_names=schema.feature_names,
        class_names=schema.class_names,
        name=path.name,
        source=f"file {path.name}",
        image_shape=shape if len(shape) > 1 else None,
        target=label,
        target_is_text=schema.target_is_text,
    )


def places(name: str, names: Sequence[str], schema: Schema) -> list[int]:
    """The positions of a schema's features among the columns of a data set that has numbers only.

    Raises :class:`DataError` if these are not its columns (:meth:`Schema.check_columns`).
    """
    schema.check_columns(name, names, with_target=False)
    for column, kind in schema.kinds.items():
        if kind != "numbers":
            raise DataError(f"{name}: {schema.not_numbers(column)}")
    if len(schema.features) > len(schema.columns):
        raise DataError(
            f"{name}: the network takes features that say which values are missing, which only a table has; "
            "write the data as a CSV or Parquet file"
        )
    position = {column: i for i, column in enumerate(names)}
    return [position[feature.column] for feature in schema.features]


def _content(
    path: Path, label: str | None
) -> tuple[NDArray[np.float64], tuple[str, ...], tuple[int, ...], NDArray[np.float64] | list[str] | None]:
    """The features [N, n] and their names, a sample's shape, and the target, if one is wanted."""
    wanted = ["x"] if label is None else ["x", label]
    arrays = _arrays(path, [*wanted, "feature_names"])
    if absent := [name for name in wanted if name not in arrays]:
        expected = " and ".join(map(repr, wanted))
        raise DataError(f"{path.name}: no array {absent[0]!r}; expected {expected}, found {sorted(arrays)}")
    x = arrays["x"]
    y = None if label is None else arrays[label]
    if x.ndim < 2 or x.size == 0 or (y is not None and y.shape != x.shape[:1]):
        got = str(list(x.shape)) if y is None else f"{list(x.shape)} and {list(y.shape)}"
        raise DataError(
            f"{path.name}: expected 'x' [N, n] or [N, height, width] and {'y' if label is None else label!r} [N], "
            f"got {got}; turn one-hot rows into labels with argmax(axis=1)"
        )
    names = tuple(str(name) for name in np.ravel(arrays.get("feature_names", ())))
    flat = x.reshape(len(x), -1)
    if names and len(names) != flat.shape[1]:
        raise DataError(f"{path.name}: {len(names)} feature_names for {flat.shape[1]} features")
    if len(set(names)) < len(names):
        twice = next(name for name, count in Counter(names).items() if count > 1)
        raise DataError(f"{path.name}: two of the feature_names are {twice!r}; rename one")
    check_finite(flat, f"{path.name}: x", names or None)
    values = None if y is None else _target_values(y, f"{path.name}: {label}")
    return flat.astype(np.float64), names or feature_names(x.shape[1:]), x.shape[1:], values


def feature_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """x0, x1, … for a row of features; pixel_0_0, pixel_0_1, … for an image.

    >>> feature_names((2,)), feature_names((1, 2))
    (('x0', 'x1'), ('pixel_0_0', 'pixel_0_1'))
    """
    if len(shape) == 1:
        return tuple(f"x{i}" for i in range(shape[0]))
    return tuple("_".join(["pixel", *map(str, index)]) for index in np.ndindex(shape))


def _arrays(path: Path, wanted: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Those of the wanted arrays that the archive has; DataError for one whose header makes it too large."""
    # Opened here, because np.load leaves the file of a damaged archive open.
    # zipfile raises RuntimeError for features of ZIP that it does not know.
    faults = (*HEADER_FAULTS, RuntimeError, zipfile.BadZipFile, zlib.error)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it is a single .npy array")
            for name in archive.files:
                if name in wanted:
                    _check_size(path.name, archive.zip, name)
            return {name: archive[name] if name in wanted else np.empty(0) for name in archive.files}
    except DataError:
        raise
    except faults as error:
        raise DataError(f"{path.name}: not a readable .npz archive of plain arrays: {_reason(error)}") from error


def _reason(error: Exception) -> str:
    """Say why an archive cannot be read; NumPy would advise unpickling it, which runs what is in it."""
    said = str(error)
    if "pickled" in said:
        return "it does not begin like one; save the arrays with np.savez"
    if "allow_pickle" in said:
        return "it holds Python objects; save arrays of numbers or texts with np.savez"
    return said


def _check_size(file: str, archive: zipfile.ZipFile, name: str) -> None:
    """Compare an array's header with the bytes that the archive has."""
    entry = archive.getinfo(f"{name}.npy" if f"{name}.npy" in archive.namelist() else name)
    check_unpacked(file, f"array {name!r}", entry.compress_size, entry.file_size)
    with archive.open(entry) as stream:
        version = np.lib.format.read_magic(stream)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(stream)
        rest = entry.file_size - stream.tell()
    # An object's pickle has its own length, and is refused when it is read.
    if not dtype.hasobject and prod(shape) * dtype.itemsize != rest:
        raise ValueError(f"array {name!r} has {rest:,} bytes, but its header says {list(shape)} of {dtype}")


def _target_values(y: NDArray[Any], what: str) -> NDArray[np.float64] | list[str]:
    if y.dtype.kind in "UST":
        return [str(value) for value in y.astype(np.str_)]
    check_finite(y, what)
    return y.astype(np.float64)
