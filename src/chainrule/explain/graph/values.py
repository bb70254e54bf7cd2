"""The values on a tape, as far as they can be recovered.

A tape keeps only what its rules need: the output of an addition, for example, is not saved. A value that is missing may
still be held by one of the caller's tensors, or be recomputed from known values.
"""

import gc
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from chainrule.core.tensor import Tensor
from chainrule.core.traces.node import Item, Leaf, Node
from chainrule.core.traces.tape import EAGER
from chainrule.observe.entry import Entry


class _Unknown:
    """A placeholder for a value that the tape did not keep."""

    def __repr__(self) -> str:
        return "unknown"


UNKNOWN: Any = _Unknown()


def kept_argument(node: Node, k: int) -> Any:
    """Return argument `k` of an operation if its rules saved it, else `UNKNOWN`."""
    op, saved = node.op, node.saved or ()
    kept = dict(zip(op.residuals, saved, strict=False))
    if op.variadic:
        values = kept.get(op.arguments[0])
        return values[k] if isinstance(values, tuple | list) and k < len(values) else UNKNOWN
    value = kept.get(op.arguments[k])
    return UNKNOWN if value is None else value


def fill_in(entries: Sequence[Entry], loss: Tensor) -> None:
    """Set the values of the entries of a tape, given in order of creation.

    First come the values of tensors still alive, then those that the rules saved, then those recomputed from these.
    """
    by_order = {entry.node.order: entry for entry in entries if entry.node is not None}
    for tensor in (loss, *_alive()):
        entry = by_order.get(getattr(tensor._link, "order", -1))
        if entry is not None and entry.node is tensor._link and not _is_newer(entry, entries):
            entry.value = tensor._value
    for entry in entries:
        _take_saved(entry)
    for entry in entries:
        if entry.value is UNKNOWN and not isinstance(entry.node, Item):
            _recompute(entry)


def _alive() -> Iterator[Tensor]:
    """Yield the tensors of the eager tape that are still referenced: a leaf's values are kept nowhere else."""
    for thing in gc.get_objects():
        if issubclass(type(thing), Tensor) and getattr(thing, "_trace", None) is EAGER:
            yield thing


def _is_newer(entry: Entry, entries: Sequence[Entry]) -> bool:
    """Whether a leaf has been modified since the tape used it."""
    if not isinstance(entry.node, Leaf) or not entry.node.changed:
        return False
    changed = entry.node.changed
    return any(user.takes(entry) and user.node is not None and user.node.order < changed for user in entries)


def _take_saved(entry: Entry) -> None:
    node = entry.node
    if node is None or entry.op is None or isinstance(node, Item):
        return
    kept = dict(zip(entry.op.residuals, node.saved or (), strict=False))
    if entry.value is UNKNOWN and kept.get("y") is not None:
        entry.value = kept["y"]
    for k, x in enumerate(entry.inputs):
        if isinstance(x, Entry) and x.value is UNKNOWN:
            x.value = kept_argument(node, k)


def _recompute(entry: Entry) -> None:
    """Recompute an operation whose arguments are all known: the same rule on the same arrays, bit for bit."""
    if entry.op is None or entry.op.several:
        return
    values = [x.value if isinstance(x, Entry) else x for x in entry.inputs]
    if not any(value is UNKNOWN for value in values):
        with np.errstate(all="ignore"):
            entry.value = entry.op.primal(*values, **entry.settings)
