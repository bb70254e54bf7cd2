"""Missing values: refused all at once, or filled with what the training part knows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataError, Feature, Imputer, load, load_as, load_features

HOLES = "age,sex,city,y\n20,m,Seoul,1.5\n,f,,2.5\n40,NA,Busan,3.5\n30,f,Seoul,4.5\nnan,m,Seoul,5.5\n"


@pytest.fixture
def written(tmp_path):
    def write(text, name="t.csv"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_all_faults_are_listed_at_once_with_line_and_column(written):
    text = "a,b,c\n1,x,1.5\n,y,2.5\n3,?,3.5\n4,x\ninf,y,oops\n6,x,4.5\n7,y,5.5\n"
    with pytest.raises(DataError) as caught:
        load(written(text))
    lines = str(caught.value).splitlines()
    assert lines[:6] == [
        "t.csv: 5 faults:",
        "  line 3: missing value in column 'a'",
        "  line 4: missing value in column 'b'",
        "  line 5 has 2 cells, the first row has 3",
        "  line 6: column 'a' is not finite (inf)",
        "  line 6: column 'c' contains numbers, but also 'oops'",
    ]
    assert "1 missing in 'a', 1 missing in 'b': fill in the values, or choose what becomes of them: --missing" in (
        str(caught.value)
    )


def test_the_first_twenty_are_listed_and_the_rest_counted(written):
    with pytest.raises(DataError, match=r"50 faults:(.*\n){21}  and 30 more\n50 missing in 'a'"):
        load(written("a,y\n" + "".join(f"{'' if i % 2 else i},{i}.5\n" for i in range(100))))


def test_one_fault_is_one_line(written):
    with pytest.raises(DataError) as caught:
        load(written("a,y\n1,1.5\n,2.5\n"))
    assert str(caught.value) == (
        "t.csv: missing value in column 'a' at line 3; fill in the values, or choose what becomes of them: "
        "--missing mean, median, indicator or drop"
    )


@pytest.mark.parametrize("strategy", ["mean", "median"])
def test_holes_stay_nan_until_the_training_part_is_known(written, strategy):
    data = load(written(HOLES), missing=strategy)
    assert data.feature_names == ("age", "sex=f", "sex=m", "city=Busan", "city=Seoul")
    np.testing.assert_array_equal(np.isnan(data.x).sum(axis=0), [2, 1, 1, 1, 1])
    filled = Imputer.fit(data.x, data.features, strategy).transform(data.x)
    assert filled[1].tolist() == [30.0, 1, 0, 0, 1]
    assert data.inferred[0] == f"age: numbers, from 20 to 40; 2 missing, filled with the training part's {strategy}"
    assert data.inferred[1].endswith("1 missing, filled with the training part's most frequent category")


def test_what_fills_is_not_taken_from_the_other_part():
    x = np.array([[1.0], [3.0], [np.nan], [1000.0]])
    kept = Imputer.fit(x[:3], [Feature("a")], "mean")
    assert kept.transform(x)[2].tolist() == [2.0]


def test_an_indicator_says_where_values_are_missing(written):
    path = written(HOLES)
    data = load(path, missing="indicator")
    assert data.feature_names == (
        *("age", "age=missing", "sex=f", "sex=m", "sex=missing", "city=Busan", "city=Seoul", "city=missing"),
    )
    assert data.x[1, 1:].tolist() == [1, 1, 0, 0, 0, 0, 1]
    assert np.isnan(data.x[1, 0])
    assert data.x[2, 2:5].tolist() == [0, 0, 1]  # text without a category
    again = load_features(path, data.schema)
    np.testing.assert_array_equal(again, data.x)


def test_rows_with_holes_are_left_out(written):
    path = written(HOLES)
    data = load(path, missing="drop")
    assert data.y.tolist() == [1.5, 4.5]
    assert data.inferred[0] == "3 of 5 rows have missing values and are left out"
    assert load_as(path, data.schema).y.tolist() == [1.5, 4.5]
    with pytest.raises(DataError, match=r"4 faults:(.*\n)*.*the network was trained with --missing drop"):
        load_features(path, data.schema)


def test_rows_that_are_left_out_hide_no_fault_and_shift_no_line(written):
    with pytest.raises(DataError, match="column 'a' contains numbers, but also 'x' at line 4"):
        load(written("a,b,y\n1,,1.5\n2,5,2.5\nx,6,3.5\n4,7,4.5\n"), missing="drop")


@pytest.mark.parametrize("strategy", ["error", "mean", "median", "indicator"])
def test_a_target_with_holes_is_refused(written, strategy):
    with pytest.raises(DataError, match=r"missing value in column 'y' at line 3; a target cannot be made up"):
        load(written("a,y\n1,1.5\n2,\n3,2.5\n"), missing=strategy)


@pytest.mark.parametrize("strategy", ["error", "mean", "median", "indicator", "drop"])
def test_a_column_without_values_is_named(written, strategy):
    with pytest.raises(DataError, match="column 'b' has no values; leave it out with --without b"):
        load(written("a,b,y\n1,,1.5\n2,?,3.5\n3,NA,2.5\n"), missing=strategy)
    with pytest.raises(DataError, match="column 'y' is the target and has no values"):
        load(written("a,b,y\n1,2,\n2,3,\n3,4,\n"), missing=strategy)


def test_nothing_left_by_drop_is_named(written):
    with pytest.raises(DataError, match="each of the 2 rows has a missing value, so --missing drop leaves none"):
        load(written("a,b,y\n1,,1.5\n,2,3.5\n"), missing="drop")


def test_columns_may_be_left_out(written):
    path = written("id,name,a,y\n1,x,1,1.5\n2,y,2,2.5\n3,z,3,3.5\n")
    data = load(path, without=["id", "name"])
    assert data.feature_names == ("a",)
    assert "left out, as asked: 'id', 'name'" in data.inferred
    assert load_features(path, data.schema).tolist() == [[1], [2], [3]]
    assert load_features(written("a\n5\n", "new.csv"), data.schema).tolist() == [[5]]
    for without, said in (
        (["nmae"], "no column 'nmae' to leave out; did you mean 'name'"),
        (["y"], "the target 'y' cannot be left out"),
        (["id", "name", "a"], "no features are left"),
    ):
        with pytest.raises(DataError, match=said):
            load(path, without=without)


def test_columns_that_identify_rows_are_named_together(written):
    rows = "".join(f"n{i},t{i % 50},{i},{i}.5\n" for i in range(60))
    with pytest.raises(
        DataError, match=r"2 faults:\n.*'name' has 60 .*\n.*'ticket' has 50 .*\n.*--without name,ticket"
    ):
        load(written(f"name,ticket,a,y\n{rows}"))
    data = load(written(f"name,ticket,a,y\n{rows}"), without=["name", "ticket"])
    assert "perhaps only the numbers of the rows: --without a leaves them out" in data.inferred[0]


def test_a_thousand_categories_of_a_few_rows_each_are_too_many(written):
    text = "city,y\n" + "".join(f"c{i // 4},{i}.5\n" for i in range(800))
    with pytest.raises(DataError, match="'city' has 200 different texts in 800 rows"):
        load(written(text))


def test_unknown_categories_are_zeros_if_asked(written):
    path = written("c,y\nred,1.5\nblue,2.5\n")
    new = written("c\ngreen\nred\npink\n", "new.csv")
    with pytest.raises(DataError, match=r"2 faults:\n  line 2: column 'c' contains 'green'\n  line 4: .*'pink'\n"):
        load_features(new, load(path).schema)
    assert load_features(new, load(path, unknown="ignore").schema).tolist() == [[0, 0], [0, 1], [0, 0]]


def test_true_and_false_are_one_feature(written):
    path = written("b,y\nTrue,1.5\nFALSE,2.5\ntrue,3.5\n")
    data = load(path)
    assert data.feature_names == ("b=true",)
    assert data.x[:, 0].tolist() == [1, 0, 1]
    assert load_features(written("b\n0\n1\n", "new.csv"), data.schema)[:, 0].tolist() == [0, 1]
    with pytest.raises(DataError, match="column 'b' contains 'maybe' at line 3; the network was trained on true"):
        load_features(written("b\ntrue\nmaybe\n", "new.csv"), data.schema)
    numbers = load(written("b,y\n1,1.5\n0,2.5\n", "numbers.csv")).schema
    assert load_features(written("b\ntrue\nFalse\n", "new.csv"), numbers)[:, 0].tolist() == [1, 0]


def test_parquet_has_holes_truth_values_and_dates_too(tmp_path):
    arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed")
    from pyarrow import parquet

    path = tmp_path / "t.parquet"
    days = np.array(["2024-01-31", "2024-02-29", "NaT"], "datetime64[D]")
    columns = {"a": [1, None, 3], "b": [True, False, None], "c": ["x", None, "y"], "d": days, "y": [1.5, 2.5, 3.5]}
    parquet.write_table(arrow.table(columns), path)
    data = load(path, missing="median")
    assert data.feature_names[:4] == ("a", "b", "c=x", "c=y")
    assert data.x[1, 4] - data.x[0, 4] == 29
    assert np.isnan(data.x).sum() == 1 + 1 + 2 + len(data.feature_names) - 4
    np.testing.assert_array_equal(load_features(path, data.schema), data.x)
    with pytest.raises(DataError, match="4 faults"):
        load(path)


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"missing": "zero"}, "missing: expected one of error, mean, median, drop, indicator, got 'zero'"),
        ({"unknown": "zero"}, "unknown: expected one of error, ignore, got 'zero'"),
    ],
)
def test_an_unknown_strategy_is_refused(written, choice, said):
    with pytest.raises(ValueError, match=said):
        load(written("a,y\n1,1.5\n2,2.5\n"), **choice)


@pytest.mark.parametrize(
    "choice", [{"missing": "mean"}, {"unknown": "ignore"}, {"without": ["a"]}, {"encoding": "cp949"}]
)
def test_what_only_tables_have_is_refused_for_others(tmp_path, choice):
    np.savez(tmp_path / "t.npz", x=np.eye(3), y=[0, 1, 0])
    for source in ("iris", tmp_path / "t.npz"):
        with pytest.raises(ValueError, match=f"--{next(iter(choice))}"):
            load(source, **choice)


def test_features_that_say_what_is_missing_are_a_tables(written, tmp_path):
    schema = load(written("a,y\n1,1.5\n,2.5\n3,3.5\n"), missing="indicator").schema
    np.savez(tmp_path / "t.npz", x=np.ones((3, 1)), y=[1.5, 2, 3], feature_names=["a"])
    with pytest.raises(DataError, match="features that say which values are missing"):
        load_features(tmp_path / "t.npz", schema)


@given(st.lists(st.lists(st.none() | st.floats(-1e6, 1e6), min_size=3, max_size=3), min_size=1, max_size=8))
def test_filling_leaves_what_is_there_and_nothing_missing(rows):
    x = np.array([[1.0, 2.0, 3.0], *rows], np.float64)
    for strategy in ("mean", "median"):
        imputer = Imputer.fit(x, [Feature(name) for name in "abc"], strategy)
        filled = imputer.transform(x)
        known = ~np.isnan(x)
        assert np.isfinite(filled).all()
        np.testing.assert_array_equal(filled[known], x[known])
        for j in range(3):
            of_column = x[known[:, j], j]
            np.testing.assert_allclose(imputer.values[j], getattr(np, strategy)(of_column))
