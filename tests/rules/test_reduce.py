"""Reductions, averages, running sums and products: values as NumPy's, derivatives, special points."""

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tests.named import walked

from chainrule.core.tensor import value_of
from chainrule.core.traces.tape import EAGER
from chainrule.core.transforms.derivatives import grad, jvp, vjp
from chainrule.core.transforms.jacobians import hessian
from chainrule.rules.arrays import cumulative, moments, reduce

from .against_numpy import RNG, agree, apart

REDUCTIONS = {"sum": {}, "mean": {}, "max": {}, "min": {}, "prod": {}, "ptp": {}, "var": {"ddof": 0.5}, "std": {}}


@st.composite
def reductions(draw: Any) -> tuple[str, tuple[int, ...], dict[str, Any]]:
    shape = tuple(draw(st.lists(st.integers(1, 4), max_size=3)))
    axes = st.integers(-len(shape), len(shape) - 1) if shape else st.none()
    several = st.lists(axes, max_size=3, unique_by=lambda k: k % len(shape)).map(tuple) if shape else st.just(())
    keywords = {"axis": draw(st.none() | axes | several), "keepdims": draw(st.booleans())}
    return draw(st.sampled_from(sorted(REDUCTIONS))), shape, keywords


@pytest.mark.slow
@settings(max_examples=120, deadline=None)
@given(reductions())
def test_reductions(case: Any) -> None:
    name, shape, keywords = case
    function, extra = getattr(np, name), REDUCTIONS[name]
    reduced = shape if keywords["axis"] is None else np.take(shape, keywords["axis"])
    # Of one number, the spread has no derivative.
    assume(name not in ("std", "var", "ptp") or np.prod(reduced) > 1)
    agree(lambda x: function(x, **keywords, **extra), lambda x: function(x, **keywords, **extra), apart(*shape))


@walked("name", ["any", "all", "count_nonzero", "argmax", "argmin"])
@walked("axis", [None, 0, -1])
@walked("keepdims", [False, True])
def test_answers_without_derivative(name: str, axis: Any, keepdims: bool) -> None:
    x = np.array([[0.0, 2.0, -1.0], [0.0, 0.0, 3.0]])
    got = getattr(np, name)(EAGER.leaf(x), axis=axis, keepdims=keepdims)
    np.testing.assert_array_equal(got.numpy(), getattr(np, name)(x, axis=axis, keepdims=keepdims))
    assert not got.requires_grad


@walked("ufunc", [np.add, np.multiply, np.maximum, np.minimum])
def test_reduce_methods_of_ufuncs(ufunc: Any) -> None:
    x = apart(3, 4)
    agree(ufunc.reduce, ufunc.reduce, x)
    agree(lambda x: ufunc.reduce(x, axis=None), lambda x: ufunc.reduce(x, axis=None), x)
    agree(lambda x: ufunc.reduce(x, axis=1, keepdims=True), lambda x: ufunc.reduce(x, axis=1, keepdims=True), x)


@pytest.mark.parametrize("ufunc", [np.add, np.multiply])
def test_accumulate_methods_of_ufuncs(ufunc: Any) -> None:
    agree(ufunc.accumulate, ufunc.accumulate, apart(3, 4))
    agree(lambda x: ufunc.accumulate(x, axis=1), lambda x: ufunc.accumulate(x, axis=1), apart(3, 4))


@pytest.mark.parametrize("name", ["logical_or", "logical_and"])
def test_reduce_methods_of_logic(name: str) -> None:
    ufunc, x = getattr(np, name), np.array([[0.0, 1.0], [0.0, 0.0]])
    np.testing.assert_array_equal(ufunc.reduce(EAGER.leaf(x)).numpy(), ufunc.reduce(x))


def test_methods_of_tensors() -> None:
    x = apart(3, 4)
    np.testing.assert_allclose(grad(lambda x: x.sum(axis=0).mean())(x), np.full((3, 4), 0.25))
    np.testing.assert_allclose(grad(lambda x: x.max(1).sum())(x), x == x.max(1, keepdims=True))
    agree(lambda x: x.var(ddof=1), lambda x: x.var(ddof=1), x)


