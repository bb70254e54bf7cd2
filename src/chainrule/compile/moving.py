"""`moves_of`: arguments that a plan reads where they lie, and results that it writes where they belong.

A plan has a buffer for each argument and result, and its tasks have the addresses of these. In code that passes
parameters and optimiser states in and out, as code written for JAX does, copying them takes as long as the step. So for
a call the addresses are replaced, and put back after it: between calls the plan is as if nothing had been moved.

This holds for plans that do nothing but compute: a step that writes to parameters might write to what it reads.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from chainrule.kernels.native.tasks import Task, address

LEAST = 2**14
"""How many bytes an array has at least: fewer are copied in less time than it takes to look."""


def moves_of(replay: Any, together: Any) -> list[Any]:
    """Return for each input buffer, and then each output, its places in tables, or None where it is to be copied.

    A row for each place: its address, how far into the array it points, and what it holds between calls.
    """
    outputs = [source for source, copies, _ in replay.sources if copies and type(source) is np.ndarray]
    arrays = [*(buffer for _, buffer in replay.input_buffers), *(source for source, *_ in replay.sources)]
    plan = replay.plan
    if together.effects or together.asked or together.drawings or plan.homes or replay.grads:
        return [None] * len(arrays)
    # What is an argument's and a result's, or that of several results, is copied: results are taken from the buffers.
    owners = [id(buffer.base) for _, buffer in replay.input_buffers]
    several = {key for key, count in Counter([*owners, *(id(x.base) for x in outputs)]).items() if count > 1}
    candidates = [
        type(x) is np.ndarray
        and x.nbytes >= LEAST
        and x.flags.c_contiguous
        and plan.pool.is_apart(x)
        and id(x.base) not in several
        for x in arrays
    ]
    if not any(candidates):
        return [None] * len(arrays)
    tables = list(_tables(together.tasks, plan.buffers.values()))
    where = np.concatenate([address(table) + 8 * np.arange(table.size) for table in tables])
    held = np.concatenate([table.reshape(-1) for table in tables])
    return [_places(x, where, held) if fits else None for x, fits in zip(arrays, candidates, strict=True)]


def _tables(tasks: Sequence[Task], buffers: Iterable[Any]) -> Iterable[Any]:
    """Yield everything that may hold addresses: the tables of tasks, and what belongs to them."""
    known = {id(buffer) for buffer in buffers}
    for task in tasks:
        yield task.table
        for x in (*task.kept, *task.arrays):
            if type(x) is np.ndarray and x.dtype == np.int64 and x.flags.c_contiguous and id(x) not in known:
                yield x


def _places(array: Any, where: Any, held: Any) -> Any:
    begin = address(array)
    found = np.flatnonzero((held >= begin) & (held < begin + array.nbytes))
    return np.stack([where[found], held[found] - begin, held[found]], axis=1)


def holds(enter: Any, replay: Any, moves: Sequence[Any]) -> bool:
    """Whether a call with moved arrays gives what the last replay gave, with nothing in the buffers that are moved.

    It is tried once: that no task has an address elsewhere, and no result is taken from there, is not written anywhere.
    """
    buffers = [buffer for _, buffer in replay.input_buffers]
    given = [buffer.copy() for buffer in buffers]
    results = list(zip((source for source, *_ in replay.sources), moves[len(buffers) :], strict=True))
    moved = [x for x, places in results if places is not None]
    others = [x for x, places in results if places is None and isinstance(x, np.ndarray)]
    expected, found = [x.copy() for x in moved], [np.empty_like(x) for x in moved]
    kept = [x.copy() for x in others]
    for x in [*(b for b, places in zip(buffers, moves, strict=False) if places is not None), *moved]:
        x.view(np.uint8).fill(255)
    try:
        if enter((*given, *found)) != -1:
            return False
        pairs = zip([*found, *others], [*expected, *kept], strict=True)
        return all(a.tobytes() == b.tobytes() for a, b in pairs)
    finally:
        for array, values in zip([*buffers, *moved], [*given, *expected], strict=True):
            array[...] = values
