"""Histograms over edges in any order, which PyTorch counts as its binary search finds them and NumPy refuses."""

from collections.abc import Sequence
from typing import Any

import numpy as np


def in_any_order(points: Any, edges: Sequence[Any], density: bool, weights: Any) -> Any:
    """Return how many points [N, D] each box between D lists of edges holds, or the sums of their weights.

    A point counts if it is between the first and the last edge, and belongs before the first edge above it that a
    search by halves comes to.
    """
    inside = np.ones(len(points), bool)
    numbers = []
    for x, edge in zip(points.T, edges, strict=True):
        inside &= (edge[0] <= x) & (x <= edge[-1])
        numbers.append(np.clip(_above(edge, x) - 1, 0, len(edge) - 2))
    shape = tuple(len(edge) - 1 for edge in edges)
    places = np.ravel_multi_index(tuple(numbers), shape)[inside]
    counts: Any = np.bincount(places, None if weights is None else weights[inside], int(np.prod(shape))).reshape(shape)
    if not density:
        return counts
    with np.errstate(divide="ignore", invalid="ignore"):  # of no points at all, the density is NaN
        counts = counts / np.sum(counts)
        for axis, edge in enumerate(edges):
            counts = counts / np.diff(edge).reshape([-1 if k == axis else 1 for k in range(len(edges))])
    return counts


def unsorted(edges: Any) -> bool:
    """Whether some of these lists of edges, each one array, is not in increasing order."""
    return any(np.ndim(edge) == 1 and bool(np.any(np.diff(edge) < 0)) for edge in edges)


def _above(edges: Any, x: Any) -> Any:
    """Return the place of the edge above each number, by halving: on sorted edges, how many are not above it."""
    first, count = np.zeros(len(x), np.intp), np.full(len(x), len(edges))
    while np.any(count > 0):
        step = count // 2
        at = np.minimum(first + step, len(edges) - 1)
        below = (count > 0) & ~(x < edges[at])
        first = np.where(below, at + 1, first)
        count = np.where(below, count - step - 1, step)
    return first
