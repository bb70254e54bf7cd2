"""Gradients that deliberately differ from the derivative: straight-through, scaled, reversed and approximate ones."""

from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from chainrule.check.hypotheses import Hypothesis
from chainrule.check.hypotheses.candidate import Detail
from chainrule.check.measuring.measure import Probe, random_direction
from chainrule.check.report.found import Finding
from chainrule.check.report.report import CheckReport
from chainrule.check.report.verdicts import verdict_of

from .context import Context, norm

DESIGNED = ("straight-through", "gradient-reversal", "gradient-scaling", "approximate")
"""The codes that `expected` accepts."""
APPROXIMATE = 1e-3
"""A gradient with no larger error than this, relative to its size, may be an approximation."""
DIRECTIONS = 2
"""Along how many directions that is seen where an argument is large."""
FLAT = 1e-9
"""A measured gradient this small relative to the written one means that the function is flat here."""
SAME = 1e-9
"""A factor this close to 1 is none."""
FAR = 3.0
"""How far to move, relative to an argument, to see that a flat function is not constant."""
ROUNDED = 1e3
"""How many units of rounding a difference must span to be seen."""
JUMP = 1e-4
"""The share of a change that remains within such a difference where it is a jump."""
SLOPE = 0.03
"""A slope is none below this, relative to the function's mean slope on the way."""
SLOPING = 2
"""A function that is not flat at so many far points is no step."""
FEW = 16
"""In how many elements that is seen."""


def expectations(expected: str | Collection[str]) -> tuple[str, ...]:
    """Return the accepted codes. Raises ValueError for a code that is not in `DESIGNED`."""
    codes = (expected,) if isinstance(expected, str) else tuple(expected)
    unknown = [code for code in codes if code not in DESIGNED]
    if unknown:
        raise ValueError(f"check: expected: got {unknown[0]!r}, expected one of {', '.join(DESIGNED)}")
    return codes


def by_design(context: Context) -> Hypothesis | None:
    """Return the intended meaning of a gradient that is not the derivative, or None.

    Either the function is a step, flat here and elsewhere, and a gradient is passed through nevertheless; or the
    function is the identity, and its gradient a multiple of the incoming one.
    """
    g, n, bar = context.analytic, context.expected, context.y_bar
    if not context.same_shape or not np.all(np.isfinite(g)) or not np.all(np.isfinite(n)) or not np.any(g):
        return None
    if norm(n) <= max(FLAT * norm(g), context.noise if context.is_coarse else 0.0):
        return _through(context) if _steps(context) else None
    factor = _multiple(g, bar) if _passes_on(context) else None
    if factor is not None and abs(factor - 1) > SAME:
        code, what = ("gradient-reversal", "reversal") if factor < 0 else ("gradient-scaling", "scaling")
        text = (
            f"the function passes its argument on, and its gradient is {factor:.6g} times the one that arrives: a "
            f"gradient {what}; if it is meant, pass expected='{code}'"
        )
        return Hypothesis(code, Detail(text=text, factor=factor), 1.0)
    return None


def approximate(context: Context) -> Hypothesis | None:
    """Return the reason that a gradient comes from a method that stops at a tolerance, or None if it is too far off.

    A constant factor is none, however close to 1: of a method's errors no two are the same.
    """
    g, n = context.analytic, context.expected
    if not context.same_shape or g.size < 2 or not np.all(np.isfinite(g)) or not np.any(n):
        return None
    size = np.maximum(np.abs(n), norm(n) / np.sqrt(n.size))
    worst = float(np.max(np.abs(g - n) / size))
    factor = float(np.vdot(n, g) / np.vdot(n, n))
    if worst > APPROXIMATE or norm(g - factor * n) <= max(context.noise, 0.1 * norm(g - n)):
        return None
    return _to_digits(worst, "and no known mistake explains the rest")


def roughly(finding: Finding, probe: Probe, seed: int) -> Hypothesis | None:
    """Return the same of a gradient too large to be measured whole, if what was measured is right to a few digits: the
    element that is farthest off, and random directions.
    """
    if not 0 < finding.relative_error <= APPROXIMATE:
        return None
    rng, name = np.random.default_rng(seed), finding.argument
    for _ in range(DIRECTIONS):
        along = {name: probe.scale(name) * random_direction(rng, probe.at[name].shape)}
        if not abs(probe.slope(along).value - probe.component(along)) <= APPROXIMATE * probe.typical(along):
            return None
    return _to_digits(finding.relative_error, "as far as it was measured, and the rest may come from a small cause")


def _to_digits(worst: float, rest: str) -> Hypothesis:
    text = (
        f"the gradient agrees to {worst:.0e} of its size, {rest}: a rounded number, a small ε that only one of the two "
        "passes has, or a solver that stops at its tolerance; if that is meant, pass expected='approximate'"
    )
    return Hypothesis("approximate", Detail(text=text, size=f"{worst:.0e}"), 1.0)


