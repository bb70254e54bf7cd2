"""Correlations, covariances, weighted counts: values as NumPy's, derivatives, what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

from .against_numpy import RNG, agree, apart

X, Y, W = apart(3, 5), apart(2, 5), RNG.uniform(0.5, 1.5, 5)
COUNTS = np.array([1, 2, 1, 3, 1])
CALLS = {
    "cov": (np.cov, X),
    "cov of a vector": (np.cov, apart(5)),
    "cov of two": (np.cov, X, Y),
    "cov of columns": (lambda x: np.cov(x, rowvar=False), X),
    "cov with bias": (lambda x: np.cov(x, bias=True), X),
    "cov with ddof": (lambda x: np.cov(x, ddof=0), X),
    "cov with counts": (lambda x: np.cov(x, fweights=COUNTS), X),
    "cov with weights": (lambda x, w: np.cov(x, aweights=w), X, W),
    "cov with both": (lambda x, w: np.cov(x, fweights=COUNTS, aweights=w, ddof=2), X, W),
    "cov with weights and bias": (lambda x, w: np.cov(x, aweights=w, bias=True), X, W),
    "corrcoef": (np.corrcoef, X),
    "corrcoef of two": (np.corrcoef, X, Y),
    "ediff1d": (np.ediff1d, X),
    "ediff1d with ends": (lambda x, a, b: np.ediff1d(x, a, b), X, apart(2), np.array(3.0)),
    "bincount": (lambda w: np.bincount(np.array([0, 3, 3, 1, 0]), w, 6), W),
    "histogram": (lambda w: np.histogram(Y[0], 4, weights=w)[0], W),
    "histogram with density": (lambda w: np.histogram(Y[0], [-1.0, 0.0, 0.5, 2.0], density=True, weights=w)[0], W),
    "histogram over a range": (lambda w: np.histogram(Y[0], 3, (-1, 1), weights=w)[0], W),
}


@walked("name", CALLS)
def test_a_function(name: str) -> None:
    f, *xs = CALLS[name]
    agree(f, f, *xs, tolerance=1e-6)


@walked("mode", ["full", "same", "valid"])
@walked("lengths", [(5, 3), (5, 2), (2, 5), (3, 5), (4, 4), (1, 4), (4, 1)])
def test_correlate(mode: str, lengths: tuple[int, int]) -> None:
    f = lambda a, v: np.correlate(a, v, mode)  # noqa: E731
    agree(f, f, apart(lengths[0]), apart(lengths[1]))


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=20), st.integers(1, 6))
def test_weights_of_one_count(x: list[float], bins: int) -> None:
    expected, edges = np.histogram(x, bins)
    got, its_edges = np.histogram(np.array(x), bins, weights=cr.tensor(np.ones(len(x))))
    np.testing.assert_array_equal(got.numpy(), expected)
    np.testing.assert_array_equal(its_edges, edges)


def test_counts_of_a_tensor_are_constants() -> None:
    x = cr.tensor([0.5, 1.5, 1.7], requires_grad=True)
    np.testing.assert_array_equal(np.histogram(x, [0.0, 1.0, 2.0])[0], [1, 2])
    np.testing.assert_array_equal(np.bincount(cr.tensor(np.array([1, 1]))), [0, 2])


def test_a_correlation_never_passes_one() -> None:
    x = np.array([0.1, 0.2, 0.7])
    c = np.corrcoef(cr.tensor(np.stack([x, 3 * x, -x]))).numpy()
    assert (np.abs(c) <= 1).all()
    np.testing.assert_array_equal(c, np.corrcoef(np.stack([x, 3 * x, -x])))


def test_no_degrees_of_freedom_warn_as_in_numpy() -> None:
    with pytest.warns(RuntimeWarning) as warned:
        np.cov(cr.tensor([1.0]))
    assert "Degrees of freedom <= 0" in str(warned[0].message)


@walked(
    ("call", "message"),
    [
        (lambda x: np.cov(x.reshape((1, 1, 3))), "cov: got shape"),
        (lambda x: np.bincount(np.array([0, 1]), x), "bincount: got weights"),
        (lambda x: np.histogram(np.zeros(2), 2, weights=x), "histogram: got weights"),
    ],
)
def test_a_wrong_call_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(cr.tensor([1.0, 2.0, 3.0]))
