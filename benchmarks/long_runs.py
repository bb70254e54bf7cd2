"""Many steps in one process: does memory stay flat, and the numbers of threads and open files the same?

    python benchmarks/long_runs.py [--steps 100000] [eager compiled explorer fit watched]

Each part runs a small network's steps; memory (resident set), threads and files are read at 10 %
and at every further tenth of the steps. The growth from 10 % to the last is printed; more than 1 MB is marked.
"""

import argparse
import gc
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

import chainrule as cr
from chainrule import data, nn, optim, train

BOUND = 1.0
"""MB that a run may grow by."""
BATCHES = 4


def network() -> tuple[nn.Module, optim.Optimizer, np.ndarray, np.ndarray]:
    cr.seed(0)
    rng = np.random.default_rng(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 3))
    x = rng.standard_normal((16, 4)).astype(np.float32)
    return model, optim.Adam(model.parameters(), lr=1e-4), x, rng.integers(0, 3, 16)


def stepping(compiled: bool) -> Callable[[], None]:
    model, optimizer, x, y = network()
    loss = nn.CrossEntropyLoss()

    def step(x: np.ndarray, y: np.ndarray) -> cr.Tensor:
        value = loss(model(x), y)
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
        return value

    run = cr.compile(step) if compiled else step

    def once() -> None:
        run(x, y)

    return once


def explorer() -> Callable[[], None]:
    model, _, x, y = network()
    model.eval()
    session = cr.explore(model, x[:2], loss=nn.CrossEntropyLoss(), target=y[:2]).session

    def once() -> None:
        session.forward() if session.position < session.steps else session.rewind()

    return once


def fitting(*callbacks: train.Callback) -> Callable[[], None]:
    """Epochs of BATCHES steps."""
    model, optimizer, x, y = network()
    loader = data.DataLoader((x, y), batch_size=len(x) // BATCHES, shuffle=True, seed=0)
    history = train.History()

    def once() -> None:
        train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, 1, callbacks=callbacks, history=history)
        del history.rows[:-1]

    return once


PARTS: dict[str, Callable[[], Callable[[], None]]] = {
    "eager": lambda: stepping(compiled=False),
    "compiled": lambda: stepping(compiled=True),
    "explorer": explorer,
    "fit": fitting,
    "watched": lambda: fitting(cr.doctor.GradientWatch(warn=False)),
}


def state() -> tuple[float, int, int]:
    """MB in memory, threads, open files."""
    gc.collect()
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return (
        pages * os.sysconf("SC_PAGE_SIZE") / 2**20,
        threading.active_count(),
        len(list(Path("/proc/self/fd").iterdir())),
    )


def measured(once: Callable[[], None], steps: int) -> Iterator[tuple[float, int, int]]:
    for _ in range(10):
        for _ in range(steps // 10):
            once()
        yield state()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[[], *PARTS])
    parser.add_argument("--steps", type=int, default=100_000)
    asked = parser.parse_args()
    if len(asked.parts) != 1:  # each in a process of its own, so that none inherits another's memory
        print("part      steps    seconds  MB at 10 %  MB at 100 %  growth  threads  files")
        for part in asked.parts:
            subprocess.run([sys.executable, __file__, part, "--steps", str(asked.steps)], check=True)
        return
    part = asked.parts[0]
    began = time.perf_counter()
    found = list(measured(PARTS[part](), asked.steps // (BATCHES if part in ("fit", "watched") else 1)))
    (first, *counts), (last, *counts_last) = found[0], found[-1]
    mark = "" if last - first <= BOUND and counts == counts_last else "  <-- grows"
    print(
        f"{part:9} {asked.steps:7,} {time.perf_counter() - began:8.1f} {first:11.2f} {last:12.2f} {last - first:+7.2f}"
        f"  {counts[0]} → {counts_last[0]}  {counts[1]} → {counts_last[1]}{mark}",
        flush=True,
    )


if __name__ == "__main__":
    main()
