"""Columns of mean 0 and standard deviation 1, and the way back."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

from chainrule.data import DataError, Standardizer

VALUES = st.floats(-1e6, 1e6)
TABLES = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 8), st.integers(1, 4)) | st.tuples(st.integers(1, 8)),
    elements=VALUES,
)
EPS = np.finfo(np.float64).eps


@given(TABLES)
def test_inverse_undoes_transform(x):
    scaling = Standardizer.fit(x)
    # Three roundings on the way, each relative to the largest number it meets.
    bound = 8 * EPS * (np.abs(x).max() + np.abs(scaling.mean).max())
    np.testing.assert_allclose(scaling.inverse(scaling.transform(x)), x, rtol=0, atol=bound)


@given(TABLES)
def test_columns_come_to_mean_0_and_deviation_1_or_0(x):
    scaling = Standardizer.fit(x)
    z = scaling.transform(x)
    noise = 64 * EPS * (1 + np.abs(x).max(axis=0) / scaling.scale)  # cancellation in x - mean
    assert np.all(np.abs(z.mean(axis=0)) <= noise)
    deviation = z.std(axis=0)
    assert np.all(np.minimum(np.abs(deviation - 1), deviation) <= noise)


@given(st.floats(-1e300, 1e300), st.integers(1, 9))
def test_a_constant_column_keeps_its_scale(value, n):
    assert Standardizer.fit(np.full((n, 1), value)).scale.tolist() == [1.0]


@walked("size", [1e308, 1e-300, np.finfo(np.float64).smallest_normal])
def test_the_size_of_the_numbers_does_not_matter(size):
    assert Standardizer.fit([[size], [-size]]).transform([[size], [-size]]).tolist() == [[1.0], [-1.0]]


@given(TABLES)
def test_json_gives_it_back_exactly(x):
    scaling = Standardizer.fit(x)
    again = Standardizer.from_dict(json.loads(json.dumps(scaling.to_dict())))
    np.testing.assert_array_equal(again.mean, scaling.mean)
    np.testing.assert_array_equal(again.scale, scaling.scale)


@walked(
    ("x", "message"),
    [
        (np.ones((0, 2)), r"expected samples \[N, n\], got shape \[0, 2\]"),
        (1.0, r"got shape \[\]"),
        ([[1.0], [np.nan]], "nan at row 1, column 0"),
    ],
)
def test_what_cannot_be_measured_is_refused(x, message):
    with pytest.raises(DataError, match=message):
        Standardizer.fit(x)


@pytest.mark.parametrize("method", ["transform", "inverse"])
def test_another_number_of_columns_is_refused(method):
    with pytest.raises(ValueError, match=rf"{method}: expected shape \[N, 2\], got \[2, 3\]"):
        getattr(Standardizer.fit(np.eye(2)), method)(np.ones((2, 3)))


@walked(
    ("state", "message"),
    [
        ({"mean": [0.0]}, "expected the keys mean and scale"),
        ({"mean": ["a"], "scale": [1.0]}, "not arrays of numbers"),
        ({"mean": [float("inf")], "scale": [1.0]}, "not finite"),
        ({"mean": [0.0], "scale": [0.0]}, "positive scales"),
        ({"mean": [0.0], "scale": [1.0, 1.0]}, "as many positive scales"),
    ],
)
def test_another_state_is_refused(state, message):
    with pytest.raises(DataError, match=message):
        Standardizer.from_dict(state)
