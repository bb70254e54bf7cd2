"""The comparison of a gradient with a numerical derivative in one direction, and how much it can detect."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from chainrule.base.budget import Budget, look
from chainrule.check.subjects.subject import Array, Subject, eps_of, rms

from .directional import FIRST_STEP, ORDER, Estimate, accurate, derivative

EXACT = 1e-12
"""Code with a smaller machine epsilon than this computes in float64."""
CLOSE = 1e-7
"""The relative disagreement that is tolerated: numerical derivatives of smooth float64 code are right to 1e-9 or so."""
CLOSE_COARSE = 2e-3
"""The same for code that computes only in float32 or float16, in addition to its own rounding."""
COARSE = 1e-2
"""A comparison that would miss an error of this fraction of the gradient is inconclusive."""
NOTHING = 1e-9
"""A slope of this size counts as zero, relative to a cotangent times an argument of size 1."""
SAFETY = 10.0
"""By how much the disagreement of extrapolations may underestimate their error."""
CHANCE = 2.0
"""An error of twice the tolerance cannot pass as agreement twice in a row."""
CROWDED = 8.0
"""How many times as long as alone code may take on a busy machine; what takes longer waits for something else."""
ASIDE = 1e-3
"""How far to move away from a kink, relative to the size of each argument."""
ZERO_SCALE = 0.1
"""The size assumed for an argument of zeros, such as a fresh bias."""
BUDGET = 30.0
"""The usual seconds for a whole check."""
UNDECIDED = "there was no time for the steps that would decide"
SMALLEST_WEIGHT = 0.5
"""Each element of a random direction is ±0.5 to ±1.5: no single error can hide, and no two cancel systematically."""


@dataclass(frozen=True)
class Measurement:
    """The result of one comparison, in units of the derivative along the direction.

    `status` is right, wrong, kink or unclear; `limit` is the smallest disagreement that would have been detected,
    `scale` the step length that corresponds to 1, `typical` the usual size of a derivative in one direction of this
    argument.
    """

    argument: str
    index: tuple[int, ...] | None
    analytic: float
    numeric: float
    limit: float
    typical: float
    scale: float
    status: str
    estimate: Estimate
    note: str = ""

    @property
    def difference(self) -> float:
        """The disagreement."""
        return abs(self.analytic - self.numeric)

    @property
    def relative_error(self) -> float:
        """The disagreement over the larger derivative; if it is within the limit, scaled so that the limit is
        `CLOSE`.
        """
        if not np.isfinite(self.analytic):
            return float("inf")
        seen = self.limit / CLOSE if self.status == "right" else self.limit
        return self.difference / max(abs(self.analytic), abs(self.numeric), seen, 1e-300)


class Probe:
    """A subject at one point with one cotangent: value, gradients, and derivatives of ⟨ȳ, f⟩ along directions."""

    def __init__(
        self, subject: Subject, y_bar: Array, at: Mapping[str, Array] | None = None, clock: Budget | None = None
    ) -> None:
        look()
        self.subject = subject
        self.clock = clock or Budget(np.inf)
        """The time of the whole check: once it is over, what is measured is measured with as few steps as possible."""
        self.patience = 1.0 if clock is None else max(1.0, clock.seconds / BUDGET)
        """How many times as long as usual a single search may take."""
        self.at = {name: np.array(x) for name, x in (at or subject.arguments).items()}
        self.output, self.seconds = timed(subject, self.fresh())
        self.y_bar = y_bar
        self.weights = np.asarray(y_bar, np.float64)
        self.gradients = cleaned(subject.backward(self.fresh(), np.array(y_bar)), self.at)
        self.eps = max(eps_of(a) for a in (self.output, *self.at.values()))
        self.careful = True
        """Whether the function may change its arguments, so that it needs copies."""
        self.raised: Exception | None = None
        self.until = np.inf
        """When, by the processor's time, the search for causes ends."""
        self.cut_short: list[tuple[int, int]] = []
        """How many changes of the code were tried, and of how many, in searches that time ended."""
        self.fruitless = 0
        """How many searches for a change of the code found none that makes all gradients right."""
        self.changes: list[Any] | None = None
        """The changes of the code that can be tried, the same for the gradient of every argument."""
        self.tried: Any = None
        """What those led to that were tried."""
        self.repairs: list[Any] = []
        """The changes to the backward pass that made one of its gradients right."""
        self.approximate = False
        """Whether another gradient was found to be right to a few digits, for no reason that is known."""
        self.near: dict[str, Any] = {}
        """The reason `approximate` of those gradients that it may apply to."""
        self.numeric: dict[str, Any] = {}
        """The gradients that were measured element by element."""
        self.places: dict[bool, Any] = {}
        """Which operation is to blame, for gradients that are missing and for those that are not."""
        self.blamed: dict[str, Any] = {}
        """What was found out about operations to blame, by name: the same for the gradient of every argument."""
        self.evaluations = 0

    @property
    def exact(self) -> bool:
        """Whether everything is computed in float64."""
        return self.eps < EXACT

    @property
    def left(self) -> float:
        """Seconds that are left for causes."""
        return max(min(self.until - time.process_time(), self.clock.left), 0.0)

    def retimed(self) -> float:
        """Return the seconds of one run: the first ones may have included compilation, or waiting for a process."""
        if not self.clock.over:
            self.seconds = min(self.seconds, timed(self.subject, self.fresh())[1])
        return self.seconds

    def rounding(self) -> float:
        """Return the derivative, for steps of the arguments' size, below which everything is rounding."""
        return 100 * self.eps * float(np.linalg.norm(np.ravel(self.weights * self.output)))

    def fresh(self) -> dict[str, Array]:
        """Return copies of the arguments, for code that may change them."""
        return {name: np.array(x) for name, x in self.at.items()}

    def scale(self, name: str) -> float:
        """Return the size of an argument's elements, so that steps can be relative to it.

        Small elements count as larger, since whatever they are added to inside the function rounds to its own size.
        """
        size = rms(self.at[name])
        return size if size >= ZERO_SCALE else float(np.sqrt(size * ZERO_SCALE)) or ZERO_SCALE

    def along(self, directions: Mapping[str, Array]) -> Any:
        """Return f as a function of a step along directions in some arguments; NaN if it raises."""

        def moved(t: float) -> Any:
            if t == 0:
                return self.output.astype(np.float64, copy=False)
            look()
            self.evaluations += 1
            arguments = self.fresh() if self.careful else dict(self.at)
            for name, v in directions.items():
                arguments[name] = np.asarray(self.at[name] + t * v, self.at[name].dtype)  # a number stays an array
            with np.errstate(all="ignore"):
                try:
                    y = np.asarray(self.subject.forward(arguments), np.float64)
                except Exception as error:
                    self.raised = error
                    return np.full(np.shape(self.output), np.nan)
            return y if y.shape == self.output.shape else np.full(np.shape(self.output), np.nan)

        return moved

    def component(self, directions: Mapping[str, Array]) -> float:
        """Return the analytic derivative along directions."""
        return float(sum(np.sum(self.gradients[name] * v) for name, v in directions.items()))

    def typical(self, directions: Mapping[str, Array]) -> float:
        """Return the norm of the analytic derivatives of the elements along directions."""
        return float(np.sqrt(sum(np.sum(np.square(self.gradients[name] * v)) for name, v in directions.items())))

    def slope(self, directions: Mapping[str, Array], **options: Any) -> Estimate:
        """Return the numerical derivative along directions."""
        first = FIRST_STEP if self.exact else 4 * FIRST_STEP
        options = {"first_step": first, "rounding": 16 * self.eps, **options}
        if (given := options.get("settled")) is not None:
            options["settled"] = lambda e: given(e) or self.enough(e)
        return derivative(self.along(directions), weights=self.weights, **options)

    def enough(self, e: Estimate) -> bool:
        """Whether the steps so far have to do, as the time is over."""
        return len(e.sweep) >= ORDER and self.clock.over

    def shifted(self, rng: np.random.Generator) -> "Probe | None":
        """Return a probe at a nearby point, or None if the function is not defined there."""
        for distance in (ASIDE, ASIDE / 100, ASIDE / 10_000):
            at = {
                name: np.asarray(x + distance * self.scale(name) * rng.standard_normal(x.shape), x.dtype)
                for name, x in self.at.items()
            }
            try:
                with np.errstate(all="ignore"):
                    aside = Probe(self.subject, self.y_bar, at, self.clock)
            except Exception:
                continue
            if aside.output.shape == self.output.shape and np.all(np.isfinite(aside.output)):
                return aside
        return None


