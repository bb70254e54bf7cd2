"""A run that is killed loses at most what its checkpoint's period says, and goes on to the bit."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from chainrule import nn, optim
from chainrule.data import Data
from chainrule.jobs.training.job import JobCheckpoint
from chainrule.jobs.training.table import TableJob
from chainrule.train import SaveCheckpoint, fit, load
from chainrule.train.saved.recipe import Recipe

from . import killed

PROGRAM = Path(killed.__file__)
STEPS = 40


def run(folder, kill_after=None, delay=0.0):
    """Run the program; kill it so many seconds after it has said so many steps. Return what it said."""
    environment = {**os.environ, "PYTHONPATH": str(PROGRAM.parents[2] / "src")}
    command = [sys.executable, str(PROGRAM), str(folder)]
    said = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        for line in process.stdout:
            said.append(tuple(map(int, line.split())))
            if len(said) == kill_after:
                time.sleep(delay)
                os.kill(process.pid, signal.SIGKILL)
                break
        said += [tuple(map(int, line.split())) for line in process.stdout if line.endswith("\n")]
    assert process.returncode == (0 if kill_after is None else -signal.SIGKILL)
    return said


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    run(folder)
    return (folder / "end.safetensors").read_bytes()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_killed_anywhere_it_goes_on_to_the_bit_and_loses_little(tmp_path, whole, seed):
    rng = np.random.default_rng(seed)
    taken = 0  # steps, as far as the last word of a run
    for kill_after in [int(rng.integers(1, 60)), int(rng.integers(1, 25)), None]:
        said = run(tmp_path, kill_after, rng.uniform(0, 0.01))
        epoch, _, batch = said[0]
        first = (epoch - 1) * STEPS + batch
        assert taken - killed.EVERY < first <= taken + 1 or taken == 0
        epoch, _, batch = said[-1]
        taken = (epoch - 1) * STEPS + batch
    assert taken == killed.EPOCHS * STEPS
    assert (tmp_path / "end.safetensors").read_bytes() == whole


def points():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((60, 4))
    return Data(x, (x[:, 0] > 0).astype(np.int64), "classification", tuple("abcd"), ("no", "yes"), "points", "drawn")


def test_a_job_is_saved_by_the_clock(tmp_path):
    recipe = Recipe(hidden=(8,), epochs=3, batch_size=8)
    whole = TableJob(points(), recipe)
    keep = JobCheckpoint(whole, tmp_path / "m", seconds=1e-9)
    seen = []

    class Enough(Exception):
        pass

    def stop(path, run, **meta):
        JobCheckpoint.write(keep, path, run)
        seen.append((run.epoch, run.batch))
        if (run.epoch, run.batch) == (2, 3):
            raise Enough

    keep.write = stop
    with pytest.raises(Enough):
        whole.train([keep])
    assert seen[:7] == [(1, 1), (1, 2), (1, 3), (1, 4), (1, 5), (1, 6), (2, 1)]  # the last of an epoch at its end
    expected, job = TableJob(points(), recipe), TableJob(points(), recipe)
    expected.train()
    job.resume(tmp_path / "m")
    job.train()
    for name, array in expected.model.state_dict().items():
        np.testing.assert_array_equal(job.model.state_dict()[name], array)


def test_settings_out_of_range_are_refused(tmp_path):
    for wrong in ({"every": 0}, {"every_batches": 0}, {"every_seconds": 0.0}):
        with pytest.raises(ValueError, match=f"SaveCheckpoint: {next(iter(wrong))} must be"):
            SaveCheckpoint(tmp_path / "m", **wrong)
    model = nn.Linear(2, 2)
    args = (model, nn.CrossEntropyLoss(), optim.SGD(model.parameters(), 0.1), [(np.eye(2), np.arange(2))])
    with pytest.raises(ValueError, match="a list does not say where it stands in an epoch"):
        fit(*args, callbacks=[SaveCheckpoint(tmp_path / "m", every_batches=1)])
    fit(*args, epochs=1, callbacks=[SaveCheckpoint(tmp_path / "m")])
    assert load(tmp_path / "m").meta["rows"][0]["epoch"] == 1
