"""Which rows of a stream are held out: a matter of each row's number, whatever the blocks."""

import numpy as np
from numpy.typing import NDArray


def is_held_out(start: int, rows: int, fraction: float, seed: int) -> NDArray[np.bool_]:
    """Whether each of so many rows from row ``start`` on is held out: a fraction of all, drawn by a hash of its number.

    The hash is SplitMix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number generators", 2014), so that the
    same rows are held out however a file is divided into blocks.

    >>> is_held_out(0, 6, 0.5, seed=0).tolist() == [*is_held_out(0, 2, 0.5, 0), *is_held_out(2, 4, 0.5, 0)]
    True
    >>> bool(0.19 < is_held_out(0, 10_000, 0.2, seed=1).mean() < 0.21)
    True
    """
    if fraction <= 0:
        return np.zeros(rows, bool)
    z = np.arange(start, start + rows, dtype=np.uint64)
    z += np.uint64(_mixed(np.array([seed % 2**64], np.uint64))[0])
    return np.asarray(_mixed(z) < np.uint64(min(int(fraction * 2.0**64), 2**64 - 1)))


def _mixed(z: NDArray[np.uint64]) -> NDArray[np.uint64]:
    with np.errstate(over="ignore"):
        z = z * np.uint64(0x9E3779B97F4A7C15) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
