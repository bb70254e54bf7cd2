"""LU, Schur, tridiagonal and banded matrices of `chainrule.scipy.linalg`: SciPy's values, derivatives, refusals."""

import re
from typing import Any

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule.scipy import linalg as ours

theirs = pytest.importorskip("scipy.linalg", reason="SciPy's functions: pip install '.[scipy]'")

RANDOM = np.random.default_rng(0)
A, B, WIDE = RANDOM.normal(size=(5, 5)), RANDOM.normal(size=(5, 3)), RANDOM.normal(size=(4, 6))
COMPLEX = A + 1j * RANDOM.normal(size=(5, 5))
D, E, BAND = RANDOM.normal(size=5), RANDOM.normal(size=4), RANDOM.normal(size=(4, 5))
ROOTED = np.diag(np.arange(1.0, 6.0)) + 0.1 * A
"""A matrix with real eigenvalues."""


def same(found: Any, expected: Any) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)


@walked("a", [A, WIDE, WIDE.T, COMPLEX], ids=["square", "wide", "tall", "complex"])
def test_lu(a: Any) -> None:
    for settings in ({}, {"permute_l": True}, {"p_indices": True}):
        same(ours.lu(a, **settings), theirs.lu(a, **settings))


@pytest.mark.parametrize("a", [A, COMPLEX], ids=["real", "complex"])
def test_systems_by_lu(a: Any) -> None:
    same(ours.lu_factor(a), theirs.lu_factor(a))
    for trans in (0, 1, 2):
        for b in (B, B[:, 0]):
            expected = theirs.lu_solve(theirs.lu_factor(a), b, trans)
            np.testing.assert_allclose(ours.lu_solve(ours.lu_factor(a), b, trans), expected, atol=1e-11)


def test_tridiagonal_and_banded() -> None:
    (w, v), (w_, v_) = (m.eigh_tridiagonal(D, E) for m in (ours, theirs))
    same((w, np.abs(v)), (w_, np.abs(v_)))
    same((ours.eigh_tridiagonal(D, E, eigvals_only=True),), (w_,))
    for shape, b in (((1, 2), B), ((3, 0), B[:, 0])):
        np.testing.assert_allclose(ours.solve_banded(shape, BAND, b), theirs.solve_banded(shape, BAND, b), rtol=1e-8)


@walked(("output", "a"), [("real", ROOTED), ("complex", A), ("complex", ROOTED), ("complex", COMPLEX)])
def test_schur(output: str, a: Any) -> None:
    expected = theirs.schur(a, output)
    same(ours.schur(a, output), expected)
    same([x.numpy() for x in ours.schur(cr.tensor(a), output)], expected)
    if a.dtype.kind == "f":
        assert cr.check(lambda a: np.abs(ours.schur(a, output)[0]), a).ok

        def whole(a: Any) -> Any:
            t, z = ours.schur(a, output)
            return (z @ t @ np.conj(z.T)).real

        np.testing.assert_allclose(cr.jacobian(whole)(a), np.eye(25).reshape((5,) * 4), atol=1e-9)


CHECKED: list[tuple[Any, Any]] = [
    (lambda a: ours.lu(a)[1], A),
    (lambda a: ours.lu(a)[2], WIDE),
    (lambda a: ours.lu_solve(ours.lu_factor(a), B, 1), A),
    (lambda b: ours.lu_solve(ours.lu_factor(A), b), B),
    (lambda d: ours.eigh_tridiagonal(d, E)[0], D),
    (lambda e: np.abs(ours.eigh_tridiagonal(D, e)[1]), E),
    (lambda ab: ours.solve_banded((1, 2), ab, B), BAND + 2),
]


@walked("k", range(len(CHECKED)))
def test_derivatives(k: int) -> None:
    f, at = CHECKED[k]
    assert cr.check(f, at).ok


def test_mistakes_are_named() -> None:
    mistakes = {
        lambda: ours.lu(D): "lu: got shape (5,), expected a matrix",
        lambda: ours.lu_solve(ours.lu_factor(A), B, 3): "got trans=3, expected 0, 1 or 2",
        lambda: ours.eigh_tridiagonal(D, D): "got diagonals (5,) and (5,), expected [n] and [n - 1]",
        lambda: ours.solve_banded((1, 1), BAND, B): "got ab (4, 5) for (l, u) = (1, 1), expected [3, n]",
        lambda: ours.lu_solve(ours.lu_factor(A), D[:2]): "lu_solve: got b (2,) for a matrix of",
        lambda: ours.solve_banded((1, 2), BAND, D[:2]): "solve_banded: got b (2,) for a matrix of 5 rows, expected [5]",
        lambda: ours.schur(A, "quasi"): "got output='quasi', expected 'real' or 'complex'",
        lambda: cr.grad(lambda a: ours.schur(a)[0].sum())(A): "a derivative needs output='complex'",
    }
    for call, said in mistakes.items():
        with pytest.raises(ValueError, match=re.escape(said)):
            call()
