"""Holes, dates, truth values and columns left out are read in blocks as they are read whole."""

import numpy as np
import pytest

from chainrule.data import DataError, DataLoader, Imputer, Standardizer, load, load_features, stream
from chainrule.data.streams import features_in_blocks

from .making import LEAST, whole


def table(rows=900):
    rng = np.random.default_rng(0)
    lines = ["id,age,city,when,member,score,y"]
    for k in range(rows):
        age = "" if rng.random() < 0.1 else f"{rng.integers(20, 80)}"
        city = "NA" if rng.random() < 0.1 else rng.choice(["Seoul", "Busan", "Daegu"])
        when = f"2024-{rng.integers(1, 13):02}-{rng.integers(1, 28):02}"
        lines.append(f"name{k},{age},{city},{when},{rng.choice(['true', 'false'])},{rng.standard_normal():.3f},{k % 2}")
    return "\n".join(lines) + "\n"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("holes") / "t.csv"
    found.write_text(table(), encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def parquet(path):
    arrow_csv = pytest.importorskip("pyarrow.csv")
    from pyarrow import parquet

    options = arrow_csv.ConvertOptions(null_values=["", "NA"], strings_can_be_null=True)
    found = path.with_suffix(".parquet")
    parquet.write_table(arrow_csv.read_csv(path, convert_options=options), found, row_group_size=200)
    return found


@pytest.mark.parametrize("missing", ["mean", "median", "indicator"])
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_holes_are_filled_as_in_a_whole_table(path, parquet, form, missing):
    path = path if form == "csv" else parquet
    # The medians are exact where all values fit into a quarter of the memory.
    found = stream(path, missing=missing, without=["id"], memory=LEAST if missing == "mean" else 1 << 18)
    expected = load(path, missing=missing, without=["id"])
    assert found.schema.features == expected.schema.features
    assert found.schema.reading == expected.schema.reading
    assert found.inferred == expected.inferred
    imputer = Imputer.fit(expected.x, expected.features, missing)
    np.testing.assert_allclose(found.facts.fill, imputer.values, rtol=1e-12)
    x, y = whole(DataLoader(found, 50))
    np.testing.assert_allclose(x, imputer.transform(expected.x), rtol=1e-12)
    np.testing.assert_array_equal(y, expected.y)
    scaling = Standardizer.fit(imputer.transform(expected.x))
    np.testing.assert_allclose(found.standardizer().mean, scaling.mean, rtol=1e-9)
    np.testing.assert_allclose(found.standardizer().scale, scaling.scale, rtol=1e-9)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_rows_with_holes_are_dropped_as_in_a_whole_table(path, parquet, form):
    path = path if form == "csv" else parquet
    found = stream(path, missing="drop", without=["id"], memory=LEAST)
    expected = load(path, missing="drop", without=["id"])
    x, y = whole(DataLoader(found, 50))
    np.testing.assert_array_equal(x, expected.x)
    np.testing.assert_array_equal(y, expected.y)
    held = stream(path, missing="drop", without=["id"], memory=LEAST, held_out=0.3)
    assert len(held) + len(held.held_out) == len(expected.x)
    assert len(whole(DataLoader(held.held_out, 50))[0]) == len(held.held_out)


def test_what_only_dropped_rows_have_is_no_category(tmp_path):
    rows = "".join(f"{'' if k % 3 == 0 else k},{['green', 'red', 'blue'][k % 3]},{k % 2}\n" for k in range(300))
    (tmp_path / "t.csv").write_text("a,colour,y\n" + rows)
    found = stream(tmp_path / "t.csv", missing="drop", memory=LEAST)
    assert (
        found.feature_names == load(tmp_path / "t.csv", missing="drop").feature_names == ("a", *found.feature_names[1:])
    )
    assert found.feature_names[1:] == ("colour=blue", "colour=red")


@pytest.mark.parametrize("missing", ["mean", "median", "indicator"])
def test_a_network_of_a_whole_table_gets_the_same_features_in_blocks(path, parquet, missing):
    schema = load(path, missing=missing, without=["id"]).schema
    for other in (path, parquet):
        blocks = [*features_in_blocks(str(other), schema, LEAST)]
        assert len(blocks) > 2
        np.testing.assert_array_equal(np.concatenate(blocks), load_features(other, schema))


def test_holes_are_refused_with_their_number_and_the_way_out(path):
    for settings in ({"without": ["id"]}, {"target": "age", "missing": "mean", "without": ["id"]}, {"missing": "mean"}):
        with pytest.raises(DataError) as whole_table:
            load(path, **settings)
        with pytest.raises(DataError) as in_blocks:
            stream(path, **settings, memory=LEAST)
        assert str(in_blocks.value) == str(whole_table.value)
    with pytest.raises(DataError, match="no column 'ids' to leave out; did you mean 'id'"):
        stream(path, without=["ids"])


def test_text_where_the_network_takes_numbers_is_found_in_its_line(tmp_path):
    rows = [f"{k},{k % 5}.5" for k in range(1500)]
    (tmp_path / "t.csv").write_text("a,y\n" + "\n".join(rows))
    schema = stream(tmp_path / "t.csv").schema
    rows[1200] = "oops,1.5"
    (tmp_path / "new.csv").write_text("a,y\n" + "\n".join(rows))
    with pytest.raises(DataError, match="column 'a' is text \\('oops' at line 1202\\), but the network was trained on"):
        list(features_in_blocks(tmp_path / "new.csv", schema, LEAST))


def test_unknown_categories_can_be_ignored(tmp_path):
    rows = "".join(f"{k},{'red' if k % 2 else 'blue'},{k % 2}\n" for k in range(200))
    (tmp_path / "t.csv").write_text("a,colour,y\n" + rows)
    (tmp_path / "new.csv").write_text("a,colour\n1,green\n2,red\n")
    schema = stream(tmp_path / "t.csv", unknown="ignore").schema
    (x,) = features_in_blocks(tmp_path / "new.csv", schema)
    assert x.tolist() == [[1.0, 0.0, 0.0], [2.0, 0.0, 1.0]]
    schema = stream(tmp_path / "t.csv").schema
    with pytest.raises(DataError, match="column 'colour' contains 'green' at line 2"):
        list(features_in_blocks(tmp_path / "new.csv", schema))


def test_korean_files_of_excel(tmp_path):
    rows = "".join(f"{k},{'서울' if k % 3 else '부산'},{k % 2}\n" for k in range(900))
    (tmp_path / "t.csv").write_bytes(("값,도시,y\n" + rows).encode("cp949"))
    found, expected = stream(tmp_path / "t.csv", memory=LEAST), load(tmp_path / "t.csv")
    assert found.feature_names == expected.feature_names
    np.testing.assert_array_equal(whole(DataLoader(found, 50))[0], expected.x)
    (tmp_path / "u.csv").write_bytes(("값,도시,y\n" + rows).encode("utf-16"))
    with pytest.raises(DataError, match="is UTF-16, which cannot be read in blocks; save it as UTF-8"):
        stream(tmp_path / "u.csv")


def test_a_target_by_number_counts_the_columns_that_are_left_out(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("id,y,x\n" + "".join(f"{i},{i % 2},{i * i}\n" for i in range(20)))
    for target in (1, "1", -2):
        whole, streamed = (read(path, target=target, without=["id"]) for read in (load, stream))
        assert whole.schema.target == streamed.schema.target == "y"
    for read in (load, stream):
        with pytest.raises(DataError, match="the target 'y' cannot be left out; name another --target"):
            read(path, target="y", without=["y"])
