r"""Softmax and log-sum-exp along the rows of [R, n], and softmax's backward pass.

$y_{ij} = e^{x_{ij}} / \sum_k e^{x_{ik}}$ and $\bar x_{ij} = y_{ij} (\bar y_{ij} - \sum_k \bar y_{ik} y_{ik})$, with the
conventions of `chainrule.rules.network.softmax`: an entry of −inf has the weight 0, and so have all in a row of −inf
throughout. A row with a NaN, or with +inf, is NaN. Every array is of one dtype, float32 or float64, in C order; nothing
checks this.
"""

from typing import Any

import numpy as np

from .elementary import log
from .functions import exp, ordered, unordered
from .native.code import Place
from .native.rows import Rows, by_rows
from .native.symbol import Symbol
from .numbers import where

Array = Any


def row_of_exponentials(x: Place, start: Symbol, count: int, y: Place) -> tuple[Symbol, Symbol]:
    """Set a row of y to exp(x − m), m the largest entry of that row of x; return m and the sum, which is at least 1.

    Where m is −inf, 0 is subtracted in its place, and the sum of zeros is given as 1.
    """
    code = x.code
    zero, lowest = code.constant(0, x.dtype), code.constant(-np.inf, x.dtype)
    first = ordered(lowest, zero)
    order = code.variable(first.dtype, first)
    with code.loop(0, count) as j:
        order.raise_to(ordered(x[start + j], zero))
    top = unordered(zero, order.get())
    top = where(top == lowest, zero, top)
    sums = code.variable(x.dtype, 0)
    with code.loop(0, count) as j:
        e = exp(x[start + j] - top)
        y[start + j] = e
        sums.add(e)
    total = sums.get()
    return top, where(total == zero, code.constant(1, x.dtype), total)


@by_rows
def logsumexp(rows: Rows, x: Array, y: Array) -> None:
    """Set each number of y to the logarithm of the sum of the exponentials of a row of x."""
    zero, lowest = rows.code.constant(0, rows.dtype), rows.code.constant(-np.inf, rows.dtype)
    with rows.each() as (i, start):
        order = rows.code.variable(ordered(lowest, zero).dtype, ordered(lowest, zero))
        with rows.columns() as j:
            order.raise_to(ordered(x[start + j], zero))
        top = unordered(zero, order.get())
        subtracted = where(top == lowest, zero, top)
        sums = rows.sum()
        with rows.columns() as j:
            sums.add(exp(x[start + j] - subtracted))
        total = sums.get()
        y[i] = log(where(total == zero, rows.code.constant(1, rows.dtype), total)) + top


@by_rows
def softmax(rows: Rows, x: Array, y: Array) -> None:
    """Set y to the softmax of each row of x."""
    with rows.each() as (_, start):
        _, total = row_of_exponentials(x, start, rows.n, y)
        inverse = 1 / total
        with rows.columns() as j:
            y[start + j] = y[start + j] * inverse


@by_rows
def log_softmax(rows: Rows, x: Array, y: Array) -> None:
    """Set y to the logarithm of the softmax of each row of x."""
    with rows.each() as (_, start):
        top, total = row_of_exponentials(x, start, rows.n, y)
        less = log(total)
        with rows.columns() as j:
            y[start + j] = (x[start + j] - top) - less


@by_rows
def softmax_backward(rows: Rows, y_bar: Array, y: Array, x_bar: Array) -> None:
    """Set `x_bar` to the cotangent of x, given that of y, and y."""
    with rows.each() as (_, start):
        mean = rows.sum()
        with rows.columns() as j:
            mean.add(y_bar[start + j] * y[start + j])
        total = mean.get()
        with rows.columns() as j:
            x_bar[start + j] = y[start + j] * (y_bar[start + j] - total)
