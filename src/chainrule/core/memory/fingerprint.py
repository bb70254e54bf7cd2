"""Fingerprints of arrays, which show whether memory has been written to.

An array of up to `SMALL` bytes is kept and compared byte by byte, which takes a tenth of the time of reading it in
pieces. For a larger one, 509 sums of its 64-bit words are kept, in pieces of a quarter of a megabyte: that runs at
memory speed, a write to any one element always changes a sum, and values that swap places change others. Beyond `WHOLE`
bytes only 64 pieces are read, evenly spread and including both ends, unless the caller asks for all.
"""

from typing import Any

import numpy as np

SMALL = 16384
WHOLE = 1 << 24
_LANES = 509
"""A prime: row lengths are hardly ever a multiple of it, so rows that swap places change the sums."""
_ROWS = 64
_PIECE = _LANES * _ROWS
_MIXER = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it loses no information; it makes swapped pieces detectable."""


def fingerprint(array: Any, whole: bool = False) -> Any:
    """Return a value that stays the same as long as the array does and, except by coincidence, no longer.

    Equal arrays in other memory may have a different fingerprint.
    """
    if array.nbytes <= SMALL:
        return array.tobytes()
    if array.dtype.hasobject:
        return None
    sampled = array.nbytes > WHOLE and not whole
    if not array.flags.forc:
        if sampled:
            array = array[np.linspace(0, len(array) - 1, min(len(array), _ROWS)).astype(np.intp)]
        array = np.ascontiguousarray(array)
    return _sums(np.asarray(array).ravel(order="K").view(np.uint8), sampled)


def _sums(memory: Any, sampled: bool) -> tuple[int, int]:
    start = memory.__array_interface__["data"][0]
    kind = np.dtype(np.uint64 if start % 8 == 0 else np.uint32 if start % 4 == 0 else np.uint8)
    words = memory[: memory.size - memory.size % kind.itemsize].view(kind)
    total = np.zeros(_LANES, kind)
    mixer = kind.type(_MIXER & (256**kind.itemsize - 1))
    rest = words.size % _LANES
    for begin in _pieces(words.size - rest, sampled):
        total *= mixer
        total += np.add.reduce(words[begin : min(begin + _PIECE, words.size - rest)].reshape(-1, _LANES), 0, kind)
    return hash(total.tobytes()), hash(
        memory[memory.size - rest * kind.itemsize - memory.size % kind.itemsize :].tobytes()
    )


def _pieces(size: int, sampled: bool) -> Any:
    if not sampled:
        return range(0, size, _PIECE)
    last = (size - _PIECE) // _LANES
    return [int(row) * _LANES for row in np.linspace(0, last, _ROWS)]
