"""Transforms inside transforms: no two derivatives are confused, whatever the modes and the order."""

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

Scalar = Callable[[Any], Any]


def by_grad(f: Scalar) -> Scalar:
    return cr.grad(f)


def by_jvp(f: Scalar) -> Scalar:
    return lambda x: cr.jvp(f, (x,), (1.0,))[1]


def by_vjp(f: Scalar) -> Scalar:
    return lambda x: cr.vjp(f, x)[1](1.0)[0]


MODES = {"grad": by_grad, "jvp": by_jvp, "vjp": by_vjp}
PAIRS = list(itertools.product(MODES, MODES))
words = st.lists(st.sampled_from(sorted(MODES)), max_size=4)


def polynomial(coefficients: list[float], x: Any) -> Any:
    """By Horner's rule: multiplications and additions alone."""
    y = x * 0 + coefficients[-1]
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y


@given(words, st.lists(st.integers(-3, 3).map(float), min_size=1, max_size=6), st.floats(-2, 2))
def test_every_word_of_modes_gives_the_analytic_derivative(
    word: list[str], coefficients: list[float], x: float
) -> None:
    f: Scalar = lambda x: polynomial(coefficients, x)  # noqa: E731
    for mode in word:
        f = MODES[mode](f)
    expected = np.polynomial.Polynomial(coefficients).deriv(len(word))(x)
    np.testing.assert_allclose(f(x), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@given(words, st.floats(0.5, 2))
def test_words_of_modes_on_elementary_functions(word: list[str], x: float) -> None:
    f: Scalar = lambda x: np.exp(2 * x) + np.sin(x) / x  # noqa: E731
    g: Scalar = lambda x: 2 * np.exp(2 * x)  # noqa: E731
    for mode in word:
        f = MODES[mode](f)
        g = by_grad(g)
    rest: Scalar = lambda x: np.sin(x) / x  # noqa: E731
    for _ in word:
        rest = by_jvp(rest)
    np.testing.assert_allclose(f(x), 2 ** len(word) * np.exp(2 * x) + rest(x), rtol=1e-9)


@walked(("outer", "inner"), PAIRS)
def test_perturbations_are_not_confused(outer: str, inner: str) -> None:
    """The case of Siskind and Pearlmutter (2005): d/dx [x d/dy (x + y)] at 1 is 1, not 2."""
    found = MODES[outer](lambda x: x * MODES[inner](lambda y: x + y)(1.0))(1.0)
    assert found == 1.0


@walked(("outer", "inner"), PAIRS)
def test_an_inner_derivative_at_the_outer_variable(outer: str, inner: str) -> None:
    # f(x) = x · d/dy (x y²) at y = x, which is 2x³
    found = MODES[outer](lambda x: x * MODES[inner](lambda y: x * y * y)(x))(3.0)
    assert found == 6 * 3.0**2


@walked(("outer", "inner"), PAIRS)
def test_a_function_made_inside_is_differentiated_outside(outer: str, inner: str) -> None:
    """A derivative that returns a function: g(x)(y) = d/dz (x z²) at z = y, then by x."""
    curried = lambda x: lambda y: MODES[inner](lambda z: x * z * z)(y)  # noqa: E731
    assert MODES[outer](lambda x: curried(x)(5.0) * x)(3.0) == 2 * 2 * 3.0 * 5.0


@walked("word", list(itertools.product(MODES, repeat=3)))
def test_three_variables_at_three_levels(word: tuple[str, str, str]) -> None:
    a, b, c = (MODES[mode] for mode in word)
    found = a(lambda x: x * b(lambda y: y * y * c(lambda z: x * y * z * z)(y))(x))(2.0)
    # By z, at z = y: 2xy². Times y², by y, at y = x: 8x⁴. Times x, by x: 40x⁴.
    assert found == 40 * 2.0**4


def test_forward_over_reverse_over_forward() -> None:
    third = by_jvp(by_grad(by_jvp(lambda x: np.sin(x) * x)))
    x = 0.7
    np.testing.assert_allclose(third(x), -3 * np.sin(x) - x * np.cos(x), rtol=1e-12)


@walked("word", PAIRS)
def test_arrays_and_broadcasting_at_two_levels(word: tuple[str, str]) -> None:
    w = np.array([[1.0, 2.0], [3.0, 4.0]])
    f: Scalar = lambda t: (np.tanh(w * t) @ w.T * (t + w)).sum()  # noqa: E731
    g = MODES[word[0]](MODES[word[1]](f))
    h = 1e-5
    numeric = (by_grad(f)(0.3 + h) - by_grad(f)(0.3 - h)) / (2 * h)
    np.testing.assert_allclose(g(0.3), numeric, rtol=1e-7)


@walked("mode", MODES)
def test_a_leaf_in_the_closure_of_a_transform(mode: str) -> None:
    w = cr.tensor(3.0, requires_grad=True)
    y = MODES[mode](lambda x: x * x * w * w)(2.0)  # 2 x w²
    y.backward()
    assert float(w.grad) == 2 * 2.0 * 2 * 3.0


@walked("word", PAIRS)
def test_leaves_through_two_transforms(word: tuple[str, str]) -> None:
    x = cr.tensor(2.0, requires_grad=True)
    y = MODES[word[0]](MODES[word[1]](lambda t: t**4))(x)  # 12 x²
    y.backward()
    assert float(x.grad) == 24 * 2.0


def test_a_pullback_can_be_differentiated() -> None:
    x = 3.0
    _, pullback = cr.vjp(lambda x: x * x, x)
    assert cr.grad(lambda y_bar: pullback(y_bar)[0])(1.0) == 6.0
    assert cr.jvp(lambda y_bar: pullback(y_bar)[0], (1.0,), (1.0,))[1] == 6.0


def test_a_pullback_made_inside_an_outer_transform_and_used_later() -> None:
    def f(x: Any) -> Any:
        y, pullback = cr.vjp(lambda z: z * z * x, x)
        return pullback(y)[0]  # 2x² · x³

    assert cr.grad(f)(2.0) == 2 * 5 * 2.0**4
    assert cr.jvp(f, (2.0,), (1.0,))[1] == 2 * 5 * 2.0**4


def test_newton_by_derivatives_inside_a_differentiated_loop() -> None:
    """The root of x² = a, found with derivatives; and its own derivative by a, 1 / (2 √a)."""

    def root(a: Any) -> Any:
        x = a * 0 + 1.0
        for _ in range(8):
            value, slope = cr.value_and_grad(lambda x: x * x - a)(x)
            x = x - value / slope
        return x

    value, slope = cr.value_and_grad(root)(2.0)
    np.testing.assert_allclose([value, slope], [np.sqrt(2), 1 / (2 * np.sqrt(2))])
    np.testing.assert_allclose(cr.grad(cr.grad(root))(2.0), -(2.0**-1.5) / 4)


def test_the_value_of_a_box_that_outlived_its_transform() -> None:
    kept = []
    cr.grad(lambda x: (kept.append(x), x * x)[1])(3.0)
    assert kept[0].item() == 3.0
    assert cr.grad(lambda y: y * kept[0].detach())(2.0) == 3.0
