"""A sum over broadcast axes that is missing, or over the wrong axis."""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

from chainrule.check.context import Array, Context

from .candidate import Candidate


def sums(context: Context) -> Iterator[Candidate]:
    """Propose that analytic and expected are sums of one array over different axes."""
    g, n = context.analytic, context.expected
    if not context.same_shape:
        for axes, total in axis_sums(g):
            if axes and total.size == n.size:
                text = f"the sum over axes {list(axes)} of the gradient is missing"
                yield _broadcast(text, axes, 2, repaired=total.reshape(n.shape))
        for axes, total in axis_sums(n):
            if axes and total.size == g.size:
                text = f"the gradient is summed over axes {list(axes)}, of which the argument has its own"
                yield _broadcast(text, axes, 2.5, predicted=total.reshape(g.shape))
    full = unsummed(context)
    if full is None:
        return
    right = _broadcast_axes(context.x.shape, full.shape)
    for axes, total in axis_sums(full):
        if axes == right or total.size != g.size:
            continue
        text = f"a sum over axes {list(axes)} where one over {list(right)} is needed"
        if not axes:
            text = f"the sum over axes {list(right)} is missing"
        yield _broadcast(text, right, 2.2, predicted=total.reshape(g.shape), summed=axes)
        if total.size == full.size // max(1, np.prod([full.shape[k] for k in axes], dtype=int)) and axes:
            mean = total.reshape(g.shape) * (total.size / full.size)
            yield _broadcast(f"a mean over axes {list(axes)}; {text}", right, 4, predicted=mean, summed=axes)


def unsummed(context: Context) -> Array | None:
    """Return the gradient of an argument that is broadcast to the output, before the sum over the broadcast axes.

    Measured: the argument is replaced by what it is broadcast to, where f takes that.
    """
    x, shape = context.x, context.output.shape
    if x.shape == shape or x.ndim > len(shape) or np.prod(shape, dtype=int) > 4096:
        return None
    try:
        spread = np.broadcast_to(x, shape).copy()
    except ValueError:
        return None
    arguments = {**context.arguments, context.argument: spread}
    value = context.evaluate(arguments)
    if value is None or value.shape != shape or not np.allclose(value, context.output):
        return None
    return context.measured(arguments)


def axis_sums(a: Array) -> Iterator[tuple[tuple[int, ...], Array]]:
    """Yield the sums of an array over every choice of axes, and itself."""
    for count in range(a.ndim + 1):
        for axes in combinations(range(a.ndim), count):
            yield axes, a.sum(axis=axes)


def _broadcast_axes(small: tuple[int, ...], large: tuple[int, ...]) -> tuple[int, ...]:
    padded = (1,) * (len(large) - len(small)) + small
    return tuple(k for k, (n, m) in enumerate(zip(padded, large, strict=True)) if n == 1 and m != 1)


def _broadcast(text: str, axes: tuple[int, ...], cost: float, summed: tuple[int, ...] = (), **what: Array) -> Candidate:
    return Candidate("broadcast-sum", text, cost, detail={"axes": list(axes), "summed": list(summed)}, **what)
