"""Views of tensors' memory that were handed out: who can see it, and who may write to it without reporting it.

A view is lent on a *loan*, which is the base of it and of every view made from it (`np.asarray(x.data)`, a memoryview,
a PyTorch tensor), so it lives exactly as long as any of them. Loans answer two questions:

- May a compiled program move the array? Not while it is lent, since the view would show memory that is not in use.
- Has anything that a tape saved changed? A borrower that may write is watched: the memory's fingerprint is compared at
  the next check. While no such loan exists, which is nearly always the case, nothing can be written or needs checking.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import is_captured

from .changes import Loan, changes, owner_of, tick
from .fingerprint import fingerprint

_out: weakref.WeakValueDictionary[int, Loan] = weakref.WeakValueDictionary()
"""Keyed by the array's id; the loan keeps the array alive, so no other array can have that id meanwhile."""


def lend(array: Any) -> Any:
    """Return a view of an array to hand out; `is_lent` is true as long as it, or any view of it, exists."""
    if type(array) is not np.ndarray or array.dtype.hasobject:
        return array
    loan = _out.get(id(array))
    if loan is None:
        loan = _out[id(array)] = Loan(array)
    return np.asarray(loan)


def is_lent(array: Any) -> bool:
    """Whether a view of an array that was handed out still exists."""
    return id(array) in _out


class Borrowed:
    """The state of a loan's memory at the last check; None as long as no tape has saved it."""

    __slots__ = ("array", "leaf", "loan", "order", "seen")
    loan: weakref.ref[Loan]

    def __init__(self, array: Any, leaf: Any, saved: bool) -> None:
        self.array = array
        self.leaf = leaf
        self.seen = fingerprint(array, True) if saved else None
        self.order = tick()

    def look(self, saves: bool = False) -> None:
        """Record a change if the memory differs from the last check and no change has been reported."""
        if self.seen is None and not saves:
            return  # no tape has saved it yet
        now = fingerprint(self.array, True)
        if now == self.seen:
            return
        if self.seen is not None and not changes.all_since(self.order, self.array):
            when = changes.mark(self.array)
            if self.leaf is not None:
                self.leaf.changed = when
        self.seen, self.order = now, tick()


borrowed: dict[int, list[Borrowed]] = {}
"""All loans to code that may write, by the id of the array that owns the memory (which they keep alive)."""


def lend_to_write(array: Any, leaf: Any = None, saved: bool = True) -> Any:
    """Return a view of a tensor's array for code that may write to it without reporting it.

    `leaf` is the tensor's link. Without `saved`, it is certain that no tape has saved the array yet.
    """
    if not array.flags.writeable:
        return array
    loan = Loan(lend(array))  # a separate one, which is watched only as long as this borrower has it
    one, key = Borrowed(array, leaf if hasattr(leaf, "changed") else None, saved), id(owner_of(array))
    borrowed.setdefault(key, []).append(one)
    one.loan = weakref.ref(loan, lambda _: _back(key, one))
    return np.asarray(loan)


def _back(key: int, one: Borrowed) -> None:
    one.look()
    left = [other for other in borrowed.get(key, ()) if other is not one]
    if left:
        borrowed[key] = left
    else:
        borrowed.pop(key, None)


def look_at_loans(saved: Any = None) -> None:
    """Record what was written through lent views: of the arrays about to be saved, or of all."""
    if saved is None:
        out = [one for some in list(borrowed.values()) for one in list(some)]
    else:
        out = [one for array in arrays_in(saved) for one in list(borrowed.get(id(owner_of(array)), ()))]
    for one in out:
        one.look(saved is not None)


def arrays_in(saved: Any) -> Iterator[Any]:
    """Yield the arrays in a saved value: in boxes, and in the tuples of operations that take any number."""
    if is_captured(saved):
        return
    while hasattr(saved, "_trace"):
        saved = saved._value
    if issubclass(type(saved), np.ndarray):
        yield saved
    elif isinstance(saved, tuple | list):
        for item in saved:
            yield from arrays_in(item)
    elif isinstance(saved, dict):
        for item in saved.values():
            yield from arrays_in(item)
