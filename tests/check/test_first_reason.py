"""Of all that is true of a wrong gradient, what happened is said first, and the change of the code along with it."""
# A backward pass takes every argument of its function, whether it needs it or not.

import functools

import numpy as np
import pytest

import chainrule as cr

OPAQUE = functools.partial
"""Hides a function's code, so that no change of it is tried."""
RNG = np.random.default_rng(0)
X, W, V = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4)), RNG.standard_normal((5, 4))
TABLE, INDEX = RNG.standard_normal((6, 2)), np.array([1, 3, 1, 5, 3, 1])
GAIN, SHIFT = RNG.standard_normal(3), RNG.standard_normal(3)


def rows_of(table):
    return table[INDEX]


def twice_where_repeated(g, table):
    table_bar = np.zeros_like(table)
    np.add.at(table_bar, INDEX, g)
    repeats = np.bincount(INDEX, minlength=len(table))
    return table_bar * np.where(repeats > 1, 2, 1)[:, None]


def two_products(x, w, v):
    return x @ w + np.tanh(v)


def all_three(g, x, w, v):
    return g @ w.T, x.T @ g, g * (1 - np.tanh(v) ** 2)


def sum_of_two(v, w):
    return 2 * v + np.tanh(w)


def both(g, v, w):
    return 2 * g, g * (1 - np.tanh(w) ** 2)


def of_the_other(g, v, w):
    return both(g, v, w)[1], both(g, v, w)[1]


def updated_before_used(g, x, w, v):
    _, w_bar, v_bar = all_three(g, x, w, v)
    return g @ (w - 0.1 * w_bar).T, w_bar, v_bar


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def slope_at_zero(g, x):
    return g * 0.25


def slope_of_zeros(g, x):
    s = sigmoid(np.zeros_like(x))
    return g * s * (1 - s)


def half_of_the_slope(g, x):
    return g * sigmoid(x)


def other_half_of_the_slope(g, x):
    return g * (1 - sigmoid(x))


def bell(x, width):
    return np.tanh(x / width)


def no_bell(g, x, width):
    return g / width, (g * -x / width**2 * (1 - np.tanh(x / width) ** 2)).sum(axis=0)


def right_square(g, x):
    return g * 2 * x


def divided_square(g, x):
    return right_square(g, x) / (1 + x**2)


def by_a_square(g, x):
    return divided_square(g, x)


def scaled(x, gain, shift):
    return np.sin(x) * gain + shift


def times_the_output(g, x, gain, shift):
    return g * gain * np.cos(x), (g * scaled(x, gain, shift)).sum(axis=0), g.sum(axis=0)


def mean_of_rows(x):
    return (x**2).sum() / x.shape[0]


def of_columns(g, x):
    return g * 2 * x / x.shape[1]


def entropy(z):
    return np.logaddexp.reduce(z, axis=1).mean() - z[np.arange(5), [0, 2, 1, 1, 0]].mean()


def hot(z):
    return np.eye(3)[[0, 2, 1, 1, 0]]


def only_the_label(g, z):
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    return g * (p - hot(z)) / len(z) * hot(z)


def largest(x):
    return x.reshape(-1, 3).max(axis=1)


def looked_up(x):
    return np.tanh(x)[[1, 2, 1, 0, 2]]


def without_the_first_row(g, x):
    d_x = np.zeros_like(x)
    np.add.at(d_x, [1, 2, 1, 0, 2], g)
    d_x[0] = 0
    return d_x * (1 - np.tanh(x) ** 2)


def to_each(g, x):
    return np.repeat(g, 3)


