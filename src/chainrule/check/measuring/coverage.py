"""What to measure: random projections of every argument and single elements spread over it; and the results."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np

from chainrule.check.report.found import ArgumentRow
from chainrule.check.subjects.subject import Array, rms

from .measure import COARSE, SMALLEST_WEIGHT, Measurement, Probe, measure, random_direction, unit

LARGEST = 2
SPREAD = 4
"""The elements measured in each argument: those with the largest gradients, one with the smallest, the first, the last,
and a random one in each of as many equal parts."""


@dataclass
class Covered:
    """The measurements of one argument."""

    name: str
    entries: list[Measurement] = field(default_factory=list)
    projections: list[Measurement] = field(default_factory=list)
    kink: Measurement | None = None
    aside: bool = False

    @property
    def all(self) -> list[Measurement]:
        """All measurements."""
        return [*self.entries, *self.projections]

    def with_status(self, status: str) -> list[Measurement]:
        """Return the measurements with one status."""
        return [m for m in self.all if m.status == status]

    @property
    def verdict(self) -> str:
        """The worst status measured: wrong, unclear, kink or right."""
        statuses = {m.status for m in self.all}
        return next((s for s in ("wrong", "unclear", "kink") if s in statuses), "right")

    def row(self, probe: Probe, verdict: str, full: bool) -> ArgumentRow:
        """Summarise."""
        x = probe.at[self.name]
        usable = [m for m in self.all if m.status in ("right", "wrong")]
        worst = max((m.relative_error for m in usable), default=0.0)
        size = rms(probe.gradients[self.name])
        share = 1.0 if full else SMALLEST_WEIGHT
        # A projection misses an error in one element only if the weighted error is below its limit. The first one uses
        # the cotangent whose gradient is reported; the others repeat it with other cotangents.
        seen = [
            m for m in (self.entries if full else self.projections or self.entries) if m.status in ("right", "kink")
        ]
        limits = [m.limit / (share * probe.scale(self.name)) for m in seen]
        limit = max(limits if full else limits[:1], default=0.0)
        relative = limit / size if size else limit
        entries = len(self.entries)
        return ArgumentRow(
            self.name, x.shape, str(x.dtype), entries, len(self.projections), float(worst), float(relative), verdict
        )


def cover(
    probes: list[Probe], name: str, rng: np.random.Generator, full: bool, *, brief: bool = False, hurried: bool = False
) -> Covered:
    """Measure one argument: along one random direction per probe, and in single elements with the first probe.

    Where it must be `brief`, the first probe's direction has to do, if that shows the gradient to be right. If it is
    `hurried`, whatever was measured has to do once the probes' time is over.
    """
    covered = Covered(name)
    first = probes[0]
    x = first.at[name]
    if x.size == 0:
        return covered
    scale = first.scale(name)
    if not full and x.size > 1:
        for probe in probes:
            direction = scale * random_direction(rng, x.shape)
            covered.projections.append(_at_kinks(probe, {name: direction}, 0.0, None, rng))
            if (brief and covered.verdict == "right") or (hurried and first.clock.over):
                return covered
    typical = rms(first.gradients[name]) * scale
    indices = np.ndindex(x.shape) if full else spread(first.gradients[name], rng)
    for index in indices:
        found = _at_kinks(first, {name: unit(x.shape, index, scale)}, typical, index, rng)
        covered.entries.append(found)
        if len(covered.with_status("wrong")) >= 40 or (hurried and first.clock.over):
            break
    return covered


def cover_at_once(
    probe: Probe, names: list[str], rng: np.random.Generator
) -> tuple[list[Covered], Measurement | None, list[str]]:
    """Measure arguments along one direction of all of them, and where that does not show that all are right, of half
    of them, and so on to a single one, as long as there is time.

    Returns those about which that decides, and a measurement that is not right with the arguments that it is of, if
    there was no time to see of which. An argument whose gradient is too small to be seen beside the others' is not
    decided.
    """
    directions = {n: probe.scale(n) * random_direction(rng, probe.at[n].shape) for n in names if probe.at[n].size}
    if not directions:
        return [Covered(n) for n in names], None, []
    found, suspects, done = measure(probe, directions, 0.0), list(directions), []
    if found.status == "right":
        return _seen(probe, directions, found), None, []
    while len(suspects) > 1 and not probe.clock.over:
        half = suspects[: len(suspects) // 2]
        of_half = {n: directions[n] for n in half}
        one = measure(probe, of_half, 0.0)
        if one.status == "right":
            done += _seen(probe, of_half, one)
            suspects = suspects[len(half) :]
            rest = found.analytic - one.analytic, found.numeric - one.numeric
            found = replace(found, argument=suspects[0], analytic=rest[0], numeric=rest[1])
        else:
            suspects, found = half, one
    if len(suspects) > 1:
        return done, found, suspects
    return [*done, Covered(suspects[0], projections=[found])], None, []


def _seen(probe: Probe, directions: dict[str, Array], found: Measurement) -> list[Covered]:
    """Return the arguments in which a mistake would have shown along a direction of all of them."""
    sizes = {n: float(np.linalg.norm(probe.gradients[n] * v)) for n, v in directions.items()}
    return [Covered(n, projections=[replace(found, argument=n)]) for n in sizes if found.limit <= COARSE * sizes[n]]


def spread(gradient: Array, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    """Yield the indices of the single elements to measure."""
    flat = np.abs(gradient).ravel()
    n = flat.size
    largest = np.argpartition(-flat, min(LARGEST, n - 1))[:LARGEST]
    edges = np.linspace(0, n, SPREAD + 1).astype(int)
    inside = [int(rng.integers(a, b)) for a, b in pairwise(edges) if b > a]
    for k in dict.fromkeys([*largest.tolist(), int(np.argmin(flat)), 0, n - 1, *inside]):
        yield tuple(int(i) for i in np.unravel_index(k, gradient.shape))


def _at_kinks(probe: Probe, directions: dict[str, Array], typical: float, index: Any, rng: Any) -> Measurement:
    """Measure; if the point is at a kink or nothing can be decided, measure at a point nearby."""
    found = measure(probe, directions, typical, index)
    if found.status not in ("kink", "unclear"):
        return found
    if found.status == "kink" and index is not None and _outside(probe, found, directions):
        return replace(found, status="wrong", note="outside the one-sided slopes")
    aside = None if probe.clock.over else probe.shifted(np.random.default_rng(rng.integers(1 << 31)))
    if aside is None:
        return found
    again = measure(aside, directions, 0.0, index)
    if again.status == "wrong":
        return replace(again, note="a little aside of the point")
    if again.status == "right":
        return (
            replace(found, limit=again.limit)
            if found.status == "kink"
            else replace(again, note="a little aside of the point")
        )
    return found


def _outside(probe: Probe, found: Measurement, directions: dict[str, Array]) -> bool:
    """Whether an element's gradient is not a slope of its kink, if that can be decided.

    It can if the element affects one output only. If it affects several, each has its own kink, and any mixture of
    their sides may be intended.
    """
    e = found.estimate
    moved = probe.along(directions)(e.step) != probe.output
    width = e.jump
    low, high = min(e.left, e.right) - found.limit - 0.01 * width, max(e.left, e.right) + found.limit + 0.01 * width
    separate = probe.output.size > 1 or probe.at[found.argument].size == 1
    return separate and int(np.sum(moved)) <= 1 and np.isfinite(width) and not low <= found.analytic <= high
