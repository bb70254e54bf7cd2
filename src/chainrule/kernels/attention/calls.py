"""Attention's tasks as calls that are made once for each layout: eager code makes the same ones at every step."""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from chainrule.kernels.native.tasks import Call, Task, address, at_once

from . import lanes

Array = Any
Layout = tuple[tuple[int, ...], tuple[int, ...]]
"""A shape and strides."""
FORWARD = tuple(range(5))
REVERSE = (*range(9), 6)
"""Which array each column of a task's addresses is of: where the keys are in one piece, the last is q̄'s again."""


def forward(arrays: Sequence[Array], causal: bool, alpha: float) -> None:
    """Run `lanes.forward_task` of q, k, v, y and lse."""
    _run(_forward_tasks, FORWARD, arrays, causal, alpha)


def reverse(arrays: Sequence[Array], causal: bool, alpha: float) -> None:
    """Run `lanes.reverse_tasks` of q, k, v, y, ȳ, lse, q̄, k̄ and v̄."""
    _run(lanes.reverse_tasks, REVERSE, arrays, causal, alpha)


def _forward_tasks(*given: Any) -> list[Task]:
    return [lanes.forward_task(*given)]


def _run(
    make: Callable[..., list[Task]], columns: Sequence[int], arrays: Sequence[Array], causal: bool, alpha: float
) -> None:
    found = _ready(make, columns, tuple((x.shape, x.strides) for x in arrays), arrays[0].dtype, causal, alpha)
    if found is None:
        at_once(make(*arrays, causal, alpha))
        return
    call, offsets, others = found
    call([offsets + _addresses(arrays, columns), *others])


@functools.lru_cache(256)
def _ready(
    make: Callable[..., list[Task]],
    columns: Sequence[int],
    layouts: tuple[Layout, ...],
    dtype: Any,
    causal: bool,
    alpha: float,
) -> tuple[Call, Array, list[Array]] | None:
    """Return the call, where each matrix begins in its array, and the task's other arrays; None if there are several.

    The first array of the task has the addresses of the matrices, a row for each head.
    """
    likes = [np.lib.stride_tricks.as_strided(np.empty(1, dtype), *layout) for layout in layouts]
    tasks = make(*likes, causal, alpha)
    if len(tasks) > 1:  # keys in pieces, whose contributions take memory of their own
        return None
    table, *others = tasks[0].arrays
    return Call(tasks, tasks[0].arrays), table - _addresses(likes, columns), others


def _addresses(arrays: Sequence[Array], columns: Sequence[int]) -> Array:
    found = [address(x) for x in arrays]
    return np.array([found[k] for k in columns])
