"""A whole fit in a new process, compiling included: `MLPClassifier(max_iter=200)`, scikit-learn's and ours.

    python benchmarks/sklearn_cold.py [--rounds N]

The digits (64-100-10) and 2,000 samples of 784 features (784-100-10), in both dtypes, on one thread, from the same seed
and so to the same loss. Timed is `fit` alone, on the clock and of the processor; ours begins with its caches empty.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from timing import environment, machine, table

CHILD = """
import json, sys, time, warnings
warnings.simplefilter("ignore")
import numpy as np
module, data, dtype = sys.argv[1:]
if data == "digits":
    from sklearn.datasets import load_digits
    x, y = load_digits(return_X_y=True)
    x = x / 16
else:
    rng = np.random.default_rng(0)
    centres, y = rng.normal(size=(10, 784)), rng.integers(0, 10, 2000)
    x = centres[y] * 0.1 + rng.normal(size=(2000, 784))
estimator = __import__(module, fromlist=["MLPClassifier"]).MLPClassifier(max_iter=200, random_state=0)
x, clock, processor = x.astype(dtype), time.perf_counter(), time.process_time()
estimator.fit(x, y)
print(json.dumps([time.perf_counter() - clock, time.process_time() - processor, estimator.loss_]))
"""
MODULES = {"scikit-learn": "sklearn.neural_network", "chainrule": "chainrule.interop.sklearn"}
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def fit(module: str, data: str, dtype: str) -> list[float]:
    """Return the seconds on the clock and of the processor, and the last loss."""
    source = str(Path(__file__).parents[1] / "src")
    paths = os.pathsep.join(filter(None, [source, os.environ.get("PYTHONPATH", "")]))
    with tempfile.TemporaryDirectory() as folder:
        own = environment(PYTHONPATH=paths, CHAINRULE_CACHE_DIR=folder, **dict.fromkeys(THREADS, "1"))
        command = [sys.executable, "-c", CHILD, module, data, dtype]
        done = subprocess.run(command, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{module}: {done.stderr}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="fits of each (3)")
    arguments = parser.parse_args()
    rows = []
    for data in ("digits", "784 features"):
        for dtype in ("float64", "float32"):
            found: dict[str, list[list[float]]] = {name: [] for name in MODULES}
            for _ in range(arguments.rounds):
                for name, module in MODULES.items():
                    found[name].append(fit(module, data, dtype))
            theirs, ours = ([statistics.median(column) for column in zip(*r, strict=True)] for r in found.values())
            if abs(ours[2] - theirs[2]) > 1e-3 * theirs[2]:
                print(f"sklearn_cold: {data}, {dtype}: the losses differ: {theirs[2]} and {ours[2]}", file=sys.stderr)
                return 1
            ratios = [f"{a / b:.2f}" for a, b in zip(theirs[:2], ours[:2], strict=True)]
            times = [f"{a:.2f} s, {b:.2f} s" for a, b in zip(theirs[:2], ours[:2], strict=True)]
            losses = [f"{one[2]:.5f}" for one in (theirs, ours)]
            rows.append([f"{data}, {dtype}", times[0], ratios[0], times[1], ratios[1], *losses])
    print(f"A fit in a new process, median of {arguments.rounds} ({machine()}; one thread)\n")
    header = ["data", "clock: theirs, ours", "ratio", "processor: theirs, ours", "ratio", "its loss", "ours"]
    print(table(header, rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
