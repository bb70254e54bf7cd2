"""How often `check` names the right cause: mistakes put by program into backward passes written by hand.

Each mutant is one change of a backward pass's syntax tree. Those that compute what the original computes, at several
points or where they are checked, are no mistakes there and are left out. A cause is right where its code says the kind
of the planted change, where the change it proposes undoes the planted one, or where it names the changed line of a pass
that has several; it is wrong where it says another; `unexplained` is neither. The bars are: all detected, 90 % right,
less than 2 % wrong.

    python benchmarks/check_mutants.py [--count 500] [--seed 0] [--of own|packages|torch|jax]
        [--libraries FOLDER] [--show]

The passes are those in `mutants/passes.py`, written as in a course, and those of packages that are installed, on which
nothing was tuned: in NumPy (`mutants/packages.py`), `torch.autograd.Function`s (`of_torch.py`), and functions under
`jax.custom_vjp` or `jax.custom_jvp` (`of_jax.py`).
"""

import argparse
import ast
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from mutants.mutate import Mutant, mutants
from mutants.of_jax import jax_packages
from mutants.of_torch import torch_packages
from mutants.packages import packages
from mutants.passes import PASSES, Pass

KINDS = {
    "sign": {"sign", "mask", "gradient-reversal"},
    "transposition": {"transposed", "axes-swapped", "square-only"},
    "dropped term": {"missing-term", "detached", "partial", "shifted", "padding", "wrong-point"},
    "dropped factor": {"missing-term", "factor", "detached", "stride", "partial"},
    "axis": {"axes-swapped", "broadcast-sum", "factor", "square-only"},
    "variable": {"other-argument", "output-for-input", "mask", "wrong-point", "shifted", "square-only"},
    "off by one": {"shifted", "factor", "broadcast-sum", "axes-swapped", "square-only"},  # of an axis, too
    "comparison": {"mask", "partial"},
    "reduction": {"factor"},
}
"""The codes that say the same as each kind of mistake."""
SAID = {
    "sign": ("wrong sign", "sign is wrong"),
    "reduction": ("sum is used", "mean is used", "the sum is taken", "the mean is taken", "mean against sum"),
    "off by one": ("exponent", "number", "is called with", "bound of the mask"),
}
"""What a text of another code says that is the same."""
LINES = 3
"""A pass of so many statements or fewer is not told apart by the line."""


def same(one: Pass, mutant: Mutant) -> bool:
    """Whether a mutant computes what the original does: at several points, or where it is checked."""
    return _agree(one, mutant, range(1)) or _agree(one, mutant, range(5, 9))


def _agree(one: Pass, mutant: Mutant, seeds: Iterable[int]) -> bool:
    for seed in seeds:
        try:
            with np.errstate(all="ignore"):
                right, found = (one.gradients(rule, seed) for rule in (None, mutant.function))
        except Exception:
            return False
        if len(right) != len(found) or not all(_close(a, b) for a, b in zip(right, found, strict=True)):
            return False
    return True


def _close(a: Any, b: Any) -> bool:
    try:
        return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=1e-6, atol=1e-12))
    except TypeError:  # no numbers
        return False


def judged(one: Pass, mutant: Mutant) -> tuple[str, str]:
    """Return what came of a mutant (undetected, right, wrong, unexplained) and what was said."""
    try:
        report = one.report(mutant.function)
    except Exception as error:  # the mutant itself may fail in a way that only it knows
        return "failed", f"{type(error).__name__}: {error}"
    if report.ok:
        return "undetected", str(report.verdict)
    causes = [f for f in report.findings if f.hypotheses]
    if not causes or all(f.code == "unexplained" for f in causes):
        return "unexplained", report.findings[0].message
    outcomes = [outcome for f in causes if (outcome := _outcome(mutant, f)) != "unexplained"]
    said = "; ".join(f"{f.argument}: {f.hypotheses[0]}" for f in causes)
    return ("wrong" if "wrong" in outcomes else "right"), said


