"""The sums that norms, softmax and projections subtract: u ⊙ Σ(ȳ ⊙ v) over some axes, each by its name."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from chainrule.check.why.context import Array, Context, norm

from .candidate import Candidate, fits
from .places import subsets

PARALLEL = 1e-6
"""How far from 1 the squared cosine of two arrays may be for one to be tried as a multiple of the other."""
PARAMETERS = 3
"""The most arguments that are tried as scale and shift of a normalised value."""
LEAST = 4
"""Elements from which on one weight says something."""


@dataclass(frozen=True)
class Average:
    """A term u ⊙ Σ(c) / d, with the axes of its sum; or what two of them with other divisors differ by."""

    text: str
    axes: tuple[int, ...]
    length: int
    value: Array
    taken: str = ""


def averaged(context: Context) -> Iterator[Candidate]:
    """Propose that such a term is missing, has the wrong sign, or is a sum where the mean is needed."""
    n, lack = context.expected, context.error
    if context.y_bar.shape != n.shape or n.size < LEAST or not n.ndim:
        return
    square = float(np.vdot(lack, lack))
    for term in _averages(context):
        own = float(np.vdot(term.value, term.value))
        inner = float(np.vdot(term.value, lack))
        if own <= context.noise**2 or inner * inner < (1 - PARALLEL) * own * square:
            continue
        weight = inner / own
        if fits(weight * term.value, lack, context):
            yield from _said(context, term, weight)


def _said(context: Context, term: Average, weight: float) -> Iterator[Candidate]:
    """Say what a weight means, where the term is subtracted: the rule has it with −1 − weight."""
    instead = {1.0: f"the term −{term.taken} stands where −{term.text} is needed"}
    names = instead if term.taken else _weights(term)
    for known, text in names.items():
        if abs(weight - known) < 1e-5 * max(1.0, abs(known)):
            detail = {"term": term.text, "axes": list(term.axes), "factor": weight}
            predicted = context.expected - weight * term.value
            yield Candidate("missing-term", text, 3.85, predicted=predicted, detail=detail)
            return


def _weights(term: Average) -> dict[float, str]:
    """Return what the weights mean that such a term may lack with."""
    return {
        -1.0: f"the term −{term.text} is missing",
        -2.0: f"the term −{term.text} has the wrong sign",
        1.0: f"the term −{term.text} is counted twice",
        1 / term.length - 1: f"of the term −{term.text} the mean is taken where the sum is needed",
        term.length - 1.0: f"of the term −{term.text} the sum is taken where the mean is needed",
    }


def _averages(context: Context) -> Iterator[Average]:
    """Yield the terms, the simplest first."""
    shape = context.expected.shape
    for axes in dict.fromkeys([*subsets(len(shape)), tuple(range(len(shape)))]):
        length = int(np.prod([shape[k] for k in axes]))
        if length < 2:
            continue
        normalised = _normalised(context, axes)
        scale = None if normalised is None else normalised[0]
        fields = _fields(context, axes, normalised)
        for above, c in _above(context).items():
            for v_name, v in fields.items():
                inside = above if v_name == "1" else f"{above} ⊙ {v_name}"
                total = np.sum(c * v, axis=axes, keepdims=True)
                divisors = [
                    (by, d)
                    for by, d in _divisors(axes, length, v_name, v, scale)
                    if np.all(np.isfinite(d)) and np.all(d != 0)
                ]
                for u_name, u in fields.items():
                    front = "" if u_name == "1" else f"{u_name} ⊙ "
                    terms = [(_text(front, inside, by, axes), u * total / d) for by, d in divisors]
                    for text, value in terms:
                        yield Average(text, axes, length, value)
                    for (needed, a), (taken, b) in permutations(terms, 2):
                        yield Average(needed, axes, length, b - a, taken)


def _text(front: str, inside: str, by: str, axes: tuple[int, ...]) -> str:
    if by.startswith("n"):
        return f"{front}mean({inside}){by.removeprefix('n')} over axes {list(axes)}"
    return f"{front}Σ({inside}){by} over axes {list(axes)}"


def _above(context: Context) -> dict[str, Array]:
    """Return what is averaged: the gradient that arrives, by itself and with a scale."""
    found = {"ȳ": context.y_bar}
    for name, a in context.floating.items():
        if name != context.argument and a.size > 1 and _spreads(a, context.y_bar.shape):
            found[f"ȳ ⊙ {name}"] = context.y_bar * a
    return found


def _fields(context: Context, axes: tuple[int, ...], normalised: tuple[Array, Array] | None) -> dict[str, Array]:
    """Return the arrays that stand before and under such a sum."""
    x, y, out = context.x, context.output, context.result
    found = {"1": np.ones(x.shape), out: y}
    if np.all(y >= 0) and np.any(y == 0):
        found[f"[{out} > 0]"] = (y > 0).astype(float)
    if np.all(y >= 0):
        found[f"√{out}"] = np.sqrt(y)
    spread = x.std(axis=axes, keepdims=True)
    if normalised is not None:
        found["x̂"] = normalised[1]
    elif np.all(spread > 0):
        found["x̂"] = (x - x.mean(axis=axes, keepdims=True)) / spread
    return found


def _divisors(
    axes: tuple[int, ...], length: int, v_name: str, v: Array, scale: Array | None
) -> Iterator[tuple[str, Array]]:
    """Yield what such a sum is divided by: nothing, the length, the sum of v, and each by the scale of a norm."""
    yield "", np.ones(())
    yield "n", np.asarray(float(length))
    if v_name != "1":
        yield f"/Σ({v_name})", v.sum(axis=axes, keepdims=True)
    if scale is not None:
        yield "/σ", scale
        yield "n/σ", scale * length


def _normalised(context: Context, axes: tuple[int, ...]) -> tuple[Array, Array] | None:
    """Return σ and x̂ = (x − μ)/σ or x/σ along the axes where the output is x̂, scaled and shifted or not; else None.

    They follow from the output, whatever ε σ has.
    """
    x = context.x
    for y in _unscaled(context):
        for x_left, y_left in ((x, y), (x - x.mean(axis=axes, keepdims=True), y - y.mean(axis=axes, keepdims=True))):
            size = np.sum(y_left * y_left, axis=axes, keepdims=True)
            if np.all(size > 0):
                scale = np.asarray(np.sum(x_left * y_left, axis=axes, keepdims=True) / size)
                if norm(x_left - scale * y_left) <= 1e-9 * norm(x):
                    return scale, y_left
    return None


def _unscaled(context: Context) -> Iterator[Array]:
    """Yield the output, and what it was if two other arguments are its scale and its shift."""
    y = context.output
    others = [
        a for name, a in context.floating.items() if name != context.argument and a.ndim and _spreads(a, y.shape)
    ][:PARAMETERS]
    for scale in (np.ones(()), *others):
        for shift in (np.zeros(()), *others):
            if scale is not shift and np.all(scale != 0):
                yield (y - shift) / scale


def _spreads(a: Array, shape: tuple[int, ...]) -> bool:
    try:
        return np.broadcast_shapes(a.shape, shape) == shape
    except ValueError:
        return False
