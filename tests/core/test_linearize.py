"""`linearize`: one evaluation, and then tangents as `jvp` gives them, to the last bit."""

import gc
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr

A = np.arange(6.0).reshape(2, 3) / 5


def body(x: Any) -> Any:
    y = np.tanh(A @ (x * x)) + np.exp(x[:2])
    return np.stack([y, np.sin(y)]).sum(axis=0) * y[0]


@given(st.integers(0, 99))
def test_it_is_jvp(seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, v = rng.normal(size=3), rng.normal(size=3)
    y, f_jvp = cr.linearize(body, x)
    for dot in (v, -2 * v, np.zeros(3)):
        expected, y_dot = cr.jvp(body, (x,), (dot,))
        np.testing.assert_array_equal(y, expected)
        np.testing.assert_array_equal(f_jvp(dot), y_dot)


def test_it_is_the_transpose_of_the_pullback() -> None:
    x, v, y_bar = np.array([0.3, -1.0, 2.0]), np.array([1.0, 2.0, -1.0]), np.array([0.5, -3.0])
    f_jvp, pullback = cr.linearize(body, x)[1], cr.vjp(body, x)[1]
    np.testing.assert_allclose(f_jvp(v) @ y_bar, pullback(y_bar)[0] @ v, rtol=1e-13)


def test_the_function_runs_once() -> None:
    runs = []

    def f(x: Any) -> Any:
        runs.append(1)
        return x * x

    _, f_jvp = cr.linearize(f, 3.0)
    assert [f_jvp(float(k)) for k in range(4)] == [0.0, 6.0, 12.0, 18.0]
    assert len(runs) == 1


def test_trees_and_several_primals() -> None:
    def f(p: Any, x: Any) -> Any:
        return {"y": p["w"] * x, "none": None, "z": (p["b"] + x, x, 5.0)}

    p = {"w": np.array([1.0, 2.0]), "b": 3.0}
    y, f_jvp = cr.linearize(f, p, 2.0)
    assert y["y"].tolist() == [2.0, 4.0]
    y_dot = f_jvp({"w": np.ones(2), "b": 0.5}, 1.0)
    assert y_dot["y"].tolist() == [3.0, 4.0]
    assert y_dot["z"] == (1.5, 1.0, 0.0)
    assert y_dot["none"] is None


def test_several_outputs_of_one_operation() -> None:
    x, v = np.array([[2.0, 1.0], [1.0, 3.0]]), np.array([[1.0, 0.5], [0.5, -1.0]])

    def f(x: Any) -> Any:
        values, vectors = np.linalg.eigh(x)
        return values, vectors[0] * vectors[0]

    for got, expected in zip(cr.linearize(f, x)[1](v), cr.jvp(f, (x,), (v,))[1], strict=True):
        np.testing.assert_array_equal(got, expected)
    assert cr.linearize(lambda x: np.linalg.eigh(x)[0], x)[1](v).shape == (2,)


def test_tensors_in_tensors_out() -> None:
    y, f_jvp = cr.linearize(lambda x: x * x, cr.tensor([1.0, 2.0]))
    y_dot = f_jvp(cr.tensor([1.0, 1.0]))
    assert isinstance(y, cr.Tensor)
    assert isinstance(y_dot, cr.Tensor)
    assert y_dot.tolist() == [2.0, 4.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_a_tangent_has_the_dtype_of_the_value(dtype: Any) -> None:
    assert cr.linearize(lambda x: x * x, np.ones(3, dtype))[1](np.ones(3)).dtype == dtype


def test_tangents_are_checked() -> None:
    _, f_jvp = cr.linearize(lambda a, b: a * b, np.ones(2), 2.0)
    with pytest.raises(ValueError, match="f_jvp: expected a tangent for each of 2 primals, got 1"):
        f_jvp(np.ones(2))
    with pytest.raises(ValueError, match=r"f_jvp: tangents: expected shape \(2,\), got \(3,\)"):
        f_jvp(np.ones(3), 1.0)
    with pytest.raises(TypeError, match="complex128"):
        f_jvp(np.ones(2), 1j)
    with pytest.raises(TypeError, match="linearize: primal 0: got dtype int64"):
        cr.linearize(lambda x: x, 3)


def test_it_nests() -> None:
    x = 0.7
    third = -np.cos(x)

    def by_linearize(f: Any) -> Any:
        return lambda x: cr.linearize(f, x)[1](1.0)

    for outer in (cr.grad, by_linearize):
        for middle in (cr.grad, by_linearize):
            for inner in (cr.grad, by_linearize):
                np.testing.assert_allclose(outer(middle(inner(np.sin)))(x), third, rtol=1e-13)
    np.testing.assert_allclose(cr.grad(by_linearize(cr.checkpoint(np.sin)))(x), -np.sin(x), rtol=1e-13)


def test_f_jvp_is_linear_for_an_outer_transform() -> None:
    _, f_jvp = cr.linearize(lambda x: x * x, 3.0)
    assert cr.grad(f_jvp)(1.0) == 6.0
    assert cr.jvp(f_jvp, (1.0,), (2.0,)) == (6.0, 12.0)
    w = cr.tensor(2.0, requires_grad=True)
    cr.linearize(lambda x: x * x * w, 3.0)[1](1.0).backward()
    assert float(w.grad) == 6.0


def test_no_grad_inside_and_around() -> None:
    def f(x: Any) -> Any:
        with cr.no_grad():
            constant = x * x
        return constant * x

    _, f_jvp = cr.linearize(f, 3.0)
    with cr.no_grad():
        assert f_jvp(1.0) == 9.0
        assert cr.linearize(lambda x: x * x, 3.0)[1](1.0) == 6.0


def test_custom_operations_need_the_forward_rule_only() -> None:
    operation = cr.custom(lambda x: x**3)
    with pytest.raises(cr.MissingRuleError, match="no rule for forward mode"):
        cr.linearize(operation, 2.0)[1](1.0)
    operation.def_jvp(lambda primals, tangents: 3 * primals[0] ** 2 * tangents[0])
    assert cr.linearize(operation, 2.0)[1](1.0) == 12.0


def test_a_value_changed_in_place_meanwhile() -> None:
    w = cr.tensor([1.0, 2.0], requires_grad=True)
    _, f_jvp = cr.linearize(lambda x: (x * w).sum(), np.ones(2))
    assert float(f_jvp(np.ones(2)).detach()) == 3.0
    w.data[0] = 5.0
    with pytest.raises(cr.InPlaceError, match="linearize: a value was changed in place after multiply used it"):
        f_jvp(np.ones(2))
    other = cr.tensor(1.0, requires_grad=True)
    _, f_jvp = cr.linearize(lambda x: x + x * other, 1.0)
    w.data[0] = 6.0  # concerns nothing that this one needs
    assert float(f_jvp(1.0).detach()) == 2.0


def test_only_what_leads_to_the_output_is_kept() -> None:
    size, array = 100_000, 800_000
    cr.linearize(lambda x: np.tanh(x) + x, np.ones(3))  # compiles the rules
    x = np.ones(size)

    def f(x: Any) -> Any:
        for _ in range(10):
            np.tanh(x)  # unused
            x = x + x.sum() * 0.0
        return x * 2.0

    gc.collect()
    tracemalloc.start()
    y, f_jvp = cr.linearize(f, x)
    kept, _ = tracemalloc.get_traced_memory()
    assert kept < 3 * array
    tracemalloc.reset_peak()
    y_dot = f_jvp(x)
    assert tracemalloc.get_traced_memory()[1] - kept < 5 * array
    tracemalloc.stop()
    assert y.shape == y_dot.shape


@pytest.mark.slow
def test_a_chain_much_deeper_than_recursion_may_be() -> None:
    def chain(x: Any) -> Any:
        for _ in range(20_000):
            x = x * 1.00001
        return x

    np.testing.assert_allclose(cr.linearize(chain, 1.0)[1](1.0), 1.00001**20_000)
