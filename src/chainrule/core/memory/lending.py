"""Which arrays of tensors somebody outside can still see: those are not to be moved to another place.

A compiled program likes to lay parameters out side by side. A view that was handed out before, `v = p.data` or what
another library made of it, would then look at a place that nobody uses any more. So what is handed out stands on a
`Loan`, which lives as long as any view of it does.
"""

import weakref
from typing import Any

import numpy as np


class Loan:
    """An array as the owner of the views that were handed out; NumPy lets every view of a view keep it alive."""

    __slots__ = ("__array_interface__", "__weakref__", "array")

    def __init__(self, array: Any) -> None:
        self.array = array
        self.__array_interface__ = array.__array_interface__


_loans: weakref.WeakValueDictionary[int, Loan] = weakref.WeakValueDictionary()
"""By the number of the array, which the loan keeps alive: no other array can have that number meanwhile."""


def lent(array: Any) -> Any:
    """Return a view of an array to hand out; `is_lent` knows of it as long as anybody holds it or a view of it."""
    if type(array) is not np.ndarray or array.dtype.hasobject:
        return array
    loan = _loans.get(id(array))
    if loan is None:
        loan = _loans[id(array)] = Loan(array)
    return np.asarray(loan)


def is_lent(array: Any) -> bool:
    """Whether a view of an array that was handed out is still held by somebody."""
    return id(array) in _loans
