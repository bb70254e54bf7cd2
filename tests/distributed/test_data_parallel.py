"""Several processes are one: real runs under mpiexec, held against one process and against themselves."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from . import ranks

PROGRAM = Path(__file__).with_name("ranks.py")
SOURCE = Path(__file__).parents[2] / "src"
LAUNCHER = shutil.which("mpiexec", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}")

pytest.importorskip("mpi4py", reason="several processes need mpi4py and MPI: pip install '.[mpi]'")
if LAUNCHER is None:
    pytest.skip("several processes need mpiexec: pip install '.[mpi]'", allow_module_level=True)
pytestmark = pytest.mark.xdist_group("mpiexec")

ALIKE = (
    *("plain", "compiled", "several_batches", "sums", "fewer_samples_than_ranks", "a_list_of_batches", "a_stream"),
    *("frozen_and_unused", "single_precision", "early_stopping"),
)
SELF = ("dropout_and_batch_norm", "resuming_with_dropout")
ERRORS = ("not_finite", "unlike_models", "changed_in_one_rank", "data_are_wrong_in_all", "ctrl_c_in_one_rank")
LIMIT = 60


def launch(size, *command, cwd=None):
    """Run a command in several processes; return the exit code, what it printed, and the seconds."""
    environment = {**os.environ, "PYTHONPATH": str(SOURCE), "OPENBLAS_NUM_THREADS": "1", "PYTHONWARNINGS": "error"}
    began = time.monotonic()
    done = subprocess.run(
        [LAUNCHER, "-n", str(size), sys.executable, *map(str, command)],
        env=environment,
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def results(size, folder, *tasks):
    """Run tasks in several processes; return for each task what each rank found."""
    code, text, _ = launch(size, PROGRAM, folder, *tasks)
    assert code == 0, text
    return {name: [json.loads((folder / f"{name}.{k}.json").read_text()) for k in range(size)] for name in tasks}


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """What two ranks find."""
    tasks = (*ALIKE, *SELF, *ERRORS, "only_rank_0_calls_back")
    return results(2, tmp_path_factory.mktemp("two"), *tasks)


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    return results(3, tmp_path_factory.mktemp("three"), "plain", "fewer_samples_than_ranks", "a_stream")


def assert_close(found, expected, tolerance):
    if isinstance(expected, dict):
        assert found.keys() == expected.keys()
        for key, value in expected.items():
            assert_close(found[key], value, tolerance)
    elif isinstance(expected, list) and expected and isinstance(expected[0], dict):
        assert len(found) == len(expected)
        for mine, theirs in zip(found, expected, strict=True):
            assert_close(mine, theirs, tolerance)
    elif isinstance(expected, str | None):
        assert found == expected
    else:
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ALIKE)
def test_two_ranks_are_one_process_with_the_whole_batch(two, name):
    tolerance = 1e-4 if name == "single_precision" else 1e-9
    expected = json.loads(json.dumps(ranks.TASKS[name](None)))
    assert_close(two[name][0], expected, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plain", "fewer_samples_than_ranks", "a_stream"])
def test_so_are_three(three, name):
    expected = json.loads(json.dumps(ranks.TASKS[name](None)))
    assert_close(three[name][0], expected, 1e-9)
    assert three[name][0] == three[name][1] == three[name][2]


@pytest.mark.parametrize("name", [*ALIKE, *SELF])
def test_all_ranks_end_with_the_same_bits(two, name):
    assert two[name][0] == two[name][1]


@pytest.mark.slow
def test_the_same_run_gives_the_same_bits(two, tmp_path):
    again = results(2, tmp_path, "plain", "compiled", "single_precision", "dropout_and_batch_norm")
    for name, found in again.items():
        assert found == two[name]


def test_callbacks_are_called_in_rank_0_unless_they_say_otherwise(two):
    assert two["only_rank_0_calls_back"] == [[1, 1], [0, 1]]


def test_an_error_that_all_have_is_raised_in_all(two):
    for found in two["not_finite"]:
        for message in found:
            assert "epoch 1, batch 1: the loss is" in message
    for found in two["unlike_models"]:
        assert "the model's weight: rank 1 has float32[4, 3], rank 0 float32[4, 2]" in found
    for found in two["changed_in_one_rank"]:
        assert "after epoch 1, the parameters of rank 1 are not those of rank 0" in found
    for found in two["data_are_wrong_in_all"]:
        assert found.startswith("x: 180 of 180 values are not finite")


def test_ctrl_c_in_one_rank_stops_all_after_the_same_step(two):
    assert two["ctrl_c_in_one_rank"] == [["", 1, 3, 1]] * 2


def test_a_run_that_is_gone_on_with_is_the_whole_run_to_the_bit(two):
    for whole, gone_on in two["resuming_with_dropout"]:
        assert gone_on == whole


@pytest.mark.slow
def test_any_number_of_ranks_goes_on(tmp_path):
    (whole, _) = results(2, tmp_path, "save_in_the_middle")["save_in_the_middle"]
    alone = json.loads(json.dumps(ranks.resume(None, tmp_path)))
    assert_close(alone, whole, 1e-9)
    for found in results(3, tmp_path, "resume")["resume"]:
        assert_close(found, whole, 1e-9)


# The end of one rank is the end of the job


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("raises", "LookupError: of one rank alone"),
        ("raises_outside_of_fit", "LookupError: of one rank alone"),
        ("is_killed", "KILLED BY SIGNAL"),
        ("hangs", "has waited for the others for 2 s at a step"),
    ],
)
@pytest.mark.slow
def test_the_end_of_one_rank_ends_the_job(tmp_path, name, says):
    code, text, seconds = launch(2, PROGRAM, tmp_path, name)
    assert code != 0
    assert seconds < 20
    if name == "is_killed" and says not in text:  # what a launcher says of it differs
        says = "signal 9"
    assert says in text


# The command line


def call(size, folder, *words):
    script = "import sys; sys.argv[0] = 'chainrule'; from chainrule.cli import main; sys.exit(main())"
    return launch(size, "-c", script, *words, cwd=folder)


@pytest.mark.slow
def test_the_command_line(tmp_path):
    words = ("train", "iris", "--epochs", "8", "--hidden", "8", "--dropout", "0")
    code, text, _ = call(2, tmp_path, *words, "--out", "two.safetensors", "--report", "two.html")
    assert code == 0, text
    assert text.count("held-out accuracy") == 1
    assert text.count("gradient check") == 1
    assert "mpiexec -n 2 chainrule train iris" in (tmp_path / "two.html").read_text(encoding="utf-8")
    from chainrule.data import load
    from chainrule.jobs.training.table import TableJob
    from chainrule.train.saved.predictor import read_predictor
    from chainrule.train.saved.recipe import Recipe

    job = TableJob(load("iris"), Recipe(hidden=(8,), epochs=8, dropout=0.0))
    job.train()
    two = read_predictor(tmp_path / "two.safetensors").model.state_dict()
    for name, array in job.model.state_dict().items():
        np.testing.assert_allclose(two[name], array, atol=1e-4)


@pytest.mark.slow
def test_a_wrong_call_is_one_line(tmp_path):
    code, text, _ = call(2, tmp_path, "train", "no_such_data")
    assert code == 2
    assert text.count("error: no data set or file is called 'no_such_data'") == 1
    assert "Traceback" not in text
