"""Trying remedies: each on copies, from the same seeds and on the same batches, and measured."""

import math
from dataclasses import replace

import numpy as np

from chainrule.doctor.budget import Budget
from chainrule.doctor.examine.case import Trial, train
from chainrule.doctor.examine.exam import examine
from chainrule.doctor.examine.findings import Findings
from chainrule.doctor.found import Measured, Remedy, Verdict
from chainrule.doctor.report.words import said
from chainrule.doctor.verdicts.flow import flow_range

from .choice import proposals
from .proposal import Complaint, Proposal

RATES = (0.1, 0.3, 3.0, 10.0)
"""Other learning rates to try a changed network with, relative to the present one."""
LEAST = 0.02
"""A remedy helped if the final loss is lower by at least this fraction, and by more than the spread over seeds."""


class Clinic:
    """Tries each proposal once, and remembers the trials without a change."""

    def __init__(self, f: Findings, seeds: int, clock: Budget) -> None:
        self.f, self.clock = f, clock
        self._cost = 0.0  # of the trials of one remedy, in seconds
        self._effects: dict[int, float] = {}
        self.seeds = [f.seed + k for k in range(seeds)]
        self.case = f.case.with_optimizer()
        self._before: list[Trial] = []
        self._tried: dict[tuple[str, str], Remedy] = {}

    def treat(self, verdict: Verdict) -> Verdict:
        """Return the verdict with the remedies that were tried, best first, and those that could not be."""
        found, untried = proposals(Complaint(self.f, self.case, verdict))
        remedies = [r for p in found if (r := self._try(p)) is not None]
        remedies.sort(key=lambda r: (not r.helped, -self._effects.get(id(r), -math.inf)))
        return replace(verdict, remedies=tuple(remedies), untried=untried)

    def _try(self, proposal: Proposal) -> Remedy | None:
        """Return the result of a proposal; None if there is no time to try it."""
        key = proposal.key, said(f"remedy {proposal.key}", "en", proposal.values)
        if key not in self._tried:
            if not self.clock.allows(self._cost):
                self.clock.leave_out(key[1], proposal.key, proposal.values)
                return None
            began = self.clock.used
            remedy = self._tried[key] = self._measure(proposal, key[1])
            self._cost = max(self._cost, self.clock.used - began)
            self._effects[id(remedy)] = _effect(remedy, proposal.rescales)
        return self._tried[key]

    def _measure(self, proposal: Proposal, change: str) -> Remedy:
        if not self._before:
            self._before = [train(self.case, self.f.steps, s) for s in self.seeds]
        window, error, rate = self.f.window, "", None
        before = _measured(self._before, window, flow_range(self.f.start)[0])
        after: list[Trial] = []
        flow = math.nan
        failures: tuple[type[Exception], ...] = (*self.case.engine.errors, TypeError, AttributeError)
        try:
            exam = examine(proposal.make(self.seeds[0]), self.case.batches[:1])
            flow = math.nan if exam.error is not None else flow_range(exam)[0]
            after = [train(proposal.make(s), self.f.steps, s) for s in self.seeds]
            if not proposal.at_this_rate and not self._helped(
                before, _measured(after, window, flow), proposal.rescales
            ):
                rate, after = self._at_another_rate(proposal, after)
        except failures as problem:
            error = str(problem)
        error = error or next((str(t.error) for t in after if t.error is not None), "")
        outcome = _measured(after, window, flow)
        if proposal.works is not None:
            helped = not error and proposal.works(exam) and not outcome.loss > before.loss + 2 * before.spread
        else:
            helped = not error and self._helped(before, outcome, proposal.rescales)
        remedy = Remedy(change, before, outcome, helped, proposal.diff, error, proposal.key, proposal.values, rate)
        return replace(remedy, change=remedy.text())

    def _at_another_rate(self, proposal: Proposal, after: list[Trial]) -> tuple[float | None, list[Trial]]:
        """Return the best learning rate and its trials, since a changed network may need another rate."""
        window, seed = self.f.window, self.seeds[0]
        best, rate = after[0].final(window), None
        for factor in RATES:
            final = train(proposal.make(seed).with_rate(factor), self.f.steps, seed).final(window)
            if final < 0.97 * best:
                best, rate = final, factor
        if rate is None:
            return None, after
        return self.f.lr * rate, [train(proposal.make(s).with_rate(rate), self.f.steps, s) for s in self.seeds]

    def _helped(self, before: Measured, after: Measured, rescales: bool) -> bool:
        if not math.isfinite(after.loss):
            return False
        if not math.isfinite(before.loss):
            return after.loss < (self.f.start.loss if math.isfinite(self.f.start.loss) else math.inf)
        if rescales and not math.isnan(after.accuracy):
            return after.accuracy > before.accuracy + 0.01
        if rescales:
            return True
        if self.f.chance > 0 and not after.loss < 0.99 * self.f.chance:  # no better than a constant prediction
            return False
        gain = before.loss - after.loss
        return gain > LEAST * abs(before.loss) and gain > max(before.spread, after.spread)


def _effect(remedy: Remedy, rescales: bool) -> float:
    """Return by how much a remedy improved the result: a fraction of the loss, or accuracy if the loss itself
    changed.
    """
    before, after = remedy.measured_before, remedy.measured_after
    if not math.isfinite(after.loss):
        return -math.inf
    if rescales:
        return 0.0 if math.isnan(after.accuracy) else after.accuracy - before.accuracy
    if not math.isfinite(before.loss):
        return 1.0 / (1.0 + abs(after.loss)) + 1.0
    return (before.loss - after.loss) / (abs(before.loss) or 1.0)


def _measured(trials: list[Trial], window: int, flow: float) -> Measured:
    losses = [t.final(window) for t in trials]
    if not losses or not np.isfinite(losses).all():
        return Measured(math.inf, math.nan, flow)
    accuracy = float(np.mean([t.accuracy(window) for t in trials]))
    return Measured(float(np.mean(losses)), float(np.std(losses)), flow, accuracy)
