"""Subclasses of NumPy arrays, whose operations may not mean what a record means.

A masked array would lose its mask in an operation with a tensor, and `*` of two matrices is not an elementwise product.
These are refused by name; subclasses that compute like arrays, such as `np.memmap`, are treated as arrays.
"""

from typing import Any

import numpy as np

from chainrule.core.memory.written import Written

_TELLING = ("__array_ufunc__", "__array_wrap__", "__array_function__", "__mul__", "__add__")
"""The methods by which a subclass computes in its own way."""

_known: dict[type, bool] = {np.ndarray: False, Written: False, np.recarray: False, np.memmap: False}


def as_plain(cls: type) -> None:
    """Register a subclass that computes like plain arrays although it defines such methods."""
    _known[cls] = False


def computes_otherwise(cls: type) -> bool:
    """Whether a class is an array subclass with its own operators."""
    found = _known.get(cls)
    if found is None:
        found = issubclass(cls, np.ndarray) and any(getattr(cls, m) is not getattr(np.ndarray, m) for m in _TELLING)
        _known[cls] = found
    return found


def check_plain(where: str, x: Any) -> None:
    """Raise a TypeError for a masked array, a matrix, or another array with its own operators."""
    cls = type(x)
    if not computes_otherwise(cls):
        return
    if issubclass(cls, np.ma.MaskedArray):
        raise TypeError(
            f"{where}: got a masked array, whose mask would be lost; pass x.filled(value), or choose with "
            f"np.where(x.mask, other, x.data)"
        )
    if issubclass(cls, np.matrix):
        raise TypeError(
            f"{where}: got a np.matrix, whose * is a matrix product; pass np.asarray(x), and use @ for its product"
        )
    raise TypeError(
        f"{where}: got an array of the class {cls.__module__}.{cls.__qualname__}, which computes in its own way; pass "
        f"np.asarray(x) for its numbers"
    )
