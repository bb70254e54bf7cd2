"""Data read for a network that was trained on others: columns and classes by name, nothing that does not fit."""

import numpy as np
import pytest

from chainrule.data import Data, DataError, Feature, Schema, load, load_as, load_features
from chainrule.data.schema import feature_names


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "shapes.csv"
    file.write_text("size,shape,kind\n1,o,a\n2,x,b\n3,o,a\n4,x,b\n")
    return file


def other(path, text, name="new.csv"):
    file = path.with_name(name)
    file.write_text(text)
    return file


def test_they_are_those_of_training(path):
    data = load(path)
    np.testing.assert_array_equal(load_features(path, data.schema), data.x)
    again = load_as(path, data.schema)
    np.testing.assert_array_equal(again.x, data.x)
    np.testing.assert_array_equal(again.y, data.y)
    assert again.schema == data.schema


def test_order_and_a_missing_target_do_not_matter(path):
    new = other(path, "shape,size\nx,5\nx,6\n")
    np.testing.assert_array_equal(load_features(new, load(path).schema), [[5, 0, 1], [6, 0, 1]])


def test_the_target_is_found_by_its_name_and_classes_keep_their_numbers(path):
    schema = load(path, target="kind").schema
    assert load_as(other(path, "kind,shape,size\nb,x,5\nb,o,6\n"), schema).y.tolist() == [1, 1]
    numbers = load(path, target="size", task="regression").schema
    assert load_as(other(path, "size,shape,kind\n7,o,a\n8,o,b\n"), numbers).y.tolist() == [7, 8]


def test_a_target_that_cannot_be_read_is_not_looked_at_for_a_prediction(path):
    new = other(path, "size,shape,kind\n5,x,\n6,o,?\n")
    assert load_features(new, load(path).schema).shape == (2, 3)
    with pytest.raises(DataError, match="missing value in column 'kind'"):
        load_as(new, load(path).schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("size,kind\n1,a\n2,b\n", "no column 'shape'"),
        ("shape,kind\no,a\nx,b\n", "no column 'size'"),
        ("size,shape,note\n1,o,1\n2,x,2\n", "'note' is not one of them"),
        ("size,form\n1,o\n2,x\n", "no column 'shape'; 'form' is not one of them"),
        ("size,shape\n1,o\n2,z\n", "'z' at line 3.*not trained on it; expected one of 'o', 'x'"),
        ("size,shape\nbig,o\nsmall,x\n", "'size' is text .'big' at line 2.*trained on numbers"),
    ],
)
def test_what_does_not_fit_is_named(path, text, message):
    with pytest.raises(DataError, match=message):
        load_features(other(path, text), load(path).schema)


def test_a_class_that_was_not_there_is_named(path):
    with pytest.raises(DataError, match=r"the target 'kind' holds the class 'c' at line 3, .*expected one of 'a', 'b'"):
        load_as(other(path, "size,shape,kind\n1,o,a\n2,x,c\n"), load(path).schema)


def test_text_is_text_even_where_it_looks_like_numbers(path):
    data = load(other(path, "code,y\na,1.5\nb,2.5\n7,3.5\n", "codes.csv"))
    assert load_features(other(path, "code\n7\n7\n"), data.schema).tolist() == [[1, 0, 0], [1, 0, 0]]


def test_one_feature_alone_can_be_predicted_for(path):
    data = load(other(path, "a,y\n1,2.5\n2,3.5\n3,1.5\n", "line.csv"))
    assert load_features(other(path, "a\n4\n"), data.schema).tolist() == [[4]]


def test_a_column_called_as_a_category_is_another_feature(path):
    data = load(other(path, "a,a=x,a=x (2),y\nx,1,0,1.5\nz,0,1,2.5\nx,2,3,3.5\n", "twice.csv"))
    assert data.feature_names == ("a=x (3)", "a=z", "a=x", "a=x (2)")
    assert data.features == (Feature("a", "x"), Feature("a", "z"), Feature("a=x"), Feature("a=x (2)"))
    np.testing.assert_array_equal(load_features(path.with_name("twice.csv"), data.schema), data.x)


def test_names_that_only_look_alike_are_told_apart():
    features = [Feature("a=b", "c"), Feature("a", "b=c"), Feature("a=b=c")]
    assert feature_names(features) == ("a=b=c (2)", "a=b=c (3)", "a=b=c")


def test_an_npz_file_needs_no_target_to_predict_for(tmp_path):
    x, y = np.arange(12.0).reshape(6, 2), np.array([0, 1, 2, 0, 1, 2])
    np.savez(tmp_path / "all.npz", x=x, y=y, feature_names=["a", "y"])
    schema = load(tmp_path / "all.npz").schema
    np.savez(tmp_path / "new.npz", x=x[:, ::-1], feature_names=["y", "a"])
    np.testing.assert_array_equal(load_features(tmp_path / "new.npz", schema), x)
    np.savez(tmp_path / "few.npz", x=x[:2], y=np.array([2, 1]), feature_names=["a", "y"])
    assert load_as(tmp_path / "few.npz", schema).y.tolist() == [2, 1]
    np.savez(tmp_path / "twice.npz", x=x, y=y, feature_names=["a", "a"])
    with pytest.raises(DataError, match="two of the feature_names are 'a'"):
        load(tmp_path / "twice.npz")


def test_a_set_without_a_target_column_asks_for_one(path):
    schema = Schema("somewhere", (Feature("size"),), "classification", ("a", "b"))
    with pytest.raises(DataError, match="whose target is not one of the columns; name the target, one of 'kind', with"):
        load_as(other(path, "size,kind\n1,a\n2,b\n"), schema)


def test_a_named_set_lacks_other_features():
    with pytest.raises(DataError, match=r"iris does not fit .* 1 columns of t: no column 'size'; 'sepal length"):
        load_features("iris", Schema("t", (Feature("size"),), "regression"))
    with pytest.raises(DataError, match=r"trained on 64 columns of digits: no column 'pixel_0_0', .* and 52 more; "):
        load_features("iris", load("digits").schema)


def test_a_schema_that_contradicts_itself_is_refused():
    for features, task, classes in (
        ((), "regression", ()),
        ((Feature("a"), Feature("a")), "regression", ()),
        ((Feature("a"), Feature("a", "x")), "regression", ()),
        ((Feature("a"),), "classification", ()),
        ((Feature("a"),), "classification", ("k", "k")),
    ):
        with pytest.raises(DataError):
            Schema("t", features, task, classes)


def test_feature_names_have_to_differ():
    with pytest.raises(DataError, match="2 different feature names"):
        Data(np.eye(2), np.array([0.5, 1]), "regression", ("a", "a"), (), "t", "drawn")


def test_a_named_set_is_no_regression():
    assert load("iris", task="classification").task == "classification"
    with pytest.raises(DataError, match="iris is a classification"):
        load("iris", task="regression")