def _through(context: Context) -> Hypothesis:
    factor = _multiple(context.analytic, context.y_bar)
    if factor is None:
        how = "a surrogate of its derivative stands in its place"
    elif abs(factor - 1) < SAME:
        how = "the gradient that arrives is passed straight through"
    else:
        how = f"the gradient that arrives is passed through, times {factor:.6g}"
    text = f"the function is flat here (every measured slope is 0), and {how}; if it is meant, pass "
    detail = Detail(text=text + "expected='straight-through'")
    if factor is not None:
        detail["factor"] = factor
    return Hypothesis("straight-through", detail, 1.0)


def _multiple(g: np.ndarray, bar: np.ndarray) -> float | None:
    """Return c if g = c · ȳ, element by element, else None."""
    if g.shape != bar.shape or not np.any(bar):
        return None
    c = float(np.vdot(bar, g) / np.vdot(bar, bar))
    return c if norm(g - c * bar) <= 1e-7 * norm(g) else None


def _passes_on(context: Context) -> bool:
    """Whether the function is the identity: here, and far from here, where a ReLU of positive numbers is none."""
    if context.output.shape != context.x.shape or not np.array_equal(context.output, context.x):
        return False
    return all(y is None or np.array_equal(y, moved) for moved, y in _far(context))


def _steps(context: Context) -> bool:
    """Whether the output changes if the argument moves far, in jumps: a ReLU of negative numbers is flat only here."""
    far = [(moved, y) for moved, y in _far(context) if y is not None and not np.array_equal(y, context.output)]
    if not far or _is_of_complex(context) or not _jumps(context, *far[0]):
        return False
    return sum(_slopes(context, *one) for one in far) < SLOPING


def _is_of_complex(context: Context) -> bool:
    """Whether the function is one from complex numbers to real ones, such as the angle: of real ones it is no step."""
    moved = context.x + 1e-3j * np.random.default_rng(0).standard_normal(context.x.shape)
    y = context.evaluate({**context.arguments, context.argument: moved})
    return y is not None and y.dtype.kind == "f" and not np.array_equal(y, context.output)


def _jumps(context: Context, far: np.ndarray, y: np.ndarray) -> bool:
    """Whether a change of the output on the way to a point remains, however short the part of the way."""
    left, right = 0.0, 1.0
    low, high = (float(np.vdot(context.y_bar, v)) for v in (context.output, y))
    change = abs(high - low)
    for _ in range(int(-np.log2(ROUNDED * context.coarsest))):
        middle = (left + right) / 2
        value = _at(context, context.x + middle * (far - context.x))
        if value is None:
            return False
        between = float(np.vdot(context.y_bar, value))
        if abs(between - low) > abs(high - between):
            right, high = middle, between
        else:
            left, low = middle, between
    return abs(high - low) > JUMP * change


def _slopes(context: Context, far: np.ndarray, y: np.ndarray) -> bool:
    """Whether the function is not flat at a point, in some elements: in steps so short that they hardly meet a jump."""
    rng = np.random.default_rng(1)
    distance = norm(far - context.x)
    chosen = rng.choice(far.size, min(far.size, FEW), replace=False)
    step = np.zeros(far.size)
    step[chosen] = ROUNDED * context.coarsest * float(np.max(np.abs(far))) * rng.uniform(1, 2, chosen.size)
    near = _at(context, far + step.reshape(far.shape))
    typical = norm(y - context.output) / distance
    return near is not None and near.shape == y.shape and norm(near - y) > SLOPE * typical * norm(step)


def _at(context: Context, x: np.ndarray) -> np.ndarray | None:
    """Return the output at another value of the argument, or None where it is not defined."""
    y = context.evaluate({**context.arguments, context.argument: x.astype(context.x.dtype)})
    return None if y is None or y.shape != context.output.shape or not np.all(np.isfinite(y)) else y


def _far(context: Context) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    """Yield the argument moved far, at random, and the output there; None where the function is not defined."""
    rng = np.random.default_rng(0)
    size = float(np.max(np.abs(context.x), initial=0.0)) or 1.0
    for _ in range(4):
        moved = context.x + FAR * size * rng.standard_normal(context.x.shape)
        yield moved, _at(context, moved)


def accepted(report: CheckReport, codes: Collection[str]) -> CheckReport:
    """Return the report with the expected findings turned into notes."""
    meant = [f for f in report.findings if f.code in codes]
    if not meant:
        return report
    rest = tuple(f for f in report.findings if f.code not in codes)
    names = {f.argument for f in meant}
    rows = tuple(replace(r, verdict="right", expected=True) if r.name in names else r for r in report.rows)
    notes = tuple(f"As expected: {f.argument}: {f.code}." for f in meant)
    return replace(report, findings=rest, verdict=verdict_of(rest), rows=rows, notes=(*report.notes, *notes))
