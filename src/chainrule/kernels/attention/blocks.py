r"""Attention a block of scores at a time: forward, reverse and forward mode.

A block is a few hundred rows of queries against as many keys: its scores stay in the cache, and no array of N × M ever
exists. Scores are in units of $\log 2$, so that powers of two replace exponentials.

All arrays have three axes, heads first, and contiguous rows; `place` holds the rows of `q`, `k` (and `v`) and the masks
that belong to one head of the result. An empty mask means no mask; one with a single row or column broadcasts.

Sources: Milakov & Gimelshein, "Online normalizer calculation for softmax" (2018); Rabe & Staats, "Self-attention does
not need O(n²) memory" (2021); Dao, Fu, Ermon, Rudra & Ré, "FlashAttention" (2022); Dao, "FlashAttention-2" (2023).
"""

from typing import Any, TypeAlias

import numpy as np

from chainrule.kernels.blas import product
from chainrule.kernels.jit import inline, kernel

from .elements import LOG2_E, draw, exp2, ordered, threshold_of, unordered

Array: TypeAlias = Any
"""An array, or an element of one, of float32 or float64; a number of that type."""

# Rows are given by a block and a number: a view of each would cost as much as the work on it.


@inline
def _block(memory: Array, rows: int, columns: int) -> Array:
    """Return a block in reused memory; a part of a larger one would not be contiguous."""
    return memory[: rows * columns].reshape(rows, columns)


@inline
def _visible(columns: int, row: int, column: int, causal: bool) -> int:
    """Return how many columns of a block, from `column` on, a row of a causal mask lets through."""
    return max(0, min(columns, row - column + 1)) if causal else columns


@inline
def _cleared(s: Array, r: int, count: int) -> None:
    """Write 0 to a row, from column `count` on."""
    for j in range(count, s.shape[1]):
        s[r, j] = 0


@inline
def _masked(s: Array, r: int, count: int, row: int, column: int, place: int, allowed: Array, bias: Array) -> None:
    """Add the bias to a row of scores, and write −inf where it may not attend."""
    if bias.size:
        _biased(s, r, count, row, column, place, bias, s.dtype.type(LOG2_E))
    if allowed.size:
        i = row if allowed.shape[1] > 1 else 0
        if allowed.shape[2] > 1:
            for j in range(count):
                s[r, j] = s[r, j] if allowed[place, i, column + j] else -np.inf
        elif not allowed[place, i, 0]:
            for j in range(count):
                s[r, j] = -np.inf


@inline
def _biased(s: Array, r: int, count: int, row: int, column: int, place: int, bias: Array, unit: Array) -> None:
    i = row if bias.shape[1] > 1 else 0
    if bias.shape[2] > 1:
        for j in range(count):
            s[r, j] += bias[place, i, column + j] * unit
    else:
        for j in range(count):
            s[r, j] += bias[place, i, 0] * unit


@inline
def _largest(s: Array, r: int, count: int, least: Array) -> Array:
    """Return the largest of `least` and the first elements of a row."""
    top = ordered(least)
    for j in range(count):
        top = max(top, ordered(s[r, j]))
    return unordered(top)


@inline
def _powers(s: Array, r: int, count: int, top: Array) -> Array:
    """Replace scores by 2^(s − top) and return their sum."""
    total = top * 0
    for j in range(count):
        power = exp2(s[r, j] - top)
        s[r, j] = power
        total += power
    return total


@inline
def _dropped(s: Array, r: int, count: int, row: int, column: int, key: Array, p: float) -> None:
    """Set elements to zero with probability p, and divide the others by 1 − p."""
    limit, kept = threshold_of(p), s.dtype.type(1 / (1 - p))
    for j in range(count):
        s[r, j] = s[r, j] * kept if draw(key, row, column + j) >= limit else 0


@inline
def _scaled(out: Array, r: int, factor: Array) -> None:
    for j in range(out.shape[1]):
        out[r, j] *= factor


