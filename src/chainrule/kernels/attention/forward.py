"""The forward pass of attention by lanes: a running softmax over a few keys at a time."""

import functools
import math
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.symbol import DOUBLE, LONG, Symbol
from chainrule.kernels.native.tasks import Function
from chainrule.kernels.native.vectors import in_heights, tile

from .units import LOG2_E, Pass, scaled

KEYS = 128
"""How many keys are gone through at a time: their scores stay in the first-level cache."""
TOGETHER = 4
"""With how many units at most a few keys are gone through before the next."""
OF_HEAD = 5
"""The addresses of each head: q, k, v, y and the logarithms of the sums."""


@functools.cache
def forward(dtype: Any, d: int, e: int, causal: bool) -> str:
    """Return the function of a range of units, or of groups of them: of the addresses of each head and the sizes."""
    function = Function([LONG], 8)
    p = Pass(function, dtype, d, e, KEYS, causal)
    code, v, (heads,) = p.code, p.v, function.places
    rows, keys, of_q, of_k, of_v, of_y, bits, together = function.numbers
    alpha = scaled(bits, DOUBLE)
    factor = (alpha * LOG2_E).astype(p.dtype)
    kept = [n * p.queries for n in (d, e, 1, 1)]
    *of_units, s, shrink = v.rooms(*(TOGETHER * n for n in kept), KEYS * p.queries, p.queries)
    blocks = p.quotient(rows + (p.queries - 1), p.queries)
    groups = p.quotient(blocks + (together - 1), together)
    with code.loop(function.begin, function.end) as number:
        head = p.quotient(number, groups)
        lowest = (groups - 1 - (number - head * groups)) * together  # the longest of a causal pass first
        units = p.least(blocks - lowest, together)
        q, k, values, y, lse = (p.place(heads, head * OF_HEAD + n) for n in range(OF_HEAD))

        def of(unit: Symbol) -> tuple[Symbol, Symbol, list[Place]]:
            """Return a unit's first query, how many it has, and what is kept of it."""
            first = (lowest + unit) * p.queries
            places = [place.behind(unit * n) for place, n in zip(of_units, kept, strict=True)]
            return first, p.least(rows - first, p.constant(p.queries)), places

        with code.loop(0, units) as unit:
            first, count, (turned, out, top, total) = of(unit)
            p.turn(q, first * of_q, of_q, count, d, factor, turned)
            for n in range(2):
                v.store(v.constant(-math.inf), top, n * v.lanes)
                v.store(v.constant(0), total, n * v.lanes)
            with code.loop(0, e) as c:
                for n in range(2):
                    v.store(v.constant(0), out, c * p.queries + n * v.lanes)
        seen = p.least(keys, (lowest + units) * p.queries) if causal else keys
        with code.loop(0, p.quotient(seen + (KEYS - 1), KEYS)) as block:
            column = block * KEYS
            least_unit = p.quotient(column, p.queries) - lowest if causal else p.constant(0)
            with code.loop(code.chosen(least_unit > 0, least_unit, p.constant(0)), units) as unit:
                first, count, (turned, out, top, total) = of(unit)
                width = p.least((p.least(keys, first + count) if causal else keys) - column, p.constant(KEYS))
                p.scores(k, column * of_k, of_k, width, turned, d, s)
                if causal:
                    start = code.chosen(first > column, first - column, p.constant(0))
                    with code.loop(start, width) as j:
                        for n in range(2):
                            at = j * p.queries + n * v.lanes
                            v.store(p.visible(first, column + j, n, v.load(s, at), -math.inf), s, at)
                _soften(p, s, width, top, total, shrink)
                _weigh(p, s, width, values, column * of_v, of_v, shrink, out)
        with code.loop(0, units) as unit:
            first, count, (turned, out, top, total) = of(unit)
            _finish(p, first, count, top, total, out, y, of_y, lse)
    v.given_back()
    return function.text()


def _soften(p: Pass, s: Place, width: Symbol, top: Place, total: Place, shrink: Place) -> None:
    """Replace scores by powers of two; set by what factor earlier sums shrink."""
    v, code = p.v, p.code
    before = [v.load(top, n * v.lanes) for n in range(2)]
    best = [v.variable(x) for x in before]
    with code.loop(0, width) as j:
        for n in range(2):
            best[n].set(v.larger(v.load(s, j * p.queries + n * v.lanes), best[n].get()))
    least, tops, sums = v.constant(-math.inf), [], []
    for n in range(2):
        now = best[n].get()
        v.store(now, top, n * v.lanes)
        tops.append(v.where("oeq", now, least, v.constant(0), now))  # −∞ less −∞ would be NaN
        v.store(v.exp2(before[n] - tops[n]), shrink, n * v.lanes)
        sums.append(v.variable(v.load(total, n * v.lanes) * v.load(shrink, n * v.lanes)))
    with code.loop(0, width) as j:
        for n in range(2):
            power = v.exp2(v.load(s, j * p.queries + n * v.lanes) - tops[n])
            v.store(power, s, j * p.queries + n * v.lanes)
            sums[n].set(sums[n].get() + power)
    for n in range(2):
        v.store(sums[n].get(), total, n * v.lanes)


def _weigh(p: Pass, s: Place, width: Symbol, values: Place, start: Symbol, step: Symbol, shrink: Place,
           out: Place) -> None:  # fmt: skip
    """Let `out` [e, queries] shrink, and add the weighted values."""
    v = p.v

    def some(first: Symbol, height: int) -> None:
        less = [v.load(shrink, n * v.lanes) for n in range(2)]
        begin = [
            [v.load(out, (first + m) * p.queries + n * v.lanes) * less[n] for n in range(2)] for m in range(height)
        ]
        under = start + first
        sums = tile(
            v, width, begin,
            lambda m, t: values[under + t * step + m],
            lambda t, n: v.load(s, t * p.queries + n * v.lanes),
        )  # fmt: skip
        p.stored(sums, out, first)

    in_heights(p.code, p.e, p.heights, some)


def _finish(p: Pass, first: Symbol, count: Symbol, top: Place, total: Place, out: Place, y: Place, of_y: Symbol,
            lse: Place) -> None:  # fmt: skip
    """Write the rows of a unit: divided by their sums, and 0 where nothing was attended to."""
    v, code = p.v, p.code
    parts = []
    for n in range(2):
        x = v.load(total, n * v.lanes)
        parts.append(v.where("oeq", x, v.constant(0), v.constant(0), v.constant(1) / x))
    with code.loop(0, p.e) as c:
        for n in range(2):
            at = c * p.queries + n * v.lanes
            v.store(v.load(out, at) * parts[n], out, at)
    p.turn_back(out, count, p.e, y, first * of_y, of_y)
    with code.loop(0, count) as r:
        lse[first + r] = top[r] * code.constant(math.log(2), p.dtype) + np.log(total[r])
