"""What one training step takes: gradients to zero, forward, loss, backward, Adam; float32, two threads.

    python benchmarks/training_step.py [--only NAME] [--rounds N] [--limit SECONDS] [--avx2 | --both]

The networks are perceptrons with ReLU, LeNet-5, a small GPT, ResNet-8 and an LSTM; `--only GPT` takes those whose name
holds "GPT". The candidates are in one process and take turns. Before anything is timed, each takes three steps from the
same weights on the same batches; losses and weights are held against the same steps in float64, and a candidate that
differs ends the program. PyTorch and JAX leave out the running averages of batch normalisation, which chainrule keeps.
With `--avx2` every library keeps to the instructions of Haswell, whose vectors have 256 bits; JAX multiplies
in its older way then, since nothing keeps its usual products from longer vectors. `--both` measures with and without,
and prints both side by side, each network as soon as it is measured. `--limit` makes fewer turns where measuring would
take longer than that. The bound is the matrix products of a step alone, through NumPy's BLAS. PyTorch and JAX take part
where they are installed: `python -m pip install '.[bench,torch,jax]'`. PyTorch's compiler needs a C++ compiler.
"""

import argparse
import contextlib
import gc
import importlib
import importlib.util
import itertools
import math
import os
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

THREADS = "2"
# Read when the libraries are loaded, so before the imports below.
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[_name] = THREADS

NARROW = {
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
    "CHAINRULE_CPU": "haswell",
    "NUMBA_CPU_NAME": "haswell",
    "ATEN_CPU_CAPABILITY": "avx2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_experimental_ynn_fusion_type=",
    "TORCHINDUCTOR_CPP_MARCH": "haswell",
}
"""What keeps each library to AVX2.

ATen's setting does not reach PyTorch's products, so MKL and oneDNN have their own. XLA's products (YNNPACK's) choose
their instructions by the processor, so its older ones take their place. The last one is also part of the key by which
PyTorch's compiler keeps what it has written. The other variables are not, and what was written for vectors of 512 bits,
compiled for 256, computes every other eight numbers.
"""
if "--avx2" in sys.argv:
    os.environ.update(NARROW)

import numpy as np  # noqa: E402
from peers import of_chainrule, of_numpy  # noqa: E402
from peers.candidate import Candidate  # noqa: E402
from peers.cases import CASES, Case, Weights  # noqa: E402
from timing import machine, table  # noqa: E402

COMPARED = 3
"""The losses of how many steps are compared."""
LOSS_TOLERANCE = 2e-4
TYPICAL_TOLERANCE, LARGEST_TOLERANCE = 2e-4, 2e-2
"""Of weights: the median of the differences, and for each array the norm of the difference, both relative to how far
the steps have moved it.

Two float32 programs differ by about 1e-5, but by up to 1e-2 in the weights of a unit whose input is so near to ReLU's
kink that rounding decides on its side: hence the median. Another beta, epsilon or weight decay of Adam, or another
gradient, is beyond one of the two.
"""
TURN = 0.03
"""Seconds: how long one turn of a fast candidate lasts at least."""
REST = 0.06
"""Seconds before a turn: OpenBLAS's threads spin for 2²⁶ cycles after a product, and OpenMP's for a while as well, on
the cores that the next candidate's threads need."""
WARM = 0.05
"""Seconds of steps that are not timed after that, until the candidate's own threads and the cores are awake."""
LEAST = 3
"""How many turns there are however little time is left."""
LIMIT = 540.0
"""Seconds that `--both` takes if nothing else is said."""
START = 120.0
"""Seconds that starting and compiling the candidates of one network may take besides."""
PEERS = {"torch": ("Eager", "Compiled"), "jax": ("Jit",)}


def candidates(case: Case) -> list[Candidate]:
    """Return what takes part, chainrule's compiled step first."""
    found: list[Candidate] = [of_chainrule.Compiled(case), of_chainrule.Eager(case)]
    for library, names in PEERS.items():
        if importlib.util.find_spec(library):
            module = importlib.import_module(f"peers.of_{library}")
            found += [getattr(module, name)(case) for name in names]
    return found


