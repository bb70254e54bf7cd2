"""Polynomials by their coefficients: values as NumPy's, derivatives, what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

from .against_numpy import RNG, agree, apart

P, Q = np.array([1.5, -0.5, 2.0, 1.0]), np.array([2.0, 0.3])
CALLS = {
    "polyval": (np.polyval, P, apart(2, 3)),
    "polyval of one number": (np.polyval, P, np.array(0.7)),
    "polyadd": (np.polyadd, P, Q),
    "polyadd, the longer last": (np.polyadd, Q, P),
    "polysub": (np.polysub, Q, P),
    "polymul": (np.polymul, P, Q),
    "polyder": (np.polyder, P),
    "polyder, three times": (lambda p: np.polyder(p, 3), P),
    "polyint": (np.polyint, P),
    "polyint, twice": (lambda p, k: np.polyint(p, 2, k), P, np.array([3.0, 4.0])),
    "poly": (np.poly, Q),
    "quotient": (lambda u, v: np.polydiv(u, v)[0], P, Q),
    "remainder": (lambda u, v: np.polydiv(u, v)[1], P, Q),
    "a longer divisor": (lambda u, v: np.polydiv(u, v)[1], Q, P),
    "vander": (np.vander, apart(3)),
    "vander of zero": (lambda x: np.vander(x, 4, increasing=True), np.array([0.0, -2.0])),
    "vander of no columns": (lambda x: np.vander(x, 0), apart(3)),
    "polyfit": (lambda x, y: np.polyfit(x, y, 2), apart(6), apart(6)),
    "polyfit of columns": (lambda y: np.polyfit(np.arange(5.0), y, 1), apart(5, 2)),
    "polyfit with weights": (lambda y, w: np.polyfit(np.arange(5.0), y, 1, w=w), apart(5), RNG.uniform(1, 2, 5)),
}


@walked("name", CALLS)
def test_a_function_of_polynomials(name: str) -> None:
    f, *xs = CALLS[name]
    agree(f, f, *xs, tolerance=1e-6, second="polyfit" not in name)


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=5), st.lists(st.floats(-2, 2), min_size=1, max_size=5))
def test_the_value_of_a_product_is_the_product_of_the_values(p: list[float], q: list[float]) -> None:
    def difference(x: Any) -> Any:
        return np.polyval(np.polymul(p, q), x) - np.polyval(p, x) * np.polyval(q, x)

    np.testing.assert_allclose(cr.grad(difference)(0.8), 0, atol=1e-12)


def test_the_derivative_is_the_polynomial_of_polyder() -> None:
    np.testing.assert_allclose(cr.grad(np.polyval, argnums=1)(P, 0.3), np.polyval(np.polyder(P), 0.3), rtol=1e-14)


def test_a_remainder_leaves_leading_zeros_out_as_numpy_does() -> None:
    u, v = np.array([1.0, 2.0, 1.0]), np.array([1.0, 1.0])
    for got, expected in zip(np.polydiv(cr.tensor(u), v), np.polydiv(u, v), strict=True):
        np.testing.assert_array_equal(got.numpy(), expected)


@walked(
    ("call", "message"),
    [
        (lambda x: np.polyval(x.reshape((1, 2)), 1.0), r"polyval: got coefficients of shape \(1, 2\)"),
        (lambda x: np.polyder(x, -1), "polyder: got m=-1"),
        (lambda x: np.polyint(x, 2, [1.0, 2.0, 3.0]), r"polyint: got m=2 and k of shape \(3,\)"),
        (lambda x: np.vander(x.reshape((1, 2))), "vander: got x of shape"),
        (lambda x: np.polyfit(x, np.zeros(3), 1), "polyfit: got x"),
    ],
)
def test_a_wrong_call_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(cr.tensor([1.0, 2.0]))
