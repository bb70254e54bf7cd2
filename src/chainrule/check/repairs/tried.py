"""What a backward pass gave with each change that was tried: one run has the gradients of all arguments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from .sites import Edit

ROOM = 1 << 25
"""The most bytes of gradients that are kept."""
Gradients = dict[str, Any]


@dataclass
class Tried:
    """The gradients that each change led to, kept for the arguments that are explained after the first."""

    _found: dict[int, tuple[Edit, Gradients]] = field(default_factory=dict)
    _bytes: int = 0

    def note(self, edit: Edit, gradients: Gradients) -> None:
        """Keep what a change led to, as long as there is room."""
        size = sum(int(g.nbytes) for g in gradients.values())
        if self._bytes + size <= ROOM:
            self._bytes += size
            self._found[id(edit)] = edit, gradients  # with the change itself, so that no other has its identity

    def gradients(self, edit: Edit) -> Gradients | None:
        """Return what a change led to, of which nothing is left where the pass did not run; None if it is not kept."""
        found = self._found.get(id(edit))
        return None if found is None else found[1]


def arrays(found: Mapping[str, Any]) -> Gradients:
    """Return those of a pass's gradients that are arrays of numbers."""
    kept = {}
    for name, gradient in found.items():
        try:
            kept[name] = np.asarray(gradient, float)
        except (TypeError, ValueError):
            continue
    return {name: g for name, g in kept.items() if found[name] is not None}
