"""What the command line says of a wrong call is in the language that the call asks for."""

import functools
import re

import pytest
from tests.named import walked

from chainrule.cli.app import COMMANDS, main
from chainrule.cli.clauses import _KNOWN
from chainrule.cli.messages import in_language
from chainrule.data import DataError, load

from ..command import chainrule
from ..named import named

CALLS = {
    "a number": (["doctor", "digits", "--budget", "much"], "수여야 하는데 'much'입니다"),
    "an option": (["doctor", "digits", "--budgte", "3"], "혹시 --budget인가요"),
    "nothing": (["doctor"], "빠진 인수가 있습니다"),
    "a file": (["explain", "nets.py:f"], "nets.py: 그런 파일이 없습니다"),
    "a form": (["explain", "nets"], "파일.py:이름"),
    "a seed": (["doctor", "digits", "--seed", "-1"], "--seed: 0 이상이어야 하는데 -1입니다"),
    "a module": (["explain", "no_such_module:f"], "모듈이 없습니다"),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_wrong_call_is_answered_in_korean(name, tmp_path, monkeypatch, capsys):
    words, said = CALLS[name]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["chainrule", *words, "--lang", "ko"])
    with pytest.raises(SystemExit) as stopped:
        main()
    text = re.sub(r"\s+", " ", capsys.readouterr().err)
    assert stopped.value.code == 2
    assert said in text
    assert "오류: " in text
    assert "error" not in text
    assert "usage" not in text


def test_a_wrong_call_is_answered_in_english(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["chainrule", "explain", "nets.py:f"])
    with pytest.raises(SystemExit):
        main()
    assert "error: nets.py: no such file" in capsys.readouterr().err


SAID = {
    "t.csv: the file is empty": "t.csv: 파일이 비어 있습니다",
    "--out: expected a name that ends in .onnx, got x.txt": "--out: .onnx로 끝나야 하는데 x.txt입니다",
    "t.csv: two columns are called 'a'; rename one": "t.csv: 이름이 'a'인 열이 둘입니다. 하나의 이름을 바꾸십시오",
    "f: a layer has its own backward; give one of the two": "f: 계층에는 자신의 backward가 있습니다. 둘 중 하나를 "
    "주십시오",
    "net.py:model: a model alone needs its loss and target: add --loss mse --target y": "net.py:model: 모델에는 손실과 "
    "목표가 필요합니다. --loss mse --target y를 더하십시오",
    "training diverged: in epoch 1, batch 3, the loss or a gradient is not finite; nothing was written. Lower --lr, "
    "now 9": "학습이 발산했습니다. 에폭 1, 배치 3에서 손실이나 기울기가 유한하지 않습니다. 아무것도 쓰지 않았습니다. "
    "--lr을 지금의 9보다 낮추십시오",
    "explain: f returns shape (2,), expected a scalar loss (at f.py:3); leave it out": "explain: f가 모양 (2,)를 "
    "돌려주는데 손실은 스칼라여야 합니다. 빼 주십시오 (f.py:3)",
    "a.csv: no column 'z' to leave out; expected one of 'x', 'y'": "a.csv: 'z' 열이 없습니다. 'x', 'y' 중 하나여야 "
    "합니다",
}
SAID |= {
    "exercise: topic: no 'sofmax'; there are neuron, softmax": "exercise: topic: 'sofmax'가 없습니다. 있는 것: neuron, "
    "softmax",
    "exercise: topic: no 'sofmax'; there are neuron, softmax; did you mean 'softmax'?": "exercise: topic: 'sofmax'가 "
    "없습니다. 있는 것: neuron, softmax. 혹시 'softmax'입니까?",
    "x.doc: its ending names no format; add --format, one of text, html": "x.doc: 확장자로는 형식을 알 수 없습니다. "
    "--format에 text, html 중 하나를 주십시오",
    "sent: no such folder or file": "sent: 그런 폴더나 파일이 없습니다",
    "sent: no .py or .ipynb file in it": "sent: .py나 .ipynb 파일이 없습니다",
    "no data set or file is called 'iriss'; did you mean 'iris'? Expected digits, iris, or a CSV, TSV, NPZ or Parquet "
    "file, or an IDX file such as a.gz": "'iriss' 데이터나 파일이 없습니다. 혹시 'iris'입니까? digits, iris 중 "
    "하나이거나, CSV·TSV·NPZ·Parquet 파일이나 a.gz 같은 IDX 파일이어야 합니다",
    "a: no pictures: it has no folders; expected a folder for each class, as p/cat/1.png and p/dog/1.png": "a: 그림이 "
    "없습니다. 폴더가 없습니다. 클래스마다 폴더가 있어야 합니다. 예: p/cat/1.png, p/dog/1.png",
    "t.csv does not fit the network, which was trained on 64 columns of digits: no column 'p_0', 'p_1' and 52 more; "
    "'a', 'b' is not one of them; remove it from the data. Expected 'p_0', 'p_1' and 52 more": "t.csv가 망과 맞지 "
    "않습니다. 망은 digits의 열 64개로 학습했습니다. 'p_0', 'p_1' 외 52개 열이 없습니다. 'a', 'b'는 망의 열이 아닙니다"
    ". 데이터에서 빼십시오. 필요한 열: 'p_0', 'p_1' 외 52개",
    "t.csv: the target 'y' is constant: every value is 2.0, so there is nothing to learn": "t.csv: 'y'의 값이 모두 "
    "같아(2.0) 배울 것이 없습니다",
}
SAID |= {
    "f.py:f: f.py:3: ValueError: operands could not be broadcast together with shapes (2,3) (4,) ": "f.py:f: f.py:3: "
    "ValueError: 모양 (2,3)과 (4,)를 브로드캐스트할 수 없습니다",
    "t.csv: the network was trained on digits, whose target is not one of the columns; name the target, one of 'a', "
    "'b', with --target": "t.csv: 망은 digits로 학습했고, 그 목표는 이 데이터의 열이 아닙니다. 'a', 'b' 중에서 "
    "--target으로 목표를 지정하십시오",
}
ENGLISH = re.compile(r"\b(?:the|is|are|in|at|of|and|or|line|column|row|target|missing|expected|not|no|has|it)\b")


