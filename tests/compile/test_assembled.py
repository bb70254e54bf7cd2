"""What moves elements in a compiled program: joins, slices that are scattered and added up, rows with gaps."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.nn import functional as F

RNG = np.random.default_rng(0)
X = RNG.normal(size=(6, 8))


def both(f, x):
    """Return the compiled function of the value and the gradient, after comparing them with those as written."""
    both = cr.value_and_grad(lambda x: (f(x) * np.cos(np.arange(f(x).size).reshape(f(x).shape))).sum())
    compiled = cr.compile(both)
    for scale in (1.0, -0.5):  # the second call finds what the first one left
        for found, expected in zip(compiled(scale * x), both(scale * x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    return compiled


@st.composite
def slices(draw):
    def one(n):
        if draw(st.booleans()):
            return draw(st.integers(-n, n - 1))
        start = draw(st.integers(0, n - 1))
        return slice(start, draw(st.integers(start + 1, n)), draw(st.sampled_from([1, 1, 2])))

    return one(6), one(8)


@pytest.mark.slow
@given(st.lists(slices(), min_size=1, max_size=5))
def test_what_is_read_by_slices_that_may_overlap(indices):
    both(lambda x: sum(F.sigmoid(x[index]).sum() * k for k, index in enumerate(indices, 1)) + x[:1, 0], X)


def test_slices_that_are_apart_are_written_into_one_array():
    compiled = both(lambda x: x[:, :2] * x[:, 2:4] + x[:, 4:6] * np.exp(x[:, 6:]), X)
    names = [i.name for i in compiled.plan.program.instructions]
    assert names.count("assembled") == 1
    assert "scatter" not in names
    assert len(compiled.plan.calls) == 1


def test_a_sum_of_slices_and_other_terms():
    compiled = both(lambda x: x[:3] * x[3:] + (x * x).sum() + x[:3], X)
    assert "assembled" in [i.name for i in compiled.plan.program.instructions]


def test_a_slice_that_is_read_several_times_is_written_once():
    def f(x):
        h = np.zeros(6)
        for k in range(4):
            h = np.tanh(x[:, k] * h + np.sin(x[:, k])) + x[:, k] ** 2
        return h

    compiled = both(f, X)
    names = [i.name for i in compiled.plan.program.instructions]
    assert names.count("assembled") == 1
    assert "scatter" not in names


def test_a_scattered_slice_that_is_added_to_itself_counts_twice():
    def f(x):
        total = 0.0
        for k in range(4):
            part = cr.grad(lambda x, k=k: (x[:, k] ** 3).sum())(x)
            total = total + (part + part)
        return total

    np.testing.assert_allclose(cr.compile(f)(X), f(X), rtol=1e-12)


def test_a_scattered_slice_that_goes_out_too_stays():
    def f(x):
        a, b = cr.grad(lambda x: (x[:2] ** 3).sum())(x), cr.grad(lambda x: (x[2:] ** 3).sum())(x)
        return a, a + b

    for found, expected in zip(cr.compile(f)(X), f(X), strict=True):
        np.testing.assert_allclose(found, expected)


@walked("axis", [0, 1, -1])
def test_joins_are_written_part_by_part(axis):
    compiled = both(lambda x: np.concatenate([np.tanh(x), x * x, x[:, ::-1].T.T], axis=axis), X)
    assert len(compiled.plan.calls) == 1
    both(lambda x: np.stack([np.tanh(x), x * x, x[:, ::-1]], axis=axis), X)


def test_a_reshape_of_what_has_gaps():
    compiled = both(lambda x: np.tanh(x[:, 1:7].reshape(4, 9)) * x.T.reshape(6, 8)[:4, :1], X)
    assert len(compiled.plan.calls) == 1


@pytest.mark.slow
@given(st.integers(1, 4), st.integers(1, 5), st.integers(0, 3), st.booleans())
def test_a_loop_goes_through_rows_with_gaps(rows, columns, start, sums):
    x = RNG.normal(size=(rows, columns + start + 1))

    def f(x):
        a, b = x[:, start : start + columns], x[:, 1 + start :]
        y = np.sin(a) * b + a
        return y.sum(axis=0) if sums else y + a.mean(axis=0)

    both(f, x)


def test_loops_whose_rows_are_of_different_lengths():
    both(lambda x: (x[:, 2:6] * 3).reshape(3, 8) + x[:3] * x[3:, ::-1] + x[0, :8:1], X)
    both(lambda x: np.exp(x[:, :4]).reshape(-1) * x[::2].reshape(-1), X)
