"""Run scripts and notebooks written for PyTorch with both, PyTorch and `chainrule.torch`, from the same random numbers.

    python benchmarks/torch_scripts.py PATH ... [--stubs FOLDER] [--steps 200] [--seconds 120] [--show]

A path is a script (in cells if its lines `# %%` or `####…` make them), a notebook or a page of the d2l book. Each runs
twice, in processes and empty folders of their own, in which the other files of its folder can be imported and read.
`import torch` gives chainrule's door (`chainrule.torch.install`). The text is changed in the same way for both: loops
of very many steps are shortened, and magics and shell lines are left out. Both draw from PyTorch's generator, so equal
seeds mean equal weights and batches, and the numbers that they print can be compared. Modules that cannot be had, such
as torchvision, are taken from the folder of --stubs. The table says how many blocks ran with chainrule, of those that
run with PyTorch, and how many of the printed numbers agree to 1e-3. The seconds are those of the processor.
"""

import argparse
import contextlib
import io
import json
import math
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any

SIDES = ("pytorch", "chainrule")
TOLERANCE = 1e-3
COUNTS = r"^(\s*(?:self\.|args\.)?\w*(?:epochs?|iters|steps|iterations|EPOCHS?|episodes)\w*\s*=\s*)(\d{3,})\b"


