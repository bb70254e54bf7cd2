"""How time and memory of a training step grow with a network's size, beside what theory says.

    python benchmarks/scaling.py

Float32, Adam, compiled and eager, in turns. Memory is the most that NumPy's arrays take during a step: weights and the
optimiser's state, gradients, what the backward pass keeps. An exponent is the slope of the least-squares line through
the logarithms of the upper half of the sizes: below them, what a call costs whatever its size hides the growth. The
theoretical ones are the limits for large sizes.
"""

import gc
import math
import time
import tracemalloc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from timing import alternate, machine, table

import chainrule as cr
from chainrule import nn, optim

TURN = 0.04
Step = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Axis:
    """One size that grows: `problem(n)` gives a network, its input and its target."""

    name: str
    sizes: Sequence[int]
    problem: Callable[[int], tuple[nn.Module, Any, Any]]
    time: int
    memory: int


def perceptron(depth: int, width: int, batch: int) -> tuple[nn.Module, Any, Any]:
    layers: list[nn.Module] = []
    for _ in range(depth):
        layers += [nn.Linear(width, width), nn.ReLU()]
    x = np.random.default_rng(0).normal(size=(batch, width)).astype(np.float32)
    return nn.Sequential(*layers[:-1]), x, -x


class Causal(nn.Module):
    """One block of a GPT."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.block = nn.TransformerBlock(width, heads)

    def forward(self, x: Any) -> Any:
        """Return `[..., N, d]`."""
        return self.block(x, causal=True)


def transformer(tokens: int) -> tuple[nn.Module, Any, Any]:
    x = np.random.default_rng(0).normal(size=(1, tokens, 32)).astype(np.float32)
    return Causal(32, 2), x, -x


AXES = [
    Axis("depth: layers of 128 units, batch 64", [1, 2, 4, 8, 16, 32, 64], lambda n: perceptron(n, 128, 64), 1, 1),
    Axis("width of 2 layers, batch 64", [32, 64, 128, 256, 512, 1024, 2048], lambda n: perceptron(2, n, 64), 2, 2),
    Axis("batch, 4 layers of 128 units", [16, 64, 256, 1024, 4096, 16384], lambda n: perceptron(4, 128, n), 1, 1),
    Axis("tokens, a GPT's block of width 32", [64, 128, 256, 512, 1024, 2048, 4096], transformer, 2, 1),
]


def written(model: nn.Module) -> Step:
    """Return a training step."""
    optimizer, loss = optim.Adam(model.parameters(), lr=1e-4), nn.MSELoss()

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        value = loss(model(x), y)
        value.backward()
        optimizer.step()
        return value

    return step


def made(axis: Axis, size: int, compiled: bool) -> tuple[Callable[[], Any], float]:
    """Return the step of a size as a call, and the most memory in MB that arrays take while it runs."""
    gc.collect()
    tracemalloc.start()
    try:
        cr.seed(0)
        model, x, y = axis.problem(size)
        step = cr.compile(written(model)) if compiled else written(model)
        for _ in range(2):
            step(x, y)
        gc.collect()
        tracemalloc.reset_peak()
        step(x, y)
        return lambda: step(x, y), tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()


def point(axis: Axis, size: int) -> tuple[float, ...]:
    """Return the seconds of a compiled and of an eager step, after both gave the same loss, and their memory in MB.

    The lower quartile of the times: a point that something else has slowed down would bend the line.
    """
    (compiled, memory), (eager, memory_of_eager) = (made(axis, size, which) for which in (True, False))
    np.testing.assert_allclose(compiled().item(), eager().item(), rtol=1e-3, err_msg=f"{axis.name}: {size}")
    began = time.perf_counter()
    eager()
    repeats = max(1, min(50, round(TURN / (time.perf_counter() - began))))
    found = alternate({"compiled": compiled, "eager": eager}, rounds=7, repeats=repeats)
    return found["compiled"][1], found["eager"][1], memory, memory_of_eager


def exponent(sizes: Sequence[int], values: Sequence[float]) -> float:
    """Return the slope of log value over log size, for the upper half of the sizes."""
    upper = len(sizes) // 2
    return float(np.polyfit(np.log(sizes[upper:]), np.log(values[upper:]), 1)[0])


def measure(axis: Axis) -> tuple[list[str], list[list[str]]]:
    """Return the row of exponents of an axis, and its points."""
    found = [point(axis, size) for size in axis.sizes]
    columns = list(zip(*found, strict=True))
    fitted = [f"{exponent(axis.sizes, column):.2f}" for column in columns]
    points = [
        [axis.name if k == 0 else "", f"{size:,}", *(f"{t * 1e3:.3g}" for t in row[:2]), *(f"{m:.3g}" for m in row[2:])]
        for k, (size, row) in enumerate(zip(axis.sizes, found, strict=True))
    ]
    row = [axis.name, f"{axis.sizes[len(axis.sizes) // 2]:,}–{axis.sizes[-1]:,}"]
    return [*row, str(axis.time), *fitted[:2], str(axis.memory), *fitted[2:]], points


def main() -> None:
    began = time.perf_counter()
    made(AXES[0], 1, compiled=True)  # loads the compiler, whose memory is not that of the step
    rows, points = [], []
    for axis in AXES:
        row, of_axis = measure(axis)
        rows.append(row)
        points += of_axis
    print(f"A training step, compiled and eager, as sizes grow ({machine()})\n")
    header = ["what grows", "size", "compiled, ms", "eager, ms", "compiled, MB", "eager, MB"]
    print(table(header, points))
    print("\nExponents\n")
    header = ["what grows", "fitted over", "time, theory", "compiled", "eager", "memory, theory", "compiled", "eager"]
    print(table(header, rows))
    print(f"\n{math.ceil(time.perf_counter() - began)} s")


if __name__ == "__main__":
    main()
