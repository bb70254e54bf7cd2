"""What the checks find, and that they place the first fault."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from tests.named import walked

from chainrule.data import Data, DataError
from chainrule.data.checks import check_finite, check_labels

FLOATS = hnp.arrays(np.float64, hnp.array_shapes(max_dims=3, max_side=4))


@given(FLOATS)
def test_check_finite_raises_exactly_where_a_value_is_not_finite(x):
    if np.isfinite(x).all():
        check_finite(x, "x")
        return
    with pytest.raises(DataError, match=rf"^x: {np.sum(~np.isfinite(x))} of {x.size} values") as caught:
        check_finite(x, "x")
    first = tuple(np.argwhere(~np.isfinite(x))[0].tolist())
    place = {1: f"index {first[0]}.", 2: f"row {first[0]}, column {first[-1]}."}.get(x.ndim, f"index {first}.")
    assert place in str(caught.value)


def test_check_finite_names_the_column():
    with pytest.raises(DataError, match=r"inf at row 1, column 0 \('width'\)"):
        check_finite([[1, 2], [np.inf, 4]], "x", ["width", "height"])


@walked("x", [["a"], [1j], [None]])
def test_check_finite_refuses_what_is_no_real_number(x):
    with pytest.raises(DataError, match="x: expected real numbers, got dtype"):
        check_finite(np.array(x), "x")


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.float32])
@given(labels=st.lists(st.integers(0, 5), min_size=1), classes=st.integers(1, 6))
def test_check_labels_places_the_first_that_is_no_class(dtype, labels, classes):
    wrong = [i for i, label in enumerate(labels) if label >= classes]
    y = np.array(labels, dtype)
    if not wrong:
        check_labels(y, classes)
        return
    with pytest.raises(DataError, match=rf"^y\[{wrong[0]}\] = {y[wrong[0]]} is not a class index: {classes} classes"):
        check_labels(y, classes)


@walked("value", [-1, 0.5, np.nan, np.inf, -np.inf])
def test_check_labels_names_the_value(value):
    with pytest.raises(DataError, match=rf"y\[1\] = {value} is not a class index"):
        check_labels([0, value], 2)


@walked("y", [np.eye(2), np.array(["a"]), np.array([True]), np.array(0)])
def test_check_labels_refuses_other_shapes_and_dtypes(y):
    with pytest.raises(DataError, match="expected integer class indices"):
        check_labels(y, 2)


def data(**changed):
    return Data(
        **{
            "x": np.eye(2),
            "y": np.array([0, 1]),
            "task": "classification",
            "feature_names": ("a", "b"),
            "class_names": ("no", "yes"),
            "name": "toy",
            "source": "by hand",
            **changed,
        }
    )


@walked(
    ("changed", "message"),
    [
        ({"x": np.ones((2, 3))}, r"toy: expected x \[N, 2\] and y \[N\], got x \[2, 3\] and y \[2\]"),
        ({"y": np.array([0, 1, 1])}, r"got x \[2, 2\] and y \[3\]"),
        ({"x": np.array([[1, np.nan], [0, 0]])}, r"toy: x: .* row 0, column 1 \('b'\)"),
        ({"y": np.array([0, 2])}, r"y\[1\] = 2 is not a class index"),
        ({"task": "regression"}, "regression without, got the task 'regression' with 2 class names"),
        ({"task": "regression", "class_names": (), "y": np.array([0, np.inf])}, "toy: y: .* inf at index 1"),
        ({"task": "clustering"}, "got the task 'clustering'"),
        ({"class_names": ()}, "'classification' with 0 class names"),
        ({"image_shape": (2, 2)}, r"shape \(2, 2\) do not have 2 features"),
    ],
)
def test_data_that_do_not_fit_are_refused(changed, message):
    with pytest.raises(DataError, match=message):
        data(**changed)


def test_labels_of_data_become_integers():
    assert data(y=np.array([0.0, 1.0])).y.dtype == np.int64
