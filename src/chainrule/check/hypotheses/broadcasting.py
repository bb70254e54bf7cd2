"""A sum over broadcast axes that is missing, or taken over the wrong axis."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from chainrule.check.why.context import Array, Context, norm

from .arrangement import needed
from .candidate import Candidate, fits
from .factors import CLOSE, called
from .places import TOUCHED


def sums(context: Context) -> Iterator[Candidate]:
    """Propose that analytic and expected are sums of the same array over different axes."""
    g, n = context.analytic, context.expected
    if not context.same_shape:
        for axes, total in axis_sums(g):
            if total.size == n.size < g.size:
                text = f"the sum over axes {list(axes)} of the gradient is missing"
                yield _broadcast(text, axes, 2, repaired=total.reshape(n.shape))
        yield from _with_a_factor(context)
        for axes, total in axis_sums(n) if norm(n) > context.noise else ():  # of zeros, every sum is one
            if total.size == g.size < n.size:
                text = f"the gradient is summed over axes {list(axes)}, of which the argument has its own"
                yield _broadcast(text, axes, 2.5, predicted=total.reshape(g.shape))
    full = unsummed(context)
    if full is None:
        return
    right = next((axes for axes, total in axis_sums(full) if axes and fits_flat(total, n, context)), None)
    for axes, total in axis_sums(full) if right is not None else ():
        if axes == right or total.size != g.size:
            continue
        text = f"a sum over axes {list(axes)} where one over {list(right or ())} is needed"
        if not axes:
            text = f"the sum over axes {list(right or ())} is missing"
        yield _broadcast(text, right or (), 2.2, predicted=total.reshape(g.shape), summed=axes)
        if axes:
            mean = total.reshape(g.shape) * (total.size / full.size)
            yield _broadcast(f"a mean over axes {list(axes)}; {text}", right or (), 4, predicted=mean, summed=axes)


def _with_a_factor(context: Context) -> Iterator[Candidate]:
    """Propose a missing sum, or an axis of length 1 too many, combined with a factor: any factor fits a single
    number.
    """
    g, n = context.analytic, context.expected
    for axes, total in axis_sums(g) if n.size > 1 and norm(n) > context.noise else ():
        if total.size != n.size:
            continue
        total = total.reshape(n.shape)
        c = float(np.vdot(n, total) / np.vdot(n, n))
        if abs(c) <= CLOSE or abs(c - 1) <= CLOSE or not fits(total / c, n, context):
            continue
        name, meaning, _ = called(c, context)
        factor = f"the rest is {name} times what it should be" + (f": {meaning}" if meaning else "")
        what = {"axes": list(axes), "factor": c, "name": name, "meaning": meaning}
        if total.size < g.size:
            text = f"the sum over axes {list(axes)} of the gradient is missing, and {factor}"
            yield Candidate("broadcast-sum", text, 3, repaired=total / c, detail=what)
        elif not axes:
            text = f"the shape is not right{needed(g.shape, n.shape)}; and {factor}"
            yield Candidate("axes-swapped", text, 3, repaired=total / c, detail=what)


def times_output(context: Context) -> Iterator[Candidate]:
    """Propose that what belongs to a factor, as to the gain of a norm, is multiplied by the output of the product."""
    shape, product = context.x.shape, context.y_bar * context.output
    lead = product.ndim - len(shape)
    if context.x.size < 2 or lead < 0 or shape == product.shape:
        return
    kept = product.sum(axis=tuple(range(lead)))
    axes = tuple(k for k, n in enumerate(shape) if n == 1)
    predicted = kept.sum(axis=axes, keepdims=True) if axes else kept
    text = f"the output is used where the factor of {context.argument} is needed"
    detail = {"argument": context.argument, "term": "the output"}
    yield Candidate("output-for-input", text, 3.2, predicted=predicted, detail=detail)


def unsummed(context: Context) -> Array | None:
    """Return the gradient of an argument that is broadcast to the output, before the sum over the broadcast axes.

    Here each entry of the output depends on one entry of the argument, as the Jacobian shows.
    """
    jacobian = context.jacobian() if context.output.size > context.x.size else None
    if jacobian is None:
        return None
    touched = abs(jacobian) > TOUCHED * float(abs(jacobian).max(initial=0))
    if np.any(touched.sum(axis=1) > 1):
        return None
    return np.asarray(context.y_bar * jacobian.sum(axis=1).reshape(context.output.shape))


def fits_flat(total: Array, n: Array, context: Context) -> bool:
    """Say whether a sum is the expected gradient except for its shape."""
    return total.size == n.size and norm(total.ravel() - n.ravel()) <= context.noise


def axis_sums(a: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield the sums of an array over every choice of axes, and the array itself."""
    for count in range(a.ndim + 1):
        for axes in combinations(range(a.ndim), count):
            yield axes, a.sum(axis=axes)


def _broadcast(text: str, axes: tuple[int, ...], cost: float, summed: tuple[int, ...] = (), **what: Array) -> Candidate:
    return Candidate("broadcast-sum", text, cost, detail={"axes": list(axes), "summed": list(summed)}, **what)