class Disagreement(Exception):
    """A candidate does not compute what the others do."""


class Reference:
    """The first steps of a case in float64, against which every candidate is held."""

    def __init__(self, case: Case) -> None:
        self.case = case
        steps = of_chainrule.Eager(case, double=True)
        self.losses, _ = steps.after(COMPARED)
        _, self.weights = steps.after(case.compared)
        size = {name: np.sqrt(square) for name, square in steps.sizes_of_gradients().items()}
        least = case.no_gradient * max(s.max() for s in size.values())
        self.counted = {name: s > least for name, s in size.items()}

    def check(self, candidate: Candidate) -> float:
        """Return the typical difference of a candidate's weights; raises Disagreement where it is too large."""
        losses, _ = candidate.after(COMPARED)
        _, weights = candidate.after(self.case.compared)
        what = f"{self.case.name}: {candidate.name}"
        worst = np.abs(np.subtract(losses, self.losses)).max()
        if not worst <= LOSS_TOLERANCE * max(1.0, abs(self.losses[0])):
            raise Disagreement(f"{what}: the losses are {losses}, expected {self.losses}")
        typical, name, error = _differences(self.case.weights(), self.weights, weights, self.counted)
        if not (typical <= TYPICAL_TOLERANCE and error <= LARGEST_TOLERANCE):
            raise Disagreement(
                f"{what}: after {self.case.compared} steps the weights differ by {typical:.2g} of how far they "
                f"have moved, expected at most {TYPICAL_TOLERANCE:g}; {name} differs most, by {error:.2g}, expected "
                f"at most {LARGEST_TOLERANCE:g}"
            )
        return typical


def _differences(
    start: Weights, expected: Weights, got: Weights, counted: Mapping[str, Any]
) -> tuple[float, str, float]:
    """Return by what part of their movement weights differ typically; the array that differs most, and by what part."""
    if set(got) != set(expected):
        return np.inf, ", ".join(set(got) ^ set(expected)), np.inf
    typical, errors = [], {}
    for name, use in counted.items():
        if use.any():
            difference, moved = ((got[name] - expected[name])[use], (expected[name] - start[name])[use])
            root = np.sqrt(np.square(moved).mean())
            typical.append(np.median(np.abs(difference)) / root)
            errors[name] = float(np.sqrt(np.square(difference).mean()) / root)
    name = max(errors, key=lambda name: np.nan_to_num(errors[name], nan=np.inf))
    return float(np.median(typical)), name, errors[name]


def take_turns(those: list[Candidate], rounds: int, ends: float) -> dict[str, tuple[float, float, float]]:
    """Return for each candidate the median, lower and upper quartile of the seconds of a step.

    Each round gives every candidate one turn, in an order that rotates. Its steps begin at the first weights, so that
    all work on the same numbers. There are at most so many rounds, and `LEAST` if `ends`, a time, comes before.
    """
    repeats = {candidate.name: _repeats(candidate) for candidate in those}
    seconds: dict[str, list[float]] = {candidate.name: [] for candidate in those}
    gc.collect()
    gc.disable()
    try:
        for turn in range(rounds):
            if turn >= LEAST and time.perf_counter() > ends:
                break
            for candidate in those[turn % len(those) :] + those[: turn % len(those)]:
                seconds[candidate.name].append(_timed(candidate, repeats[candidate.name]))
    finally:
        gc.enable()
    return {name: _summary(times) for name, times in seconds.items()}


def _timed(candidate: Candidate, repeats: int) -> float:
    time.sleep(REST)
    candidate.reset()
    ends = time.perf_counter() + WARM
    while time.perf_counter() < ends:
        candidate.step()
    candidate.reset()
    candidate.step()
    step = candidate.step
    began = time.perf_counter()
    for _ in itertools.repeat(None, repeats):
        step()
    return (time.perf_counter() - began) / repeats