def timed(subject: Subject, arguments: dict[str, Array]) -> tuple[Array, float]:
    """Return the output, and the seconds that it takes: of the processor, or what is certain to be waiting."""
    busy, began = time.process_time(), time.perf_counter()
    output = subject.forward(arguments)
    return output, max(time.process_time() - busy, (time.perf_counter() - began) / CROWDED)


def measure(probe: Probe, directions: Mapping[str, Array], typical: float, index: Any = None) -> Measurement:
    """Compare along directions.

    The comparison ends as soon as numerical derivatives agree twice in a row. If none do, the one whose extrapolations
    agree best is used, and a second one with other steps must confirm it before the gradient is called wrong.
    """
    return _Comparison(probe, directions, typical, index).result()


class _Comparison:
    """The analytic derivative along directions, together with the numerical ones."""

    def __init__(self, probe: Probe, directions: Mapping[str, Array], typical: float, index: Any) -> None:
        self.probe, self.directions, self.index = probe, directions, index
        self.analytic = probe.component(directions)
        self.size = max(typical, probe.typical(directions))
        self.close = CLOSE if probe.exact else CLOSE_COARSE
        self.scale = max(float(np.max(np.abs(v), initial=0.0)) for v in directions.values())
        self.previous: tuple[float, ...] = ()
        self.finest = np.inf
        self.agreed: Estimate | None = None

    def tolerance(self, e: Estimate) -> float:
        # The rounding of the argument itself counts as well: it changes the step.
        rounded = 2 * self.probe.eps * self.size / e.step
        return self.close * max(abs(self.analytic), min(abs(e.value), 1e300), self.size) + 4 * e.noise + rounded

    def agrees(self, e: Estimate) -> bool:
        """Whether an extrapolation, and the same one with steps twice as long, both agree with the gradient.

        One of them may agree by chance, since with ever shorter steps the estimates pass through many values. The error
        of an estimate falls to a quarter or less with each step, so a gradient that differs from the limit by twice the
        tolerance cannot agree with two in a row.
        """
        tolerance = self.tolerance(e)
        self.finest = min(self.finest, tolerance)
        close = [abs(self.analytic - value) <= tolerance for value in e.row]
        before = [abs(self.analytic - value) <= tolerance for value in self.previous]
        self.previous = e.row
        small = tolerance <= 8 * self.finest or 4 * e.noise <= self.close * self.size
        if small and any(now and then for now, then in zip(close, before, strict=False)):
            self.agreed = e
        return self.agreed is not None

    def decided(self, e: Estimate) -> bool:
        """Whether more steps would change nothing: the derivatives agree, or clearly differ."""
        apart = abs(self.analytic - e.value)
        return self.agrees(e) or (1e3 * max(e.error, e.noise) < apart and e.jump < 0.01 * apart)

    def result(self) -> Measurement:
        """Compare, with other steps if the first ones are inconclusive."""
        best = self.probe.slope(self.directions, settled=self.decided)
        if not np.isfinite(self.analytic):
            return self.measured("wrong", best, 0.0, "the gradient is not finite")
        if self.agreed is None and not self.sees(best) and not self.probe.clock.over:
            self.previous, self.finest = (), np.inf
            finer = self.probe.slope(self.directions, first_step=FIRST_STEP * 2.0**-12, settled=self.agrees)
            if not np.isfinite(best.value) or finer.error + finer.noise < best.error + best.noise:
                best = finer
        if self.agreed is not None:
            return _sharp(self.probe, self.measured("right", self.agreed, CHANCE * self.tolerance(self.agreed)))
        if not np.isfinite(best.value):
            return self.measured("unclear", best, np.inf, _where_undefined(self.probe))
        return self.judged(best)

    def sees(self, e: Estimate) -> bool:
        """Whether an estimate is good enough to use."""
        return np.isfinite(e.value) and e.error <= 1e-3 * max(abs(self.analytic), abs(e.value), self.size)

    def judged(self, best: Estimate) -> Measurement:
        """Decide on an estimate that does not agree immediately."""
        limit = self.tolerance(best) + SAFETY * min(best.error, 1e300)
        mismatch = abs(self.analytic - best.value)
        if mismatch <= limit:
            return _sharp(self.probe, self.measured("right", best, CHANCE * limit))
        nothing = 1000 * self.probe.eps * float(np.linalg.norm(self.probe.weights)) * self.scale
        if max(abs(self.analytic), abs(best.value)) <= nothing and best.error >= 1e-3 * abs(best.value):
            return self.measured("right", best, nothing)  # both are rounding errors of a slope that is zero
        if self.probe.clock.over:
            return self.hurried(best, limit)
        second = self.probe.slope(
            self.directions, first_step=FIRST_STEP * 0.77 if self.probe.exact else FIRST_STEP * 3.1
        )
        if any(_kinked(self.probe, self.directions, e, mismatch) for e in (best, second)):
            return self.measured("kink", best, limit)
        if not abs(second.value - best.value) <= 0.1 * mismatch:
            return self.measured("unclear", best, limit, "numerical derivatives with different steps disagree")
        if self.probe.exact and _right_nearby(self.probe, self.directions, self.analytic, mismatch):
            return self.measured("kink", best, limit)
        return self.measured("wrong", best, limit)

    def hurried(self, best: Estimate, limit: float) -> Measurement:
        """Decide on one estimate, as there is no time for a second: the gradient is wrong if that is beyond doubt."""
        sure = self.sees(best) and best.jump <= 0.1 * abs(self.analytic - best.value)
        return self.measured("wrong" if sure else "unclear", best, limit, "" if sure else UNDECIDED)

    def measured(self, status: str, e: Estimate, limit: float, note: str = "") -> Measurement:
        numeric = min(e.row, key=lambda value: abs(value - self.analytic)) if status == "right" and e.row else e.value
        argument = next(iter(self.directions))
        return Measurement(argument, self.index, self.analytic, numeric, limit, self.size, self.scale, status, e, note)