def _outcome(mutant: Mutant, finding: Any) -> str:
    if finding.code == "unexplained":
        return "unexplained"
    detail, text = finding.detail, str(finding.detail.get("text", ""))
    known = {*KINDS[mutant.kind], "other-value"}  # said only of what a rule returns beside its derivative
    right = finding.code in known or any(words in text for words in SAID.get(mutant.kind, ()))
    if detail.get("written") and detail.get("function") == mutant.function.__name__:
        right |= _undone(mutant, detail["written"], detail["wanted"])
        right |= mutant.statements > LINES and detail["line"] == mutant.line
    return "right" if right else "wrong"


def _undone(mutant: Mutant, written: str, wanted: str) -> bool:
    """Whether a proposed change gives back what was written before the planted one."""
    for place in range(mutant.text.count(written)):
        parts = mutant.text.split(written)
        mended = written.join(parts[: place + 1]) + f"({wanted})" + written.join(parts[place + 1 :])
        try:
            if ast.dump(ast.parse(mended)) == ast.dump(ast.parse(mutant.original)):
                return True
        except SyntaxError:
            continue
    return False


def drawn(passes: Sequence[Pass], count: int, rng: np.random.Generator) -> Iterator[tuple[Pass, Mutant]]:
    """Yield mutants of passes drawn at random, each once, so that a long pass counts no more than a short one."""
    waiting = []
    for one in passes:
        found = mutants(one.changed)
        waiting.append((one, [found[k] for k in rng.permutation(len(found))]))
    given = 0
    while given < count and waiting:
        one, left = waiting[int(rng.integers(len(waiting)))]
        if not left:
            waiting = [pair for pair in waiting if pair[1]]
            continue
        mutant = left.pop()
        if not same(one, mutant):
            given += 1
            yield one, mutant


def right_ones(passes: Sequence[Pass]) -> list[Pass]:
    """Return the passes that run here and are right."""
    found = []
    for one in passes:
        try:
            if one.report(None, explain=False).verdict == "right":
                found.append(one)
        except Exception:  # it takes other arguments than those that are tried
            continue
    return found


def collected(which: str) -> list[Pass]:
    """Return the passes to be mutated."""
    passes = list(PASSES) if which in ("all", "own") else []
    for of, found_in in (("packages", packages), ("torch", torch_packages), ("jax", jax_packages)):
        for name, found in found_in() if which in ("all", of) else ():
            kept = right_ones(found)
            print(f"{name}: {len(kept)} backward passes" if found else f"LEFT OUT: {name} is not installed", flush=True)
            passes += kept
    return passes


def main() -> None:
    """Draw mutants, check them and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--of", choices=("all", "own", "packages", "torch", "jax"), default="all")
    parser.add_argument("--libraries", default="", help="a folder with packages to take passes from")
    parser.add_argument("--show", action="store_true", help="print each that is not right")
    options = parser.parse_args()
    if options.libraries:
        sys.path.append(options.libraries)
    warnings.simplefilter("ignore")
    np.seterr(all="ignore")
    rng = np.random.default_rng(options.seed)
    table: dict[str, Counter[str]] = {}
    began = time.perf_counter()
    for one, mutant in drawn(collected(options.of), options.count, rng):
        outcome, said = judged(one, mutant)
        table.setdefault(mutant.kind, Counter())[outcome] += 1
        if options.show and outcome != "right":
            print(f"{outcome}: {one.changed.__qualname__} line {mutant.line}: {mutant.kind}")
            print(f"    {mutant.before} -> {mutant.after}")
            print(f"    {said[:300]}", flush=True)
    report(table, time.perf_counter() - began)


def report(table: dict[str, Counter[str]], seconds: float) -> None:
    """Print what came of each kind of mistake, and the shares of all."""
    columns = ("right", "wrong", "unexplained", "undetected", "failed")
    print(f"{'mistake':16}{'count':>8}" + "".join(f"{c:>13}" for c in columns))
    total = sum(table.values(), Counter())
    for kind, counts in [*sorted(table.items()), ("all", total)]:
        print(f"{kind:16}{sum(counts.values()):8}" + "".join(f"{counts[c]:13}" for c in columns))
    number = max(sum(total.values()), 1)
    shares = {"detected": number - total["undetected"], **{c: total[c] for c in columns[:3]}}
    print(", ".join(f"{name} {count / number:.1%}" for name, count in shares.items()) + f", {seconds:.0f} s")


if __name__ == "__main__":
    main()
