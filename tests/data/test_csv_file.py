"""Tables as text: what is written comes back, and every fault is named with its place."""

import csv
import tracemalloc

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from chainrule.data import DataError, csv_file, load
from chainrule.data.csv_file import read_csv
from chainrule.data.table import Table

NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@pytest.fixture
def written(tmp_path):
    """Reads the table that a text or bytes make."""

    def read(content, target=None):
        path = tmp_path / "table.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return read_csv(path, target)

    return read


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("csv")


@st.composite
def tables(draw):
    """A delimiter and columns of numbers and of text; the text holds quotes, line ends and the delimiter."""
    delimiter = draw(st.sampled_from(",;\t"))
    texts = st.text(f'ab "\n한{delimiter}', max_size=4).map(lambda s: f"t{s}z")
    rows = draw(st.integers(2, 8))
    column = st.sampled_from([NUMBERS, texts]).flatmap(lambda s: st.lists(s, min_size=rows, max_size=rows))
    return delimiter, draw(st.lists(column, min_size=2, max_size=4))


@pytest.mark.slow
@given(tables(), st.data())
def test_a_written_table_comes_back(folder, table, data):
    delimiter, columns = table
    chosen = data.draw(st.integers(0, len(columns) - 1))
    assume(len(set(columns[chosen])) > 1)
    names = [f"name {i}" for i in range(len(columns))]
    path = folder / "table.csv"
    with path.open("w", newline="", encoding=data.draw(st.sampled_from(["utf-8", "utf-8-sig"]))) as file:
        ends = data.draw(st.sampled_from(["\n", "\r\n"]))
        csv.writer(file, delimiter=delimiter, lineterminator=ends).writerows([names, *zip(*columns, strict=True)])

    got = read_csv(path, target=data.draw(st.sampled_from([chosen, names[chosen], chosen - len(columns)])))
    features = dict(zip(got.feature_names, got.x.T, strict=True))
    for i, (name, column) in enumerate(zip(names, columns, strict=True)):
        if i == chosen:
            back = [got.class_names[k] for k in got.y] if got.class_names else got.y.tolist()
            assert [type(value)(b) for value, b in zip(column, back, strict=True)] == column
        elif isinstance(column[0], float):
            assert features.pop(name).tolist() == column
        else:
            for text in set(column):
                assert features.pop(f"{name}={text}").tolist() == [value == text for value in column]
    assert features == {}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b\n1,2\n3,4\n", ("a",)),
        ("1,2\n3,4\n", ("x0",)),
        ("a,b\nred,yes\nblue,no\n", ("a=blue", "a=red")),
        ("red,yes\nblue,no\nred,no\n", ("x0=blue", "x0=red")),
        ("\n  \na ,\tb\n 1, 2\n\n3 ,4\n\n", ("a",)),
        ('"a;b";c\n1;2\n3;4\n', ("a;b",)),
        ("a\tb\n1,5\t2\n", None),
    ],
)
def test_the_header_is_told_from_the_rows(written, text, names):
    if names is None:
        with pytest.raises(DataError, match=r"column 'a' contains numbers, but also '1,5' at line 2; write 1\.5"):
            written(text)
    else:
        assert written(text).feature_names == names


@pytest.mark.parametrize(
    ("column", "task", "classes"),
    [
        (["no", "yes", "no"], "classification", ("no", "yes")),
        (["1", "0", "1", "0"], "classification", ("0", "1")),
        (["7.0", "3", "7", "3"], "classification", ("3", "7")),
        (["1", "2", "3", "4"], "regression", ()),
        (["0.5", "1", "0.5", "1"], "regression", ()),
        ([str(i % 20) for i in range(40)], "classification", tuple(map(str, range(20)))),
        ([str(i % 21) for i in range(42)], "regression", ()),
    ],
)
def test_the_target_tells_the_task(written, column, task, classes):
    data = written("a,y\n" + "".join(f"{i},{value}\n" for i, value in enumerate(column)))
    assert (data.task, data.class_names) == (task, classes)
    assert data.y.dtype == (np.int64 if classes else np.float64)
    assert data.source == "file table.csv"


