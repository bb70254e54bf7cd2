"""What is no usual mistake is solved for: which value an expression must have, and what has that value."""
# A backward pass takes every argument of its function, whether it needs it or not.

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

import chainrule as cr
from chainrule.check.repairs.phrases import phrases, times

from ..named import named

RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0.2, 0.9, (3, 4)), RNG.uniform(1.2, 1.9, (3, 4))


def angle(y, x):
    return np.arctan2(y, x)


def angle_undivided(g, y, x):
    return g * x, -g * y / (x**2 + y**2)


def sinc(x):
    return np.sinc(x)


def sinc_without_cosine(g, x):
    return g * (x - np.sin(np.pi * x)) / (np.pi * x**2)


def root(x):
    return np.sqrt(x)


def root_of_nothing_that_arrives(g, x):
    return x**-0.5


CASES = {
    "a sum of squares": (angle, (Y, X), angle_undivided, ("x ** 2", "y ** 2")),
    "two factors": (sinc, (X,), sinc_without_cosine, ("np.pi", "np.cos(np.pi * x)")),
    "what arrives, and a number": (root, (X,), root_of_nothing_that_arrives, ("g", "1 / 2")),
}


@pytest.mark.parametrize("name", CASES)
def test_what_is_missing_is_found_by_its_value(name):
    f, args, backward, parts = CASES[name]
    finding = cr.check(f, *args, backward=backward).findings[0]
    assert finding.code == "missing-term"
    assert all(part in finding.detail["text"] for part in parts), finding.detail["text"]


def test_what_no_expression_explains_stays_unexplained():
    noise = RNG.standard_normal(X.shape)

    def backward(g, x):
        return g * np.cos(x) + noise

    finding = cr.check(np.sin, X, backward=backward).findings[0]
    assert finding.code == "unexplained" or "noise" in finding.detail["text"]


def test_two_calls_of_one_function_differ_in_what_they_are_called_with():
    def backward(g, x):
        return g * (np.cos(np.pi * x) * np.pi * x - np.sin(x)) / (np.pi * x**2)

    assert "x is used where np.pi * x is needed" in cr.check(np.sinc, X, backward=backward).findings[0].detail["text"]


SHAPES = st.sampled_from([(3, 4), (7,), (2, 2, 2)])


@given(SHAPES, st.integers(0, 99), st.sampled_from(["a * b", "a / b", "a - b", "a + b", "np.exp(a)", "a * (1 - b)"]))
def test_a_value_is_recognised_and_its_expression_has_it(shape, seed, text):
    rng = np.random.default_rng(seed)
    around = {"a": rng.uniform(0.5, 2, shape), "b": rng.uniform(0.5, 2, shape)}
    value = eval(text, {"np": np, **around})
    assume(float(np.ptp(value)) > 1e-3)
    found = times(phrases(around, shape, "np"), 3 * value, 1e-9)
    assert found

    for phrase, factor in found:
        with named(phrase, factor):
            again = eval(phrase.scaled(factor).text, {"np": np, **around})
            np.testing.assert_allclose(again, 3 * value, rtol=1e-6)


def test_where_any_value_does_none_is_asked_for():
    around = {"a": RNG.uniform(0.5, 2, (3, 4)), "b": RNG.uniform(0.5, 2, (3, 4))}
    target = np.where(np.arange(12).reshape(3, 4) % 3 == 0, np.nan, around["a"] - around["b"])
    assert times(phrases(around, (3, 4), "np"), target, 1e-9)[0][0].text == "a - b"
