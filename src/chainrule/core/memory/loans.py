"""Views of tensors' memory that are out: who can see it, and who may write to it without telling.

A view is lent on a *loan*, which is the base of it and of every view made from it (`np.asarray(x.data)`, a memoryview,
a tensor of PyTorch), so it lives exactly as long as any of them. Two questions follow:

- may a compiled program move the array to another place? Not while it is lent: the view would look at a place that
  nobody uses any more;
- is what a tape saved still what it was? A borrower who may write is watched: the memory's fingerprint is compared at
  the next look. While no such loan is out, which is nearly always, nobody can write, and nothing is looked at.
"""

import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import is_captured

from .changes import Loan, changes, owner_of, tick
from .fingerprint import fingerprint

_out: weakref.WeakValueDictionary[int, Loan] = weakref.WeakValueDictionary()
"""By the number of the array, which the loan keeps alive: no other array can have that number meanwhile."""


def lend(array: Any) -> Any:
    """Return a view of an array to hand out; `is_lent` knows of it as long as anybody holds it or a view of it."""
    if type(array) is not np.ndarray or array.dtype.hasobject:
        return array
    loan = _out.get(id(array))
    if loan is None:
        loan = _out[id(array)] = Loan(array)
    return np.asarray(loan)


def is_lent(array: Any) -> bool:
    """Whether a view of an array that was handed out is still held by somebody."""
    return id(array) in _out


class Watch:
    """What the memory of a loan was at the last look; None as long as no tape has saved it."""

    __slots__ = ("array", "leaf", "loan", "order", "seen")
    loan: weakref.ref[Loan]

    def __init__(self, array: Any, leaf: Any, saved: bool) -> None:
        self.array = array
        self.leaf = leaf
        self.seen = fingerprint(array, True) if saved else None
        self.order = tick()

    def look(self, saves: bool = False) -> None:
        """Note a change if the memory is not what it was at the last look, and nobody has told."""
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


watches: dict[int, list[Watch]] = {}
"""Those of all loans to somebody who may write, by the id of the array that owns the memory (which they keep alive)."""


def lend_to_write(array: Any, leaf: Any = None, saved: bool = True) -> Any:
    """Return a view of a tensor's array for somebody who may write to it without telling.

    `leaf` is the tensor's link. Without `saved` it is certain that no tape has saved the array so far.
    """
    if not array.flags.writeable:
        return array
    loan = Loan(lend(array))  # one of its own: it is watched no longer than this borrower has it
    watch, key = Watch(array, leaf if hasattr(leaf, "changed") else None, saved), id(owner_of(array))
    watches.setdefault(key, []).append(watch)
    watch.loan = weakref.ref(loan, lambda _: _back(key, watch))
    return np.asarray(loan)


def _back(key: int, watch: Watch) -> None:
    watch.look()
    left = [other for other in watches.get(key, ()) if other is not watch]
    if left:
        watches[key] = left
    else:
        watches.pop(key, None)


def look_at_loans(saved: Any = None) -> None:
    """Note what was written through views that are out: of the arrays about to be saved, or of all."""
    if saved is None:
        out = [watch for some in list(watches.values()) for watch in list(some)]
    else:
        out = [watch for array in arrays_in(saved) for watch in list(watches.get(id(owner_of(array)), ()))]
    for watch in out:
        watch.look(saved is not None)


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