def _repeats(candidate: Candidate) -> int:
    """Return how many steps make a turn."""
    fastest = min(_timed(candidate, 3) for _ in range(2))
    return max(2, min(500, round(TURN / fastest)))


def _summary(times: list[float]) -> tuple[float, float, float]:
    low, middle, high = statistics.quantiles(times, n=4)
    return middle, low, high


class Others:
    """How many cores other programs keep busy while something is timed; with more than a tenth no figure holds."""

    def __init__(self) -> None:
        self.seconds = self.busy = 0.0

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        """Count what goes on inside."""
        began, busy = time.perf_counter(), _busy_elsewhere()
        yield
        self.seconds += time.perf_counter() - began
        self.busy += _busy_elsewhere() - busy

    def __str__(self) -> str:
        if math.isnan(self.busy):
            return "what other programs did is not known"
        cores = max(0.0, self.busy / self.seconds)
        warning = ", so these figures are not to be used" if cores > 0.1 else ""
        return f"other programs kept {cores:.2f} cores busy{warning}"


def _busy_elsewhere() -> float:
    """Return the seconds that the cores have worked for other processes; not a number where nothing says so."""
    stat = Path("/proc/stat")
    if not stat.exists():
        return math.nan
    user, nice, system, _, _, *others = map(int, stat.read_text().split("\n", 1)[0].split()[1:9])
    return (user + nice + system + sum(others)) / os.sysconf("SC_CLK_TCK") - sum(os.times()[:4])


def kernels() -> str:
    """Say which matrix kernels run, in how many threads, and which versions of the candidates."""
    found = []
    if importlib.util.find_spec("threadpoolctl"):
        from threadpoolctl import threadpool_info

        for pool in threadpool_info():
            path = Path(pool["filepath"])
            home = path.parents[1].name if path.parent.name == "lib" else path.parent.name.removesuffix(".libs")
            words = (home, pool["internal_api"], pool["version"], pool.get("architecture"), "×", pool["num_threads"])
            found.append(" ".join(str(word) for word in words if word))
    else:
        found.append("BLAS unknown: install threadpoolctl")
    if torch := sys.modules.get("torch"):
        mkl = " with MKL" if torch.backends.mkl.is_available() else ""
        found.append(f"torch {torch.__version__}{mkl}, {torch.backends.cpu.get_cpu_capability()}")
    if jax := sys.modules.get("jax"):
        found.append(f"jax {jax.__version__}")
    return "; ".join(found)


def _time(found: tuple[float, float, float]) -> str:
    """Return median and quartiles in µs or ms, the median with three digits."""
    unit, scale = ("ms", 1e3) if found[0] >= 1e-3 else ("µs", 1e6)
    middle, low, high = (_digits(t * scale) for t in found)
    return f"{middle} {unit} ({low}–{high})"


def _digits(x: float) -> str:
    return f"{x:.0f}" if x >= 100 else f"{x:.1f}" if x >= 10 else f"{x:.2f}"


def rows_of(case: Case, rounds: int, ends: float, others: Others) -> tuple[list[list[str]], float]:
    """Measure one case; return the rows of the table and the largest difference of weights."""
    those, difference = _agreeing(case, candidates(case))
    bound = of_numpy.Products(case)
    with others.watched():
        found = take_turns([*those, bound], rounds, ends)
    compiled, least = found[those[0].name][0], found[bound.name][0]
    rows = [
        [case.name, name, _time(times), f"{times[0] / compiled:.2f}", f"{times[0] / least:.2f}"]
        for name, times in found.items()
    ]
    return rows, difference


