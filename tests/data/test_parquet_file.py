"""Parquet: columns of every kind come back, and what has no number or text in it is refused."""

from decimal import Decimal

import numpy as np
import pytest

from chainrule.data import DataError, load

arrow = pytest.importorskip("pyarrow", reason="pyarrow is not installed, and Parquet is read by it")
parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow was built without Parquet")

COLUMNS = {
    "whole": [1, 2, 3, 4],
    "real": [0.5, 1.5, 2.5, 3.5],
    "flag": [True, False, True, True],
    "money": [Decimal("1.25"), Decimal("2.50"), Decimal("3.75"), Decimal("5.00")],
    "text": ["u", "v", "u", "v"],
    "y": [1.5, 2.5, 3.5, 4.5],
}


@pytest.fixture
def written(tmp_path):
    """Reads the table that columns make."""

    def read(columns, target=None):
        parquet.write_table(arrow.table(columns), tmp_path / "table.parquet", row_group_size=3)
        return load(tmp_path / "table.parquet", target)

    return read


def test_columns_of_every_kind_come_back(written):
    data = written({**COLUMNS, "__index_level_0__": [0, 1, 2, 3]})
    features = dict(zip(data.feature_names, data.x.T.tolist(), strict=True))
    text = {"text=u": [1, 0, 1, 0], "text=v": [0, 1, 0, 1]}
    numbers = {name: [float(v) for v in COLUMNS[name]] for name in ("whole", "real", "flag", "money")}
    assert features == numbers | text
    assert (data.task, data.y.tolist()) == ("regression", COLUMNS["y"])


def test_a_dictionary_of_text_is_text(written):
    data = written({"a": [1, 2, 3], "b": arrow.array(["u", "v", "u"]).dictionary_encode()})
    assert data.class_names == ("u", "v")
    np.testing.assert_array_equal(data.y, [0, 1, 0])


@pytest.mark.parametrize(
    ("columns", "target", "message"),
    [
        ({**COLUMNS, "real": [1.0, 2.0, 3.0, None]}, None, "missing value in column 'real' at row 3"),
        ({**COLUMNS, "real": [1.0, float("nan"), 3.0, 4.0]}, None, "missing value in column 'real' at row 1"),
        ({**COLUMNS, "nested": [[1], [2], [3], [4]]}, None, "column 'nested' is of type list"),
        (COLUMNS, "z", "no column 'z' to use as the target"),
        ({"y": [1, 2]}, None, "one column only"),
        (
            {"x": arrow.array([], arrow.float64()), "y": arrow.array([], arrow.float64())},
            None,
            "no rows of data",
        ),
    ],
)
def test_every_fault_is_named_with_its_place(written, columns, target, message):
    with pytest.raises(DataError, match=message):
        written(columns, target)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1 no table PAR1"])
def test_other_files_are_refused(tmp_path, content):
    (tmp_path / "a.parquet").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.parquet: not a readable Parquet file"):
        load(tmp_path / "a.parquet")
