"""Factorisations in LAPACK's packed forms: `geqrf`, `ormqr`, `lu` and `torch.linalg.ldl_*`.

The LDL factors need SciPy. As in PyTorch, they and `geqrf` have no derivative.
"""

import inspect
from typing import Any, NamedTuple

import numpy as np

from .face import Tensor, faced, values_of, wrapped
from .factoring import LinAlgError, householder_product, lu_factor


class GeQRF(NamedTuple):
    """What `geqrf` returns: R on and above the diagonal, the Householder vectors below it, and their factors."""

    a: Any
    tau: Any


class LDLFactor(NamedTuple):
    """What `ldl_factor` returns."""

    LD: Any
    pivots: Any


class LDLFactorEx(NamedTuple):
    """What `ldl_factor_ex` returns."""

    LD: Any
    pivots: Any
    info: Any


def geqrf(input: Tensor) -> GeQRF:
    """Return the QR decomposition in the packed form that `householder_product` and `ormqr` take."""
    h, tau = np.linalg.qr(values_of(input), mode="raw")
    return GeQRF(wrapped(np.ascontiguousarray(np.swapaxes(h, -2, -1))), wrapped(tau))


@faced
def ormqr(input: Any, tau: Any, other: Any, left: bool = True, transpose: bool = False) -> Any:
    """Return Q C, or C Q if not `left`, with Q or its adjoint (`transpose`) from Householder vectors."""
    m, k = input.shape[-2], tau.shape[-1]
    reflections: Any = inspect.unwrap(householder_product)
    packed = input[..., :k]
    if k < m:
        packed = np.concatenate([packed, np.zeros((*input.shape[:-1], m - k), input.dtype)], axis=-1)
    Q = reflections(packed, tau)
    Q = np.conjugate(np.swapaxes(Q, -2, -1)) if transpose else Q
    return np.matmul(Q, other) if left else np.matmul(other, Q)


def lu(A: Tensor, pivot: bool = True, get_infos: bool = False, out: Any = None) -> Any:
    """Return L and U in one matrix and the row that each row was swapped with: `linalg.lu_factor`."""
    packed, pivots = lu_factor(A, pivot=pivot)
    info = wrapped(np.zeros(tuple(A.shape[:-2]), np.int32))
    return (packed, pivots, info) if get_infos else (packed, pivots)


def _routine(name: str, array: Any) -> Any:
    from scipy.linalg import get_lapack_funcs  # an extra

    return get_lapack_funcs((name,), (array,))[0]


def _filled(matrices: Any) -> Any:
    """Return the indices of the matrices in a stack; none if they are empty, which LAPACK does not take."""
    return list(np.ndindex(matrices.shape[:-2])) if matrices.size else []


def ldl_factor_ex(A: Tensor, *, hermitian: bool = False, check_errors: bool = False) -> LDLFactorEx:
    """Return `ldl_factor` and LAPACK's error code: a column whose block of D is singular, counted from 1, or 0."""
    values = values_of(A)
    factor = _routine("hetrf" if hermitian and values.dtype.kind == "c" else "sytrf", values)
    found = [factor(values[index], lower=1) for index in _filled(values)]
    # LAPACK leaves the other half as it is, and PyTorch sets it to zero.
    packed, pivots = np.zeros(values.shape, values.dtype), np.zeros(values.shape[:-1], np.int32)
    info = np.zeros(values.shape[:-2], np.int32)
    for index, (one, swaps, code) in zip(_filled(values), found, strict=True):
        packed[index], pivots[index], info[index] = np.tril(one), swaps, code
    if check_errors and info.any():
        raise LinAlgError(f"ldl_factor: the block of D at {int(info.max())} is singular")
    return LDLFactorEx(wrapped(packed), wrapped(pivots), wrapped(info))


def ldl_factor(A: Tensor, *, hermitian: bool = False) -> LDLFactor:
    """Return L and the blocks of D of A = L D Lᵀ (or L D Lᴴ, if `hermitian`) in one matrix, and LAPACK's pivots."""
    packed, pivots, _ = ldl_factor_ex(A, hermitian=hermitian, check_errors=True)
    return LDLFactor(packed, pivots)


def ldl_solve(LD: Tensor, pivots: Tensor, B: Tensor, *, hermitian: bool = False) -> Tensor:
    """Return X with A X = B, given `ldl_factor(A)`."""
    factors, columns = values_of(LD), values_of(B)
    solve = _routine("hetrs" if hermitian and factors.dtype.kind == "c" else "sytrs", factors)
    ahead = np.broadcast_shapes(factors.shape[:-2], columns.shape[:-2])
    factors = np.broadcast_to(factors, (*ahead, *factors.shape[-2:]))
    rows = np.broadcast_to(values_of(pivots), factors.shape[:-1])
    found = np.array(np.broadcast_to(columns, (*ahead, *columns.shape[-2:])))
    for index in _filled(found):
        found[index] = solve(factors[index], rows[index], found[index], lower=1)[0]
    return wrapped(found)  # type: ignore[no-any-return]
