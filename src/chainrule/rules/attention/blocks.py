"""How attention is cut into blocks: which heads share keys, which task computes what, and in which order.

Everything here works on plain arrays; the mathematics is in `chainrule.kernels.attention.lanes`, and for masks and
dropout in `chainrule.kernels.attention.blocks`, imported on first use.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from chainrule.core.operation import Array
from chainrule.kernels.suitable import HAS_COMPILER

ROWS, COLUMNS = 256, 256
"""The size of a block: two of them, in float32, stay in half a mebibyte of cache."""


def frozen(x: Array, dtype: Array) -> Array:
    """Return x in the one layout that the kernels are compiled for: contiguous, aligned and read-only."""
    view = np.require(x, dtype, ["C", "A"]).view()
    view.flags.writeable = False
    return view


def keys_of_heads(seed: Array, count: int) -> Array:
    """Return a 32-bit key for the random numbers of each head, from a seed of 64 bits.

    They are the upper halves of SplitMix64's outputs: Steele, Lea & Flood, "Fast splittable pseudorandom number
    generators" (2014).
    """
    z = np.asarray(seed, np.uint64) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return (z ^ (z >> np.uint64(31))) >> np.uint64(32)


def goes_by_lanes(q: Array, k: Array, v: Array, mask: Array, dropout: float) -> bool:
    """Whether there is code of vectors of queries for these arrays: no mask, no dropout, one dtype, whole vectors."""
    if not HAS_COMPILER or dropout or mask.ndim or mask.dtype.kind != "b" or not bool(mask):
        return False
    if not all(type(x) is np.ndarray and x.size and x.dtype == q.dtype for x in (q, k, v)):
        return False
    from chainrule.kernels.attention.lanes import fits

    if not fits(q.dtype, q.shape[-1], v.shape[-1]):
        return False
    lead: tuple[int, ...] = q.shape[:-2]
    return lead == k.shape[:-2] == v.shape[:-2] or np.broadcast_shapes(lead, k.shape[:-2], v.shape[:-2]) == lead


def scale_of(q: Array, scale: float | None) -> float:
    """Return what scores are multiplied by."""
    return float(q.shape[-1]) ** -0.5 if scale is None else float(scale)


def attend_by_lanes(q: Array, k: Array, v: Array, causal: bool, scale: float | None) -> tuple[Array, Array]:
    """Return attention's output and the log-sum-exp of its rows, where `goes_by_lanes`."""
    from chainrule.kernels.attention import calls

    q, k, v = map(_with_rows, (q, k, v))
    y, lse = _laid_out_as(q, (*q.shape[:-1], v.shape[-1])), np.empty(q.shape[:-1], q.dtype)
    calls.forward((q, k, v, y, lse), causal, scale_of(q, scale))
    return y, lse


def pull_by_lanes(
    q: Array, k: Array, v: Array, y: Array, lse: Array, y_bar: Array, causal: bool, scale: float | None
) -> tuple[Array, Array, Array]:
    """Return the gradients with respect to q, k and v, where `goes_by_lanes`."""
    from chainrule.kernels.attention import calls

    y_bar = y_bar if y_bar.shape == y.shape else np.broadcast_to(y_bar, y.shape)
    q, k, v, y, y_bar = map(_with_rows, (q, k, v, y, y_bar))
    shared = k.shape[:-2] if k.shape[:-2] == v.shape[:-2] else np.broadcast_shapes(k.shape[:-2], v.shape[:-2])
    q_bar = _laid_out_as(q, q.shape)
    k_bar, v_bar = (_laid_out_as(x, (*shared, *x.shape[-2:])) for x in (k, v))
    y_bar, lse = y_bar.astype(q.dtype, copy=False), np.ascontiguousarray(lse)
    calls.reverse((q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar), causal, scale_of(q, scale))
    return q_bar, k_bar, v_bar


def _laid_out_as(x: Array, shape: tuple[int, ...]) -> Array:
    """Return an uninitialised array whose axes lie in memory in the order of those of x, and the last one innermost.

    Heads that were cut out of rows are put together to rows again, which copies nothing then.
    """
    order, back = _order(x.strides, len(shape))
    y = np.empty([shape[axis] for axis in order], x.dtype)
    return y if back is None else y.transpose(back)


