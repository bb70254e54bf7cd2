"""Arrays `x` and `y` in NumPy's .npz archives."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from chainrule.data.checks import DataError, check_finite
from chainrule.data.dataset import Data
from chainrule.data.target import described_target, encode_target


def read_npz(path: str | Path, target: str | None = None, task: str = "auto") -> Data:
    """Read features ``x`` [N, n], or images [N, height, width] that are flattened, and the target ``y`` [N].

    Pickled objects are never loaded. ``target`` names another array than ``y``; :func:`encode_target` says
    when it makes a classification, and what ``task`` does. Texts ``feature_names`` [n] are used where the
    archive holds them.

    Raises :class:`DataError` for a damaged archive, missing arrays, other shapes, and values that are not
    finite.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "line.npz")
    ...     np.savez(path, x=[[0.0], [1.0], [2.0]], y=[0.5, 1.5, 2.5])
    ...     read_npz(path)
    Data(line.npz: 3 samples, 1 features, regression)
    """
    path = Path(path)
    arrays = _arrays(path)
    label = "y" if target is None else target
    if absent := [name for name in ("x", label) if name not in arrays]:
        raise DataError(f"{path.name}: no array {absent[0]!r}; expected 'x' and {label!r}, found {sorted(arrays)}")
    x, y = arrays["x"], arrays[label]
    if x.ndim < 2 or y.shape != x.shape[:1] or x.size == 0:
        raise DataError(
            f"{path.name}: expected 'x' [N, n] or [N, height, width] and {label!r} [N], "
            f"got {list(x.shape)} and {list(y.shape)}; turn one-hot rows into labels with argmax(axis=1)"
        )
    names = [str(name) for name in arrays.get("feature_names", [])]
    flat = x.reshape(len(x), -1)
    if names and len(names) != flat.shape[1]:
        raise DataError(f"{path.name}: {len(names)} feature_names for {flat.shape[1]} features")
    check_finite(flat, f"{path.name}: x", names or None)
    values = _target_values(y, f"{path.name}: {label}")
    y, class_names = encode_target(values, f"{path.name}: the target {label!r}", task)
    return Data(
        x=flat.astype(np.float64),
        y=y,
        task="classification" if class_names else "regression",
        feature_names=tuple(names) or feature_names(x.shape[1:]),
        class_names=class_names,
        name=path.name,
        source=f"file {path.name}",
        image_shape=x.shape[1:] if x.ndim > 2 else None,
        inferred=(f"{label}: the target; {described_target(values, class_names, task)}",),
    )


def feature_names(shape: tuple[int, ...]) -> tuple[str, ...]:
    """x0, x1, … for a row of features; pixel_0_0, pixel_0_1, … for an image.

    >>> feature_names((2,)), feature_names((1, 2))
    (('x0', 'x1'), ('pixel_0_0', 'pixel_0_1'))
    """
    if len(shape) == 1:
        return tuple(f"x{i}" for i in range(shape[0]))
    return tuple("_".join(["pixel", *map(str, index)]) for index in np.ndindex(shape))


def _arrays(path: Path) -> dict[str, NDArray[Any]]:
    # Opened here, because np.load leaves the file of a damaged archive open.
    # zipfile raises RuntimeError for features of ZIP that it does not know.
    faults = (ValueError, OSError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
    try:
        with path.open("rb") as file:
            archive = np.load(file, allow_pickle=False)
            if isinstance(archive, np.ndarray):
                raise ValueError("it is a single .npy array")
            return {name: archive[name] for name in archive.files}
    except faults as error:
        raise DataError(f"{path.name}: not a readable .npz archive of plain arrays: {error}") from error


def _target_values(y: NDArray[Any], what: str) -> NDArray[np.float64] | list[str]:
    if y.dtype.kind in "UST":
        return [str(value) for value in y.astype(np.str_)]
    check_finite(y, what)
    return y.astype(np.float64)
