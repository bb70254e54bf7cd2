"""Where an array lies in memory, exactly enough to tell columns of one matrix apart."""

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
    step = a[2]
    return not step or step != b[2] or (b[0] - a[0]) % step < a[3] or (a[0] - b[0]) % step < b[3]
