"""Complex numbers where a function has options or is SciPy's: NumPy's and SciPy's values, and right gradients."""

import numpy as np
import pytest
from tests.named import walked

import chainrule as cr
from chainrule import scipy as ours
from chainrule import special

scipy = pytest.importorskip("scipy")

RANDOM = np.random.default_rng(0)
Z = RANDOM.normal(size=(4, 5)) + 1j * RANDOM.normal(size=(4, 5))
CHOSEN = np.array([[1, 1, 0, 1, 1], [0, 1, 1, 1, 0], [1, 1, 1, 1, 1], [1, 0, 1, 0, 1]], bool)
A = RANDOM.normal(size=(3, 3)) + 1j * RANDOM.normal(size=(3, 3))


def holds(f, *args) -> None:
    """Compare value and dtype with the untraced call, and the gradient with numerical differentiation."""
    expected, (found, _) = f(*args), cr.vjp(f, *args)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    assert cr.check(f, *args).ok


@walked("function", [np.var, np.std, np.mean, np.sum, np.prod], ids=lambda f: f.__name__)
@walked("settings", [{}, {"axis": 1}, {"axis": 0, "keepdims": True}], ids=str)
def test_reductions_of_some_elements(function, settings) -> None:
    """`np.var(z, where=…)` took the square of a complex deviation for its size."""
    holds(lambda z: function(z, where=CHOSEN, **settings), Z)


@walked("function", [np.nanvar, np.nanstd, np.nanmean, np.nansum, np.nanmax], ids=lambda f: f.__name__)
def test_reductions_ignoring_nan(function) -> None:
    z = np.where(CHOSEN, Z, complex(np.nan, 0))
    expected, (found, pull) = function(z, axis=1), cr.vjp(lambda z: function(z, axis=1), z)
    assert found.dtype == expected.dtype
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert not np.any(pull(np.ones(4, found.dtype))[0][~CHOSEN])


@walked("axis", [None, 0, 1, (0, 1)])
@walked("name", ["logsumexp", "softmax", "log_softmax"])
def test_exponential_sums(name, axis) -> None:
    """With large imaginary parts: the logarithm is on SciPy's branch."""
    z = Z.real + 9j * Z.imag
    np.testing.assert_allclose(
        getattr(special, name)(z, axis=axis), getattr(scipy.special, name)(z, axis=axis), rtol=1e-12
    )
    holds(lambda z: getattr(special, name)(z, axis=axis), z)


def test_exponential_sums_of_large_numbers() -> None:
    z = np.array([1000 + 1j, 999 - 2j])
    np.testing.assert_allclose(special.logsumexp(z), scipy.special.logsumexp(z), rtol=1e-15)


@pytest.mark.parametrize("name", ["expm", "logm", "sqrtm"])
def test_matrix_functions(name) -> None:
    f = getattr(ours.linalg, name)
    np.testing.assert_allclose(f(A), getattr(scipy.linalg, name)(A), rtol=1e-10, atol=1e-12)
    assert cr.check(f, A).ok
    np.testing.assert_allclose(cr.vmap(f)(np.stack([A, A + 1])), np.stack([f(A), f(A + 1)]), rtol=1e-12)


def test_a_negative_matrix_has_a_complex_root() -> None:
    """And a real one asks for it."""
    a = np.diag([-4.0, 9.0])
    with pytest.raises(ValueError, match="pass it as a complex matrix"):
        ours.linalg.sqrtm(a)
    np.testing.assert_allclose(ours.linalg.sqrtm(a.astype(complex)), np.diag([2j, 3]))


def test_sylvester_of_complex_matrices_and_stacks() -> None:
    b = A.T + 5
    x = ours.linalg.solve_sylvester(A, b, np.eye(3))
    np.testing.assert_allclose(A @ x + x @ b, np.eye(3), atol=1e-12)
    assert cr.check(lambda a, b: ours.linalg.solve_sylvester(a, b, np.eye(3)), A, b).ok


def test_roots_and_sylvester_are_mapped_at_once() -> None:
    stack = np.stack([np.diag([1.0, 4.0]), np.array([[2.0, 0.5], [0.5, 3.0]])])

    def loss(a, q):
        return (ours.linalg.solve_sylvester(a, ours.linalg.sqrtm(a), q) ** 2).sum()

    mapped = cr.vmap(cr.grad(loss), in_axes=(0, None), explain=True)
    found, report = mapped(stack, np.eye(2))  # warnings of loops are errors
    np.testing.assert_allclose(found, [cr.grad(loss)(a, np.eye(2)) for a in stack], rtol=1e-10)
    assert "row by row" not in str(report)
    with pytest.raises(ValueError, match="expected"):
        ours.linalg.solve_sylvester(stack, stack, np.eye(3))


@walked("settings", [{}, {"dx": 0.5}, {"initial": 0}, {"axis": 0}, {"x": np.array([0, 1, 3, 4, 9.0])}])
def test_cumulative_trapezoid(settings) -> None:
    f = ours.integrate.cumulative_trapezoid
    np.testing.assert_allclose(f(Z, **settings), scipy.integrate.cumulative_trapezoid(Z, **settings), rtol=1e-12)
    assert cr.check(lambda y: f(y, **settings), Z.real).ok
    with pytest.raises(ValueError, match="initial"):
        f(Z, initial=1)
