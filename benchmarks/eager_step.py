"""Time of one eager training step in float32: chainrule and PyTorch.

    python benchmarks/eager_step.py                 # all networks: CPU time on one thread
    python benchmarks/eager_step.py --only GPT --rounds 5
    python benchmarks/eager_step.py --threads 2     # the time on the clock, for a machine that does nothing else

The networks are those of `training_step.py`, which compares their losses and weights. Each engine runs in processes of
its own, which take turns; the time is the least of all steps, so it depends little on what else the machine does.
PyTorch's images have their channels last.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

THREADS = sys.argv[sys.argv.index("--threads") + 1] if "--threads" in sys.argv else "1"
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = THREADS

import numpy as np  # noqa: E402
from peers.cases import CASES  # noqa: E402
from timing import machine, table  # noqa: E402

ENGINES = ("chainrule", "PyTorch")
STEPS, WARM = 12, 3
CLOCK = time.process_time if THREADS == "1" else time.perf_counter
Step = Callable[[], Any]


def step_of(name: str, engine: str) -> Step:
    """Return the step of a network."""
    if engine == "chainrule":
        from peers import of_chainrule as peer
    else:
        from peers import of_torch as peer
    case = next(case for case in CASES if case.name == name)
    candidate = peer.Eager(case)
    if engine != "chainrule":
        import torch

        torch.set_num_threads(int(THREADS))  # the candidate has set its own number
    candidate.reset()
    return candidate.step


def measure(name: str, engine: str) -> None:
    """Run in a process of its own: print the loss of the first step and the least time."""
    step = step_of(name, engine)
    loss, seconds = float(step().item()), []
    for _ in range(WARM):
        step()
    for _ in range(STEPS):
        began = CLOCK()
        step()
        seconds.append(CLOCK() - began)
    print(json.dumps([loss, min(seconds)]))


def run(name: str, engine: str) -> Any:
    command = [sys.executable, __file__, "--one", name, "--engine", engine, "--threads", THREADS]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="networks whose name holds this text")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1, help="with more than one, what the clock says is the time")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        measure(given.one, given.engine)
        return
    rows = []
    for name in (case.name for case in CASES):
        if given.only not in name:
            continue
        best: dict[str, float] = {}
        losses: dict[str, float] = {}
        for _ in range(given.rounds):
            for engine in ENGINES:
                losses[engine], seconds = run(name, engine)
                best[engine] = min(best.get(engine, np.inf), seconds)
        np.testing.assert_allclose(list(losses.values()), losses["chainrule"], rtol=2e-4, err_msg=name)
        ours, theirs = best.values()
        rows.append([name, f"{ours * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{ours / theirs:.2f}"])
        print(rows[-1], file=sys.stderr)
    what = "of CPU time for one eager step, float32, one thread" if THREADS == "1" else "for one eager step, float32"
    print(f"Milliseconds {what} ({machine()})\n")
    print(table(["step", "chainrule", "PyTorch", "ratio"], rows))


if __name__ == "__main__":
    main()
