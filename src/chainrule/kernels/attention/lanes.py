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
from chainrule.kernels.native.tasks import ADDITION, PART, Task, address, parts_of
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
STRIP = 2048
"""How many queries go through such pieces before their contributions are added: half a megabyte of these a piece."""


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
    in pieces, which contribute to q̄ apart: by the shapes alone, so that no result depends on how many threads there
    are. The queries then go by strips, as the contributions of one are all that is kept.
    """
    rows, keys = q.shape[-2], v.shape[-2]
    work, groups = _work(q, v, causal, 5), len(np.unique(starts(k_bar, q.shape[:-2])))
    pieces = max(1, min(-(-FEW // groups), keys // LEAST_KEYS, int(work / PART)))
    height = rows if pieces == 1 else min(rows, STRIP)
    contributions = np.empty((pieces - 1) * q.size // rows * height, q.dtype)
    vectors = TILE if work < LIGHT or rows <= TILE * register_bytes() // q.itemsize else WIDE
    text = reverse(q.dtype, q.shape[-1], v.shape[-1], causal, vectors)
    tasks: list[Task] = []
    fresh = 0
    for first in range(0, rows, height):
        mine = slice(first, first + height)
        seen = min(first + height, keys) if causal and first + height < rows else keys
        of_queries = (x[..., mine, :] for x in (q, y, y_bar, lse[..., None], q_bar))
        tasks += _strip(
            text, [*of_queries, k, v, k_bar, v_bar], causal, alpha, contributions, pieces, (first, fresh, seen)
        )
        fresh = seen
    for task in tasks:
        task.kept = (q, k, v, y, y_bar, lse, q_bar, k_bar, v_bar, contributions)
    return tasks


def _strip(
    text: str, arrays: list[Array], causal: bool, alpha: float, contributions: Array, pieces: int, keys: tuple[int, ...]
) -> list[Task]:
    """Return the tasks of some queries: with the number of the first, that of the first key that no other strip has
    seen, and the number of keys that are seen.
    """
    q, y, y_bar, lse, q_bar, k, v, k_bar, v_bar = arrays
    (first, fresh, seen), lead, (rows, d) = keys, q.shape[:-2], q.shape[-2:]
    columns = {
        "q": q,
        "k": k,
        "v": v,
        "y": y,
        "y_bar": y_bar,
        "lse": lse,
        "q_bar": q_bar,
        "k_bar": k_bar,
        "v_bar": v_bar,
    }
    found = {name: starts(x, lead) for name, x in columns.items()}
    count, apart = found["q"].size, q.size
    rest = found["q_bar"]
    if pieces > 1:
        rest = address(contributions) + np.arange(count) * (rows * d * q.itemsize)
    table = np.stack([*found.values(), rest], axis=1)
    table = np.ascontiguousarray(table[np.argsort(found["k_bar"], kind="stable")])
    ends = np.flatnonzero(np.diff(table[:, list(found).index("k_bar")])) + 1
    edges = np.array([0, *ends, count], np.int64)
    numbers = [rows, seen, *_steps(q, k, v, y, y_bar, q_bar, k_bar, v_bar), _bits(alpha)]
    numbers += [pieces, -(-seen // pieces), apart, first, fresh]
    units, work = (len(edges) - 1) * pieces, _work(q, v, causal, 5)
    parts = max(1, min(units, MOST_PARTS, int(work / PART)))
    tasks = [Task(text, [table, edges], numbers, 0, units, parts=parts, level=EXPLICIT, rescue=_no_memory)]
    if pieces > 1:
        given = [rows, q_bar.strides[-2] // q.itemsize, pieces - 1, apart]
        parts = parts_of(float(ADDITION * (pieces - 1) * apart), count * rows)
        into = found["q_bar"]
        tasks.append(Task(added(q.dtype, d), [into, contributions], given, 0, count * rows, parts=parts))
    return tasks
