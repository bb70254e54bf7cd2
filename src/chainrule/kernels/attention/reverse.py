"""The backward pass of attention by lanes: scores again, a few keys at a time, and the sums of three gradients."""

import functools
import math
from collections.abc import Sequence
from typing import Any

from chainrule.kernels.native.code import Index, Place
from chainrule.kernels.native.symbol import DOUBLE, LONG, Symbol
from chainrule.kernels.native.tasks import Function
from chainrule.kernels.native.vectors import in_heights, tile

from .units import LOG2_E, TILE, Pass, scaled

KEYS = 64
"""How many keys are gone through at a time: their scores stay in the first-level cache."""
STAYING = 256
"""How many keys all queries go through: they, and their gradients, stay in the second-level cache."""
OF_HEAD = 10
"""The addresses of each head: q, k, v, y, ȳ, the logarithms of the sums, q̄, k̄ and v̄, and what pieces of the keys but
the first contribute to q̄."""


@functools.cache
def reverse(dtype: Any, d: int, e: int, causal: bool, vectors: int) -> str:
    """Return the function of a range of pieces of the keys, each with all the queries of the heads that share it.

    A unit has so many vectors of queries. The queries may be a strip of all: the first of them is number `shift`, and
    keys from number `fresh` on have had none before.
    """
    function = Function([LONG, LONG], 16)
    p = Pass(function, dtype, d, e, KEYS, causal, vectors)
    code, v, (heads, groups) = p.code, p.v, function.places
    rows, keys, of_q, of_k, of_v, of_y, of_y_bar, of_q_bar, of_k_bar, of_v_bar, bits, *pieces = function.numbers
    chunks, span, apart, shift, fresh = pieces
    alpha = scaled(bits, DOUBLE)
    factor, scale = (alpha * LOG2_E).astype(p.dtype), alpha.astype(p.dtype)
    lengths = (d, e, KEYS, KEYS, d, d, e, 1, 1)
    rooms = v.rooms(*(n * p.queries for n in lengths))
    turned, turned_bar, s, s_bar, gathered, queries, cotangents, sums, delta = rooms
    with code.loop(function.begin, function.end) as unit:
        group = p.quotient(unit, chunks)
        chunk = unit - group * chunks
        low = chunk * span
        high = p.least(low + span, keys)
        begin, end = groups[group], groups[group + 1]
        with code.loop(begin, end) as head:
            q, k, values, y, y_bar, lse, whole, k_bar, v_bar, rest = (
                p.place(heads, head * OF_HEAD + n) for n in range(OF_HEAD)
            )
            q_bar = code.either(chunk == 0, whole, rest.behind((chunk - 1) * apart))
            of_piece = code.chosen(chunk == 0, of_q_bar, p.constant(d))
            with code.loop(0, code.chosen(head == begin, p.constant(1), p.constant(0))):
                new = code.chosen(low > fresh, low, fresh)
                for place, step, length in ((k_bar, of_k_bar, d), (v_bar, of_v_bar, e)):
                    p.cleared(place, new * step, step, high - new, length)
            with code.loop(0, p.quotient(high - low + (STAYING - 1), STAYING)) as part:
                lowest = low + part * STAYING
                highest = p.least(lowest + STAYING, high)
                is_first = code.chosen(part == 0, p.constant(1), p.constant(0))
                # The first part writes all rows of q̄; to later ones only those add that see their keys.
                past = code.chosen(lowest > shift, lowest - shift, p.constant(0))
                start = (1 - is_first) * p.quotient(past, p.queries) if causal else p.constant(0)
                with code.loop(start, p.quotient(rows + (p.queries - 1), p.queries)) as block:
                    first = block * p.queries
                    count = p.least(rows - first, p.constant(p.queries))
                    p.turn(q, first * of_q, of_q, count, d, factor, turned)
                    p.turn(y_bar, first * of_y_bar, of_y_bar, count, e, scale, turned_bar)
                    _read_sums(p, first, count, lse, y, of_y, y_bar, of_y_bar, scale, sums, delta)
                    # Read where they lie, rows with gaps of a power of two put each other out of the cache.
                    p.copied(q, first * of_q, of_q, count, d, queries)
                    p.copied(y_bar, first * of_y_bar, of_y_bar, count, e, cotangents)
                    at_q = first * of_piece
                    with code.loop(0, is_first):
                        p.cleared(gathered, p.constant(0), d, p.constant(p.queries), d)
                    with code.loop(is_first, 1):
                        p.copied(q_bar, at_q, of_piece, count, d, gathered)
                    seen = p.least(highest, shift + first + count) if causal else highest
                    with code.loop(0, p.quotient(seen - lowest + (KEYS - 1), KEYS)) as some:
                        column = lowest + some * KEYS
                        width = p.least(seen - column, p.constant(KEYS))
                        here = _Block(p, shift + first - column, width, count)
                        p.scores(k, column * of_k, of_k, here.keys_of_pair, turned, d, s, sums)
                        p.scores(values, column * of_v, of_v, here.keys_of_pair, turned_bar, e, s_bar, delta)
                        _adjoint(here, s, s_bar)
                        at_v, at_k = column * of_v_bar, column * of_k_bar
                        _spread_back(here, s, cotangents, e, v_bar, at_v, of_v_bar)
                        _spread_back(here, s_bar, queries, d, k_bar, at_k, of_k_bar)
                        _gather(here, s_bar, k, column * of_k, of_k, gathered)
                    p.copied(gathered, p.constant(0), d, count, d, q_bar, at_q, of_piece)
    v.given_back()
    return function.text()


