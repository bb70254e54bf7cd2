"""Columns that must have every value, as a list of pictures must: holes and faults in others do not matter."""

import pytest

from chainrule.data import DataError
from chainrule.data.csv_file import csv_table
from chainrule.data.pictures.listed import find_listed, lists_pictures


def test_holes_matter_in_the_columns_that_are_used_only(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,c\nx,1,\n,2,3\ny,3,oops\n")
    table = csv_table(path)
    table.complete("b")
    with pytest.raises(DataError, match="missing value in column 'a' at line 3; fill it in or remove the row"):
        table.complete("a", "b")
    with pytest.raises(DataError, match="2 faults:"):
        table.complete("a", "c")


def test_a_list_of_pictures_with_holes_is_named(tmp_path):
    path = tmp_path / "t.csv"
    for name in ("1.png", "2.png"):
        (tmp_path / name).touch()
    path.write_text("file,kind\n1.png,a\n2.png,b\n,a\n1.png,\n")
    assert lists_pictures(path)
    with pytest.raises(DataError, match=r"2 faults:\n  line 4: missing value in column 'file'\n  line 5: .*'kind'"):
        find_listed(path)
