"""What the command line says of a wrong call is in the language that the call asks for."""

import re

import pytest

from chainrule.cli.app import main

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
