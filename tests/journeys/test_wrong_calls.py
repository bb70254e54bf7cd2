"""Wrong calls of the command line: one line that says what came and what was expected, and no traceback."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.command import chainrule
from tests.named import named

import chainrule as cr
from chainrule.jobs.calling import said

FILE = """
import numpy as np
import chainrule as cr
from chainrule import nn


def softmax(x):
    e = np.exp(x - x.max())
    return e / e.sum()


class Layer:
    def forward(self, x):
        return 2.0 * x

    def backward(self, d):
        return 2.0 * d


class Needs(nn.Module):
    def __init__(self, width):
        super().__init__()


def raises(x: float):
    return x * undefined


def array(x: float):
    return np.array([x, x])


def nothing(x: float):
    pass


class Two(nn.Linear):
    def forward(self, x):
        y = super().forward(x)
        return y, 2 * y


two = Two(4, 3)
text = "abc"
classes = [0, 7]
model = nn.Linear(4, 3)
"""

CALLS = {
    "explain here.py:raises": ("here.py:25: NameError: name 'undefined' is not defined",),
    "graph here.py:raises": ("here.py:25: NameError",),
    "explore here.py:raises --no-browser": ("here.py:25: NameError",),
    "check here.py:raises": ("here.py:raises: ", "here.py:25: NameError"),
    "explain here.py:array": ("a tensor that requires a gradient was passed", "(at ", "here.py:29)"),
    "explain here.py:model --loss cross_entropy --target classes --shape x=2,4": ("target[1] is 7", "from 0 to 2"),
    "graph here.py:model --loss cross_entropy --target classes --shape x=2,4": ("target[1] is 7", "from 0 to 2"),
    "doctor here.py:model --loss cross_entropy --target classes --shape x=2,4": ("target[1] is 7", "from 0 to 2"),
    "explain here.py:model --loss mse --target text --shape x=2,4": ("expected real numbers, got dtype <U3",),
    "explain here.py:Needs --shape x=2,4": ("Needs: it needs the arguments width", "expected an instance"),
    "doctor here.py:Needs --loss mse --target classes": ("Needs: it needs the arguments width",),
    "doctor here.py:two --loss mse --target classes --shape x=2,4": (
        "--loss mse cannot take what the model returns, a tuple of [0] [2, 3], [1] [2, 3]",
        "name a function of the file",
    ),
    "explain here.py:two --loss mse --target classes --shape x=2,4": ("a tuple of [0] [2, 3], [1] [2, 3]",),
    "doctor here.py:raises": ("raises: it needs the arguments x", "returns (model, loss, batches)"),
    "check here.py:softmax": ("softmax: nothing says what 'x' is. Give --shape x=3,4",),
    "check here.py:nothing": ("here.py:nothing: check: nothing must return at least one float",),
    "check here.py:text": ("expected a function, got str",),
    "explain here.py:raises --seed -1": ("--seed: expected 0 or more, got -1",),
    "train iris --seed -1": ("--seed: expected 0 or more, got -1",),
    "explore here.py:model --loss mse --shape x=2,4 --target classes -o page.pdf": ("ends in .html, got 'page.pdf'",),
}


KOREAN = {
    "explain here.py:raises --seed -1": ("--seed: 0 이상이어야 하는데 -1입니다",),
    "explain here.py:array": ("기울기를 잃게 됩니다", "here.py:29)"),
    "doctor here.py:raises": ("raises: 인수 x가 필요합니다", "(model, loss, batches)를 돌려주는"),
    "explain here.py:Needs --shape x=2,4": ("Needs: 인수 width가 필요합니다", "인스턴스나"),
    "doctor here.py:Needs --loss mse --target classes": ("Needs: 인수 width가 필요합니다",),
    "check here.py:softmax": ("softmax: 'x'가 무엇인지 알 수 없습니다. --shape x=3,4를 주거나",),
    "check here.py:nothing": ("here.py:nothing: check: nothing은 실수나 실수 배열을",),
    "check here.py:text": ("함수여야 하는데 str입니다",),
    "explore here.py:model --loss mse --shape x=2,4 --target classes -o page.pdf": (
        ".html로 끝나야",
        "'page.pdf'입니다",
    ),
}
"""Of calls whose whole error is in Korean."""


@pytest.mark.parametrize("lang", ["en", "ko"])
def test_a_wrong_call_is_one_line(lang: str, tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text(FILE.lstrip(), encoding="utf-8")
    for call, expected in CALLS.items():
        words = call.split()
        with named(call):
            done = chainrule(*words, *(() if words[0] == "train" else ("--lang", lang)), folder=tmp_path)
            assert done.exit_code == 2
            assert done.output.startswith("오류: " if lang == "ko" and words[0] != "train" else "error: "), done.output
            assert done.output.count("\n") == 1, done.output
            assert "chainrule/jobs" not in done.output  # no place in the package
            for part in KOREAN.get(call, expected) if lang == "ko" else expected:
                assert part in done.output, done.output
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix) == ["here.py"]


def test_a_layer_is_checked_without_being_called_one(tmp_path: Path) -> None:
    (tmp_path / "here.py").write_text(FILE.lstrip(), encoding="utf-8")
    done = chainrule("check", "here.py:Layer", "--shape", "x=2,3", folder=tmp_path)
    assert (done.exit_code, done.output[:5]) == (0, "RIGHT")


def test_an_unlikely_option_is_not_suggested() -> None:
    done = chainrule("train", "iris", "--optimizer", "adam")
    assert "unrecognized arguments: --optimizer" in done.output
    assert "did you mean" not in done.output
    assert "did you mean --epochs?" in chainrule("train", "iris", "--epoch", "3").output


def caught(f: Callable[[], object]) -> Exception:
    """Return the error that a call raises."""
    try:
        f()
    except Exception as error:
        return error
    raise AssertionError("nothing was raised")


def test_a_fault_of_the_package_keeps_its_traceback() -> None:
    assert str(said(caught(lambda: 1 / 0))).startswith(f"{__file__}:")
    assert str(said(caught(lambda: cr.tensor([1.0]).reshape(3)))).startswith("reshape: ")
    broken: dict[str, Callable[[], object]] = {}
    exec(compile("def f():\n    return {}['key']", cr.__file__, "exec"), broken)
    assert said(caught(broken["f"])) is None
