"""Where kernels are kept, and how compiled functions run where none can be compiled or kept."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from chainrule.compile import cache_folder

PROGRAM = """
import numpy as np, chainrule as cr
from chainrule import nn, optim
cr.seed(0)
model, loss = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 3)), nn.CrossEntropyLoss()
optimizer = optim.Adam(model.parameters(), lr=0.01)
def step(x, y):
    optimizer.zero_grad()
    value = loss(model(x), y)
    value.backward()
    optimizer.step()
    return value
step = COMPILE(step)
x = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
for _ in range(3):
    value = float(step(x, np.arange(5) % 3))
print(f"{value:.6f}")
"""


def _run(compiles: bool, **variables: str) -> tuple[str, str]:
    source = PROGRAM.replace("COMPILE", "cr.compile" if compiles else "")
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", source],
        capture_output=True,
        text=True,
        env={**os.environ, **variables},
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip(), ran.stderr.strip()


@pytest.fixture(scope="module")
def eager() -> str:
    return _run(False)[0]


@pytest.mark.slow
def test_without_a_compiler(eager: str) -> None:
    found, errors = _run(True, NUMBA_DISABLE_JIT="1")
    assert float(found) == pytest.approx(float(eager), abs=2e-6)
    assert not errors


@pytest.mark.slow
def test_a_cache_that_cannot_be_written_to(eager: str, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    found, errors = _run(True, CHAINRULE_CACHE_DIR=str(tmp_path / "file" / "kernels"))
    assert float(found) == pytest.approx(float(eager), abs=2e-6)
    assert not errors


@pytest.mark.slow
def test_a_second_process_compiles_nothing_and_a_damaged_file_is_written_anew(eager: str, tmp_path: Path) -> None:
    folder = tmp_path / "kernels" / "native"

    def kept() -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    def times() -> list[int]:
        return [path.stat().st_ino for path in sorted(folder.iterdir())]

    first = _run(True, CHAINRULE_CACHE_DIR=str(tmp_path / "kernels"))
    whole, files = kept(), times()
    assert whole
    assert _run(True, CHAINRULE_CACHE_DIR=str(tmp_path / "kernels")) == first
    assert times() == files
    for path in folder.iterdir():
        path.write_bytes(path.read_bytes()[:-1])
    assert _run(True, CHAINRULE_CACHE_DIR=str(tmp_path / "kernels")) == first
    assert float(first[0]) == pytest.approx(float(eager), abs=2e-6)
    assert kept().keys() == whole.keys()
    assert all(len(content) == len(whole[name]) for name, content in kept().items())


@pytest.mark.slow
def test_a_small_network_needs_no_numba(tmp_path: Path) -> None:
    source = PROGRAM.replace("COMPILE", "cr.compile") + "import sys; print('numba' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.split()[-1] == "False"


def test_the_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", str(tmp_path / "here"))
    assert cache_folder() == tmp_path / "here"
    monkeypatch.setenv("CHAINRULE_CACHE_DIR", "")
    if sys.platform.startswith("linux"):
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache_folder() == tmp_path / "chainrule"
        monkeypatch.delenv("XDG_CACHE_HOME")
        assert cache_folder() == Path.home() / ".cache" / "chainrule"
