"""What several processes are worth: a training step on one and two ranks, and what the exchange of gradients takes.

    python benchmarks/distributed.py [--ranks 2] [--rounds N]

Each rank has one thread. The batch is the same for any number of ranks (strong scaling), and each rank learns from its
share. Runs with one rank and with several take turns, and the medians over all steps are compared. The model of
docs/distributed.md is fitted to the exchange: latency from the smallest buffer, bandwidth from the largest. The last
table holds an exchange after the backward pass against one whose parts are sent while it still runs. Needs the extra
`mpi`.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import time
from itertools import pairwise
from pathlib import Path

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "1"

import numpy as np  # noqa: E402
from timing import machine, table  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule import data, nn, optim, train  # noqa: E402

NETWORKS = {"784-256-128-10": (784, 256, 128, 10), "784-1024-1024-10": (784, 1024, 1024, 10)}
BATCHES = (64, 512)
STEPS = 24
SIZES = (10**3, 10**5, 10**6, 4 * 10**6)
"""Float32 numbers in the buffers that are exchanged."""
WIDTH, LAYERS, SAMPLES = 1024, 6, 64
"""Of the network whose backward pass is imitated for the comparison with an exchange that overlaps it."""


class Clock(train.Callback):
    """Notes when each step ended."""

    def __init__(self):
        self.ends = []

    def on_batch_end(self, run):  # noqa: ARG002
        """Note it."""
        self.ends.append(time.perf_counter())


def step_seconds(widths, batch, parallel):
    """The median of the seconds between the ends of two steps."""
    cr.seed(0)
    layers = [layer for a, b in pairwise(widths) for layer in (nn.Linear(a, b), nn.ReLU())][:-1]
    model, clock = nn.Sequential(*layers), Clock()
    rng = np.random.default_rng(0)
    x = rng.standard_normal((batch * STEPS, widths[0])).astype(np.float32)
    loader = data.DataLoader((x, rng.integers(0, widths[-1], len(x))), batch, shuffle=True, seed=0)
    optimizer = optim.Adam(model.parameters())
    train.fit(model, nn.CrossEntropyLoss(), optimizer, loader, 1, callbacks=[clock], compile=False, parallel=parallel)
    return statistics.median(np.diff(clock.ends[2:])) if clock.ends else 0.0


def exchange_seconds(comm, size, rounds=30):
    from chainrule.distributed.exchange import GradientExchange
    from chainrule.train.alone import Part

    exchange, grads = GradientExchange(comm, {"w": ((size,), np.float32)}), {"w": np.ones(size, np.float32)}
    return median(comm, lambda: exchange.average(grads, Part(1.0, 1.0, 0.0, 1.0), False), rounds)


def median(comm, f, rounds):
    seconds = []
    for _ in range(rounds):
        comm.Barrier()
        began = time.perf_counter()
        f()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds[2:])


def overlap_seconds(comm, rounds=30):
    """A backward pass alone, with the exchange after it, and with each layer's exchange begun when it is there."""
    from mpi4py import MPI

    shape = (LAYERS, WIDTH * WIDTH)
    x, weights = np.ones((SAMPLES, WIDTH), np.float32), np.ones((WIDTH, WIDTH), np.float32)
    grads, got = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
    pieces = np.zeros((LAYERS, WIDTH * WIDTH // comm.size), np.float32)

    def layer(k):
        np.dot(x.T, x, out=grads[k].reshape(WIDTH, WIDTH))
        np.dot(x, weights)

    def compute():
        for k in range(LAYERS):
            layer(k)

    def after():
        compute()
        comm.Alltoall(grads, got)
        comm.Allgather(pieces, grads)

    def during():
        requests = []
        for k in range(LAYERS):
            layer(k)
            requests.append(comm.Ialltoall(grads[k], got[k]))
            MPI.Request.Testall(requests)
        MPI.Request.Waitall(requests)
        MPI.Request.Waitall([comm.Iallgather(pieces[k], grads[k]) for k in range(LAYERS)])

    return [median(comm, f, rounds) for f in (compute, after, during)]


def worker():
    """What each rank does; rank 0 prints what it measured."""
    from chainrule.distributed import DataParallel

    parallel = DataParallel()
    comm = parallel._comm
    found = {
        "steps": [step_seconds(widths, batch, parallel) for widths in NETWORKS.values() for batch in BATCHES],
        "exchange": [exchange_seconds(comm, size) for size in SIZES],
        "overlap": overlap_seconds(comm),
    }
    if parallel.leads:
        print(json.dumps(found))


def launched(ranks):
    here = Path(sys.executable).parent
    launcher = shutil.which("mpiexec", path=f"{here}{os.pathsep}{os.environ['PATH']}")
    if launcher is None:
        sys.exit("distributed: no mpiexec; run: python -m pip install 'chainrule[mpi]'")
    command = [launcher, "-n", str(ranks), sys.executable, __file__, "--worker"]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout)


def over_rounds(found, topic):
    return [statistics.median(values) for values in zip(*(one[topic] for one in found), strict=True)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker()
        return
    one, several = [], []
    for _ in range(options.rounds):
        one.append(launched(1))
        several.append(launched(options.ranks))
    print(f"{machine()}; {options.ranks} ranks of one thread each\n")
    cases = [(name, batch) for name in NETWORKS for batch in BATCHES]
    pairs = zip(cases, over_rounds(one, "steps"), over_rounds(several, "steps"), strict=True)
    rows = [[n, str(b), f"{1e3 * a:.2f}", f"{1e3 * t:.2f}", f"{a / t:.2f}"] for (n, b), a, t in pairs]
    print(table(["network", "batch", "one rank, ms", f"{options.ranks} ranks, ms", "speed-up"], rows))
    exchange = over_rounds(several, "exchange")
    print(
        "\n"
        + table(
            ["bytes", "exchange, ms"], [[f"{4 * s:,}", f"{1e3 * t:.3f}"] for s, t in zip(SIZES, exchange, strict=True)]
        )
    )
    share = 2 * (options.ranks - 1) / options.ranks
    bandwidth = share * 4 * SIZES[-1] / exchange[-1]
    print(f"\nlatency {1e6 * exchange[0]:.0f} µs, bandwidth {bandwidth / 1e9:.2f} GB/s in 2(N−1)/N · bytes / seconds\n")
    compute, after, during = over_rounds(several, "overlap")
    rows = [["backward pass alone", compute], ["exchange after it", after], ["exchange during it", during]]
    print(table([f"{LAYERS} layers of {WIDTH}", "ms"], [[name, f"{1e3 * t:.1f}"] for name, t in rows]))


if __name__ == "__main__":
    main()