def test_a_message_is_korean_where_all_of_its_clauses_are_known():
    for text, said in SAID.items():
        with named(text):
            assert in_language(text, "ko") == said
            assert in_language(text, "en") == text


def test_a_message_with_a_clause_that_is_not_known_stays_as_it_is():
    for text in (
        "t.csv: the moon is full; rename one",
        "f.py:6: NameError: name 'x' is not defined",
        "the file is empty; so",
    ):
        assert in_language(text, "ko") == text


TABLES = {
    "cells that lack": "a,b,y\n1,2,3\n4,5\n6,7,8\n9,9\n",
    "a quote": 'a,b\n"1,2\n3,4\n',
    "a zero byte": "a,b\n1,\x002\n",
    "no rows": "a,b\n",
    "one column": "a\n1\n2\n",
    "a name twice": "a,a,y\n1,2,3\n2,3,4\n",
    "no name": "a,,y\n1,2,3\n4,5,6\n",
    "a hole": "a,b,y\n1,,3\n4,5,6\n3,4,5\n",
    "holes": "a,b,y\n1,,3\n,5,6\n3,4,5\n",
    "many holes": "a,y\n" + ",1\n1,2\n" * 30,
    "a text": "a,y\n1,2\n2,3\nx,4\n5,6\n",
    "a number out of range": "a,y\n1,2\n2,3\n1e999,4\n5,6\n",
    "no target": "a,y\n1,2\n2,\n3,4\n5,6\n",
    "one target": "a,y\n1,2\n2,2\n3,2\n5,2\n",
    "an empty column": "a,b,y\n1,,2\n2,,3\n3,,4\n",
    "an empty target": "a,y\n1,\n2,\n",
    "a decimal comma": "a;y\n1,5;2\n2;3\n3;4\n",
    "dates of two orders": "a,y\n01/02/2024,2\n03/04/2024,3\n05/06/2024,4\n",
    "several faults": "a,b,y\n1,x,3\n,5,6\n3,4\n4,5,6\n",
    "names": "a,y\n" + "".join(f"n{k},{k}\n" for k in range(300)),
    "bytes": b"\xb5\x81\xff,\x80\n\xfe\x81,3\n",
}