@kernel
def forward(
    address: int, q: Array, k: Array, v: Array, allowed: Array, bias: Array, y: Array, lse: Array, place: Array,
    begin: int, end: int, width: int, causal: bool, alpha: float, p: float, draw_keys: Array,
) -> None:  # fmt: skip
    """Fill rows `begin` to `end` of one head of `y` and of `lse`, the logarithms of the sums of e^score."""
    head, of_q, of_k, of_mask = place
    rows, keys, one, dtype = end - begin, k.shape[1], q.dtype.type(1), q.dtype.type
    key = draw_keys[head]
    memory = np.empty(rows * width, q.dtype)
    top, total = np.full(rows, -np.inf, q.dtype), np.zeros(rows, q.dtype)
    out = y[head, begin:end]
    out[:] = 0
    for column in range(0, min(end, keys) if causal else keys, width):
        to = min(column + width, keys)
        s = _block(memory, rows, to - column)
        product(address, q[of_q, begin:end], False, k[of_k, column:to], True, dtype(alpha * LOG2_E), one * 0, s)
        for r in range(rows):
            count = _visible(to - column, begin + r, column, causal)
            _masked(s, r, count, begin + r, column, of_mask, allowed, bias)
            largest = _largest(s, r, count, top[r])
            if largest == -np.inf:
                count = 0
            _cleared(s, r, count)
            if count == 0:
                continue
            if largest != top[r]:
                shrink = exp2(top[r] - largest)
                _scaled(out, r, shrink)
                total[r] *= shrink
                top[r] = largest
            total[r] += _powers(s, r, count, largest)
            if p > 0:
                _dropped(s, r, count, begin + r, column, key, p)
        product(address, s, False, v[of_k, column:to], False, one, one, out)
    for r in range(rows):
        if total[r] == 0:  # a row that may attend to nothing
            lse[head, begin + r] = -np.inf
            continue
        _scaled(out, r, one / total[r])
        lse[head, begin + r] = top[r] / dtype(LOG2_E) + np.log(total[r])


@inline
def _adjoint(s: Array, s_bar: Array, r: int, count: int, log_sum: Array, delta: Array) -> None:
    """Replace scores by weights, and their cotangents by those of the scores."""
    for j in range(count):
        weight = exp2(s[r, j] - log_sum)
        s[r, j] = weight
        s_bar[r, j] = weight * (s_bar[r, j] - delta)


@inline
def _adjoint_dropped(
    s: Array, s_bar: Array, r: int, count: int, log_sum: Array, delta: Array, row: int, column: int, key: Array,
    p: float,
) -> None:  # fmt: skip
    """Do the same where some weights were dropped: those are zero, though not in the softmax."""
    limit, kept = threshold_of(p), s.dtype.type(1 / (1 - p))
    for j in range(count):
        weight = exp2(s[r, j] - log_sum)
        factor = kept if draw(key, row, column + j) >= limit else s.dtype.type(0)
        s[r, j] = weight * factor
        s_bar[r, j] = weight * (s_bar[r, j] * factor - delta)


@kernel
def reverse(
    address: int, q: Array, k: Array, v: Array, allowed: Array, bias: Array, y_bar: Array, lse: Array, delta: Array,
    q_bar: Array, k_bar: Array, v_bar: Array, bias_bar: Array, places: Array, height: int, width: int, first: int,
    step: int, causal: bool, alpha: float, p: float, draw_keys: Array,
) -> None:  # fmt: skip
    """Add to the gradients what blocks `first`, `first + step`, … of the keys contribute, for heads that share keys.

    `delta` holds the row sums of `y_bar` times y. `k_bar`, `v_bar` and the columns of `bias_bar` are this call's own;
    so is `q_bar`, unless every key is visited by this call.
    """
    rows, keys, one, dtype = q.shape[1], k.shape[1], q.dtype.type(1), q.dtype.type
    of_k = places[0, 2]
    memory, more = np.empty(height * width, q.dtype), np.empty(height * width, q.dtype)
    for column in range(first * width, keys, step * width):
        to = min(column + width, keys)
        keys_here, values_here = k[of_k, column:to], v[of_k, column:to]
        for n in range(places.shape[0]):
            head, of_q, of_mask = places[n, 0], places[n, 1], places[n, 3]
            key = draw_keys[head]
            start = column - column % height if causal else 0
            for begin in range(start, rows, height):
                end = min(begin + height, rows)
                s, s_bar = _block(memory, end - begin, to - column), _block(more, end - begin, to - column)
                queries, cotangents = q[of_q, begin:end], y_bar[head, begin:end]
                product(address, queries, False, keys_here, True, dtype(alpha * LOG2_E), one * 0, s)
                product(address, cotangents, False, values_here, True, one, one * 0, s_bar)
                for r in range(end - begin):
                    row = begin + r
                    count = _visible(to - column, row, column, causal)
                    log_sum = lse[head, row] * dtype(LOG2_E)
                    if log_sum == -np.inf:
                        count = 0
                    _cleared(s, r, count)
                    _cleared(s_bar, r, count)
                    _masked(s, r, count, row, column, of_mask, allowed, bias)
                    if p > 0:
                        _adjoint_dropped(s, s_bar, r, count, log_sum, delta[head, row], row, column, key, p)
                    else:
                        _adjoint(s, s_bar, r, count, log_sum, delta[head, row])
                    if bias_bar.size:
                        i = row if bias_bar.shape[1] > 1 else 0
                        for j in range(count):
                            bias_bar[of_mask, i, column + j] += s_bar[r, j]
                product(address, s, True, cotangents, False, one, one, v_bar[of_k, column:to])
                product(address, s_bar, True, queries, False, dtype(alpha), one, k_bar[of_k, column:to])
                product(address, s_bar, False, keys_here, False, dtype(alpha), one, q_bar[head, begin:end])


