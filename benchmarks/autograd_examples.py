"""Run the examples of HIPS autograd with autograd and with chainrule's door to it, and compare results and times.

    git clone https://github.com/HIPS/autograd && pip install autograd matplotlib
    python benchmarks/autograd_examples.py autograd [--only neural_net] [--rounds 3]

Each example runs in a process of its own, with fewer iterations, random numbers of one seed, random images in place of
MNIST, and without drawing. The numbers that it prints must agree. The time is that of the processor for later runs in
the same process, so without imports and compilers, and without callbacks, which mostly draw: the least of as many runs
as fit into half a second, and of several rounds. "compiled" is chainrule with `cr.compile` around every gradient that
the example takes, where that gives the same numbers. What the first run has compiled the later ones use again: an
example takes a thousand steps as it stands, and here twenty.
"""

import argparse
import contextlib
import functools
import io
import json
import os
import re
import statistics
import subprocess
import sys
import threading
import time
import types
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

ENGINES = ("autograd", "chainrule", "compiled")
SKIPPED = {"data", "data_mnist", "__init__"}
FEWER = [
    (r"num_iters=\d{3,4}", "num_iters=20"),
    (r"num_iters=num_epochs \* num_batches", "num_iters=10"),
    (r"num_iters = 200", "num_iters = 20"),
    (r"num_epochs = 50", "num_epochs = 1"),
    (r'"maxiter": \d\d', '"maxiter": 5'),
    (r"range\(1000?\)", "range(20)"),
    (r"num_iters=20, callback", "num_iters=2, callback"),
    (r"RandomState\(\)", "RandomState(0)"),
    (r"max_lines=60", "max_lines=4"),
    (r"simulation_timesteps = \d+", "simulation_timesteps = 5"),
    (r"atol=1e-3, rtol=1e-3", "atol=1.0, rtol=1.0"),
    (r"os\.system\(.*\)", "pass"),
]
"""Changes of an example's text that leave its functions as they are."""
TOLERANCE = 1e-4
ENOUGH = 0.5
"""Seconds of the processor after which an example is not run again."""


def images() -> types.ModuleType:
    """A stand-in for the example's download of MNIST."""
    import numpy as np

    rng = np.random.default_rng(0)

    def mnist() -> tuple[object, ...]:
        pictures = rng.integers(0, 256, (1400, 28, 28)).astype(np.uint8)
        labels = rng.integers(0, 10, 1400)
        return pictures[:1000], labels[:1000], pictures[1000:], labels[1000:]

    made = types.ModuleType("data_mnist")
    made.mnist = mnist
    return made


class Drawing(types.ModuleType):
    """A stand-in for matplotlib, whose every name and result is another such object: drawing is no part of the time."""

    def __getattr__(self, name: str) -> "Drawing":
        if name.startswith("__"):
            raise AttributeError(name)
        return Drawing(name)

    def __call__(self, *_: object, **__: object) -> "Drawing":
        """Draw nothing."""
        return Drawing("result")

    def __getitem__(self, _: object) -> "Drawing":
        return Drawing("item")

    def __iter__(self) -> Iterator["Drawing"]:
        return iter((Drawing("first"), Drawing("second")))

    def imread(self, *_: object) -> object:
        """A stand-in for the picture that an example reads."""
        import numpy as np

        return np.random.default_rng(0).random((24, 24, 4))


def quiet_plots() -> None:
    for name in ("matplotlib", "matplotlib.pyplot", "matplotlib.image", "matplotlib.cm"):
        sys.modules[name] = Drawing(name)


def few_steps() -> None:
    """Make SciPy's minimizer stop early."""
    import scipy.optimize

    minimize = scipy.optimize.minimize

    def short(*args: object, **settings: object) -> object:
        settings["options"] = {"maxiter": 3}
        return minimize(*args, **settings)

    scipy.optimize.minimize = short


def run_one(path: Path, engine: str) -> None:
    """Run one example in this process, and print its output and its time as JSON."""
    if engine != "autograd":
        from chainrule.autograd import install

        install()
    if engine == "compiled":
        compile_gradients()
    sys.path.insert(0, str(path.parent))
    sys.modules["data_mnist"] = images()
    quiet_plots()
    few_steps()
    text = path.read_text()
    for pattern, fewer in FEWER:
        text = re.sub(pattern, fewer, text)
    quiet = re.sub(r",\s*callback=(?!None|cb)\w+", "", text)
    printed, _ = _ran(text, path)
    times = [_ran(quiet, path)[1]]
    while sum(times) < ENOUGH and len(times) < 300:
        times.append(_ran(quiet, path)[1])
    print(json.dumps({"seconds": min(times), "printed": printed}), file=sys.__stdout__)


@functools.cache
def _code(text: str, path: str) -> types.CodeType:
    return compile(text, path, "exec")


def _ran(text: str, path: Path) -> tuple[str, float]:
    """Run an example, and return what it printed and the seconds of the processor that it took."""
    import numpy as np

    code = _code(text, str(path))
    STATE.taken.clear()
    np.random.seed(0)  # noqa: NPY002 - the examples draw from NumPy's global generator
    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, {"__name__": "__main__", "__file__": str(path)})
    return printed.getvalue(), time.process_time() - start