def blocks_of(path: Path) -> list[str]:
    """Return the blocks of a script (one, or a gallery's cells), a notebook (cells), or a page of d2l (PyTorch's)."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".ipynb":
        return ["".join(c["source"]) for c in json.loads(text)["cells"] if c["cell_type"] == "code"]
    if path.suffix == ".md":
        found = re.findall(r"```\{\.python \.input[^}]*\}\n(.*?)```", text, re.DOTALL)
        untagged = "#@tab" not in text  # elsewhere what has no tag is another library's
        return [b for b in found if re.search(r"(%%|#@)tab (all|.*pytorch)", b) or ("tab" not in b[:40] and untagged)]
    cells = re.split(r"^(?:#{20,}|# %%).*$", text, flags=re.MULTILINE)  # a gallery's script
    return cells if all(map(_compiles, cells)) else [text]  # a rule of # may stand inside a function or a loop


def _compiles(text: str) -> bool:
    try:
        compile(shortened(text, 1), "cell", "exec")
    except SyntaxError:
        return False
    return True


def shortened(text: str, steps: int) -> str:
    """Return a block with long loops shortened and magics left out."""
    text = re.sub(r"^(\s*)(?:(?:%%?[a-z]|!).*|display\(.*|d2l\.use_svg.*)$", r"\1pass", text, flags=re.MULTILINE)
    text = re.sub(COUNTS, lambda m: f"{m[1]}{min(int(m[2]), steps)}", text, flags=re.MULTILINE)
    return re.sub(r"in range\((\d{3,})\)", lambda m: f"in range({min(int(m[1]), steps)})", text)


# The same random numbers on both sides


class Drawn:
    """NumPy's generator as far as the door uses it, drawing from PyTorch's."""

    def __init__(self, torch: Any, generator: Any = None) -> None:
        self.torch, self.generator = torch, generator

    def _size(self, size: Any) -> tuple[int, ...]:
        return () if size is None else (size,) if isinstance(size, int) else tuple(size)

    def random(self, size: Any = None) -> Any:
        """Draw uniform numbers in [0, 1)."""
        return self.torch.rand(self._size(size), generator=self.generator).numpy()

    def standard_normal(self, size: Any = None) -> Any:
        """Draw normal numbers."""
        return self.torch.randn(self._size(size), generator=self.generator).numpy()

    def uniform(self, a: float, b: float, size: Any = None) -> Any:
        """Draw uniform numbers."""
        return self.torch.empty(self._size(size)).uniform_(a, b, generator=self.generator).numpy()

    def integers(self, low: int, high: int | None = None, size: Any = None) -> Any:
        """Draw integers."""
        low, high = (0, low) if high is None else (low, high)
        return self.torch.randint(low, high, self._size(size), generator=self.generator).numpy()

    def permutation(self, n: int) -> Any:
        """Draw the numbers below n in random order."""
        return self.torch.randperm(n, generator=self.generator).numpy()

    def standard_exponential(self, size: Any = None) -> Any:
        """Draw exponential numbers."""
        return self.torch.empty(self._size(size)).exponential_(generator=self.generator).numpy()

    def binomial(self, n: Any, p: Any, size: Any = None) -> Any:
        """Draw numbers of successes."""
        counts, chances = (self._full(x, size) for x in (n, p))
        return self.torch.binomial(counts, chances, generator=self.generator).numpy()

    def poisson(self, rate: Any, size: Any = None) -> Any:
        """Draw Poisson numbers."""
        return self.torch.poisson(self._full(rate, size), generator=self.generator).numpy()

    def standard_gamma(self, shape: Any, size: Any = None) -> Any:
        """Draw gamma numbers of scale 1."""
        return self.torch._standard_gamma(self._full(shape, size), generator=self.generator).numpy()

    def _full(self, x: Any, size: Any) -> Any:
        x = self.torch.as_tensor(x, dtype=self.torch.float32)
        return (x if size is None else x.expand(self._size(size))).contiguous()


def share_generator(torch: Any) -> None:
    """Make the door draw from PyTorch's generator, in the order in which PyTorch itself draws."""
    import numpy as np

    import chainrule.torch as door
    from chainrule.core.traces.capturing import running
    from chainrule.torch import random
    from chainrule.torch.nn import init
    from chainrule.torch.nn.functional import activations
    from chainrule.torch.utils.data import dataloader, dataset, sampler

    def rng_of(generator: Any) -> Drawn:
        if generator is None or isinstance(generator, random._Default):
            return Drawn(torch)
        if not hasattr(generator, "shared"):
            generator.shared = torch.Generator().manual_seed(generator.initial_seed())
        return Drawn(torch, generator.shared)

    families = [m for name, m in sys.modules.items() if name.startswith("chainrule.torch.distributions.")]
    drawing = [m for m in families if hasattr(m, "rng_of")]
    for module in (random, init, dataset, sampler, *drawing):
        module.rng_of = rng_of

    def manual_seed(seed: int) -> Any:
        torch.default_generator.manual_seed(seed)
        return random._Default()

    random.manual_seed = door.manual_seed = manual_seed

    def reseed(self: Any, seed: int) -> Any:
        self.__dict__.pop("shared", None)
        self._seed = int(seed)
        return self

    door.Generator.manual_seed = reseed

    def multinomial(input: Any, num_samples: int, replacement: bool = False, *, generator: Any = None) -> Any:
        weights = torch.tensor(np.asarray(door.values_of(input)))
        return door.tensor(
            torch.multinomial(weights, num_samples, replacement, generator=rng_of(generator).generator).numpy()
        )

    for place in (door, door.Tensor, random, *(m for m in families if hasattr(m, "multinomial"))):
        place.multinomial = multinomial

    mask_of = activations.DropoutMask.apply

    class Mask:
        """The mask of dropout that PyTorch would draw; a compiled function draws its own."""

        @staticmethod
        def apply(x: Any, p: float) -> Any:
            if running.capture is not None:
                return mask_of(x, p=p)
            return np.asarray(torch.empty(tuple(x.shape)).bernoulli_(1 - p).numpy() / (1 - p), x.dtype)

    activations.DropoutMask = Mask  # type: ignore[misc]

    def bernoulli_(self: Any, p: Any = 0.5, *, generator: Any = None) -> Any:
        if running.capture is not None:
            return fill(self, p, generator=generator)
        chances = torch.tensor(door.values_of(p)) if isinstance(p, door.Tensor) else p
        drawn = torch.empty(tuple(self.shape)).bernoulli_(chances, generator=rng_of(generator).generator)
        return self.copy_(door.tensor(drawn.numpy()))

    fill = door.Tensor.bernoulli_
    door.Tensor.bernoulli_ = bernoulli_

    def bernoulli(input: Any, p: Any = None, *, generator: Any = None) -> Any:
        chances = door.values_of(input) if p is None else np.broadcast_to(door.values_of(p), tuple(input.shape))
        drawn = torch.bernoulli(torch.tensor(np.array(chances)), generator=rng_of(generator).generator)
        return door.tensor(drawn.numpy()).to(input.dtype)

    door.bernoulli = random.bernoulli = bernoulli

    begin = dataloader.DataLoader.__iter__

    def iterate(self: Any) -> Any:
        torch.empty((), dtype=torch.int64).random_()  # PyTorch's loaders draw a seed for their workers first
        return begin(self)

    dataloader.DataLoader.__iter__ = iterate


