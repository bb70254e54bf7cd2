"""The gradient is a multiple of what it should be: wrong sign, wrong factor, or zero."""

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np

from chainrule.check.why.context import Context, norm

from .candidate import Candidate, fits

NOTHING = 1e-12
"""A gradient of this relative size is zero up to rounding."""
CONSTANTS = {
    **{"π": np.pi, "2π": 2 * np.pi, "π²": np.pi**2, "√π": np.pi**0.5, "√(2π)": (2 * np.pi) ** 0.5},
    **{"√(2/π)": (2 / np.pi) ** 0.5, "π/180": np.pi / 180, "√2": 2**0.5, "ln 2": np.log(2), "ln 10": np.log(10)},
}
"""Numbers with a name that rules have as factors."""
NEARLY = 1e-5
"""The share of a gradient that may be left once a factor with a name is taken out."""
CLOSE = 1e-6
"""How close a measured factor must be to a number to be identified with it."""


def multiples(context: Context) -> Iterator[Candidate]:
    """Propose analytic = c · expected."""
    g, n = context.analytic, context.expected
    if not context.same_shape or g.size == 0:
        return
    if norm(g) <= NOTHING * norm(n):
        text = "no gradient arrives: the argument is treated as a constant"
        yield Candidate("detached", text, 0, predicted=np.zeros_like(n), detail={"factor": 0.0})
        return
    if norm(n) <= context.noise:
        return
    c = float(np.vdot(n, g) / np.vdot(n, n))
    if not fits(c * n, g, context):
        yield from _nearly(c, context)
        return
    if abs(c + 1) < CLOSE:
        yield Candidate("sign", "the sign is wrong", 0, predicted=-n, detail={"factor": -1.0})
        return
    name, meaning, known = called(c, context)
    cost = 1.0 if known else 2.4 if g.size > 3 else 4.5 if g.size > 2 else 9.0
    if square_ratio(c, context):
        cost = 4.7
    text = f"the gradient is {name} times what it should be" + (f": {meaning}" if meaning else "")
    yield Candidate("factor", text, cost, predicted=c * n, detail={"factor": c, "name": name, "meaning": meaning})
    if abs(c - 2) < CLOSE:
        yield from _counted_again(context)


def _nearly(c: float, context: Context) -> Iterator[Candidate]:
    """Propose a factor with a name that is right but for a small rest, as where only one pass has a small ε."""
    g, n = context.analytic, context.expected
    rest = norm(g - c * n) / norm(g)
    name, meaning, known = called(c, context, NEARLY)
    if rest > NEARLY or abs(c - 1) < 10 * NEARLY or not known or g.size < 3:
        return
    text = f"the gradient is {name} times what it should be" + (f": {meaning}" if meaning else "")
    text += f"; apart from that it agrees to {rest:.0e}"
    detail = {"factor": c, "name": name, "meaning": meaning, "rest": f"{rest:.0e}"}
    code = "sign" if name == "−1" else "factor"
    yield Candidate(code, text, 1.5, predicted=c * n, detail=detail)


def _counted_again(context: Context) -> Iterator[Candidate]:
    """Distinguish a doubled gradient from one that grows with each backward pass."""
    n = context.expected
    first, second = (context.rerun(context.arguments) for _ in range(2))
    grows = (
        first is not None and second is not None and second.shape == n.shape and norm(second - first) > context.noise
    )
    text = "each backward pass adds to the gradient of the last" if grows else "every contribution is counted twice"
    yield Candidate("accumulated-twice", text, 0.5 if grows else 1.5, predicted=2 * n, detail={"factor": 2.0})


def called(c: float, context: Context, close: float = CLOSE) -> tuple[str, str, bool]:
    """Return the name of a factor, its meaning, and whether it has a name at all."""
    if c < 0:
        for name, meaning, value in _named(context):  # ȳ may be negative
            if value < 0 and abs(c - value) <= close * abs(value):
                return name, meaning, True
        name, meaning, known = called(-c, context, close)
        return f"−{name}", f"{meaning}, and the sign is wrong" if meaning else "the sign is wrong", known
    for name, meaning, value in _named(context):
        if abs(c - value) <= close * max(abs(value), close):
            return name, meaning, True
    for name, value in CONSTANTS.items():
        if abs(c - value) <= close * value:
            return name, f"the division by {name} is missing", True
        if abs(c - 1 / value) <= close / value:
            return f"1/{name}", f"the factor {name} is missing", True
    fraction = Fraction(c).limit_denominator(12)
    if abs(c - fraction) <= close * c and fraction.numerator <= 24:
        return str(fraction), "", True
    return f"{c:.6g}", "", False


