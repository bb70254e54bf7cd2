"""How often `check` names the right cause: mistakes put by program into backward passes written by hand.

Each mutant is one change of a backward pass's syntax tree. Those that compute what the original computes are no
mistakes and are left out. A cause is right where it names the line that was changed, or the kind of the change; it is
wrong where it names another; `unexplained` is neither. The bar is less than 2 % wrong causes.

    python benchmarks/check_mutants.py [--count 400] [--seed 0] [--show]
"""

import argparse
import time
from collections import Counter
from typing import Any

import numpy as np
from mutants.mutate import Mutant, mutants
from mutants.passes import PASSES, Pass

import chainrule as cr

KINDS = {
    "sign": {"sign", "mask"},
    "transposition": {"transposed", "axes-swapped", "square-only"},
    "dropped term": {"missing-term", "detached", "partial", "shifted", "padding", "wrong-point"},
    "dropped factor": {"missing-term", "factor", "detached", "stride", "partial"},
    "axis": {"axes-swapped", "broadcast-sum", "factor", "square-only"},
    "variable": {"other-argument", "output-for-input", "mask", "wrong-point", "shifted", "square-only"},
    "off by one": {"shifted", "factor", "broadcast-sum", "axes-swapped"},  # of an axis, too
    "comparison": {"mask", "partial"},
    "reduction": {"factor"},
}
"""The codes that say the same as each kind of mistake."""


def same(one: Pass, mutant: Mutant) -> bool:
    """Whether a mutant computes what the original does, at several points."""
    for seed in range(5, 9):
        y = np.asarray(one.forward(*one.drawn(seed)))
        bar = np.random.default_rng(seed).standard_normal(y.shape)
        try:
            with np.errstate(all="ignore"):
                results = [f(np.array(bar), *one.drawn(seed)) for f in (one.backward, mutant.function)]
        except Exception:
            return False
        pairs = [r if isinstance(r, tuple) else (r,) for r in results]
        if len(pairs[0]) != len(pairs[1]) or not all(_close(a, b) for a, b in zip(*pairs, strict=True)):
            return False
    return True


def _close(a: Any, b: Any) -> bool:
    return np.shape(a) == np.shape(b) and bool(np.allclose(a, b, rtol=1e-6, atol=1e-12))


def judged(one: Pass, mutant: Mutant) -> tuple[str, str]:
    """Return what came of a mutant (undetected, right, wrong, unexplained) and what was said."""
    try:
        report = cr.check(one.forward, *one.drawn(0), backward=mutant.function)
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
    detail = finding.detail
    same_line = detail.get("line") == mutant.line and detail.get("function") == mutant.function.__name__
    return "right" if same_line or finding.code in KINDS[mutant.kind] else "wrong"


def main() -> None:
    """Draw mutants, check them and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--show", action="store_true", help="print each wrong and each unexplained one")
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    every = [(one, m) for one in PASSES for m in mutants(one.backward)]
    chosen = [every[k] for k in rng.permutation(len(every))[: options.count]]
    table: dict[str, Counter[str]] = {}
    began = time.perf_counter()
    for one, mutant in chosen:
        if same(one, mutant):
            continue
        outcome, said = judged(one, mutant)
        table.setdefault(mutant.kind, Counter())[outcome] += 1
        if options.show and outcome != "right":
            print(f"{outcome}: {one.backward.__name__} line {mutant.line}: {mutant.kind}")
            print(f"    {mutant.before} -> {mutant.after}")
            print(f"    {said[:300]}")
    columns = ("right", "wrong", "unexplained", "undetected", "failed")
    print(f"{'mistake':16}{'count':>8}" + "".join(f"{c:>13}" for c in columns))
    total = sum(table.values(), Counter())
    for kind, counts in [*sorted(table.items()), ("all", total)]:
        print(f"{kind:16}{sum(counts.values()):8}" + "".join(f"{counts[c]:13}" for c in columns))
    number = sum(total.values())
    detected = number - total["undetected"]
    wrong, seconds = total["wrong"] / number, time.perf_counter() - began
    print(f"detected {detected / number:.1%}, wrong cause {wrong:.1%}, {seconds:.0f} s")


if __name__ == "__main__":
    main()
