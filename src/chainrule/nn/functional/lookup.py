"""Rows looked up in a table."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.traces.capturing import plain
from chainrule.rules.arrays.gather import take
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.selection import where


def embedding(input: Any, weight: Any, padding_idx: int | None = None) -> Any:
    """Return the rows of `weight [n, d]` at integer indices `[...]` from 0 to n − 1, `[..., d]`.

    The row `padding_idx`, counted from the end where negative, gets no gradient.

    Raises TypeError for indices that are not integers, and IndexError, with its position, for one out of range.

    >>> embedding(np.array([1, 1, 0]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([[3., 4.], [3., 4.], [1., 2.]])
    """
    indices = plain(_InRange(weight.shape[0]), input, stacks=True)
    rows = take(weight, indices, axis=0)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise IndexError(f"embedding: padding_idx: expected a row of {weight.shape[0]}, got {padding_idx}")
    return where((indices == padding_idx % weight.shape[0])[..., None], stop_gradient(rows), rows)


class _InRange:
    """Checks indices of so many rows, and returns them."""

    name = "indices in range"

    def __init__(self, count: int) -> None:
        self.count = count

    def __call__(self, indices: Any) -> Any:
        """Return indices; raise an error that names the first one that is none."""
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu":
            raise TypeError(
                f"embedding: expected integers as indices, got {indices.dtype}; convert with .astype(np.int64)"
            )
        outside = (indices < 0) | (indices >= self.count)
        if outside.any():
            place = tuple(int(i) for i in np.argwhere(outside)[0])
            raise IndexError(
                f"embedding: indices[{', '.join(map(str, place))}] is {indices[place]}, expected 0 to {self.count - 1}"
            )
        return indices

    def tasks_into(self, arrays: Sequence[Any], outs: Sequence[Any]) -> list[Any] | None:
        """Return the same in machine code, or None where there is none."""
        from chainrule.kernels import gather
        from chainrule.kernels.native.copies import copied, is_movable

        (indices,), (out,) = arrays, outs
        if not indices.flags.c_contiguous or indices.dtype != out.dtype or not is_movable(indices, out):
            return None
        made = gather.in_range(indices, self.count)
        made.rescue = lambda: self(indices)
        return [made, copied(indices, out)]
