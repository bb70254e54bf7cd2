r"""Attention without a mask as machine code: the lanes of vectors are queries.

A unit is a few vectors of queries of one head; its scores with a few keys stay in the cache. Its queries are transposed
once, so that a score is a sum of numbers of a key times vectors of queries, and the softmax runs down the lanes,
without a sum across them. Keys and values are read where they lie, and results are written where they belong: rows of
any stride, in any place for each head. In a causal pass only the keys that a unit can see are gone through. Scores are
in units of $\log 2$.

`forward` and `reverse` write the functions, of what is in `units`; here they become tasks.

Sources: as for `chainrule.kernels.attention.blocks`.
"""

import functools
from typing import Any

import numpy as np

from chainrule.kernels.native.machine import EXPLICIT
from chainrule.kernels.native.tasks import ADDITION, PART, Task, parts_of
from chainrule.kernels.native.vectors import register_bytes

from .forward import TOGETHER, forward
from .reverse import added, reverse
from .units import TILE
from .units import fits as fits  # for whoever asks before it makes a task

Array = Any

LONG_KEYS = 2**19
"""From how many bytes of keys and values on units go through them together: they are then read from a slower cache."""
WIDE = 4
"""How many vectors of queries a unit of the backward pass has if there are enough: the sums of a key are then read and
written half as often."""
MOST_PARTS = 64
"""How many parts there are at most: the units of a causal pass are unequal."""
EXPONENTIAL = 64
"""How many operations a weight takes as long as, besides the products."""
LIGHT = 2.0**25
"""Below how many operations of a backward pass units stay small: wide ones take longer to compile."""
FEW, LEAST_KEYS = 4, 256
"""Fewer sets of keys than the first are cut into pieces of at least so many keys in the backward pass."""


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
    together = TOGETHER if v.shape[-2] * (q.shape[-1] + v.shape[-1]) * itemsize > LONG_KEYS else 1
    units = len(table) * -(-rows // (together * TILE * register_bytes() // itemsize))
    numbers = [rows, v.shape[-2], *_steps(q, k, v, y), _bits(alpha), together]
    work = _work(q, v, causal, 2)
    parts = max(1, min(units, MOST_PARTS, int(work / PART)))
    text = forward(q.dtype, q.shape[-1], v.shape[-1], causal)
    kept = (q, k, v, y, lse)
    return Task(text, [table], numbers, 0, units, parts=parts, level=EXPLICIT, rescue=_no_memory, kept=kept)


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
    vectors = TILE if work < LIGHT or rows <= TILE * register_bytes() // q.itemsize else WIDE
    text = reverse(q.dtype, d, e, causal, vectors)
    kept = (q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar, contributions)
    tasks = [Task(text, [table, edges], numbers, 0, units, parts=parts, level=EXPLICIT, rescue=_no_memory, kept=kept)]
    if chunks > 1:
        given = [rows, q_bar.strides[-2] // q.itemsize, chunks, apart]
        parts = parts_of(float(ADDITION * contributions.size), count * rows)
        tasks.append(Task(added(q.dtype, d), [into, contributions], given, 0, count * rows, parts=parts, kept=(q_bar,)))
    return tasks