def _right_nearby(probe: Probe, directions: Mapping[str, Array], analytic: float, mismatch: float) -> bool:
    """Whether steps too short for precision, but long enough to show so large a mismatch, show none: a kink is near."""
    for halvings in (18, 22, 26, 30):
        e = probe.slope(directions, first_step=2.0**-halvings, rows=1, settled=lambda _: True)
        if e.noise <= 0.01 * mismatch and abs(e.value - analytic) <= 0.02 * mismatch:
            return True
    return False


def _sharp(probe: Probe, found: Measurement) -> Measurement:
    """Call a right comparison unclear if its limit could hide an error comparable to the gradient itself."""
    value = max(abs(found.analytic), abs(found.numeric), found.typical)
    if found.limit <= COARSE * value:
        return found
    if value <= found.limit <= max(NOTHING, 1e3 * probe.eps) * float(np.linalg.norm(probe.weights)) * found.scale:
        return found  # zero, as far as can be seen
    return replace(found, status="unclear", note="rounding hides an error as large as a hundredth of the gradient")


def _kinked(probe: Probe, directions: Mapping[str, Array], e: Estimate, mismatch: float) -> bool:
    """Whether the one-sided slopes differ, and still do for a much shorter step, where curvature would vanish."""
    if not np.isfinite(e.jump):
        return True
    if e.jump <= max(0.1 * mismatch, 20 * e.noise):
        return False
    near = probe.slope(directions, first_step=e.step / 64, settled=lambda e: len(e.row) > 1)
    return near.jump > max(0.1 * mismatch, 20 * near.noise)


