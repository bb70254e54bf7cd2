"""Does the doctor find what is wrong? Sick networks, each made so in one known way, and healthy ones.

    python benchmarks/doctor_zoo.py [part of a name]

For each: whether its first verdict is the right one, in the right layer, and whether a remedy was found that works.
What is expected is written beside each network in `patients/`. The exit code is 1 where
fewer than 95 % of the verdicts, 90 % of the layers or 85 % of the remedies are right, or a healthy network is called
sick.
"""

import sys
import time
from dataclasses import dataclass

import numpy as np
from patients import HEALTHY, SICK, Patient
from patients.parts import Language, trained
from timing import machine, table

import chainrule as cr
from chainrule import nn, optim

BARS = {"verdict": 0.95, "layer": 0.90, "remedy": 0.85}


@dataclass(frozen=True)
class Result:
    """What the doctor said of one network."""

    patient: Patient
    code: str
    layer: str
    remedy: str
    seconds: float

    @property
    def verdict_right(self) -> bool:
        """Whether the first verdict is the expected one."""
        return self.code == self.patient.code

    @property
    def layer_right(self) -> bool:
        """Whether the layer is, too."""
        return self.verdict_right and self.layer == self.patient.layer

    def row(self) -> list[str]:
        """Return the row of the table."""
        said = self.code + (f" in {self.layer}" if self.layer else "")
        marks = ["yes" if ok else "NO" for ok in (self.verdict_right, self.layer_right, bool(self.remedy))]
        return [self.patient.name, said, *marks, self.remedy]


def examine(patient: Patient) -> Result:
    """Ask the doctor; the network is built from seed 0."""
    cr.seed(0)
    model, loss, batches, optimizer = patient.build()
    began = time.perf_counter()
    diagnosis = cr.doctor(model, loss, batches, optimizer, try_remedies=patient.code != "healthy")
    first = diagnosis.verdicts[0]
    remedy = diagnosis.winner.change if diagnosis.winner else ""
    return Result(patient, first.code, first.layer, remedy, time.perf_counter() - began)


def shares(results: list[Result]) -> dict[str, float]:
    """Return the share of right verdicts, right layers and found remedies."""
    n = max(len(results), 1)
    return {
        "verdict": sum(r.verdict_right for r in results) / n,
        "layer": sum(r.layer_right for r in results) / n,
        "remedy": sum(bool(r.remedy) for r in results) / n,
    }


def cost() -> str:
    """Say what a diagnosis without remedies costs beside the training steps: a GPT of 4 layers, 20 batches."""
    cr.seed(0)
    model, loss = Language(4, 128, 64, 64), nn.CrossEntropyLoss()
    starts = np.random.default_rng(0).integers(0, 64, (20, 16, 1))
    rows = (starts + 3 * np.arange(65)) % 64
    batches = [(row[:, :-1], row[:, 1:]) for row in rows]
    optimizer = optim.AdamW(model.parameters(), lr=1e-3)
    trained(model, loss, batches[:2], optimizer, 1)
    began = time.process_time()
    trained(model, loss, batches, optimizer, 1)
    steps = time.process_time() - began
    cr.doctor(model, loss, batches, optimizer, try_remedies=False)
    ratio = (time.process_time() - began - steps) / steps
    return f"a GPT of 4 layers over 20 batches: a diagnosis costs {ratio:.1f} times these training steps (bar 3)"


def main() -> int:
    wanted = sys.argv[1] if len(sys.argv) > 1 else ""
    sick = [examine(p) for p in SICK if wanted in p.name]
    healthy = [examine(p) for p in HEALTHY if wanted in p.name]
    print(machine(), "\n")
    print(
        table(["sick network", "first verdict", "verdict", "layer", "remedy", "what helped"], [r.row() for r in sick])
    )
    rows = [[r.patient.name, r.code if r.verdict_right else f"{r.code} in {r.layer}: WRONG"] for r in healthy]
    print("\n" + table(["healthy network", "first verdict"], rows))
    found, wrong = shares(sick), sum(not r.verdict_right for r in healthy)
    passed = wrong == 0
    print()
    for name, bar in BARS.items():
        if sick:
            passed &= found[name] >= bar
            print(f"{name}: {found[name]:.0%} of {len(sick)} (bar {bar:.0%})")
    print(f"healthy networks called sick: {wrong} of {len(healthy)} (bar 0)")
    if not wanted:
        print(cost())
    print(f"{sum(r.seconds for r in [*sick, *healthy]):.0f} s")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
