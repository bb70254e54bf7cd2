"""Features for prediction: the columns that training made, from a table that may hold others."""

import numpy as np
import pytest

from chainrule.data import DataError, load, load_features


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "shapes.csv"
    file.write_text("size,shape,kind\n1,o,a\n2,x,b\n3,o,a\n4,x,b\n")
    return file


def test_they_are_those_of_training(path):
    data = load(path)
    np.testing.assert_array_equal(load_features(path, data.feature_names), data.x)


def test_order_extra_columns_and_a_missing_target_do_not_matter(path, tmp_path):
    names = load(path).feature_names
    other = tmp_path / "new.csv"
    other.write_text("note,shape,size\n7,x,5\n8,x,6\n")
    np.testing.assert_array_equal(load_features(other, names), [[5, 0, 1], [6, 0, 1]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size,kind\n1,a\n2,b\n", "no column 'shape'"),
        ("size,shape\n1,o\n2,z\n", "'z' at line 3.*not trained on"),
        ("shape,kind\no,a\nx,b\n", "no column 'size'"),
    ],
)
def test_what_does_not_fit_is_named(path, tmp_path, text, message):
    names = load(path).feature_names
    other = tmp_path / "new.csv"
    other.write_text(text)
    with pytest.raises(DataError, match=message):
        load_features(other, names)


def test_a_named_set_lacks_other_features():
    with pytest.raises(DataError, match="no feature 'size'"):
        load_features("iris", ["size"])
    with pytest.raises(DataError, match=r"iris has 4 features, the model was trained on 64 \(digits\); .*'pixel_0_0'$"):
        load_features("iris", load("digits").feature_names, trained_on="digits")


def test_a_named_set_is_no_regression():
    assert load("iris", task="classification").task == "classification"
    with pytest.raises(DataError, match="iris is a classification"):
        load("iris", task="regression")
