"""Records for derivations only: combinations of operations that a reader takes as one step."""

from typing import ClassVar

import numpy as np

from chainrule.core.kinds import Bilinear
from chainrule.core.operation import Array, case
from chainrule.rules.arrays.windows import Ints, Windows
from chainrule.rules.linalg import proofs as proofs_of
from chainrule.rules.linalg.matmul import Matmul
from chainrule.rules.network import proofs_of_windows
from chainrule.rules.network.convolution import Convolution
from chainrule.rules.network.linear import LinearMap


class VectorMatrix(Bilinear, register=False):
    r"""y = a B

    A row times a matrix, which `matmul` computes by way of a matrix of one row.
    """

    name = "matmul"
    role, is_inlined, letters = Matmul.role, Matmul.is_inlined, Matmul.letters
    proofs = proofs_of.VECTOR_MATRIX
    without_indices: ClassVar = {"b": (r"\bar B = a^\top \bar y", r"\bar B = \operatorname{outer}(a, \bar y)")}
    cases = (case((3,), (3, 2)),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        """Return the product."""
        return a @ b

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar a = \bar y B^\top"""
        return y_bar @ b.T

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar B_{ij} = a_i \bar y_j"""
        return a[:, None] * y_bar


class MatrixVector(Bilinear, register=False):
    r"""y = A b

    A matrix times a column, which `matmul` computes by way of a matrix of one column.
    """

    name = "matmul"
    role, is_inlined, letters = Matmul.role, Matmul.is_inlined, {"a": "W", "y": "z"}
    proofs = proofs_of.MATRIX_VECTOR
    without_indices: ClassVar = {"a": (r"\bar A = \bar y\,b^\top", r"\bar A = \operatorname{outer}(\bar y, b)")}
    cases = (case((2, 3), (3,)),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        """Return the product."""
        return a @ b

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar A_{ij} = \bar y_i b_j"""
        return y_bar[:, None] * b

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar b = A^\top \bar y"""
        return a.T @ y_bar


class InnerProduct(Bilinear, register=False):
    r"""y = \sum_i a_i b_i

    The product of two vectors, a number.
    """

    name = "matmul"
    role, letters = Matmul.role, {"y": "z"}
    proofs = proofs_of.INNER_PRODUCT
    cases = (case((3,), (3,)),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        """Return the product."""
        return a @ b

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar a = \bar y b"""
        return y_bar * b

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar b = \bar y a"""
        return y_bar * a


class VectorMap(Bilinear, register=False):
    r"""y = x W + b

    The linear map of a single row.
    """

    name = "linear"
    role, letters = LinearMap.role, LinearMap.letters
    proofs = proofs_of.VECTOR_MAP
    cases = (case((3,), (3, 2), (2,)),)

    @staticmethod
    def primal(x: Array, w: Array, b: Array) -> Array:
        """Return the map."""
        return x @ w + b

    @staticmethod
    def adjoint_x(y_bar: Array, w: Array) -> Array:
        r"""\bar x = \bar y\,W^\top"""
        return y_bar @ w.T

    @staticmethod
    def adjoint_w(y_bar: Array, x: Array) -> Array:
        r"""\bar W_{ij} = x_i \bar y_j"""
        return x[:, None] * y_bar

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b = \bar y"""
        return y_bar


class MatmulTransposed(Bilinear, register=False):
    r"""Y = A B^\top

    A product with a transpose, `a @ b.T`, as one step, the way it is written and read.
    """

    role, is_inlined = Matmul.role, Matmul.is_inlined
    proofs = proofs_of.TRANSPOSED
    cases = (case((4, 3), (2, 3)),)

    @staticmethod
    def primal(a: Array, b: Array) -> Array:
        """Return the product."""
        return a @ np.swapaxes(b, -1, -2)

    @staticmethod
    def adjoint_a(y_bar: Array, b: Array) -> Array:
        r"""\bar A = \bar Y B"""
        return y_bar @ b

    @staticmethod
    def adjoint_b(y_bar: Array, a: Array) -> Array:
        r"""\bar B = \bar Y^\top A"""
        return np.swapaxes(y_bar, -1, -2) @ a


class LinearTransposed(Bilinear, register=False):
    r"""y = x W^\top + b

    The linear map with its weights as PyTorch and ONNX store them, `[out, in]`.
    """

    name = "linear"
    role, letters = LinearMap.role, LinearMap.letters
    proofs = proofs_of.LINEAR_TRANSPOSED
    cases = (case((4, 3), (2, 3), (2,)),)

    @staticmethod
    def primal(x: Array, w: Array, b: Array) -> Array:
        """Return the map."""
        return x @ w.T + b

    @staticmethod
    def adjoint_x(y_bar: Array, w: Array) -> Array:
        r"""\bar x = \bar y\,W"""
        return y_bar @ w

    @staticmethod
    def adjoint_w(y_bar: Array, x: Array) -> Array:
        r"""\bar W = \bar y^\top\,x"""
        return y_bar.reshape(-1, y_bar.shape[-1]).T @ x.reshape(-1, x.shape[-1])

    @staticmethod
    def adjoint_b(y_bar: Array) -> Array:
        r"""\bar b_j = \sum_i \bar y_{ij}"""
        return y_bar.sum(axis=tuple(range(y_bar.ndim - 1)))


class ConvolutionMap(Bilinear, register=False):
    r"""y_{b, o, i} = \sum_{c, k} w_{o, c, k}\,x_{b, c, s i + d k - p} + \beta_o

    A convolution with a bias for each channel.
    """

    name = "convolution"
    role, letters = Convolution.role, {**Convolution.letters, "beta": "b"}
    proofs = proofs_of_windows.CONVOLUTION_MAP
    cases = (
        case((2, 4, 7), (4, 2, 3), (4,), windows=Windows.of((3,), stride=2, padding=1), groups=2),
        case((2, 2, 5, 4), (3, 2, 2, 2), (3,), windows=Windows.of((2, 2)), groups=1),
    )

    @staticmethod
    def primal(x: Array, w: Array, beta: Array, *, windows: Windows, groups: int = 1) -> Array:
        """Return the convolution and its bias."""
        y = Convolution.primal(x, w, windows=windows, groups=groups)
        return y + np.reshape(beta, (-1, *[1] * windows.axes))

    @staticmethod
    def adjoint_x(y_bar: Array, w: Array, x_shape: Ints, *, windows: Windows, groups: int) -> Array:
        r"""\bar x_{b, c, j} = \sum_{o, k, i: s i + d k - p = j} w_{o, c, k}\,\bar y_{b, o, i}"""
        return Convolution.adjoint_x(y_bar, w, x_shape, windows=windows, groups=groups)

    @staticmethod
    def adjoint_w(y_bar: Array, x: Array, *, windows: Windows, groups: int) -> Array:
        r"""\bar w_{o, c, k} = \sum_{b, i} x_{b, c, s i + d k - p}\,\bar y_{b, o, i}"""
        return Convolution.adjoint_w(y_bar, x, windows=windows, groups=groups)

    @staticmethod
    def adjoint_beta(y_bar: Array) -> Array:
        r"""\bar \beta_o = \sum_{b, i} \bar y_{b, o, i}"""
        return np.sum(y_bar, axis=(0, *range(2, y_bar.ndim)))
