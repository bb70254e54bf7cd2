"""What the first compiled training step of a process takes, in a fresh one each time, beside JAX's.

    python benchmarks/first_step.py [--only NAME] [--rounds N]

The candidates take turns, each turn in a new process, with NumPy imported and one thread each: once with caches that
are empty, once with what such a process has left there; Python's bytecode is there in either case. Timed are the import
of the library, making the network and the optimiser, and the first step: gradients to zero, forward and backward pass,
cross-entropy and Adam, whose loss all candidates must agree on. JAX keeps its code only where it is told to
(`JAX_COMPILATION_CACHE_DIR`), as it is here. It takes part where it is installed:
`python -m pip install '.[bench,jax]'`.
"""

import argparse
import importlib.util
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
CHILD = """
import importlib, json, sys, time
import numpy as np
from peers.cases import Case
library, name, case = sys.argv[1], sys.argv[2], Case(**json.loads(sys.argv[3]))
cpu, began = time.process_time(), time.perf_counter()
candidate = getattr(importlib.import_module(f"peers.of_{library}"), name)(case)
candidate.reset()
ready = time.perf_counter()
loss = float(candidate.step())
ended = time.perf_counter()
print(json.dumps([ended - began, ended - ready, time.process_time() - cpu, loss]))
"""
NETWORKS = {
    "MLP 64-100-10": {"kind": "mlp", "batch": 200, "layers": [64, 100, 10]},
    "GPT 2×64": {"kind": "gpt", "batch": 8, "depth": 2, "width": 64, "heads": 4, "tokens": 64, "vocabulary": 65},
}
CANDIDATES = {"chainrule": "Compiled", "jax": "Jit"}


def run(library: str, case: dict[str, object], cache: Path, bytecode: str) -> list[float]:
    """Return the seconds in all, those of the step, those of the processor in all, and the loss."""
    folders = {
        "PYTHONPYCACHEPREFIX": bytecode,
        "CHAINRULE_CACHE_DIR": str(cache / "own"),
        "NUMBA_CACHE_DIR": str(cache / "numba"),
        "JAX_COMPILATION_CACHE_DIR": str(cache / "jax"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES": "-1",
        "JAX_PLATFORMS": "cpu",
    }
    here = Path(__file__).parent
    paths = [str(here), str(here.parent / "src"), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, **ONE_THREAD, **folders, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, "-c", CHILD, library, CANDIDATES[library], json.dumps(case)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{library}: {done.stderr}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measured(case: dict[str, object], rounds: int) -> dict[tuple[str, str], list[list[float]]]:
    """Return what each round gave, by candidate and state of the caches."""
    libraries = [library for library in CANDIDATES if library == "chainrule" or importlib.util.find_spec(library)]
    found: dict[tuple[str, str], list[list[float]]] = {}
    with tempfile.TemporaryDirectory() as bytecode:
        for turn in range(-1, rounds):  # the first writes the bytecode, and does not count
            for library in libraries[turn % len(libraries) :] + libraries[: turn % len(libraries)]:
                with tempfile.TemporaryDirectory() as folder:
                    for state in ("empty", "there"):
                        seconds = run(library, case, Path(folder), bytecode)
                        if turn >= 0:
                            found.setdefault((library, state), []).append(seconds)
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="the networks whose name holds NAME")
    parser.add_argument("--rounds", type=int, default=5, metavar="N", help="turns of each candidate (5)")
    arguments = parser.parse_args()
    from timing import machine, table

    rows = []
    for name, settings in NETWORKS.items():
        if arguments.only.lower() not in name.lower():
            continue
        found = measured({"name": name, **settings}, arguments.rounds)
        losses = [result[3] for results in found.values() for result in results]
        if max(losses) - min(losses) > 2e-4 * max(losses):
            print(f"first_step: {name}: the losses differ: {sorted(set(losses))}", file=sys.stderr)
            return 1
        medians = {key: [statistics.median(column) for column in zip(*r, strict=True)] for key, r in found.items()}
        bar = medians.get(("jax", "empty"), medians["chainrule", "empty"])[0]
        for (library, state), (whole, step, cpu, _) in medians.items():
            times = [f"{seconds:.2f} s" for seconds in (whole, step, cpu)]
            rows.append([name, library, state, *times, f"{whole / bar:.2f}"])
    print(f"The first compiled step of a process, median of {arguments.rounds}; {machine()}, one thread\n")
    print(table(["network", "candidate", "caches", "import to loss", "the step", "processor", "÷ JAX, empty"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
