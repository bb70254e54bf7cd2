"""The checker in a zoo of bugs: what it detects, how it judges, whether it names the mistake and the place.

    python benchmarks/check_zoo.py [--compositions 1000] [--only FORM] [--no-peers]

Every operation is first checked with its right backward pass (a false alarm otherwise), then with each of its planted
mistakes, in every form whose checker is there: a pair of functions, a layer class, inside a network, a
`torch.autograd.Function`, a `jax.custom_vjp`. The expectations stand in `zoo/`, beside the mistakes. Then come random
compositions of chainrule's operations, all of them right, and what `torch.autograd.gradcheck` and
`jax.test_util.check_grads` detect of the same mistakes: `python -m pip install '.[torch,jax]'`.
"""

import argparse
import sys
import time
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from timing import machine, table
from zoo.catalogue import OPERATIONS, PAIRS
from zoo.compositions import alarms
from zoo.entry import Bug, Operation
from zoo.form import Form
from zoo.forms import FORMS
from zoo.peers import PEERS

BARS = {"detected": 100, "right verdict": 98, "right first hypothesis": 90, "right place": 95}
"""Per cent to be reached, written down before anything was measured."""


@dataclass(frozen=True)
class Result:
    """What the checker said to one planted mistake; None where the question does not arise."""

    name: str
    said: str
    seconds: float
    answers: dict[str, bool | None]

    @property
    def missed(self) -> list[str]:
        """Return the questions that were answered wrongly."""
        return [question for question, answer in self.answers.items() if answer is False]


def judged(form: Form, operation: Operation, bug: Bug) -> Result:
    """Check one mistake in one form."""
    began = time.perf_counter()
    try:
        report = form.check(operation, bug.backward)
    except Exception as error:  # a checker that raises has not answered, and the others are to be heard
        said = f"raised {type(error).__name__}: {str(error)[:80]}"
        answers: dict[str, bool | None] = dict.fromkeys(BARS, False)
        return Result(f"{operation.name}: {bug.kind}", said, time.perf_counter() - began, answers)
    seconds = time.perf_counter() - began
    verdict, wrong = form.expected(operation, bug)
    findings = [f for f in report.findings if f.verdict == report.verdict]
    code = findings[0].code if findings else ""
    placed = bool(findings) and all(form.place(f, wrong, operation) for f in findings)
    answers = {
        "detected": not report.ok,
        "right verdict": report.verdict == verdict,
        "right first hypothesis": code in bug.codes if bug.codes else None,
        "right place": placed if "*" not in wrong else None,
    }
    places = ", ".join(sorted({f.argument or f.operation for f in findings}))
    said = (
        f"{report.verdict} {code} at {places}; expected {verdict} {'/'.join(bug.codes)} at {', '.join(sorted(wrong))}"
    )
    return Result(f"{operation.name}: {bug.kind}", said, seconds, answers)


def percentages(results: Sequence[Result]) -> list[str]:
    """Return the share of right answers to each question."""
    cells = []
    for question in BARS:
        answers = [r.answers[question] for r in results if r.answers[question] is not None]
        cells.append(f"{100 * sum(map(bool, answers)) / max(1, len(answers)):.1f} % of {len(answers)}")
    return cells


def false_alarms(form: Form) -> list[str]:
    """Return the operations whose right backward pass is called wrong."""
    found = []
    for operation in OPERATIONS:
        if form.takes(operation, None):
            try:
                report = form.check(operation, operation.backward)
            except Exception as error:  # said by name below, and counted
                found.append(f"{operation.name} (raised {type(error).__name__}: {error})")
                continue
            if not report.ok:
                found.append(f"{operation.name} ({report.verdict})")
    return found


def visit(form: Form) -> list[Result]:
    """Check all mistakes in one form and print what was missed."""
    results = [judged(form, operation, bug) for operation, bug in PAIRS if form.takes(operation, bug)]
    alarm = false_alarms(form)
    print(f"\n## {form.name}: {len(results)} mistakes, {sum(r.seconds for r in results):.1f} s")
    print(f"false alarms on the right versions: {len(alarm)} {'; '.join(alarm)}")
    for result in results:
        if result.missed:
            print(f"- {result.name} [{', '.join(result.missed)}]: {result.said}")
    return results


def beside() -> None:
    """Print what the peers detect."""
    rows = []
    for peer in PEERS:
        if reason := peer.missing():
            print(f"left out: {peer.name}: {reason}")
            continue
        tried = [(op, bug) for op, bug in PAIRS if bug.verdict in ("wrong", "missing")]
        began = time.perf_counter()
        missed = [f"{op.name}: {bug.kind}" for op, bug in tried if not peer.objects(op, bug.backward)]
        seconds = time.perf_counter() - began
        alarm = [op.name for op in OPERATIONS if peer.objects(op, op.backward)]
        caught = f"{len(tried) - len(missed)} of {len(tried)}"
        time_for_one = f"{1e3 * seconds / len(tried):.0f} ms"
        rows.append([peer.name, caught, time_for_one, "; ".join(alarm) or "none", "; ".join(missed) or "none"])
    print("\n" + table(["peer", "wrong values detected", "time for one", "false alarms", "missed"], rows))


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--compositions", type=int, default=1000, help="how many random right functions to check")
    parser.add_argument("--only", default="", help="the forms whose name contains this text")
    parser.add_argument("--no-peers", action="store_true", help="leave the other checkers out")
    options = parser.parse_args(None if arguments is None else list(arguments))
    warnings.simplefilter("ignore")
    kinds = {bug.kind for _, bug in PAIRS}
    print(f"{machine()}\n{len(PAIRS)} mistakes of {len(kinds)} kinds in {len(OPERATIONS)} operations")
    rows, reached = [], True
    for form in FORMS:
        if options.only not in form.name:
            continue
        if reason := form.missing():
            print(f"\nLEFT OUT: {form.name}: {reason}")
            continue
        results = visit(form)
        rows.append(
            [form.name, *percentages(results), f"{1e3 * sum(r.seconds for r in results) / len(results):.0f} ms"]
        )
        for question, bar in BARS.items():
            answers = [r.answers[question] for r in results if r.answers[question] is not None]
            reached &= 100 * sum(map(bool, answers)) >= bar * len(answers)
    print("\n" + table(["form", *(f"{q} (≥ {bar} %)" for q, bar in BARS.items()), "time for one"], rows))
    if options.compositions:
        found = alarms(options.compositions)
        reached &= not found
        print(f"\nfalse alarms on {options.compositions} random compositions: {len(found)}")
        for text in found:
            print(f"- {text}")
    if not options.no_peers:
        beside()
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
