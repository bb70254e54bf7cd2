import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

import chainrule.rules  # noqa: F401
from chainrule.core.transforms.derivatives import grad, jvp, vjp
from chainrule.rules.network.softmax import log_softmax, logsumexp, softmax

AXES = [-1, 0, 1, (0, 2), (-1, -2), None]
scores = hnp.arrays(
    np.float64, hnp.array_shapes(min_dims=1, max_dims=3, max_side=5), elements=st.floats(-1e4, 1e4, width=32)
)


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(2, 3, 4))


@pytest.mark.parametrize("axis", AXES)
def test_values_are_the_textbook_formulas(x, axis):
    total = np.exp(x).sum(axis=axis, keepdims=True)
    np.testing.assert_allclose(softmax(x, axis), np.exp(x) / total, rtol=1e-14)
    np.testing.assert_allclose(log_softmax(x, axis), np.log(np.exp(x) / total), rtol=1e-12)
    np.testing.assert_allclose(logsumexp(x, axis, keepdims=True), np.log(total), rtol=1e-14)
    np.testing.assert_allclose(logsumexp(x, axis), np.log(total.sum(axis=axis)), rtol=1e-14)


@pytest.mark.parametrize("f", [softmax, log_softmax, logsumexp])
@pytest.mark.parametrize("axis", AXES)
def test_both_modes_agree_with_central_differences(x, f, axis):
    rng = np.random.default_rng(1)
    x_dot = rng.normal(size=x.shape)
    y, y_dot = jvp(lambda x: f(x, axis), (x,), (x_dot,))
    numeric = (f(x + 1e-6 * x_dot, axis) - f(x - 1e-6 * x_dot, axis)) / 2e-6
    np.testing.assert_allclose(y_dot, numeric, rtol=1e-6, atol=1e-8)
    y_bar = rng.normal(size=np.shape(y))
    (x_bar,) = vjp(lambda x: f(x, axis), x)[1](y_bar)
    np.testing.assert_allclose(np.sum(x_bar * x_dot), np.sum(y_bar * y_dot), rtol=1e-12)


def test_the_jacobian_is_y_delta_minus_y():
    x = np.array([0.3, -1.2, 2.0])
    y, pull = vjp(softmax, x)
    jacobian = np.stack([pull(row)[0] for row in np.eye(3)])
    np.testing.assert_allclose(jacobian, y[:, None] * (np.eye(3) - y), atol=1e-15)


def test_softmax_alone_has_the_rule_of_erratum_12():
    rng = np.random.default_rng(2)
    x, dy = rng.normal(size=(2, 5, 4))
    y, pull = vjp(softmax, x)
    np.testing.assert_allclose(pull(dy)[0], y * (dy - (dy * y).sum(axis=-1, keepdims=True)), rtol=1e-13)


