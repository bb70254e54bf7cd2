"""Extremes over windows as tasks, and their shares, are what the operations compute: with ties and NaN as well."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.kernels.native.extremes import extremes, fits, shares
from chainrule.kernels.native.tasks import run_all
from chainrule.rules.arrays.reduce import shared

from ...named import named


@st.composite
def problems(draw):
    shape = tuple(draw(st.lists(st.integers(1, 3), min_size=1, max_size=6)))
    axes = draw(st.sets(st.integers(0, len(shape) - 1), min_size=1))
    dtype = draw(st.sampled_from([np.float32, np.float64]))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    x = rng.integers(-2, 3, shape).astype(dtype)  # with many ties
    if draw(st.booleans()):
        x[rng.random(shape) < 0.1] = np.nan
    return x, tuple(sorted(axes))


@pytest.mark.slow
@given(problems(), st.booleans())
def test_extremes_and_shares_of_windows(problem, larger):
    x, axes = problem
    expected = (np.max if larger else np.min)(x, axis=axes)
    if not fits(x, axes):
        return
    out, y_bar, x_bar = np.empty_like(expected), np.cos(np.arange(expected.size, dtype=x.dtype)), np.empty_like(x)
    y_bar = y_bar.reshape(expected.shape)
    run_all([extremes(x, axes, out, larger), shares(x, axes, out, y_bar, x_bar)])()
    np.testing.assert_array_equal(out, expected)
    np.testing.assert_allclose(x_bar, shared(y_bar, x, expected, axis=axes), rtol=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_extremes_and_shares_of_long_windows(dtype):
    rng = np.random.default_rng(0)
    for shape, axes in (
        ((5, 80), (1,)),
        ((3, 17), (1,)),
        ((90, 3), (0,)),
        ((2, 70, 5), (1,)),
        ((2, 9, 10), (1, 2)),
        ((100,), (0,)),
    ):
        for turn in range(3):
            x = rng.integers(-9, 9, shape).astype(dtype)
            if turn:
                x[rng.random(shape) < 0.02] = np.nan if turn == 1 else -np.inf
            for larger in (True, False):
                with named(shape, axes, turn, larger):
                    expected = np.asarray((np.max if larger else np.min)(x, axis=axes))
                    out, x_bar = np.empty_like(expected), np.empty_like(x)
                    y_bar = np.cos(np.arange(expected.size, dtype=dtype)).reshape(expected.shape)
                    run_all([extremes(x, axes, out, larger), shares(x, axes, out, y_bar, x_bar)])()
                    np.testing.assert_array_equal(out, expected)
                    np.testing.assert_allclose(x_bar, shared(y_bar, x, expected, axis=axes), rtol=1e-6)


def test_what_has_no_code():
    x = np.ones((9, 4, 9))
    assert not fits(x, (0, 2))  # too large a window, in pieces
    assert not fits(x, ())
    assert not fits(x[:, ::2], (0,))
    assert not fits(x.astype(int), (0,))


@pytest.mark.parametrize("pool", ["reshape", "last", "first"])
def test_pooling_by_shape_is_one_call(pool):
    def f(x):
        x = np.maximum(x, 0)
        if pool == "reshape":
            return (x.reshape(2, 3, 2, 2, 2).max(axis=(2, 4)) ** 2).sum()
        return (x.max(axis=-1 if pool == "last" else 0, keepdims=True) * x).sum()

    step = cr.value_and_grad(f)
    compiled = cr.compile(step)
    for seed in range(2):
        x = np.random.default_rng(seed).integers(-2, 3, (2, 6, 4)).astype(np.float32)
        for found, expected in zip(compiled(x), step(x), strict=True):
            np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert "shares" in [i.name for i in compiled.plan.program.instructions]
    assert len(compiled.plan.calls) <= 3