ROWS = "".join(f"{i},{i}.5\n" for i in range(5))


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("", None, "table.csv: the file is empty"),
        (" \n\n", None, "the file is empty"),
        ('""\n', None, "the file is empty"),
        ("a,b\n", None, "a header but no rows"),
        ("a\n1\n2\n", None, "one column only"),
        ("a,b\n1,2\n\n3\n", None, "line 4 has 1 cells, the first row has 2"),
        ("a,b\n1,2\n3,4,5\n", None, "line 3 has 3 cells"),
        ("a,a\n1,2\n3,4\n", None, "two columns are called 'a'"),
        (",a\n0,2\n1,4\n", None, "column 1 has no name in the header on line 1"),
        ("a,b\n1,2\n,4\n", None, "missing value in column 'a' at line 3"),
        ("a,b\n1,NA\n3,4\n", None, "missing value in column 'b' at line 2"),
        ('a,b\n"x\ny",1\n?,2\nx,3\n', None, "missing value in column 'a' at line 4"),
        (f"a,b\n{ROWS}1,nan\n", None, "missing value in column 'b' at line 7"),
        (f"a,b\n{ROWS}1e999,1\n", None, r"column 'a' is not finite \(inf\) at line 7"),
        (f"a,b\n{ROWS}12a,1\n", None, "column 'a' contains numbers, but also '12a' at line 7"),
        ("a;b\n1,5;2\n3;4\n", None, "also '1,5' at line 2; write 1.5"),
        ('a,b\n"1,234",2\n"12,345,678",4\n', None, "of thousands, 1500, not 1,500"),
        ("a,b\n1,2\n3,2\n", None, "the target 'b' is constant: every value is 2.0"),
        ("a,b\n1,u\n3,u\n", None, "the target 'b' is constant: every value is 'u'"),
        ("width,b\n1,2\n3,4\n", "widht", "no column 'widht' .* did you mean 'width'"),
        ("a,b\n1,2\n3,4\n", 2, "no column 2 to use as the target.*index below 2 or one of 'a', 'b'"),
        ("a,b\n1,2\n3,4\n", -3, "no column -3"),
        ('a,b\n1,2\n"3,4\n', None, "line 3 is not valid CSV"),
        ('a,b\n1,2\n"3"x,4\n', None, "line 3 is not valid CSV"),
        ("a,b\n1,é\n".encode("latin-1"), None, "byte 0xe9 in line 2 is not UTF-8"),
        (b"a,b\n1,2\0\n", None, "zero bytes"),
        (
            "id,y\n" + "".join(f"n{i},{i}\n" for i in range(30)),
            None,
            "column 'id' has 30 different texts in 30",
        ),
        (
            "id,y\n" + "".join(f"n{i},{i}\n" for i in range(30)),
            "id",
            "the target 'id' has 30 different texts",
        ),
    ],
)
def test_every_fault_is_named_with_its_place(written, content, target, message):
    with pytest.raises(DataError, match=message):
        written(content, target)


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_korean_headers_and_texts_in_every_form(written, mark, delimiter, end):
    rows = [["방", "지역", "가격"], ["3", "서울", "9.5"], ["2", "부산", "4.5"], ["4", "서울", "12"]]
    content = (mark + end.join(delimiter.join(row) for row in rows) + end).encode()
    data = written(content, "가격")
    assert data.feature_names == ("방", "지역=부산", "지역=서울")
    assert data.y.tolist() == [9.5, 4.5, 12.0]
    assert data.inferred == (
        "방: numbers, from 2 to 4",
        "지역: text, one-hot; 2 categories: '부산', '서울'",
        "가격: the target; a regression, because it takes 3 different values in 3 rows, not all of them whole",
    )


@pytest.mark.parametrize("delimiter", ["|", ":", " "])
def test_another_delimiter_is_one_column_and_says_which_are_known(written, delimiter):
    with pytest.raises(DataError, match="one column only; expected columns divided by comma, semicolon or tab"):
        written(delimiter.join("abc") + "\n" + delimiter.join("123") + "\n")


