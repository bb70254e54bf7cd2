r"""Softmax along the rows of [R, n], and its backward pass.

$y_{ij} = e^{x_{ij}} / \sum_k e^{x_{ik}}$ and $\bar x_{ij} = y_{ij} (\bar y_{ij} - \sum_k \bar y_{ik} y_{ik})$, with the
conventions of `chainrule.rules.softmax`: an entry of −inf has the weight 0, and so have all in a row of −inf
throughout. A row with a NaN, or with +inf, is NaN. Every array is of one dtype, float32 or float64, in C order; nothing
checks this.
"""

from typing import Any

import numpy as np

from .functions import exp, ordered, unordered
from .jit import inline, kernel
from .softmax_reference import softmax_backward_reference, softmax_reference

Array = Any

__all__ = ["row_of_exponentials", "softmax", "softmax_backward", "softmax_backward_reference", "softmax_reference"]


@inline
def row_of_exponentials(x: Array, i: int, y: Array) -> Any:
    """Set row i of y to exp(x − m), m the largest entry of row i of x; return m and the sum, which is at least 1.

    Where m is −inf, 0 is subtracted in its place, and the sum of zeros is given as 1.
    """
    zero, one, lowest = x.dtype.type(0), x.dtype.type(1), x.dtype.type(-np.inf)
    order = ordered(lowest, zero)
    for j in range(x.shape[1]):
        each = ordered(x[i, j], zero)
        order = each if each > order else order
    top = unordered(zero, order)
    top = zero if top == lowest else top
    total = zero
    for j in range(x.shape[1]):
        e = exp(x[i, j] - top)
        y[i, j] = e
        total += e
    return top, one if total == zero else total


@kernel
def softmax(x: Array, y: Array) -> None:
    """Set y to the softmax of each row of x."""
    one = x.dtype.type(1)
    for i in range(x.shape[0]):
        _, total = row_of_exponentials(x, i, y)
        inverse = one / total
        for j in range(x.shape[1]):
            y[i, j] *= inverse


@kernel
def softmax_backward(y_bar: Array, y: Array, x_bar: Array) -> None:
    """Set `x_bar` to the cotangent of x, given that of y, and y."""
    for i in range(y.shape[0]):
        mean = y.dtype.type(0)
        for j in range(y.shape[1]):
            mean += y_bar[i, j] * y[i, j]
        for j in range(y.shape[1]):
            x_bar[i, j] = y[i, j] * (y_bar[i, j] - mean)
