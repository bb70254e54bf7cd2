"""`check`: is this gradient right, and if not, why and where?"""

import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from chainrule.base.budget import Budget, within
from chainrule.core.operands.faces import behind, is_face

from .measuring.coverage import Covered, cover, cover_at_once
from .measuring.grain import grainy
from .measuring.inside import inside, merged, square_inside
from .measuring.measure import BUDGET, EXACT, Measurement, Probe, measure, random_direction
from .measuring.preliminary import TWICE, FirstRun, blocks, preliminary
from .measuring.shapes import explained_shape
from .measuring.values import other_value
from .report.found import Finding
from .report.report import CheckReport
from .report.verdicts import verdict_of
from .subjects.functions import subject_of
from .subjects.in_parts import in_parts
from .subjects.subject import Array, Subject, eps_of, rms
from .why.designed import accepted, expectations
from .why.diagnosis import branches, diagnose, not_sought
from .why.shared import shared

ADJOINT = 1e-9
"""The relative disagreement between the two modes that rounding can explain, in float64."""
HOLDS = "the adjoint identity holds"
SILENT = 1e-9
"""A gradient this small relative to the measured one counts as missing."""
MEASURING = 0.5
"""The share of the budget after which the remaining arguments are measured along one direction only."""
EXPLAINING = 2 / 3
"""The share in which causes are sought, of all wrong gradients together: one mistake in a deep network makes the
gradients of all parameters before it wrong."""
A_DIRECTION = 8
"""About how many runs of the function one direction takes."""
COTANGENTS = 2
"""The number of cotangents that the backward pass is tested with."""


def check(
    f: Callable[..., Any],
    *args: Any,
    backward: Callable[..., Any] | None = None,
    jvp: Callable[..., Any] | None = None,
    full: bool = False,
    explain: bool = True,
    seed: int = 0,
    expected: str | Collection[str] = (),
    budget: float = BUDGET,
) -> CheckReport:
    r"""Say whether a gradient is right, and if it is not, why and where.

    `f` is a function in NumPy or chainrule code, a `chainrule.custom` operation, a module or a loss, called as
    `f(*args)`. The gradient under test is `backward(y_bar, *args)`, which returns one gradient per floating-point
    argument (a single one need not be in a tuple). Without `backward`, it is chainrule's own gradient of `f`, including
    those of all parameters of the modules that `f` is or refers to. `jvp(primals, tangents)` returns the tangent of
    the output, or `(y, y_dot)`.

    The check covers, in this order: the behaviour of both passes (shapes, dtypes, repeatability, in-place changes); if
    there are both modes, the adjoint identity
    $\langle\bar y, J\dot x\rangle = \langle J^\top\bar y, \dot x\rangle$; and numerical derivatives of
    $\langle\bar y, f\rangle$ along random directions and in single elements of every argument, in float64 if `f`
    supports it. `full` checks every element. `explain=False` only detects a wrong gradient and does not explain it,
    which is faster. `seed` fixes all random choices.

    `budget` is roughly how many seconds this may take, of which those that other programs take of the machine do not
    count; `full` measures every element, however long it takes. What a slow function leaves no time for is left out,
    and the report's notes say what that was. However slow it is, both passes run, and so do the steps of one direction.

    A gradient that is deliberately not the derivative is reported as `straight-through` (through a step, or a surrogate
    of its slope), `gradient-reversal`, `gradient-scaling` or `approximate` (right but for a solver's tolerance); those
    named in `expected` count as right.

    Complex arguments and results are checked by their real and imaginary parts, elements 0 and 1 along a last axis. The
    gradient with respect to x + iy is taken to be ∂/∂x - i ∂/∂y.

    Raises whatever `f` raises at `args`, TypeError if there is no floating-point argument, and ValueError for an
    unknown name in `expected` or a `budget` that is not above 0.

    >>> import numpy as np
    >>> report = check(np.tanh, np.linspace(-2, 2, 5), backward=lambda y_bar, x: y_bar * (1 - np.tanh(x) ** 2))
    >>> report.verdict, report.ok
    ('right', True)
    >>> check(np.tanh, np.linspace(-2, 2, 5), backward=lambda y_bar, x: -y_bar * (1 - np.tanh(x) ** 2)).verdict
    'wrong'
    """
    if is_face(f):
        f, args = behind(f), behind(args)
    subject = subject_of(f, args, backward, jvp)
    return examine(subject, full=full, explain=explain, seed=seed, expected=expected, budget=budget)


