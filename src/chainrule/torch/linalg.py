"""`torch.linalg`: decompositions, solutions and norms of matrices."""

import math
from typing import Any, NamedTuple

import numpy as np

from chainrule.rules.elementary.compare import stop_gradient

from . import factoring
from .dtypes import cast, numpy_dtype, promoted
from .face import faced
from .factoring import LinAlgError as LinAlgError
from .factoring import WithInfo, no_error
from .factoring import cholesky_ex as cholesky_ex
from .factoring import eig as eig
from .factoring import eigvals as eigvals
from .factoring import householder_product as householder_product
from .factoring import inv_ex as inv_ex
from .factoring import lu as lu
from .factoring import lu_factor as lu_factor
from .factoring import lu_factor_ex as lu_factor_ex
from .lapack import ldl_factor as ldl_factor
from .lapack import ldl_factor_ex as ldl_factor_ex
from .lapack import ldl_solve as ldl_solve
from .missing import lacking as _lacking
from .products import cross_along
from .products import matmul as matmul
from .products import matrix_power as matrix_power
from .reductions import plain, vector_norm_of


class QR(NamedTuple):
    """What `qr` returns."""

    Q: Any
    R: Any


class Eig(NamedTuple):
    """What `eigh` returns."""

    eigenvalues: Any
    eigenvectors: Any


class SVD(NamedTuple):
    """What `svd` returns."""

    U: Any
    S: Any
    Vh: Any


class SlogDet(NamedTuple):
    """What `slogdet` returns."""

    sign: Any
    logabsdet: Any


def _turned(x: Any) -> Any:
    return np.swapaxes(x, -2, -1)


@faced
def inv(A: Any) -> Any:
    """Return the inverse of matrices."""
    return np.linalg.inv(A)


@faced
def det(A: Any) -> Any:
    """Return the determinant of matrices."""
    return np.linalg.det(A)


@faced
def slogdet(A: Any) -> Any:
    """Return sign and logarithm of the absolute value of the determinant."""
    return SlogDet(*np.linalg.slogdet(A))


@faced
def logdet(input: Any) -> Any:
    """Return the logarithm of the determinant; NaN where it is negative."""
    sign, size = np.linalg.slogdet(input)
    return np.where(np.less(sign, 0), np.asarray(math.nan, input.dtype), size)


@faced
def cholesky(A: Any, *, upper: bool = False) -> Any:
    """Return the lower factor L with A = L Lᵀ, or the upper one."""
    if not A.size:
        return A * 1
    found = np.linalg.cholesky((A + _turned(A)) / 2)
    return _turned(found) if upper else found


@faced
def cholesky_solve(B: Any, L: Any, upper: bool = False) -> Any:
    """Return the solution of A X = B, given the Cholesky factor of A."""
    lower = _turned(L) if upper else L
    return np.linalg.solve(np.matmul(lower, _turned(lower)), B)


@faced
def cholesky_inverse(L: Any, upper: bool = False) -> Any:
    """Return the inverse of A, given its Cholesky factor."""
    lower = _turned(L) if upper else L
    return np.linalg.inv(np.matmul(lower, _turned(lower)))


def _as_columns(A: Any, B: Any) -> bool:
    return bool(B.ndim == 1 or (B.ndim == A.ndim - 1 and B.shape == A.shape[:-1]))


@faced
def solve(A: Any, B: Any, *, left: bool = True) -> Any:
    """Return X with A X = B, or X A = B if not `left`."""
    return _solved(A, B, left)


def _solved(A: Any, B: Any, left: bool) -> Any:
    if not left:
        return _turned(np.linalg.solve(_turned(A), _turned(B)))
    if _as_columns(A, B):
        return np.linalg.solve(A, B[..., None])[..., 0]
    return np.linalg.solve(A, B)


@faced
def solve_ex(A: Any, B: Any, *, left: bool = True, check_errors: bool = False) -> Any:
    """Return X with A X = B, and 0; raises LinAlgError for a singular matrix."""
    return WithInfo(_solved(A, B, left), no_error(A))


@faced
def solve_triangular(A: Any, B: Any, *, upper: bool, left: bool = True, unitriangular: bool = False) -> Any:
    """Return X with A X = B for a triangular A."""
    part = np.triu(A) if upper else np.tril(A)
    if unitriangular:
        eye = np.eye(A.shape[-1], dtype=A.dtype)
        part = part * (1 - eye) + eye
    return np.linalg.solve(part, B) if left else _turned(np.linalg.solve(_turned(part), _turned(B)))


@faced
def qr(A: Any, mode: Any = "reduced") -> Any:
    """Return an orthogonal and an upper triangular factor."""
    if mode == "r":
        return QR(np.zeros(0, A.dtype), np.linalg.qr(A, "r"))
    return QR(*np.linalg.qr(A, mode))


@faced
def eigh(A: Any, UPLO: str = "L") -> Any:
    """Return eigenvalues in order and eigenvectors of symmetric matrices."""
    return Eig(*np.linalg.eigh(_symmetric(A, UPLO)))