def plain_sampler(torch: Any) -> None:
    """Make PyTorch's sampler draw from the default generator itself, not from one that it seeds."""

    def order(self: Any) -> Any:
        n = len(self.data_source)
        if self.replacement:
            return iter(torch.randint(n, (self.num_samples,), generator=self.generator).tolist())
        return iter(torch.randperm(n, generator=self.generator).tolist()[: self.num_samples])

    torch.utils.data.RandomSampler.__iter__ = order


# One run


class Tab:
    """The choice of a library on the pages of d2l."""

    def interact_select(self, *_: Any) -> None:
        """Do nothing: PyTorch is chosen."""

    def selected(self, *names: str) -> bool:
        """Whether PyTorch is one of the libraries."""
        return "pytorch" in names


def run_one(path: Path, side: str, steps: int, stubs: Path | None) -> None:
    """Run the blocks of one file in this process and folder; print what happened as JSON."""
    import numpy as np
    import torch as pytorch

    for warm in (Drawn(pytorch), Drawn(pytorch, pytorch.Generator())):  # PyTorch imports parts of itself at first calls
        (
            warm.uniform(0.0, 1.0, 1),
            warm.random(1),
            warm.standard_normal(1),
            warm.integers(2, size=1),
            warm.permutation(1),
        )
        warm.standard_exponential(1)
    pytorch.nn.functional.dropout(pytorch.ones(2)), pytorch.multinomial(pytorch.ones(2), 1)
    pytorch.empty((), dtype=pytorch.int64).random_()
    real = {name: module for name, module in sys.modules.items() if name == "torch" or name.startswith("torch.")}
    if side == "chainrule":
        share_generator(pytorch)
        for name in real:
            del sys.modules[name]
        import chainrule.torch

        chainrule.torch.install()
    else:
        plain_sampler(pytorch)
    pytorch.default_generator.manual_seed(0)
    np.random.seed(0)  # noqa: NPY002 - the scripts draw from NumPy's global generator
    import random

    random.seed(0)
    sys.path[:0] = [str(Path.cwd()), *([str(stubs)] if stubs else [])]
    warnings.simplefilter("ignore")
    sys.argv = [str(path), *os.environ.get("SCRIPT_ARGS", "").split()]
    if path.suffix == ".py":
        names: dict[str, Any] = {"__name__": "__main__", "__file__": str(path)}
    else:
        names = {"__name__": "__main__", "tab": Tab()}
    results = []
    for k, block in enumerate(blocks_of(path)):
        said, error, began = io.StringIO(), "", time.process_time()
        try:
            with contextlib.redirect_stdout(said):
                exec(compile(shortened(block, steps), f"{path.name}[{k}]", "exec"), names)
        except BaseException as caught:
            if not (isinstance(caught, SystemExit) and not caught.code):
                frames = traceback.format_exc(limit=-4).strip().splitlines()
                error = "\n".join(frames)[-1500:] or type(caught).__name__
        results.append({"printed": said.getvalue()[:200_000], "error": error, "seconds": time.process_time() - began})
        print(json.dumps(results[-1]), file=sys.__stdout__, flush=True)


def kept(path: Path, side: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Return what a run of one file gave; PyTorch's are kept in the folder of --kept."""
    if side != "pytorch" or not options.kept:
        return run(path, side, options)
    file = options.kept / f"{path.parent.name}-{path.stem}-{options.steps}.json"
    if not file.exists():
        options.kept.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(run(path, side, options)))
    return json.loads(file.read_text())