@walked("name", ["sum", "mean", "max", "min", "prod", "var", "std", "cumsum", "cumprod", "median", "ptp"])
@walked("dtype", [np.float16, np.float32, np.float64])
def test_dtypes_are_kept(name: str, dtype: Any) -> None:
    x = apart(3, 4).astype(dtype)
    y, pullback = vjp(lambda x: getattr(np, name)(x, axis=1), x)
    assert y.dtype == dtype
    (x_bar,) = pullback(np.ones_like(y))
    assert x_bar.dtype == dtype
    assert jvp(lambda x: getattr(np, name)(x, axis=1), (x,), (x,))[1].dtype == dtype


def test_float16_is_added_up_in_float32() -> None:
    ones = np.ones(4096, np.float16)
    assert reduce.sum(ones) == 4096
    assert cumulative.cumsum(ones)[-1] == 4096
    assert grad(np.mean)(ones).dtype == np.float16


@walked("name", ["sum", "prod", "cumsum", "cumprod", "any", "all"])
@walked("shape", [(0,), (0, 3), (3, 0)])
def test_nothing_to_reduce(name: str, shape: Any) -> None:
    for axis in (None, 0):
        y, pullback = vjp(lambda x, axis=axis: getattr(np, name)(x, axis=axis) * 1.0, np.zeros(shape))
        np.testing.assert_array_equal(y, getattr(np, name)(np.zeros(shape), axis=axis))
        assert pullback(np.ones(np.shape(y)))[0].shape == shape


@walked("x", [apart(4, 6)[::-1, ::2], apart(6, 4).T, np.broadcast_to(1.5, (2, 3))])
@walked("name", ["sum", "mean", "prod", "var", "cumprod", "cumsum"])
def test_views(name: str, x: Any) -> None:
    x.flags.writeable = False
    agree(lambda x: getattr(np, name)(x, axis=-1), lambda x: getattr(np, name)(x, axis=-1), x)


def test_gradients_can_be_written_to() -> None:
    gradient = grad(np.sum)(np.ones((2, 3)))
    gradient *= 2
    np.testing.assert_array_equal(gradient, np.full((2, 3), 2.0))


# Special points


def test_ties_share_equally() -> None:
    x = np.array([[3.0, 3.0, 1.0], [0.0, 3.0, 3.0]])
    np.testing.assert_allclose(grad(np.max)(x), np.where(x == 3, 0.25, 0.0))
    np.testing.assert_allclose(grad(lambda x: x.max(axis=1).sum())(x), np.where(x == 3, 0.5, 0.0))
    np.testing.assert_allclose(grad(np.min)(np.zeros(4)), np.full(4, 0.25))


def test_a_nan_is_the_extreme() -> None:
    x = np.array([1.0, np.nan, 2.0])
    np.testing.assert_array_equal(grad(np.max)(x), [0.0, 1.0, 0.0])


@walked(
    ("x", "expected"),
    [
        ([0.0, 2.0, 3.0], [6.0, 0.0, 0.0]),
        ([0.0, 2.0, 0.0], [0.0, 0.0, 0.0]),
        ([0.0], [1.0]),
        ([2.0, 5.0], [5.0, 2.0]),
        ([1e4, -1e-4, 3.0, 0.0, 2.0], [0.0, 0.0, 0.0, -6.0, 0.0]),
    ],
)
def test_product_at_zeros(x: Any, expected: Any) -> None:
    np.testing.assert_allclose(grad(np.prod)(np.array(x)), expected)


def test_second_order_of_a_product_at_zeros() -> None:
    h = hessian(np.prod)(np.array([0.0, 2.0, 0.0]))
    np.testing.assert_array_equal(h, [[0, 0, 2], [0, 0, 0], [2, 0, 0]])
    h = hessian(np.prod)(np.array([0.0, 0.0, 0.0]))
    np.testing.assert_array_equal(h, np.zeros((3, 3)))
    h = hessian(lambda x: np.cumprod(x)[-1])(np.array([0.0, 2.0, 0.0]))
    np.testing.assert_array_equal(h, [[0, 0, 2], [0, 0, 0], [2, 0, 0]])


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, -2.0, 0.5, 3.0]), min_size=1, max_size=9))
def test_products_of_others(values: Any) -> None:
    x = np.array(values)
    expected = [np.prod(np.delete(x, k)) for k in range(len(x))]
    np.testing.assert_allclose(cumulative.products_of_others(x), expected, rtol=1e-13)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0.0, 1.0, -2.0, 0.5, 3.0]), min_size=1, max_size=9), st.integers(0, 100))