def _symmetric(A: Any, UPLO: str) -> Any:
    values = plain(A)
    half = np.tril(values, -1) if UPLO == "L" else np.triu(values, 1)
    whole = half + np.swapaxes(half, -2, -1) + np.eye(A.shape[-1], dtype=A.dtype) * values
    mean = (A + _turned(A)) / 2  # the gradient is that of a symmetric matrix, whichever half is read
    return mean + stop_gradient(whole - plain(mean))


@faced
def eigvalsh(A: Any, UPLO: str = "L") -> Any:
    """Return the eigenvalues of symmetric matrices in order."""
    return np.linalg.eigh(_symmetric(A, UPLO))[0]


@faced
def svd(A: Any, full_matrices: bool = True, **_: Any) -> Any:
    """Return the singular value decomposition, A = U diag(S) Vh."""
    found = SVD(*np.linalg.svd(A, full_matrices=False))
    n, m = A.shape[-2:]
    if not full_matrices or n == m:
        return found
    # The vectors that complete a basis are not determined by A: constants.
    U, _values, Vh = np.linalg.svd(plain(A))
    if n > m:
        return SVD(np.concatenate([found.U, U[..., m:]], axis=-1), found.S, found.Vh)
    return SVD(found.U, found.S, np.concatenate([found.Vh, Vh[..., n:, :]], axis=-2))


@faced
def svdvals(A: Any, **_: Any) -> Any:
    """Return the singular values."""
    return np.linalg.svd(A, full_matrices=False)[1]


