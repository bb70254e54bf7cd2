"""What a node saved and the user can write to: arrays passed as constants, such as a mask, a batch, labels.

A tape keeps references, not copies, and nobody tells it of a write into such an array. Its fingerprint is taken when it
is saved, and the backward pass compares. Fingerprints, not copies: a constant that a loop saves a thousand times would
be there a thousand times. (A tensor's own memory is watched where it is lent: see `loans`.)
"""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from .changes import owner_of
from .fingerprint import SMALL, fingerprint
from .loans import arrays_in

SCALARS = frozenset(
    (float, int, bool, complex, np.float64, np.float32, np.float16, np.int64, np.bool_, np.complex128, type(None))
)
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


def sealed_each(saved: tuple[Any, ...], name: str, values: Iterable[Any]) -> tuple[Any, ...]:
    """Return a node's saved values, sealed with every array among the values of one argument."""
    seen: list[Seen] = []
    for x in values:
        if type(x) is not _ndarray:  # most values are arrays or numbers: `arrays_in` is for the rest
            if type(x) not in SCALARS:
                seen += [_seen(name, array, True) for array in arrays_in(x) if _writable(array)]
        elif x.flags.writeable or _writable(x):
            seen.append((name, x, x.tobytes() if x.nbytes <= SMALL else fingerprint(x, True), True))
    if not seen:
        return saved
    return Sealed((*saved[:-1], saved[-1] + tuple(seen)) if type(saved) is Sealed else (*saved, tuple(seen)))


def sealed_all(saved: tuple[Any, ...], parts: Iterable[tuple[str, Any]]) -> tuple[Any, ...]:
    """Return a node's saved values, sealed with every array in these named parts."""
    for name, part in parts:
        saved = sealed_each(saved, name, part if type(part) is tuple else (part,))
    return saved


def _writable(array: Any) -> bool:
    return bool(array.flags.writeable or (array.base is not None and owner_of(array).flags.writeable))


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
