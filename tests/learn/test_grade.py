"""Grading: points and causes of known mistakes, and submissions that mean harm."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from tests.command import chainrule

import chainrule as cr
from chainrule.jobs.learning.grading import grade_all
from chainrule.learn.grade.box import Box, Limits, SubmissionError
from chainrule.learn.grade.judge import _said
from chainrule.learn.grade.wire import decode, encode
from chainrule.learn.grade.words import TEXT
from chainrule.present.texts import Words

SPEC = """
from typing import Annotated

import numpy as np

POINTS = {"softmax": 2, "network": 3, "Linear": 2}


def softmax(z: Annotated[np.ndarray, "B D"]):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def network(W1, W2, x, t):
    Z1 = x @ W1
    A1 = np.maximum(Z1, 0)
    Z2 = A1 @ W2
    return 0.5 * np.sum((Z2 - t) ** 2)


def network_inputs(rng):
    return tuple(rng.normal(size=s) for s in ((3, 4), (4, 2), (5, 3), (5, 2)))


class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        return x @ self.W + self.b


def Linear_arguments():
    return np.arange(6.0).reshape(3, 2) / 7, np.array([0.5, -0.25])


def Linear_inputs(rng):
    return (rng.normal(size=(4, 3)),)
"""
RIGHT = """
import numpy as np


def softmax_backward(g, z):
    e = np.exp(z - z.max(axis=1, keepdims=True))
    p = e / e.sum(axis=1, keepdims=True)
    return p * (g - (g * p).sum(axis=1, keepdims=True))


def network_backward(g, W1, W2, x, t):
    Z1 = x @ W1
    A1 = np.maximum(Z1, 0)
    dZ2 = g * (A1 @ W2 - t)
    dW2 = A1.T @ dZ2
    dA1 = dZ2 @ W2.T
    dZ1 = dA1 * (Z1 > 0)
    return {"dZ2": dZ2, "dW2": dW2, "dA1": dA1, "dZ1": dZ1, "dW1": x.T @ dZ1, "dx": dZ1 @ W1.T, "dt": -dZ2}


class Linear:
    def __init__(self, W, b):
        self.W, self.b = W, b

    def forward(self, x):
        self.x = x
        return x @ self.W + self.b

    def backward(self, dout):
        self.dW = self.x.T @ dout
        self.db = dout.sum(axis=0)
        return dout @ self.W.T
