"""Sequences of different lengths: padding and packing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ... import shapes
from ...face import Tensor, values_of, wrapped
from ...missing import lacking as _lacking


class PackedSequence(NamedTuple):
    """Steps of all sequences, by time: `data [sum of lengths, …]`, and how many sequences each time has."""

    data: Any
    batch_sizes: Any
    sorted_indices: Any = None
    unsorted_indices: Any = None


def pad_sequence(
    sequences: Sequence[Any], batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Any:
    """Return sequences as one tensor `[T, B, …]`, padded to the longest."""
    longest = max(len(x) for x in sequences)
    rows = []
    for x in sequences:
        fill = wrapped(np.full((longest - len(x), *x.shape[1:]), padding_value, x._x.dtype))
        rows.append(shapes.cat([x, fill] if padding_side == "right" else [fill, x]) if len(fill) else x)
    return shapes.stack(rows, 0 if batch_first else 1)


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Return padded sequences without their padding."""
    counts = values_of(lengths).astype(np.int64)
    x = input.transpose(0, 1) if batch_first else input
    order = None
    if not enforce_sorted:
        order = np.argsort(-counts, kind="stable")
        x, counts = x.index_select(1, wrapped(order)), counts[order]
    elif np.any(np.diff(counts) > 0):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence"
        )
    sizes = np.array([(counts > t).sum() for t in range(int(counts.max()))], np.int64)
    times = np.repeat(np.arange(len(sizes)), sizes)
    rows = np.concatenate([np.arange(n) for n in sizes])
    data = x[wrapped(times), wrapped(rows)]
    undo = None if order is None else np.argsort(order)
    return PackedSequence(data, wrapped(sizes), *(None if k is None else wrapped(k) for k in (order, undo)))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """Return packed sequences padded to one length, and their lengths."""
    sizes = values_of(sequence.batch_sizes)
    longest, batch = len(sizes) if total_length is None else total_length, int(sizes[0])
    counts = np.array([(sizes > b).sum() for b in range(batch)], np.int64)
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    places = np.zeros((longest, batch), np.int64)
    inside = np.zeros((longest, batch), bool)
    for t, n in enumerate(sizes):
        places[t, :n], inside[t, :n] = starts[t] + np.arange(n), True
    rows = sequence.data[wrapped(places)]
    mask = wrapped(~inside.reshape(longest, batch, *[1] * (sequence.data.ndim - 1)))
    padded = rows.masked_fill(mask, padding_value)
    if sequence.unsorted_indices is not None:
        undo = sequence.unsorted_indices
        padded, counts = padded.index_select(1, undo), counts[values_of(undo)]
    return padded.transpose(0, 1) if batch_first else padded, wrapped(counts)


def pack_sequence(sequences: Sequence[Any], enforce_sorted: bool = True) -> PackedSequence:
    """Return sequences packed."""
    lengths = [len(x) for x in sequences]
    return pack_padded_sequence(pad_sequence(sequences), wrapped(np.array(lengths)), enforce_sorted=enforce_sorted)


def unpad_sequence(padded: Any, lengths: Any, batch_first: bool = False) -> list[Any]:
    """Return the sequences without their padding."""
    x = padded if batch_first else padded.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(x, values_of(lengths), strict=True)]


__getattr__ = _lacking(__name__)
