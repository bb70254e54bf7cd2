"""Whether it matters how a network is written: five formulations each of four networks, compiled.

    python benchmarks/formulations.py [--only NAME] [--rounds N]

A step is forward and backward pass, cross-entropy and Adam, float32, two threads. Before anything is timed, all
formulations of a network must have the same loss and the same gradients at the same weights. The first formulation is
what the others are compared with. The candidates take turns. `training_step.py` compares with other libraries.
"""

import argparse
import os
import sys
import time
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = "2"

import numpy as np  # noqa: E402
from peers import formulations as ways  # noqa: E402
from timing import alternate, machine, table  # noqa: E402

import chainrule as cr  # noqa: E402
from chainrule import nn, optim  # noqa: E402


def network(name: str) -> tuple[dict[str, tuple[int, ...]], dict[str, ways.Forward], np.ndarray, np.ndarray]:
    """Return a network's shapes and formulations, and a batch."""
    rng = np.random.default_rng(1)
    shape = {"MLP": (64, 784), "GPT": (8, ways.T, ways.D), "LeNet-5": (64, 1, 28, 28), "LSTM": (64, 28, 28)}[name]
    x = rng.normal(size=shape).astype(np.float32)
    y = rng.integers(0, 65 if name == "GPT" else 10, shape[:2] if name == "GPT" else shape[:1])
    prefix = name.removesuffix("-5").upper()
    return getattr(ways, prefix), getattr(ways, f"{prefix}_WAYS"), x, y


class Step:
    """One formulation's compiled step on a batch."""

    def __init__(self, shapes: dict[str, tuple[int, ...]], forward: ways.Forward, x: np.ndarray, y: np.ndarray) -> None:
        weights = ways.drawn(shapes)
        self.weights = {name: cr.tensor(w, requires_grad=True) for name, w in weights.items()}
        self.forward, self.loss, self.batch = forward, nn.CrossEntropyLoss(), (x, y)
        self.optimizer = optim.Adam(list(self.weights.values()), lr=1e-4)
        self.compiled = cr.compile(self.step)

    def step(self, x: Any, y: Any) -> Any:
        """Take a step."""
        self.optimizer.zero_grad()
        value = self.loss(self.forward(self.weights, x), y)
        value.backward()
        self.optimizer.step()
        return value

    def __call__(self) -> float:
        """Take a compiled step; return the loss."""
        return float(self.compiled(*self.batch))

    def measured(self) -> list[np.ndarray]:
        """Return the loss and the gradients at the first weights."""
        return [np.asarray(self()), *(np.array(w.grad.numpy()) for w in self.weights.values())]


def rows_of(name: str, rounds: int) -> list[list[str]]:
    """Compare the formulations of a network; return the rows of the table."""
    shapes, formulations, x, y = network(name)
    steps = {way: Step(shapes, forward, x, y) for way, forward in formulations.items()}
    first, *others = (step.measured() for step in steps.values())
    for way, found in zip(list(steps)[1:], others, strict=True):
        for what, a, b in zip(["loss", *shapes], first, found, strict=True):
            error = np.abs(a - b).max() / np.abs(a).max() if np.abs(a).max() > 1e-7 else 0.0
            if error > 1e-3:
                raise SystemExit(f"formulations: {name}: {way}: {what} differs by {error:.2g}")
    found = alternate(steps, rounds, 3)
    spent = alternate(steps, rounds, 3, time.process_time)
    base, base_spent = (next(iter(times.values()))[0] for times in (found, spent))
    rows = []
    for way in steps:
        clock, processor = found[way][0], spent[way][0]
        ratios = f"{clock / base:.2f}", f"{processor / base_spent:.2f}"
        rows.append([name, way, f"{clock * 1e3:.3f} ms", ratios[0], f"{processor * 1e3:.3f} ms", ratios[1]])
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="the networks whose name holds NAME")
    parser.add_argument("--rounds", type=int, default=30, metavar="N", help="turns of each candidate (30)")
    arguments = parser.parse_args()
    names = [n for n in ("MLP", "GPT", "LeNet-5", "LSTM") if arguments.only.lower() in n.lower()]
    rows = [row for name in names for row in rows_of(name, arguments.rounds)]
    print(f"One compiled training step, by formulation; median of {arguments.rounds} alternating turns ({machine()})\n")
    print(table(["network", "written with", "one step", "÷ the first", "processor", "÷ the first"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
