"""The right rule applied to the wrong input: another point, another array, another cotangent.

Each substitution is tried both ways. Either the analytic gradient equals the measured gradient at the substituted point
(the rule used the substitute where it needed the argument), or the rule under test, run at the substituted point, gives
the gradient that is right here (it used the argument where it needed the substitute).
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from chainrule.check.why.context import Arguments, Array, Context, norm

from .arrangement import flips, shifts, transposes
from .candidate import Candidate, fits

PROBES = 3
"""How many elements a substitution is tried on before all are measured."""
NEARBY = 0.05
"""How far from a substituted point, relative to its values, the next one is at which it must fit no longer."""
CONSTANT = 4.85
"""The cost of a slope that is that at 0: no simpler than a factor that is missing, simpler than one times a number."""
SLOPE_AT_ZERO = "the slope at 0"
"""A meaning: which factor is missing may follow from the code."""
LEARNING_RATES = (1.0, 0.5, 0.1, 0.05, 0.01, 0.001)


@dataclass(frozen=True)
class Substitution:
    """What replaces what, the code it supports, and how far-fetched it is."""

    code: str
    argument: str
    text: str
    value: Array
    cost: float
    lacks: bool = False
    """Whether it means that the argument is left out."""
    meaning: str = ""
    """What has happened, where the substitute says so by itself."""

    @property
    def sentence(self) -> str:
        """What is wrong if the rule used this in place of the argument."""
        if self.code == "transposed":  # a rule has a transpose where the function has none, and vice versa
            return f"{self.argument} is transposed where it must not be, or not where it must be"
        if self.meaning == SLOPE_AT_ZERO and self.code == "wrong-point":
            return f"the derivative is taken at {self.argument} = 0, wherever {self.argument} is"
        return f"{self.text} is missing" if self.lacks else f"{self.text} is used where {self.argument} is needed"


def substituted(context: Context) -> Iterator[Candidate]:
    """Propose that the rule was evaluated with something else in place of an argument."""
    if not context.same_shape:
        return
    for s in substitutions(context):
        arguments = {**context.arguments, s.argument: s.value}
        detail = {"argument": s.argument, "term": s.text, **({"meaning": s.meaning} if s.meaning else {})}
        if _agrees_in_some(context, arguments):
            found = context.measured(arguments)
            if found is not None and found.shape == context.analytic.shape and _says_something(context, s, False):
                yield Candidate(s.code, s.sentence, s.cost, found, detail=detail)
        yield from _exchanged(context, s, detail)
        repaired = context.rerun(arguments)
        if (
            repaired is not None
            and not s.lacks
            and fits(repaired, context.expected, context)
            and _says_something(context, s, True)
        ):
            text = s.sentence if s.code == "transposed" else f"{s.argument} is used where {s.text} is needed"
            yield Candidate(s.code, text, s.cost, repaired=repaired, detail=detail)


def _says_something(context: Context, s: Substitution, rule: bool) -> bool:
    """Say whether another point than the substituted one would fit worse.

    Where the gradient does not depend on the argument, as where all units are active, every point fits.
    """
    if s.code != "wrong-point" and not (s.lacks and s.argument == context.argument):
        return True
    size = max(norm(s.value), norm(context.arguments[s.argument])) / max(s.value.size, 1) ** 0.5
    moved = s.value + NEARBY * (size or 1.0) * _spread_like(s.value)
    arguments = {**context.arguments, s.argument: np.asarray(moved, s.value.dtype)}
    if rule:
        found, target = context.rerun(arguments), context.expected
    else:
        found, target = context.measured(arguments), context.analytic
    return found is None or not fits(found, target, context)


def _spread_like(a: Array) -> Array:
    return np.asarray(np.cos(1.0 + np.arange(a.size)).reshape(a.shape))  # reproducible, and no two alike


def _exchanged(context: Context, s: Substitution, detail: dict[str, str]) -> Iterator[Candidate]:
    """Propose that expected = δ Wᵀ or Wᵀ δ, and that analytic has something else in place of W.

    If W has full column rank, δ follows from the expected gradient, without further knowledge of the function.
    """
    w, n = np.asarray(context.arguments[s.argument]), context.expected
    if w.ndim != 2 or n.ndim != 2 or s.argument == context.argument or s.value.shape != w.shape:
        return
    for right, a in ((True, n), (False, n.T)):
        m, v = (w, s.value) if right else (w.T, s.value.T)
        if a.shape[1] != m.shape[0] or np.linalg.matrix_rank(m) < m.shape[1]:
            continue
        delta = a @ np.linalg.pinv(m.T)
        if fits(delta @ m.T, a, context) if right else fits((delta @ m.T).T, n, context):
            predicted = delta @ v.T if right else (delta @ v.T).T
            text = (
                s.sentence
                if s.lacks or s.code == "transposed"
                else f"the product is taken with {s.text} where {s.argument} is needed"
            )
            yield Candidate(s.code, text, s.cost + 0.2, predicted=predicted, detail=detail)


def _agrees_in_some(context: Context, arguments: Arguments) -> bool:
    g = context.analytic
    if arguments[context.argument].shape != g.shape:
        return False
    tolerance = 1e-3 * float(abs(g).max(initial=0)) + context.noise
    for k in np.argsort(-abs(context.error), axis=None)[:PROBES]:
        found = context.measured(arguments, [int(k)])
        if found is None or not abs(found[0] - g.flat[k]) <= tolerance:
            return False
    return True


def substitutions(context: Context) -> Iterator[Substitution]:
    """Yield what may have been used in place of each argument."""
    for name, x in context.arguments.items():
        x = np.asarray(x)
        if x.dtype.kind in "iu":
            yield from _neighbours(name, x)
        elif x.dtype.kind in "fb":
            if len(np.unique(x)) <= 2 and np.all((x == 0) | (x == x.max(initial=0))) and name != context.argument:
                whole = np.full_like(x, x.max(initial=1))
                yield Substitution("partial", name, f"{name} without its zeros (the mask is ignored)", whole, 3)
            if x.dtype.kind == "f":
                yield from _stand_ins(context, name, x)


def _neighbours(name: str, x: Array) -> Iterator[Substitution]:
    """Yield indices that are off by one."""
    length = int(x.max(initial=0)) + 1
    for by in (1, -1):
        yield Substitution("shifted", name, f"{name} + {by}" if by > 0 else f"{name} − 1", x + by, 3)
        yield Substitution("shifted", name, f"{name} shifted by {by}, around the end", (x + by) % length, 3.2)
    for axis, by, moved, how in shifts(x):
        yield Substitution("shifted", name, f"{name} moved by {by} along axis {axis}{how}", moved, 3.4)


def _stand_ins(context: Context, name: str, x: Array) -> Iterator[Substitution]:
    own, y = name == context.argument, context.output
    for axes, turned in transposes(x):
        if turned.shape == x.shape:
            code = "transposed" if x.ndim == 2 else "axes-swapped"
            text = f"{name} transposed" if x.ndim == 2 else f"{name} with its axes in the order {axes}"
            yield Substitution(code, name, text, turned, 3)
    for axes, flipped in flips(x):
        yield Substitution("axes-swapped", name, f"{name} reversed along axes {list(axes)}", flipped, 3.3)
    if y.shape == x.shape and x.shape != ():
        yield Substitution("output-for-input", name, "the output", y, 3)
    elif y.shape == x.shape:
        yield Substitution("output-for-input", name, "the output", y, 3.6)
    for other, value in context.floating.items():
        if other != name and value.shape == x.shape:
            yield Substitution("other-argument", name, other, value, 3.5)
    if not own:
        yield Substitution("missing-term", name, f"the factor {name}", np.ones_like(x), 3.5, lacks=True)
    if not own and x.ndim > 0:
        yield Substitution("missing-term", name, f"the term with {name}", np.zeros_like(x), 4, lacks=True)
    for axis, by, moved, how in shifts(x):
        if abs(by) == 1:
            yield Substitution("shifted", name, f"{name} moved by {by} along axis {axis}{how}", moved, 3.6)
    yield from _other_points(context, name, x, own)


def _other_points(context: Context, name: str, x: Array, own: bool) -> Iterator[Substitution]:
    twice = context.evaluate({**context.arguments, name: context.output}) if context.output.shape == x.shape else None
    points = {
        f"−{name}": -x,
        f"|{name}|": abs(x),
        f"2{name}": 2 * x,
        f"{name}/2": x / 2,
        f"{name}²": x * x,
        f"{name} + 1": x + 1,
        f"{name} − 1": x - 1,
        f"{name} without its negative part": np.maximum(x, 0),
        f"{name} minus its mean": x - x.mean() if x.size else x,
        f"the mean of {name}": np.full_like(x, x.mean()) if x.size else x,
        f"{name} rounded": np.round(x),
        f"{name} clipped to [−1, 1]": np.clip(x, -1, 1),
        f"{name} clipped to [0, 1]": np.clip(x, 0, 1),
    }
    for number in (0, 1) if own else ():
        text = f"a factor with {name} (the gradient is that at {name} = {number})"
        is_slope = number == 0 and context.output.shape == x.shape
        code = "wrong-point" if is_slope and _is_one_number(context) else "missing-term"
        cost, meaning = (CONSTANT, SLOPE_AT_ZERO) if is_slope else (5, "")
        yield Substitution(code, name, text, np.full_like(x, number), cost, lacks=True, meaning=meaning)
    if twice is not None and twice.shape == x.shape:
        points["the output's output"] = twice
    for text, value in points.items():
        yield Substitution("wrong-point", name, text, value, 5)
    step = context.gradients.get(name)
    if step is not None and np.shape(step) == x.shape:
        for rate in LEARNING_RATES:
            text, meaning = f"{name} after a step of {rate} along its gradient (updated before it was used)", "updated"
            yield Substitution("wrong-point", name, text, x - rate * step, 4, meaning=meaning)


def _is_one_number(context: Context) -> bool:
    """Whether the slope is one number, and not ±1: a factor that is only left out leaves other arguments or nothing."""
    y_bar, g = context.y_bar.ravel(), context.analytic.ravel()
    if g.shape != y_bar.shape or not np.any(y_bar):
        return False
    c = (g @ y_bar) / (y_bar @ y_bar)
    return fits(c * y_bar, g, context) and abs(abs(c) - 1) > NEARBY


def recotangented(context: Context) -> Iterator[Candidate]:
    """Propose that the Jacobian was multiplied by a cotangent other than the one that arrives."""
    jacobian, y_bar = context.jacobian(), context.y_bar
    if jacobian is None or not context.same_shape:
        return
    for code, text, value, cost in _cotangents(context):
        if value.shape == y_bar.shape and not np.array_equal(value, y_bar):
            predicted = (value.ravel() @ jacobian).reshape(context.x.shape)
            yield Candidate(code, text, cost, predicted=predicted, detail={"term": text})


def _cotangents(context: Context) -> Iterator[tuple[str, str, Array, float]]:
    y_bar, y = context.y_bar, context.output
    if y_bar.size > 1:
        text = "the gradient that arrives from above, ȳ, is ignored"
        yield "missing-term", text, np.ones_like(y_bar), 2
        yield "missing-term", f"{text}, and the sign is wrong", -np.ones_like(y_bar), 3
        yield "factor", "ȳ enters as its square", y_bar * y_bar, 4
        yield "other-argument", "the output is used where ȳ is needed", y, 4
        yield "wrong-point", "only the sum of ȳ is used", np.full_like(y_bar, y_bar.sum()), 4
        yield "wrong-point", "only the mean of ȳ is used", np.full_like(y_bar, y_bar.mean()), 4
    for axes, turned in transposes(y_bar):
        yield "transposed" if y_bar.ndim == 2 else "axes-swapped", f"ȳ enters with its axes as {axes}", turned, 3
        yield "axes-swapped", f"ȳ enters with its axes as {axes}, reshaped", turned.reshape(y_bar.shape), 3.6
    for reversed_axes, flipped in flips(y_bar):
        yield "axes-swapped", f"ȳ enters reversed along axes {list(reversed_axes)}", flipped, 3.2
    for axis, by, moved, how in shifts(y_bar):
        yield "shifted", f"ȳ enters off by {by} along axis {axis}{how}", moved, 3.2
    for axis in range(y_bar.ndim):
        mean = np.broadcast_to(y_bar.mean(axis=axis, keepdims=True), y_bar.shape)
        yield "broadcast-sum", f"ȳ is averaged over axis {axis}", mean, 4.5
        yield "broadcast-sum", f"ȳ is summed over axis {axis}", mean * y_bar.shape[axis], 4.5
    yield from _activations(y_bar, y, context.result)


def _activations(y_bar: Array, y: Array, out: str) -> Iterator[tuple[str, str, Array, float]]:
    """Yield cotangents that undo or repeat the derivative of an activation at the end of the function."""
    with np.errstate(all="ignore"):
        ends = {
            "tanh": (1 - y * y, 1 - np.arctanh(y) ** 2, 1 - np.tanh(y) ** 2),
            "sigmoid": (y * (1 - y), *(u * (1 - u) for u in (np.log(y / (1 - y)), 1 / (1 + np.exp(-y))))),
            "exp": (y, np.log(y), np.exp(y)),
            "softplus": (1 - np.exp(-y), 1 / (1 + np.exp(-np.log(np.expm1(y)) * 0.5)), 1 / (1 + np.exp(-y))),
        }
    for name, (slope, at_input, at_output) in ends.items():
        if not np.all(np.isfinite(slope)) or np.any(slope == 0):
            continue
        what = f"the factor {out}, such as the derivative of exp," if name == "exp" else f"the derivative of {name}"
        yield "missing-term", f"{what} is missing", y_bar / slope, 3.8
        if name != "exp":
            yield "accumulated-twice", f"the derivative of {name} is applied twice", y_bar * slope, 4
        else:  # whose slope is the output itself, which may stand there for another reason
            yield (
                "missing-term",
                f"the division by {out} is missing, or the derivative of exp is applied twice",
                y_bar * y,
                4,
            )
        if np.all(np.isfinite(at_input)):
            text = f"the input of {name} is used where its output is needed"
            yield "output-for-input", text, y_bar / slope * at_input, 4
        text = f"the derivative of {name} is taken at its output, not at its input"
        yield "output-for-input", text, y_bar / slope * at_output, 4
    if np.all(y >= 0) and np.any(y == 0):
        yield "missing-term", "the derivative of relu is missing where the output is 0", y_bar, 9
