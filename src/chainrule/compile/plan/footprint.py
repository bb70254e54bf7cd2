"""Where an array lies in memory, exactly enough to tell columns of one matrix apart."""

import math
from typing import Any

from numpy.lib.array_utils import byte_bounds

Footprint = tuple[int, int, int, int]
"""In bytes: where an array begins and ends, and how far apart and how wide its rows are; 0 where it has no gaps."""


def footprint(array: Any) -> Footprint:
    """Return where an array lies."""
    if not array.size:
        return 0, 0, 0, 0
    start, end = byte_bounds(array)
    if array.flags.c_contiguous:
        return start, end, 0, 0
    (step, length), *inner = sorted(
        ((abs(s), n) for s, n in zip(array.strides, array.shape, strict=True) if n > 1), reverse=True
    )
    for stride, n in inner:
        if stride * n != step:  # every second row of each image is every second row of all of them
            break
        step, length = stride, length * n
    return start, end, step, end - start - (length - 1) * step


def may_meet(a: Footprint, b: Footprint) -> bool:
    """Whether two arrays may share memory: False only where they do not.

    >>> import numpy as np
    >>> x = np.zeros((4, 6))
    >>> may_meet(footprint(x[:, :2]), footprint(x[:, 2:])), may_meet(footprint(x[:, :2]), footprint(x[:, 1:]))
    (False, True)
    """
    if a[1] <= b[0] or b[1] <= a[0]:
        return False
    step = math.gcd(a[2], b[2])  # rows that are further apart, or alone, lie among those of a common step
    return not step or (b[0] - a[0]) % step < _row(a) or (a[0] - b[0]) % step < _row(b)


def _row(of: Footprint) -> int:
    """Return how wide a row is."""
    return of[3] if of[2] else of[1] - of[0]