def test_the_target_is_described(written):
    few = written("a,y\n" + "".join(f"{i},{i % 3}\n" for i in range(9)))
    assert few.inferred[-1] == (
        "y: the target; a classification, because it takes only 3 different whole numbers in 9 rows; "
        "--task regression to treat it as a quantity"
    )
    text = written("a,y\n1,no\n2,yes\n3,no\n")
    assert text.inferred[-1] == "y: the target; a classification, because it is text; 2 classes"


def test_the_task_can_be_asked_for(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,whole,half\n" + "".join(f"{i},{i % 3},{i % 2 / 2}\n" for i in range(9)))
    quantity = load(path, "whole", task="regression")
    assert (quantity.task, quantity.y[:4].tolist()) == ("regression", [0.0, 1.0, 2.0, 0.0])
    assert quantity.inferred[-1] == "whole: the target; a regression, as asked"
    classes = load(path, "half", task="classification")
    assert (classes.class_names, classes.y[:3].tolist()) == (("0", "0.5"), [0, 1, 0])
    assert classes.inferred[-1] == "half: the target; a classification, as asked; 2 classes"


@pytest.mark.parametrize(
    ("target", "task", "said"),
    [
        ("text", "regression", "'text' is text, but a regression needs numbers"),
        ("a", "classification", "'a' takes 30 different values in 30 rows, which is not a set of classes"),
        ("a", "ranking", "expected one of auto, classification, regression, got 'ranking'"),
    ],
)
def test_a_task_that_the_target_does_not_allow_is_refused(tmp_path, target, task, said):
    path = tmp_path / "t.csv"
    path.write_text("a,text\n" + "".join(f"{i},{'no' if i % 2 else 'yes'}\n" for i in range(30)))
    with pytest.raises(ValueError, match=said):
        load(path, target, task=task)


@pytest.mark.parametrize("late", ["x", "1_0"])
def test_a_column_that_turns_out_to_be_text_late_is_read_again(written, monkeypatch, late):
    """Its first cells were read as numbers by then, and their texts are not: 01 is not 1."""
    monkeypatch.setattr(csv_file, "_PIECE", 4)
    cells = [f"{'0' * (i % 3)}{i % 2}" for i in range(20)] + [late] * 30
    data = written("a,b\n" + "".join(f"{cell},{i}\n" for i, cell in enumerate(cells)))
    assert {f"a={cell}" for cell in cells} == set(data.feature_names)


@pytest.mark.slow
@given(tables())
def test_pieces_do_not_show(folder, table):
    delimiter, columns = table
    path = folder / "pieces.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, delimiter=delimiter).writerows(zip(*columns, strict=True))
    found = []
    for piece in (1, 3, 2000):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(csv_file, "_PIECE", piece)
            try:
                read = read_csv(path)
            except DataError as error:
                found.append(str(error))
            else:
                found.append((read.feature_names, read.x.tolist(), read.y.tolist()))
    assert found[0] == found[1] == found[2]


@pytest.mark.slow
def test_numbers_take_the_memory_of_numbers(tmp_path):
    """10,000 rows of 40 columns are 3.2 MB of numbers; as text cells they would be more than 20 MB."""
    path = tmp_path / "wide.csv"
    line = ",".join(f"{k}.25" for k in range(39))
    path.write_text("\n".join(f"{line},{i}.5" for i in range(10_000)), encoding="utf-8")
    tracemalloc.start()
    try:
        table = csv_file.csv_table(path)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sum(column.nbytes for column in table.columns) == 3_200_000
    assert peak < 14e6


def test_an_index_may_come_as_text_unless_a_column_is_called_so(written):
    assert written("a,b\n1,2\n3,4\n", "0").feature_names == ("b",)
    table = Table("t", ("a", "0", "c"), (np.arange(2.0),) * 3, str)
    assert table.to_data("0").feature_names == ("a", "c")


@given(st.binary(max_size=60) | st.text('1a,;\t"\n\r .-', max_size=40).map(str.encode))
def test_any_bytes_are_read_or_refused(folder, content):
    path = folder / "any.csv"
    path.write_bytes(content)
    try:
        data = read_csv(path)
    except DataError:
        return
    assert np.isfinite(data.x).all()
