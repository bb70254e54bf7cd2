"""The same code in PyTorch and in chainrule: training steps of networks that were written for PyTorch.

    python benchmarks/networks.py [--only NAME] [--rounds N] [--compile]

Each network of `peers/networks.py` is built twice by one function, from `torch` and from `chainrule.torch`, with the
same weights and batches. A step is forward and backward pass, cross-entropy and Adam (PyTorch's fused one), float32,
two threads; chainrule's is compiled by one `torch.compile` around it. Losses of the first steps must be equal where a
network draws no random numbers. With `--compile` PyTorch's model is compiled as well, which takes minutes and a C++
compiler. The candidates take turns. PyTorch has to be installed: `python -m pip install '.[bench,torch]'`.
"""

import argparse
import os
import statistics
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "2"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from peers.networks import NETWORKS, Network  # noqa: E402
from timing import machine, table  # noqa: E402

import chainrule.torch as ours  # noqa: E402

BATCHES = 4
COMPARED = 3
"""The losses of how many steps are compared."""
TOLERANCE = 2e-3
TURN = 0.1
"""Seconds: how long one turn lasts at least."""
REST, WARM = 0.06, 0.05
"""Seconds before a turn, in which other threads stop spinning, and of steps that are not timed."""
Step = Callable[[int], Any]


def batches(network: Network, outputs: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return inputs with a class for each output."""
    rng, found = np.random.default_rng(0), []
    for _ in range(BATCHES):
        shape, symbols = network.shape, network.symbols
        x = rng.integers(0, symbols, shape) if symbols else rng.standard_normal(shape).astype(np.float32)
        found.append((x, rng.integers(0, network.classes, outputs)))
    return found


def step_of(library: Any, model: Any, data: list[tuple[np.ndarray, np.ndarray]], **settings: Any) -> Step:
    """Return the training step of a model as a function of the batch's number."""
    optimizer = library.optim.Adam(model.parameters(), lr=1e-3, **settings)
    given = [(library.tensor(x), library.tensor(y)) for x, y in data]

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = library.nn.functional.cross_entropy(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    taken = ours.compile(step, fullgraph=True) if library is ours else step
    return lambda k: taken(*given[k % BATCHES])


def candidates(network: Network, with_compiled: bool) -> dict[str, Step]:
    """Return the steps that are compared, chainrule's first."""
    torch.manual_seed(0)
    theirs, mine = network.build(torch), network.build(ours)
    first = network.shape
    example = np.zeros(first, np.int64 if network.symbols else np.float32)
    data = batches(network, len(theirs(torch.tensor(example))))
    theirs.load_state_dict(start := {name: x.clone() for name, x in theirs.state_dict().items()})
    mine.load_state_dict({name: ours.tensor(x.numpy()) for name, x in start.items()})
    found = {"chainrule": step_of(ours, mine, data), "PyTorch": step_of(torch, theirs, data, fused=True)}
    if with_compiled:
        copy = network.build(torch)
        copy.load_state_dict(start)
        torch._dynamo.reset()
        found["torch.compile"] = step_of(torch, torch.compile(copy), data, fused=True)
    return found


def compared(name: str, network: Network, steps: dict[str, Step]) -> None:
    """Take the first steps; raise a ValueError where their losses differ."""
    losses = {which: [float(step(k)) for k in range(COMPARED)] for which, step in steps.items()}
    mine = losses["chainrule"]
    for which, values in losses.items():
        if not network.is_random and not np.allclose(values, mine, rtol=TOLERANCE):
            raise ValueError(f"{name}: the losses of {which} are {values}, chainrule's {mine}")


def timed(step: Step, repeats: int) -> float:
    """Return the seconds of a step in one turn."""
    time.sleep(REST)
    ends = time.perf_counter() + WARM
    while time.perf_counter() < ends:
        step(0)
    began = time.perf_counter()
    for k in range(repeats):
        step(k)
    return (time.perf_counter() - began) / repeats


def row(name: str, network: Network, rounds: int, with_compiled: bool) -> list[str]:
    """Measure a network."""
    steps = candidates(network, with_compiled)
    compared(name, network, steps)
    repeats = {which: max(2, round(TURN / timed(step, 2))) for which, step in steps.items()}
    seconds: dict[str, list[float]] = {which: [] for which in steps}
    for _ in range(rounds):
        for which, step in steps.items():
            seconds[which].append(timed(step, repeats[which]))
    found = {which: statistics.median(times) for which, times in seconds.items()}
    best = min(t for which, t in found.items() if which != "chainrule")
    return [name, *(f"{1e3 * t:.2f} ms" for t in found.values()), f"{best / found['chainrule']:.2f}"]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="the networks whose name holds NAME")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each candidate (5)")
    parser.add_argument("--compile", action="store_true", help="compile PyTorch's models as well")
    arguments = parser.parse_args()
    chosen = {name: n for name, n in NETWORKS.items() if arguments.only.lower() in name.lower()}
    if not chosen or arguments.rounds < 1:
        parser.error(f"expected --rounds of 1 or more, and --only a part of: {', '.join(NETWORKS)}")
    torch.set_num_threads(2)
    print(f"One training step in float32 ({machine()}; torch {torch.__version__})\n")
    header = ["network", "chainrule", "PyTorch", *(["torch.compile"] if arguments.compile else []), "best ÷ ours"]
    ratios = []
    for k, (name, network) in enumerate(chosen.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = row(name, network, arguments.rounds, arguments.compile)
        ratios.append(float(found[-1]))
        print(table(header, [found]) if not k else table(header, [found]).split("\n", 2)[2], flush=True)
    print(f"\nbest ÷ ours: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