def to_the_first(g, x):
    place = 0 * x.reshape(-1, 3).argmax(axis=1)
    found = np.zeros((len(x) // 3, 3))
    found[np.arange(len(found)), place] = g
    return found.ravel()


LINE = RNG.standard_normal(12)
CASES = {
    "counted twice where repeated": (
        (rows_of, twice_where_repeated, TABLE),
        ("accumulated-twice", "counted twice where an element is used several times", "repeats > 1"),
    ),
    "weights updated before they are used": (
        (two_products, updated_before_used, X, W, V),
        ("wrong-point", "w after a step of 0.1 along its gradient", "0.1"),
    ),
    "the gradient of the other": (
        (sum_of_two, of_the_other, V, 2 * V),
        ("other-argument", "this is the gradient of w", "both(g, v, w)[1]"),
    ),
    "a slope at 0": (
        (sigmoid, OPAQUE(slope_at_zero), X),
        ("wrong-point", "the derivative is taken at x = 0, wherever x is", ""),
    ),
    "a slope at 0, in code": (
        (sigmoid, slope_of_zeros, X),
        ("wrong-point", "the derivative is taken at x = 0, wherever x is", "sigmoid(np.zeros_like(x))"),
    ),
    "a factor that is 1 at 0": (
        (bell, OPAQUE(no_bell), X, 1 + GAIN**2),
        ("missing-term", "the slope of `np.tanh(x / width)` is left out", ""),
    ),
    "half of a sigmoid's slope": (
        (sigmoid, half_of_the_slope, X),
        ("missing-term", "the factor 1 - sigmoid(x) is missing", "g * sigmoid(x)"),
    ),
    "the other half": (
        (sigmoid, other_half_of_the_slope, X),
        ("missing-term", "the factor sigmoid(x) is missing", "g * (1 - sigmoid(x))"),
    ),
    "a factor too many, with the right pass beside it": (
        (np.square, by_a_square, X),
        ("missing-term", "the division by 1 + x ** 2 does not belong there", "right_square(g, x) / (1 + x ** 2)"),
    ),
    "the output for a factor": (
        (scaled, OPAQUE(times_the_output), X, GAIN, SHIFT),
        ("output-for-input", "the output is used where the factor of gain is needed", ""),
    ),
    "another axis's length": (
        (mean_of_rows, of_columns, X),
        ("factor", "another axis's length is needed", "x.shape[1]"),
    ),
    "a mask too many": (
        (entropy, only_the_label, X),
        ("partial", "no gradient arrives at", "* hot(z)"),
    ),
    "one of each row": (
        (entropy, OPAQUE(only_the_label), X),
        ("partial", "no gradient arrives at all but one element of each slice along axis 1", ""),
    ),
    "a row of a table": (
        (looked_up, OPAQUE(without_the_first_row), X),
        ("partial", "no gradient arrives at the first entry along axis 0; elsewhere it is right", ""),
    ),
    "to each of a window": (
        (largest, OPAQUE(to_each), LINE),
        ("partial", "each gradient arrives at 3 elements where one of them gets it", ""),
    ),
    "to other places": (
        (largest, to_the_first, LINE),
        ("wrong-point", "the numbers are right, but in other places", "0 * "),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_happened_is_said_first(case):
    (function, backward, *arguments), (code, said, written) = case
    finding = cr.check(function, *arguments, backward=backward).findings[0]
    assert finding.code == code, finding.hypotheses
    assert said in finding.detail["text"]
    assert written in finding.detail.get("written", "")


def test_a_right_pass_of_these_is_right():
    assert cr.check(two_products, X, W, V, backward=all_three).ok
    assert cr.check(sum_of_two, V, 2 * V, backward=both).ok


@pytest.mark.parametrize("code", ["mask", "accumulated-twice"])
def test_a_mask_that_counts_twice_is_still_named(code):
    finding = cr.check(rows_of, TABLE, backward=twice_where_repeated).findings[0]
    assert code in [one.code for one in finding.hypotheses]


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def summed_over_everything(y_bar, z):
    s = softmax(z)
    return s * (y_bar - (y_bar * s).sum())


@pytest.mark.slow
def test_a_softmax_has_no_mean_and_variance_to_cut_off():
    for backward in (summed_over_everything, OPAQUE(summed_over_everything)):
        finding = cr.check(softmax, W, backward=backward).findings[0]
        assert not any("variance" in one.detail["text"] for one in finding.hypotheses), finding.hypotheses
    text = cr.check(softmax, W, backward=summed_over_everything).findings[0].detail["text"]
    assert "it is taken over all axes" in text
    assert "(y_bar * s).sum(axis=1, keepdims=True))` makes the gradient right" in text
