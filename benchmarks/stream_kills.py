"""Trainings on a stream that are killed at random moments, and end byte for byte as one that was not.

    python benchmarks/stream_kills.py [--kills 200] [--seed 0]

Each run trains on a Parquet file in blocks, writes a checkpoint every few steps, and is killed (SIGKILL) again and
again; it resumes from the checkpoint until it is done. Its end, weights, optimizer and position, is compared with that
of a run that nobody killed. Runs take turns between compiled steps and steps as written.
"""

import argparse
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import nn, optim
from chainrule.data import DataLoader, stream
from chainrule.train import Callback, History, SaveCheckpoint, fit, load, save

EPOCHS, EVERY, ROWS = 3, 40, 12_000


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


def run(data: Path, folder: Path, compile: bool, delay: float | None) -> bool:
    """Start the training, and kill it so many seconds after its first step; return whether it was killed."""
    command = [sys.executable, __file__, "--child", str(data), str(folder), str(int(compile))]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        process.stdout.readline()
        if delay is not None:
            time.sleep(delay)
            os.kill(process.pid, signal.SIGKILL)
        process.stdout.read()
    if process.returncode not in (0, -signal.SIGKILL):
        raise SystemExit(f"the training failed with {process.returncode}")
    return process.returncode != 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    rng, kills, ends = np.random.default_rng(given.seed), 0, 0
    with tempfile.TemporaryDirectory() as folder:
        data, expected, seconds = Path(folder, "t.parquet"), {}, {}
        make(data)
        for compile in (False, True):
            whole = Path(folder, f"whole{compile}")
            whole.mkdir()
            began = time.monotonic()
            run(data, whole, compile, None)
            seconds[compile] = time.monotonic() - began
            expected[compile] = (whole / "end.safetensors").read_bytes()
        while kills < given.kills:
            compile = bool(ends % 2)
            place = Path(folder, f"run{ends}")
            place.mkdir()
            here = 0
            while run(
                data,
                place,
                compile,
                rng.uniform(0, 0.3 * seconds[compile]) if here < 20 and kills < given.kills else None,
            ):
                kills, here = kills + 1, here + 1
            if (place / "end.safetensors").read_bytes() != expected[compile]:
                raise SystemExit(f"run {ends}, killed {here} times, ended otherwise (--seed {given.seed})")
            ends += 1
        print(f"{kills} kills in {ends} runs: every run ended byte for byte as one that was not killed")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--child"]:
        child(sys.argv[2], Path(sys.argv[3]), bool(int(sys.argv[4])))
    else:
        main()
