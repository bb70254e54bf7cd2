"""NumPy's other products of vectors, matrices and arrays, in terms of `matmul` and `einsum`."""

from collections.abc import Sequence
from string import ascii_letters
from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import Bilinear
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import along_last_axes
from chainrule.rules.arrays.reduce import arrayed, refuse, sum
from chainrule.rules.arrays.shape import contiguous
from chainrule.rules.elementary.complex_parts import conjugated

from .einsum import Einsum, einsum
from .matmul import matmul


@implements(np.tensordot, np.linalg.tensordot)
def tensordot(a: Array, b: Array, axes: Any = 2) -> Array:
    """Return the sum of products over `axes`: a pair of (lists of) axes, or a number of trailing axes of `a` and
    leading axes of `b`.

    >>> tensordot(np.ones((2, 3)), np.ones((3, 4)), axes=1).shape
    (2, 4)
    """
    a, b = arrayed(a), arrayed(b)
    if isinstance(axes, int):
        axes = (range(a.ndim - axes, a.ndim), range(axes))
    of_a, of_b = (
        [k + x.ndim if k < 0 else k for k in ([one] if isinstance(one, int) else one)]
        for one, x in zip(axes, (a, b), strict=True)
    )
    lengths = [[x.shape[k] for k in own if 0 <= k < x.ndim] for own, x in ((of_a, a), (of_b, b))]
    if lengths[0] != lengths[1] or len(lengths[0]) != len(of_a):
        raise ValueError(f"tensordot: axes {axes} of shapes {a.shape} and {b.shape} do not have equal lengths")
    left = list(ascii_letters[: a.ndim])
    right = list(ascii_letters[a.ndim : a.ndim + b.ndim])
    for i, j in zip(of_a, of_b, strict=True):
        right[j] = left[i]
    rest = [i for i in left if i not in right] + [i for i in right if i not in left]
    return Einsum.apply(a, b, subscripts=f"{''.join(left)},{''.join(right)}->{''.join(rest)}")


@implements(np.dot)
def dot(a: Array, b: Array, out: Array = None) -> Array:
    """Return the product of matrices or vectors; otherwise sum over the last axis of `a` and the second to last of `b`.

    >>> float(dot(np.array([1.0, 2.0]), np.array([3.0, 4.0])))
    11.0
    """
    refuse("dot", out=out)
    a, b = arrayed(a), arrayed(b)
    if a.ndim == 0 or b.ndim == 0:
        return a * b
    if b.ndim <= 2:
        return contiguous(matmul(a, b)) if b.ndim == 2 else matmul(a, b)  # a vector is contiguous
    return tensordot(a, b, (-1, -2))


@implements(np.inner)
def inner(a: Array, b: Array) -> Array:
    """Return the sum of products over the last axes of both."""
    a, b = arrayed(a), arrayed(b)
    y = a * b if a.ndim == 0 or b.ndim == 0 else tensordot(a, b, (-1, -1))
    return contiguous(y) if y.shape else y[()]  # a scalar, as NumPy's is


@implements(np.vdot)
def vdot(a: Array, b: Array) -> Array:
    """Return the sum of products of all elements, of which those of `a` are conjugated; both are flattened."""
    a, b = conjugated(arrayed(a)), arrayed(b)
    return matmul(a.reshape((a.size,)), b.reshape((b.size,)))


@implements(np.vecdot, np.linalg.vecdot)
def vecdot(a: Array, b: Array, axis: int = -1) -> Array:
    """Return the sum of products along `axis`, with `a` conjugated; the other axes broadcast."""
    a, b = arrayed(a), arrayed(b)
    y = sum(np.moveaxis(conjugated(a), axis, -1) * np.moveaxis(b, axis, -1), axis=-1)
    dtype = np.result_type(a.dtype, b.dtype)
    return y if y.dtype == dtype else y.astype(dtype)  # NumPy adds up small whole numbers as larger ones


@implements(np.outer, np.linalg.outer)
def outer(a: Array, b: Array, out: Array = None) -> Array:
    """Return the products of each element of `a` with each of `b`, [N, M]; both are flattened.

    >>> outer(np.array([1.0, 2.0]), np.array([1.0, 10.0]))
    array([[ 1., 10.],
           [ 2., 20.]])
    """
    refuse("outer", out=out)
    a, b = arrayed(a), arrayed(b)
    return a.reshape((a.size, 1)) * b.reshape((1, b.size))


