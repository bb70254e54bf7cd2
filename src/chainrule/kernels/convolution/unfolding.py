"""Columns of images with their channels innermost, as parts of machine code: unfolded, folded back, and kernels.

At each position, what lies under a kernel of some taps is one row `[taps, pitch]`: for each tap, all channels. `pitch`
is the number of channels rounded up to whole vectors.
"""

from typing import Any

from chainrule.kernels.native.code import Place
from chainrule.kernels.native.gemm.writing import Part, least, quotient
from chainrule.kernels.native.symbol import LONG, Symbol

UNFOLD = (
    "ptr noalias %image, i64 %tall, i64 %wide, i64 %images, i64 %rows, i64 %across, i64 %kernel_y, i64 %kernel_x, "
    "i64 %step_y, i64 %step_x, i64 %apart_y, i64 %apart_x, i64 %pitch, ptr noalias %columns, i64 %row"
)
"""`row` is how far the rows of the columns are from each other. `fold` has the same parameters."""
KERNELS = "ptr noalias %w, i64 %outputs, i64 %channels, i64 %taps, i64 %pitch, i64 %begin, i64 %end, ptr noalias %to"
GATHER = (
    "ptr noalias %from, i64 %sums, i64 %apart, i64 %outputs, i64 %channels, i64 %taps, i64 %pitch, i64 %row, "
    "i64 %begin, i64 %end, ptr noalias %w"
)


def unfolding(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that writes the columns under the positions of some images `[tall, wide, pitch]`."""
    part = Part(name, UNFOLD, dtype, lanes)
    v = part.vectors

    def copied(image: Place, column: Place, c: Symbol) -> None:
        v.store(v.load(image, c), column, c)

    _walked(part, copied)
    return part.text()


def folding(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that adds columns to the elements of images that they lie over."""
    part = Part(name, UNFOLD, dtype, lanes)
    v = part.vectors

    def added(image: Place, column: Place, c: Symbol) -> None:
        v.store(v.load(image, c) + v.load(column, c), image, c)

    _walked(part, added)
    return part.text()


def _walked(part: Part, write: Any) -> None:
    """Call `write` for the channels of each tap at each position: in the image, and in the columns."""
    image, columns, lanes = part.place("image"), part.place("columns"), part.vectors.lanes
    names = "tall", "wide", "rows", "across", "kernel_y", "kernel_x", "pitch"
    tall, wide, rows, across, kernel_y, kernel_x, pitch = map(part.whole, names)
    with part.loop(0, part.whole("images")) as s, part.loop(0, rows) as r, part.loop(0, across) as t:
        corner = (s * tall + r * part.whole("step_y")) * wide + t * part.whole("step_x")
        position = ((s * rows + r) * across + t) * part.whole("row")
        with part.loop(0, kernel_y) as i, part.loop(0, kernel_x) as j:
            under = corner + i * part.whole("apart_y") * wide + j * part.whole("apart_x")
            there, here = part.behind(image, under * pitch), part.behind(columns, position + (i * kernel_x + j) * pitch)
            with part.loop(0, pitch >> lanes.bit_length() - 1) as group:
                write(there, here, group * lanes)


def by_terms(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that writes kernels `[outputs, channels, taps]` as `[blocks, taps, pitch, vectors · lanes]`.

    It does so for a range of blocks of outputs; the channels beyond the last have zeros.
    """
    part = Part(name, KERNELS, dtype, lanes)
    v, w, to, wide = part.vectors, part.place("w"), part.place("to"), lanes * vectors
    outputs, channels, taps, pitch = map(part.whole, ("outputs", "channels", "taps", "pitch"))
    with part.loop(part.whole("begin"), part.whole("end")) as block:
        for q in range(vectors):
            first = block * wide + q * lanes
            lines = [part.behind(w, least(first + i, outputs - 1) * channels * taps) for i in range(lanes)]
            there = part.behind(to, block * taps * pitch * wide + q * lanes)
            with part.loop(0, channels) as c:
                row = part.behind(there, c * wide)
                _transposed_taps(part, lines, c * taps, lambda tap, x, row=row: v.store(x, row, tap * pitch * wide))
            with part.loop(0, taps) as tap, part.loop(channels, pitch) as c:
                v.store(v.constant(0), there, (tap * pitch + c) * wide)
    return part.text()


def by_columns(name: str, dtype: Any, lanes: int, vectors: int) -> str:
    """Return the function that writes kernels `[outputs, channels, taps]` as rows of columns for a range of outputs.

    The result is `[blocks, outputs, vectors · lanes]`, of which the blocks make up `[taps, pitch]`; the channels beyond
    the last repeat it.
    """
    part = Part(name, KERNELS, dtype, lanes)
    v, w, to, wide = part.vectors, part.place("w"), part.place("to"), lanes * vectors
    outputs, channels, taps, pitch = map(part.whole, ("outputs", "channels", "taps", "pitch"))
    with part.loop(part.whole("begin"), part.whole("end")) as o, part.loop(0, quotient(pitch, lanes)) as group:
        lines = [part.behind(w, (o * channels + least(group * lanes + i, channels - 1)) * taps) for i in range(lanes)]

        def write(tap: Symbol, x: Any) -> None:
            column = tap * pitch + group * lanes
            block = part.made(LONG, f"udiv i64 {column}, {wide}")
            v.store(x, to, (block * outputs + o) * wide + column - block * wide)

        _transposed_taps(part, lines, part.index(0), write)
    return part.text()


def _transposed_taps(part: Part, lines: list[Place], at: Symbol, write: Any) -> None:
    """Call `write(tap, x)` with what each of some lines has of each tap, whose taps begin at an index."""
    v, lanes, taps = part.vectors, part.vectors.lanes, part.whole("taps")
    with part.loop(0, quotient(taps, lanes)) as some:
        first = some * lanes
        mask = v.first_lanes(taps - first)
        for i, x in enumerate(v.transposed([v.load_some(line, at + first, mask) for line in lines])):
            with part.when(taps > first + i):
                write(first + i, x)


def gathering(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that makes kernels `[outputs, channels, taps]`, for a range of outputs, of sums.

    Sums are `[outputs, row]`, each of which begins with `[taps, pitch]`, and `apart` from the next, all of which are
    added up.
    """
    part = Part(name, GATHER, dtype, lanes)
    v, source, w = part.vectors, part.place("from"), part.place("w")
    channels, taps, pitch, row = map(part.whole, ("channels", "taps", "pitch", "row"))
    with (
        part.loop(part.whole("begin"), part.whole("end")) as o,
        part.loop(0, quotient(channels, lanes)) as group,
        part.loop(0, quotient(taps, lanes)) as some,
    ):
        c, first = group * lanes, some * lanes
        lines = [part.behind(source, o * row + least(first + i, taps - 1) * pitch + c) for i in range(lanes)]
        held = [v.variable(v.load(line, 0)) for line in lines]
        with part.loop(1, part.whole("sums")) as number:
            for place, line in zip(held, lines, strict=True):
                place.set(place.get() + v.load(line, number * part.whole("apart")))
        mask = v.first_lanes(taps - first)
        for i, x in enumerate(v.transposed([place.get() for place in held])):
            with part.when(channels > c + i):
                v.store_some(x, w, (o * channels + c + i) * taps + first, mask)
    return part.text()
