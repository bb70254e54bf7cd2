"""Some elements or contributions are right, others are missing, doubled or wrong.

The expected gradient is the sum of its parts: of single elements, of slices of the argument, of slices of the output.
The weight of each part in the analytic gradient shows which of them went wrong.
"""

from collections.abc import Iterator

import numpy as np

from chainrule.check.why.context import Array, Context

from .candidate import Candidate, fits
from .places import described, listed, patterns, subsets

SAME = 1e-5
"""How much two weights may differ and still count as equal."""


def partial(context: Context) -> Iterator[Candidate]:
    """Propose that the gradient is right in some elements only."""
    g, n = context.analytic, context.expected
    if not context.same_shape or g.size < 2:
        return
    tolerance = context.noise
    counts = np.maximum(abs(g), abs(n)) > tolerance
    wrong = abs(g - n) > tolerance
    if np.any(counts & ~wrong):
        yield from _where_wrong(context, wrong, counts)
    yield from _scaled_slices(context)


def _where_wrong(context: Context, wrong: Array, counts: Array) -> Iterator[Candidate]:
    g, n = context.analytic, context.expected
    found = described(wrong, counts, context)
    # Places without a name are others at another point; that what arrives there is wrong in one way holds at each.
    where, detail = found or (listed(wrong), {"entries": np.argwhere(wrong).tolist()})
    named = found is not None
    few = wrong.sum() <= max(1, 0.25 * counts.sum())
    if not named and not few:
        detail["observed"] = True
    at = where if where.startswith("where ") else f"at {where}"
    for weight, code, what in (
        (0, "partial", "no gradient arrives"),
        (2, "accumulated-twice", "the gradient is counted twice"),
        (-1, "partial", "the sign is wrong"),
    ):
        predicted = np.where(wrong, weight * n, n)
        text = f"{what} {at}; elsewhere it is right"
        yield Candidate(code, text, 3 if named else 4, predicted=predicted, detail={**detail, "factor": float(weight)})
    nothing = abs(n) <= context.noise
    if not np.any(wrong & ~nothing):
        text = f"a gradient arrives where the function is flat, as behind a clamp: {where}"
        yield Candidate("partial", text, 3.85, predicted=g, detail=detail)
    right = (counts & ~wrong & ~nothing).sum()
    if (named and right >= 3) or few:
        text = f"the gradient is wrong only at: {where}"
        detail = {"rows": np.argwhere(wrong).tolist(), **detail}
        yield Candidate("partial", text, 3.9 if named and wrong.sum() >= 3 else 6.5, predicted=g, detail=detail)


def _scaled_slices(context: Context) -> Iterator[Candidate]:
    """Propose a separate factor for each slice."""
    g, n = context.analytic, context.expected
    for fixed in subsets(n.ndim):
        rest = tuple(k for k in range(n.ndim) if k not in fixed)
        squares = np.sum(n * n, axis=rest, keepdims=True)
        if squares.size > n.size / 2:
            continue
        weights = np.sum(g * n, axis=rest, keepdims=True) / np.where(squares > 0, squares, 1)
        if _spread_of(weights[squares > 0]) < SAME or not fits(weights * n, g, context):
            continue
        name = _same_as(weights, context)
        text = f"the gradient has a wrong factor along axes {list(fixed)}" + (f": {name}" if name else "")
        detail = {"axes": list(fixed), "factor": weights.ravel().tolist(), "name": name, "observed": not name}
        yield Candidate("factor", text, 5 + 0.1 * len(fixed), predicted=weights * n, detail=detail)


def _same_as(weights: Array, context: Context) -> str:
    """Name the quantity that the factors of the slices equal."""
    x = context.x
    values = {name: np.asarray(a) for name, a in context.arguments.items() if np.asarray(a).dtype.kind == "f"}
    if x.shape != () and x.ndim == weights.ndim:
        axes = tuple(k for k in range(x.ndim) if weights.shape[k] == 1)
        values["the standard deviation"] = x.std(axis=axes, keepdims=True)
        values["the variance"] = x.var(axis=axes, keepdims=True)
        values["the norm"] = np.sqrt(np.sum(x * x, axis=axes, keepdims=True))
    for name, value in values.items():
        if value.size != weights.size:
            continue
        for form, found in ((name, value.ravel()), (f"1/{name}", 1 / np.where(value == 0, np.inf, value).ravel())):
            if np.allclose(weights.ravel(), found, rtol=1e-3):
                return form
    return ""


