"""autograd.scipy.linalg: `solve_triangular`, `solve_banded`, `solve_sylvester`, `sqrtm`, and what NumPy has as well."""

from typing import Any

import numpy as np
import scipy.linalg as _scipy

import chainrule.numpy.linalg as _linalg

from ..extend import defjvp_argnums, defvjp, defvjp_argnums, primitive

__all__ = ["solve_banded", "solve_sylvester", "solve_triangular", "sqrtm"]


def solve_triangular(a: Any, b: Any, trans: Any = 0, lower: bool = False, unit_diagonal: bool = False, **_: Any) -> Any:
    """Return the solution of `a x = b`, of which only one triangle of `a` is read; `trans` 1 or "T" is for `a.T`.

    >>> solve_triangular(np.array([[2.0, 1.0], [9.0, 4.0]]), np.array([4.0, 8.0]))
    array([1., 2.])
    """
    triangle = np.tril(a) if lower else np.triu(a)
    if unit_diagonal:
        triangle = triangle - triangle * np.eye(a.shape[-1]) + np.eye(a.shape[-1])
    if trans not in (0, "N"):
        triangle = np.swapaxes(triangle, -1, -2)
    return np.linalg.solve(triangle, b)


@primitive
def solve_sylvester(a: Any, b: Any, q: Any) -> Any:
    """Return the solution of `a x + x b = q`."""
    return _scipy.solve_sylvester(a, b, q)


def _sylvester_vjp(argnums: Any, ans: Any, args: Any, _: Any) -> Any:
    a, b, _q = args

    def vjp(g: Any) -> list[Any]:
        q_bar = solve_sylvester(np.transpose(a), np.transpose(b), g)
        found = (lambda: -q_bar @ np.transpose(ans), lambda: -np.transpose(ans) @ q_bar, lambda: q_bar)
        return [found[k]() for k in argnums]

    return vjp


def _sylvester_jvp(argnums: Any, gs: Any, ans: Any, args: Any, _: Any) -> Any:
    a, b, q = args
    right: Any = np.zeros_like(q)
    for k, g in zip(argnums, gs, strict=True):
        right = right + (g if k == 2 else -(g @ ans) if k == 0 else -(ans @ g))
    return solve_sylvester(a, b, right)


defvjp_argnums(solve_sylvester, _sylvester_vjp)
defjvp_argnums(solve_sylvester, _sylvester_jvp)


@primitive
def sqrtm(A: Any) -> Any:
    """Return the matrix whose square is `A`: its principal root."""
    return _scipy.sqrtm(A)


def _sqrtm_vjp(_argnums: Any, ans: Any, _args: Any, _: Any) -> Any:
    return lambda g: [solve_sylvester(np.transpose(ans), np.transpose(ans), g)]


defvjp_argnums(sqrtm, _sqrtm_vjp)
defjvp_argnums(sqrtm, lambda _argnums, gs, ans, _args, _kwargs: solve_sylvester(ans, ans, gs[0]))


@primitive
def solve_banded(l_and_u: Any, ab: Any, b: Any) -> Any:
    """Return the solution of `a x = b` for a matrix whose diagonals are the rows of `ab`, as SciPy lays them out."""
    return _scipy.solve_banded(l_and_u, ab, b)


def _band(l_and_u: Any, n: int) -> Any:
    """Return the rows and columns of the matrix that the elements of the band have, and which of them exist."""
    lower, upper = l_and_u
    column = np.broadcast_to(np.arange(n), (lower + upper + 1, n))
    row = column + np.arange(-upper, lower + 1)[:, None]
    return row, column, (row >= 0) & (row < n)


def _transposed(l_and_u: Any, ab: Any) -> Any:
    """Return the band of the transposed matrix."""
    lower, upper = l_and_u
    row, column, exists = _band((upper, lower), ab.shape[1])
    # The element (i, j) of the transposed matrix is (j, i) of the other.
    place = np.where(exists, upper + column - row, 0)
    return np.where(exists, ab[place, np.where(exists, row, 0)], 0.0)


def _banded_by_b(_ans: Any, l_and_u: Any, ab: Any, _b: Any) -> Any:
    return lambda g: solve_banded(l_and_u[::-1], _transposed(l_and_u, ab), g)


def _banded_by_ab(ans: Any, l_and_u: Any, ab: Any, _b: Any) -> Any:
    row, column, exists = _band(l_and_u, ab.shape[1])

    def vjp(g: Any) -> Any:
        b_bar = solve_banded(l_and_u[::-1], _transposed(l_and_u, ab), g)
        products = b_bar[np.where(exists, row, 0)] * ans[column]
        return np.where(exists, -(products if ans.ndim == 1 else np.sum(products, axis=-1)), 0.0)

    return vjp


defvjp(solve_banded, None, _banded_by_ab, _banded_by_b)
_made: dict[str, Any] = {}


def __getattr__(name: str) -> Any:
    """Look up NumPy's function of that name, differentiable, or SciPy's as a primitive."""
    if name.startswith("__"):
        raise AttributeError(name)
    if hasattr(np.linalg, name) and callable(getattr(_scipy, name, None)):
        return getattr(_linalg, name)
    found = getattr(_scipy, name)
    if not callable(found) or isinstance(found, type):
        return found
    return _made.setdefault(name, primitive(found))
