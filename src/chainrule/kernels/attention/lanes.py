r"""Attention without a mask as machine code: the lanes of vectors are queries.

A unit is two vectors of queries of one head; its scores with a few keys stay in the cache. Its queries are transposed
once, so that a score is a sum of numbers of a key times vectors of queries, and the softmax runs down the lanes,
without a sum across them. Keys and values are read where they lie, and results are written where they belong: rows of
any stride, in any place for each head. In a causal pass only the keys that a unit can see are gone through. Scores are
in units of $\log 2$.

Sources: as for `chainrule.kernels.attention.blocks`.
"""

import functools
import math
from typing import Any

import numpy as np

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.symbol import DOUBLE, LONG, Symbol
from chainrule.kernels.native.tasks import ADDITION, PART, Function, Task, parts_of
from chainrule.kernels.native.vectors import Vector, Vectors, has_memory, in_heights, register_bytes, tile

Array = Any

LOG2_E = 1 / math.log(2)
KEYS, KEYS_BACK = 128, 64
"""How many keys are gone through at a time, forward and backward: their scores stay in the first-level cache."""
STAYING = 256
"""How many keys the backward pass goes through with all queries: they, and their gradients, stay in the second-level
cache."""
MOST_PARTS = 64
"""How many parts there are at most: the units of a causal pass are unequal."""
EXPONENTIAL = 64
"""How many operations a weight takes as long as, besides the products."""
LEAST_LANES = 4
OPTIMISED = 2
"""How much LLVM optimises: what is written on vectors needs no more, and compiles in less time."""
FEW, LEAST_KEYS = 4, 256
"""Fewer sets of keys than the first are cut into pieces of at least so many keys in the backward pass."""


def lanes_for(dtype: Any, *widths: int) -> int:
    """Return the largest power of two of lanes that divides all widths and has a register."""
    most = register_bytes() // np.dtype(dtype).itemsize
    return math.gcd(most, *widths)


def fits(dtype: Any, *widths: int) -> bool:
    """Whether there is code for keys and values of these widths."""
    return dtype in (np.float32, np.float64) and lanes_for(dtype, *widths) >= LEAST_LANES and has_memory()


