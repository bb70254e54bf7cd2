"""Euclidean norms of the rows of [R, n], scaled so that no square overflows or underflows."""

from typing import Any

import numpy as np

from .functions import ordered, unordered
from .native.rows import Rows, by_rows
from .numbers import where

Array = Any


@by_rows
def norm(rows: Rows, x: Array, y: Array) -> None:
    """Set y to the norm of each row of x: infinity where it has one, NaN where it has one and no infinity."""
    code, zero = x.code, x.code.constant(0, x.dtype)
    one, infinity = code.constant(1, x.dtype), code.constant(np.inf, x.dtype)
    with rows.each() as (i, start):
        largest = code.variable(ordered(zero, zero).dtype, 0)
        with rows.columns() as j:
            largest.raise_to(ordered(abs(x[start + j]), zero))
        scale = unordered(zero, largest.get())
        scale = where((scale > zero) & (scale < infinity), scale, one)  # NaN is above infinity in this order
        total = rows.sum()
        with rows.columns() as j:
            part = x[start + j] / scale
            total.add(part * part)
        y[i] = np.sqrt(total.get()) * scale
