"""Trainings on a stream that are killed at random moments, and end byte for byte as one that was not.

    python benchmarks/stream_kills.py [--kills 200] [--seed 0] [--fresh]

Each run trains on a Parquet file in blocks, writes a checkpoint every few steps, and is killed (SIGKILL) again and
again; it resumes from the checkpoint until it is done. Its end, weights, optimizer and position, is compared with that
of a run that nobody killed. Runs take turns between compiled steps and steps as written.

Each start is a process of its own, forked from one that has imported the libraries and done nothing else; with
--fresh, it is a new interpreter, which takes seconds to import them. The run that nobody kills always is one. The
folder for it all takes a few megabytes, and is removed.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path
from typing import TextIO

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, stream
from chainrule.train import Callback, History, SaveCheckpoint, fit, load, save

EPOCHS, EVERY, ROWS = 3, 40, 12_000
MOST_KILLS = 20
"""Of one run."""


def make(path: Path) -> None:
    """Write the data."""
    import pyarrow as arrow
    import pyarrow.parquet as parquet

    rng = np.random.default_rng(0)
    x = rng.standard_normal((ROWS, 5))
    kind = rng.choice(["red", "green", "blue"], ROWS)
    columns = {f"x{j}": x[:, j] for j in range(5)} | {"kind": kind, "y": (x[:, 0] * x[:, 1] > 0).astype(np.int64)}
    parquet.write_table(arrow.table(columns), path, row_group_size=700)


class Say(Callback):
    """Says the first step, so that kills fall into the training."""

    def next_step(self, run: object) -> int | None:
        """Return the first step."""
        return None if run.step else 1

    def on_batch_end(self, run: object) -> None:
        """Say it."""
        if run.step == 1:
            print("training", flush=True)


def child(data: str, folder: Path, compile: bool) -> None:
    """Train, from the checkpoint on if there is one."""
    path = folder / "checkpoint.safetensors"
    source = stream(data, held_out=0.1, memory=1 << 18)
    loader = DataLoader(source.standardized(), 32, shuffle=True, seed=1)
    cr.seed(1)
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 2))
    optimizer = optim.Adam(model.parameters(), lr=0.01)
    history = History()
    if path.exists():
        load(path, model, optimizer, loader, history=history)
    callbacks = [Say(), SaveCheckpoint(path, every=1, every_batches=EVERY)]
    rest, loss = EPOCHS - len(history), nn.CrossEntropyLoss()
    held_out = source.held_out.scaled(source.standardizer(), None)
    settings = {"validation": held_out, "callbacks": callbacks, "history": history, "compile": compile}
    fit(model, loss, optimizer, loader, rest, **settings)
    save(folder / "end.safetensors", model, optimizer, loader, losses=history["val_loss"])


def run(data: Path, folder: Path, compile: bool, delay: float | None, is_fresh: bool) -> bool:
    """Start the training, and kill it so many seconds after its first step; return whether it was killed."""
    start = _fresh if is_fresh or not hasattr(os, "fork") else _forked
    pid, said = start(data, folder, compile)
    with said:
        said.readline()
        if delay is not None:
            time.sleep(delay)
            os.kill(pid, signal.SIGKILL)
        said.read()
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, -signal.SIGKILL):
        raise SystemExit(f"the training failed with {code}")
    return code != 0


def _fresh(data: Path, folder: Path, compile: bool) -> tuple[int, TextIO]:
    command = [sys.executable, __file__, "--child", str(data), str(folder), str(int(compile))]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    process.returncode = 0  # `run` waits for it
    return process.pid, process.stdout


def _forked(data: Path, folder: Path, compile: bool) -> tuple[int, TextIO]:
    reads, writes = os.pipe()
    pid = os.fork()
    if pid:
        os.close(writes)
        return pid, os.fdopen(reads)
    try:
        os.dup2(writes, 1)
        sys.stdout = os.fdopen(1, "w")
        child(str(data), folder, compile)
        sys.stdout.flush()
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args()
    rng, kills, ends, began = np.random.default_rng(given.seed), 0, 0, time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        data, expected, seconds = Path(folder, "t.parquet"), {}, {}
        subprocess.run([sys.executable, __file__, "--make", str(data)], check=True)
        for compile in (False, True):
            whole, other = Path(folder, f"whole{compile}"), Path(folder, f"other{compile}")
            whole.mkdir()
            other.mkdir()
            run(data, whole, compile, None, is_fresh=True)
            expected[compile] = (whole / "end.safetensors").read_bytes()
            started = time.monotonic()
            run(data, other, compile, None, given.fresh)
            seconds[compile] = time.monotonic() - started
        while kills < given.kills:
            compile = bool(ends % 2)
            place = Path(folder, f"run{ends}")
            place.mkdir()
            here = 0
            while run(data, place, compile, delay(rng, seconds[compile], kills, here, given.kills), given.fresh):
                kills, here = kills + 1, here + 1
            if (place / "end.safetensors").read_bytes() != expected[compile]:
                raise SystemExit(f"run {ends}, killed {here} times, ended otherwise (--seed {given.seed})")
            shutil.rmtree(place)
            ends += 1
            if sys.stderr.isatty():
                print(f"\r{kills} kills", end="", file=sys.stderr)
        minutes = (time.monotonic() - began) / 60
        said = "every run ended byte for byte as one that was not killed"
        print(f"{kills} confirmed kills in {ends} runs, {minutes:.1f} minutes: {said}")


def delay(rng: np.random.Generator, seconds: float, kills: int, here: int, wanted: int) -> float | None:
    """Draw how long after its first step a run is killed; None for not at all, which ends a run."""
    return rng.uniform(0, 0.3 * seconds) if here < MOST_KILLS and kills < wanted else None


if __name__ == "__main__":
    if sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), bool(int(sys.argv[4])))
    else:
        main()