def test_running_products_at_zeros(values: Any, seed: int) -> None:
    x, y_bar = np.array(values), np.random.default_rng(seed).uniform(-1, 1, len(values))
    n = len(x)
    jacobian = [[np.prod(np.delete(x[: i + 1], j)) if j <= i else 0.0 for j in range(n)] for i in range(n)]
    np.testing.assert_allclose(vjp(np.cumprod, x)[1](y_bar)[0], y_bar @ np.array(jacobian), atol=1e-10)


def test_standard_deviation_of_equal_elements() -> None:
    for value in (2.0, 0.1):  # the mean of [0.1, 0.1, 0.1] is not 0.1
        x = np.full(3, value)
        np.testing.assert_array_equal(grad(np.std)(x), np.zeros(3))
        np.testing.assert_array_equal(jvp(np.std, (x,), (np.array([1.0, 0.0, 0.0]),))[1], 0.0)
    mixed = np.array([[0.1, 0.1, 0.1], [1.0, 2.0, 3.0]])
    g = grad(lambda x: x.std(axis=1).sum())(mixed)
    np.testing.assert_array_equal(g[0], np.zeros(3))
    np.testing.assert_allclose(g[1], grad(np.std)(mixed[1]))


def test_large_numbers() -> None:
    x = np.array([1e4, -1e4, 1e4 + 1])
    for f in (np.sum, np.mean, np.var, np.std, np.max, np.median):
        assert np.isfinite(grad(f)(x)).all()


def test_correction_is_ddof() -> None:
    x = apart(5)
    assert moments.var(x, correction=1) == np.var(x, ddof=1)
    with pytest.raises(ValueError, match="var: got both ddof=1 and correction=2"):
        moments.var(x, ddof=1, correction=2)


# What is refused


@walked("name", ["sum", "prod", "max", "min", "mean"])
def test_a_plain_array_takes_no_traced_result(name: str) -> None:
    with pytest.raises(TypeError, match=f"{name}: out="):
        getattr(np, name)(EAGER.leaf(np.ones(2)), out=np.zeros(()))


def test_refused_options() -> None:
    x = EAGER.leaf(np.ones(2))
    with pytest.raises(ValueError, match="max: where= needs initial="):
        np.max(x, where=np.array([True, False]))
    with pytest.raises(TypeError, match="mean: got an unexpected argument 'axes'"):
        reduce.mean(x, axes=0)
    with pytest.raises(TypeError, match="sum: got an unexpected argument 'axes'"):
        reduce.sum(x, axes=0)


@walked("name", ["sum", "mean", "max", "prod", "var", "std", "argmax", "any"])
def test_a_wrong_axis_names_the_function(name: str) -> None:
    with pytest.raises(IndexError, match=f"{name}: axis 2 is out of bounds"):
        getattr(np, name)(EAGER.leaf(np.ones((2, 3))), axis=2)


# Composed of the others


def test_nan_counts_for_nothing() -> None:
    x = np.array([[1.0, np.nan, 3.0], [4.0, 5.0, np.nan]])
    known = ~np.isnan(x)
    for axis in (None, 0, 1):
        y, pullback = vjp(lambda x, axis=axis: np.nansum(x, axis=axis), x)
        np.testing.assert_array_equal(y, np.nansum(x, axis=axis))
        np.testing.assert_array_equal(pullback(np.ones(np.shape(y)))[0], known * 1.0)
    y, pullback = vjp(lambda x: np.nanmean(x, axis=1), x)
    np.testing.assert_array_equal(y, [2.0, 4.5])
    np.testing.assert_array_equal(pullback(np.ones(2))[0], known / 2)


def test_average() -> None:
    x, w = apart(3, 4), RNG.uniform(0.5, 1.5, (3, 4))
    agree(lambda x, w: np.average(x, weights=w), lambda x, w: np.average(x, weights=w), x, w)
    agree(lambda x, w: np.average(x, 1, w), lambda x, w: np.average(x, 1, w), x, w)
    agree(lambda x, w: np.average(x, -2, w), lambda x, w: np.average(x, -2, w), x, w[:, 0])
    agree(lambda x: np.average(x, axis=0), lambda x: np.average(x, axis=0), x)
    got, expected = (np.average(a, 0, w[:, 0], True) for a in (EAGER.leaf(x), x))
    np.testing.assert_allclose([value_of(g) for g in got], expected)
    with pytest.raises(ValueError, match="average: got weights of shape"):
        moments.average(x, axis=0, weights=np.ones(4))
    with pytest.raises(ZeroDivisionError, match="average: the weights sum to zero"):
        moments.average(x, weights=np.zeros((3, 4)))
