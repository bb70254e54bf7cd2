"""LU factors, eigenvalues of any matrix, and the forms of `linalg` that return an error code."""

from typing import Any, NamedTuple

import numpy as np

from chainrule.rules.linalg.elimination import eliminated, parts, permutation, rows_of

from .dtypes import promoted
from .face import faced
from .reductions import plain

LinAlgError = np.linalg.LinAlgError


class LU(NamedTuple):
    """What `lu` returns."""

    P: Any
    L: Any
    U: Any


class LUFactor(NamedTuple):
    """What `lu_factor` returns: L below the diagonal, U on and above it, and the row that each row was swapped with."""

    LU: Any
    pivots: Any


class LUFactorEx(NamedTuple):
    """What `lu_factor_ex` returns."""

    LU: Any
    pivots: Any
    info: Any


class Eigen(NamedTuple):
    """What `eig` returns."""

    eigenvalues: Any
    eigenvectors: Any


class WithInfo(NamedTuple):
    """What `cholesky_ex`, `inv_ex` and `solve_ex` return."""

    result: Any
    info: Any


def no_error(A: Any) -> Any:
    """Return the error code 0 for each matrix."""
    return np.zeros(A.shape[:-2], np.int32)


@faced
def lu(A: Any, *, pivot: bool = True) -> Any:
    """Return P, L and U with A = P L U."""
    packed, _, order = eliminated(A, pivot)
    return LU(permutation(order, A.dtype) if pivot else np.zeros(0, A.dtype), *parts(packed))


@faced
def lu_factor(A: Any, *, pivot: bool = True) -> Any:
    """Return L and U in one matrix, and the row that each row was swapped with, counted from 1."""
    packed, pivots, _ = eliminated(A, pivot)
    return LUFactor(packed, (pivots + 1).astype(np.int32))


@faced
def lu_factor_ex(A: Any, *, pivot: bool = True, check_errors: bool = False) -> Any:
    """Return `lu_factor` and the first column, counted from 1, whose pivot is zero; 0 if there is none."""
    packed, pivots, _ = eliminated(A, pivot)
    zero = np.diagonal(plain(packed), axis1=-2, axis2=-1) == 0
    info = np.where(zero.any(-1), np.argmax(zero, -1) + 1, 0).astype(np.int32)
    if check_errors and info.any():
        raise LinAlgError(f"lu_factor_ex: U[{int(info.max())},{int(info.max())}] is zero; the matrix is singular")
    return LUFactorEx(packed, (pivots + 1).astype(np.int32), info)


@faced
def lu_unpack(LU_data: Any, LU_pivots: Any, unpack_data: bool = True, unpack_pivots: bool = True) -> Any:
    """Return P, L and U of what `lu_factor` returned."""
    empty = np.zeros(0, LU_data.dtype)
    P = permutation(rows_of(LU_pivots, LU_data.shape[-2]), LU_data.dtype) if unpack_pivots else empty
    return LU(P, *(parts(LU_data) if unpack_data else (empty, empty)))


def _solved(LU: Any, pivots: Any, B: Any, left: bool, adjoint: bool) -> Any:
    P = permutation(rows_of(pivots, LU.shape[-2]), LU.dtype)
    L, U = parts(LU)
    A = np.matmul(P, np.matmul(L, U))
    A = np.conjugate(np.swapaxes(A, -2, -1)) if adjoint else A
    if left:
        return np.linalg.solve(A, B)
    return np.swapaxes(np.linalg.solve(np.swapaxes(A, -2, -1), np.swapaxes(B, -2, -1)), -2, -1)


@faced
def linalg_lu_solve(LU: Any, pivots: Any, B: Any, *, left: bool = True, adjoint: bool = False) -> Any:
    """Return X with A X = B, or X A = B if not `left`, given `lu_factor(A)`."""
    return _solved(LU, pivots, B, left, adjoint)


@faced
def lu_solve(b: Any, LU_data: Any, LU_pivots: Any) -> Any:
    """Return x with A x = b, given `lu_factor(A)`."""
    return _solved(LU_data, LU_pivots, b, True, False)


@faced
def eig(A: Any) -> Any:
    """Return the eigenvalues and eigenvectors of any square matrices, complex."""
    kind = np.result_type(A.dtype, np.complex64)
    values, vectors = np.linalg.eig(A.astype(kind))
    return Eigen(values, vectors)


@faced
def eigvals(A: Any) -> Any:
    """Return the eigenvalues of any square matrices, complex."""
    return np.linalg.eig(A.astype(np.result_type(A.dtype, np.complex64)))[0]


@faced
def cholesky_ex(A: Any, *, upper: bool = False, check_errors: bool = False) -> Any:
    """Return the Cholesky factor, and 0; raises LinAlgError where there is none."""
    found = np.linalg.cholesky((A + np.conjugate(np.swapaxes(A, -2, -1))) / 2)
    return WithInfo(np.conjugate(np.swapaxes(found, -2, -1)) if upper else found, no_error(A))


@faced
def inv_ex(A: Any, *, check_errors: bool = False) -> Any:
    """Return the inverse, and 0; raises LinAlgError where there is none."""
    return WithInfo(np.linalg.inv(A), no_error(A))


@faced
def householder_product(A: Any, tau: Any) -> Any:
    """Return the first columns of the product of Householder reflections."""
    A, tau = promoted(A, tau)
    m, n = A.shape[-2:]
    rows = np.arange(m)
    found = np.eye(m, n, dtype=A.dtype)
    for k in reversed(range(tau.shape[-1])):
        column = np.where(rows > k, A[..., :, k], np.zeros((), A.dtype)) + (rows == k).astype(A.dtype)
        inner = np.matmul(np.conjugate(column)[..., None, :], found)
        found = found - tau[..., k][..., None, None] * column[..., :, None] * inner
    return found
