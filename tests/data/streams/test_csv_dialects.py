"""A CSV file in blocks is what a whole read of it gives, in every dialect, with pyarrow and without."""

import csv
import io
from importlib import import_module

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chainrule.data import DataError, DataLoader, load, stream
from chainrule.data.streams import csv_blocks

from .making import LEAST, whole

NUMBERS = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.integers(-(10**6), 10**6).map(str),
    st.sampled_from(["1e5", "+2", " 3", "-0.0", "1E-300", ".5", "7."]),
)
TEXTS = st.sampled_from(
    ["red", "dark blue", " green ", "a,b", 'say "hi"', "two\nlines", "semi;colon", "ünï", "tab\there"]
)
DIALECTS = st.fixed_dictionaries(
    {
        "delimiter": st.sampled_from(",;\t"),
        "quoting": st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]),
        "lineterminator": st.sampled_from(["\n", "\r\n"]),
    }
)


@pytest.fixture(params=["pyarrow", "csv"])
def reader(request, monkeypatch):
    if request.param == "pyarrow":
        pytest.importorskip("pyarrow")
        return

    def absent(name):
        if name.startswith("pyarrow"):
            raise ImportError(name)
        return import_module(name)

    monkeypatch.setattr(csv_blocks, "import_module", absent)


@st.composite
def tables(draw):
    rows = draw(st.integers(1, 12))
    times = draw(st.integers(1, 12))
    columns = [
        draw(st.lists(NUMBERS, min_size=rows, max_size=rows)),
        draw(st.lists(TEXTS, min_size=rows, max_size=rows)),
        draw(st.lists(st.sampled_from("0123"), min_size=rows, max_size=rows)),
    ]
    text = io.StringIO(newline="")
    writer = csv.writer(text, **draw(DIALECTS))
    if draw(st.booleans()):
        writer.writerow(["size", "the shape", "y"])
    writer.writerows([*zip(*columns, strict=True)] * times)
    body = text.getvalue()
    if draw(st.booleans()):
        body = body.rstrip("\r\n")
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + body.encode()


def read(function, path):
    try:
        return function(path)
    except DataError as error:
        return str(error)


@pytest.mark.slow
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables())
def test_blocks_hold_what_the_file_holds(tmp_path_factory, reader, content):
    path = tmp_path_factory.mktemp("csv") / "t.csv"
    path.write_bytes(content)
    expected, found = read(load, path), read(lambda p: stream(p, memory=LEAST), path)
    if isinstance(expected, str) or isinstance(found, str):
        assert isinstance(expected, str)
        assert isinstance(found, str)
        return
    x, y = whole(DataLoader(found, 7))
    np.testing.assert_array_equal(x, expected.x)
    np.testing.assert_array_equal(y, expected.y)
    assert found.schema.features == expected.schema.features
    assert found.class_names == expected.class_names


def test_rows_are_not_cut_within_quotes(tmp_path, reader):
    text = "\n".join(f'{k},"line one\nline, two","{"x" * (k % 90)}""",{k % 2}' for k in range(400))
    (tmp_path / "t.csv").write_text("a,b,c,y\n" + text)
    found = stream(tmp_path / "t.csv", memory=LEAST)
    assert len(found.facts.blocks) > 10
    expected = load(tmp_path / "t.csv")
    np.testing.assert_array_equal(whole(DataLoader(found, 50))[0], expected.x)


def test_text_that_looks_like_numbers_in_some_blocks_is_text(tmp_path, reader):
    cells = [f"{k:03}" for k in range(15)]
    rows = [f"{k},{cells[k % 15] if k < 400 else 'none' if k % 2 else 'more'},{k % 2}" for k in range(1400)]
    (tmp_path / "t.csv").write_text("a,zip,y\n" + "\n".join(rows))
    found, expected = stream(tmp_path / "t.csv", memory=LEAST), load(tmp_path / "t.csv")
    assert found.feature_names == expected.feature_names
    np.testing.assert_array_equal(whole(DataLoader(found, 50))[0], expected.x)


def test_old_line_ends_and_blank_lines(tmp_path, reader):
    for end in ("\r", "\r\n", "\n\n", "\n  \n"):
        text = end.join(["a,y", *(f"{k},{k % 2}" for k in range(900))])
        (tmp_path / "t.csv").write_bytes(text.encode())
        found = stream(tmp_path / "t.csv", memory=LEAST)
        np.testing.assert_array_equal(whole(DataLoader(found, 50))[0][:, 0], np.arange(900.0))
        assert len(found.facts.blocks) > 3


def test_blank_lines_and_line_breaks_in_a_header(tmp_path, reader):
    rows = "".join(f"t{k % 7},{'uv'[k % 2]}\n" for k in range(900))
    for head in ("\n \nname,y\n", '"the\nname",y\n\n', '\n"name" , y\n'.replace('" ,', '",')):
        (tmp_path / "t.csv").write_text(head + rows)
        found, expected = stream(tmp_path / "t.csv", memory=LEAST), load(tmp_path / "t.csv")
        assert found.feature_names == expected.feature_names
        np.testing.assert_array_equal(whole(DataLoader(found, 50))[0], expected.x)


def test_decimal_commas_are_named(tmp_path, reader):
    (tmp_path / "t.csv").write_text("a;y\n" + "\n".join(f"{k},5;{k % 2}" for k in range(900)))
    with pytest.raises(DataError, match=r"line 2: column 'a' contains .* '0,5'\n(.*\n)*.*: write 1\.5, not 1,5"):
        stream(tmp_path / "t.csv", memory=LEAST)