def test_what_is_wrong_with_a_table_is_korean_as_a_whole(tmp_path):
    path = tmp_path / "t.csv"
    for name, content in TABLES.items():
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with named(name):
            with pytest.raises(DataError) as refused:
                load(path)
            said = in_language(str(refused.value), "ko")
            kept = re.sub(r"'[^']*'|\([^)]*\)|--\S+", "", said)  # names, Python's own words, options
            assert said != str(refused.value)
            assert not ENGLISH.search(kept), said


@pytest.mark.parametrize(
    "content", [b"a,b,y\n1,2,3\n", bytes(64), b"PK\x03\x04" * 9, b"\x93NUMPY" * 9, b"\x89HDF" * 9, b""]
)
def test_what_is_no_model_is_told_in_korean(tmp_path, content):
    path = tmp_path / "t.safetensors"
    path.write_bytes(content)
    done = chainrule("doctor", path.name, "--data", "iris", "--lang", "ko", folder=tmp_path)
    assert done.exit_code == 2
    assert re.search("파일입니다|아닙니다|비어 있습니다", done.stderr)
    assert not ENGLISH.search(re.sub(r"b'.*?'", "", done.stderr))


def test_shapes_that_do_not_match_are_told_in_korean(tmp_path):
    (tmp_path / "f_of_shapes.py").write_text("def f(x, w):\n    return (x @ w).sum()\n", encoding="utf-8")
    for w, said in (("4", "a의 마지막 축과 b의 축은"), ("4,2", "a의 마지막 축과 b의 끝에서 둘째 축은")):
        call = ("explain", "f_of_shapes.py:f", "--shape", "x=2,3", "--shape", f"w={w}", "--lang", "ko")
        done = chainrule("check", *call[1:], folder=tmp_path)
        assert "ValueError: matmul: 맞닿는 두 축의 길이가 3과 4로 다릅니다" in done.stderr
        done = chainrule(*call, folder=tmp_path)
        assert f"오류: matmul: a는 float64[2, 3], b는 float64[{w.replace(',', ', ')}]입니다. {said}" in done.stderr


def test_every_sentence_uses_words_of_its_pattern():
    for pattern, said in _KNOWN:
        with named(pattern.pattern):
            assert set(re.findall(r"\{([a-z]+)\}", said)) <= set(pattern.groupindex)
            assert re.search("[가-힣]", said) or said in ("{a}", "{b}: {a}")


@pytest.mark.parametrize(("lang", "said"), [("en", "interrupted"), ("ko", "중단했습니다")])
def test_ctrl_c_is_answered_in_one_line(lang, said, tmp_path, monkeypatch, capsys):
    def interrupted(**_):
        raise KeyboardInterrupt

    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(COMMANDS, "doctor", functools.wraps(COMMANDS["doctor"])(interrupted))
    monkeypatch.setattr("sys.argv", ["chainrule", "doctor", "digits", "--report", "r.html", "--lang", lang])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 130
    assert capsys.readouterr().err.strip() == said
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_name_of_a_model(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["chainrule", "train", "iris", "--out", "."])
    with pytest.raises(SystemExit):
        main()
    assert capsys.readouterr().err.strip() == "error: .: is a folder; name a file in it"


@walked(("word", "near"), [("tran", "train"), ("explian", "explain"), ("excercise", "exercise"), ("Train", "train")])
def test_a_command_that_is_misspelt_is_guessed(word, near):
    done = chainrule(word, "digits")
    assert done.exit_code == 2
    assert f"; did you mean {near}? (usage: " in done.stderr
    done = chainrule(word, "digits", "--lang", "ko")
    assert f" 중 하나여야 하는데 '{word}'입니다. 혹시 {near}인가요? (사용법: " in done.stderr


def test_a_command_like_none_is_not_guessed():
    assert "did you mean" not in chainrule("xyzzy").stderr
