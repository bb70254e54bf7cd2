"""Linear algebra: values as NumPy's, derivatives in both modes and to second order, special matrices, errors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import walked

from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.derivatives import grad, jvp, vjp
from chainrule.core.transforms.jacobians import hessian
from chainrule.rules.linalg import decompositions, vector_norms
from chainrule.rules.linalg import inverses as linalg

from .against_numpy import RNG, agree, apart


def regular(*batch: int, n: int = 3) -> Any:
    return RNG.uniform(-1, 1, (*batch, n, n)) + 2 * np.eye(n)


def positive(*batch: int, n: int = 3) -> Any:
    a = RNG.uniform(-1, 1, (*batch, n, n))
    return a @ a.swapaxes(-1, -2) + np.diag(1.0 + np.arange(n))


def symmetrised(f: Any) -> Any:
    """`f` of the symmetric part: NumPy reads one triangle only, so a difference quotient must move both."""
    return lambda a: f((a + np.swapaxes(a, -1, -2)) / 2)


@walked("batch", [(), (2,), (2, 1)])
@walked("name", ["inv", "det", "pinv"])
def test_functions_of_square_matrices(name: str, batch: Any) -> None:
    f = getattr(np.linalg, name)
    agree(f, f, regular(*batch))


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 4), st.sampled_from([(), (2,)]), st.sampled_from([None, 1, 3]))
def test_solve(n: int, batch: Any, columns: Any) -> None:
    b = apart(n) if columns is None else apart(*batch, n, columns)
    agree(np.linalg.solve, np.linalg.solve, regular(*batch, n=n), b)


def test_solve_of_a_batch_by_one_matrix() -> None:
    agree(np.linalg.solve, np.linalg.solve, regular(), apart(4, 3, 2))
    agree(np.linalg.solve, np.linalg.solve, regular(4), apart(3, 2))


def test_slogdet() -> None:
    a = regular(2) * np.array([1.0, -1.0])[:, None, None]
    agree(lambda a: np.linalg.slogdet(a).logabsdet, lambda a: np.linalg.slogdet(a).logabsdet, a)
    np.testing.assert_array_equal(np.linalg.slogdet(EAGER.leaf(a)).sign.numpy(), np.linalg.slogdet(a).sign)
    np.testing.assert_array_equal(grad(lambda a: np.linalg.slogdet(a)[0].sum())(a), np.zeros(a.shape))
    assert np.isfinite(grad(lambda a: np.linalg.slogdet(a)[1])(1e4 * np.eye(200))).all()


@walked(
    "a",
    [
        np.array([[1.0, 2.0], [2.0, 4.0]]),
        np.diag([0.0, 2.0, 3.0]),
        np.diag([0.0, 0.0, 3.0]),
        np.zeros((3, 3)),
        np.zeros((1, 1)),
        np.stack([np.diag([0.0, 2.0]), np.eye(2)]),
    ],
)
def test_determinant_at_singular_matrices(a: Any) -> None:
    agree(np.linalg.det, np.linalg.det, a)


def test_second_order_of_a_zero_determinant() -> None:
    h = hessian(np.linalg.det)(np.zeros((2, 2)))
    assert h[0, 0, 1, 1] == h[1, 1, 0, 0] == 1
    assert h[0, 1, 1, 0] == h[1, 0, 0, 1] == -1
    assert np.abs(h).sum() == 4


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.sampled_from([(), (2,)]))
def test_cholesky(n: int, batch: Any) -> None:
    a = positive(*batch, n=n)
    agree(np.linalg.cholesky, symmetrised(np.linalg.cholesky), a)
    gradient = grad(lambda a: np.linalg.cholesky(a).sum())(a)
    np.testing.assert_allclose(gradient, np.swapaxes(gradient, -1, -2))


def test_upper_cholesky() -> None:
    a = positive()
    np.testing.assert_allclose(decompositions.cholesky(a, upper=True), np.linalg.cholesky(a).T)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 4), st.sampled_from([(), (2,)]))
def test_eigh(n: int, batch: Any) -> None:
    a = positive(*batch, n=n)
    for k in (0, 1):
        agree(lambda a, k=k: np.linalg.eigh(a)[k], symmetrised(lambda a, k=k: np.linalg.eigh(a)[k]), a, tolerance=1e-6)
    agree(np.linalg.eigvalsh, symmetrised(np.linalg.eigvalsh), a)


def test_equal_eigenvalues() -> None:
    """A function of all eigenvalues alone keeps its gradient where they are equal."""
    np.testing.assert_allclose(grad(lambda a: (np.linalg.eigvalsh(a) ** 2).sum())(2 * np.eye(3)), 4 * np.eye(3))
    vectors = jvp(np.linalg.eigh, (np.eye(2),), (np.array([[0.0, 1.0], [1.0, 0.0]]),))[1][1]
    np.testing.assert_array_equal(vectors, np.zeros((2, 2)))


@walked("shape", [(3, 3), (4, 2), (2, 4, 3), (2, 4), (1, 3)])
def test_qr(shape: Any) -> None:
    a = RNG.uniform(-1, 1, shape)
    for k in (0, 1):
        agree(lambda a, k=k: np.linalg.qr(a)[k], lambda a, k=k: np.linalg.qr(a)[k], a, tolerance=1e-6)
    agree(lambda a: np.linalg.qr(a, mode="r"), lambda a: np.linalg.qr(a, mode="r"), a, tolerance=1e-6)


@walked("shape", [(3, 3), (4, 2), (2, 4), (2, 4, 3), (3, 1)])
def test_svd(shape: Any) -> None:
    a = np.zeros(shape)
    a[..., np.arange(min(shape[-2:])), np.arange(min(shape[-2:]))] = 1.0 + np.arange(min(shape[-2:]))
    a += RNG.uniform(-0.3, 0.3, shape)
    for k in range(3):
        f = lambda a, k=k: np.linalg.svd(a, full_matrices=False)[k]  # noqa: E731
        agree(f, f, a, tolerance=1e-6)
    agree(np.linalg.svdvals, np.linalg.svdvals, a)
    product = grad(lambda a: _restored(a).sum())(a)
    np.testing.assert_allclose(product, np.ones(shape), atol=1e-12)


def _restored(a: Any) -> Any:
    u, s, vt = np.linalg.svd(a, full_matrices=False)
    return (u * s[..., None, :]) @ vt


@walked("shape", [(4, 2), (2, 4), (2, 3, 2)])
def test_pinv(shape: Any) -> None:
    a = RNG.uniform(-1, 1, shape)
    a[..., :2, :2] += 2 * np.eye(2)
    agree(np.linalg.pinv, np.linalg.pinv, a)


@walked("columns", [None, 2])
@walked(("n", "m"), [(4, 2), (3, 3), (2, 4)])
def test_lstsq(n: int, m: int, columns: Any) -> None:
    a, b = RNG.uniform(-1, 1, (n, m)), apart(*((n,) if columns is None else (n, columns)))
    a[:2, :2] += 2 * np.eye(2)
    expected = np.linalg.lstsq(a, b)
    got = linalg.lstsq(a, b)
    for own, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(own, other, atol=1e-12)
    agree(lambda a, b: np.linalg.lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0], a, b, tolerance=1e-6)
    if n > m:
        agree(lambda a, b: np.linalg.lstsq(a, b)[1], lambda a, b: np.linalg.lstsq(a, b)[1], a, b, tolerance=1e-6)


def test_lstsq_of_lower_rank() -> None:
    a, b = np.array([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]), np.array([1.0, 2.0, 4.0])
    got, expected = linalg.lstsq(a, b), np.linalg.lstsq(a, b)
    assert got.rank == expected[2] == 1
    assert got.residuals.shape == (0,)
    np.testing.assert_allclose(got.x, expected[0])


# Norms


@walked("order", [None, 1, 2, 3, 2.5, np.inf, -np.inf, -1, -2])
def test_vector_norms(order: Any) -> None:
    x = np.where(np.abs(apart(3, 4)) < 0.1, 0.3, apart(3, 4))
    for keywords in ({"axis": 0}, {"axis": -1, "keepdims": True}):
        f = lambda x, k=keywords: np.linalg.norm(x, order, **k)  # noqa: E731
        agree(f, f, x)
    agree(lambda x: np.linalg.norm(x, order), lambda x: np.linalg.norm(x, order), x[0])
    if order is not None:
        f = lambda x: np.linalg.vector_norm(x, ord=order)  # noqa: E731
        agree(f, f, x)
        f = lambda x: np.linalg.vector_norm(x[None], ord=order, axis=(0, 2), keepdims=True)  # noqa: E731
        agree(f, f, x)


@walked("order", ["fro", "nuc", 1, -1, 2, -2, np.inf, -np.inf])
def test_matrix_norms(order: Any) -> None:
    x = apart(3, 4)
    agree(lambda x: np.linalg.norm(x, order), lambda x: np.linalg.norm(x, order), x)
    agree(lambda x: np.linalg.matrix_norm(x, ord=order), lambda x: np.linalg.matrix_norm(x, ord=order), apart(2, 3, 2))
    for keywords in ({"axis": (0, 2)}, {"axis": (2, 0)}, {"axis": (-1, 0), "keepdims": True}):
        f = lambda x, k=keywords: np.linalg.norm(x, order, **k)  # noqa: E731
        agree(f, f, apart(3, 2, 4))


def test_the_number_of_nonzero_elements_is_a_norm_without_slope() -> None:
    x = np.array([0.0, 2.0, 3.0])
    assert float(np.linalg.norm(EAGER.leaf(x), 0)) == 2
    np.testing.assert_array_equal(grad(lambda x: np.linalg.norm(x, 0) + x.sum())(x), np.ones(3))


@walked("order", [None, 1, 2, 3, 0.5, -1, -2])
def test_norms_at_zero(order: Any) -> None:
    assert vector_norms.norm(np.zeros(3), order) == 0
    assert np.isfinite(grad(lambda x: np.linalg.norm(x, order))(np.array([0.0, 0.0, 0.0]))).all()
    assert np.isfinite(grad(lambda x: np.linalg.norm(x, order))(np.array([0.0, 1.0, 2.0]))).all()


@pytest.mark.parametrize("scale", [1e-200, 1e200])
def test_norms_of_extreme_numbers(scale: float) -> None:
    x = scale * np.array([3.0, 4.0])
    np.testing.assert_allclose(vector_norms.norm(x), 5 * scale)
    np.testing.assert_allclose(grad(np.linalg.norm)(x), [0.6, 0.8])


@walked("name", ["inv", "det", "cholesky", "pinv", "eigvalsh", "svdvals", "norm"])
def test_float32_is_kept(name: str) -> None:
    a = positive().astype(np.float32)
    y, pullback = vjp(getattr(np.linalg, name), a)
    assert y.dtype == np.float32
    assert pullback(np.ones_like(y))[0].dtype == np.float32
    assert jvp(getattr(np.linalg, name), (a,), (a,))[1].dtype == np.float32


@walked("name", ["inv", "det", "slogdet", "solve", "cholesky", "eigh"])
def test_matrices_must_be_square(name: str) -> None:
    args = (np.ones((2, 3)),) * (2 if name == "solve" else 1)
    with pytest.raises(ValueError, match=rf"{name}: got float64\[2, 3\], expected square matrices"):
        getattr(decompositions if name in ("cholesky", "eigh") else linalg, name)(*args)


def test_what_else_is_refused() -> None:
    a = np.ones((2, 3))
    with pytest.raises(np.linalg.LinAlgError, match=r"inv: Singular matrix \(got a float64\[2, 2\]\)"):
        linalg.inv(np.zeros((2, 2)))
    with pytest.raises(ValueError, match="svd: full_matrices=True has no derivative"):
        decompositions.svd(a)
    with pytest.raises(ValueError, match="qr: got mode='complete'"):
        decompositions.qr(a, "complete")
    with pytest.raises(ValueError, match="eigh: got UPLO='X'"):
        decompositions.eigh(np.eye(2), "X")
    with pytest.raises(ValueError, match="pinv: got both rcond"):
        linalg.pinv(a, 0.1, rtol=0.1)
    with pytest.raises(ValueError, match="lstsq: got a"):
        linalg.lstsq(a, np.ones(3))
    with pytest.raises(ValueError, match="norm: got ord='fro' for vectors"):
        vector_norms.norm(np.ones(2), "fro")
    with pytest.raises(ValueError, match="norm: got ord=3 for matrices"):
        vector_norms.norm(a, 3)
    with pytest.raises(ValueError, match="norm: got ord=1 for 3 axes"):
        vector_norms.norm(np.ones((2, 2, 2)), 1)
    with pytest.raises(ValueError, match="expected one axis for vectors or two"):
        vector_norms.norm(np.ones((2, 2, 2)), 1, (0, 1, 2))
