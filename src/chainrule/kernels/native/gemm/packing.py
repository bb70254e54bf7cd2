"""A block of a factor, copied to where a tile reads it: panel after panel, each term's numbers side by side.

A panel has as many columns as a tile. Columns beyond the last hold 0 or some other column: they lead to results that
nobody stores.
"""

from typing import Any

import numpy as np

from .vectors import Vectors

PARAMETERS = "ptr noalias %from, i64 %lead, i64 %terms, i64 %columns, ptr noalias %to, i64 %panel"


def as_it_lies(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that packs a block whose columns are adjacent, and whose terms lie `lead` apart.

    `panel` is how far apart two panels begin.
    """
    code = Vectors(dtype, lanes)
    width = lanes * vectors
    columns, panel = code.given("columns"), code.given("panel")
    whole = columns >> width.bit_length() - 1
    rest = [code.below(columns - whole * width - k * lanes) for k in range(vectors)]
    with code.loop(0, code.given("terms")) as p:
        here, there = code.at("%from", p * code.given("lead")), code.at("%to", p * width)
        with code.loop(0, whole) as number:
            for k in range(vectors):
                read = code.load(code.at(here, number * width + k * lanes))
                code.store(read, code.at(there, number * panel + k * lanes))
        with code.loop(whole, columns + (width - 1) >> width.bit_length() - 1) as number:
            for k in range(vectors):
                read = code.load_some(code.at(here, number * width + k * lanes), rest[k])
                code.store(read, code.at(there, number * panel + k * lanes))
    return "\n".join([*sorted(code.declared), code.function(name, PARAMETERS)])


def turned(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that packs a block whose terms are adjacent, and whose columns lie `lead` apart.

    It writes whole vectors of terms: a panel needs room for as many as the next multiple of the lanes.
    """
    code = Vectors(dtype, lanes)
    terms, columns, lead = map(code.given, ("terms", "columns", "lead"))
    width = lanes * vectors
    shift = lanes.bit_length() - 1
    with code.loop(0, columns + (lanes - 1) >> shift) as strip:
        number, inside = strip >> vectors.bit_length() - 1, (strip & (vectors - 1)) * lanes
        there = code.at("%to", number * code.given("panel") + inside)
        first = strip * lanes
        lines = [code.at("%from", (first + np.minimum(columns - first - 1, i)) * lead) for i in range(lanes)]
        with code.loop(0, terms + (lanes - 1) >> shift) as block:
            within = code.below(terms - block * lanes)
            read = [code.load_some(code.at(line, block * lanes), within) for line in lines]
            for p, vector in enumerate(transposed(code, read)):
                code.store(vector, code.at(there, (block * lanes + p) * width))
    return "\n".join([*sorted(code.declared), code.function(name, PARAMETERS)])


def transposed(code: Vectors, rows: list[str]) -> list[str]:
    """Return the columns of a square of vectors: blocks of 1, 2, 4, … lanes change places with their mirror images."""
    n, size = len(rows), 1
    while size < n:
        upper = [k + n - size if k & size else k for k in range(n)]
        lower = [k + n if k & size else k + size for k in range(n)]
        after = list(rows)
        for i in range(n):
            if not i & size:
                after[i] = code.shuffled(rows[i], rows[i + size], upper)
                after[i + size] = code.shuffled(rows[i], rows[i + size], lower)
        rows, size = after, 2 * size
    return rows
