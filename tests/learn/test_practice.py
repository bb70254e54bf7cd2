"""Practice: levels rise and fall, the key ends a question, and what was answered is kept and exported."""

import csv

import pytest
from tests.command import chainrule

from chainrule.learn.practice import Practice, keep, kept


@pytest.fixture
def practise(tmp_path, monkeypatch):
    monkeypatch.setenv("CHAINRULE_DATA_DIR", str(tmp_path))
    return lambda typed, *more: chainrule("practice", *more, typed=typed)


def test_two_right_answers_raise_the_level_and_a_wrong_one_lowers_it():
    session = Practice("neuron", seed=5)
    for level in (1, 1, 2, 2):
        question = session.next()
        assert question.level == level
        assert session.judge(question.key.answer)[0]
    assert session.level == 3
    session.next()
    assert not session.judge("no idea")[0]
    assert (session.level, session.right, session.asked) == (2, 4, 5)


def test_a_question_whose_key_was_shown_does_not_come_again(practise):
    shown = practise("key\nkey\nquit\n", "neuron", "--seed", "1")
    numbers = [line for line in shown.output.splitlines() if "w = " in line and "x = " in line]
    assert len(set(numbers)) == 3
    assert "0 of 0 right" in shown.output
    assert not list(kept())


@pytest.mark.parametrize(("lang", "said"), [("en", "1 of 1 right"), ("ko", "1문제 중 1문제를 맞혔습니다")])
def test_answers_are_judged_kept_and_exported(practise, tmp_path, lang, said):
    answer = Practice("neuron", seed=1).next().key.answer
    shown = practise(f"hint\nhint\nhint\nhint\n\n{answer}\n", "neuron", "--seed", "1", "--lang", lang)
    assert shown.exit_code == 0
    assert said in shown.output
    assert practise("", "--export", str(tmp_path / "answers.csv")).exit_code == 0
    rows = list(csv.DictReader((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()))
    assert [(row["topic"], row["answer"], row["right"], row["hints"]) for row in rows] == [
        ("neuron", answer, "True", "3")
    ]


def test_half_a_line_in_the_record_is_passed_over(tmp_path):
    session = Practice("neuron", seed=1)
    session.next()
    session.judge("0")
    path = keep(session.answers, tmp_path)
    with path.open("a", encoding="utf-8") as file:
        file.write('{"time": "2\n[]\n')
    assert list(kept(tmp_path)) == session.answers


@pytest.mark.parametrize("call", [["topics"], ["neuron", "--level", "9"], ["--lang", "fr"]])
def test_a_wrong_call_is_an_error_before_the_first_question(practise, call):
    done = practise("", *call)
    assert done.exit_code == 2
    assert done.stdout == ""