class _Pass:
    """What both directions write: units of queries, tiles, transposes."""

    def __init__(self, function: Function, dtype: Any, d: int, e: int, keys: int, causal: bool) -> None:
        self.function, self.code, self.dtype = function, function.code, np.dtype(dtype)
        self.d, self.e, self.keys, self.causal = d, e, keys, causal
        self.v = Vectors(self.code, dtype, register_bytes() // self.dtype.itemsize)
        self.narrow = Vectors(self.code, dtype, lanes_for(dtype, d, e))
        self.queries = 2 * self.v.lanes
        self.heights = (8, 1) if register_bytes() == 64 else (4, 1)
        """The rows of a tile: eight rows of two vectors fill half of 32 registers, four half of 16."""

    def place(self, table: Place, index: Symbol) -> Place:
        """Return the place whose address a table holds."""
        at = f"%{self.code.fresh()}"
        self.code.write(f"{at} = inttoptr i64 {table[index]} to ptr")
        return Place(self.code, at, self.dtype)

    def least(self, a: Symbol, b: Symbol) -> Symbol:
        """Return the smaller of two numbers."""
        return self.code.chosen(a < b, a, b)

    def quotient(self, a: Symbol, b: int | Symbol) -> Symbol:
        """Return the quotient of two numbers, rounded down."""
        return self.code.made(LONG, f"sdiv i64 {a}, {b}")

    def constant(self, number: int) -> Symbol:
        """Return an index."""
        return self.code.constant(number, LONG)

    def is_whole(self, count: Symbol) -> Symbol:
        """Return 1 if a unit has all of its queries, else 0."""
        return self.code.chosen(count == self.queries, self.constant(1), self.constant(0))

    def turn(self, source: Place, start: Symbol, step: Symbol, count: Symbol, width: int, factor: Symbol | None,
             target: Place) -> None:  # fmt: skip
        """Set `target` [width, queries] to the transpose of rows times a factor, with zeros where no row is."""
        n, code, whole = self.narrow, self.code, self.is_whole(count)
        with code.loop(0, whole), code.loop(0, self.queries // n.lanes) as r, code.loop(0, width // n.lanes) as c:
            at = start + r * n.lanes * step + c * n.lanes
            rows = [n.load(source, at + step * k) for k in range(n.lanes)]
            for k, column in enumerate(n.transposed(rows)):
                column = column if factor is None else column * n.spread(factor)
                n.store(column, target, (c * n.lanes + k) * self.queries + r * n.lanes)
        with code.loop(whole, 1), code.loop(0, width) as c:
            with code.loop(0, count) as r:
                x = source[start + r * step + c]
                target[c * self.queries + r] = x if factor is None else x * factor
            with code.loop(count, self.queries) as r:
                target[c * self.queries + r] = code.constant(0, self.dtype)

    def copied(self, source: Place, start: Symbol, step: Any, count: Symbol, width: int, target: Place, at: Any = 0,
               of_target: Any = None) -> None:  # fmt: skip
        """Copy rows; side by side if nothing else is said."""
        n, code = self.narrow, self.code
        with code.loop(0, count) as r, code.loop(0, width // n.lanes) as c:
            x = n.load(source, start + r * step + c * n.lanes)
            n.store(x, target, r * (width if of_target is None else of_target) + at + c * n.lanes)

    def cleared(self, place: Place, start: Symbol, step: Any, count: Symbol, width: int) -> None:
        """Set rows to zero."""
        n, code = self.narrow, self.code
        with code.loop(0, count) as r, code.loop(0, width // n.lanes) as c:
            n.store(n.constant(0), place, start + r * step + c * n.lanes)

    def turn_back(self, source: Place, count: Symbol, width: int, target: Place, start: Symbol, step: Symbol) -> None:
        """Set rows to the transpose of `source` [width, queries], as far as they are there."""
        n, code, whole = self.narrow, self.code, self.is_whole(count)
        with code.loop(0, whole), code.loop(0, self.queries // n.lanes) as r, code.loop(0, width // n.lanes) as c:
            rows = [n.load(source, (c * n.lanes + k) * self.queries + r * n.lanes) for k in range(n.lanes)]
            for k, row in enumerate(n.transposed(rows)):
                n.store(row, target, start + (r * n.lanes + k) * step + c * n.lanes)
        with code.loop(whole, 1), code.loop(0, count) as r, code.loop(0, width) as c:
            target[start + r * step + c] = source[c * self.queries + r]

    def stored(self, sums: list[list[Vector]], out: Place, first: Symbol) -> None:
        """Write a tile into `out` [rows, queries], from a row on."""
        for m, row in enumerate(sums):
            for n, x in enumerate(row):
                self.v.store(x, out, (first + m) * self.queries + n * self.v.lanes)

    def scores(self, keys: Place, start: Symbol, step: Symbol, count: Symbol, turned: Place, width: int,
               out: Place) -> None:  # fmt: skip
        """Set `out` [count, queries] to the products of keys with transposed queries [width, queries]."""
        v = self.v

        def some(first: Symbol, height: int) -> None:
            zero = [[v.constant(0)] * 2 for _ in range(height)]
            under = start + first * step
            sums = tile(
                v, width, zero,
                lambda m, t: keys[under + step * m + t],
                lambda t, n: v.load(turned, t * self.queries + n * v.lanes),
            )  # fmt: skip
            self.stored(sums, out, first)

        in_heights(self.code, count, self.heights, some)

    def visible(self, first_query: Symbol, key: Symbol, n: int, x: Vector, other: float) -> Vector:
        """Return what belongs to vector n of the queries and a key, with `other` where a query is before the key."""
        return self.v.from_lane(key - first_query - n * self.v.lanes, x, self.v.constant(other))


def _scaled(number: Symbol, dtype: Any) -> Symbol:
    """Return a float64 that is given by its bits, in a type."""
    return number.view(DOUBLE).astype(dtype)


# Forward

OF_HEAD = 5
"""The addresses of each head: q, k, v, y and the logarithms of the sums."""


@functools.cache
def _forward(dtype: Any, d: int, e: int, causal: bool) -> str:
    function = Function([LONG], 7)
    p = _Pass(function, dtype, d, e, KEYS, causal)
    code, v, (heads,) = p.code, p.v, function.places
    rows, keys, of_q, of_k, of_v, of_y, bits = function.numbers
    alpha = _scaled(bits, DOUBLE)
    factor = (alpha * LOG2_E).astype(p.dtype)
    turned, s, out, top, total, shrink = v.rooms(*(n * p.queries for n in (d, KEYS, e, 1, 1, 1)))
    blocks = p.quotient(rows + (p.queries - 1), p.queries)
    with code.loop(function.begin, function.end) as unit:
        head = p.quotient(unit, blocks)
        first = (blocks - 1 - (unit - head * blocks)) * p.queries  # the longest of a causal pass first
        q, k, values, y, lse = (p.place(heads, head * OF_HEAD + n) for n in range(OF_HEAD))
        count = p.least(rows - first, p.constant(p.queries))
        p.turn(q, first * of_q, of_q, count, d, factor, turned)
        for n in range(2):
            v.store(v.constant(-math.inf), top, n * v.lanes)
            v.store(v.constant(0), total, n * v.lanes)
        with code.loop(0, e) as c:
            for n in range(2):
                v.store(v.constant(0), out, c * p.queries + n * v.lanes)
        seen = p.least(keys, first + count) if causal else keys
        with code.loop(0, p.quotient(seen + (KEYS - 1), KEYS)) as block:
            column = block * KEYS
            width = p.least(seen - column, p.constant(KEYS))
            p.scores(k, column * of_k, of_k, width, turned, d, s)
            if causal:
                start = code.chosen(first > column, first - column, p.constant(0))
                with code.loop(start, width) as j:
                    for n in range(2):
                        at = j * p.queries + n * v.lanes
                        v.store(p.visible(first, column + j, n, v.load(s, at), -math.inf), s, at)
            _soften(p, s, width, top, total, shrink)
            _weigh(p, s, width, values, column * of_v, of_v, shrink, out)
        _finish(p, first, count, top, total, out, y, of_y, lse)
    v.given_back()
    return function.text()


def _soften(p: _Pass, s: Place, width: Symbol, top: Place, total: Place, shrink: Place) -> None:
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


def _weigh(p: _Pass, s: Place, width: Symbol, values: Place, start: Symbol, step: Symbol, shrink: Place,
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


def _finish(p: _Pass, first: Symbol, count: Symbol, top: Place, total: Place, out: Place, y: Place, of_y: Symbol,
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


# Reverse

OF_HEAD_BACK = 9
"""The addresses of each head: q, k, v, y, ȳ, the logarithms of the sums, q̄, k̄ and v̄."""


@functools.cache
def _reverse(dtype: Any, d: int, e: int, causal: bool) -> str:
    function = Function([LONG, LONG], 14)
    p = _Pass(function, dtype, d, e, KEYS_BACK, causal)
    code, v, (heads, groups) = p.code, p.v, function.places
    rows, keys, of_q, of_k, of_v, of_y, of_y_bar, of_q_bar, of_k_bar, of_v_bar, bits, chunks, span, apart = (
        function.numbers
    )
    alpha = _scaled(bits, DOUBLE)
    factor, scale = (alpha * LOG2_E).astype(p.dtype), alpha.astype(p.dtype)
    lengths = (d, e, KEYS_BACK, KEYS_BACK, d, d, e, 1, 1)
    rooms = v.rooms(*(n * p.queries for n in lengths))
    turned, turned_bar, s, s_bar, gathered, queries, cotangents, sums, delta = rooms
    with code.loop(function.begin, function.end) as unit:
        group = p.quotient(unit, chunks)
        chunk = unit - group * chunks
        low = chunk * span
        high = p.least(low + span, keys)
        begin, end = groups[group], groups[group + 1]
        with code.loop(begin, end) as head:
            q, k, values, y, y_bar, lse, q_bar, k_bar, v_bar = (
                p.place(heads, head * OF_HEAD_BACK + n) for n in range(OF_HEAD_BACK)
            )
            with code.loop(0, code.chosen(head == begin, p.constant(1), p.constant(0))):
                for place, step, length in ((k_bar, of_k_bar, d), (v_bar, of_v_bar, e)):
                    p.cleared(place, low * step, step, high - low, length)
            with code.loop(0, p.quotient(high - low + (STAYING - 1), STAYING)) as part:
                lowest = low + part * STAYING
                highest = p.least(lowest + STAYING, high)
                is_first = code.chosen(part == 0, p.constant(1), p.constant(0))
                # The first part writes all rows of q̄; to later ones only those add that see their keys.
                start = (1 - is_first) * p.quotient(lowest, p.queries) if causal else p.constant(0)
                with code.loop(start, p.quotient(rows + (p.queries - 1), p.queries)) as block:
                    first = block * p.queries
                    count = p.least(rows - first, p.constant(p.queries))
                    p.turn(q, first * of_q, of_q, count, d, factor, turned)
                    p.turn(y_bar, first * of_y_bar, of_y_bar, count, e, None, turned_bar)
                    _read_sums(p, first, count, lse, y, of_y, y_bar, of_y_bar, sums, delta)
                    # Read where they lie, rows with gaps of a power of two put each other out of the cache.
                    p.copied(q, first * of_q, of_q, count, d, queries)
                    p.copied(y_bar, first * of_y_bar, of_y_bar, count, e, cotangents)
                    at_q = chunk * apart + first * of_q_bar
                    with code.loop(0, is_first):
                        p.cleared(gathered, p.constant(0), d, p.constant(p.queries), d)
                    with code.loop(is_first, 1):
                        p.copied(q_bar, at_q, of_q_bar, count, d, gathered)
                    seen = p.least(highest, first + count) if causal else highest
                    with code.loop(0, p.quotient(seen - lowest + (KEYS_BACK - 1), KEYS_BACK)) as some:
                        column = lowest + some * KEYS_BACK
                        width = p.least(seen - column, p.constant(KEYS_BACK))
                        p.scores(k, column * of_k, of_k, width, turned, d, s)
                        p.scores(values, column * of_v, of_v, width, turned_bar, e, s_bar)
                        _adjoint(p, s, s_bar, first, column, width, sums, delta, scale)
                        at_v, at_k = column * of_v_bar, column * of_k_bar
                        _spread_back(p, s, width, count, cotangents, e, v_bar, at_v, of_v_bar)
                        _spread_back(p, s_bar, width, count, queries, d, k_bar, at_k, of_k_bar)
                        _gather(p, s_bar, width, k, column * of_k, of_k, gathered)
                    p.copied(gathered, p.constant(0), d, count, d, q_bar, at_q, of_q_bar)
    v.given_back()
    return function.text()


def _read_sums(p: _Pass, first: Symbol, count: Symbol, lse: Place, y: Place, of_y: Symbol, y_bar: Place,
               of_y_bar: Symbol, sums: Place, delta: Place) -> None:  # fmt: skip
    """Set the logarithms of the sums, in units of log 2, and the row sums of ȳ y."""
    code, n = p.code, p.narrow
    infinity, zero = code.constant(math.inf, p.dtype), code.constant(0, p.dtype)
    with code.loop(0, p.queries) as r:
        sums[r], delta[r] = zero, zero
    with code.loop(0, count) as r:
        x = lse[first + r]
        # A row that attended to nothing has no weights: 2^(s − ∞) is 0.
        sums[r] = code.chosen(x == -math.inf, infinity, x * code.constant(LOG2_E, p.dtype))
        product = n.variable(n.constant(0))
        with code.loop(0, p.e // n.lanes) as c:
            of_one = n.load(y, (first + r) * of_y + c * n.lanes)
            product.set(of_one * n.load(y_bar, (first + r) * of_y_bar + c * n.lanes) + product.get())
        delta[r] = n.total(product.get())


def _adjoint(p: _Pass, s: Place, s_bar: Place, first: Symbol, column: Symbol, width: Symbol, sums: Place, delta: Place,
             scale: Symbol) -> None:  # fmt: skip
    """Replace scores by weights, and their cotangents by those of the products of queries and keys."""
    v, code = p.v, p.code
    log_sums, deltas = ([v.load(place, n * v.lanes) for n in range(2)] for place in (sums, delta))
    factor = v.spread(scale)

    def rows(begin: Symbol | int, end: Symbol, masked: bool) -> None:
        with code.loop(begin, end) as j:
            for n in range(2):
                at = j * p.queries + n * v.lanes
                weight = v.exp2(v.load(s, at) - log_sums[n])
                weight = p.visible(first, column + j, n, weight, 0) if masked else weight
                v.store(weight, s, at)
                v.store(weight * (v.load(s_bar, at) - deltas[n]) * factor, s_bar, at)

    if p.causal:
        start = code.chosen(first > column, first - column, p.constant(0))
        start = p.least(start, width)
        rows(0, start, False)
        rows(start, width, True)
    else:
        rows(0, width, False)


def _spread_back(p: _Pass, s: Place, width: Symbol, count: Symbol, x: Place, length: int,
                 out: Place, at: Symbol, of_out: Symbol) -> None:  # fmt: skip
    """Add to the rows of `out`, one for each key, the weighted sums of rows of x, one for each query."""
    n = p.narrow

    def columns(c: Symbol, vectors: int) -> None:
        def some(j: Symbol, height: int) -> None:
            places = [[at + (j + m) * of_out + (c + k) * n.lanes for k in range(vectors)] for m in range(height)]
            sums = tile(
                n, count, [[n.load(out, place) for place in row] for row in places],
                lambda m, t: s[(j + m) * p.queries + t],
                lambda t, k: n.load(x, t * length + (c + k) * n.lanes),
            )  # fmt: skip
            for row, total in zip(places, sums, strict=True):
                for place, one in zip(row, total, strict=True):
                    n.store(one, out, place)

        in_heights(p.code, width, p.heights, some)

    in_heights(p.code, length // n.lanes, (2, 1), columns)


def _gather(p: _Pass, s: Place, width: Symbol, keys: Place, start: Symbol, step: Symbol, out: Place) -> None:
    """Add to `out` [queries, d] the weighted sums of keys."""
    n = p.narrow

    def columns(c: Symbol, vectors: int) -> None:
        def some(r: Symbol, height: int) -> None:
            places = [[(r + m) * p.d + (c + k) * n.lanes for k in range(vectors)] for m in range(height)]
            sums = tile(
                n, width, [[n.load(out, place) for place in row] for row in places],
                lambda m, t: s[t * p.queries + r + m],
                lambda t, k: n.load(keys, start + t * step + (c + k) * n.lanes),
            )  # fmt: skip
            for row, total in zip(places, sums, strict=True):
                for place, one in zip(row, total, strict=True):
                    n.store(one, out, place)

        in_heights(p.code, p.queries, p.heights, some)

    in_heights(p.code, p.d // n.lanes, (2, 1), columns)


@functools.cache
def _added(dtype: Any, d: int) -> str:
    """Return the function that adds up what each set of keys has contributed to q̄, for a range of rows of all heads."""
    function = Function([LONG, dtype], 4)
    code, (heads, parts) = function.code, function.places
    rows, step, chunks, apart = function.numbers
    p = _Pass(function, dtype, d, d, KEYS_BACK, False)
    with code.loop(function.begin, function.end) as i:
        head = p.quotient(i, rows)
        q_bar, start = p.place(heads, head), (i - head * rows) * step
        with code.loop(0, d) as c:
            q_bar[start + c] = parts[i * d + c]
        with code.loop(1, chunks) as chunk, code.loop(0, d) as c:
            q_bar[start + c] = q_bar[start + c] + parts[chunk * apart + i * d + c]
    return function.text()


# Calls


def starts(x: Array, lead: tuple[int, ...]) -> Array:
    """Return the address of each matrix of a stack that is broadcast to some leading axes."""
    return _offsets(x.shape, x.strides, lead) + x.__array_interface__["data"][0]


@functools.lru_cache(1024)
def _offsets(shape: tuple[int, ...], strides: tuple[int, ...], lead: tuple[int, ...]) -> Array:
    """Return how many bytes behind the first one each matrix of a stack begins."""
    x = np.lib.stride_tricks.as_strided(np.empty(0, np.uint8), shape, strides)
    x = np.broadcast_to(x, (*lead, *shape[len(shape) - 2 :]))
    found = np.zeros(lead, np.int64)
    for axis, (length, stride) in enumerate(zip(lead, x.strides, strict=False)):
        found += (np.arange(length) * stride).reshape(-1, *[1] * (len(lead) - axis - 1))
    return found.reshape(-1)


def _no_memory() -> None:
    raise MemoryError("attention: no memory is left for a block of scores; free some, or train on shorter sequences")


def in_rows(x: Array) -> bool:
    """Whether the elements of each row of a stack of matrices lie side by side, and rows whole elements apart."""
    row, column = x.strides[-2:]
    return bool((x.shape[-1] == 1 or column == x.itemsize) and row % x.itemsize == 0)


def _bits(number: float) -> int:
    return int(np.float64(number).view(np.int64))


def _steps(*stacks: Array) -> list[int]:
    return [x.strides[-2] // x.itemsize for x in stacks]


def _work(q: Array, v: Array, causal: bool, products: int) -> float:
    """Return about how many operations a pass takes, given how many products there are for each weight."""
    pairs = q.size // q.shape[-1] * v.shape[-2] * (0.5 if causal else 1.0)
    return float(pairs * (products * (q.shape[-1] + v.shape[-1]) + EXPONENTIAL))


def forward_task(q: Array, k: Array, v: Array, y: Array, lse: Array, causal: bool, alpha: float) -> Task:
    """Return the task that sets y [..., N, e] and lse [..., N], given q [..., N, d], k [..., M, d] and v [..., M, e].

    The leading axes of k and v are broadcast to those of q, and none is empty. The elements of a row lie side by side;
    those of `lse` all do. Heads and rows may lie anywhere.
    """
    lead, rows, itemsize = q.shape[:-2], q.shape[-2], q.itemsize
    table = np.ascontiguousarray(np.stack([*(starts(x, lead) for x in (q, k, v, y)), starts(lse[..., None], lead)], 1))
    units = len(table) * -(-rows // (2 * register_bytes() // itemsize))
    numbers = [rows, v.shape[-2], *_steps(q, k, v, y), _bits(alpha)]
    parts = max(1, min(units, MOST_PARTS, int(_work(q, v, causal, 2) / PART)))
    text = _forward(q.dtype, q.shape[-1], v.shape[-1], causal)
    return Task(
        text, [table], numbers, 0, units, parts=parts, level=OPTIMISED, rescue=_no_memory, kept=(q, k, v, y, lse)
    )


def reverse_tasks(
    q: Array, k: Array, v: Array, y: Array, y_bar: Array, lse: Array, q_bar: Array, k_bar: Array, v_bar: Array,
    causal: bool, alpha: float,
) -> list[Task]:  # fmt: skip
    """Return the tasks that set q̄, k̄ and v̄: arrays like q, k and v, with rows like those of `forward_task`.

    Heads that share keys add to the same k̄ and v̄, one after the other. Where few sets of keys are shared, each is cut
    in pieces, which contribute to q̄ apart: by the shapes alone, so that no result depends on the number of threads.
    """
    lead, (rows, d), (keys, e) = q.shape[:-2], q.shape[-2:], v.shape[-2:]
    columns = {name: starts(x, lead) for name, x in (("q", q), ("k", k), ("v", v), ("y", y), ("y_bar", y_bar))}
    columns["lse"] = starts(lse[..., None], lead)
    columns |= {name: starts(x, lead) for name, x in (("q_bar", q_bar), ("k_bar", k_bar), ("v_bar", v_bar))}
    count, of_q_bar = columns["q"].size, q_bar.strides[-2] // q.itemsize
    groups = len(np.unique(columns["k_bar"]))
    work = _work(q, v, causal, 5)
    chunks = max(1, min(-(-FEW // groups), keys // LEAST_KEYS, int(work / PART)))
    contributions = np.empty((chunks if chunks > 1 else 0, count, rows, d), q.dtype)
    into, apart = columns["q_bar"], 0
    if chunks > 1:
        columns["q_bar"], of_q_bar, apart = starts(contributions[0], (count,)), d, count * rows * d
    table = np.stack(list(columns.values()), axis=1)
    table = np.ascontiguousarray(table[np.argsort(columns["k_bar"], kind="stable")])
    ends = np.flatnonzero(np.diff(table[:, list(columns).index("k_bar")])) + 1
    edges = np.array([0, *ends, count], np.int64)
    span = -(-keys // chunks)
    numbers = [
        rows,
        keys,
        *_steps(q, k, v, y, y_bar),
        of_q_bar,
        *_steps(k_bar, v_bar),
        _bits(alpha),
        chunks,
        span,
        apart,
    ]
    units = groups * chunks
    parts = max(1, min(units, MOST_PARTS, int(work / PART)))
    text = _reverse(q.dtype, d, e, causal)
    kept = (q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar, contributions)
    tasks = [Task(text, [table, edges], numbers, 0, units, parts=parts, level=OPTIMISED, rescue=_no_memory, kept=kept)]
    if chunks > 1:
        given = [rows, q_bar.strides[-2] // q.itemsize, chunks, apart]
        parts = parts_of(float(ADDITION * contributions.size), count * rows)
        tasks.append(
            Task(_added(q.dtype, d), [into, contributions], given, 0, count * rows, parts=parts, kept=(q_bar,))
        )
    return tasks