def examine(
    subject: Subject,
    *,
    full: bool = False,
    explain: bool = True,
    seed: int = 0,
    expected: str | Collection[str] = (),
    budget: float = BUDGET,
) -> CheckReport:
    """Check a subject from any framework, as described in `check`."""
    codes = expectations(expected)
    if not budget > 0:
        raise ValueError(f"check: budget: expected a number of seconds above 0, got {budget}")
    if not subject.arguments:
        raise TypeError(f"check: {subject.name} has no floating argument and no parameter to be checked")
    clock = Budget(budget)
    first = FirstRun.of(subject)
    real = in_parts(subject, first.output)
    first = first if real is subject else FirstRun.of(real)
    report = _examined(real, first, full, explain or bool(codes), seed, clock)
    return accepted(report, codes)


def _examined(subject: Subject, first: FirstRun, full: bool, explain: bool, seed: int, clock: Budget) -> CheckReport:
    rng, y = np.random.default_rng(seed), first.output
    bars = [_cotangent(rng, y) for _ in range(COTANGENTS)]
    outer = preliminary(subject, bars[0], first, clock)
    inner: list[Finding] = []
    if clock.allows(TWICE * first.seconds):
        with within(clock):
            inner = inside(subject, seed)
    with within(clock):
        outer = [explained_shape(f, subject, bars[0]) if explain else f for f in outer]
    findings = merged(outer, inner)
    if any(blocks(finding) for finding in [*outer, *findings]):
        return CheckReport(subject.name, verdict_of(findings), tuple(findings), ())
    if clock.allows(TWICE * first.seconds):
        with within(clock):
            if (other := other_value(subject, y)) is not None:
                findings.append(other)
    examination = Examination.of(subject, y, bars, rng, clock)
    examination.repeated = first.repeated
    return examination.report(findings, full, seed, explain)


def _probes(subject: Subject, bars: list[Array], clock: Budget) -> list[Probe]:
    """Return a probe for each cotangent; for the first alone, if a second one would take most of the time."""
    began, first = clock.used, Probe(subject, bars[0], clock=clock)
    more = bars[1:] if clock.allows(TWICE * (clock.used - began)) else []
    return [first, *(Probe(subject, bar, clock=clock) for bar in more)]


def _cotangent(rng: np.random.Generator, y: Array) -> Array:
    return random_direction(rng, y.shape).astype(y.dtype)


