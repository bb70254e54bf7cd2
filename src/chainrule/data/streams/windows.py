"""The order in which a stream's rows are read and shuffled: windows of blocks, of which two are in memory."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from chainrule.data.streams.blocks import Block

_RAMP = 8
"""What part of a window's rows the first one has."""


class Window(NamedTuple):
    """Blocks that are in memory together: their numbers, the place of the first row in the epoch, and the rows."""

    number: int
    blocks: tuple[int, ...]
    start: int
    rows: int


def windows(
    blocks: Sequence[Block], kept: NDArray[np.int64], capacity: int, rng: np.random.Generator | None
) -> list[Window]:
    """Divide an epoch into windows of at most ``capacity`` kept rows, each of whole blocks.

    The first windows are smaller, an eighth, a quarter and a half of that, so that training begins early. With a
    generator, the groups of blocks come in random order; the blocks of a group stay together. Raises ``ValueError`` for
    a block that is larger than a window.
    """
    groups: dict[int, list[int]] = {}
    for k, block in enumerate(blocks):
        groups.setdefault(block.group, []).append(k)
    order = [*groups]
    if rng is not None:
        order = [order[k] for k in rng.permutation(len(order))]
    found, held, start, rows = list[Window](), list[int](), 0, 0
    for k in (k for group in order for k in groups[group] if kept[k]):
        if kept[k] > capacity:
            raise ValueError(f"a block of {kept[k]} rows does not fit into {capacity}")
        if rows and rows + kept[k] > min(capacity, (capacity << len(found)) // _RAMP):
            found.append(Window(len(found), tuple(held), start, rows))
            held, start, rows = [], start + rows, 0
        held.append(k)
        rows += int(kept[k])
    if rows:
        found.append(Window(len(found), tuple(held), start, rows))
    return found


def order_within(window: Window, seed: int, epoch: int, shuffle: bool) -> NDArray[np.int64]:
    """The order of a window's rows: a permutation drawn from (seed, epoch, window), or as they are."""
    if not shuffle:
        return np.arange(window.rows)
    return np.random.default_rng((seed, epoch, window.number)).permutation(window.rows)


def from_row(found: Sequence[Window], row: int) -> Iterator[Window]:
    """The windows from the one on that has a row of the epoch."""
    return (window for window in found if window.start + window.rows > row)
