"""The linear map of a layer, with one matrix product per gradient."""

from typing import Any

import numpy as np

from chainrule.core.facts import Role
from chainrule.core.kinds import Fused
from chainrule.core.operation import Array, case
from chainrule.core.transforms.batch import first_alone
from chainrule.kernels import matrices, sums
from chainrule.rules.arrays.reduce import widened
from chainrule.rules.linalg.matmul import matmul, product, rows

from . import proofs_of_layers as proofs_of

SUMMED = 2**13
"""Elements of a cotangent from which on its rows are added by a kernel."""


def _check(x: Array, w: Array, b: Array) -> None:
    if x.ndim == 0 or w.ndim != 2 or x.shape[-1] != w.shape[0] or b.shape != w.shape[1:]:
        raise ValueError(
            f"expected x [..., in], w [in, out] and b [out], got the shapes {x.shape}, {w.shape} and {b.shape}"
        )


class LinearMap(Fused):
    r"""y = x W + b"""

    proofs = proofs_of.LINEAR
    name = "linear"
    role = Role.DENSE
    symbol = "x W + b"
    letters = {"w": "W", "b": "b", "y": "z"}
    takes_stacks = True
    cases = (
        case((4, 3), (3, 2), (2,)),
        case((3,), (3, 2), (2,)),
        case((2, 4, 3), (3, 2), (2,)),
        case((0, 3), (3, 2), (2,)),
        case((4, 0), (0, 2), (2,)),
    )
    stacked = staticmethod(first_alone)

    @staticmethod
    def composite(x: Array, w: Array, b: Array) -> Array:
        _check(x, w, b)
        return x @ w + b

    @staticmethod
    def regain(
        x: Array | None, w: Array | None, y_shape: tuple[int, ...], y_dtype: Any, **_: Any
    ) -> dict[str, Array | None]:
        """Return arguments that have the same derivatives; of constants that nothing reads, only the shapes count."""
        if x is None and w is None:
            x, w = np.zeros((*y_shape[:-1], 0), y_dtype), np.zeros((0, y_shape[-1]), y_dtype)
        return {"x": x, "w": w, "b": np.zeros(y_shape[-1:], y_dtype)}

    @staticmethod
    def primal(x: Array, w: Array, b: Array) -> Array:
        x, w, b = np.asarray(x), np.asarray(w), np.asarray(b)
        _check(x, w, b)
        if x.size * w.shape[1] >= matrices.THREADED and (y := matrices.product(x, w, b)) is not None:
            return y
        y = product(x, w)
        if y.dtype != b.dtype:
            return y + b
        y += b
        return y

    @staticmethod
    def adjoint_x(y_bar: Array, w: Array) -> Array:
        r"""\bar x = \bar y\,W^\top"""
        return product(y_bar, w.T)

    @staticmethod
    def adjoint_w(y_bar: Array, x: Array) -> Array:
        r"""\bar W = x^\top\,\bar y"""
        return product(rows(x).T, rows(y_bar))

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b_j = \sum_i \bar y_{ij}"""
        if type(y_bar) is np.ndarray and y_bar.size >= SUMMED:
            return sums.of_rows(y_bar)
        return widened(np.sum, rows(y_bar), axis=0)

    @staticmethod
    def eager_adjoints(y_bar: Array, x: Array, w: Array) -> Any:
        return None if x is None else matrices.of_linear(y_bar, x, w)


def linear(x: Array, w: Array, b: Array | None = None) -> Array:
    r"""Return $z = x W + b$ for `x [..., in]`, `w [in, out]` and `b [out]`; without `b`, the matrix product alone.

    The gradients are $\bar x = \bar z W^\top$, $\bar W = x^\top \bar z$ and $\bar b = \sum_\text{rows} \bar z$.
    Raises ValueError for shapes that do not fit.

    >>> linear(np.array([[1.0, 2.0]]), np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([10.0, 20.0]))
    array([[11., 22.]])
    """
    return matmul(x, w) if b is None else LinearMap.apply(x, w, b)
