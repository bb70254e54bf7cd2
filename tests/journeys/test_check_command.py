"""`chainrule check` as a user meets it: a file and a name go in, a verdict comes out."""

import json
import shutil
import sys
from pathlib import Path

import pytest

pytest.importorskip("rich", reason="the command line needs pip install '.[app]'")

from chainrule.cli import main

EXAMPLE = Path(__file__).parents[2] / "examples" / "check_me.py"

OWN = """
from typing import Annotated
import numpy as np
import chainrule as cr
from chainrule import nn

model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
model.example = np.ones((2, 3)) / 7

def loss(x: "B 3"):
    return (model(x) ** 2).mean()

def square(x: Annotated[np.ndarray, (2, 3)], scale: float, power=2):
    return scale * x**power

def rectified(x):
    return cr.relu(x)

rectified.example = np.array([0.0, 1.0])

def pair(x, y):
    return x * y

def pair_inputs():
    yield np.ones(3), np.arange(3.0)

def inputs(rng):
    return rng.normal(size=4)

def shared(x):
    return np.sin(x)

def fails(x):
    raise RuntimeError("no way")

def double_backward(y_bar, x):
    return 2 * y_bar

def nothing(n: int):
    return n

class Cut:
    def forward(self, x):
        return x * 2
    def backward(self, dout):
        return dout

def made():
    return Cut()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = set(sys.modules)
    shutil.copy(EXAMPLE, tmp_path)
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    yield tmp_path
    for name in {"check_me", "own", "broken", "pack", "pack.inner", "t", "j"} & (set(sys.modules) - before):
        del sys.modules[name]


@pytest.fixture
def check(folder, monkeypatch, capsys):
    """Runs `chainrule check` in a folder with two files: (exit code, what it said, its errors)."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["chainrule", "check", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        said = capsys.readouterr()
        return stopped.value.code, said.out, said.err

    return run


def test_the_example_of_the_help_is_right(check):
    code, said, _ = check("--help")
    assert code == 0
    example = said.split("Example: chainrule check ")[1].split("\n\n")[0].split()
    code, said, _ = check(*example)
    assert code == 0
    assert said.startswith("RIGHT  softmax: 1 argument")


def test_a_wrong_backward_exits_with_1_and_says_why_and_where(check):
    code, said, _ = check("check_me.py:linear", "--backward", "linear_backward")
    assert code == 1
    assert said.startswith("WRONG  linear")
    assert "mean is used where sum is needed" in said
    assert "check_me.py:" in said
    assert "def linear_backward" in said


@pytest.mark.parametrize(
    ("arguments", "verdict"),
    [
        (["check_me.py:Tanh", "--layer", "--shape", "x=3,4"], "RIGHT"),
        (["own.py:loss"], "RIGHT"),
        (["own.py:model"], "RIGHT"),
        (["own.py:square"], "RIGHT"),
        (["own.py:square", "--full"], "RIGHT"),
        (["own.py:rectified"], "KINK"),
        (["own.py:pair"], "RIGHT"),
        (["own.py:pair", "--shape", "x=2,3", "--shape", "y=3"], "RIGHT"),
        (["own.py:pair", "--shape", "x=", "--shape", "y="], "RIGHT"),
        (["own.py:shared"], "RIGHT"),
        (["own:shared", "--seed", "5"], "RIGHT"),
        (["numpy:tanh", "--shape", "x=3"], "RIGHT"),
        (["chainrule:softmax", "--shape", "x=3,4"], "RIGHT"),
    ],
)
def test_inputs_come_from_everywhere(check, arguments, verdict):
    code, said, error = check(*arguments)
    assert code == 0, error
    assert said.startswith(verdict)


@pytest.mark.parametrize("name", ["Cut", "made"])
def test_a_wrong_layer_from_a_class_or_a_function(check, name):
    code, said, _ = check(f"own.py:{name}", "--layer", "--shape", "x=3,4")
    assert code == 1
    assert "Cut.backward" in said


def test_json_and_html(check, folder):
    code, said, _ = check(
        "check_me.py:linear", "--backward", "linear_backward", "--json", "--html", "r.html", "--lang", "ko"
    )
    assert code == 1
    found = json.loads(said)
    assert found["verdict"] == "wrong"
    assert found["findings"][0]["argument"] == "b"
    assert found["findings"][0]["code"] == "factor"
    page = (folder / "r.html").read_text(encoding="utf-8")
    assert 'lang="ko"' in page
    assert "기울기가 틀립니다" in page


