"""`numpy.lib`: its names, with the `stride_tricks` that take tensors."""

from typing import Any

import numpy as _np

from . import stride_tricks

__all__ = ["stride_tricks"]


def __getattr__(name: str) -> Any:
    """Look a name up as `numpy.lib` would."""
    return getattr(_np.lib, name)
