"""More of NumPy's linear algebra, in terms of products, inverses and norms."""

import math
from typing import Any

import numpy as np

from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array
from chainrule.rules.arrays.gather import diagonal, trace
from chainrule.rules.arrays.reduce import arrayed, refuse
from chainrule.rules.arrays.shape import moveaxis, reshape
from chainrule.rules.elementary.complex_parts import conjugated

from .decompositions import svdvals
from .inverses import inv, solve, squares
from .matmul import matmul, transposed
from .vector_norms import norm


def _vector_times(name: str, vector: Array, matrix: Array) -> tuple[Array, Array]:
    vector, matrix = arrayed(vector), arrayed(matrix)
    if vector.ndim < 1 or matrix.ndim < 2:
        raise ValueError(f"{name}: got shapes {matrix.shape} and {vector.shape}, expected matrices and vectors")
    return vector, matrix


def matvec(x1: Array, x2: Array) -> Array:
    """Return the products of matrices `x1` [..., n, k] and vectors `x2` [..., k].

    >>> matvec(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    vector, matrix = _vector_times("matvec", x2, x1)
    return matmul(matrix, vector[..., None])[..., 0]


def vecmat(x1: Array, x2: Array) -> Array:
    """Return the products of vectors `x1` [..., n], conjugated, and matrices `x2` [..., n, k]."""
    vector, matrix = _vector_times("vecmat", x1, x2)
    return matmul(conjugated(vector)[..., None, :], matrix)[..., 0, :]


if hasattr(np, "matvec"):  # NumPy 2.2
    implements(np.matvec)(matvec)
    implements(np.vecmat)(vecmat)


@implements(np.linalg.cond)
def cond(x: Array, p: Any = None) -> Array:
    """Return the condition number of matrices [..., n, m]: by singular values (`p` None, 2 or -2), or by a norm.

    >>> float(cond(np.array([[2.0, 0.0], [0.0, 4.0]])))
    2.0
    """
    if p in (None, 2, -2):
        values = svdvals(x)
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    x = squares("cond", x)
    return norm(x, p, axis=(-2, -1)) * norm(inv(x), p, axis=(-2, -1))


@implements(np.linalg.tensorinv)
def tensorinv(a: Array, ind: int = 2) -> Array:
    """Return the inverse of `a` as a map from its last axes to its first `ind`; the two must have equal sizes."""
    a = arrayed(a)
    if ind <= 0:
        raise ValueError(f"tensorinv: got ind={ind}, expected 1 or more")
    rows = math.prod(a.shape[:ind])
    return reshape(inv(reshape(a, (rows, -1))), a.shape[ind:] + a.shape[:ind])


@implements(np.linalg.tensorsolve)
def tensorsolve(a: Array, b: Array, axes: Any = None) -> Array:
    """Return the x with `tensordot(a, x, x.ndim) = b`; `axes` of `a` are moved to the end first."""
    a, b = arrayed(a), arrayed(b)
    if axes is not None:
        axes = tuple(axes)
        a = moveaxis(a, axes, tuple(range(a.ndim - len(axes), a.ndim)))
    shape = a.shape[b.ndim :]
    return reshape(solve(reshape(a, (b.size, math.prod(shape))), reshape(b, (b.size,))), shape)


@implements(np.linalg.diagonal)
def matrix_diagonal(x: Array, /, *, offset: int = 0) -> Array:
    """Return a diagonal of the matrices in the last two axes."""
    return diagonal(x, offset, -2, -1)


@implements(np.linalg.trace)
def matrix_trace(x: Array, /, *, offset: int = 0, dtype: Any = None) -> Array:
    """Return the sum of a diagonal of the matrices in the last two axes."""
    refuse("trace", dtype=dtype)
    return trace(x, offset, -2, -1)


implements(np.linalg.matrix_transpose)(lambda x, /: transposed(arrayed(x)))
