"""Images laid out with their channels innermost, and taken back: square blocks are transposed in registers.

All sizes are parameters, so that one function serves every layer of a network. Positions of an image are read in the
order in which they lie, across the ends of rows; only where each belongs is counted along rows.
"""

from typing import Any

from chainrule.kernels.native.gemm.writing import Part, least, quotient
from chainrule.kernels.native.symbol import LONG, Symbol

LAY = (
    "ptr noalias %x, i64 %apart, i64 %channels, i64 %height, i64 %width, i64 %top, i64 %rows, i64 %left, i64 %wide, "
    "ptr noalias %to, i64 %pitch"
)
TAKE = (
    "ptr noalias %from, i64 %wide, i64 %pitch, ptr noalias %y, i64 %plane, i64 %width, i64 %first, i64 %count, "
    "i64 %channels"
)


def laying(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that copies rows of an image `[channels, height, width]` to `[rows, wide, pitch]`.

    Channels of the image are `apart`. The rows begin at `top`, which may be negative, and the columns `left` of the
    first; around the image there are zeros, and in the channels beyond the last: `pitch` is their number rounded up to
    whole vectors. One more position behind them all is written to.
    """
    part = Part(name, LAY, dtype, lanes)
    v, x, to = part.vectors, part.place("x"), part.place("to")
    channels, width, top, rows, wide, pitch = map(part.whole, ("channels", "width", "top", "rows", "wide", "pitch"))
    with part.loop(0, rows * wide * pitch >> lanes.bit_length() - 1) as k:
        v.store(v.constant(0), to, k * lanes)
    begin = _larger(part, top, part.index(0))
    end = least(top + rows, part.whole("height"))
    first, count = begin * width, _larger(part, end - begin, part.index(0)) * width
    behind = rows * wide
    with part.loop(0, pitch >> lanes.bit_length() - 1) as group:
        channel = group * lanes
        lines = [part.behind(x, least(channel + i, channels - 1) * part.whole("apart")) for i in range(lanes)]

        def block(at: Symbol, rest: Symbol | None) -> None:
            mask = None if rest is None else v.first_lanes(rest)
            read = [v.load(line, at) if mask is None else v.load_some(line, at, mask) for line in lines]
            row, column = _divided(part, at, width)
            place = (row - top) * wide + column + part.whole("left")
            for i, vector in enumerate(v.transposed(read)):
                where = place if rest is None else part.chosen(rest > i, place, behind)
                v.store(vector, to, where * pitch + channel)
                column, place = _next(part, column, place, width, wide)

        _in_blocks(part, first, count, lanes, block)
    with part.when(pitch > channels), part.loop(0, rows * wide) as place:
        v.store_some(v.constant(0), to, place * pitch + channels, v.first_lanes(pitch - channels))
    return part.text()


def taking(name: str, dtype: Any, lanes: int) -> str:
    """Return the function that copies positions of an image `[…, wide, pitch]` to `[channels, plane]`.

    Of the channels' planes, `count` elements from the `first` on are written, whose rows have a `width`. The image
    begins with the row of the first.
    """
    part = Part(name, TAKE, dtype, lanes)
    v, source, y = part.vectors, part.place("from"), part.place("y")
    names = "wide", "pitch", "plane", "width", "first", "count", "channels"
    wide, pitch, plane, width, first, count, channels = map(part.whole, names)
    with part.loop(0, quotient(channels, lanes)) as group:
        channel = group * lanes

        def block(at: Symbol, rest: Symbol | None) -> None:
            row, column = _divided(part, at, width)
            place = row * wide + column
            read = []
            for i in range(lanes):
                where = place if rest is None else part.chosen(rest > i, place, part.index(0))
                read.append(v.load(source, where * pitch + channel))
                column, place = _next(part, column, place, width, wide)
            mask = None if rest is None else v.first_lanes(rest)
            for i, vector in enumerate(v.transposed(read)):
                with part.when(channels > channel + i):
                    target = (channel + i) * plane + first + at
                    if mask is None:
                        v.store(vector, y, target)
                    else:
                        v.store_some(vector, y, target, mask)

        _in_blocks(part, part.index(0), count, lanes, block)
    return part.text()


def _in_blocks(part: Part, first: Symbol, count: Symbol, lanes: int, block: Any) -> None:
    """Call `block(at, None)` for whole vectors of positions, and `block(at, rest)` for what is left."""
    whole = count >> lanes.bit_length() - 1
    with part.loop(0, whole) as k:
        block(first + k * lanes, None)
    rest = count - whole * lanes
    with part.when(rest > 0):
        block(first + whole * lanes, rest)


def _divided(part: Part, number: Symbol, by: Symbol) -> tuple[Symbol, Symbol]:
    """Return the quotient and the remainder of two indices."""
    found = part.made(LONG, f"udiv i64 {number}, {by}")
    return found, number - found * by


def _next(part: Part, column: Symbol, place: Symbol, width: Symbol, wide: Symbol) -> tuple[Symbol, Symbol]:
    """Return the column and the place of the next position, in rows of a width that lie `wide` apart."""
    column, place = column + 1, place + 1
    is_next = column == width
    return part.chosen(is_next, part.index(0), column), part.chosen(is_next, place + wide - width, place)


def _larger(part: Part, a: Symbol, b: Symbol) -> Symbol:
    return part.chosen(a > b, a, b)
