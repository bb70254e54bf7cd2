"""`chainrule info`: the installation, the operations, a model file, the cache."""

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING

from chainrule._version import __version__
from chainrule.present.escape import visible

if TYPE_CHECKING:
    from rich.console import Console


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


def print_model(console: "Console", path: Path) -> None:
    """Print the arrays of a model file and what it says of itself."""
    from rich.table import Table

    from chainrule.train import load
    from chainrule.train.saved.predictor import is_described, predictor_of

    saved = load(path)
    said = predictor_of(saved).lines() if is_described(saved.meta) else []
    table = Table("array", "shape", "dtype")
    for name, array in saved.model.items():
        table.add_row(visible(name), " × ".join(map(str, array.shape)) or "scalar", str(array.dtype))
    console.print(table)
    console.print(f"{sum(a.size for a in saved.model.values()):,} parameters")
    for line in said:
        console.print(line)


def clear_cache(console: "Console") -> None:
    """Remove the machine code that is kept, and print how much it was."""
    from chainrule.kernels.native.cache import cache

    kept = cache()
    count = kept.clear()
    reason = f"; the folder {kept.reason}" if kept.reason else ""
    console.print(f"{kept.folder}: {count} files removed{reason}", highlight=False, markup=False, soft_wrap=True)


def print_installation(console: "Console") -> None:
    """Print the versions, and where machine code is kept."""
    from chainrule.core.operation import REGISTRY
    from chainrule.kernels.native.cache import kept_in

    console.print(f"chainrule {__version__}, Python {platform.python_version()}")
    for package in ("numpy", "optree", "numba", "scipy", "scikit-learn", "torch", "jax"):
        try:
            console.print(f"  {package} {version(package)}")
        except PackageNotFoundError:
            console.print(f"  {package} not installed")
    console.print(f"{len(REGISTRY)} operations; chainrule info --operations lists them")
    for what, folder in kept_in().items():
        console.print(f"{what}: {folder}", soft_wrap=True)
