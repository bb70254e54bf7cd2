"""The same code in JAX and in NumPy with chainrule: training steps as functions of parameters and optimiser states.

    python benchmarks/functional.py [--only NAME] [--rounds N]

Each loss of `peers/functional.py` is written once, for `numpy` or `jax.numpy`. A step takes a tree of parameters and
the two moments of Adam, and returns new ones: forward and backward pass by `value_and_grad` and Adam by hand, float32,
two threads, compiled by `cr.compile` and by `jax.jit`. Losses and parameters of the first steps must be equal. "First"
is the processor time of the first call, which compiles. The two take turns. JAX has to be installed:
`python -m pip install '.[bench,jax]'`.
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

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
import numpy as np  # noqa: E402
from peers.functional import PROBLEMS, Problem  # noqa: E402
from timing import machine, table  # noqa: E402

import chainrule as cr  # noqa: E402

COMPARED = 3
"""The losses of how many steps are compared."""
TOLERANCE = 1e-3
TURN = 0.1
"""Seconds: how long one turn lasts at least."""
REST, WARM = 0.06, 0.05
"""Seconds before a turn, in which other threads stop spinning, and of steps that are not timed."""
mapped = jax.tree_util.tree_map


def step_of(problem: Problem, xp: Any, value_and_grad: Callable[..., Any]) -> Callable[..., Any]:
    """Return the training step of a loss as a function of the parameters, the two moments, and the batch."""

    def step(p: Any, m: Any, v: Any, *batch: Any) -> Any:
        value, grads = value_and_grad(problem.loss)(p, *batch)
        m = mapped(lambda m, g: 0.9 * m + 0.1 * g, m, grads)
        v = mapped(lambda v, g: 0.999 * v + 0.001 * g * g, v, grads)
        return value, mapped(lambda p, m, v: p - 1e-3 * m / (xp.sqrt(v) + 1e-8), p, m, v), m, v

    return step


class Training:
    """A compiled step with what it is called with next."""

    def __init__(self, problem: Problem, step: Callable[..., Any], batch: tuple[Any, ...], wait: Any) -> None:
        self.step, self.batch, self.wait = step, batch, wait
        zeros = mapped(np.zeros_like, problem.params)
        self.state = (problem.params, zeros, zeros)
        began = time.process_time()
        self.losses = [self.once()]
        self.first = time.process_time() - began
        self.losses += [self.once() for _ in range(COMPARED - 1)]

    def once(self) -> float:
        """Take a step; return the loss."""
        value, *self.state = self.step(*self.state, *self.batch)
        return float(self.wait(value))

    def timed(self, repeats: int) -> float:
        """Return the seconds of a step in one turn."""
        time.sleep(REST)
        ends = time.perf_counter() + WARM
        while time.perf_counter() < ends:
            self.once()
        began = time.perf_counter()
        for _ in range(repeats):
            value, *self.state = self.step(*self.state, *self.batch)
        self.wait((value, self.state))
        return (time.perf_counter() - began) / repeats


def candidates(build: Callable[[Any], Problem]) -> dict[str, Training]:
    """Return the trainings that are compared, chainrule's first."""
    mine, theirs = build(np), build(jnp)
    ours = cr.compile(step_of(mine, np, cr.value_and_grad))
    peer = jax.jit(step_of(theirs, jnp, jax.value_and_grad))
    return {
        "chainrule": Training(mine, ours, mine.batch, lambda found: found),
        "jax.jit": Training(theirs, peer, jax.device_put(theirs.batch), jax.block_until_ready),
    }


def compared(name: str, found: dict[str, Training]) -> None:
    """Raise a ValueError where losses or parameters differ."""
    one, other = found.values()
    if not np.allclose(one.losses, other.losses, rtol=TOLERANCE):
        raise ValueError(f"{name}: the losses of chainrule are {one.losses}, those of jax.jit {other.losses}")
    for a, b in zip(*(jax.tree_util.tree_leaves(training.state[0]) for training in (one, other)), strict=True):
        if not np.allclose(a, b, rtol=TOLERANCE, atol=3e-3):
            raise ValueError(f"{name}: the parameters differ by {np.abs(np.asarray(a) - np.asarray(b)).max():.2g}")


def row(name: str, build: Callable[[Any], Problem], rounds: int) -> list[str]:
    """Measure a problem."""
    trainings = candidates(build)
    compared(name, trainings)
    repeats = {which: max(2, round(TURN / training.timed(2))) for which, training in trainings.items()}
    seconds: dict[str, list[float]] = {which: [] for which in trainings}
    for _ in range(rounds):
        for which, training in trainings.items():
            seconds[which].append(training.timed(repeats[which]))
    mine, theirs = (statistics.median(seconds[which]) for which in trainings)
    first, other = (f"{training.first:.2f} s" for training in trainings.values())
    return [name, f"{1e3 * mine:.3f} ms", f"{1e3 * theirs:.3f} ms", f"{theirs / mine:.2f}", first, other]


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="the problems whose name holds NAME")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each candidate (5)")
    arguments = parser.parse_args()
    chosen = {name: build for name, build in PROBLEMS.items() if arguments.only.lower() in name.lower()}
    if not chosen or arguments.rounds < 1:
        parser.error(f"expected --rounds of 1 or more, and --only a part of: {', '.join(PROBLEMS)}")
    print(f"One training step in float32 ({machine()}; jax {jax.__version__})\n")
    header = ["loss", "chainrule", "jax.jit", "jax ÷ ours", "first, chainrule", "first, jax.jit"]
    ratios = []
    for k, (name, build) in enumerate(chosen.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = row(name, build, arguments.rounds)
        ratios.append(float(found[3]))
        print(table(header, [found]) if not k else table(header, [found]).split("\n", 2)[2], flush=True)
    print(f"\njax ÷ ours: median {statistics.median(ratios):.2f}, least {min(ratios):.2f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
