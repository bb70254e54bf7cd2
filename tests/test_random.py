"""Random numbers: their distribution, their derivatives in its parameters, seeds, what is refused."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr
from chainrule import random

N = 40_000
EULER = 0.5772156649015329
FUNCTIONS = [random.normal, random.uniform, random.gumbel]


def generator():
    return np.random.default_rng(3)


@walked(
    ("function", "mean", "variance"),
    [
        (random.normal, 1.0, 4.0),
        (random.uniform, 1.5, 1 / 12),
        (random.gumbel, 1.0 + 2.0 * EULER, 4.0 * np.pi**2 / 6),
    ],
)
def test_mean_and_variance(function, mean, variance):
    y = function(1.0, 2.0, N, generator())
    assert abs(y.mean() - mean) < 5 * np.sqrt(variance / N)
    assert abs(y.var() / variance - 1) < 0.05


@given(st.floats(-3, 3), st.floats(0.1, 3), st.sampled_from(FUNCTIONS))
def test_the_derivative_is_that_of_the_same_draw(loc, spread, function):
    """With the noise held, a draw is a linear function of its parameters."""
    second = loc + spread if function is random.uniform else spread

    def draw(a, b):
        return function(a, b, 5, generator()).sum()

    a_bar, b_bar = cr.grad(draw, argnums=(0, 1))(loc, second)
    zero, unit = draw(0.0, 0.0), draw(1.0, 1.0) - draw(0.0, 1.0)
    assert zero == 0
    np.testing.assert_allclose(a_bar, unit if function is not random.uniform else 5 - draw(0.0, 1.0), rtol=1e-12)
    np.testing.assert_allclose(b_bar, draw(0.0, 1.0), rtol=1e-12)
    np.testing.assert_allclose(a_bar * loc + b_bar * second, draw(loc, second), rtol=1e-9, atol=1e-12)


@walked("function", FUNCTIONS)
def test_shapes_and_dtypes(function):
    assert np.shape(function()) == ()
    assert function(np.zeros((2, 1)), np.ones(3)).shape == (2, 3)
    assert function(0.0, 1.0, (4, 2)).shape == (4, 2)
    low = np.zeros(3, np.float32)
    assert function(low, np.float32(1)).dtype == np.float32
    assert function(cr.tensor(low, requires_grad=True), 1.0).dtype == np.float32
    assert function(np.zeros(2, int), 1).dtype == np.float64


@walked("function", [*FUNCTIONS, lambda: random.bernoulli_mask(0.5, 8)])
def test_a_seed_fixes_the_default_generator(function):
    cr.seed(5)
    first = function()
    assert (function() != first).any()
    cr.seed(5)
    np.testing.assert_array_equal(function(), first)


def test_the_gradient_of_an_expectation():
    """d/dμ E[(μ + σε)²] = 2μ, d/dσ = 2σ."""
    mean_square = lambda loc, scale: (random.normal(loc, scale, N, generator()) ** 2).mean()  # noqa: E731
    np.testing.assert_allclose(cr.grad(mean_square, argnums=(0, 1))(1.5, 0.5), (3.0, 1.0), rtol=0.03)


def test_the_largest_of_logits_with_gumbel_noise_is_a_draw_from_their_softmax():
    logits = np.array([0.0, 1.0, -1.0])
    drawn = (logits + random.gumbel(size=(N, 3), generator=generator())).argmax(axis=1)
    np.testing.assert_allclose(np.bincount(drawn) / N, cr.softmax(logits), atol=0.01)


def test_a_mask():
    mask = random.bernoulli_mask(0.25, N, generator())
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert abs(mask.mean() - 0.25) < 0.01
    p = np.array([0.0, 1.0], np.float32)
    np.testing.assert_array_equal(random.bernoulli_mask(p), p)
    assert random.bernoulli_mask(p).dtype == np.float32
    assert random.bernoulli_mask(0.5, (2, 3), dtype=bool).dtype == bool
    assert random.bernoulli_mask(cr.tensor(0.5), 3).shape == (3,)


@walked(
    ("call", "error", "message"),
    [
        (lambda: random.normal(0.0, -1.0), ValueError, "normal: got scale=-1.0"),
        (lambda: random.gumbel(0.0, -1.0), ValueError, "gumbel: got scale=-1.0"),
        (lambda: random.uniform(1.0, 0.0), ValueError, "uniform: got low=1.0"),
        (lambda: random.bernoulli_mask(1.5), ValueError, "bernoulli_mask: got p=1.5"),
        (lambda: random.bernoulli_mask(cr.tensor(0.5, requires_grad=True)), cr.GradientError, "bernoulli_mask: a 0"),
    ],
)
def test_a_wrong_call_is_refused(call, error, message):
    with pytest.raises(error, match=message):
        call()
