"""Linear algebra with SciPy's names, differentiable. What NumPy has as well is NumPy's.

>>> import numpy as np
>>> import chainrule as cr
>>> from chainrule.scipy import linalg
>>> a, b = np.array([[2.0, 1.0], [0.0, 4.0]]), np.array([4.0, 8.0])
>>> linalg.solve_triangular(a, b)
array([1., 2.])
>>> cr.grad(lambda b: linalg.solve_triangular(a, b).sum())(b)
array([0.5  , 0.125])
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from chainrule.base.lacking import lacking
from chainrule.core.operation import Array
from chainrule.rules.arrays.arrange import tril, triu
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.join import concatenate
from chainrule.rules.arrays.reduce import arrayed
from chainrule.rules.linalg.decompositions import cholesky as _cholesky
from chainrule.rules.linalg.decompositions import eigh, qr, svdvals
from chainrule.rules.linalg.inverses import det, inv, lstsq, pinv, solve
from chainrule.rules.linalg.matmul import transposed
from chainrule.rules.linalg.matrix_functions import expm, logm, solve_sylvester, sqrtm
from chainrule.rules.linalg.vector_norms import norm

from .factoring import eigh_tridiagonal, lu, lu_factor, lu_solve, schur, solve_banded

__all__ = [
    "block_diag",
    "cho_factor",
    "cho_solve",
    "cholesky",
    "circulant",
    "companion",
    "convolution_matrix",
    "det",
    "eig",
    "eigh",
    "eigh_tridiagonal",
    "eigvals",
    "eigvalsh",
    "expm",
    "hankel",
    "inv",
    "logm",
    "lstsq",
    "lu",
    "lu_factor",
    "lu_solve",
    "norm",
    "pinv",
    "polar",
    "qr",
    "schur",
    "solve",
    "solve_banded",
    "solve_sylvester",
    "solve_triangular",
    "sqrtm",
    "svd",
    "svdvals",
    "toeplitz",
]


def cholesky(a: Array, lower: bool = False) -> Array:
    """Return the upper (with `lower` the lower) Cholesky factor of a positive definite matrix."""
    return _cholesky(a, upper=not lower)


def solve_triangular(
    a: Array, b: Array, trans: int | str = 0, lower: bool = False, unit_diagonal: bool = False
) -> Array:
    """Return the solution x of `a x = b`, of which only the upper (with `lower` the lower) triangle of `a` is used.

    `trans` 1 or "T" stands for the transposed system, `unit_diagonal` for a diagonal of ones. The gradient with respect
    to the unused triangle is zero. The system is solved as a general one, in O(n³).
    """
    a, b = arrayed(a), arrayed(b)
    if trans not in (0, 1, "N", "T"):
        raise ValueError(f"solve_triangular: got trans={trans!r}, expected 0, 1, 'N' or 'T'")
    triangle = (tril if lower else triu)(a, (-1 if lower else 1) if unit_diagonal else 0)
    if unit_diagonal:
        triangle = triangle + np.eye(a.shape[-1], dtype=a.dtype)
    return solve(transposed(triangle) if trans in (1, "T") else triangle, b)


def cho_factor(a: Array, lower: bool = False) -> tuple[Array, bool]:
    """Return a Cholesky factor and whether it is the lower one, for `cho_solve`."""
    return cholesky(a, lower), lower


def cho_solve(factor: tuple[Array, bool], b: Array) -> Array:
    """Return the solution x of `a x = b`, given `cho_factor(a)`."""
    c, lower = factor
    first, second = (0, 1) if lower else (1, 0)
    return solve_triangular(c, solve_triangular(c, b, trans=first, lower=lower), trans=second, lower=lower)


def block_diag(*arrays: Array) -> Array:
    """Return the matrix with these matrices on its diagonal and zeros elsewhere; a vector counts as one row.

    >>> block_diag(np.ones((1, 2)), np.full((1, 1), 3.0))
    array([[1., 1., 0.],
           [0., 0., 3.]])
    """
    blocks = [_matrix(x) for x in arrays]
    width, rows, first = sum(x.shape[1] for x in blocks), [], 0
    for x in blocks:
        left = np.zeros((x.shape[0], first), x.dtype)
        right = np.zeros((x.shape[0], width - first - x.shape[1]), x.dtype)
        rows.append(concatenate([left, x, right], axis=1))
        first += x.shape[1]
    return concatenate(rows, axis=0)


def _matrix(x: Any) -> Array:
    x = arrayed(x)
    if x.ndim > 2:
        raise ValueError(f"block_diag: got shape {x.shape}, expected matrices")
    return x if x.ndim == 2 else x.reshape((1, x.size))


def toeplitz(c: Array, r: Array | None = None) -> Array:
    """Return the matrix with first column `c` and first row `r` (by default `c`) that is constant along diagonals.

    >>> toeplitz(np.array([1.0, 2.0]), np.array([1.0, 5.0, 6.0]))
    array([[1., 5., 6.],
           [2., 1., 5.]])
    """
    c = arrayed(c).reshape((-1,))
    r = c if r is None else arrayed(r).reshape((-1,))
    every = concatenate([c[::-1], r[1:]])
    return take(every, c.shape[0] - 1 - np.arange(c.shape[0])[:, None] + np.arange(r.shape[0]))


def hankel(c: Array, r: Array | None = None) -> Array:
    """Return the matrix with first column `c` and last row `r` (by default zeros) that is constant along antidiagonals.

    >>> hankel(np.array([1.0, 2.0]), np.array([2.0, 5.0, 6.0]))
    array([[1., 2., 5.],
           [2., 5., 6.]])
    """
    c = arrayed(c).reshape((-1,))
    r = np.zeros(c.shape, c.dtype) if r is None else arrayed(r).reshape((-1,))
    return take(concatenate([c, r[1:]]), np.arange(c.shape[0])[:, None] + np.arange(r.shape[0]))


def companion(a: Array) -> Array:
    """Return the companion matrix of a polynomial, given by its coefficients, highest power first.

    >>> companion(np.array([2.0, -6.0, 4.0]))
    array([[ 3., -2.],
           [ 1.,  0.]])
    """
    a = arrayed(a)
    if a.ndim != 1 or a.shape[0] < 2:
        raise ValueError(f"companion: got shape {a.shape}, expected two coefficients or more")
    n = a.shape[0] - 1
    return concatenate([(-a[1:] / a[0]).reshape((1, n)), np.eye(n - 1, n, dtype=a.dtype)], axis=0)


def convolution_matrix(a: Array, n: int, mode: str = "full") -> Array:
    """Return the matrix whose product with a vector of length `n` is its convolution with `a`, in NumPy's modes.

    >>> convolution_matrix(np.array([1.0, 2.0]), 2)
    array([[1., 0.],
           [2., 1.],
           [0., 2.]])
    """
    a = arrayed(a).reshape((-1,))
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"convolution_matrix: got mode={mode!r}, expected 'full', 'same' or 'valid'")
    m, less = a.shape[0], min(a.shape[0], n) - 1
    first = {"full": 0, "same": less // 2, "valid": less}[mode]
    last = m + n - 1 - {"full": 0, "same": less - less // 2, "valid": less}[mode]
    places = np.arange(first, last)[:, None] - np.arange(n)
    padded = concatenate([a, np.zeros(1, a.dtype)])
    return take(padded, np.where((places >= 0) & (places < m), places, m))


def svd(a: Array, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return the singular value decomposition (u, s, vh), or the singular values alone."""
    return np.linalg.svd(a, full_matrices) if compute_uv else svdvals(a)


