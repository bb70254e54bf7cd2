"""Whether a long training run holds its memory and its speed: both are printed along the way.

    python benchmarks/training_run.py [STEPS]

A 64-64-10 network learns the digits with Adam, in batches of 32, for 100,000 steps unless told otherwise: data loader,
forward and backward pass, clipping, the step. Each tenth of the run gives a line with its speed and with the memory of
the process afterwards, the first of them as warm-up. It ends with exit code 1 if memory grew by more than 8 MB after
the first tenth, or if the median speed of the second half is less than 0.8 of that of the first.
"""

import gc
import statistics
import sys
import time
from pathlib import Path

import numpy as np
from timing import machine, table

import chainrule as cr
from chainrule import data, nn, optim

PARTS, BATCH = 10, 32
MOST_GROWTH, LEAST_SPEED = 8.0, 0.8


def memory() -> float:
    """Return the resident memory of this process in MB."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 1e6


def batches(loader: data.DataLoader):
    while True:
        yield from loader


def main() -> int:
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    cr.seed(0)
    digits = data.load("digits")
    loader = data.DataLoader(((digits.x / 16).astype(np.float32), digits.y), BATCH, shuffle=True, seed=0)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    loss, optimizer = nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=1e-3)
    parameters, stream = list(model.named_parameters()), batches(loader)
    rows, speeds, sizes = [], [], []
    for part in range(PARTS):
        began = time.perf_counter()
        for _ in range(steps // PARTS):
            x, y = next(stream)
            optimizer.zero_grad()
            value = loss(model(x), y)
            value.backward()
            optim.clip_grad_norm_(parameters, 1.0)
            optimizer.step()
        speeds.append(steps // PARTS / (time.perf_counter() - began))
        sizes.append(memory())
        done = (part + 1) * (steps // PARTS)
        rows.append(
            [f"{done:,}", f"{speeds[-1]:,.0f}", f"{sizes[-1]:.1f}", str(len(gc.get_objects())), f"{value.item():.2g}"]
        )
        print(f"\r{done:,}", end="", file=sys.stderr, flush=True)
    print(f"\n{steps:,} steps of a 64-64-10 network, batch {BATCH}, Adam, clipping ({machine()})\n")
    print(table(["steps", "steps a second", "memory, MB", "objects", "loss"], rows))
    growth = max(sizes[1:]) - sizes[0]
    ratio = statistics.median(speeds[PARTS // 2 :]) / statistics.median(speeds[: PARTS // 2])
    print(
        f"\nmemory grew by {growth:.1f} MB after the first tenth; speed of the second half over the first: {ratio:.2f}"
    )
    return int(growth > MOST_GROWTH or ratio < LEAST_SPEED)


if __name__ == "__main__":
    sys.exit(main())
