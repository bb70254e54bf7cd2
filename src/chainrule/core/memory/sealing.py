"""Saved values that others can write to: constants from outside, and memory that was lent.

A tape keeps references, not copies. Two kinds of saved values can be written to without chainrule noticing:

- an array that the user passed as a constant (a mask, a batch, labels): its fingerprint is taken when it is saved;
- a tensor's own memory, once a bare view of it exists (`np.asarray(x.data)`, a memoryview, a PyTorch tensor). All of
these are made from a *loan* (`lend`): a view with its own base, which lives exactly as long as any of them. So while no
loan exists, which is nearly always the case, nothing can be written and nothing needs to be checked.

The backward pass compares fingerprints, not copies: of a constant that a loop saves a thousand times there would be a
thousand copies.
"""

import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import is_captured

from .changes import changes, owner_of, tick
from .fingerprint import SMALL, fingerprint

SCALARS = frozenset((float, int, bool, np.float64, np.float32, np.float16, np.int64, np.bool_, type(None)))
"""Immutable types of constants."""

Seen = tuple[str, Any, Any, bool]
"""The argument it was saved as, the array, its fingerprint, and whether that covers the whole array."""

Found = dict[tuple[int, bool], tuple[Any, Any]]
"""Arrays with their fingerprints, by id and by whether all was read."""

_ndarray = np.ndarray


class Sealed(tuple[Any, ...]):
    """A node's saved values, followed by a tuple of the fingerprints of the arrays among them."""

    __slots__ = ()

    def changed(self, found: Found | None = None) -> str | None:
        """Return the argument as which a value was saved that has changed since; None if none has.

        `found` keeps fingerprints from one call to the next, as long as no user code runs in between.
        """
        for name, array, before, whole in self[-1]:
            if array.nbytes <= SMALL:
                if array.tobytes() != before:
                    return str(name)
                continue
            kept = None if found is None else found.get((id(array), whole))
            if kept is None or kept[0] is not array:
                kept = array, fingerprint(array, whole)
                if found is not None:
                    found[id(array), whole] = kept
            if kept[1] != before:
                return str(name)
        return None


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


def _seen(name: str, array: Any, whole: bool) -> Seen:
    return name, array, fingerprint(array, whole), whole


def sealed(saved: tuple[Any, ...], places: Sequence[tuple[int, str]], heavy: bool, y: Any) -> tuple[Any, ...]:
    """Return a node's saved values, sealed if there are arrays of the user's at these places.

    A heavy operation does so much work per element that reading all of them once more is negligible.
    """
    seen: tuple[Seen, ...] = ()
    for k, name in places:
        x = saved[k]
        if type(x) is _ndarray and x.nbytes <= SMALL:  # `_seen`, written out: this is most of them
            if x.flags.writeable or x.base is not None:
                seen += ((name, x, x.tobytes(), True),)
            continue
        for array in x if isinstance(x, tuple) else (x,):
            if issubclass(type(array), _ndarray) and _writable(array):
                seen += (_seen(name, array, heavy and y.size * 8 >= array.size),)
    return Sealed((*saved, seen)) if seen else saved


def sealed_all(saved: tuple[Any, ...], parts: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    """Return a node's saved values, sealed with every array in these named parts."""
    seen = tuple(_seen(name, x, True) for name, part in parts for x in arrays_in(part) if _writable(x))
    if not seen:
        return saved
    return Sealed((*saved[:-1], saved[-1] + seen) if type(saved) is Sealed else (*saved, seen))


def _writable(array: Any) -> bool:
    return bool(array.flags.writeable or (array.base is not None and owner_of(array).flags.writeable))


class _Loan:
    """A view of a tensor's memory that is out of our control as long as anything made from it is alive."""

    __slots__ = ("alive", "array", "leaf", "order", "seen")
    alive: weakref.ref[Any]

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


loans: dict[int, list[_Loan]] = {}
"""All current loans, by the id of the array that owns the memory (which they keep alive)."""


def lend(array: Any, leaf: Any = None, saved: bool = True) -> Any:
    """Return a view of a tensor's array for code that may write to it without reporting it.

    `leaf` is the tensor's link. Without `saved`, it is certain that no tape has saved the array yet.
    """
    if not array.flags.writeable:
        return array
    lent = np.asarray(memoryview(array))
    if lent.dtype != array.dtype:  # a memoryview does not support every dtype
        lent = lent.view(array.dtype)
    loan, key = _Loan(array, leaf if hasattr(leaf, "changed") else None, saved), id(owner_of(array))
    loans.setdefault(key, []).append(loan)
    loan.alive = weakref.ref(lent.base, lambda _: _back(key, loan))
    return lent


def _back(key: int, loan: _Loan) -> None:
    loan.look()
    left = [other for other in loans.get(key, ()) if other is not loan]
    if left:
        loans[key] = left
    else:
        loans.pop(key, None)


def look_at_loans(saved: Any = None) -> None:
    """Record what was written through bare views: of the arrays about to be saved, or of all."""
    if saved is None:
        out = [loan for some in list(loans.values()) for loan in list(some)]
    else:
        out = [loan for array in arrays_in(saved) for loan in list(loans.get(id(owner_of(array)), ()))]
    for loan in out:
        loan.look(saved is not None)


def shown(array: Any) -> Any:
    """Return a view of an array that is read-only and cannot be made writable."""
    return np.asarray(memoryview(array).toreadonly()).view(array.dtype)


def own(made: Sequence[Any], k: int) -> Any:
    """Return the result of user code, `made[k]`; a copy if that code may still hold the array."""
    alone = _references(made, k) <= _ALONE
    x = made[k]
    return x if not issubclass(type(x), np.ndarray) or (alone and x.base is None) else np.array(x)


def _references(made: Sequence[Any], k: int) -> int:
    return sys.getrefcount(made[k])


_ALONE = _references([np.zeros(1)], 0)
"""What `_references` returns if the list holds the only reference."""
