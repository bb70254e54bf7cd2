"""What an array held when Python read it, and whether it still does, bit for bit, since the plan depends on it."""

from typing import Any

import numpy as np


def memory_of(array: Any) -> Any:
    """Return a key that distinguishes an array's elements from others'."""
    return array.__array_interface__["data"][0], array.shape, array.strides, array.dtype


FEW = 4096
"""The size in bytes up to which an array's content is compared as a byte string."""


def content(array: Any) -> Any:
    """Return what `is_unchanged` will compare with."""
    if array.nbytes <= FEW or not array.flags.c_contiguous or array.nbytes % 8:
        return array.tobytes()
    return array.reshape(-1).view(np.uint64).copy()


def restore(array: Any, before: Any) -> None:
    """Let an array hold what it held when `content` was called."""
    held = np.frombuffer(before, array.dtype) if isinstance(before, bytes) else before.view(array.dtype)
    array[...] = held.reshape(array.shape)


def is_unchanged(array: Any, before: Any) -> bool:
    """Whether an array still holds the bits it held when `content` was called."""
    if isinstance(before, bytes):
        return bool(array.tobytes() == before)
    return np.array_equal(array.reshape(-1).view(np.uint64), before)
