"""The backward pass of an observed run: the engine's own traversal, with every edge kept.

The gradients are computed by the rules that `backward()` uses, in the same order, from the values that the forward pass
saved; nothing is recomputed for display.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.node import Item
from chainrule.core.traces.reverse import Usable, fit

from .entry import Entry


def pull_back(entries: Sequence[Entry], loss: Entry, seed: Any = None) -> None:
    """Fill in the gradient of every entry that the loss depends on, with the adjoints of the records.

    `seed` is the loss's own gradient, ones by default. Raises what `backward()` raises if saved values were freed or
    have been modified since.
    """
    by_order = {e.node.order: e for e in entries if e.node is not None}
    parts: dict[Entry, dict[int, Any]] = {}
    usable = Usable()
    loss.gradient = np.ones(loss.shape) if seed is None else seed
    for entry in reversed(entries):
        if entry.node is None or entry.is_leaf:
            continue
        if isinstance(entry.node, Item):
            if entry.gradient is not None:
                parts.setdefault(entry.inputs[0], {})[entry.settings["part"]] = entry.gradient
            continue
        y_bar = entry.gradient
        if entry.op.several:
            if entry not in parts:
                continue
            y_bar = tuple(parts[entry].get(k, np.zeros_like(v)) for k, v in enumerate(entry.value))
            entry.gradient = y_bar
        if y_bar is not None:
            usable.check(entry.node)
            _send(entry, y_bar, by_order)


def _send(entry: Entry, y_bar: Any, by_order: Mapping[int, Entry]) -> None:
    node: Any = entry.node
    pulled = None if entry.op.adjoints else entry.op.pull(y_bar, node.saved, node.settings)
    for k, parent in enumerate(node.parents):
        if parent is None:
            continue
        raw = entry.op.adjoints[k](y_bar, node.saved, node.settings) if pulled is None else pulled[k]
        x_bar = fit(raw, parent.shape, parent.dtype)
        target = by_order[parent.order]
        target.arrived.append((entry, k, x_bar))
        target.gradient = x_bar if target.gradient is None else target.gradient + x_bar