def contributions(context: Context) -> Iterator[Candidate]:
    """Propose that some entries of the output contribute wrongly, judged by the Jacobian."""
    jacobian = context.jacobian()
    if jacobian is None or not context.same_shape:
        return
    weighted = context.y_bar.ravel()[:, None] * jacobian
    yield from _own_entry_only(context, weighted)
    if context.output.shape == context.x.shape:
        text = "the Jacobian is not transposed: J ȳ in place of Jᵀ ȳ"
        turned = (jacobian @ context.y_bar.ravel()).reshape(context.x.shape)
        yield Candidate("transposed", text, 3.1, predicted=turned, detail={"axes": [1, 0]})
    yield from _output_masks(context, weighted)
    yield from _overwritten(context, weighted)
    yield from _output_slices(context, weighted)


def _own_entry_only(context: Context, weighted: Array) -> Iterator[Candidate]:
    shape = context.output.shape
    if shape != context.x.shape or context.x.size < 2:
        return
    own = np.diagonal(weighted).reshape(shape)
    if np.allclose(own, context.expected):
        return
    text = "only the diagonal of the Jacobian: each entry's effect on the others is missing"
    yield Candidate("partial", text, 3.5, predicted=own, detail={"rows": "the diagonal"})
    text = "each entry's effect on itself is missing: the diagonal of the Jacobian"
    yield Candidate("partial", text, 4, predicted=context.expected - own, detail={"rows": "the diagonal"})


def _output_masks(context: Context, weighted: Array) -> Iterator[Candidate]:
    for name, mask in patterns(context.output.shape).items():
        part = (mask.ravel() @ weighted).reshape(context.x.shape)
        text = f"only the part of the output that is {name} contributes"
        yield Candidate("partial", text, 4.5, predicted=part, detail={"rows": name})


def _overwritten(context: Context, weighted: Array) -> Iterator[Candidate]:
    """Propose that only the last, or the first, of several contributions to an element is kept: = in place of +=."""
    shape, size = context.output.shape, context.x.size
    for axes in _steps(len(shape)) if shape else []:
        rest = tuple(k for k in range(len(shape)) if k not in axes)
        steps = weighted.reshape(*shape, size).sum(axis=rest).reshape(-1, size)
        touched = abs(steps) > 1e-12 * (abs(steps).max(initial=0) or 1)
        if not np.any(touched.sum(axis=0) > 1):
            continue
        for which, order in (("last", slice(None, None, -1)), ("first", slice(None))):
            at = np.argmax(touched[order], axis=0)
            kept = np.take_along_axis(steps[order], at[None], axis=0)[0].reshape(context.x.shape)
            text = f"only the {which} of several contributions to an element is kept: assigned where it must be added"
            yield Candidate("partial", text, 3.95, predicted=kept, detail={"axes": list(axes), "rows": which})


def _steps(ndim: int) -> list[tuple[int, ...]]:
    """Return the axes of the output that a loop may run over: some, the last two (of an image), or all."""
    return list(dict.fromkeys([*subsets(ndim), *([(ndim - 2, ndim - 1)] if ndim > 2 else []), tuple(range(ndim))]))


def _output_slices(context: Context, weighted: Array) -> Iterator[Candidate]:
    """Propose a weight for each slice of the output: a sample, a time step, a row."""
    shape, g = context.output.shape, context.analytic
    for axis, length in enumerate(shape):
        if length < 2 or length > g.size / 2:
            continue
        rest = tuple(k for k in range(len(shape)) if k != axis)
        parts = weighted.reshape(*shape, g.size).sum(axis=rest)
        seen = np.linalg.norm(parts, axis=1) > context.noise
        if not np.any(seen):
            continue
        weights = np.ones(length)
        weights[seen] = np.linalg.lstsq(parts[seen].T, g.ravel(), rcond=None)[0]
        predicted = (weights @ parts).reshape(g.shape)
        if _spread_of(weights[seen]) < SAME or not fits(predicted, g, context):
            continue
        yield _weighted_slices(axis, weights, seen, predicted)


def _weighted_slices(axis: int, weights: Array, seen: Array, predicted: Array) -> Candidate:
    off = seen & (abs(weights - 1) > SAME)
    rows = [int(k) for k in np.flatnonzero(off)]
    detail = {"axes": [axis], "rows": rows, "factor": weights.tolist()}
    where = f"the entries {rows} along axis {axis} of the output"
    if np.all(abs(weights[off]) < SAME):
        return Candidate("partial", f"{where} contribute nothing", 3, predicted=predicted, detail=detail)
    if np.all(abs(weights[off] - 2) < SAME):
        return Candidate("accumulated-twice", f"{where} are counted twice", 3, predicted=predicted, detail=detail)
    text = f"{where} contribute with wrong weights"
    return Candidate("partial", text, 5.5, predicted=predicted, detail={**detail, "observed": True})


def _spread_of(weights: Array) -> float:
    return float(np.ptp(weights)) if weights.size else 0.0
