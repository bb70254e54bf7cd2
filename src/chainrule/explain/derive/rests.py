"""Which numbers of a run are rests of rounding: what is left where terms cancel, such as 0.1 + 0.2 - 0.3.

Both passes are computed again, with every result moved by a few roundings (the CESTAC method: Vignes, "A stochastic
arithmetic for reliable scientific computation", 1993). A number that changes by as much as it is large has no right
digit. If it is also no larger than the rounding of what it was computed from, it is a rest: it is shown as 0, and the
derivation says so. The tape's values stay what they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from chainrule.core.traces.reverse import fit
from chainrule.observe.entry import Entry, value_in

MOVED = 8
"""By how many roundings a result is moved."""
SMALL = 2.0**12
"""A number larger than this many roundings of what it was computed from is no rest, however it changes."""
DRAWS = 3
"""How often both passes are computed again."""
NONE: frozenset[float] = frozenset()


class Rests:
    """The sizes of the rests among the values and the gradients of a run, by their entries."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._values: dict[Entry, frozenset[float]] = {}
        self._gradients: dict[Entry, frozenset[float]] = {}
        with np.errstate(all="ignore"):
            values, gradients = map(_small, _terms(entries))
            for seed in range(DRAWS) if values or gradients else ():
                again = _Again(entries, seed)  # one at a time: it holds all values once more
                _widen(values, again.values)
                _widen(gradients, again.gradients)
            self._values, self._gradients = _found(values), _found(gradients)

    def value(self, entry: Entry) -> frozenset[float]:
        """Return the sizes of the rests in an entry's value."""
        return self._values.get(entry, NONE)

    def gradient(self, entry: Entry) -> frozenset[float]:
        """Return the sizes of the rests in an entry's gradient."""
        return self._gradients.get(entry, NONE)


def cleared(value: Any, rests: frozenset[float]) -> Any:
    """Return a value with 0 in the place of its rests.

    >>> cleared(np.array([0.5, -5.5e-17]), frozenset([5.5e-17]))
    array([0.5, 0. ])
    """
    if not rests or value is None or isinstance(value, tuple):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "c":
        return cleared(array.real, rests) + 1j * cleared(array.imag, rests)
    return np.where(np.isin(np.abs(array), list(rests)), array.dtype.type(0), array)[()]


_Terms = dict[Entry, tuple[Any, float]]
"""For each entry an array, and the size of the largest number that it was computed from."""


def _terms(entries: Sequence[Entry]) -> tuple[_Terms, _Terms]:
    """Return the values and the gradients with the largest number that each was computed from."""
    values: _Terms = {}
    gradients: _Terms = {}
    for entry in entries:
        before = (values[x][1] if isinstance(x, Entry) and x in values else _largest(value_in(x)) for x in entry.inputs)
        values[entry] = entry.value, max(_largest(entry.value), *before, 0.0)
    for entry in reversed(entries):
        if entry.gradient is not None:
            users = [user for user, _, _ in entry.arrived]
            kept = (_largest(x) for user in users for x in getattr(user.node, "saved", None) or ())
            sent = (gradients[user][1] for user in users if user in gradients)
            gradients[entry] = entry.gradient, max(_largest(entry.gradient), *kept, *sent, 0.0)
    return values, gradients


@dataclass
class _Small:
    """The numbers of an array that may be rests, and by how much they changed so far."""

    array: Any
    chosen: Any
    changes: Any


def _small(terms: _Terms) -> dict[Entry, _Small]:
    """Return the entries with numbers that are as small as the rounding of what they were computed from."""
    found: dict[Entry, _Small] = {}
    for entry, (x, largest) in terms.items():
        sizes = _sizes(x)
        chosen = (sizes > 0) & (sizes <= SMALL * np.finfo(sizes.dtype).eps * largest)
        if np.any(chosen):
            found[entry] = _Small(x, chosen, np.zeros(sizes.shape))
    return found


def _widen(small: dict[Entry, _Small], again: dict[Entry, Any]) -> None:
    for entry, one in small.items():
        if entry in again:
            one.changes = np.fmax(one.changes, _sizes(again[entry] - one.array))