@functools.lru_cache(1024)
def _order(strides: tuple[int, ...], ndim: int) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
    """Return the axes from the outermost to the innermost, and where each is among these, if not at its own place."""
    plain = (*range(ndim),)
    if ndim != len(strides) or 0 in strides:
        return plain, None
    order = (*sorted(plain[:-1], key=lambda axis: -abs(strides[axis])), ndim - 1)
    return order, None if order == plain else (*map(order.index, plain),)


def _with_rows(x: Array) -> Array:
    """Return an array whose rows have their elements side by side: itself, or a copy."""
    from chainrule.kernels.attention.lanes import in_rows

    return x if in_rows(x) else np.ascontiguousarray(x)


class Blocks:
    """One call of attention: its arrays with three axes each, and the rows that each head uses."""

    def __init__(
        self, q: Array, k: Array, v: Array, mask: Array, causal: bool, scale: float | None, dropout: float, seed: Array
    ) -> None:
        self.given = tuple(np.asarray(x) for x in (q, k, v, mask))
        q, k, v, mask = self.given
        added = mask.dtype.kind == "f"
        self.result_dtype = np.result_type(q, k, v, mask) if added else np.result_type(q, k, v)
        self.dtype = np.dtype(np.float64) if self.result_dtype == np.float64 else np.dtype(np.float32)
        self.shared = np.broadcast_shapes(k.shape[:-2], v.shape[:-2])
        self.heads = np.broadcast_shapes(q.shape[:-2], self.shared, mask.shape[:-2])
        self.q = self.stacked(q, self.heads)
        self.k, self.v = self.stacked(k, self.shared), self.stacked(v, self.shared)
        self.mask_shape = (1,) * (2 - mask.ndim) + mask.shape
        three = mask.reshape(math.prod(self.mask_shape[:-2]), *self.mask_shape[-2:])
        none, hides = np.zeros((0, 0, 0)), not added and not (mask.ndim == 0 and bool(mask))
        self.bias = frozen(three if added else none, self.dtype)
        self.allowed = frozen(three if hides else none, np.bool_)
        self.places = self._places()
        self.causal, self.dropout = causal, float(dropout)
        self.draw_keys = keys_of_heads(seed, self.q.shape[0])
        self.alpha = scale_of(q, scale)

    def stacked(self, x: Array, lead: tuple[int, ...]) -> Array:
        """Return `x` with its leading axes broadcast and merged."""
        whole = np.broadcast_to(x, (*lead, *x.shape[-2:]))
        return frozen(frozen(whole, self.dtype).reshape(math.prod(lead), *x.shape[-2:]), self.dtype)

    def _places(self) -> Any:
        """Return, for each head of the result, its number and the rows of q, of k and v, and of the mask."""
        numbers = np.arange(self.q.shape[0])
        columns = [numbers, numbers]
        for lead in (self.shared, self.mask_shape[:-2]):
            rows = np.arange(math.prod(lead)).reshape(lead)
            columns.append(np.broadcast_to(rows, self.heads).reshape(-1))
        return np.ascontiguousarray(np.stack(columns, axis=1), np.int64)

    def empty(self) -> bool:
        """Whether any axis is empty, so that there is nothing to compute."""
        return 0 in (*self.q.shape, *self.k.shape, *self.v.shape)

    def row_tasks(self) -> list[tuple[Any, int, int]]:
        """Return the blocks of rows of every head; in a causal pass, those with the most columns come first."""
        rows = self.q.shape[1]
        starts = range(0, rows, ROWS)
        ordered = reversed(starts) if self.causal else starts
        return [(place, start, min(start + ROWS, rows)) for start in ordered for place in self.places]

    def groups(self) -> list[Any]:
        """Return the heads grouped by the keys that they share."""
        order = np.argsort(self.places[:, 2], kind="stable")
        ends = np.flatnonzero(np.diff(self.places[order, 2])) + 1
        return [self.places[rows] for rows in np.split(order, ends) if rows.size]

    def zeros(self, lead: tuple[int, ...], *matrix: int) -> tuple[Array, Array]:
        """Return zeros of a result's shape, and a view with the leading axes merged, for the kernels.

        The first owns the memory, because the engine copies views.
        """
        whole = np.zeros((*lead, *matrix), self.dtype)
        return whole, whole.reshape(math.prod(lead), *matrix)


