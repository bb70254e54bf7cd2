"""autograd.numpy.numpy_jvps: what code outside of autograd uses of it to write rules of forward mode."""

from typing import Any

import numpy as np

from ..primitives import def_linear

__all__ = ["broadcast", "def_linear"]


def broadcast(x: Any, target: Any) -> Any:
    """Return a tangent in the shape of `target`."""
    return x + np.zeros(np.shape(target))
