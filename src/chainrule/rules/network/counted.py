"""Which rows of a batch count in a loss, where those of one class are ignored; also as machine code."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Array

from .cross_entropy import check_classes


class Counted:
    """Makes of classes those of the rows that count, 0 for others, whether each counts, and how many do."""

    name = "rows that count"

    def __init__(self, logits: Array, ignored: int) -> None:
        self.like = np.broadcast_to(np.zeros((), logits.dtype), logits.shape)
        self.ignored = ignored

    def __call__(self, target: Array) -> tuple[Array, Array, Array]:
        """Return them; an IndexError for a class that is out of range and not ignored."""
        counts = target != self.ignored
        classes = np.where(counts, target, 0).astype(target.dtype, copy=False)
        check_classes(self.like, classes)
        return classes, counts, np.sum(counts).astype(self.like.dtype)

    def tasks_into(self, arrays: Sequence[Any], outs: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import cross_entropy

        made = cross_entropy.counted(arrays[0], self.ignored, self.like.shape[-1], *outs)
        if made is None:
            return None
        made.rescue = lambda: self(arrays[0])
        return [made]


class CheckShare:
    """The effect that refuses a mean over no rows."""

    name = "refuse a mean of no rows"

    def __call__(self, share: Array) -> None:
        """Raise an error where no row counts."""
        if share == 0:
            raise ValueError('cross_entropy: no row counts, so the mean is not defined; use reduction="sum"')

    def tasks(self, arrays: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import cross_entropy

        made = cross_entropy.nonzero(arrays[0])
        if made is None:
            return None
        made.rescue = lambda: self(arrays[0])
        return [made]
