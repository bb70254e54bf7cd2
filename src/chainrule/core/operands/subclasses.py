"""Arrays that are more than arrays: what a subclass of NumPy's arrays means by an operation is not what a record means.

A masked array would lose its mask beside a tensor, and `*` of two matrices is no product of elements. They are refused
by name; subclasses that compute as arrays do, such as `np.memmap`, are taken as arrays.
"""

from typing import Any

import numpy as np

from chainrule.core.memory.written import Written

_TELLING = ("__array_ufunc__", "__array_wrap__", "__array_function__", "__mul__", "__add__")
"""Methods by which a subclass computes in its own way."""

_known: dict[type, bool] = {np.ndarray: False, Written: False, np.recarray: False, np.memmap: False}


def as_plain(cls: type) -> None:
    """Note that a class of arrays computes as arrays do, though it has methods of its own for it."""
    _known[cls] = False


def computes_otherwise(cls: type) -> bool:
    """Whether a class is a subclass of arrays with operators of its own."""
    found = _known.get(cls)
    if found is None:
        found = issubclass(cls, np.ndarray) and any(getattr(cls, m) is not getattr(np.ndarray, m) for m in _TELLING)
        _known[cls] = found
    return found


def check_plain(where: str, x: Any) -> None:
    """Raise a TypeError for a masked array, a matrix, or another array with operators of its own."""
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
            f"{where}: got a np.matrix, whose * is a matrix product; pass np.asarray(x), and write @ where that is "
            f"meant"
        )
    raise TypeError(
        f"{where}: got an array of the class {cls.__module__}.{cls.__qualname__}, which computes in its own way; pass "
        f"np.asarray(x) where its numbers are meant"
    )