@pytest.mark.slow
@given(scores, st.floats(-1e3, 1e3))
def test_softmax_is_a_distribution_that_a_shift_does_not_change(x, shift):
    y = softmax(x)
    assert np.all(y >= 0)
    np.testing.assert_allclose(y.sum(axis=-1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(softmax(x + shift), y, atol=1e-10)
    np.testing.assert_allclose(logsumexp(x + shift, axis=-1), logsumexp(x, axis=-1) + shift, rtol=1e-12, atol=1e-10)


@given(scores)
def test_the_gradient_along_a_shift_is_zero(x):
    y_bar = np.random.default_rng(0).normal(size=x.shape)
    for f in (softmax, log_softmax):
        (x_bar,) = vjp(f, x)[1](y_bar)
        assert np.all(np.isfinite(x_bar))
        np.testing.assert_allclose(x_bar.sum(axis=-1), 0.0, atol=1e-12)
        _, y_dot = jvp(f, (x,), (np.ones(x.shape),))
        np.testing.assert_allclose(y_dot, 0.0, atol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_large_scores_are_exact_and_raise_no_warning(dtype):
    x = np.array([1e4, -1e4, 1e4], dtype)
    assert softmax(x).tolist() == [0.5, 0.0, 0.5]
    assert log_softmax(x)[1] == dtype(-2e4) - np.log(dtype(2))
    assert logsumexp(x) == dtype(1e4) + np.log(dtype(2))
    assert softmax(x).dtype == log_softmax(x).dtype == logsumexp(x).dtype == dtype
    (g,) = vjp(softmax, x)[1](np.array([1.0, 7.0, 0.0]))
    assert g.tolist() == [0.25, 0.0, -0.25]
    assert g.dtype == dtype
    assert grad(logsumexp)(x).tolist() == [0.5, 0.0, 0.5]
    assert grad(lambda x: log_softmax(x)[1])(x).tolist() == [-0.5, 1.0, -0.5]


def test_a_masked_score_gets_no_weight_and_no_gradient():
    x = np.array([[0.0, -np.inf, np.log(3.0)]])
    np.testing.assert_allclose(softmax(x), [[0.25, 0.0, 0.75]], rtol=1e-15)
    assert log_softmax(x)[0, 1] == -np.inf
    (g,) = vjp(softmax, x)[1](np.array([[1.0, 5.0, 0.0]]))
    np.testing.assert_allclose(g, [[0.1875, 0.0, -0.1875]], rtol=1e-14)
    assert grad(lambda x: np.sum(logsumexp(x, axis=-1)))(x)[0, 1] == 0.0


def test_a_row_with_every_score_masked_is_zero_and_its_gradient_too():
    x = np.array([[-np.inf, -np.inf], [0.0, 0.0]])
    assert softmax(x).tolist() == [[0.0, 0.0], [0.5, 0.5]]
    assert log_softmax(x)[0].tolist() == [-np.inf, -np.inf]
    assert logsumexp(x, axis=1).tolist() == [-np.inf, np.log(2.0)]
    assert vjp(softmax, x)[1](np.ones((2, 2)) + np.eye(2))[0].tolist() == [[0.0, 0.0], [-0.25, 0.25]]
    assert grad(lambda x: np.sum(logsumexp(x, axis=1)))(x).tolist() == [[0.0, 0.0], [0.5, 0.5]]
    assert jvp(lambda x: logsumexp(x, axis=1), (x,), (np.ones((2, 2)),))[1].tolist() == [0.0, 1.0]


def test_nothing_sums_to_minus_infinity_in_the_logarithm():
    assert logsumexp(np.zeros((2, 0)), axis=1).tolist() == [-np.inf, -np.inf]
    assert softmax(np.zeros((2, 0))).shape == (2, 0)


def test_a_scalar_is_certain():
    for f, wanted in [(softmax, 1.0), (log_softmax, 0.0)]:
        y, pull = vjp(lambda x, f=f: f(x, axis=None), np.float64(3.0))
        assert (y, pull(1.0)[0]) == (wanted, 0.0)
    assert grad(logsumexp)(3.0) == 1.0


def test_integers_are_scores_too():
    np.testing.assert_allclose(softmax(np.array([1, 1])), [0.5, 0.5])


@walked("f", [softmax, log_softmax, logsumexp])
def test_an_axis_that_is_not_there_is_named(f):
    with pytest.raises(IndexError, match=rf"{f.__name__}: axis 2 is out of bounds.*float64\[2, 3\]"):
        f(np.zeros((2, 3)), axis=2)


@pytest.mark.parametrize("f", [softmax, log_softmax, lambda x: logsumexp(x, axis=-1)])
def test_second_derivatives_agree_with_central_differences(x, f):
    rng = np.random.default_rng(3)
    y_bar, v = rng.normal(size=np.shape(f(x))), rng.normal(size=x.shape)

    def along(x):
        return np.sum(vjp(f, x)[1](y_bar)[0] * v)

    numeric = (along(x + 1e-5 * v) - along(x - 1e-5 * v)) / 2e-5
    np.testing.assert_allclose(np.sum(grad(along)(x) * v), numeric, rtol=1e-6, atol=1e-8)
    np.testing.assert_allclose(jvp(along, (x,), (v,))[1], numeric, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_torch_agrees(torch, x, axis):
    y_bar = np.random.default_rng(4).normal(size=x.shape)
    for ours, theirs in [(softmax, torch.softmax), (log_softmax, torch.log_softmax)]:
        tx = torch.tensor(x, requires_grad=True)
        ty = theirs(tx, axis)
        ty.backward(torch.tensor(y_bar))
        y, pull = vjp(lambda x, f=ours: f(x, axis), x)
        np.testing.assert_allclose(y, ty.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(pull(y_bar)[0], tx.grad.numpy(), rtol=1e-10, atol=1e-14)