def run(path: Path, side: str, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Run one file in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        for file in path.parent.iterdir():
            if file.is_dir() and file.name.startswith((".", "__")):
                continue
            target = Path(folder) / file.name
            if file.is_file() and file.stat().st_size < 5e6:
                shutil.copy(file, target)
            elif file.is_dir():
                shutil.copytree(file, target, ignore=shutil.ignore_patterns("*.png", "*.jpg", "*.gif"))
        command = [sys.executable, __file__, "--one", str(path), "--side", side, "--steps", str(options.steps)]
        command += ["--stubs", str(options.stubs.resolve())] if options.stubs else []
        environment = {**os.environ, "MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
        try:
            done = subprocess.run(
                command,
                cwd=folder,
                capture_output=True,
                text=True,
                timeout=options.seconds,
                check=False,
                env=environment,
            )
            out, tail = done.stdout, done.stderr[-1500:] if done.returncode else ""
        except subprocess.TimeoutExpired as late:
            out = late.stdout.decode() if isinstance(late.stdout, bytes) else late.stdout or ""
            tail = f"no end after {options.seconds} s"
    results = []
    for line in out.splitlines():
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and "printed" in found:
                results.append(found)
    if tail:
        results.append({"printed": "", "error": tail, "seconds": float("nan")})
    return results


def numbers(text: str) -> list[float]:
    """Return the numbers with a decimal point in a text."""
    return [float(x) for x in re.findall(r"(?<![\w.])-?\d+\.\d*(?:e[-+]?\d+)?", text)]


def agreement(ours: str, theirs: str) -> tuple[int, int]:
    """Return how many printed numbers agree, and how many there are."""
    a, b = numbers(ours), numbers(theirs)
    same = sum(math.isclose(x, y, rel_tol=TOLERANCE, abs_tol=TOLERANCE) for x, y in zip(a, b, strict=False))
    return same, max(len(a), len(b))


def main() -> None:
    """Run files with both and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--stubs", type=Path)
    parser.add_argument("--kept", type=Path, help="a folder for PyTorch's results, which are not computed again")
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--show", action="store_true", help="print what differs")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        run_one(options.one, options.side, options.steps, options.stubs)
        return
    totals = [0, 0, 0, 0]
    for path in options.paths:
        theirs, ours = (kept(path.resolve(), side, options) for side in SIDES)
        ran = [k for k, one in enumerate(theirs) if not one["error"]]
        good = [k for k in ran if k < len(ours) and not ours[k]["error"]]
        same = [agreement(ours[k]["printed"], theirs[k]["printed"]) for k in good]
        seconds = [sum(one["seconds"] for one in side if one["seconds"] == one["seconds"]) for side in (theirs, ours)]
        equal, count = sum(a for a, _ in same), sum(b for _, b in same)
        print(
            f"{path.parent.name}/{path.name}: {len(good)} of {len(ran)} blocks, {equal} of {count} numbers, "
            f"{seconds[1]:.1f} s ({seconds[0]:.1f} s)",
            flush=True,
        )
        for k in ran:
            if k not in good:
                print(f"  [{k}] " + (ours[k]["error"] if k < len(ours) else "did not run").replace("\n", "\n      "))
        if options.show:
            for k, (a, b) in zip(good, same, strict=True):
                if a < b:
                    print(
                        f"  [{k}] ours: {ours[k]['printed'][-400:]!r}\n       theirs: {theirs[k]['printed'][-400:]!r}"
                    )
            for k, one in enumerate(theirs):
                if one["error"]:
                    print(f"  [{k}] PyTorch: {one['error'][-300:]}")
        totals = [x + y for x, y in zip(totals, (len(good), len(ran), equal, count), strict=True)]
    print(f"{totals[0]} of {totals[1]} blocks that run with PyTorch, {totals[2]} of {totals[3]} numbers")


if __name__ == "__main__":
    main()