"""


@pytest.fixture
def graded(tmp_path):
    """Grades sources by name against the spec, and returns the marks."""

    def run(lang="en", seconds=20.0, **sources):
        folder = tmp_path / "submissions"
        folder.mkdir(exist_ok=True)
        (tmp_path / "the_spec.py").write_text(SPEC, encoding="utf-8")
        for name, source in sources.items():
            (folder / f"{name}.py").write_text(source, encoding="utf-8")
        found = grade_all(folder, tmp_path / "the_spec.py", lang, seconds, 2048, {})
        return {one.name: one for one in found}

    return run


MISTAKES = {
    "a mask that lets all through": (
        "dA1 * (Z1 > 0)",
        "dA1 * (A1 >= 0)",
        1,
        "wrong",
        "dZ1 is the first wrong step",
        0.0,
    ),
    "a step in between": ("dZ2 @ W2.T", "-dZ2 @ W2.T", 1, "wrong", "dA1 is the first wrong step", 0.0),
    "a mean": ("dout.sum(axis=0)", "dout.mean(axis=0)", 2, "wrong", "mean is used where sum is needed: line 31", 1.0),
    "a sign": ("self.x.T @ dout", "-self.x.T @ dout", 2, "wrong", "sign", 1.0),
    "a term": ("(g - (g * p).sum(axis=1, keepdims=True))", "g", 0, "wrong", "missing", 0.5),
    "a forward pass": ("x @ self.W + self.b", "x @ self.W", 2, "forward", "forward pass", 0.0),
    "a name": ("def softmax_backward", "def softmax_back", 0, "missing", "softmax_backward is not defined", 0.0),
    "a gradient left out": ('"dx": dZ1 @ W1.T, ', "", 1, "error", "lacks dx", 0.0),
    "an error": ("e / e.sum", "undefined / e.sum", 0, "error", "NameError", 0.0),
}


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new", "k", "verdict", "said", "points"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_costs_its_own_points_and_is_named(graded, old, new, k, verdict, said, points):
    assert RIGHT.count(old) == 1
    one = graded(student=RIGHT.replace(old, new))["student"]
    assert [mark.points for mark in one.marks] == [m if j != k else points for j, m in enumerate((2.0, 3.0, 2.0))]
    assert one.marks[k].verdict == verdict
    assert said in one.marks[k].cause


@pytest.mark.slow
def test_a_missing_factor_deep_in_a_helper_is_named_with_its_line(graded):
    helper = RIGHT.replace("def softmax_backward", "def inner").replace("p * (g - (g", "(g - (g")
    one = graded(student=helper + "\n\ndef softmax_backward(g, z):\n    return inner(g, z)\n")["student"]
    assert (one.marks[0].line, one.marks[0].code) == (8, "missing-term")
    assert one.marks[0].cause.startswith("the factor p is missing: line 8 has")


def test_the_line_of_an_error_and_korean(graded):
    one = graded("ko", student=RIGHT.replace("e / e.sum", "undefined / e.sum").replace("dZ2 @ W2.T", "-dZ2 @ W2.T"))
    softmax, network, linear = one["student"].marks
    assert softmax.line == 7
    assert softmax.cause.startswith("오류가 났습니다: NameError")
    assert network.cause == "역전파에서 처음으로 틀린 단계는 dA1입니다"
    assert network.expected.startswith("∂L/∂A")
    assert linear.cause == "맞음"


HOSTILE = {
    "a loop": ("while True: pass", "no answer within"),
    "a fork bomb": ("import os\nwhile True: os.fork()", "os.fork: not allowed"),
    "another program": ("import subprocess\nsubprocess.run(['ls'])", "not allowed"),
    "sys.exit": ("import sys\nsys.exit(0)", "SystemExit"),
    "os._exit": ("import os\nos._exit(0)", "its process ended"),
    "the key": ("import glob\nopen({outside!r}).read()", "outside of the submission's folder"),
    "deleting": ("import os\nos.remove({outside!r})", "outside of the submission's folder"),
    "deleting a tree": ("import shutil\nshutil.rmtree({folder!r})", "outside of the submission's folder"),
    "writing": ("open({outside!r}, 'w').write('x')", "outside of the submission's folder"),
    "an engine": ("import torch", "import torch: not allowed"),
    "chainrule itself": ("import chainrule.check", "not allowed"),
    "the network": ("import socket\nsocket.create_connection(('127.0.0.1', 9))", "not allowed"),
    "memory": ("x = bytearray(10**11)", "MemoryError"),
    "killing its parent": ("import os\nos.kill(os.getppid(), 9)", "os.kill: not allowed"),
}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "said"), HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_submission_costs_itself_only(tmp_path, graded, source, said):
    outside = tmp_path / "key.py"
    outside.write_text("the key", encoding="utf-8")
    source = source.format(outside=str(outside), folder=str(tmp_path)) if "{" in source else source
    found = graded(seconds=2.0, hostile=source, honest=RIGHT)
    assert found["honest"].points == 7
    assert found["hostile"].points == 0
    assert said in found["hostile"].note
    assert outside.read_text(encoding="utf-8") == "the key"


@pytest.mark.slow
def test_a_gigabyte_of_output_and_patches_of_numpy_change_nothing(graded):
    loud = RIGHT.replace("import numpy as np", "import numpy as np\nfor _ in range(20): print('x' * 10**6)", 1)
    cheat = "import numpy as np\nnp.allclose = lambda *a, **k: True\nnp.abs = lambda x: 0 * x\n" + RIGHT.replace(
        "self.x.T @ dout", "2 * self.x.T @ dout"
    )
    found = graded(loud=loud, cheat=cheat)
    assert found["loud"].points == 7
    assert [mark.points for mark in found["cheat"].marks] == [2, 3, 1]


def test_a_notebook_is_a_submission(tmp_path, graded):
    cells = [
        {"cell_type": "markdown", "source": "# Homework"},
        {"cell_type": "code", "source": ["%matplotlib inline\n", "!ls\n", *RIGHT.splitlines(keepends=True)]},
    ]
    (tmp_path / "submissions").mkdir()
    (tmp_path / "submissions" / "anna.ipynb").write_text(json.dumps({"cells": cells}), encoding="utf-8")
    (tmp_path / "submissions" / "broken.ipynb").write_text("{", encoding="utf-8")
    found = graded()
    assert found["anna"].points == 7
    assert found["broken"].note.startswith("not graded: no notebook")


def test_the_box_leaves_nothing_behind():
    with Box("def f(x):\n    return x + 1") as box:
        assert box.start() == ("f",)
        np.testing.assert_array_equal(box.call("f", np.arange(3.0)), np.arange(1.0, 4.0))
        folder, process = box.folder, box._process.pid
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(process, 0)
    with Box("def f(x):\n    return print", Limits(call=2)) as box:
        box.start()
        with pytest.raises(SubmissionError, match=r"is no array|expected numbers"):
            box.call("f", 1.0)


def test_the_wire_takes_numbers_only():
    value = {"a": (np.arange(3.0), [1, 2.5]), "b": None}
    back = decode(encode(value))
    np.testing.assert_array_equal(back["a"][0], np.arange(3.0))
    assert float(back["a"][1][1]) == 2.5
    with pytest.raises(TypeError, match="expected numbers"):
        encode(object())
    for line in ('{"a": "AAAA", "s": []}', '{"x": 1}', "[", '{"t": [' * 9 + "]}" * 9, "12"):
        with pytest.raises(ValueError, match=r"."):
            decode(line)


@pytest.mark.slow
def test_the_command(tmp_path, graded):
    graded(good=RIGHT)
    spec, folder = str(tmp_path / "the_spec.py"), tmp_path / "submissions"
    outputs = ["--csv", str(tmp_path / "g.csv"), "--json", str(tmp_path / "g.json"), "--html", str(tmp_path / "g.html")]
    run = chainrule("grade", folder, "--against", spec, *outputs)
    assert (run.exit_code, "good: 7 of 7" in run.output) == (0, True)
    assert (tmp_path / "g.csv").read_text(encoding="utf-8").count("\n") == 4
    assert json.loads((tmp_path / "g.json").read_text(encoding="utf-8"))[0]["points"] == 7
    assert "<script" not in (tmp_path / "g.html").read_text(encoding="utf-8")
    (folder / "bad.py").write_text("def softmax_backward(g, z):\n    return g\n", encoding="utf-8")
    assert chainrule("grade", folder, "--against", spec).exit_code == 1


@pytest.mark.parametrize(
    ("folder", "spec", "message"),
    [
        ("none", "x = 1", "no such folder or file"),
        ("", "x = 1", "nothing to grade"),
        ("", "POINTS = {'f': 1}", "POINTS names f"),
        ("", "POINTS = 3\ndef f(x: float): return x", "expected a dict of names and numbers"),
        ("", "def f(x): return x", "nothing says what 'x' is"),
    ],
)
def test_a_wrong_call_is_one_line(tmp_path, folder, spec, message):
    (tmp_path / "a.py").write_text("x = 1", encoding="utf-8")
    (tmp_path / "spec_of_it.txt").write_text(spec, encoding="utf-8")
    path = Path(tmp_path / "wrong_spec.py")
    path.write_text(spec, encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        grade_all(tmp_path / folder, path, "en", 20.0, 2048, {})


def test_exercises_are_found_under_the_package():
    assert cr.learn.exercise is cr.exercise


def test_why_a_submission_was_stopped_is_in_the_language_of_the_report():
    korean = Words(TEXT, "ko")
    for error, said in (
        (SubmissionError("time", "no answer within 8 s"), "시간 제한으로 중단했습니다: 8초 안에 답하지 않았습니다"),
        (SubmissionError("ended", "its process has ended"), "중단되었습니다: 프로세스가 끝났습니다"),
        (SubmissionError("raised", "ValueError: x"), "오류가 났습니다: ValueError: x"),
    ):
        assert _said(error, korean) == said
        assert str(error) in _said(error, Words(TEXT, "en"))