def test_the_seed_fixes_the_inputs(check):
    said = [check("own.py:square", "--seed", seed, "--json")[1] for seed in ("1", "1", "2")]
    assert said[0] == said[1] != said[2]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["own.py"], "expected FILE.py:NAME"),
        (["own.py:"], "expected FILE.py:NAME"),
        (["missing.py:f"], "missing.py: no such file"),
        (["own.py:pairr"], "own has no 'pairr'; it has pair"),
        (["own.py:pair", "--backward", "bacward"], "own has no 'bacward'"),
        (["no_such_module_here:f"], "there is no module 'no_such_module_here'"),
        (["broken.py:f"], "broken.py:3: ZeroDivisionError: division by zero"),
        (["own.py:nothing", "--shape", "m=3"], "--shape m: nothing has no such argument; it has n"),
        (["own.py:pair", "--shape", "x"], "expected an argument and its lengths, as x=3,4; got 'x'"),
        (["own.py:pair", "--shape", "x=a"], "got 'x=a'"),
        (["own.py:pair", "--shape", "x=3"], "nothing says what 'y' is"),
        (["check_me.py:Tanh", "--layer"], "Give --shape x=3,4"),
        (["own.py:fails"], "own.py:34: RuntimeError: no way"),
        (["own.py:pair", "--layer"], "pair: it needs the arguments x, y; expected a class without arguments"),
        (["own.py:shared", "--layer", "--backward", "double_backward"], "give one of the two"),
        (["own.py:shared", "--html", "no/such/r.html"], "does not exist"),
        (["own.py:shared", "--lang", "fr"], "expected one of en, ko"),
        (["own.py:nn", "--shape", "x=3"], "expected a function"),
    ],
)
def test_a_wrong_call_exits_with_2_and_says_what_is_wrong(check, folder, arguments, said):
    (folder / "broken.py").write_text("def f(x):\n    return x\n1 / 0\n")
    before = {path.name for path in folder.iterdir()}
    code, _, error = check(*arguments)
    assert code == 2
    assert said in error
    assert error.count("\n") == 1
    assert {path.name for path in folder.iterdir()} - {"__pycache__"} == before


def test_a_module_of_a_package_and_a_name_with_dots(check, folder):
    (folder / "pack").mkdir()
    (folder / "pack" / "__init__.py").write_text("")
    (folder / "pack" / "inner.py").write_text(
        "class Ops:\n    @staticmethod\n    def cube(x: 'N'):\n        return x**3\n"
    )
    code, said, error = check("pack.inner:Ops.cube")
    assert code == 0, error
    assert said.startswith("RIGHT  cube")


TORCH = """
import torch
class Cube(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3
    @staticmethod
    def backward(ctx, y_bar):
        return 2 * ctx.saved_tensors[0] ** 2 * y_bar
def plain(x):
    return torch.sin(x)
layer = torch.nn.Linear(4, 2)
"""
JAX = """
import jax
import jax.numpy as jnp
@jax.custom_vjp
def cube(x):
    return x**3
cube.defvjp(lambda x: (x**3, x), lambda x, g: (2 * x**2 * g,))
def plain(x: jax.Array):
    return jnp.sin(x)
"""


def test_torch_code(torch, check, folder):
    (folder / "t.py").write_text(TORCH)
    code, said, _ = check("t.py:Cube", "--shape", "x=3")
    assert code == 1
    assert "where: Cube.backward" in said
    for name, shape in (("plain", "x=3"), ("layer", "input=3,4")):
        code, said, error = check(f"t.py:{name}", "--shape", shape)
        assert code == 0, error
    assert check("t.py:plain", "--shape", "x=3", "--layer")[0] == 2


@pytest.mark.slow
def test_jax_code(jax, check, folder):
    (folder / "j.py").write_text(JAX)
    code, said, _ = check("j.py:cube", "--shape", "x=3")
    assert code == 1
    assert said.startswith("WRONG  cube")
    code, said, error = check("j.py:plain", "--shape", "x=3")
    assert code == 0, error