class _Block:
    """A block of scores of the backward pass: which of them there are.

    In a causal pass query t attends to the keys up to t + `ahead`. What a tile does not read is not computed; where it
    reads a score that there is not, that is zero.
    """

    def __init__(self, p: Pass, ahead: Symbol, width: Symbol, count: Symbol) -> None:
        self.p, self.ahead, self.width, self.count = p, ahead, width, count

    def _keys(self, end: Index) -> Symbol:
        """Return how many of the keys are before one."""
        code, zero = self.p.code, self.p.constant(0)
        end = code.index(end)
        return self.p.least(code.chosen(end > zero, end, zero), self.width)

    def keys_of_pair(self, left: Symbol) -> Symbol:
        """Return how many keys two vectors of queries attend to."""
        return self._keys(self.ahead + left + TILE * self.p.v.lanes) if self.p.causal else self.width

    def keys_of_vector(self, n: int) -> tuple[Symbol, Symbol, Symbol]:
        """Return before which keys a vector's queries attend to all, to some, and to none that is read."""
        if not self.p.causal:
            return self.width, self.width, self.width
        begin = self.ahead + n * self.p.v.lanes
        ends = begin + 1, begin + self.p.v.lanes, begin + (self.p.v.lanes + self.p.heights[0])
        return self._keys(ends[0]), self._keys(ends[1]), self._keys(ends[2])

    def keys_of_rows(self, r: Symbol, height: int) -> Symbol:
        """Return how many keys some queries attend to."""
        return self._keys(self.ahead + r + height) if self.p.causal else self.width

    def first_query(self, key: Symbol) -> Symbol:
        """Return the first query that attends to a key."""
        if not self.p.causal:
            return self.p.constant(0)
        zero, found = self.p.constant(0), key - self.ahead
        return self.p.code.chosen(found > zero, found, zero)


