"""`chainrule info`: the installation, the operations, a model file, the cache."""

import platform
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._version import __version__
from chainrule.present.escape import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table


def print_operations(console: "Console") -> None:
    """Print every operation with its formula, and what NumPy's functions are here."""
    from rich.table import Table

    from chainrule.check.audit.audit import KINDS, operations, summary

    own = Table("operation", "kind", "arguments", "formula")
    for row in operations():
        own.add_row(*row)
    of_numpy = Table("NumPy functions", "", "what they are here")
    for kind, count in summary().items():
        of_numpy.add_row(kind, str(count), KINDS[kind])
    console.print(own, of_numpy, sep="\n\n")


def arrays_of(path: Path, words: Mapping[str, str]) -> "Table":
    """Return the table of a model file's arrays, its headings in these words."""
    from rich.table import Table

    from chainrule.train import load

    table = Table(*(words.get(word, word) for word in ("array", "shape", "dtype")))
    for name, array in load(path).model.items():
        shape = " × ".join(map(str, array.shape)) or words.get("scalar", "scalar")
        table.add_row(visible(name), shape, str(array.dtype))
    return table


def described(path: Path) -> list[str]:
    """Return how many parameters a model file has, and what it says of itself."""
    from chainrule.train import load
    from chainrule.train.saved.predictor import is_described, predictor_of

    saved = load(path)
    said = predictor_of(saved).lines() if is_described(saved.meta) else []
    return [f"{sum(a.size for a in saved.model.values()):,} parameters", *said]


def cleared() -> list[str]:
    """Remove the machine code that is kept, and return how much it was."""
    from chainrule.kernels.native.cache import cache

    kept = cache()
    count = kept.clear()
    reason = f"; the folder {kept.reason}" if kept.reason else ""
    return [f"{kept.folder}: {count} files removed{reason}"]


def installed() -> list[str]:
    """Return the versions, and where machine code is kept."""
    from chainrule.core.operation import REGISTRY
    from chainrule.kernels.native.cache import kept_in

    said = [f"chainrule {__version__}, Python {platform.python_version()}"]
    for package in ("numpy", "optree", "numba", "scipy", "scikit-learn", "torch", "jax"):
        try:
            said.append(f"  {package} {version(package)}")
        except PackageNotFoundError:
            said.append(f"  {package} not installed")
    said.append(f"{len(REGISTRY)} operations; chainrule info --operations lists them")
    return [*said, *(f"{what}: {folder}" for what, folder in kept_in().items())]
