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


def forward(arrays: Sequence[Array], causal: bool, alpha: float) -> None:
    """Run `lanes.forward_task` of q, k, v, y and lse."""
    _run(_forward_tasks, arrays, causal, alpha)


def reverse(arrays: Sequence[Array], causal: bool, alpha: float) -> None:
    """Run `lanes.reverse_tasks` of q, k, v, y, ȳ, lse, q̄, k̄ and v̄."""
    _run(lanes.reverse_tasks, arrays, causal, alpha)


def _forward_tasks(*given: Any) -> list[Task]:
    return [lanes.forward_task(*given)]


def _run(make: Callable[..., list[Task]], arrays: Sequence[Array], causal: bool, alpha: float) -> None:
    found = _ready(make, tuple((x.shape, x.strides) for x in arrays), arrays[0].dtype, causal, alpha)
    if found is None:
        at_once(make(*arrays, causal, alpha))
        return
    call, offsets, others = found
    call([offsets + [address(x) for x in arrays], *others])


@functools.lru_cache(256)
def _ready(
    make: Callable[..., list[Task]], layouts: tuple[Layout, ...], dtype: Any, causal: bool, alpha: float
) -> tuple[Call, Array, list[Array]] | None:
    """Return the call, where each matrix begins in its array, and the task's other arrays; None if there are several.

    The first array of the task has the addresses of the matrices, a column for each of the arrays in their order.
    """
    likes = [np.lib.stride_tricks.as_strided(np.empty(1, dtype), *layout) for layout in layouts]
    tasks = make(*likes, causal, alpha)
    if len(tasks) > 1:  # keys in pieces, whose contributions take memory of their own
        return None
    table, *others = tasks[0].arrays
    offsets = table - np.array([address(x) for x in likes])
    return Call(tasks, tasks[0].arrays), offsets, others
