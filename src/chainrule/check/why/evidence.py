"""Does a reason hold at other points? A hypothesis that fits one point by chance fits no other."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.check.hypotheses import ENOUGH, Hypothesis, without_reason
from chainrule.check.hypotheses import explain as hypotheses_on
from chainrule.check.hypotheses.candidate import Detail, agrees

from .context import Context

BRIEFLY = 0.5
"""Seconds of the processor's time that each other point has for itself, where the time of a gradient is over."""
POINTS = 2
"""The number of other points at which a hypothesis must hold."""
TRIES = 4
FARTHER = 2.0
"""How much more far-fetched than the first a reason may be to be named as well."""
UNEXPLAINED = "no known mistake explains the error at several points"
SAME = 1e-4
"""The largest relative difference at which two factors count as equal."""


def elsewhere(x: Any, rng: np.random.Generator) -> Any:
    """Return other values of the same kind: the given ones, permuted and slightly perturbed.

    What a rule may rely on stays: a matrix that is symmetric, and one that is triangular.
    """
    if (special := _like_matrix(np.asarray(x), rng)) is not None:
        return special
    moved = rng.permutation(np.ravel(x)).reshape(np.shape(x))
    kind = np.asarray(x).dtype
    values = len(np.unique(x))
    if kind.kind != "f" or values == 2:  # two distinct values: a mask or labels, not perturbed
        return moved
    size = np.abs(moved) if values > 2 else np.abs(moved) + (moved == 0)
    return np.asarray(moved + 0.1 * size * rng.standard_normal(np.shape(x)), kind)


def _like_matrix(x: Any, rng: np.random.Generator) -> Any:
    """Return another symmetric or triangular matrix for one that is, and no diagonal one; else None."""
    if x.dtype.kind != "f" or x.ndim < 2 or x.shape[-1] != x.shape[-2] or x.shape[-1] < 2:
        return None
    turned, noise = np.swapaxes(x, -1, -2), 0.1 * np.abs(x) * rng.standard_normal(x.shape)
    if np.array_equal(x, turned):  # permuted in rows and columns alike, it also stays as definite as it is
        order = rng.permutation(x.shape[-1])
        moved = x + (noise + np.swapaxes(noise, -1, -2)) / 2
        return np.asarray(moved[..., order, :][..., order], x.dtype)
    if np.array_equal(x, np.tril(x)) or np.array_equal(x, np.triu(x)):
        return np.asarray(x + noise, x.dtype)
    return None


def holding(hypotheses: Sequence[Hypothesis], context: Context, seed: int) -> list[Hypothesis]:
    """Return the hypotheses that also hold at other points; `unexplained` if none does.

    If the gradient is right at the other points, or f is not defined there, they are judged by the one point alone.
    """
    named = [h for h in hypotheses if h.code != "unexplained"]
    rng = np.random.default_rng(seed + 2)
    points = 0
    for _ in range(TRIES if named else 0):
        there = _moved(context, rng)
        if there is None or agrees(there):
            continue
        found = hypotheses_on(there)
        named = [h for h in named if any(_same(h, other) for other in found)]
        points += 1
        if points == POINTS or not named:
            break
    first = [h for h in hypotheses if h.code == "unexplained"]
    if named and (first or named[0].explained >= ENOUGH):
        return [*first, *(h for h in named if h.cost <= named[0].cost + FARTHER)]
    return first or [Hypothesis("unexplained", Detail(text=without_reason(context, UNEXPLAINED)), 0.0)]


def _moved(context: Context, rng: np.random.Generator) -> Context | None:
    """Return the context at other arguments and another cotangent, or None if there is none."""
    if context.backward is None:
        return None
    arguments = {name: elsewhere(x, rng) for name, x in context.arguments.items()}
    output = context.evaluate(arguments)
    if output is None or output.shape != context.output.shape or not np.all(np.isfinite(output)):
        return None
    signs = rng.choice([-1.0, 1.0], output.shape)
    y_bar = np.asarray(signs * rng.uniform(0.5, 1.5, output.shape), context.y_bar.dtype)
    try:
        with np.errstate(all="ignore"):
            found = dict(context.backward(np.array(y_bar), {n: np.array(x) for n, x in arguments.items()}))
    except Exception:
        return None
    if found.get(context.argument) is None:
        return None
    gradients = {name: np.asarray(g) for name, g in found.items() if g is not None}
    name = context.argument
    numeric: dict[str, Any] = {}
    there = Context(
        y_bar,
        output,
        arguments,
        name,
        context.forward,
        gradients,
        numeric,
        context.backward,
        follow=context.follow,
        until=max(context.until, time.process_time() + BRIEFLY),
    )
    expected = there.measured(arguments)
    if expected is None:
        return None
    numeric[name] = expected
    return there


def _same(a: Hypothesis, b: Hypothesis) -> bool:
    """Whether two hypotheses say the same about two points."""
    if a.code != b.code or min(a.explained, b.explained) < ENOUGH:
        return False
    for key in ("argument", "term", "name", "axes", "rows", "shift"):
        if a.detail.get(key) != b.detail.get(key):
            return False
    if a.detail.get("name") or not isinstance(a.detail.get("factor"), float):
        return True
    first, second = a.detail["factor"], b.detail.get("factor")
    return isinstance(second, float) and abs(first - second) <= SAME * max(abs(first), abs(second))