def _named(context: Context) -> Iterator[tuple[str, str, float]]:
    sizes = dimensions(context)
    if context.output.size == 1 and norm(context.y_bar) > 0:
        y_bar = float(context.y_bar.ravel()[0])
        yield "1/ȳ", "the gradient that arrives from above is ignored", 1 / y_bar
        yield "ȳ", "the gradient that arrives from above enters twice", y_bar
    yield "2", "a factor ½ is missing, or everything is counted twice", 2.0
    yield "½", "a factor 2 is missing, or one of two equal contributions", 0.5
    for n, where in sizes.items():
        yield str(n), f"sum instead of mean, the division by N = {n} is missing ({where})", float(n)
        yield f"1/{n}", f"mean instead of sum, one division by N = {n} too many ({where})", 1 / n
    for n, where in sizes.items():
        yield f"1/{n}²", f"it is divided by N = {n} twice ({where})", 1 / n**2
    for d, where in sizes.items():
        yield f"√{d}", f"missing scale 1/√d, as in attention, d = {d} ({where})", d**0.5
        yield f"1/√{d}", f"the scale 1/√d enters once too often, d = {d} ({where})", d**-0.5
    for n, where in sizes.items():
        yield f"{n}/{n - 1}", f"N/(N − 1), unbiased instead of biased, N = {n} ({where})", n / (n - 1)
        yield f"{n - 1}/{n}", f"(N − 1)/N, biased instead of unbiased, N = {n} ({where})", (n - 1) / n
    for n, of_n in sizes.items():
        for m, of_m in sizes.items():
            yield f"{n}/{m}", f"divided by {m} ({of_m}) in place of {n} ({of_n})", n / m
    for argument, value in context.arguments.items():
        if np.size(value) == 1 and np.asarray(value).dtype.kind in "fi":
            for name, base in _forms(argument, float(np.asarray(value).ravel()[0])):
                yield f"1/{name}", f"the factor {name} is missing", 1 / base
                yield name, f"the factor {name} enters once too often", base


def _forms(argument: str, v: float) -> list[tuple[str, float]]:
    forms = [(argument, v), (f"(1 − {argument})", 1 - v), (f"{argument}²", v * v)]
    return [(name, base) for name, base in forms if base]


def dimensions(context: Context) -> dict[int, str]:
    """Return the numbers that a mean or a scale may divide by, each with its origin."""
    shapes: dict[str, Any] = {"the output": context.output.shape}
    shapes |= {name: np.shape(x) for name, x in context.arguments.items()}
    found: dict[int, str] = {}
    for name, shape in shapes.items():
        for axis, n in enumerate(shape):
            found.setdefault(n, f"axis {axis} of {name}")
    for name, shape in shapes.items():
        found.setdefault(int(np.prod(shape)), f"the size of {name}")
        for axis in range(len(shape)):
            rest = int(np.prod([n for k, n in enumerate(shape) if k != axis]))
            found.setdefault(rest, f"the entries of {name} for each of axis {axis}")
    return {n: where for n, where in found.items() if n > 1}


def square_ratio(c: float, context: Context) -> bool:
    """Say whether a factor is the ratio of two lengths, which is 1 if they are equal."""
    lengths = {n for x in (context.output, *context.arguments.values()) for n in np.shape(x) if n > 1}
    simple = {2.0, 0.5, *lengths, *(1 / n for n in lengths)}
    if any(abs(c - s) < CLOSE for s in simple):
        return False
    return any(abs(c - n / m) < CLOSE for n in lengths for m in lengths if n != m)


def elementwise(context: Context) -> Iterator[Candidate]:
    """Propose that a simple function of an argument, or of the output, is a factor too many, or too few."""
    g, n = context.analytic, context.expected
    if not context.same_shape or g.size < 4 or not np.all(n) or norm(n) <= context.noise:
        return
    for name, value in {**context.floating, context.result: context.output}.items():
        if value.size < 2 or not _spreads(value, n.shape):
            continue
        for shown, form in _functions(name, value).items():
            if not np.all(np.isfinite(form)) or not np.all(form):
                continue
            for text, predicted in (
                (f"the factor {shown} is missing", n / form),
                (f"the division by {shown} is missing", n * form),
            ):
                yield from _times(context, shown, text, predicted)


def _functions(name: str, a: Any) -> dict[str, Any]:
    """Return what rules multiply by, the simplest first."""
    with np.errstate(all="ignore"):
        found = {name: a, f"{name}²": a * a, f"√{name}": np.sqrt(a), f"(1 − {name})": 1 - a, f"(1 + {name})": 1 + a}
        found |= {f"(1 − {name}²)": 1 - a * a, f"(1 + {name}²)": 1 + a * a, f"{name}(1 − {name})": a * (1 - a)}
        for function in (np.exp, np.log, np.sin, np.cos, np.tan, np.sinh, np.cosh, np.tanh):
            found[f"{function.__name__}({name})"] = function(a)
    return found


def _times(context: Context, shown: str, text: str, predicted: Any) -> Iterator[Candidate]:
    """Propose a gradient, as it is or times a number that has a name."""
    g = context.analytic
    if fits(predicted, g, context):
        yield Candidate("missing-term", text, 4.8, predicted=predicted, detail={"term": shown})
        return
    c = float(np.vdot(predicted, g) / np.vdot(predicted, predicted))
    if not np.isfinite(c) or not fits(c * predicted, g, context):
        return
    name, _, known = called(c, context)
    if known:
        text = f"{text}, and the rest is {name} times what it should be"
        detail = {"term": shown, "factor": c}
        yield Candidate("missing-term", text, 4.9, predicted=c * predicted, detail=detail)


def _spreads(value: Any, shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(np.shape(value), shape) == shape
    except ValueError:
        return False
