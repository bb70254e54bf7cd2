"""Borders around the last axes."""

from collections.abc import Sequence
from typing import Any

from chainrule.rules.arrays import arrange

from .arguments import arrayed

_MODES = {"constant": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap"}


def _check(mode: str, n: int, before: int, after: int) -> None:
    """Raise a ValueError if an axis of length n is too short to be extended that far."""
    most = {"reflect": n - 1, "circular": n, "replicate": n and before + after}.get(mode)
    if most is not None and max(before, after) > most:
        raise ValueError(f"pad: mode {mode!r} can add at most {most} to an axis of length {n}, got {(before, after)}")


def pad(input: Any, pad: Sequence[int], mode: str = "constant", value: float | None = None) -> Any:
    """Return `input` with elements before and after its last axes.

    `pad` lists (before, after) for the last axis, then the second to last, and so on, as in PyTorch; a negative number
    crops. `mode` is "constant" (`value`, 0 by default), "reflect" (about the first and last element, which are not
    repeated), "replicate" (these elements) or "circular" (the other end).

    Raises ValueError for more pairs than axes, an unknown mode, and an axis too short for it.

    >>> import numpy as np
    >>> pad(np.array([[1.0, 2.0, 3.0]]), (2, 1), "reflect")
    array([[3., 2., 1., 2., 3., 2.]])
    """
    input, widths = arrayed(input), [int(n) for n in pad]
    if len(widths) % 2 or len(widths) > 2 * input.ndim:
        raise ValueError(
            f"pad: expected a pair for each of the last axes, at most {input.ndim}, got {len(widths)} numbers"
        )
    if mode not in _MODES:
        raise ValueError(f"pad: mode: expected one of {', '.join(map(repr, _MODES))}, got {mode!r}")
    if value is not None and mode != "constant":
        raise ValueError(f"pad: value={value} has a meaning in mode 'constant' only, got mode {mode!r}")
    pairs = [(0, 0)] * (input.ndim - len(widths) // 2) + list(zip(widths[-2::-2], widths[::-2], strict=True))
    if any(n + min(before, 0) + min(after, 0) < 0 for n, (before, after) in zip(input.shape, pairs, strict=True)):
        raise ValueError(f"pad: {tuple(widths)} would cut more than there is of {list(input.shape)}")
    each = list(zip(input.shape, pairs, strict=True))
    if min(widths, default=0) < 0:
        input = input[tuple(slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in each)]
    added = [(max(before, 0), max(after, 0)) for before, after in pairs]
    for n, (before, after) in zip(input.shape, added, strict=True):
        _check(mode, n, before, after)
    if mode == "constant":
        return arrange.pad(input, added, constant_values=value or 0)
    return arrange.pad(input, added, _MODES[mode])
