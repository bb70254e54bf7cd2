"""Systems of equations, inverses and Cholesky factors as tasks: NumPy's results, and NumPy's errors."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.kernels.native import lapack
from chainrule.kernels.suitable import HAS_COMPILER

from ..named import named

HAS_LAPACK = HAS_COMPILER and all(lapack.place_of(name, np.float64) for name in lapack.NAMES)
needs_lapack = pytest.mark.skipif(not HAS_LAPACK, reason="NumPy has a LAPACK that is not known: it is called instead")


def turned(x: Any) -> Any:
    return np.swapaxes(x, -1, -2)


def regular(rng: Any, batch: tuple[int, ...], n: int, dtype: Any) -> Any:
    return (rng.normal(size=(*batch, n, n)) + 2 * n * np.eye(n)).astype(dtype)


FUNCTIONS = {
    "solve": lambda a, b: np.linalg.solve(a, b),
    "solve with the transpose": lambda a, b: np.linalg.solve(turned(a), b) + np.linalg.solve(a, b),
    "inverse": lambda a, b: np.linalg.inv(a) @ b + turned(np.linalg.inv(turned(a))),
    "by a Cholesky factor": lambda a, b: np.linalg.solve(turned(factor(a)), np.linalg.solve(factor(a), b)),
    "factor": lambda a, b: factor(a) @ b,
    "slices": lambda a, b: np.linalg.solve(a[..., ::-1, :], b[..., ::-1]),
}


def factor(a: Any) -> Any:
    return np.linalg.cholesky(a @ turned(a) + np.eye(a.shape[-1], dtype=a.dtype))


SHAPES: list[Any] = [
    ((3,), 2, 2),
    *(pytest.param(s, marks=pytest.mark.slow) for s in (((), 4, 4), ((2, 1), 3, 3), ((), 1, 1))),
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_gradients_are_those_of_the_functions(dtype: Any, shape: Any) -> None:
    rng, rtol = np.random.default_rng(0), 1e-3 if dtype is np.float32 else 1e-9
    batch, n, k = shape
    a, b = regular(rng, batch, n, dtype), rng.normal(size=(*batch, n, k)).astype(dtype)
    for name, f in FUNCTIONS.items():
        with named(name, batch):
            both = cr.value_and_grad(lambda a, b, f=f: (f(a, b) ** 2).sum() + np.sin(f(a, b)).sum(), (0, 1))
            compiled = cr.compile(both)
            for scale in (1.0, -0.5):
                given_now = np.asarray(scale * a, dtype), b
                pairs = (cr.core.tree.flatten(g(*given_now))[0] for g in (compiled, both))
                for found, expected in zip(*pairs, strict=True):
                    np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
                    assert np.asarray(found).dtype == np.asarray(expected).dtype
            if HAS_LAPACK:
                assert len(compiled.plan.calls) == 1


@pytest.mark.slow
@given(
    st.integers(1, 40), st.integers(1, 40), st.sampled_from([(), (1,), (3,)]), st.sampled_from([(), (3,)]),
    st.sampled_from(["vector", "matrix"]), st.integers(0, 9),
)  # fmt: skip
def test_systems_of_any_size(n: int, k: int, batch: Any, more: Any, kind: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = regular(rng, batch, n, np.float64), rng.normal(size=(*more, n, k))
    if kind == "vector":
        b = b[(0,) * len(more)][:, 0]

    def f(a: Any, b: Any) -> Any:
        low = factor(a)
        return np.linalg.solve(a, b), np.linalg.solve(low, b), np.linalg.solve(turned(low), b), low

    for found, expected in zip(cr.compile(f)(a, b), f(a, b), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_errors_are_numpys(dtype: Any) -> None:
    eye, none = np.eye(3, dtype=dtype), np.zeros((3, 3), dtype)
    cases: list[tuple[Any, Any, str]] = [
        (lambda a: np.linalg.solve(a, eye) + 1, none, "Singular"),
        (lambda a: np.linalg.inv(2 * a), none, "Singular"),
        (lambda a: np.linalg.cholesky(a) @ a, -eye, "positive definite"),
        (lambda a: np.linalg.cholesky(np.stack([eye, a])), -eye, "positive definite"),
    ]
    for f, bad, message in cases:
        with named(message):
            compiled = cr.compile(f)
            compiled(eye)
            for _ in range(2):
                with pytest.raises(np.linalg.LinAlgError, match=message):
                    compiled(bad)
                np.testing.assert_allclose(compiled(2 * eye), f(2 * eye), rtol=1e-6)


@needs_lapack
def test_a_lower_triangle_that_is_no_factor_is_solved_as_any_matrix() -> None:
    """Only what `cholesky` has made is known to be triangular."""
    rng = np.random.default_rng(0)
    a, b = regular(rng, (), 5, np.float64), rng.normal(size=(5, 2))
    for f in (
        lambda a, b: np.linalg.solve(factor(a) + a, b),
        lambda a, b: np.linalg.solve(factor(a).T.T @ factor(a), b),
        lambda a, b: np.linalg.solve(np.tril(a), b),
    ):
        np.testing.assert_allclose(cr.compile(f)(a, b), f(a, b), rtol=1e-10)


def test_other_types_and_no_matrices_are_left_to_numpy() -> None:
    for a, b in ((np.eye(2) + 1j, np.ones((2, 1))), (np.zeros((0, 3, 3)), np.zeros((0, 3, 2)))):
        np.testing.assert_allclose(cr.compile(np.linalg.solve)(a, b), np.linalg.solve(a, b))
    many = np.stack([np.eye(2) * k for k in range(1, 99)])
    np.testing.assert_allclose(cr.compile(np.linalg.inv)(many), np.linalg.inv(many))
