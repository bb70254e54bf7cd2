"""What belongs to one element of a row or of a window: the entry of a label, the largest element."""

from collections.abc import Iterator

import numpy as np

from chainrule.check.why.context import Context

from .candidate import Candidate

CLOSE = 1e-6
"""The relative difference at which two numbers count as equal."""


def balanced(context: Context) -> Iterator[Candidate]:
    """Propose that one entry of each row must be minus the sum of the others, as in a loss of margins to a label."""
    g, n = context.analytic, context.expected
    if not context.same_shape or n.ndim < 1 or n.shape[-1] < 3:
        return
    rows, right = g.reshape(-1, n.shape[-1]), n.reshape(-1, n.shape[-1])
    wrong = abs(rows - right) > context.noise
    hit = np.any(wrong, axis=1)
    if hit.sum() < 2 or np.any(wrong.sum(axis=1) > 1):
        return
    others = -(rows.sum(axis=1) - rows[np.arange(len(rows)), wrong.argmax(axis=1)])
    needed = right[np.arange(len(rows)), wrong.argmax(axis=1)]
    if np.all(abs(others - needed)[hit] <= context.noise) and np.any(abs(others[hit]) > context.noise):
        text = (
            "one entry in each row must be minus the sum of the others in its row: that of the label counts once for "
            "each of them, as for each violated margin"
        )
        yield Candidate("missing-term", text, 2.85, predicted=g, detail={"term": "−Σ of the other entries of the row"})


def shared_out(context: Context) -> Iterator[Candidate]:
    """Propose that what one element of a window should get is shared equally among all of them, or given to each."""
    g, n = context.analytic, context.expected
    chosen = abs(n) > context.noise
    if not context.same_shape or not np.any(chosen) or np.all(chosen) or np.any(g[chosen] == 0):
        return
    shares = n[chosen] / g[chosen]
    count = round(float(shares.flat[0]))
    given = abs(g) > context.noise
    each = round(float(given.sum() / chosen.sum()))  # how many elements get something, for each that should
    if each < 2 or count not in (1, each) or not np.allclose(shares, count, rtol=CLOSE):
        return
    if given.sum() != each * chosen.sum():
        return
    near = np.abs(g[given][:, None] - g[chosen][None, :]) <= CLOSE * np.abs(g[chosen])[None, :]
    if not np.all(near.sum(axis=0) >= each) or not np.all(near.any(axis=1)):
        return
    if count == 1:
        text = f"each gradient arrives at {each} elements where one of them gets it: the mask of that one is missing"
        yield Candidate("partial", text, 2.9, predicted=g, detail={"term": "the mask"})
    else:
        text = f"each gradient is shared equally by {count} elements where one of them gets all: a mean for a maximum"
        yield Candidate("mask", text, 2.75, predicted=g, detail={"factor": 1.0 / count})
