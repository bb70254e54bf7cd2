"""Without the extra `fast` everything works, in NumPy: a process in which neither Numba nor LLVM can be found."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[2] / "src"
HIDDEN = """
import importlib.util
import sys

find = importlib.util.find_spec


def hidden(name, package=None):
    return None if name.partition(".")[0] in ("numba", "llvmlite") else find(name, package)


class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("numba", "llvmlite"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


importlib.util.find_spec = hidden
sys.meta_path.insert(0, Missing())
"""
PROGRAM = """
import warnings

import numpy as np

import chainrule as cr
import chainrule.nn.functional as F
from chainrule import nn, optim, train

rng = np.random.default_rng(0)


def normal(*shape):
    return rng.normal(size=shape).astype(np.float32)


# Sizes from which kernels are used where there are any
images, weights = normal(4, 8, 32, 32), normal(8, 8, 3, 3)
cr.grad(lambda x, w: F.max_pool2d(F.conv2d(x, w), 2).sum(), (0, 1))(images, weights)
q = normal(1, 2, 1100, 16)
cr.grad(lambda q: F.scaled_dot_product_attention(q, q, q, causal=True).sum())(q)
cr.grad(lambda x: F.cross_entropy(F.gelu(F.layer_norm(x, 64)), np.zeros(2000, int)))(normal(2000, 64))
nn.LSTM(16, 32)(normal(8, 20, 16))

cr.seed(0)
layers = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(392, 300)
model = nn.Sequential(*layers)
optimizer, loss = optim.Adam(model.parameters(), lr=1e-3), nn.CrossEntropyLoss()
x, y = normal(32, 3, 16, 16), np.arange(32) % 300


def step(x, y):
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optim.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    return value


with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    compiled = cr.compile(step)
    cr.compile(step)
said = [str(w.message) for w in caught]
assert len(said) == 1 and "pip install 'chainrule[fast]'" in said[0], said
losses = [float(compiled(x, y)) for _ in range(20)]
assert losses[-1] < 0.5 * losses[0], losses

line = nn.Linear(16, 3)
batches = [(normal(8, 16), np.arange(8) % 3)] * 40
train.fit(line, nn.CrossEntropyLoss(), optim.SGD(line.parameters(), lr=0.1), batches, epochs=5)
assert cr.check(np.sin, np.ones(3)).ok
assert cr.explain(lambda x: (x**2).sum(), np.ones(3)).ok
assert not {"numba", "llvmlite"} & set(sys.modules)
print("whole")
"""


@pytest.mark.slow
def test_everything_works_in_numpy(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(SOURCE)}
    command = [sys.executable, "-W", "error", "-c", HIDDEN + PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300)
    assert (done.returncode, done.stdout) == (0, "whole\n"), done.stderr
