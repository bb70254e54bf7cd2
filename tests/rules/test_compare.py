"""Comparisons are constants; choices send the gradient to what was chosen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule.rules.elementary.compare import stop_gradient
from chainrule.rules.elementary.selection import clip, fmax, fmin, maximum, minimum, select, where

COMPARISONS = ["less", "less_equal", "greater", "greater_equal", "equal", "not_equal"]
LOGIC = ["logical_and", "logical_or", "logical_xor"]
TESTS = ["isnan", "isinf", "isfinite", "signbit", "logical_not"]
X = np.array([np.nan, -np.inf, -1.0, -0.0, 0.0, 2.0, np.inf])


def gradients(f, *args):
    return [np.asarray(g) for g in cr.elementwise_grad(f, argnums=tuple(range(len(args))))(*args)]


@walked("name", [*COMPARISONS, *LOGIC])
def test_a_comparison_of_tensors_is_numpys(name):
    f = getattr(np, name)
    a, b = X[:, None], X[None, :]
    expected = f(a, b)
    for y in (f(cr.tensor(a, requires_grad=True), b), f(a, cr.tensor(b)), f(cr.tensor(a), cr.tensor(b))):
        assert y.dtype == bool
        assert not y.requires_grad
        np.testing.assert_array_equal(y.numpy(), expected)


@walked("name", TESTS)
def test_a_test_of_a_tensor_is_numpys(name):
    f = getattr(np, name)
    np.testing.assert_array_equal(f(cr.tensor(X, requires_grad=True)).numpy(), f(X))


def test_operators_compare():
    x = cr.tensor(X, requires_grad=True)
    for got, expected in [
        *((x < 0, X < 0), (x <= 0, X <= 0), (x > 0, X > 0), (x >= 0, X >= 0), (x == 0, X == 0), (x != 0, X != 0)),
        *(((x > 0) & (x < 3), (X > 0) & (X < 3)), ((x > 0) | (x == 0), X >= 0), (~(x > 0), ~(X > 0))),
    ]:
        np.testing.assert_array_equal(got.numpy(), expected)


# Stopping the gradient


def test_stop_gradient_stops_it_in_both_modes_and_every_nesting():
    def f(x):
        return x * stop_gradient(x) ** 2

    assert float(cr.grad(f)(3.0)) == 9.0
    assert float(cr.jvp(f, (3.0,), (1.0,))[1]) == 9.0
    assert float(cr.grad(cr.grad(f))(3.0)) == 0.0
    assert float(cr.grad(lambda x: cr.grad(lambda y: y * stop_gradient(x * y))(x))(3.0)) == 0.0


def test_stop_gradient_keeps_a_trees_structure():
    tree = {"w": cr.tensor([1.0, 2.0], requires_grad=True), "rest": [cr.tensor(3.0, requires_grad=True), np.ones(2)]}
    stopped = stop_gradient(tree)
    assert not stopped["w"].requires_grad
    assert not stopped["rest"][0].requires_grad
    np.testing.assert_array_equal(stopped["w"].numpy(), [1.0, 2.0])
    assert stopped["rest"][1] is tree["rest"][1]


# Choices


def test_where_guards_the_side_not_taken():
    """The usual idiom: no NaN comes back from a branch whose argument was made safe."""
    x = np.array([-1.0, 4.0])
    slope = cr.elementwise_grad(lambda x: where(x > 0, np.sqrt(where(x > 0, x, 1.0)), 0.0))(x)
    np.testing.assert_array_equal(slope, [0.0, 0.25])


def test_where_stops_even_an_infinite_cotangent():
    x = np.array([0.0, 4.0])
    np.testing.assert_array_equal(cr.elementwise_grad(lambda x: np.sqrt(where(x > 0, x, 0.0)))(x), [0.0, 0.25])


def test_where_with_a_condition_alone_gives_indices():
    x = cr.tensor([[0.0, 2.0], [3.0, 0.0]])
    rows, columns = np.where(x > 0)
    np.testing.assert_array_equal([rows, columns], [[0, 1], [1, 0]])
    with pytest.raises(ValueError, match="where: expected both of a and b"):
        where(x > 0, x)


def test_numbers_in_where_do_not_widen_the_dtype():
    x = np.ones(2, np.float32)
    y, pullback = cr.vjp(lambda x: where(x > 0, x, 0.1), x)
    assert y.dtype == pullback(np.ones(2, np.float32))[0].dtype == np.float32


@walked("f", [maximum, minimum, fmax, fmin])
def test_ties_share_the_gradient_equally(f):
    a = np.array([1.0, 2.0, 2.0, -np.inf, np.inf])
    b = np.array([1.0, 1.0, 3.0, -np.inf, np.inf])
    slope_a, slope_b = gradients(f, a, b)
    larger = f in (maximum, fmax)
    np.testing.assert_array_equal(slope_a, [0.5, larger, not larger, 0.5, 0.5])
    np.testing.assert_array_equal(slope_b, 1 - slope_a)


@pytest.mark.parametrize("f", [fmax, fmin])
def test_where_one_is_nan_the_other_has_the_gradient(f):
    assert [float(g) for g in gradients(f, np.nan, 1.0)] == [0.0, 1.0]
    assert [float(g) for g in gradients(f, 1.0, np.nan)] == [1.0, 0.0]


def test_a_maximum_with_a_number_keeps_the_dtype():
    x = np.array([-1.0, 0.1, 2.0], np.float32)
    slope = cr.elementwise_grad(lambda x: maximum(x, 0.1))(x)
    assert slope.dtype == np.float32
    np.testing.assert_array_equal(slope, np.array([0.0, 0.5, 1.0], np.float32))


FLOATS = st.sampled_from([-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0])


@given(x=FLOATS, low=FLOATS, high=FLOATS)
def test_clip_is_numpys_and_exactly_one_argument_has_the_gradient(x, low, high):
    args = (np.array([x]), np.array([low]), np.array([high]))
    y, pullback = cr.vjp(clip, *args)
    assert y == np.clip(*args)
    slopes = [float(g[0]) for g in pullback(np.ones(1))]
    assert sorted(slopes) == [0.0, 0.0, 1.0]
    assert (x, low, high)[slopes.index(1.0)] == y


def test_a_bound_of_none_is_no_bound():
    x = np.array([-2.0, 0.0, 2.0])
    for bounds, expected in [((None, 1.0), [1, 1, 0]), ((-1.0, None), [0, 1, 1]), ((None, None), [1, 1, 1])]:
        y, pullback = cr.vjp(lambda x, bounds=bounds: clip(x, *bounds), x)
        np.testing.assert_array_equal(y, x if bounds == (None, None) else np.clip(x, *bounds))
        np.testing.assert_array_equal(pullback(np.ones(3))[0], expected)


def test_clip_knows_both_names_of_its_bounds():
    x = cr.tensor([-2.0, 0.5, 2.0])
    for y in (np.clip(x, -1, 1), clip(x, min=-1, max=1), clip(x, a_min=-1, max=1), x.clip(-1, 1)):
        np.testing.assert_array_equal(y.numpy(), [-1.0, 0.5, 1.0])
    with pytest.raises(ValueError, match="clip: got a bound twice"):
        clip(x, -1, min=-2)


@given(st.lists(st.tuples(FLOATS, FLOATS), min_size=1, max_size=5), st.integers(1, 3))
def test_select_is_numpys(pairs, count):
    x, z = np.transpose(pairs)
    conditions = [x > 0.25 * k for k in range(count)]
    expected = np.select(conditions, [x * (k + 1) for k in range(count)], z)
    t = cr.tensor(x)
    y = np.select(conditions, [t * (k + 1) for k in range(count)], cr.tensor(z))
    np.testing.assert_array_equal(y.numpy(), expected)
    slope = cr.elementwise_grad(lambda x: select(conditions, [x * (k + 1) for k in range(count)]))(x)
    np.testing.assert_array_equal(slope, (x > 0).astype(float))


def test_select_needs_a_choice_for_each_condition():
    with pytest.raises(ValueError, match=r"select: expected one choice for each condition, .* got 1 conditions and 0"):
        select([np.array([True])], [])
