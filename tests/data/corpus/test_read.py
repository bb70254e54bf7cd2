"""Text files in pieces, and a text told from a table."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataError
from chainrule.data.corpus.read import is_table, pieces


@given(text=st.text(st.sampled_from("ab\r\n äß漢😀"), max_size=60), size=st.integers(1, 20))
def test_the_pieces_are_the_text_with_plain_lines(tmp_path_factory, text, size):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_bytes(text.encode())
    found = list(pieces(path, size))
    assert "".join(found) == text.replace("\r\n", "\n").replace("\r", "\n")
    assert all(piece for piece in found)


def test_a_byte_order_mark_is_left_out(tmp_path):
    path = tmp_path / "text.txt"
    path.write_bytes(b"\xef\xbb\xbfhello")
    assert list(pieces(path)) == ["hello"]
    assert "".join(pieces(path, 1)) == "hello"


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"abc\xffdef", "byte 3 (0xff) is not UTF-8"),
        (b"ab\xc3", "byte 2 (0xc3) is not UTF-8"),
        (b"\xe6\xbc\xa2\xe6\xbcx", "byte 3 (0xe6) is not UTF-8"),
        (b"ab\x00c", "byte 2 is 0, so this is no text but a binary file"),
    ],
)
def test_the_first_wrong_byte_is_named(tmp_path, content, said, size):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    with pytest.raises(DataError, match=re.escape(said)):
        list(pieces(path, size))


def test_what_is_no_file(tmp_path):
    with pytest.raises(DataError, match="a folder, not a file"):
        list(pieces(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        list(pieces(tmp_path / "none.txt"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b\n1,2\n3,4\n", True),
        ("a;b;c\n1;2;3\n", True),
        ("a\tb\n\n1\t2\n", True),
        ('name,said\nx,"one, two\nthree"\n', True),
        ("One, two, three.\nFour.\n", False),
        ("Hello, world", False),
        ("Roses are red, my love\nViolets are blue, my love\n", False),
        ("name, size\nfox, 3\ncat, 2.5\n", True),
        ("name,kind\nfox,wild\ncat,tame\n", True),
        ("1 2 3\n4 5 6\n", False),
        ("", False),
        ("First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n", False),
    ],
)
def test_a_table_is_told_from_a_text(tmp_path, text, expected):
    path = tmp_path / "what.txt"
    path.write_text(text)
    assert is_table(path) is expected


def test_the_encoding_does_not_make_a_text_a_table(tmp_path):
    path = tmp_path / "what.txt"
    path.write_bytes("안녕하세요, 여러분.\n반갑습니다.\n".encode("cp949"))
    assert not is_table(path)
    path.write_bytes("이름,값\n가,1\n나,2\n".encode("cp949"))
    assert is_table(path)
    path.write_bytes(b"a,b\n1,2\n\0\n")
    assert not is_table(path)
