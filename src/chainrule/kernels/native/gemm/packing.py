"""A block of a factor, copied to where a tile reads it: panel after panel, each term's numbers side by side.

A panel has as many columns as a tile. Columns beyond the last hold 0 or some other column: they lead to results that
nobody stores.
"""

from typing import Any

from .writing import Part, least, quotient, rounded_down

PARAMETERS = "ptr noalias %from, i64 %lead, i64 %terms, i64 %columns, ptr noalias %to, i64 %panel"


def as_it_lies(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that packs a block whose columns are adjacent, and whose terms lie `lead` apart.

    `panel` is how far apart two panels begin.
    """
    part = Part(name, PARAMETERS, dtype, lanes)
    v, source, target = part.vectors, part.place("from"), part.place("to")
    columns, lead, panel, width = part.whole("columns"), part.whole("lead"), part.whole("panel"), lanes * vectors
    whole = rounded_down(columns, width)
    rest = [v.first_lanes(columns - whole * width - k * lanes) for k in range(vectors)]
    with part.loop(0, part.whole("terms")) as p:
        with part.loop(0, whole) as number:
            for k in range(vectors):
                read = v.load(source, p * lead + number * width + k * lanes)
                v.store(read, target, number * panel + p * width + k * lanes)
        with part.loop(whole, quotient(columns, width)) as number:
            for k in range(vectors):
                read = v.load_some(source, p * lead + number * width + k * lanes, rest[k])
                v.store(read, target, number * panel + p * width + k * lanes)
    return part.text()


def turned(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that packs a block whose terms are adjacent, and whose columns lie `lead` apart.

    It writes whole vectors of terms: a panel needs room for as many as the next multiple of the lanes.
    """
    part = Part(name, PARAMETERS, dtype, lanes)
    v, source, target = part.vectors, part.place("from"), part.place("to")
    terms, columns, lead, panel = map(part.whole, ("terms", "columns", "lead", "panel"))
    with part.loop(0, quotient(columns, lanes)) as strip:
        first = strip * lanes
        number = rounded_down(strip, vectors)
        inside = (strip - number * vectors) * lanes
        lines = [part.behind(source, (first + least(columns - first - 1, i)) * lead) for i in range(lanes)]
        with part.loop(0, quotient(terms, lanes)) as block:
            within = v.first_lanes(terms - block * lanes)
            read = [v.load_some(line, block * lanes, within) for line in lines]
            for p, vector in enumerate(v.transposed(read)):
                v.store(vector, target, number * panel + inside + (block * lanes + p) * lanes * vectors)
    return part.text()