@faced
def pinv(A: Any, rcond: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """Return the pseudoinverse; singular values below `rtol` times the largest, or `atol`, count as zero."""
    if hermitian:  # only half of the matrix is read
        A = _symmetric(A, "L")
    if rcond is None and rtol is None and atol is None:
        return np.linalg.pinv(A)
    largest = np.linalg.norm(plain(A), 2, (-2, -1))
    relative = 0.0 if rcond is None and rtol is None else plain(rcond if rtol is None else rtol)
    least = 0.0 if atol is None else plain(atol)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(largest > 0, np.maximum(relative, least / largest), relative)
    return np.linalg.pinv(A, rcond=share if share.ndim else float(share))


@faced
def lstsq(A: Any, B: Any, rcond: float | None = None, *, driver: str | None = None) -> Any:
    """Return the least-squares solution, the shortest if there are several.

    As in PyTorch, `driver` says what else there is: the rank (not with "gels"), the singular values (with "gelsd" and
    "gelss"), the residuals if A is taller than wide and of full rank (not with "gelsy", the default).
    """
    if driver not in (None, "gels", "gelsy", "gelsd", "gelss"):
        raise RuntimeError(f"lstsq: got driver={driver!r}, expected 'gels', 'gelsy', 'gelsd' or 'gelss'")
    n, m = A.shape[-2:]
    cutoff = np.finfo(A.dtype).eps * max(n, m) if rcond is None else rcond
    sizes = np.linalg.svd(plain(A), compute_uv=False)
    rank = np.sum(sizes > cutoff * sizes.max(-1, keepdims=True, initial=0), axis=-1)
    columns = B[..., None] if _as_columns(A, B) else B
    x = np.matmul(np.linalg.pinv(A, rcond=cutoff), columns)
    misfit = np.matmul(A, x) - columns
    return LstSq(
        x[..., 0] if _as_columns(A, B) else x,
        np.sum(np.real(np.conjugate(misfit) * misfit), axis=-2)
        if n > m and driver not in (None, "gelsy") and np.all(rank == m)
        else np.zeros(0, sizes.dtype),
        np.zeros(0, np.int64) if driver == "gels" else np.asarray(rank, np.int64),
        sizes if driver in ("gelsd", "gelss") else np.zeros(0, sizes.dtype),
    )


class LstSq(NamedTuple):
    """What `lstsq` returns."""

    solution: Any
    residuals: Any
    rank: Any
    singular_values: Any


@faced
def matrix_rank(A: Any, tol: Any = None, hermitian: bool = False, *, atol: Any = None, rtol: Any = None) -> Any:
    """Return the rank of matrices: how many singular values are above `tol`, or `rtol` times the largest."""
    values = np.linalg.svd(plain(A), compute_uv=False) if plain(A).size else np.zeros((*A.shape[:-2], 0))
    largest = values.max(-1, initial=0)
    atol = tol if tol is not None else atol
    usual = np.finfo(A.dtype).eps * max(A.shape[-2:]) if atol is None or not np.any(plain(atol) > 0) else 0.0
    relative = usual if rtol is None else plain(rtol)
    limit = np.maximum(0.0 if atol is None else plain(atol), relative * largest)
    return np.asarray((values > np.asarray(limit)[..., None]).sum(-1))


@faced
def multi_dot(tensors: Any) -> Any:
    """Return the product of several matrices."""
    first, *rest = tensors
    for one in rest:
        first = np.matmul(first, one)
    return first


@faced
def vector_norm(x: Any, ord: float = 2, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return the p-norm of all elements, or along axes."""
    x = cast(x, numpy_dtype(dtype))
    axis = tuple(dim) if isinstance(dim, list) else dim
    if x.ndim == 0:
        axis = None
    return vector_norm_of(x, ord, axis, keepdim)


def _matrix_norm(A: Any, ord: Any, dim: Any, keepdim: bool) -> Any:
    a, b = (d % A.ndim for d in dim)
    if ord == "fro":
        return vector_norm_of(A, 2, (a, b), keepdim)
    if ord in (1, -1, math.inf, -math.inf):
        first, second = (a, b) if abs(ord) == 1 else (b, a)
        sums = np.sum(np.absolute(A), axis=first, keepdims=True)
        found = (np.max if ord > 0 else np.min)(sums, axis=second, keepdims=True)
    else:
        values = np.linalg.svd(np.moveaxis(A, (a, b), (-2, -1)), full_matrices=False)[1]
        total = np.sum(values, axis=-1) if ord == "nuc" else (np.max if ord > 0 else np.min)(values, axis=-1)
        return np.expand_dims(total, (min(a, b), max(a, b))) if keepdim else total
    return found if keepdim else np.reshape(found, tuple(n for k, n in enumerate(found.shape) if k not in (a, b)))


@faced
def matrix_norm(A: Any, ord: Any = "fro", dim: Any = (-2, -1), keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a norm of matrices: "fro", "nuc", ±1, ±2 or ±inf."""
    return _matrix_norm(cast(A, numpy_dtype(dtype)), ord, dim, keepdim)


@faced
def norm(A: Any, ord: Any = None, dim: Any = None, keepdim: bool = False, *, dtype: Any = None) -> Any:
    """Return a norm of a vector or a matrix."""
    x = cast(A, numpy_dtype(dtype))
    if ord is None:
        axis = tuple(dim) if isinstance(dim, list) else dim
        return vector_norm_of(x, 2, axis, keepdim)
    if dim is None:
        dim = tuple(range(x.ndim)) if x.ndim else None
    axes = tuple(dim) if isinstance(dim, tuple | list) else dim
    if isinstance(axes, tuple) and len(axes) == 2:
        return _matrix_norm(x, ord, axes, keepdim)
    return vector_norm_of(x, 2 if ord == "fro" else ord, axes, keepdim)


@faced
def cond(A: Any, p: Any = None) -> Any:
    """Return the condition number of matrices."""
    if p in (None, 2, -2):
        values = np.linalg.svd(A, full_matrices=False)[1]
        return values[..., -1] / values[..., 0] if p == -2 else values[..., 0] / values[..., -1]
    return _matrix_norm(A, p, (-2, -1), False) * _matrix_norm(np.linalg.inv(A), p, (-2, -1), False)


@faced
def cross(input: Any, other: Any, *, dim: int = -1) -> Any:
    """Return the cross product."""
    a, b = promoted(input, other)
    return cross_along(a, b, dim)


@faced
def vecdot(x: Any, y: Any, *, dim: int = -1) -> Any:
    """Return the dot products along an axis."""
    a, b = promoted(x, y)
    return np.sum(a * b, axis=dim)


@faced
def diagonal(A: Any, *, offset: int = 0, dim1: int = -2, dim2: int = -1) -> Any:
    """Return the diagonals of matrices."""
    return np.diagonal(A, offset, dim1, dim2)


@faced
def vander(x: Any, N: int | None = None) -> Any:
    """Return the powers of each element, from 0 on."""
    x = x if x.ndim else x.reshape(1)
    powers = np.arange(x.shape[-1] if N is None else N)
    parts = [np.ones(x.shape, x.dtype) + 0 * x]
    for _ in powers[1:]:
        parts.append(parts[-1] * x)
    return np.stack(parts[: len(powers)], axis=-1)


@faced
def tensorinv(A: Any, ind: int = 2) -> Any:
    """Return the inverse of a tensor as a linear map."""
    return np.linalg.tensorinv(A, ind)


@faced
def tensorsolve(A: Any, B: Any, dims: Any = None) -> Any:
    """Return the solution of a linear equation of tensors."""
    return np.linalg.tensorsolve(A, B, dims)


@faced
def matrix_exp(A: Any) -> Any:
    """Return the exponential of matrices, by scaling and squaring of its series."""
    size = float(np.abs(plain(A)).sum(-1).max(initial=0))
    times = max(0, math.ceil(math.log2(size)) + 3) if size > 0 else 0
    x = A / 2**times
    term = total = np.eye(A.shape[-1], dtype=A.dtype) + 0 * x
    for k in range(1, 16):
        term = np.matmul(term, x) / k
        total = total + term
    for _ in range(times):
        total = np.matmul(total, total)
    return total


inverse = inv
lu_solve = factoring.linalg_lu_solve

__getattr__ = _lacking(__name__)