@dataclass
class Examination:
    """The numerical part of a check, in the widest dtype that the code supports."""

    subject: Subject
    native: Subject
    probes: list[Probe]
    rng: np.random.Generator
    dtype: Any = np.float64
    """That of the output of `native`."""
    clock: Budget = field(default_factory=lambda: Budget(np.inf))
    spent: float = 0.0
    """Seconds for causes, so far."""
    unseen: list[str] = field(default_factory=list)
    """The arguments that there was no time to measure."""
    at_once: list[str] = field(default_factory=list)
    """Those that were measured along one direction of all of them."""
    together: Measurement | None = None
    """One of several arguments that is not right, if there was no time to see of which."""
    suspects: list[str] = field(default_factory=list)
    """What it is of."""
    repeated: bool = True
    """Whether both passes were run twice."""

    @classmethod
    def of(cls, native: Subject, y: Array, bars: list[Array], rng: np.random.Generator, clock: Budget) -> "Examination":
        """Choose the dtype: float64, unless the code rejects it, rounds to a narrower one, or gives other results.

        `y` is the output in the arguments' own dtype: nothing is run there again if float64 will do.
        """
        eps = max(eps_of(a) for a in (y, *native.arguments.values()))
        if eps >= EXACT and (wide := native.widened()) is not None:
            with np.errstate(all="ignore"):
                try:
                    probes = _probes(wide, [np.asarray(bar, np.float64) for bar in bars], clock)
                except Exception:
                    probes = []
            if probes and probes[0].exact and _same(probes[0].output, y, eps):
                return cls(wide, native, probes, rng, y.dtype, clock)
        return cls(native, native, _probes(native, bars, clock), rng, y.dtype, clock)

    @property
    def first(self) -> Probe:
        """The probe whose gradients are reported."""
        return self.probes[0]

    def report(self, findings: list[Finding], full: bool, seed: int, explain: bool) -> CheckReport:
        """Measure everything and assemble the report."""
        for probe in self.probes:
            probe.careful = any(finding.verdict == "mutates-input" for finding in findings)
        modes, mode_findings = self.modes()
        covered = self.covered(full)
        verdicts = {c.name: self.verdict(c, modes == HOLDS) for c in covered}
        doubtful = bool(mode_findings) or any(verdict != "right" for verdict in verdicts.values())
        if doubtful and self.subject is not self.native and grainy(self.first, self.rng):
            # A part of the code rounds to the narrower dtype: what that shows is seen with its steps and tolerance.
            probes = _probes(self.native, [probe.y_bar.astype(self.dtype) for probe in self.probes], self.clock)
            narrow = Examination(self.native, self.native, probes, self.rng, clock=self.clock)
            return narrow.report(findings, full, seed, explain)
        if all(verdict in ("right", "kink") for verdict in verdicts.values()):
            findings += mode_findings
        for c in covered:
            if verdicts[c.name] == "right":
                continue
            found = self.finding(c, verdicts[c.name], seed, explain)
            verdicts[c.name] = found.verdict
            findings.append(found)
        if self.together is not None:
            findings.append(self.of_several(self.together))
        findings = shared(findings)
        if not findings and (square := square_inside(self.subject, seed)) is not None:
            findings.append(square)
        rows = tuple(c.row(self.first, verdicts[c.name], full) for c in covered)
        evaluations = sum(probe.evaluations for probe in self.probes)
        return CheckReport(
            self.native.name,
            verdict_of(findings),
            tuple(findings),
            rows,
            evaluations,
            modes,
            (*self.ended(findings), *self.left_out(covered)),
            {name: self.first.gradients[name] for name in verdicts},
        )

    def covered(self, full: bool) -> list[Covered]:
        """Measure each argument: in single elements and along directions; once a share of the time is over, along one
        direction; and those that there is no time for along one of all of them, unless every element is wanted.
        """
        left = [name for name in self.first.at if name in self.first.gradients]
        found: list[Covered] = []
        tried, needed = full, A_DIRECTION * self.first.seconds
        while left and (full or not found or not self.clock.over):
            if not tried and not self.clock.allows(needed * len(left)):
                needed = A_DIRECTION * self.first.retimed()
            if not tried and not self.clock.allows(needed * len(left)):
                tried = True
                some, self.together, self.suspects = cover_at_once(self.first, left, self.rng)
                found += some
                self.at_once = [c.name for c in some]
                left = [name for name in left if name not in self.at_once]
                if self.together is not None:
                    break
                continue
            brief = not full and self.clock.used > MEASURING * self.clock.seconds
            found.append(cover(self.probes, left.pop(0), self.rng, full, brief=brief, hurried=not full))
        self.unseen = left
        return found

    def verdict(self, covered: Covered, modes_agree: bool) -> str:
        """Return the verdict on one argument's gradient."""
        if covered.verdict == "wrong":
            most = max(abs(m.numeric) for m in covered.with_status("wrong"))
            silent = self.first.scale(covered.name) * rms(self.first.gradients[covered.name]) <= SILENT * most
            return "missing" if silent else "wrong"
        if covered.verdict == "unclear":
            raised = [m for m in covered.with_status("unclear") if not np.isfinite(m.numeric)]
            if raised:
                return "not-finite" if self.first.raised is None else "raises"
            if modes_agree:
                return "right"  # too small to measure, but two independent passes agree on it
            return "step-size-noise" if self.first.exact else "dtype-too-coarse"
        return covered.verdict

    def finding(self, covered: Covered, verdict: str, seed: int, explain: bool) -> Finding:
        """Return the finding for one argument."""
        status = {"missing": "wrong", "wrong": "wrong", "kink": "kink"}.get(verdict, "unclear")
        bad = covered.with_status(status)
        worst = max(bad, key=lambda m: (m.index is not None, min(m.relative_error, 1e300), m.difference))
        found = Finding(
            verdict,
            covered.name,
            _words(verdict, worst, self.first),
            verdict,
            worst.index,
            worst.analytic / (worst.scale if worst.index is not None else 1.0),
            worst.numeric / (worst.scale if worst.index is not None else 1.0),
            worst.relative_error,
            source=self.native.source,
            operation=self.native.backward_name,
            sweep=worst.estimate.sweep,
            sweep_analytic=worst.analytic,
        )
        if verdict == "kink":
            return branches(found, self.first, worst)
        if verdict in ("wrong", "missing"):
            return self.diagnosed(found, seed, explain)
        return found

    def of_several(self, found: Measurement) -> Finding:
        """Return the finding for several arguments that were measured at once."""
        verdict = self.verdict(Covered(found.argument, projections=[found]), False)
        text = f"along a direction of all elements of {', '.join(self.suspects)}: {_words(verdict, found, self.first)}"
        numbers = found.analytic, found.numeric, found.relative_error
        return Finding(verdict, "", text, "unexplained", None, *numbers, self.native.backward_name, self.native.source)

    def diagnosed(self, found: Finding, seed: int, explain: bool) -> Finding:
        """Return where and why a gradient is wrong; only where, once that has taken `EXPLAINING`."""
        seconds = EXPLAINING * self.clock.seconds
        self.first.until = np.inf
        if explain and self.spent > seconds:
            return not_sought(self.placed(found, seed), self.first, seconds)
        part = Budget(max(min(seconds - self.spent, self.clock.left), 0.0))
        self.first.until = time.process_time() + part.seconds
        diagnosed: Finding | None = None
        with within(part):
            diagnosed = diagnose(found, self.native, self.first, seed, explain)
        self.spent += part.used
        self.first.until = np.inf
        return diagnosed or not_sought(self.placed(found, seed), self.first, None)

    def placed(self, found: Finding, seed: int) -> Finding:
        """Return where a gradient is wrong, as far as there is time to find out."""
        with within(self.clock):
            return diagnose(found, self.native, self.first, seed, False)
        return found  # what was left by `within`

    def ended(self, findings: list[Finding]) -> tuple[str, ...]:
        """Return the note on a search for causes that ended before it was over, of those that found none."""
        cut_short = self.first.cut_short if any(finding.code == "unexplained" for finding in findings) else ()
        if not cut_short:
            return ()
        tried, of = max(cut_short)
        return (f"The search for a cause was ended: {tried} of {of} possible changes of the code were tried.",)

    def left_out(self, covered: list[Covered]) -> Iterator[str]:
        """Yield what there was no time for, in sentences."""
        budget = f"The budget of {self.clock.seconds:g} s left no time"
        whole = [c.name for c in covered if not c.entries and c.name not in self.at_once and self.first.at[c.name].size]
        if self.unseen:
            yield f"{budget} to compare the gradients of {', '.join(self.unseen)}."
        if self.at_once:
            yield f"{budget} for more than one direction of all elements at once of {', '.join(self.at_once)}."
        if whole:
            yield f"{budget} for single elements of {', '.join(whole)}."
        if not self.repeated:
            yield f"{budget} for a second run: whether the results of two runs differ is not known."

    def modes(self) -> tuple[str, list[Finding]]:
        """Compare the two modes by the adjoint identity, and forward mode with numerical derivatives if needed."""
        probe = self.first
        if probe.gradients.keys() != probe.at.keys():
            return "", []  # the identity needs all gradients, but one has a wrong shape
        tangents = {
            n: probe.scale(n) * random_direction(self.rng, x.shape).astype(x.dtype) for n, x in probe.at.items()
        }
        tangents = {n: t.astype(probe.at[n].dtype) for n, t in tangents.items()}
        try:
            with np.errstate(all="ignore"):
                y_dot = self.subject.jvp(probe.fresh(), tangents)
        except Exception as error:
            return "", [Finding("signature", "", f"jvp raised {type(error).__name__}: {error}", "signature")]
        if y_dot is None:
            return "", []
        if np.shape(y_dot) != probe.output.shape:
            detail = f"the tangent has shape {list(np.shape(y_dot))}, expected {list(probe.output.shape)}, the output's"
            return "", [Finding("shape", "", f"jvp: {detail}", "shape")]
        forward = float(np.sum(probe.weights * y_dot))
        terms = float(np.linalg.norm(np.ravel(probe.weights * y_dot)))
        rounding = (ADJOINT if probe.exact else 1e3 * probe.eps) * max(abs(forward), probe.typical(tangents), terms)
        size = max(probe.scale(name) for name in probe.at)
        rounding += probe.rounding() + 100 * probe.eps * size * float(np.linalg.norm(probe.weights))
        if abs(forward - probe.component(tangents)) <= rounding:
            return HOLDS, []
        measured = measure(probe, tangents, 0.0)
        if measured.status != "right":
            return "", []  # reverse mode is wrong, or the point is on a kink: reported later
        detail = "forward mode (jvp) disagrees with reverse mode and with numerical differentiation"
        apart = abs(forward - measured.numeric) / max(abs(forward), abs(measured.numeric))
        finding = Finding("wrong", "", detail, "unexplained", None, forward, measured.numeric, apart, "jvp")
        return "the two modes disagree", [finding]


def _same(wide: Array, narrow: Array, eps: float) -> bool:
    size = float(np.max(np.abs(narrow), initial=0.0))
    return wide.shape == narrow.shape and float(np.max(np.abs(wide - narrow), initial=0.0)) <= 0.1 * size + 100 * eps


def _words(verdict: str, worst: Measurement, probe: Probe) -> str:
    place = "this element" if worst.index is not None else "a random direction"
    if verdict == "missing":
        return f"the gradient is zero or None, but the function changes along {place}"
    if verdict == "kink":
        e, unit = worst.estimate, worst.scale if worst.index is not None else 1.0
        return f"a kink: the slope is {e.left / unit:.6g} on the left and {e.right / unit:.6g} on the right"
    if verdict == "wrong":
        return f"the gradient is wrong{f' {worst.note}' if worst.note else ''}"
    if verdict == "raises":
        raised = probe.raised
        return f"the function raised {type(raised).__name__} where its arguments are moved a little: {raised}"
    if verdict == "dtype-too-coarse":
        return f"computed in {probe.output.dtype}: {worst.note}; make the code accept float64, or check a smaller case"
    return worst.note or "no step shows the derivative well enough"