STATE = threading.local()
"""What is compiled, and how often each function was differentiated in this run.

A compiled function that uses `grad` reaches these dictionaries, and would be captured again after each change of them;
what a thread has for itself is not looked at.
"""
STATE.kept, STATE.taken = {}, {}


def compile_gradients() -> None:
    """Compile what `grad` and `value_and_grad` return."""
    import autograd

    import chainrule as cr
    from chainrule.core.traces.capturing import running

    def compiling(transform: Any) -> Any:
        def compiled(fun: Any, *args: Any, **settings: Any) -> Any:
            if running.capture is not None:  # inside a function that is being compiled itself
                return transform(fun, *args, **settings)
            code = getattr(fun, "__code__", fun)
            STATE.taken[code] = STATE.taken.get(code, 0) + 1
            key = transform, code, STATE.taken[code]
            if key not in STATE.kept:
                STATE.kept[key] = cr.compile(transform(fun, *args, **settings))
            return STATE.kept[key]

        return compiled

    for name in ("grad", "value_and_grad"):
        setattr(autograd, name, compiling(getattr(autograd, name)))


def numbers(text: str) -> list[float]:
    """The floating-point numbers in a printed text."""
    return [float(x) for x in re.findall(r"(?<![\w.])-?\d+\.\d*(?:e[-+]?\d+)?", text)]


def agree(a: str, b: str) -> bool:
    xs, ys = numbers(a), numbers(b)
    return len(xs) == len(ys) and all(abs(x - y) <= TOLERANCE * max(1.0, abs(x)) for x, y in zip(xs, ys, strict=True))


def call(path: Path, engine: str, limit: float) -> dict[str, object]:
    command = [sys.executable, __file__, "--one", str(path), "--engine", engine]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=limit, cwd=path.parent, env=environment, check=False
        )
    except subprocess.TimeoutExpired:
        return {"failed": f"over {limit:.0f} s"}
    if done.returncode:
        return {"failed": done.stderr.strip().splitlines()[-1][:150] if done.stderr.strip() else "no output"}
    return dict(json.loads(done.stdout.splitlines()[-1]))


def examples(folder: Path, only: Iterable[str]) -> list[Path]:
    found = sorted(folder.glob("examples/*.py")) + sorted(folder.glob("examples/fluidsim/*.py"))
    wanted = set(only)
    return [p for p in found if p.stem not in SKIPPED and (not wanted or p.stem in wanted)]


def compare(path: Path, rounds: int, limit: float) -> tuple[str, float | None, float | None]:
    best: dict[str, float] = {}
    texts: dict[str, str] = {}
    failed = ""
    for _ in range(rounds):
        for engine in ENGINES:
            if engine == "compiled" and failed:
                continue
            found = call(path, engine, limit)
            if "failed" in found:
                if engine != "compiled":
                    return f"{engine} fails: {found['failed']}", None, None
                failed = str(found["failed"])
                continue
            best[engine] = min(best.get(engine, float("inf")), float(found["seconds"]))
            texts[engine] = str(found["printed"])
    ratio = best["autograd"] / best["chainrule"]
    verdict = "same" if agree(texts["autograd"], texts["chainrule"]) else "OTHER NUMBERS"
    line = f"{best['autograd'] * 1e3:8.1f} ms {best['chainrule'] * 1e3:8.1f} ms {ratio:6.2f} x  {verdict}"
    if failed:
        return f"{line}; compiled: {failed}", ratio, None
    if not agree(texts["autograd"], texts["compiled"]):
        return f"{line}; compiled: OTHER NUMBERS", ratio, None
    compiled = best["autograd"] / best["compiled"]
    return f"{line} {best['compiled'] * 1e3:8.1f} ms {compiled:6.2f} x", ratio, compiled


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkout", nargs="?", type=Path, help="the folder of a checkout of HIPS autograd")
    parser.add_argument("--only", nargs="*", default=[], help="names of examples")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=float, default=60.0, help="seconds for one run")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        run_one(given.one, given.engine)
        return
    if given.checkout is None or not (given.checkout / "examples").is_dir():
        parser.error("expected the folder of a checkout of HIPS autograd, with its examples/")
    ratios: dict[str, list[float]] = {"eager": [], "compiled": []}
    print(f"{'example':32} {'autograd':>11} {'chainrule':>11} {'compiled':>26}")
    for path in examples(given.checkout.resolve(), given.only):
        line, *found = compare(path, given.rounds, given.limit)
        print(f"{path.stem:32} {line}", flush=True)
        for name, ratio in zip(ratios, found, strict=True):
            ratios[name] += [] if ratio is None else [ratio]
    for name, them in ratios.items():
        if them:
            print(f"{name}: median {statistics.median(them):.2f} x, least {min(them):.2f} x, of {len(them)}")


if __name__ == "__main__":
    main()
