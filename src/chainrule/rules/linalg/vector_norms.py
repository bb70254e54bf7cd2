"""Norms of vectors and matrices."""

from typing import Any

import numpy as np

from chainrule.core.facts import Complex
from chainrule.core.kinds import General
from chainrule.core.operands.protocols import implements
from chainrule.core.operation import Array, Kink
from chainrule.core.traces.capturing import plain
from chainrule.core.transforms.batch import along_axes
from chainrule.rules.arrays.reduce import CASES, EMPTY_CASES, Axis, arrayed, axes_of, kept, max, min, sum
from chainrule.rules.elementary.complex_parts import conjugated, real

from .decompositions import svdvals

LINEAR_ORDERS = {1: (0, max), -1: (0, min), np.inf: (1, max), -np.inf: (1, min)}
"""The orders of matrix norms that are an extreme of sums: which of the two axes is summed, and the extreme."""


class Norm(General):
    r"""y = \sqrt{\sum_{\text{axis}} x^2}"""

    on_complex = Complex.REAL_LINEAR
    of_complex = {
        "primal": r"y = \sqrt{\sum_{\text{axis}} |x|^2}",
        "adjoint": r"\bar x = \frac{\operatorname{conj}(x)}{y} \odot \bar y",
    }
    cases = (*CASES, *EMPTY_CASES)
    kinks = (
        Kink(
            at=((0.0, 0.0),),
            value=((0.0, 0.0),),
            reason="the norm is least at zero, and zero is the subgradient of least length there; PyTorch does so too, "
            "JAX gives NaN",
        ),
    )
    stacked = staticmethod(along_axes)

    @staticmethod
    def primal(x: Array, *, axis: Axis = None, keepdims: bool = False) -> Array:
        x = np.asarray(x)
        # Scaled, so that no square overflows or underflows.
        x = np.abs(x)
        largest = np.max(x, axis=axis, keepdims=True, initial=0)
        scale = np.where((largest == 0) | ~np.isfinite(largest), 1, largest).astype(np.result_type(x, np.float16))
        total = np.sum(np.square(x / scale), axis=axis, keepdims=True, dtype=_sum_type(scale.dtype))
        y = (np.sqrt(total) * scale).astype(scale.dtype)
        return y if keepdims else np.squeeze(y, axes_of(x.shape, axis))[()]

    @staticmethod
    def adjoint(y_bar: Array, x: Array, y: Array, *, axis: Axis) -> Array:
        r"""\bar x = \frac{x}{y} \odot \bar y"""
        return kept(y_bar, x.shape, axis) * _direction(x, y, axis)

    @staticmethod
    def jvp(x: Array, x_dot: Array, y: Array, *, axis: Axis, keepdims: bool) -> Array:
        r"""\dot y = \sum_{\text{axis}} \frac{x}{y} \odot \dot x"""
        return sum(_direction(x, y, axis) * x_dot, axis=axis, keepdims=keepdims)


def _sum_type(dtype: Array) -> Array:
    return np.float32 if dtype == np.float16 else dtype


def _direction(x: Array, y: Array, axis: Axis) -> Array:
    length = kept(y, x.shape, axis)
    return conjugated(x) / np.where(plain(lambda length: length == 0, length, stacks=True), 1, length)


@implements(np.linalg.norm)
def norm(x: Array, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Array:
    """Return norms of vectors along an int `axis`, or of matrices along two axes, as `np.linalg.norm` does.

    Without `ord` it is the root of the sum of squares, over all axes without `axis`. Vectors have the orders inf, -inf,
    0 (the number of elements that are not zero: a constant) and every other number; matrices "fro", "nuc", 1, -1, 2,
    -2, inf and -inf. At zero the gradient is zero.

    Raises ValueError for an order or a number of axes that has no norm.

    >>> from chainrule.core.transforms.derivatives import grad
    >>> grad(norm)(np.array([3.0, 4.0]))
    array([0.6, 0.8])
    """
    x = arrayed(x)
    if ord is None:
        return Norm.apply(x, axis=axis, keepdims=keepdims)
    if axis is None and x.ndim not in (1, 2):
        raise ValueError(f"norm: got ord={ord!r} for {x.ndim} axes, expected axis= with one axis, or two for a matrix")
    axes = axes_of(x.shape, axis)
    if len(axes) == 1:
        return _vector_norm(x, ord, axes, keepdims)
    if len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdims)
    raise ValueError(f"norm: got axis={axis}, expected one axis for vectors or two for matrices")


def _vector_norm(x: Array, order: Any, axis: tuple[int, ...], keepdims: bool) -> Array:
    if isinstance(order, str):
        raise ValueError(f"norm: got ord={order!r} for vectors, expected a number")
    if order == 2:
        return Norm.apply(x, axis=axis, keepdims=keepdims)
    if order == 0:
        nonzero = plain(lambda values: np.asarray(values != 0, x.dtype), x, stacks=True)
        return real(sum(nonzero, axis=axis, keepdims=keepdims))
    size = np.abs(x)
    if order in (np.inf, -np.inf):
        return (max if order > 0 else min)(size, axis=axis, keepdims=keepdims)
    if order == 1:
        return sum(size, axis=axis, keepdims=keepdims)
    zero = plain(lambda size: size == 0, size, stacks=True)
    # A negative power of zero is infinite, and the norm then zero.
    empty = np.all(zero, axis=axis, keepdims=True) if order > 0 else np.any(zero, axis=axis, keepdims=True)
    safe = np.where(zero, 1, size)
    total = sum(np.where(zero, 0, safe**order), axis=axis, keepdims=True)
    y = np.where(empty, 0, np.where(empty, 1, total) ** (1 / order))
    return y if keepdims else y.reshape(tuple(n for k, n in enumerate(y.shape) if k not in axis))


def _matrix_norm(x: Array, order: Any, axes: tuple[int, ...], keepdims: bool) -> Array:
    if order == "fro":
        return Norm.apply(x, axis=axes, keepdims=keepdims)
    if order in ("nuc", 2, -2):
        values = svdvals(np.moveaxis(x, axes, (-2, -1)))
        reduction = sum if order == "nuc" else max if order == 2 else min
        y = reduction(values, axis=-1)
    elif order in LINEAR_ORDERS:
        summed, extreme = LINEAR_ORDERS[order]
        totals = sum(np.abs(x), axis=axes[summed], keepdims=True)
        y = extreme(totals, axis=axes)
    else:
        expected = "'fro', 'nuc', 1, -1, 2, -2, inf or -inf"
        raise ValueError(f"norm: got ord={order!r} for matrices, expected {expected}")
    return kept(y, x.shape, axes) if keepdims else y


@implements(np.linalg.vector_norm)
def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Array:
    """Return vector norms along `axis`, several axes flattened into one, all of them by default."""
    x = arrayed(x)
    axes = axes_of(x.shape, axis)
    rest = tuple(k for k in range(x.ndim) if k not in axes)
    moved = np.transpose(x, (*rest, *axes))
    lines = moved.reshape((*(x.shape[k] for k in rest), int(np.prod([x.shape[k] for k in axes]))))
    y = _vector_norm(lines, ord, (len(rest),), keepdims=False)
    return kept(y, x.shape, axis) if keepdims else y


@implements(np.linalg.matrix_norm)
def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: Any = "fro") -> Array:
    """Return norms of the matrices in the last two axes."""
    return norm(x, ord, (-2, -1), keepdims)