def attend(blocks: Blocks) -> tuple[Array, Array]:
    """Return attention's output and the log-sum-exp of its rows."""
    from chainrule.kernels.attention.blocks import forward
    from chainrule.kernels.blas import address_of_gemm, one_thread
    from chainrule.kernels.pool import run_all

    b = blocks
    y, of_heads = b.zeros(b.heads, b.q.shape[1], b.v.shape[2])
    lse, sums = b.zeros(b.heads, b.q.shape[1])
    lse[...] = -np.inf
    if not b.empty():
        address = address_of_gemm(b.dtype)

        def work(task: tuple[Any, int, int]) -> None:
            forward(
                address, b.q, b.k, b.v, b.allowed, b.bias, of_heads, sums, *task, COLUMNS,
                b.causal, b.alpha, b.dropout, b.draw_keys,
            )  # fmt: skip

        with one_thread():
            run_all(work, b.row_tasks())
    return y.astype(b.result_dtype, copy=False), lse


def pull(blocks: Blocks, y: Array, lse: Array, y_bar: Array, with_bias: bool) -> tuple[Array, Array, Array, Array]:
    """Return the gradients with respect to q, k, v and, if wanted, the added mask."""
    from chainrule.kernels.attention.blocks import reverse
    from chainrule.kernels.blas import address_of_gemm, one_thread
    from chainrule.kernels.pool import run_all, threads

    b = blocks
    y, y_bar = b.stacked(y, b.heads), b.stacked(y_bar, b.heads)
    lse = frozen(lse.reshape(b.q.shape[:2]), b.dtype)
    groups = b.groups()
    # Adding a number to a whole row of scores changes no weight, so a bias with a single column has gradient 0.
    bias_bar = np.zeros(b.bias.shape, b.dtype)
    columns = bias_bar if with_bias and b.bias.shape[2] > 1 else bias_bar[:0]
    # Few groups: each is split into several sets of keys, and each set accumulates its own gradient of q.
    # Heads may share a mask, in which case no two tasks may have the same columns.
    whole = len(groups) % threads() == 0 or len(groups) > 4 * threads()
    parts = 1 if whole and not columns.size else threads()
    q_bars = [b.zeros(b.heads, *b.q.shape[1:]) for _ in range(parts)]
    (k_bar, of_k), (v_bar, of_v) = (b.zeros(b.shared, *x.shape[1:]) for x in (b.k, b.v))
    if not b.empty():
        delta = frozen(np.einsum("hij,hij->hi", y, y_bar), b.dtype)
        address = address_of_gemm(b.dtype)

        def work(task: tuple[int, list[Any]]) -> None:
            part, some = task
            for group in some:
                reverse(
                    address, b.q, b.k, b.v, b.allowed, b.bias, y_bar, lse, delta, q_bars[part][1], of_k, of_v, columns,
                    group, ROWS, COLUMNS, part, parts, b.causal, b.alpha, b.dropout, b.draw_keys,
                )  # fmt: skip

        each = [groups] if columns.size else [[group] for group in groups]
        with one_thread():
            run_all(work, [(part, some) for some in each for part in range(parts)])
    q_bar = q_bars[0][0]
    for other, _ in q_bars[1:]:
        q_bar += other
    return q_bar, k_bar, v_bar, bias_bar.reshape(b.given[3].shape) if with_bias else None


def push(blocks: Blocks, y: Array, dots: Sequence[Array]) -> Array:
    """Return the tangent of the output, given those of q, k, v and the mask."""
    from chainrule.kernels.attention.blocks import tangent
    from chainrule.kernels.blas import address_of_gemm, one_thread
    from chainrule.kernels.pool import run_all

    b = blocks
    y = b.stacked(y, b.heads)
    y_dot, of_heads = b.zeros(b.heads, *y.shape[1:])
    if not b.empty():
        q_dot = b.stacked(dots[0], b.heads)
        k_dot, v_dot = b.stacked(dots[1], b.shared), b.stacked(dots[2], b.shared)
        bias_dot = frozen(dots[3].reshape(b.bias.shape), b.dtype) if b.bias.size else b.bias
        address = address_of_gemm(b.dtype)

        def work(task: tuple[Any, int, int]) -> None:
            tangent(
                address, b.q, b.k, b.v, b.allowed, b.bias, q_dot, k_dot, v_dot, bias_dot, y, of_heads, *task, COLUMNS,
                b.causal, b.alpha, b.dropout, b.draw_keys,
            )  # fmt: skip

        with one_thread():
            run_all(work, b.row_tasks())
    return y_dot.astype(b.result_dtype, copy=False)
