"""LU, Schur and tridiagonal factorisations, and banded systems; see `chainrule.scipy.linalg`.

`overwrite_a`, `overwrite_b` and `check_finite` of SciPy are not offered: they change nothing that can be seen.
"""

from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.core.tensor import Tensor, value_of
from chainrule.rules.arrays.arrange import triu
from chainrule.rules.arrays.gather import take
from chainrule.rules.arrays.reduce import arrayed, floating
from chainrule.rules.elementary.selection import where
from chainrule.rules.linalg.decompositions import eigh, qr
from chainrule.rules.linalg.eigenvalues import eig
from chainrule.rules.linalg.elimination import eliminated, parts, permutation, rows_of
from chainrule.rules.linalg.inverses import solve, squares
from chainrule.rules.linalg.matmul import transposed
from chainrule.rules.linalg.matrix_functions import scipy_linalg

__all__ = ["eigh_tridiagonal", "lu", "lu_factor", "lu_solve", "schur", "solve_banded"]


def lu(a: Array, permute_l: bool = False, p_indices: bool = False) -> tuple[Array, ...]:
    """Return (P, L, U) with `a = P L U` for matrices [..., m, n]; (P L, U) with `permute_l`.

    P is a permutation, with `p_indices` as a vector `p` with `a = L[p] U`. It counts as constant. Raises ValueError
    unless `a` is a matrix.

    >>> p, l, u = lu(np.array([[1.0, 2.0], [4.0, 4.0]]), p_indices=True)
    >>> p, l, u
    (array([1, 0]), array([[1.  , 0.  ],
           [0.25, 1.  ]]), array([[4., 4.],
           [0., 1.]]))
    """
    packed, _, order = eliminated(_matrices("lu", a))
    lower, upper = parts(packed)
    if permute_l:
        return np.matmul(permutation(order, packed.dtype), lower), upper
    return (np.argsort(order, -1) if p_indices else permutation(order, packed.dtype)), lower, upper


def _matrices(name: str, a: Array) -> Array:
    a = floating(a)
    if a.ndim < 2:
        raise ValueError(f"{name}: got shape {a.shape}, expected a matrix")
    return a


def _right_hand_side(name: str, b: Array, n: int) -> Array:
    b = floating(b)
    if b.ndim not in (1, 2) or b.shape[0] != n:
        raise ValueError(f"{name}: got b {b.shape} for a matrix of {n} rows, expected [{n}] or [{n}, k]")
    return b


def lu_factor(a: Array) -> tuple[Array, Any]:
    """Return L and U in one matrix, and for each row the one with which it was swapped, for `lu_solve`."""
    packed, pivots, _ = eliminated(_matrices("lu_factor", a))
    return packed, pivots


def lu_solve(lu_and_piv: tuple[Array, Any], b: Array, trans: int = 0) -> Array:
    """Return the solution x of `a x = b`, given `lu_factor(a)`; of the transposed system for `trans` 1.

    For `trans` 2 it is the system of the conjugate transpose. Raises ValueError for another one.

    >>> lu_solve(lu_factor(np.array([[1.0, 2.0], [4.0, 4.0]])), np.array([3.0, 8.0]))
    array([1., 1.])
    """
    packed, pivots = lu_and_piv
    if trans not in (0, 1, 2):
        raise ValueError(f"lu_solve: got trans={trans!r}, expected 0, 1 or 2")
    lower, upper = parts(squares("lu_solve", arrayed(packed)))
    order = rows_of(np.asarray(pivots) + 1, packed.shape[-2])
    b = _right_hand_side("lu_solve", b, packed.shape[-1])
    if not trans:
        return solve(upper, solve(lower, take(b, order, 0)))
    turned = [transposed(x) if trans == 1 else np.conj(transposed(x)) for x in (upper, lower)]
    return take(solve(turned[1], solve(turned[0], b)), np.argsort(order), 0)


def eigh_tridiagonal(d: Array, e: Array, eigvals_only: bool = False) -> Any:
    """Return the eigenvalues, in rising order, and eigenvectors of the symmetric matrix with these two diagonals.

    `d [n]` is the main one and `e [n - 1]` the one next to it. The work is that of `eigh`, O(n³).

    >>> eigh_tridiagonal(np.array([2.0, 2.0]), np.array([1.0]), eigvals_only=True)
    array([1., 3.])
    """
    d, e = floating(d), floating(e)
    if d.ndim != 1 or e.shape != (d.shape[0] - 1,):
        raise ValueError(f"eigh_tridiagonal: got diagonals {d.shape} and {e.shape}, expected [n] and [n - 1]")
    w, v = eigh(np.diag(d) + np.diag(e, 1) + np.diag(e, -1))
    return w if eigvals_only else (w, v)


def solve_banded(l_and_u: tuple[int, int], ab: Array, b: Array) -> Array:
    """Return the solution of `a x = b`, where the rows of `ab [l + u + 1, n]` are the diagonals of a, as in SciPy.

    Element (i, j) of the matrix is `ab[u + i - j, j]`. The system is solved as a general one, in O(n³).

    >>> solve_banded((0, 1), np.array([[0.0, 1.0], [2.0, 4.0]]), np.array([4.0, 8.0]))
    array([1., 2.])
    """
    ab = floating(ab)
    below, above = l_and_u
    if ab.ndim != 2 or ab.shape[0] != below + above + 1:
        raise ValueError(f"solve_banded: got ab {ab.shape} for (l, u) = {l_and_u}, expected [{below + above + 1}, n]")
    n = ab.shape[1]
    i, j = np.indices((n, n))
    within = (i - j <= below) & (j - i <= above)
    matrix = where(within, ab[np.where(within, above + i - j, 0), j], np.zeros((), ab.dtype))
    return solve(matrix, _right_hand_side("solve_banded", b, n))


def schur(a: Array, output: str = "real") -> tuple[Array, Array]:
    """Return (T, Z) with `a = Z T Z*`, T upper triangular and Z unitary.

    The derivatives follow from the eigenvectors, so the eigenvalues have to differ. A real matrix with complex
    eigenvalues has no real triangular form, only one of blocks, without a derivative here: ask for `output="complex"`.

    >>> t, z = schur(np.array([[1.0, 2.0], [0.0, 3.0]]))
    >>> t
    array([[1., 2.],
           [0., 3.]])
    """
    if output not in ("real", "complex", "r", "c"):
        raise ValueError(f"schur: got output={output!r}, expected 'real' or 'complex'")
    a = squares("schur", floating(a))
    real = output[0] == "r" and a.dtype.kind == "f"
    plain_t, plain_z = scipy_linalg("schur").schur(np.asarray(value_of(a)), "real" if real else "complex")
    if not isinstance(a, Tensor):
        return plain_t, plain_z
    if np.tril(plain_t, -1).any():
        raise ValueError("schur: the matrix has complex eigenvalues; a derivative needs output='complex'")
    w, v = eig(a if real else a + 0j)
    order = _matched(np.asarray(value_of(w)), np.diagonal(plain_t))
    z, _ = qr(v[:, order])
    turn = np.sum(np.conj(np.asarray(value_of(z))) * plain_z, axis=0)
    z = z * (turn / np.abs(turn))
    return triu(np.conj(transposed(z)) @ a @ z), z


def _matched(found: Any, wanted: Any) -> Any:
    """Return the order of eigenvalues in which each is the nearest one left."""
    left = list(range(len(found)))
    return np.array([left.pop(int(np.argmin(np.abs(found[left] - value)))) for value in wanted])
