"""Elements left out, inserted and found: values as NumPy's, derivatives, what is refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.named import walked

import chainrule as cr

from .against_numpy import agree, apart

X = apart(3, 4)
CALLS = {
    "delete": (lambda x: np.delete(x, 1), X),
    "delete rows": (lambda x: np.delete(x, [0, -1], axis=0), X),
    "delete a slice": (lambda x: np.delete(x, slice(None, None, 2), axis=1), X),
    "delete by a mask": (lambda x: np.delete(x, np.array([True, False, False, True]), axis=1), X),
    "insert": (lambda x, v: np.insert(x, 1, v), X, np.array(2.0)),
    "insert a row": (lambda x, v: np.insert(x, 1, v, axis=0), X, apart(4)),
    "insert one number in all rows": (lambda x, v: np.insert(x, 1, v, axis=1), X, np.array(2.0)),
    "insert columns": (lambda x, v: np.insert(x, [1], v, axis=1), X, apart(3, 2)),
    "insert in several places": (lambda x, v: np.insert(x, [0, 3, 3], v), X, apart(3)),
    "resize": (lambda x: np.resize(x, (2, 3)), X),
    "resize to more": (lambda x: np.resize(x, (5, 4)), X),
    "apply_along_axis to numbers": (lambda x: np.apply_along_axis(lambda v: (v * v).sum(), 0, x), X),
    "apply_along_axis to vectors": (lambda x: np.apply_along_axis(lambda v: np.cumsum(v)[1:], 1, x), X),
    "apply_along_axis to matrices": (lambda x: np.apply_along_axis(lambda v: np.outer(v, v), 0, x), apart(2, 3, 2)),
    "apply_over_axes": (lambda x: np.apply_over_axes(np.sum, x * x, (0, -1)), apart(2, 3, 2)),
    "piecewise": (lambda x: np.piecewise(x, [x < 0, x > 1], [lambda v: v * v, 5.0, lambda v: v**3]), X),
    "piecewise, without the rest": (lambda x: np.piecewise(x, [x < 0, x < -1], [np.exp, np.sin]), X),
    "piecewise by one condition": (
        lambda x: np.piecewise(x, x < 0, [lambda v, k: v * k, lambda v, k: v**k], 3.0),
        X[0],
    ),
    "piecewise of one number": (lambda x: np.piecewise(x, [x < 0], [np.sin, lambda v: v * v]), np.array(1.3)),
    "trim_zeros": (lambda x: np.trim_zeros(x * np.array([0.0, 1.0, 0.0, 1.0, 0.0])), apart(5)),
    "trim_zeros in front": (lambda x: np.trim_zeros(x * np.array([0.0, 1.0, 0.0, 1.0, 0.0]), "f"), apart(5)),
    "trim_zeros behind": (lambda x: np.trim_zeros(x * np.array([0.0, 1.0, 0.0, 1.0, 0.0]), "b"), apart(5)),
    "union1d": (np.union1d, X, apart(3)),
    "setdiff1d": (lambda x: np.setdiff1d(x, x[0] * 1), X),
    "setdiff1d, as they stand": (lambda x: np.setdiff1d(x, x[0] * 1, assume_unique=True), X),
    "intersect1d": (lambda x: np.intersect1d(x, x[:2] * 1), X),
    "setxor1d": (lambda x, z: np.setxor1d(x[1:], np.append(x[:2], z)), X, apart(2) + 9),
    "unique": (np.unique, X),
    "unique rows": (lambda x: np.unique(x, axis=0), X),
}


@walked("name", CALLS)
def test_a_function(name: str) -> None:
    f, *xs = CALLS[name]
    if "apply_along_axis" in name or "piecewise" in name:
        agree(f, f, *xs, tolerance=1e-6)
    else:
        agree(f, f, *xs)


def test_apply_along_axis_passes_arguments_on() -> None:
    f = lambda x: np.apply_along_axis(lambda v, k, power: (k * v**power).sum(), 1, x, 2.0, power=3)  # noqa: E731
    agree(f, f, X, tolerance=1e-6)


@given(st.lists(st.sampled_from([0.0, 1.0, 2.5]), min_size=1, max_size=8))
def test_unique_gives_the_first_of_equals_its_gradient(x: list[float]) -> None:
    array = np.array(x)
    values, first, inverse, counts = np.unique(array, True, True, True)
    got = np.unique(cr.tensor(array), True, True, True)
    for one, expected in zip(got, (values, first, inverse, counts), strict=True):
        np.testing.assert_array_equal(cr.core.tensor.value_of(one), expected)
    gradient = cr.grad(lambda x: np.unique(x).sum())(array)
    np.testing.assert_array_equal(np.flatnonzero(gradient), np.sort(first))
    assert set(gradient) <= {0.0, 1.0}


@walked("name", ["unique_all", "unique_counts", "unique_inverse"])
def test_the_array_apis_names(name: str) -> None:
    x = np.array([3.0, 1.0, 3.0])
    got, expected = getattr(np, name)(cr.tensor(x, requires_grad=True)), getattr(np, name)(x)
    assert got._fields == expected._fields
    assert got.values.requires_grad
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_array_equal(cr.core.tensor.value_of(one), other)
    np.testing.assert_array_equal(np.unique_values(cr.tensor(x)).numpy(), [1.0, 3.0])


@walked("x", [np.zeros(3), np.zeros(0), np.array([0.0, 2.0])])
@walked("trim", ["f", "b", "fb"])
def test_trim_zeros_of_zeros(x: Any, trim: str) -> None:
    np.testing.assert_array_equal(np.trim_zeros(cr.tensor(x), trim).numpy(), np.trim_zeros(x, trim))


def test_trim_zeros_of_a_matrix() -> None:
    x = np.pad(X, ((1, 2), (0, 1)))
    np.testing.assert_array_equal(cr.numpy.trim_zeros(x), X)
    np.testing.assert_array_equal(cr.numpy.trim_zeros(x, axis=1), x[:, :4])


def test_float32_stays() -> None:
    x = cr.tensor(X.astype(np.float32), requires_grad=True)
    for y in (np.delete(x, 1), np.insert(x, 1, 5.0), np.resize(x, 3), np.unique(x), np.piecewise(x, [x < 0], [np.exp])):
        assert y.dtype == np.float32


@walked(
    ("call", "message"),
    [
        (lambda x: np.trim_zeros(x, "x"), "trim_zeros: got trim='x'"),
        (lambda x: np.piecewise(x, [x < 0], [1, 2, 3]), "piecewise: got 3 functions for 1 conditions"),
        (lambda x: np.apply_along_axis(np.sum, 0, np.zeros((2, 0)) * x[:, :0]), "apply_along_axis: got no vectors"),
        (lambda x: np.apply_along_axis(np.sum, 2, x), "apply_along_axis"),
    ],
)
def test_a_wrong_call_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(cr.tensor(X[:2]))
