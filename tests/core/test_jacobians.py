"""Jacobians and Hessians: against the analytic ones, against each other, and by the number of passes they take."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

A = np.arange(6.0).reshape(2, 3) + 1


@walked("transform", [cr.jacrev, cr.jacfwd, cr.jacobian])
def test_against_the_analytic_jacobian(transform: Any) -> None:
    x = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(transform(lambda x: A @ (x * x))(x), A * 2 * x)
    outer = transform(lambda x: x.reshape(3, 1) * x)(x)
    unit = np.eye(3)
    expected = np.einsum("ik,j->ijk", unit, x) + np.einsum("jk,i->ijk", unit, x)
    np.testing.assert_allclose(outer, expected)
    assert transform(lambda x: x * x)(3.0) == 6.0


@walked("mode", ["auto", "forward", "reverse"])
@walked(("n", "m"), [(0, 0), (0, 3), (3, 0), (2, 3), (3, 2)])
def test_every_size_in_every_mode(mode: Any, n: int, m: int) -> None:
    matrix = np.random.default_rng(0).normal(size=(m, n))
    found = cr.jacobian(lambda x: matrix @ x, mode=mode)(np.ones(n))
    assert found.shape == (m, n)
    np.testing.assert_allclose(found, matrix)


def test_an_empty_tensor_gives_a_tensor() -> None:
    for transform in (cr.jacrev, cr.jacfwd):
        for x in (cr.zeros(0), cr.zeros(2)):
            assert isinstance(transform(lambda x: x[:0] * 2)(x), cr.Tensor)


def test_float32_stays_float32() -> None:
    x = np.ones(2, np.float32)
    for transform in (cr.jacrev, cr.jacfwd, cr.hessian):
        assert transform(lambda x: (x * x).sum())(x).dtype == np.float32


def test_the_output_may_be_a_tree() -> None:
    x = np.array([1.0, 2.0])
    for transform in (cr.jacrev, cr.jacfwd):
        found = transform(lambda x: {"square": x * x, "sum": (x.sum(), None)})(x)
        np.testing.assert_array_equal(found["square"], np.diag(2 * x))
        np.testing.assert_array_equal(found["sum"][0], [1.0, 1.0])
        assert found["sum"][1] is None


def test_the_structure_is_that_of_jax(jax: Any) -> None:
    p = {"w": np.array([[1.0, 2.0]]), "b": [np.array(3.0), np.array([1.0, 2.0, 3.0])]}
    x = np.array([0.5, -1.0])

    def f(p: Any, x: Any) -> Any:
        return {"a": p["w"] * x * p["b"][0], "c": (p["b"][1] * x[0],)}

    def loss(p: Any, x: Any) -> Any:
        return (p["w"] ** 2 * x).sum() * p["b"][0] + (p["b"][1] ** 3).sum() * x[1]

    for argnums in (0, (0, 1)):
        expected = jax.jit(jax.jacrev(f, argnums))(p, x)
        for ours in (cr.jacrev, cr.jacfwd, cr.jacobian):
            _same_trees(jax, ours(f, argnums)(p, x), expected)
    _same_trees(jax, cr.hessian(loss, (0, 1))(p, x), jax.jit(jax.hessian(loss, (0, 1)))(p, x))


def _same_trees(jax: Any, ours: Any, theirs: Any) -> None:
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)
        assert a.shape == b.shape


class Counted:
    """x -> M x, and how often each of its rules ran."""

    def __init__(self, matrix: Any) -> None:
        self.forward = self.reverse = 0

        @cr.custom
        def times(x: Any) -> Any:
            return matrix @ x

        @times.def_vjp
        def backward(y_bar: Any, x: Any) -> Any:
            self.reverse += 1
            return matrix.T @ y_bar

        @times.def_jvp
        def push(primals: Any, tangents: Any) -> Any:
            self.forward += 1
            return matrix @ tangents[0]

        self.operation = times


@given(st.integers(1, 5), st.integers(1, 5))
def test_auto_takes_the_fewer_passes(n: int, m: int) -> None:
    matrix = np.arange(float(m * n)).reshape(m, n)
    counted = Counted(matrix)
    np.testing.assert_array_equal(cr.jacobian(counted.operation)(np.ones(n)), matrix)
    assert (counted.forward, counted.reverse) == ((n, 0) if n < m else (0, m))


def test_the_function_runs_once_and_by_auto_at_most_twice() -> None:
    runs = []

    def f(x: Any) -> Any:
        runs.append(1)
        return np.tanh(matrix @ x)

    def evaluations(transform: Any, x: Any) -> int:
        runs.clear()
        transform(f)(x)
        return len(runs)

    matrix, x = np.ones((4, 3)), np.ones(3)
    assert evaluations(cr.jacrev, x) == evaluations(cr.jacfwd, x) == 1
    assert evaluations(cr.jacobian, x) == 2  # once for the size, once for forward mode
    assert evaluations(lambda f: cr.jacobian(f, mode="forward"), x) == 1
    matrix, x = np.ones((3, 4)), np.ones(4)
    assert evaluations(cr.jacobian, x) == 1  # the tape that shows the size is the one that is walked
    assert evaluations(lambda f: cr.hessian(lambda x: f(x).sum()), x) == 1


def test_an_unknown_mode() -> None:
    with pytest.raises(ValueError, match="mode must be 'auto', 'forward' or 'reverse', got 'back'"):
        cr.jacobian(lambda x: x, mode="back")  # type: ignore[arg-type]


@pytest.mark.slow
@given(st.lists(st.floats(-2, 2), min_size=3, max_size=3))
def test_hessian_and_hvp(values: list[float]) -> None:
    x, v = np.array(values), np.array([1.0, -2.0, 0.5])

    def f(x: Any) -> Any:
        return x[0] ** 3 * x[1] + x[2] ** 2 * x[0]

    a, b, c = values
    expected = np.array([[6 * a * b, 3 * a**2, 2 * c], [3 * a**2, 0, 0], [2 * c, 0, 2 * a]])
    np.testing.assert_allclose(cr.hessian(f)(x), expected, atol=1e-12)
    np.testing.assert_allclose(cr.hvp(f, (x,), (v,)), expected @ v, atol=1e-12)
    np.testing.assert_allclose(cr.jacrev(cr.jacfwd(f))(x), expected, atol=1e-12)
    np.testing.assert_allclose(cr.jacfwd(cr.jacfwd(f))(x), expected, atol=1e-12)


def test_hvp_of_several_primals() -> None:
    a, b = cr.hvp(lambda x, p: x * x * p["w"], (2.0, {"w": 3.0}), (1.0, {"w": 10.0}))
    assert a == 2 * 3.0 * 1 + 2 * 2.0 * 10
    assert b == {"w": 2 * 2.0}


def test_the_hessian_by_two_arguments() -> None:
    (aa, ab), (ba, bb) = cr.hessian(lambda a, b: a * a * b, (0, 1))(2.0, 3.0)
    assert (aa, ab, ba, bb) == (6.0, 4.0, 4.0, 0.0)


def test_an_empty_hessian() -> None:
    assert cr.hessian(lambda x: (x * x).sum())(np.zeros(0)).shape == (0, 0)


def test_tensors_give_tensors() -> None:
    x = cr.tensor([1.0, 2.0])
    for transform in (cr.jacrev, cr.jacfwd, cr.jacobian):
        found = transform(lambda x: x * x)(x)
        assert isinstance(found, cr.Tensor)
        np.testing.assert_array_equal(found.numpy(), np.diag([2.0, 4.0]))
    assert isinstance(cr.hessian(lambda x: (x * x).sum())(x), cr.Tensor)


def test_a_jacobian_can_be_differentiated() -> None:
    def trace(x: Any) -> Any:
        return (cr.jacobian(lambda x: x * x * x)(x) * np.eye(2)).sum()

    np.testing.assert_allclose(cr.grad(trace)(np.array([1.0, 2.0])), [6.0, 12.0])


def test_a_derivative_belongs_to_the_caller() -> None:
    constant = np.arange(3.0)

    @cr.custom
    def product(x: Any) -> Any:
        return np.dot(constant, x)

    @product.def_vjp
    def _(y_bar: Any, x: Any) -> Any:
        return constant

    x, number = np.ones(3), np.array([2.0])
    for transform in (cr.grad, cr.jacrev, cr.jacobian):
        for f, given_to in ((product, x), (lambda x: constant @ x, x), (lambda x: x, number), (np.sum, x)):
            found = transform(f)(given_to)
            found += 1
            np.testing.assert_array_equal(constant, [0, 1, 2])
            np.testing.assert_array_equal(x, 1)
            np.testing.assert_array_equal(number, 2)


def test_a_hessian_of_a_tree_inside_a_gradient() -> None:
    def energy(p: Any, scale: Any) -> Any:
        return scale * (p["a"] ** 3).sum() * p["b"]

    def total(scale: Any) -> Any:
        blocks = cr.hessian(energy)({"a": np.array([1.0, 2.0]), "b": 3.0}, scale)
        return blocks["a"]["a"].sum() + blocks["a"]["b"].sum() + blocks["b"]["b"]

    # The diagonal 6 a b, then 3 a squared: 54 + 15
    assert float(cr.grad(total)(2.0)) == pytest.approx(69.0)
