"""Where results are written: a new array, or one offered by the caller.

A compiled program knows beforehand where each result belongs. What it calls makes its own result, in an array from
`empty`; if the program has offered one that fits, that is it, and nothing has to be copied. Offers hold for one call,
in one thread.
"""

import threading
from typing import Any

import numpy as np


class _Offer(threading.local):
    """The arrays offered in this thread."""

    arrays: tuple[Any, ...] = ()


_offer = _Offer()


def empty(shape: tuple[int, ...], dtype: Any) -> Any:
    """Return an uninitialised array of a shape: an offered one with as many elements, or a new one."""
    if _offer.arrays:
        size = int(np.prod(shape, dtype=np.int64))
        for array in _offer.arrays:
            if array.size == size and array.dtype == dtype:
                _offer.arrays = tuple(other for other in _offer.arrays if other is not array)
                return array.reshape(shape)
    return np.empty(shape, dtype)


def offering(arrays: tuple[Any, ...], call: Any) -> Any:
    """Return what `call()` returns, with contiguous arrays offered for its results."""
    _offer.arrays = arrays
    try:
        return call()
    finally:
        _offer.arrays = ()
