"""autograd.numpy: NumPy's names, differentiable. `chainrule.numpy` under autograd's name."""

from typing import Any

from . import fft, functions, linalg, numpy_boxes, numpy_vspaces, numpy_wrapper, random
from .functions import make_diagonal, where

__all__ = [
    "fft",
    "linalg",
    "make_diagonal",
    "numpy_boxes",
    "numpy_vspaces",
    "numpy_wrapper",
    "random",
    "where",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return functions.numpy_version
    found = getattr(functions, name)
    if not name.startswith("_"):
        globals()[name] = found  # so that this runs once for each name
    return found


def __dir__() -> list[str]:
    import chainrule.numpy as cnp

    return sorted({*__all__, *dir(cnp)})
