"""Arrays of tensors that outside code can still see, and which must therefore not be moved.

A compiled program prefers to move parameters into contiguous memory. A view handed out earlier, `v = p.data` or an
object that another library made from it, would then show memory that is no longer in use. So views are handed out on a
`Loan`, which lives as long as any of them does.
"""

import weakref
from typing import Any

import numpy as np


class Loan:
    """An array as the owner of the views that were handed out; in NumPy every view of a view keeps it alive."""

    __slots__ = ("__array_interface__", "__weakref__", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


_loans: weakref.WeakValueDictionary[int, Loan] = weakref.WeakValueDictionary()
"""Keyed by the array's id; the loan keeps the array alive, so no other array can have that id meanwhile."""


def lent(array: Any) -> Any:
    """Return a view of an array to hand out; `is_lent` is true as long as it, or any view of it, exists."""
    if type(array) is not np.ndarray or array.dtype.hasobject:
        return array
    loan = _loans.get(id(array))
    if loan is None:
        loan = _loans[id(array)] = Loan(array)
    return np.asarray(loan)


def is_lent(array: Any) -> bool:
    """Whether a view of an array that was handed out still exists."""
    return id(array) in _loans
