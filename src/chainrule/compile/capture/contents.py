"""What an array held when Python looked at it, and whether it still does: to the bit, since the plan depends on it."""

from typing import Any

import numpy as np


def memory_of(array: Any) -> Any:
    """Return what tells an array's elements from those of others."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


FEW = 4096
"""Bytes up to which an array's content is compared as a string."""


def content(array: Any) -> Any:
    """Return what `is_unchanged` compares with later."""
    if array.nbytes <= FEW or not array.flags.c_contiguous or array.nbytes % 8:
        return array.tobytes()
    return array.reshape(-1).view(np.uint64).copy()


def is_unchanged(array: Any, before: Any) -> bool:
    """Whether an array holds the bits that it held when `content` was called."""
    if isinstance(before, bytes):
        return bool(array.tobytes() == before)
    return np.array_equal(array.reshape(-1).view(np.uint64), before)
