"""Quantiles, and functions given by samples: values as NumPy's, derivatives, what is refused."""

from typing import Any

import numpy as np
import pytest
from tests.named import walked

from chainrule.core.traces.tape import EAGER
from chainrule.rules.arrays import calculus, order_statistics

from .against_numpy import agree, apart

METHODS = ["linear", "weibull", "hazen", "interpolated_inverted_cdf", "median_unbiased", "normal_unbiased"]


@walked("method", [*METHODS, "lower", "higher", "nearest", "midpoint"])
@walked("q", [0.3, 0.0, 1.0, np.array([0.1, 0.77]), np.array([[0.5], [0.9]])])
def test_quantile(method: str, q: Any) -> None:
    x = apart(3, 5)
    for keywords in ({}, {"axis": 1}, {"axis": (0, 1), "keepdims": True}, {"axis": 0, "keepdims": True}):
        f = lambda x, k=keywords: np.quantile(x, q, method=method, **k)  # noqa: E731
        agree(f, f, x, second=False)


@walked("method", METHODS)
def test_quantile_is_differentiable_in_its_place(method: str) -> None:
    agree(
        lambda x, q: np.quantile(x, q, axis=1, method=method),
        lambda x, q: np.quantile(x, q, axis=1, method=method),
        apart(2, 7),
        np.array([0.31, 0.62]),
    )


def test_percentile_and_median() -> None:
    x = apart(4, 5)
    agree(lambda x: np.percentile(x, [20, 50.0], axis=0), lambda x: np.percentile(x, [20, 50.0], axis=0), x)
    for axis in (None, 0, 1):
        agree(lambda x, a=axis: np.median(x, axis=a), lambda x, a=axis: np.median(x, axis=a), x)
    assert np.isnan(order_statistics.median(np.array([1.0, np.nan])))
    np.testing.assert_array_equal(order_statistics.median(np.array([[1.0, np.nan], [1.0, 2.0]]), axis=1), [np.nan, 1.5])


def test_quantile_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"quantile: got 1\.5 as place"):
        order_statistics.quantile(apart(3), 1.5)
    with pytest.raises(ValueError, match="quantile: got method='middle', expected one of"):
        order_statistics.quantile(apart(3), 0.5, method="middle")
    with pytest.raises(ValueError, match="median: got no elements"):
        order_statistics.median(np.zeros(0))


# Samples of functions


@walked(
    "keywords",
    [{}, {"n": 2}, {"axis": 0}, {"n": 0}, {"prepend": 1.0}, {"append": np.ones((3, 2))}, {"n": 5}],
)
def test_diff(keywords: Any) -> None:
    agree(lambda x: np.diff(x, **keywords), lambda x: np.diff(x, **keywords), apart(3, 4))


@pytest.mark.parametrize("edge_order", [1, 2])
def test_gradient(edge_order: int) -> None:
    x, places = apart(5), np.sort(apart(5))
    agree(np.gradient, np.gradient, x)
    agree(lambda x: np.gradient(x, edge_order=edge_order), lambda x: np.gradient(x, edge_order=edge_order), x)
    f = lambda x, h: np.gradient(x, h, edge_order=edge_order)  # noqa: E731
    agree(f, f, x, np.float64(0.3), second=False)
    agree(f, f, x, places, tolerance=1e-6, second=False)
    square = apart(3, 4)
    for axis, args in ((0, (0.5,)), (1, (np.array([0.0, 1.0, 3.0, 3.5]),)), (-1, ())):
        one = lambda x, a=axis, s=args: np.gradient(x, *s, axis=a, edge_order=edge_order)  # noqa: E731
        agree(one, one, square)
    both = np.gradient(EAGER.leaf(square), 0.5, edge_order=edge_order)
    assert isinstance(both, tuple)
    for got, expected in zip(both, np.gradient(square, 0.5, edge_order=edge_order), strict=True):
        np.testing.assert_allclose(got.numpy(), expected)


def test_gradient_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="gradient: got 1 samples along axis 0, expected at least 2"):
        calculus.gradient(np.ones(1))
    with pytest.raises(TypeError, match="gradient: got 3 spacings for 2 axes"):
        calculus.gradient(np.ones((3, 3)), 1.0, 1.0, 1.0)
    with pytest.raises(ValueError, match=r"gradient: got coordinates of shape \(2,\) for 3 samples"):
        calculus.gradient(np.ones(3), np.ones(2))


def test_trapezoid() -> None:
    y = apart(3, 4)
    agree(np.trapezoid, np.trapezoid, y)
    agree(lambda y: np.trapezoid(y, dx=0.5, axis=0), lambda y: np.trapezoid(y, dx=0.5, axis=0), y)
    agree(lambda y, x: np.trapezoid(y, x), lambda y, x: np.trapezoid(y, x), y, np.sort(apart(4)))
    agree(lambda y, x: np.trapezoid(y, x, axis=0), lambda y, x: np.trapezoid(y, x, axis=0), y, apart(3, 4))
    cube = apart(2, 3, 4)
    agree(lambda y: np.trapezoid(y, axis=0), lambda y: np.trapezoid(y, axis=0), cube)
    agree(lambda y: np.trapezoid(y, axis=1), lambda y: np.trapezoid(y, axis=1), cube)


def test_unwrap() -> None:
    x = np.array([0.0, 3.0, 6.5, 0.7, -4.1])
    agree(np.unwrap, np.unwrap, x)
    agree(lambda x: np.unwrap(x, period=4.0), lambda x: np.unwrap(x, period=4.0), x)


@walked("keywords", [{}, {"left": -1.0}, {"left": 0.5, "right": 7.0}, {"period": 1.25}, {"period": 3.1}])
def test_interp(keywords: Any) -> None:
    xp, fp = np.array([0.0, 0.7, 1.0, 2.5]), np.array([1.0, -2.0, 4.0, 3.0])
    f = lambda x, xp, fp: np.interp(x, xp, fp, **keywords)  # noqa: E731
    x = np.array([[-1.0, 0.3], [0.9, 1.7], [2.2, 3.3]])
    agree(lambda x, fp: f(x, xp, fp), lambda x, fp: f(x, xp, fp), x, fp)
    agree(f, f, x, xp, fp) if "period" not in keywords else None
    np.testing.assert_allclose(calculus.interp(xp, xp, fp, **keywords), f(xp, xp, fp))
    np.testing.assert_allclose(calculus.interp(x, xp[:1], fp[:1], **keywords), f(x, xp[:1], fp[:1]))


@walked("mode", ["full", "same", "valid"])
@walked(("n", "m"), [(5, 3), (2, 5), (4, 4), (3, 1), (4, 2)])
def test_convolve(mode: str, n: int, m: int) -> None:
    agree(lambda a, v: np.convolve(a, v, mode), lambda a, v: np.convolve(a, v, mode), apart(n), apart(m))


def test_convolve_says_what_is_wrong() -> None:
    with pytest.raises(ValueError, match="convolve: got mode='most'"):
        calculus.convolve(apart(3), apart(2), "most")
    with pytest.raises(ValueError, match="expected two vectors of length 1 or more"):
        calculus.convolve(apart(3), apart(0))
