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
    if name.startswith("_"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(functions, name)
    return found


def __dir__() -> list[str]:
    import chainrule.numpy as cnp

    return sorted({*__all__, *dir(cnp)})
