"""Gaussian elimination with the choice of a pivot: L and U of a matrix, and the order of its rows.

The steps are operations, so they can be differentiated again. The choice of the pivots is taken as constant: it only
changes where two candidates are equal.
"""

from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.tensor import value_of


def _values(x: Array) -> Any:
    return np.asarray(value_of(x))


def _swap(x: Array, k: int, places: Any) -> tuple[Array, Any]:
    """Return the rows of stacked matrices with row k and row `places` of each swapped."""
    order = np.broadcast_to(np.arange(x.shape[-2]), (*places.shape, x.shape[-2])).copy()
    np.put_along_axis(order, places[..., None], k, -1)
    order[..., k] = places
    batch = tuple(i[..., None] for i in np.indices(places.shape, sparse=True))
    return x[(*batch, order)], order


def eliminated(A: Array, pivot: bool = True) -> tuple[Array, Any, Any]:
    """Return L without its diagonal and U in one matrix, the pivots from 0, and the order of the rows.

    One column is eliminated after the other (Golub and Van Loan, Matrix Computations, section 3.4).

    >>> packed, pivots, order = eliminated(np.array([[1.0, 2.0], [4.0, 4.0]]))
    >>> packed, order
    (array([[4.  , 4.  ],
           [0.25, 1.  ]]), array([1, 0]))
    """
    m, n = A.shape[-2:]
    rows, columns = np.arange(m), np.arange(n)
    order = np.broadcast_to(rows, A.shape[:-1]).copy()
    pivots = []
    for k in range(min(m, n)):
        places = np.full(A.shape[:-2], k)
        if pivot:
            column = _values(A)[..., k:, k]
            # LAPACK's measure of complex numbers too, so that its choice is made.
            places = k + np.argmax(np.abs(column.real) + np.abs(column.imag), -1)
        pivots.append(places)
        if np.any(places != k):
            A, swapped = _swap(A, k, places)
            order = np.take_along_axis(order, swapped, -1)
        if k == m - 1:
            break
        head = _values(A)[..., k, k]
        divisor = np.where(head == 0, np.ones((), A.dtype), A[..., k, k])[..., None]
        factors = np.where(rows > k, A[..., :, k] / divisor, np.zeros((), A.dtype))
        rest = np.where(columns > k, A[..., k, :], np.zeros((), A.dtype))
        below = factors[..., :, None] * (columns == k)
        kept = np.where((rows[:, None] > k) & (columns == k), np.zeros((), A.dtype), A)
        A = kept + below - factors[..., :, None] * rest[..., None, :]
    return A, np.stack(pivots, -1) if pivots else np.zeros((*A.shape[:-2], 0), np.int64), order


def parts(packed: Array) -> tuple[Array, Array]:
    """Return L, with ones on its diagonal, and U of the matrix that holds both."""
    m, n = packed.shape[-2:]
    k = min(m, n)
    return np.tril(packed, -1)[..., :, :k] + np.eye(m, k, dtype=packed.dtype), np.triu(packed)[..., :k, :]


def rows_of(pivots: Any, m: int) -> Any:
    """Return the order of the rows that swaps from 1 lead to."""
    places = _values(pivots) - 1
    order = np.broadcast_to(np.arange(m), (*places.shape[:-1], m)).copy()
    for k in range(places.shape[-1]):
        other = places[..., k : k + 1]
        first, second = order[..., k : k + 1].copy(), np.take_along_axis(order, other, -1)
        order[..., k : k + 1] = second
        np.put_along_axis(order, other, first, -1)
    return order


def permutation(order: Any, dtype: Any) -> Any:
    """Return the matrix P with A = P L U for an order of the rows of A."""
    return np.swapaxes(np.eye(order.shape[-1], dtype=dtype)[order], -2, -1)
