"""Rows looked up in a table."""

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
    count = weight.shape[0]

    def checked(indices: Any) -> Any:
        indices = np.asarray(indices)
        if indices.dtype.kind not in "iu":
            raise TypeError(
                f"embedding: expected integers as indices, got {indices.dtype}; convert with .astype(np.int64)"
            )
        outside = (indices < 0) | (indices >= count)
        if outside.any():
            place = tuple(int(i) for i in np.argwhere(outside)[0])
            raise IndexError(
                f"embedding: indices[{', '.join(map(str, place))}] is {indices[place]}, expected 0 to {count - 1}"
            )
        return indices

    indices = plain(checked, input, stacks=True)
    rows = take(weight, indices, axis=0)
    if padding_idx is None:
        return rows
    if not -weight.shape[0] <= padding_idx < weight.shape[0]:
        raise IndexError(f"embedding: padding_idx: expected a row of {weight.shape[0]}, got {padding_idx}")
    return where((indices == padding_idx % weight.shape[0])[..., None], stop_gradient(rows), rows)
