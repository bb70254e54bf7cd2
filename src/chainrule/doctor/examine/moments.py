"""The moments that batch normalisation stored, for evaluation mode: how far from those of the data they are."""

import math
from typing import Any

import numpy as np


def is_stored(module: Any) -> bool:
    """Whether a module normalises with stored moments: a batch normalisation that has them, in evaluation mode."""
    return not module.training and getattr(module, "running_var", None) is not None


def is_new(module: Any) -> bool:
    """Whether a module's stored moments are those that it began with: means of 0, variances of 1."""
    mean, variance = stored(module)
    return not mean.any() and bool((variance == 1).all())


def stored(module: Any) -> tuple[Any, Any]:
    """Return a module's stored means and variances as arrays."""
    return np.array(module.running_mean.tolist()), np.array(module.running_var.tolist())


def size_after(module: Any, x: Any) -> float:
    """Return the root mean square of `x [B, C, …]` after it was normalised with a module's stored moments.

    It is about 1 if they are those of `x`; nan if the module does not use any.
    """
    if not is_stored(module):
        return math.nan
    mean, variance = stored(module)
    along = (1, -1, *(1,) * (x.ndim - 2))
    return float(np.sqrt(np.mean((x - mean.reshape(along)) ** 2 / (variance.reshape(along) + module.eps))))
