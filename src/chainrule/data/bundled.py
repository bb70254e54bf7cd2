"""The tables in scikit-learn's wheel, read from its files, since importing the package would take over a second."""

import gzip
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_CELLS = (
    *("radius", "texture", "perimeter", "area", "smoothness", "compactness", "concavity", "concave points"),
    *("symmetry", "fractal dimension"),
)
FILES = {
    "digits": "digits.csv.gz",
    "iris": "iris.csv",
    "wine": "wine_data.csv",
    "breast_cancer": "breast_cancer.csv",
}
FEATURES = {
    "digits": tuple(f"pixel_{row}_{column}" for row in range(8) for column in range(8)),
    "iris": tuple(f"{part} {side} (cm)" for part in ("sepal", "petal") for side in ("length", "width")),
    "wine": (
        *("alcohol", "malic_acid", "ash", "alcalinity_of_ash", "magnesium", "total_phenols", "flavanoids"),
        *("nonflavanoid_phenols", "proanthocyanins", "color_intensity", "hue", "od280/od315_of_diluted_wines"),
        "proline",
    ),
    "breast_cancer": (
        *(f"mean {cell}" for cell in _CELLS),
        *(f"{cell} error" for cell in _CELLS),
        *(f"worst {cell}" for cell in _CELLS),
    ),
}
"""scikit-learn's names of the columns, which are not in the files."""


def installed(name: str) -> Path | None:
    """Return the file of a data set; None if scikit-learn is not installed, or keeps its files elsewhere."""
    try:
        spec = find_spec("sklearn")
    except ModuleNotFoundError:
        return None
    for folder in (spec.submodule_search_locations or ()) if spec is not None else ():
        path = Path(folder) / "datasets" / "data" / FILES[name]
        if path.is_file():
            return path
    return None


def read(path: Path) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[str, ...]]:
    """Return the features [N, n], the classes [N] and their names.

    The last column is the class. A CSV's first line has the counts of rows and columns, then the classes' names; the
    digits have no such line.
    """
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        names = tuple(map(str, range(10))) if path.suffix == ".gz" else tuple(file.readline().strip().split(",")[2:])
        table = np.loadtxt(file, delimiter=",")
    return np.ascontiguousarray(table[:, :-1]), table[:, -1].astype(np.int64), names
