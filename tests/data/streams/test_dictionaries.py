"""A file's dictionary may have words that no row of a block has, as pandas' categories do: they are not there."""

import numpy as np
import pytest

from chainrule.data import DataError, load, stream
from chainrule.data.streams import features_in_blocks

from .making import LEAST

ROWS = 400


def written(path, codes, words, **columns):
    """Write a column of codes into a dictionary, and others."""
    arrow, feather = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.feather"))
    coded = arrow.DictionaryArray.from_arrays(arrow.array(codes, arrow.int32()), arrow.array(words))
    y = np.arange(len(codes)) * 1.5
    feather.write_feather(arrow.table({"c": coded, **columns, "y": y}), path, chunksize=ROWS)
    return path


def alternating(rows=ROWS):
    return [k % 2 for k in range(rows)]


@pytest.mark.parametrize("words", [["a", "b"], ["true", "false"], ["2024-01-01", "2024-12-31"]])
def test_a_new_category_that_no_row_has_is_none(tmp_path, words):
    schema = stream(written(tmp_path / "t.feather", alternating(), words)).schema
    other = written(tmp_path / "other.feather", alternating(), [*words, "new"])
    (block,) = features_in_blocks(other, schema)
    assert len(block) == ROWS
    wrong = written(tmp_path / "wrong.feather", [*alternating(ROWS - 1), 2], [*words, "new"])
    with pytest.raises(DataError, match=f"'new'.* at row {ROWS - 1}"):
        [*features_in_blocks(wrong, schema)]


def test_a_block_with_holes_only_has_no_category(tmp_path):
    path = written(tmp_path / "t.feather", [None] * ROWS + alternating(), ["a", "b"])
    data = stream(path, missing="mean", memory=LEAST)
    assert data.feature_names == ("c=a", "c=b")
    assert np.array_equal(data.first(1)[0], [[1.0, 0.0]])


def test_numbers_as_text_next_to_a_word_that_no_row_has(tmp_path):
    assert stream(written(tmp_path / "t.feather", alternating(), ["1", "2", "odd"])).feature_names == ("c=1", "c=2")


@pytest.mark.parametrize("target", ["c", "y"])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_a_word_that_only_left_out_rows_have_is_none(tmp_path, target, ending):
    rows = [(f"{'ab'[k % 2]}", "2024-01-01", k, "yn"[k % 3 == 0]) for k in range(60)]
    rows[7], rows[8] = ("only", "no date", None, "y"), ("b", "2024-02-01", 3, None)
    path = tmp_path / f"t.{ending}"
    if ending == "csv":
        lines = [",".join("" if cell is None else str(cell) for cell in row) for row in rows]
        path.write_text("\n".join(["c,d,x,y", *lines]))
    else:
        arrow, parquet = (pytest.importorskip(name) for name in ("pyarrow", "pyarrow.parquet"))
        parquet.write_table(arrow.table(dict(zip("cdxy", map(list, zip(*rows, strict=True)), strict=True))), path)
    whole = load(path, target=target, missing="drop")
    data = stream(path, target=target, missing="drop")
    assert data.schema == whole.schema
    x, y = data.first(len(data))
    np.testing.assert_allclose(x, whole.x)
    assert np.array_equal(np.ravel(y), whole.y)