def _found(small: dict[Entry, _Small]) -> dict[Entry, frozenset[float]]:
    """Return the sizes of the numbers that changed by as much as they are large."""
    found: dict[Entry, frozenset[float]] = {}
    for entry, one in small.items():
        sizes = _sizes(one.array)
        if found_here := sizes[one.chosen & (one.changes >= sizes / 2)].tolist():
            found[entry] = frozenset(found_here)
    return found


class _Again:
    """Both passes once more; a result that cannot be computed again is moved as it is."""

    def __init__(self, entries: Sequence[Entry], seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self.values: dict[Entry, Any] = {}
        self.gradients: dict[Entry, Any] = {}
        for entry in entries:
            self.values[entry] = self._forward(entry)
        self._by_array = {id(entry.value): entry for entry in entries}
        for entry in reversed(entries):
            if entry.gradient is not None:
                self.gradients[entry] = self._backward(entry)

    def _forward(self, entry: Entry) -> Any:
        if not _is_real(entry.value) or entry.is_leaf or "generator" in entry.settings:  # masks and indices stay
            return self._moved(entry.value)
        whole = entry.inputs[0] if "part" in entry.settings and isinstance(value_in(entry.inputs[0]), tuple) else None
        if whole is not None:
            return self._moved(self.values[whole][entry.settings["part"]])
        try:
            operands = [self.values[x] if isinstance(x, Entry) else self._moved(x) for x in entry.inputs]
            return self._like(entry.op.primal(*operands, **entry.settings), entry.value)
        except Exception:  # an operation, perhaps a user's own, that takes these operands only as they are
            return self._moved(entry.value)

    def _backward(self, entry: Entry) -> Any:
        try:
            sent = [self._sent(user, k) for user, k, _ in entry.arrived]
            return self._like(sum(sent[1:], sent[0]), entry.gradient) if sent else entry.gradient
        except Exception:
            return self._moved(entry.gradient)

    def _sent(self, user: Entry, k: int) -> Any:
        """Return what an operation sends to its input k."""
        node: Any = user.node
        saved = tuple(map(self._kept, node.saved or ()))
        given = (self.gradients[user], saved, node.settings)
        raw = user.op.adjoints[k](*given) if user.op.adjoints else user.op.pull(*given)[k]
        parent = node.parents[k]
        return fit(raw, parent.shape, parent.dtype)

    def _kept(self, x: Any) -> Any:
        entry = self._by_array.get(id(x))
        return self._moved(x) if entry is None else self.values[entry]

    def _like(self, x: Any, like: Any) -> Any:
        if np.shape(x) != np.shape(like):
            raise ValueError("another shape")
        return self._moved(x)

    def _moved(self, x: Any) -> Any:
        if isinstance(x, tuple):
            return tuple(map(self._moved, x))
        if not _is_real(x):
            return x
        array = np.asarray(x)
        if array.dtype.kind == "c":
            return self._moved(array.real) + 1j * self._moved(array.imag)
        by = MOVED * np.finfo(array.dtype).eps
        drawn = self._rng.uniform(0.5, 1.0, array.shape) * self._rng.choice((-1.0, 1.0), array.shape)
        return (array * (1 + by * drawn)).astype(array.dtype)[()]


def _is_real(x: Any) -> bool:
    """Whether a value consists of numbers with a rounding."""
    return isinstance(x, tuple) or (isinstance(x, np.ndarray | np.generic | float) and np.asarray(x).dtype.kind in "fc")


def _sizes(x: Any) -> Any:
    """Return the sizes of a value's numbers, of both parts of complex ones; of anything else, none."""
    if isinstance(x, tuple) or not _is_real(x):
        return np.zeros(0)
    array = np.asarray(x)
    return np.abs(np.stack((array.real, array.imag), -1) if array.dtype.kind == "c" else array)


def _largest(x: Any) -> float:
    if isinstance(x, tuple | list):
        return max(map(_largest, x), default=0.0)
    if not isinstance(x, np.ndarray | np.generic | float | int):
        return 0.0
    array = np.asarray(x)
    if array.dtype.kind not in "fciu":
        return 0.0
    return float(np.max(np.abs(array), initial=0.0, where=np.isfinite(array)))