@inline
def _pushed(s: Array, s_dot: Array, r: int, count: int, top: Array) -> tuple[Array, Array]:
    """Replace scores by powers and their tangents by powers times tangents; return the sums of both."""
    total, moved = top * 0, top * 0
    for j in range(count):
        power = exp2(s[r, j] - top)
        s[r, j] = power
        s_dot[r, j] *= power
        total += power
        moved += s_dot[r, j]
    return total, moved


@kernel
def tangent(
    address: int, q: Array, k: Array, v: Array, allowed: Array, bias: Array, q_dot: Array, k_dot: Array, v_dot: Array,
    bias_dot: Array, y: Array, y_dot: Array, place: Array, begin: int, end: int, width: int, causal: bool,
    alpha: float, p: float, draw_keys: Array,
) -> None:  # fmt: skip
    """Fill rows `begin` to `end` of one head of `y_dot`, given that head of `y`, in one pass over the keys."""
    head, of_q, of_k, of_mask = place
    rows, keys, one, dtype = end - begin, k.shape[1], q.dtype.type(1), q.dtype.type
    key = draw_keys[head]
    memory, more = np.empty(rows * width, q.dtype), np.empty(rows * width, q.dtype)
    top, total = np.full(rows, -np.inf, q.dtype), np.zeros(rows, q.dtype)
    moved = np.zeros(rows, q.dtype)
    out = y_dot[head, begin:end]
    out[:] = 0
    for column in range(0, min(end, keys) if causal else keys, width):
        to = min(column + width, keys)
        s, s_dot = _block(memory, rows, to - column), _block(more, rows, to - column)
        product(address, q[of_q, begin:end], False, k[of_k, column:to], True, dtype(alpha * LOG2_E), one * 0, s)
        product(address, q_dot[of_q, begin:end], False, k[of_k, column:to], True, dtype(alpha), one * 0, s_dot)
        product(address, q[of_q, begin:end], False, k_dot[of_k, column:to], True, dtype(alpha), one, s_dot)
        for r in range(rows):
            row = begin + r
            count = _visible(to - column, row, column, causal)
            _masked(s, r, count, row, column, of_mask, allowed, bias)
            if bias_dot.size:
                _biased(s_dot, r, count, row, column, of_mask, bias_dot, one)
            largest = _largest(s, r, count, top[r])
            if largest == -np.inf:
                count = 0
            _cleared(s, r, count)
            _cleared(s_dot, r, count)
            if count == 0:
                continue
            if largest != top[r]:
                shrink = exp2(top[r] - largest)
                _scaled(out, r, shrink)
                total[r] *= shrink
                moved[r] *= shrink
                top[r] = largest
            here, moved_here = _pushed(s, s_dot, r, count, largest)
            total[r] += here
            moved[r] += moved_here
            if p > 0:
                _dropped(s, r, count, row, column, key, p)
                _dropped(s_dot, r, count, row, column, key, p)
        product(address, s, False, v_dot[of_k, column:to], False, one, one, out)
        product(address, s_dot, False, v[of_k, column:to], False, one, one, out)
    for r in range(rows):
        if total[r] != 0:
            for j in range(out.shape[1]):
                out[r, j] = (out[r, j] - moved[r] * y[head, begin + r, j]) / total[r]