def both(cases: list[Case], rounds: int, limit: float) -> int:
    """Measure each network in two processes; print a table with the steps of either, each network when it is done."""
    header = ["network", "candidate", "one step", "÷ ours", "with AVX2", "÷ ours"]
    print(table(header, []), flush=True)
    ends, failed, notes = time.perf_counter() + limit, False, ""
    for k, case in enumerate(cases):
        share = max(ends - time.perf_counter(), 0.0) / (len(cases) - k) / 2
        (wide, note), (narrow, _) = (_by_another(case, rounds, share, extra) for extra in ([], ["--avx2"]))
        failed, notes = failed or not (wide and narrow), note or notes
        rows = [[case.name, name, *wide.get(name, GONE), *narrow.get(name, GONE)] for name in {**wide, **narrow}]
        print(table(header, rows or [[case.name, *["not measured"] * 5]]).split("\n", 2)[2], flush=True)
    print(f"\n{notes}")
    return int(failed)


GONE = ["not measured", ""]


def _by_another(case: Case, rounds: int, limit: float, extra: list[str]) -> tuple[dict[str, list[str]], str]:
    """Measure a network in a process of its own; return time and ratio by candidate, and what it ran on."""
    command = [sys.executable, __file__, "--only", case.name, "--rounds", str(rounds), "--limit", f"{limit:.0f}"]
    try:
        done = subprocess.run(
            [*command, *extra], stdout=subprocess.PIPE, text=True, check=False, timeout=2 * limit + START
        )
    except subprocess.TimeoutExpired:
        print(f"training_step: {case.name} took too long", file=sys.stderr)
        return {}, ""
    lines = done.stdout.splitlines()
    rows = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")][1:]
    return {row[1]: row[2:4] for row in rows}, "".join(lines[1:2])


def _agreeing(case: Case, those: list[Candidate]) -> tuple[list[Candidate], float]:
    """Return the candidates that agree and by how much they differ at most; a peer that fails is left out."""
    reference, kept, largest = Reference(case), [], 0.0
    for candidate in those:
        try:
            largest = max(largest, reference.check(candidate))
            kept.append(candidate)
        except Exception as error:
            if candidate.name.startswith("chainrule") or isinstance(error, Disagreement):
                raise
            print(f"left out: {candidate.name}: {error}", file=sys.stderr)
    return kept, largest


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", default="", metavar="NAME", help="the networks whose name holds NAME")
    parser.add_argument("--rounds", type=int, default=20, metavar="N", help="turns of each candidate (20)")
    parser.add_argument("--avx2", action="store_true", help="keep every library to AVX2")
    parser.add_argument("--both", action="store_true", help="measure with and without AVX-512, side by side")
    parser.add_argument(
        "--limit", type=float, metavar="SECONDS", help=f"about how long to measure ({LIMIT:.0f} for both)"
    )
    arguments = parser.parse_args()
    chosen = [case for case in CASES if arguments.only.lower() in case.name.lower()]
    if not chosen or arguments.rounds < 2:
        parser.error(f"expected --rounds of 2 or more, and --only a part of: {', '.join(case.name for case in CASES)}")
    if arguments.both:
        return both(chosen, arguments.rounds, arguments.limit or LIMIT)
    rows, differences, others = [], [], Others()
    ends = time.perf_counter() + (arguments.limit or math.inf)
    for k, case in enumerate(chosen):
        left = (ends - time.perf_counter()) / (len(chosen) - k)
        print(f"{case.name} …", file=sys.stderr, flush=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found, difference = rows_of(case, arguments.rounds, time.perf_counter() + left, others)
            except Disagreement as error:
                print(f"training_step: {error}", file=sys.stderr)
                return 1
        rows += found
        differences.append(difference)
    print("One training step in float32; median (quartiles) of alternating turns")
    print(f"({machine()}; {kernels()}; {others})")
    print(
        f"After the first steps all agree with float64: losses to {LOSS_TOLERANCE:g}, weights to "
        f"{max(differences):.1g} of their movement\n"
    )
    print(table(["network", "candidate", "one step", "÷ chainrule compiled", "÷ its products"], rows))
    return 0


if __name__ == "__main__":
    sys.exit(main())