implements((np.multiply, "outer"))(
    lambda a, b: arrayed(a).reshape((*np.shape(a), *(1,) * np.ndim(b))) * arrayed(b),
)


@implements(np.kron)
def kron(a: Array, b: Array) -> Array:
    """Return the Kronecker product: blocks of each element of `a` times all of `b`.

    >>> kron(np.array([1.0, 10.0]), np.array([1.0, 2.0]))
    array([ 1.,  2., 10., 20.])
    """
    a, b = arrayed(a), arrayed(b)
    ndim = max(a.ndim, b.ndim)
    shape_a = (1,) * (ndim - a.ndim) + a.shape
    shape_b = (1,) * (ndim - b.ndim) + b.shape
    blocks = a.reshape([n for m in shape_a for n in (m, 1)]) * b.reshape([n for m in shape_b for n in (1, m)])
    return blocks.reshape([m * n for m, n in zip(shape_a, shape_b, strict=True)])


class Cross(Bilinear):
    r"""y = \operatorname{cross}(a, b)

    Of vectors of length 3 along the last axis.
    """

    on_complex = Complex.HOLOMORPHIC
    cases = (case((3,), (3,)), case((4, 3), (3,)), case((2, 1, 3), (4, 3)), case((0, 3), (0, 3)))
    stacked = staticmethod(along_last_axes)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        return np.cross(a, b)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar a = \operatorname{cross}(b, \bar y)"""
        return Cross.apply(b, y_bar)

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar b = \operatorname{cross}(\bar y, a)"""
        return Cross.apply(y_bar, a)


@implements(np.cross)
def cross(a: Array, b: Array, axisa: int = -1, axisb: int = -1, axisc: int = -1, axis: int | None = None) -> Array:
    """Return the cross product of vectors of length 3 along an axis of each; the other axes broadcast.

    `axis` sets `axisa`, `axisb` and `axisc`, the axes in `a`, in `b` and in the result, at once. Raises ValueError for
    vectors of another length.
    """
    if axis is not None:
        axisa = axisb = axisc = axis
    a, b = np.moveaxis(arrayed(a), axisa, -1), np.moveaxis(arrayed(b), axisb, -1)
    if a.shape[-1] != 3 or b.shape[-1] != 3:
        raise ValueError(f"cross: got vectors of length {a.shape[-1]} and {b.shape[-1]}, expected 3 and 3")
    return np.moveaxis(Cross.apply(a, b), -1, axisc)


@implements(np.linalg.cross)
def linalg_cross(a: Array, b: Array, *, axis: int = -1) -> Array:
    """Return `cross` along one axis of all."""
    return cross(a, b, axis=axis)


@implements(np.linalg.multi_dot)
def multi_dot(arrays: Sequence[Array], *, out: Array = None) -> Array:
    """Return the product of several matrices, multiplied in a cheap order; vectors may be at the ends.

    >>> multi_dot([np.ones((2, 3)), np.ones((3, 4)), np.ones(4)])
    array([12., 12.])
    """
    refuse("multi_dot", out=out)
    matrices = [arrayed(x) for x in arrays]
    # A vector at the front lacks the first index, one at the end the last.
    terms = [ascii_letters[k : k + 2] for k in range(len(matrices))]
    terms[0] = terms[0][-matrices[0].ndim :]
    terms[-1] = terms[-1][: matrices[-1].ndim]
    return einsum(",".join(terms), *matrices)


@implements(np.linalg.matrix_power)
def matrix_power(a: Array, n: int) -> Array:
    """Return the square matrices `a` to the power `n`, by repeated squaring; a negative `n` uses the inverse.

    >>> matrix_power(np.array([[1.0, 1.0], [0.0, 1.0]]), 5)
    array([[1., 5.],
           [0., 1.]])
    """
    a = arrayed(a)
    if a.ndim < 2 or a.shape[-1] != a.shape[-2]:
        raise ValueError(f"matrix_power: got shape {a.shape}, expected square matrices")
    if n < 0:
        return matrix_power(np.linalg.inv(a), -n)
    power, found = a, None
    while n:
        if n & 1:
            found = power if found is None else matmul(found, power)
        n >>= 1
        power = matmul(power, power) if n else power
    return a * 0 + np.eye(a.shape[-1], dtype=a.dtype) if found is None else found
