"""Trainings on a stream that are killed end as if nobody had killed them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_training_on_a_stream_survives_kills():
    pytest.importorskip("pyarrow")
    command = [sys.executable, str(ROOT / "benchmarks" / "stream_kills.py"), "--kills", "5"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "every run ended byte for byte as one that was not killed" in done.stdout