def _where_undefined(probe: Probe) -> str:
    if probe.raised is not None:
        return f"the function raises near this point ({type(probe.raised).__name__}: {probe.raised})"
    return "the function is not finite near this point"


def random_direction(rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
    """Return a direction that involves every element, with no two weights equal."""
    return rng.uniform(SMALLEST_WEIGHT, 2 - SMALLEST_WEIGHT, shape) * rng.choice((-1.0, 1.0), shape)


def unit(shape: tuple[int, ...], index: tuple[int, ...], scale: float) -> Array:
    """Return the direction of one element."""
    direction = np.zeros(shape)
    direction[index] = scale
    return direction


def cleaned(gradients: Mapping[str, Any], at: Mapping[str, Array]) -> dict[str, Array]:
    """Return the gradients as float64 arrays, zeros for None; those of a wrong shape are left out."""
    found = {}
    for name, x in at.items():
        g = gradients.get(name)
        array = np.zeros(x.shape) if g is None else np.asarray(g)
        if array.shape == x.shape and array.dtype.kind in "fiub":
            found[name] = array.astype(np.float64)
    return found


def numeric_gradient(probe: Probe, name: str) -> Array:
    """Return the numerical gradient of one argument, element by element."""
    x = probe.at[name]
    found = np.zeros(x.shape)
    scale = probe.scale(name)

    def good(e: Estimate) -> bool:
        return accurate(e) or e.error <= 1e-10 * abs(e.value) + e.noise

    for index in np.ndindex(x.shape):
        estimate = probe.slope({name: unit(x.shape, index, scale)}, settled=good)
        found[index] = estimate.value / scale
    return found
