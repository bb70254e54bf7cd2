r"""The matrix product.

Its adjoints are $\bar A = \bar Y B^\top$ and $\bar B = A^\top \bar Y$ (M. Giles, "Collected matrix derivative results
for forward and reverse mode algorithmic differentiation", 2008, section 2.2.1), for each matrix of a batch. If one
matrix serves a whole batch, the batch is stacked into one tall matrix: one large product instead of many small ones and
a sum.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.facts import Complex, Role
from chainrule.core.kinds import Bilinear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.traces.dispatch import described
from chainrule.core.transforms.batch import along_last_axes
from chainrule.kernels import matrices
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.arrays.shape import Reshape

from . import proofs as proofs_of

Shape = tuple[int, ...]
FLOAT16 = np.dtype(np.float16)


def transposed(x: Array) -> Array:
    """Return the matrices of `x` transposed: the last two axes are swapped."""
    return x.swapaxes(-1, -2)


def rows(x: Array) -> Array:
    """Return the rows of all matrices of `x` as one matrix."""
    return x if x.ndim == 2 else x.reshape((math.prod(x.shape[:-1]), x.shape[-1]))


def product(a: Array, b: Array) -> Array:
    """Return `a @ b` of plain arrays: one product if `b` serves a whole batch, float16 computed in float32."""
    if a.dtype is FLOAT16 and b.dtype is FLOAT16:
        return product(a.astype(np.float32), b.astype(np.float32)).astype(np.float16)
    if a.shape[-1] == 1 and a.ndim > 2 and b.ndim > 2 and b.shape[-2] == 1:
        # Outer products, such as the gradient of each sample. `multiply` would be slow where rows are short.
        return np.einsum("...ik,...kj->...ij", a, b)
    if a.size * b.shape[-1] >= matrices.THREADED and (y := matrices.product(a, b)) is not None:
        return y
    if a.ndim > 2 and b.ndim == 2 and a.shape[-1] == b.shape[0]:
        return np.matmul(rows(a), b).reshape((*a.shape[:-1], b.shape[1]))
    return np.matmul(a, b)


def _of_two(a: Array, b: Array) -> Array:
    """Return the product of two matrices; small arrays are left to NumPy's operator, which costs less than a call."""
    is_small = a.size * b.shape[1] < matrices.THREADED
    return a @ b if is_small or type(a) is not type(b) else Matmul.apply(a, b)


class Matmul(Bilinear):
    r"""Y = A B

    Of matrices or batches of them; `matmul` turns vectors into matrices.
    """

    proofs = proofs_of.MATMUL
    on_complex = Complex.HOLOMORPHIC
    role = Role.DENSE
    symbol = "A B"
    is_inlined = True
    letters = {"b": "W", "y": "z"}
    stacked = staticmethod(along_last_axes)
    cases = (
        case((3, 4), (4, 2)),
        case((5, 3, 4), (4, 2)),
        case((3, 4), (5, 4, 2)),
        case((2, 1, 3, 4), (5, 4, 2)),
        case((1, 3, 4), (5, 4, 2)),
        case((0, 4), (4, 2)),
        case((3, 0), (0, 2)),
        case((0, 3, 4), (4, 2)),
    )

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return product(a, b)

    @staticmethod
    def touches(args: Sequence[Array], moving: Sequence[int], settings: Any) -> Sequence[Any] | None:  # noqa: ARG004
        """Zeros of a constant matrix cut dependence off."""
        a, b = args
        if a.ndim != 2 or b.ndim != 2:
            return None
        (n, k), m = a.shape, b.shape[1]
        found = []
        for place in moving:
            fixed = (b, a)[place] if len(moving) == 1 else np.ones((k, m) if place == 0 else (n, k))
            first, second = np.nonzero(fixed)
            if place == 0:
                i = np.arange(n)[:, None]
                found.append(((i * m + second).ravel(), (i * k + first).ravel()))
            else:
                j = np.arange(m)
                found.append(((first[:, None] * m + j).ravel(), (second[:, None] * m + j).ravel()))
        return found

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array, a_shape: Shape) -> Array:
        r"""\bar A = \bar Y B^\top"""
        if len(a_shape) == 2 == b.ndim:
            return _of_two(y_bar, b.swapaxes(0, 1))
        if len(a_shape) == 2 < b.ndim:
            return Matmul.apply(transposed(rows(transposed(y_bar))), rows(transposed(b)))
        return Matmul.apply(y_bar, transposed(b))

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array, b_shape: Shape) -> Array:
        r"""\bar B = A^\top \bar Y"""
        if len(b_shape) == 2 == a.ndim:
            return _of_two(a.swapaxes(0, 1), y_bar)
        if len(b_shape) == 2 < a.ndim:
            return Matmul.apply(transposed(rows(a)), rows(y_bar))
        return Matmul.apply(transposed(a), y_bar)


@implements(np.matmul, np.linalg.matmul)
def matmul(a: Array, b: Array) -> Array:
    """Return the matrix product of `a` [..., n, k] and `b` [..., k, m]; the axes in front broadcast.

    A vector counts as a row on the left and as a column on the right, and that axis is dropped from the result.

    >>> matmul(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([1.0, 10.0]))
    array([21., 43.])
    """
    a, b = arrayed(a), arrayed(b)
    of_a, of_b = a.shape, b.shape
    if len(of_a) > 1 and len(of_b) > 1 and of_a[-1] == of_b[-2]:
        return Matmul.apply(a, b)
    if not of_a or not of_b:
        raise ValueError(f"matmul: got shapes {a.shape} and {b.shape}, expected an axis in each; multiply with *")
    if of_a[-1] != of_b[-2:][0]:
        raise ValueError(
            f"matmul: got a {described(a)} and b {described(b)}: the last axis of a must be as long as the "
            f"{'last but one' if b.ndim > 1 else 'only one'} of b; is one of them to be transposed?"
        )
    # Nobody else sees these matrices, so they are no views that a write would have to reach.
    left = a if len(of_a) > 1 else Reshape.apply(a, shape=(1, *of_a))
    right = b if len(of_b) > 1 else Reshape.apply(b, shape=(*of_b, 1))
    y = Matmul.apply(left, right)
    shape = y.shape
    shape = shape[:-2] + shape[-2:-1] * (len(of_a) > 1) + shape[-1:] * (len(of_b) > 1)
    return Reshape.apply(y, shape=shape) if shape else y[0, 0]  # NumPy's product of two vectors is a scalar
