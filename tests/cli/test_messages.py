"""What the command line says of a wrong call is in the language that the call asks for."""

import functools
import re

import pytest

from chainrule.cli.app import COMMANDS, main
from chainrule.cli.clauses import _KNOWN
from chainrule.cli.messages import in_language

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
