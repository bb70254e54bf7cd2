"""Encodings: recognised by their bytes, or named."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chainrule.data import DataError, load, load_features
from chainrule.data.encodings import encoding_of

KOREAN = "도시,집값,등급\n서울,9.5,좋음\n부산,4.5,나쁨\n대구,3.5,좋음\n"


@pytest.mark.parametrize(
    ("codec", "found"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp949", "read as CP949"),
        ("euc-kr", "read as CP949"),
        ("utf-16", "read as UTF-16"),
        ("utf-16-le", None),
    ],
)
def test_korean_files_are_recognised(tmp_path, codec, found):
    path = tmp_path / "t.csv"
    path.write_bytes(KOREAN.encode(codec))
    if codec == "utf-16-le":  # Hangul has no zero bytes: nothing says that these bytes are UTF-16
        with pytest.raises(DataError, match="--encoding"):
            load(path)
        data = load(path, encoding=codec)
    else:
        data = load(path)
        assert (found is None) or data.inferred[0] == found
    assert data.class_names == ("나쁨", "좋음")
    assert data.feature_names[-1] == "집값"
    assert load_features(path, data.schema, codec).shape == (3, 4)


def test_excels_unicode_text_is_read(tmp_path):
    path = tmp_path / "t.txt"
    path.write_bytes(KOREAN.replace(",", "\t").encode("utf-16"))
    assert load(path).feature_names[-1] == "집값"


@pytest.mark.parametrize("codec", ["utf-16-le", "utf-16-be"])
def test_wide_ascii_is_recognised_without_a_mark(tmp_path, codec):
    path = tmp_path / "t.csv"
    path.write_bytes(b"".join("a,b\n1,2.5\n3,4.5\n".encode(codec) for _ in range(1)))
    assert load(path).x.tolist() == [[1], [3]]
    path.write_bytes("a,b\n1,2.5\n3,4.5\n".encode("utf-16"))
    assert load(path, encoding="utf-16-le").feature_names == ("a",)


@pytest.mark.parametrize(
    ("text", "codec"),
    [
        ("Größe,y\nÄrzte,1\nkühl,2\nfür,3\n", "latin-1"),
        ("prénom,y\nZoé,1\nÉlève,2\n", "cp1252"),
        ("名前,y\nさくら,1\nひかり,2\n", "shift-jis"),
        ("城市,y\n北京,1\n上海,2\n广州,3\n", "gbk"),
        ("город,y\nМосква,1\nПермь,2\n", "cp1251"),
    ],
)
def test_other_languages_are_not_taken_for_korean(tmp_path, text, codec):
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode(codec))
    with pytest.raises(DataError, match=r"in line 1 is not UTF-8; .*--encoding, such as cp949, latin-1"):
        load(path)
    data = load(path, encoding=codec, task="regression")
    assert data.feature_names[0].startswith(text.split(",")[0])


def test_an_encoding_that_does_not_fit_is_refused(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(KOREAN.encode("cp949"))
    with pytest.raises(DataError, match=r"byte 0x\w\w in line 1 is not UTF-8; name another with --encoding"):
        load(path, encoding="utf-8")
    with pytest.raises(DataError, match="is not UTF-16"):
        load(path, encoding="utf-16")
    for name in ("klingon", "rot13", "base64"):
        with pytest.raises(DataError, match=f"--encoding: '{name}' is no encoding of text"):
            load(path, encoding=name)


def test_a_cut_file_is_named(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(KOREAN.encode("utf-16")[:-1])
    with pytest.raises(DataError, match="is not UTF-16; the file is damaged"):
        load(path)


@given(text=st.text("가각간나다라마바사아자차카타파하 ,\n12", min_size=1), codec=st.sampled_from(["cp949", "utf-8"]))
def test_hangul_is_recognised_in_both(tmp_path_factory, text, codec):
    path = tmp_path_factory.getbasetemp() / "h.csv"
    path.write_bytes(text.encode(codec))
    found = encoding_of(path)
    assert path.read_text(encoding=found) == text or found == "utf-8"