def _read_sums(p: Pass, first: Symbol, count: Symbol, lse: Place, y: Place, of_y: Symbol, y_bar: Place,
               of_y_bar: Symbol, scale: Symbol, sums: Place, delta: Place) -> None:  # fmt: skip
    """Set what scores and their cotangents begin with: less the logarithms of the sums, in units of log 2, and less
    the scaled row sums of ȳ y.
    """
    code, n = p.code, p.narrow
    nothing, zero = code.constant(-math.inf, p.dtype), code.constant(0, p.dtype)
    with code.loop(0, p.queries) as r:
        sums[r], delta[r] = zero, zero
    with code.loop(0, count) as r:
        x = lse[first + r]
        # A row that attended to nothing has no weights: 2^−∞ is 0.
        sums[r] = code.chosen(x == -math.inf, nothing, x * code.constant(-LOG2_E, p.dtype))
        product = n.variable(n.constant(0))
        with code.loop(0, p.e // n.lanes) as c:
            of_one = n.load(y, (first + r) * of_y + c * n.lanes)
            product.set(of_one * n.load(y_bar, (first + r) * of_y_bar + c * n.lanes) + product.get())
        delta[r] = n.total(product.get()) * -scale


def _adjoint(here: _Block, s: Place, s_bar: Place) -> None:
    """Replace scores by weights, and their cotangents by those of the products of queries and keys."""
    p = here.p
    v, code = p.v, p.code
    ends = [here.keys_of_vector(n) for n in range(p.vectors)]

    def rows(begin: Index, end: Symbol, vectors: Sequence[int], kind: str) -> None:
        with code.loop(begin, end) as j:
            for n in vectors:
                at = j * p.queries + n * v.lanes
                weight = v.constant(0) if kind == "hidden" else v.exp2(v.load(s, at))
                if kind == "partly":
                    weight = v.from_lane(j - here.ahead - n * v.lanes, weight, v.constant(0))
                v.store(weight, s, at)
                v.store(weight if kind == "hidden" else weight * v.load(s_bar, at), s_bar, at)

    if not p.causal:
        rows(0, here.width, range(p.vectors), "whole")
        return
    rows(0, ends[0][0], range(p.vectors), "whole")
    for n, (whole, partly, read) in enumerate(ends):
        if n:
            rows(ends[0][0], whole, [n], "whole")
        rows(whole, partly, [n], "partly")
        rows(partly, read, [n], "hidden")


def _spread_back(here: _Block, s: Place, x: Place, length: int, out: Place, at: Symbol, of_out: Symbol) -> None:
    """Add to the rows of `out`, one for each key, the weighted sums of rows of x, one for each query."""
    p = here.p
    n = p.narrow

    def columns(c: Symbol, vectors: int) -> None:
        def some(j: Symbol, height: int) -> None:
            places = [[at + (j + m) * of_out + (c + k) * n.lanes for k in range(vectors)] for m in range(height)]
            sums = tile(
                n, here.count, [[n.load(out, place) for place in row] for row in places],
                lambda m, t: s[(j + m) * p.queries + t],
                lambda t, k: n.load(x, t * length + (c + k) * n.lanes),
                here.first_query(j),
            )  # fmt: skip
            for row, total in zip(places, sums, strict=True):
                for place, one in zip(row, total, strict=True):
                    n.store(one, out, place)

        in_heights(p.code, here.width, p.heights, some)

    in_heights(p.code, length // n.lanes, (2, 1), columns)


def _gather(here: _Block, s: Place, keys: Place, start: Symbol, step: Symbol, out: Place) -> None:
    """Add to `out` [queries, d] the weighted sums of keys."""
    p = here.p
    n = p.narrow

    def columns(c: Symbol, vectors: int) -> None:
        def some(r: Symbol, height: int) -> None:
            places = [[(r + m) * p.d + (c + k) * n.lanes for k in range(vectors)] for m in range(height)]
            sums = tile(
                n, here.keys_of_rows(r, height), [[n.load(out, place) for place in row] for row in places],
                lambda m, t: s[t * p.queries + r + m],
                lambda t, k: n.load(keys, start + t * step + (c + k) * n.lanes),
            )  # fmt: skip
            for row, total in zip(places, sums, strict=True):
                for place, one in zip(row, total, strict=True):
                    n.store(one, out, place)

        in_heights(p.code, p.queries, p.heights, some)

    in_heights(p.code, p.d // n.lanes, (2, 1), columns)


@functools.cache
def added(dtype: Any, d: int) -> str:
    """Return the function that adds to q̄ what each piece of keys but the first has contributed, for a range of rows."""
    function = Function([LONG, dtype], 4)
    code, (heads, parts) = function.code, function.places
    rows, step, pieces, apart = function.numbers
    p = Pass(function, dtype, d, d, KEYS, False)
    with code.loop(function.begin, function.end) as i:
        head = p.quotient(i, rows)
        q_bar, start = p.place(heads, head), (i - head * rows) * step
        with code.loop(0, pieces) as piece, code.loop(0, d) as c:
            q_bar[start + c] = q_bar[start + c] + parts[piece * apart + i * d + c]
    return function.text()