def eig(a: Array) -> tuple[Array, Array]:
    """Return eigenvalues and eigenvectors, complex, as SciPy does."""
    w, v = np.linalg.eig(a)
    return w + 0j, v


def eigvals(a: Array) -> Array:
    """Return the eigenvalues, complex, as SciPy does."""
    return np.linalg.eigvals(a) + 0j


def eigvalsh(a: Array, lower: bool = True) -> Array:
    """Return the eigenvalues of a Hermitian matrix, of which one triangle is read."""
    return np.linalg.eigvalsh(a, "L" if lower else "U")


def polar(a: Array, side: str = "right") -> tuple[Array, Array]:
    """Return (u, p) with `a = u p`, or `a = p u` for the side "left": u has orthonormal vectors, p is not negative.

    >>> u, p = polar(np.array([[0.0, -2.0], [1.0, 0.0]]))
    >>> (abs(u.round(9)) * np.sign(u), abs(p.round(9)))
    (array([[ 0., -1.],
           [ 1.,  0.]]), array([[1., 0.],
           [0., 2.]]))
    """
    if side not in ("left", "right"):
        raise ValueError(f"polar: got side={side!r}, expected 'left' or 'right'")
    u, s, vh = np.linalg.svd(a, full_matrices=False)
    one, other = (np.conj(transposed(vh)), vh) if side == "right" else (u, np.conj(transposed(u)))
    return u @ vh, (one * s[..., None, :]) @ other


def circulant(c: Array) -> Array:
    """Return the matrix whose columns are `c`, each shifted down by one more."""
    c = arrayed(c).reshape((-1,))
    places = np.arange(c.shape[0])
    return take(c, (places[:, None] - places) % c.shape[0])


if not TYPE_CHECKING:  # to a type checker, any name would be there
    __getattr__ = lacking(__name__)
