"""Sparse Jacobians: the pattern lacks no entry, the passes are as few as the groups, the numbers are the dense ones."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.core.operation import REGISTRY, Operation
from chainrule.core.transforms import sparse
from chainrule.core.transforms.sparse import Compressed, groups

from ..rules.calls import Call, cases_of

OPERATIONS = [
    op for _, op in sorted(REGISTRY.items()) if op.__module__.startswith("chainrule.") and op.kind != "constant"
]


def dense(matrix: Any) -> Any:
    return matrix.toarray() if hasattr(matrix, "toarray") else np.asarray(matrix)


@pytest.mark.parametrize("op", OPERATIONS, ids=lambda op: op.name)
def test_no_entry_of_any_operation_is_missing(op: type[Operation]) -> None:
    for number, one in enumerate(cases_of(op)):
        call = Call.drawn(op, one, np.random.default_rng(number))
        for k in call.moving:

            def f(x: Any, call: Call = call, k: int = k) -> Any:
                args = list(call.args)
                args[k] = x
                y = call.op.apply(*args, **{**call.op.defaults, **call.settings})
                return np.concatenate([part.ravel() for part in y]) if call.op.several else y.ravel()

            x = call.args[k]
            if not x.size:
                continue
            with np.errstate(all="ignore"):
                pattern = dense(cr.sparsity_pattern(f, x))
                whole = cr.jacobian(f)(x).reshape(pattern.shape)
                np.testing.assert_array_equal(pattern | (whole == 0), True, err_msg=f"{op.name}, argument {k}")
                found = dense(cr.jacobian(f, sparsity="detect")(x))
            np.testing.assert_allclose(found, whole, rtol=1e-9, atol=1e-12)


def count_passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    rows: list[int] = []
    directions = Compressed._directions

    def counted(self: Compressed, *args: Any) -> Any:
        for stack in directions(self, *args):
            rows.append(len(stack))
            yield stack

    monkeypatch.setattr(Compressed, "_directions", counted)
    return rows


def second_difference(x: Any) -> Any:
    y = x**3
    inside = y[2:] - 2 * y[1:-1] + y[:-2]
    return np.concatenate([[0.0], inside, [0.0]]) + x


@pytest.mark.parametrize("n", [1000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_tridiagonal_matrix_takes_three_passes(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = count_passes(monkeypatch)
    x = np.linspace(0.5, 1.0, n)
    matrix = cr.jacobian(second_difference, sparsity="detect")(x)
    assert (matrix.shape, sum(rows)) == ((n, n), 3)
    square = 3 * x**2
    np.testing.assert_allclose(matrix.diagonal()[1:-1], 1 - 2 * square[1:-1])
    np.testing.assert_allclose(matrix.diagonal(1)[1:], square[2:])
    np.testing.assert_allclose(matrix.diagonal(-1)[:-1], square[:-2])


def test_a_given_pattern_is_checked_by_one_more_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = count_passes(monkeypatch)
    x = np.linspace(0.5, 1.0, 30)
    pattern = np.eye(30) + np.eye(30, k=1) + np.eye(30, k=-1)
    expected = cr.jacobian(second_difference)(x)
    np.testing.assert_allclose(dense(cr.jacobian(second_difference, sparsity=pattern)(x)), expected)
    assert sum(rows) == 4
    for mode in ("forward", "reverse"):
        found = cr.jacobian(second_difference, mode=mode, sparsity=cr.sparsity_pattern(second_difference, x))(x)
        np.testing.assert_allclose(dense(found), expected)
        with pytest.raises(ValueError, match="the pattern lacks entries of"):
            cr.jacobian(second_difference, mode=mode, sparsity=np.eye(30))(x)


def test_rows_are_grouped_if_that_takes_fewer_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = count_passes(monkeypatch)
    x = np.arange(1.0, 41.0)
    f = lambda x: np.stack([x[:20].prod() ** 0.05, x[20:].sum()])  # noqa: E731 - two rows without a column in common
    np.testing.assert_allclose(dense(cr.jacobian(f, sparsity="detect")(x)), cr.jacobian(f)(x))
    assert sum(rows) == 1


def test_hessians_and_products_with_constant_matrices(monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.linspace(-1, 1, 40)
    energy = lambda x: (np.diff(x) ** 4).sum() + np.cos(x).sum()  # noqa: E731
    rows = count_passes(monkeypatch)
    found = cr.hessian(energy, sparsity="detect")(x)
    np.testing.assert_allclose(dense(found), cr.hessian(energy)(x), atol=1e-14)
    assert sum(rows) == 3
    band = np.tri(40, k=1) * np.tri(40, k=1).T
    f = lambda x: np.tanh(band @ x)  # noqa: E731
    pattern = cr.sparsity_pattern(f, x)
    np.testing.assert_array_equal(dense(pattern), band != 0)
    np.testing.assert_allclose(dense(cr.jacobian(f, sparsity="detect")(x)), cr.jacobian(f)(x))


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.integers(1, 12), st.floats(0, 1))
def test_no_two_columns_of_a_group_share_a_row(seed: int, n: int, m: int, share: float) -> None:
    pattern = np.random.default_rng(seed).random((n, m)) < share
    found = groups(*np.nonzero(pattern), m)
    for number in range(found.max() + 1):
        assert (pattern[:, found == number].sum(axis=1) <= 1).all()
    assert found.max() + 1 <= m
    assert found.max() + 1 >= pattern.sum(axis=1).max()


def test_shapes_dtypes_and_trees() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3) + 1
    found = cr.jacobian(lambda x: {"y": x[0] * x[1]}, sparsity="detect")(x)
    assert (found.shape, found.dtype) == ((3, 6), np.float32)
    assert cr.jacobian(lambda x: x * 0 + 3, sparsity="detect")(x).shape == (6, 6)
    assert cr.jacobian(lambda x: np.ones(4), sparsity="detect")(x).shape == (4, 6)
    found = cr.jacobian(lambda a, x: a * x["w"], argnums=1, sparsity="detect")(2.0, {"w": x})
    np.testing.assert_array_equal(dense(found), 2 * np.eye(6))
    np.testing.assert_array_equal(
        dense(cr.jacobian(np.sin, sparsity="detect")(cr.tensor(x))), np.diag(np.cos(x.ravel()))
    )


def test_without_scipy_it_is_a_dense_array(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparse, "scipy_sparse", lambda: None)
    x = np.arange(3.0)
    assert type(cr.jacobian(np.sin, sparsity="detect")(x)) is np.ndarray
    np.testing.assert_array_equal(cr.jacobian(np.sin, sparsity="detect")(x), np.diag(np.cos(x)))
    assert type(cr.sparsity_pattern(np.sin, x)) is np.ndarray


@walked(
    ("call", "error", "said"),
    [
        (lambda x: cr.jacobian(np.sin, sparsity="find")(x), ValueError, "'detect' or a pattern, got 'find'"),
        (lambda x: cr.jacobian(np.sin, sparsity=np.ones(3))(x), ValueError, r"must be a matrix.*shape \(3,\)"),
        (lambda x: cr.jacobian(np.sin, sparsity=np.eye(4))(x), ValueError, r"\(4, 4\), expected \(3, 3\)"),
        (lambda x: cr.jacobian(np.add, (0, 1), sparsity="detect")(x, x), TypeError, "one array as the argument"),
        (lambda x: cr.jacobian(lambda x: (x, x), sparsity="detect")(x), TypeError, "must return one array"),
        (lambda x: cr.jacobian(lambda x: (x, x), sparsity=np.eye(3))(x), TypeError, "must return one array"),
        (lambda x: cr.grad(lambda x: cr.jacobian(np.sin, sparsity="detect")(x).sum())(x), cr.GradientError, "lost"),
        (lambda x: cr.hessian(np.sum, sparsity="detect")(cr.tensor(x, requires_grad=True)), cr.GradientError, "detach"),
        (lambda x: cr.vmap(cr.jacobian(np.sin, sparsity="detect"))(x[None]), cr.GradientError, "leave sparsity= out"),
        (lambda x: cr.grad(lambda a: cr.jacobian(lambda x: a * x, sparsity=np.eye(3))(x))(2.0), RuntimeError, "lost"),
    ],
)  # fmt: skip
def test_what_is_refused(call: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        call(np.arange(3.0))


def test_too_large_a_pattern_is_refused_and_not_made() -> None:
    x = np.ones(20_000)
    with pytest.raises(ValueError, match="20000 values each depend on 20000 inputs"):
        cr.jacobian(lambda x: cr.softmax(x), sparsity="detect")(x)
