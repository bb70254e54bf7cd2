"""Products with constant sparse matrices of `scipy.sparse`.

>>> import numpy as np
>>> import scipy.sparse
>>> import chainrule as cr
>>> from chainrule.scipy import sparse
>>> a = scipy.sparse.csr_array(np.array([[0.0, 2.0, 0.0], [1.0, 0.0, 3.0]]))
>>> cr.grad(lambda x: (sparse.matmul(a, x) ** 2).sum())(np.ones(3))
array([ 8.,  8., 24.])
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.kinds import Linear
from chainrule.core.operation import Array
from chainrule.core.transforms.batch import Done, Mine, Settings, Values
from chainrule.rules.arrays.reduce import arrayed

__all__ = ["matmul"]


class SparseProduct(Linear, register=False):
    r"""Y = A X

    For a constant sparse A `[n, m]` and X `[m, k]`.
    """

    name = "sparse_product"

    @staticmethod
    def primal(x: Array, *, matrix: Any = None) -> Array:
        return np.asarray(matrix @ x)

    @staticmethod
    def adjoint(y_bar: Array, *, matrix: Any) -> Array:
        r"""\bar X = A^\top \bar Y"""
        return SparseProduct.apply(y_bar, matrix=matrix.T)

    @staticmethod
    def stacked(values: Values, mine: Mine, settings: Settings) -> Done:  # noqa: ARG004
        """Put the columns of all rows of the stack side by side."""
        x = np.moveaxis(values[0], 0, -1)
        y = SparseProduct.apply(x.reshape((x.shape[0], x.shape[1] * x.shape[2])), **settings)
        return Done(np.moveaxis(y.reshape((y.shape[0], *x.shape[1:])), -1, 0))

    @staticmethod
    def touches(args: Any, moving: Any, settings: Settings) -> Any:  # noqa: ARG004
        (i, j), k = settings["matrix"].nonzero(), np.arange(args[0].shape[1])
        return [(np.ravel(i[:, None] * len(k) + k), np.ravel(j[:, None] * len(k) + k))]


def matmul(a: Any, x: Array) -> Array:
    """Return `a @ x` for a constant sparse matrix `a` [n, m] and `x` [m] or [m, k]; one of them may be on the left.

    Raises TypeError if neither is sparse, and ValueError for shapes that do not fit.
    """
    if not _is_sparse(a):
        if not _is_sparse(x):
            raise TypeError("sparse.matmul: got no matrix of scipy.sparse; use @ for dense ones")
        y = matmul(x.T, np.swapaxes(arrayed(a), 0, -1) if np.ndim(a) == 2 else a)
        return np.swapaxes(y, 0, -1) if np.ndim(a) == 2 else y
    x = arrayed(x)
    if x.ndim not in (1, 2) or x.shape[0] != a.shape[1]:
        raise ValueError(f"sparse.matmul: got a {a.shape} and x {x.shape}, expected [n, m] and [m] or [m, k]")
    matrix = a.tocsr()
    y = SparseProduct.apply(x.reshape((x.shape[0], -1)), matrix=matrix)
    return y if x.ndim == 2 else y.reshape((y.shape[0],))


def _is_sparse(x: Any) -> bool:
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
