"""Results that are computed where they are joined: rows behind rows, columns beside columns, and parts of parts."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.named import named, walked

import chainrule as cr
from chainrule.compile.plan.footprint import footprint, may_meet
from chainrule.nn import functional as F

RNG = np.random.default_rng(0)


def agrees(f: Any, *given: Any) -> Any:
    """Return the compiled function, after comparing what it returns with what the function returns, twice."""
    compiled = cr.compile(f)
    for scale in (1.0, 0.5):  # the second call finds what the first one left
        arrays = [scale * x for x in given]
        for found, expected in zip(compiled(*arrays), f(*arrays), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-13)
    return compiled


def joins(compiled: Any) -> list[Any]:
    return [step for step in compiled.plan.steps if step.joins]


def test_columns_are_computed_beside_one_another() -> None:
    def f(x: Any, w: Any) -> Any:
        a, b, c = np.tanh(x), x @ w, x * x
        return (np.exp(np.concatenate([a, b, c], axis=1)) @ np.ones((12, 2)) + (b @ w)[:, :2],)

    compiled = agrees(f, RNG.normal(size=(3, 4)), RNG.normal(size=(4, 4)))
    (step,) = joins(compiled)
    assert not step.copies
    assert step.run is None


def test_the_gates_of_a_recurrence_leave_nothing_to_copy() -> None:
    def gradient(x: Any, w: Any) -> Any:
        def loss(w: Any) -> Any:
            h, total = np.zeros((3, 4)), 0.0
            for t in range(5):
                z = x[:, t] @ w[:4] + h @ w[4:]
                h = F.sigmoid(z[:, :4]) * np.tanh(z[:, 4:])
                total = total + (h * h).sum()
            return total

        return (cr.grad(loss)(w),)

    compiled = agrees(gradient, RNG.normal(size=(3, 5, 4)), RNG.normal(size=(8, 8)))
    gates = [step for step in compiled.plan.steps if step.name == "assembled" and step.outputs[0].shape == (3, 8)]
    assert len(gates) == 5
    assert all(step.joins and not step.copies for step in gates)


def test_a_part_of_a_part_is_computed_in_the_outer_one() -> None:
    def f(x: Any) -> Any:
        left = np.concatenate([np.tanh(x), x * x], axis=1)
        return (np.tanh(np.concatenate([left, np.exp(x)], axis=1)).sum(axis=0), left @ np.ones((8, 3)))

    compiled = agrees(f, RNG.normal(size=(3, 4)))
    assert len(joins(compiled)) == 2
    assert not any(step.copies for step in joins(compiled))


def test_rows_in_columns_are_not_taken_for_contiguous() -> None:
    def f(x: Any) -> Any:
        rows = np.concatenate([np.sort(x, axis=1), np.exp(x)])  # sorting writes to adjacent rows only
        return (np.tanh(np.concatenate([rows, 2 * rows], axis=1)) @ np.ones((8, 2)),)

    agrees(f, RNG.normal(size=(3, 4)))


def test_what_is_returned_or_renamed_lies_by_itself() -> None:
    def f(x: Any) -> Any:
        a, b = np.tanh(x), np.exp(x)
        return np.concatenate([a, b], axis=1) * 2, a, b.reshape(2, -1) + 1

    agrees(f, RNG.normal(size=(4, 3)))


@pytest.mark.slow
@given(st.data())
@settings(max_examples=30, deadline=None)
def test_joints_along_both_axes_in_any_order(data: Any) -> None:
    """Random programs of joins, slices, products and loops, with their gradients: only the last values go out."""
    names = st.sampled_from(["rows", "columns", "columns", "tanh", "add", "left", "right", "product", "turned", "sum"])
    plan = [(data.draw(names), data.draw(st.integers(0, 99)), data.draw(st.integers(0, 99))) for _ in range(8)]

    def values(x: Any) -> Any:
        made = [x, np.exp(x)]
        for what, k, j in plan:
            a, b = made[-1 - k % min(len(made), 4)], made[-1 - j % min(len(made), 4)]
            if what == "rows" and a.shape[1] == b.shape[1] and a.size + b.size < 200:
                made.append(np.concatenate([a, b]))
            elif what == "columns" and len(a) == len(b) and a.size + b.size < 200:
                made.append(np.concatenate([a, b], axis=1))
            elif what == "add" and a.shape == b.shape:
                made.append(a + 2 * b)
            elif what in ("left", "right") and a.shape[1] > 1:
                half = a.shape[1] // 2
                made.append(np.sin(a[:, :half] if what == "left" else a[:, half:]))
            elif what == "product":
                made.append(np.tanh(a) @ np.ones((a.shape[1], 3)) / 9)
            elif what == "turned" and len(a) == len(b):
                made.append(a.T @ b / 9)
            elif what == "sum":
                made.append(a - a.sum(axis=0) / 9)
            else:
                made.append(np.tanh(a) / 2)
        return made[-1]

    def f(x: Any) -> Any:
        return values(x), cr.grad(lambda x: (values(x) ** 2).sum())(x)

    agrees(f, np.linspace(-1, 1, 12).reshape(3, 4))


views = st.tuples(st.integers(0, 5), st.integers(1, 6), st.integers(0, 7), st.integers(1, 8), st.integers(1, 2))


@given(views, views)
def test_where_arrays_lie_decides_whether_they_may_meet(a: Any, b: Any) -> None:
    whole = np.zeros((6, 8), np.float32)
    x, y = (whole[r : r + m : s, c : c + n] for r, m, c, n, s in (a, b))
    if np.shares_memory(x, y):
        assert may_meet(footprint(x), footprint(y))
    elif x.strides == y.strides and x.shape[0] > 1 < y.shape[0] and 8 not in (x.shape[1], y.shape[1]):
        apart = x.shape[1] + y.shape[1] <= 8 and (a[2] + x.shape[1] <= b[2] or b[2] + y.shape[1] <= a[2])
        assert not apart or not may_meet(footprint(x), footprint(y))


@given(st.integers(1, 3), st.integers(0, 3), st.integers(0, 3), st.integers(1, 4), st.integers(1, 4))
def test_where_every_second_row_of_several_images_lies(n: int, i: int, j: int, step: int, other: int) -> None:
    whole = np.zeros((n, 4, 3, 2), np.float32)
    x, y = whole[:, i::step], whole[:, j::other]
    if np.shares_memory(x, y):
        assert may_meet(footprint(x), footprint(y))
    elif step == other == 2:
        assert not may_meet(footprint(x), footprint(y))


def test_gradients_of_every_second_row_and_column_are_joined() -> None:
    def f(x: Any) -> Any:
        halves = [x[:, k::2] for k in (0, 1)]
        quarters = [half[:, :, k::2] for half in halves for k in (0, 1)]
        return (np.concatenate(quarters, axis=-1) @ np.arange(12.0).reshape(4, 3) / 9).sum() ** 2

    agrees(cr.grad(f), np.linspace(-1, 1, 32).reshape(2, 4, 4, 1))


@walked("shape", [(0, 3), (1,), (4, 1)])
def test_arrays_without_gaps_meet_where_their_bytes_do(shape: tuple[int, ...]) -> None:
    x = np.zeros(shape)
    assert may_meet(footprint(x), footprint(x)) == bool(x.size)


def test_parts_of_several_dtypes_are_converted(compiled_ways: str) -> None:
    a, b, k = np.array([-1.5], np.float32), np.arange(3.0) + 0.5, np.arange(3)
    cases = {
        "an argument": lambda a, b: np.concatenate([a, b * 2]),
        "a result": lambda a, b: np.concatenate([b * 2, a * 2]),
        "whole numbers": lambda a, b: np.concatenate([k * 2, b * 2, b > 1]),
        "summed up": lambda a, b: (np.hstack([a, b - 1]) * 2).sum(),
        "written": lambda a, b: cr.numpy.append(b * 2, a),
        "columns": lambda a, b: np.column_stack([b * 2, (b > 1) * a]),
        "a gradient": lambda a, b: cr.grad(lambda t: (np.concatenate([a, t * 2]) ** 2).sum())(b),
        "of both": lambda a, b: cr.grad(lambda t: (np.concatenate([t, b * 2]) ** 3).sum())(a),
    }
    for name, f in cases.items():
        with named(name):
            found, expected = cr.compile(f)(a, b), f(a, b)
            assert found.dtype == expected.dtype
            np.testing.assert_allclose(found, expected, 1e-6)
