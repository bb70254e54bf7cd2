"""Every example runs to its end as a program of its own, in an empty folder, and says something.

An example whose data are not on this machine says so, "skipped: …", and why.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SLOW = {"character_transformer.py", "fashion_mnist.py", "mnist5k.py", "torch_distributed.py"}
EXAMPLES = [
    pytest.param(path, id=path.name, marks=[pytest.mark.slow] * (path.name in SLOW))
    for path in sorted((Path(__file__).parents[1] / "examples").glob("*.py"))
]
SECONDS = 120


@pytest.mark.slow
@pytest.mark.parametrize("path", EXAMPLES)
def test_an_example_runs(path, tmp_path, skip_without_imports):
    skip_without_imports(path.read_text(encoding="utf-8"))
    done = subprocess.run(
        [sys.executable, "-W", "error", path],
        cwd=tmp_path,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # threads of several programs would wait for each other
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=SECONDS,
        check=False,
    )
    if done.returncode and done.stderr.startswith("skipped: "):
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip(), f"{path.name} prints nothing"
